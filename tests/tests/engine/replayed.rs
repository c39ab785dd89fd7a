//! The agent cannot tell the replayed engine from a real one.

use agent::engine::Action;
use agent::view;
use lab::guests::{Network, Replay};

use crate::{act, inspect, refused, top};

#[test]
fn what_is_done_to_a_replayed_container_is_seen_in_every_document() {
    let (network, replay) = (Network::new(), Replay::start());
    let vm = network.vm("web").replay(&replay, 2);
    let state = || vm.replayed().containers().into_iter().find(|(name, _)| name == "c1").unwrap().1;
    let description = || view::inspect(&inspect(&vm, "c1").unwrap()).unwrap();
    assert!(description().contains("<Name>/c1</Name>"));
    for (action, expected) in [
        (Action::Pause, "paused"),
        (Action::Unpause, "running"),
        (Action::Stop, "exited"),
        (Action::Start, "running"),
        (Action::Restart, "running"),
    ] {
        act(&vm, "c1", action).unwrap();
        assert_eq!(state(), expected);
        assert!(description().contains(&format!("<State><Status>{expected}</Status>")), "{}", description());
    }
    assert_eq!(refused(act(&vm, "c1", Action::Start)).0, 304);
    assert_eq!(refused(act(&vm, "nobody", Action::Stop)), (404, "No such container: nobody".to_owned()));
    assert!(view::top(&top(&vm, "c1").unwrap()).unwrap().contains("<CMD>sleep 1000</CMD>"));
    assert_eq!(vm.replayed().requests().get("/containers/c1/pause"), Some(&1));
}
