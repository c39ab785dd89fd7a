//! Many events, many containers, hostile guests: what they cost, and whom.

use std::time::{Duration, Instant};

use lab::guests::{Misbehaviour, Replay, ReplayEngine, Vm};
use lab::monitor::Monitor;
use lab::xapi::Ref;

use crate::lab::{Lab, SOON, shown};

/// A guest whose engine plays so many containers.
fn played(lab: &Lab, replay: &Replay, name: &str, containers: usize) -> (Vm, ReplayEngine) {
    let guest = lab.prepared(lab.network.vm(name).ssh().replay(replay, containers));
    let engine = guest.replayed();
    (guest, engine)
}

#[track_caller]
fn shows_as_many(lab: &Lab, monitor: &Monitor, vm: &Ref, count: usize) {
    lab.reached(&format!("{count} containers are shown"), SOON, monitor, |state| {
        shown(state, vm).is_some_and(|shown| shown.len() == count)
    });
}

#[test]
fn a_burst_of_a_thousand_events_costs_a_few_looks_and_ends_true() {
    let lab = Lab::new();
    let replay = Replay::start();
    let (guest, engine) = played(&lab, &replay, "web", 20);
    let vm = lab.register(&guest);
    let monitor = lab.monitor();
    shows_as_many(&lab, &monitor, &vm, 20);
    lab.reached("the view is complete", SOON, &monitor, |state| {
        state.entry(&vm, "other_config", "docker_version").is_some()
    });
    let looks = engine.list_requests();
    let writes = lab.xapi.look(|state| state.calls("VM.add_to_other_config"));
    engine.burst(1_000);
    let wanted = engine.containers();
    let begun = Instant::now();
    lab.reached("the final state is shown", SOON, &monitor, |state| {
        let shown = shown(state, &vm).unwrap_or_default();
        wanted.iter().all(|(name, state)| {
            let status = if state == "paused" { "Up (Paused)" } else { "Up" };
            shown.get(name).map(String::as_str) == Some(status)
        })
    });
    let seconds = begun.elapsed().as_secs() + 1;
    let (looks, writes) =
        (engine.list_requests() - looks, lab.xapi.look(|state| state.calls("VM.add_to_other_config")) - writes);
    assert!(looks <= 5, "{looks} looks");
    assert!(writes <= 1 + seconds, "{writes} writes in {seconds} s");
}

#[test]
fn events_that_change_nothing_cost_nothing() {
    let lab = Lab::new();
    let replay = Replay::start();
    let (guest, engine) = played(&lab, &replay, "web", 3);
    let vm = lab.register(&guest);
    let monitor = lab.monitor();
    shows_as_many(&lab, &monitor, &vm, 3);
    lab.list_stays(&vm, || {
        let looks = engine.list_requests();
        for _ in 0..50 {
            engine.idle_event("c0", "top");
            engine.idle_event("c0", "exec_start: true");
        }
        // What is sent after them has come when this is seen.
        assert_eq!(engine.list_requests(), looks);
    });
    engine.pause("c0");
    lab.reached("the pause is shown", SOON, &monitor, |state| {
        shown(state, &vm).is_some_and(|shown| shown["c0"] == "Up (Paused)")
    });
    let looks = engine.list_requests();
    assert!(looks <= 3, "{looks} looks");
}

#[test]
fn more_containers_than_there_is_room_for_are_told_of() {
    let lab = Lab::new();
    let replay = Replay::start();
    let (guest, engine) = played(&lab, &replay, "web", 1_000);
    engine.pause("c0");
    let vm = lab.register(&guest);
    let monitor = lab.monitor();
    let uuid = lab.uuid(&vm);
    lab.reached("a message", SOON, &monitor, |state| !crate::lab::messages(state, &uuid).is_empty());
    let messages = lab.messages(&vm);
    assert_eq!(messages[0].0, "Container Management cannot show all containers", "{messages:?}");
    let document = lab.entry(&vm, "docker_ps").unwrap();
    assert!((100 * 1024..180 * 1024).contains(&document.len()), "{}", document.len());
}

/// Every misbehaviour that there is, each in a guest of its own beside one that behaves.
fn beside_a_hostile_guest(misbehaviour: Misbehaviour) {
    let lab = Lab::new();
    let good = lab.guest("good");
    good.run("one", &["sleep", "1000"]);
    let bad = lab.prepared(lab.network.vm("bad").ssh().hostile_at(misbehaviour, misbehaviour.place()));
    let vms = [&good, &bad].map(|guest| lab.register(guest));
    let mut monitor = lab.monitor();
    lab.shows(&monitor, &vms[0], &[("one", "Up")]);
    monitor.wait("the hostile engine was spoken to", |_| (bad.hostile_connections() > 0).then_some(()));
    for round in 0..3 {
        let (verb, status) = if round % 2 == 0 { ("pause", "Up (Paused)") } else { ("unpause", "Up") };
        good.docker(&[verb, "one"]);
        lab.shows(&monitor, &vms[0], &[("one", status)]);
    }
    let peak = monitor.peak_memory_kib();
    assert!(peak < 64 * 1024, "{misbehaviour:?}: {peak} KiB");
    monitor.stop();
}

macro_rules! hostile {
    ($($name:ident $misbehaviour:expr;)*) => {$(
        #[test]
        fn $name() {
            beside_a_hostile_guest($misbehaviour);
        }
    )*};
}

hostile! {
    endless_headers_cost_their_own_vm_only Misbehaviour::EndlessHeaders;
    an_endless_header_costs_its_own_vm_only Misbehaviour::EndlessHeader;
    silence_costs_its_own_vm_only Misbehaviour::NeverAnswers;
    single_bytes_cost_their_own_vm_only Misbehaviour::ClosesAfterEveryByte;
    a_slow_drip_costs_its_own_vm_only Misbehaviour::SlowDrip;
    a_gigabyte_costs_its_own_vm_only Misbehaviour::HugeContentLength;
    a_huge_chunk_costs_its_own_vm_only Misbehaviour::HugeChunk;
    an_endless_body_costs_its_own_vm_only Misbehaviour::EndlessBody;
    endless_interim_replies_cost_their_own_vm_only Misbehaviour::EndlessInterimReplies;
    garbage_costs_its_own_vm_only Misbehaviour::NotHttp;
    an_error_costs_its_own_vm_only Misbehaviour::Status(500);
    deep_json_costs_its_own_vm_only Misbehaviour::DeepJson;
    wrong_types_cost_their_own_vm_only Misbehaviour::WrongTypes;
    strange_names_cost_nobody_anything Misbehaviour::StrangeNames;
    a_million_containers_cost_their_own_vm_only Misbehaviour::MillionContainers;
    a_huge_container_costs_its_own_vm_only Misbehaviour::HugeContainer;
    an_endless_event_costs_its_own_vm_only Misbehaviour::EndlessEvent;
    a_flood_of_events_costs_its_own_vm_only Misbehaviour::EventFlood;
    events_in_bytes_cost_their_own_vm_only Misbehaviour::EventsInBytes;
}

/// Longer than an attempt at a guest whose engine does something wrong.
const ATTEMPT: Duration = Duration::from_secs(60);

#[test]
fn each_hostile_engine_is_told_with_a_reason() {
    for (misbehaviour, said) in [
        (Misbehaviour::EndlessHeaders, "is not a container engine"),
        (Misbehaviour::NeverAnswers, "did not answer"),
        (Misbehaviour::HugeContentLength, "did not answer"),
        (Misbehaviour::NotHttp, "is not a container engine"),
        (Misbehaviour::Status(500), "HTTP status 500"),
        (Misbehaviour::NotJson, "is not a"),
    ] {
        let lab = Lab::new();
        let bad = lab.prepared(lab.network.vm("bad").ssh().hostile(misbehaviour));
        lab.register(&bad);
        let monitor = lab.monitor();
        let end = Instant::now() + ATTEMPT;
        let reason = loop {
            if let Some(line) = monitor.lines().into_iter().find(|line| line.contains("cannot see the VM's containers"))
            {
                break line;
            }
            assert!(Instant::now() < end, "{misbehaviour:?}: {:#?}", monitor.lines());
            std::thread::sleep(Duration::from_millis(50));
        };
        assert!(reason.contains(said), "{misbehaviour:?}: {reason}");
    }
}
