//! Hostile engines that are asked for something about one container cost an error, in time.

use std::time::{Duration, Instant};

use agent::engine::{Action, Error};
use lab::guests::{Misbehaviour, Network};

use crate::{act, inspect, name, refused, talk, top};

const PLACE: &str = "/containers/plain/";

#[test]
fn a_plain_engine_is_the_measure() {
    let network = Network::new();
    let vm = network.vm("plain").hostile_at(Misbehaviour::NotJson, "/nowhere");
    for action in Action::ALL {
        act(&vm, "plain", action).unwrap();
    }
    assert!(inspect(&vm, "plain").unwrap().contains("/plain"));
    assert!(top(&vm, "plain").unwrap().contains("sleep"));
}

#[test]
fn refusals_are_told_with_their_status() {
    let network = Network::new();
    for code in [304, 404, 409, 500] {
        let vm = network.vm("bad").hostile_at(Misbehaviour::Status(code), PLACE);
        for action in Action::ALL {
            let (status, message) = refused(act(&vm, "plain", action));
            assert!(status == code && !message.is_empty(), "{status} {message}");
            let error = act(&vm, "plain", action).unwrap_err();
            assert!(error.to_string().chars().all(|c| !c.is_control() && c != '\u{202e}'), "{error}");
        }
        assert_eq!(refused(inspect(&vm, "plain")).0, code);
        assert_eq!(refused(top(&vm, "plain")).0, code);
    }
}

#[test]
fn garbage_ends_in_an_error_at_once() {
    let network = Network::new();
    let begun = Instant::now();
    for misbehaviour in
        [Misbehaviour::NotJson, Misbehaviour::DeepJson, Misbehaviour::WrongTypes, Misbehaviour::TenMegabytes]
    {
        let vm = network.vm("bad").hostile_at(misbehaviour, PLACE);
        for error in [inspect(&vm, "plain").unwrap_err(), top(&vm, "plain").unwrap_err()] {
            let expected = match misbehaviour {
                Misbehaviour::TenMegabytes => matches!(error, Error::TooMuch { .. }),
                _ => matches!(error, Error::NotAnEngine { .. }),
            };
            assert!(expected, "{misbehaviour:?}: {error}");
        }
        // The status says that it is done, whatever else is said.
        act(&vm, "plain", Action::Stop).unwrap();
    }
    let vm = network.vm("bad").hostile_at(Misbehaviour::NotHttp, PLACE);
    assert!(matches!(act(&vm, "plain", Action::Stop), Err(Error::NotHttp(_))));
    assert!(matches!(inspect(&vm, "plain"), Err(Error::NotHttp(_))));
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

#[test]
fn nothing_is_waited_for_as_long_as_it_may_take() {
    let network = Network::new();
    let vm = network.vm("bad").hostile_at(Misbehaviour::NeverAnswers, PLACE);
    let begun = Instant::now();
    assert!(matches!(inspect(&vm, "plain"), Err(Error::Slow { .. })));
    assert!((20..30).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    // The engine may take two minutes about an action; who does not want to wait drops it.
    let given_up = talk(&vm, async |engine| {
        tokio::time::timeout(Duration::from_secs(12), engine.act(&name("plain"), Action::Stop)).await.is_err()
    });
    assert!(given_up);
}
