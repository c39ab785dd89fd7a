//! Links that break, and engines and servers that go away: a view stays while it can be true, and no longer.

use lab::xapi::Value;

use crate::lab::{Lab, SOON, TOLD, WIPED};

#[test]
fn an_engine_that_is_restarted_is_seen_again() {
    let lab = Lab::new();
    let guest = lab.guest("web");
    guest.run("one", &["sleep", "1000"]);
    let vm = lab.register(&guest);
    let monitor = lab.monitor();
    lab.shows(&monitor, &vm, &[("one", "Up")]);
    guest.restart_engine();
    lab.shows_within(WIPED, &monitor, &vm, &[("one", "Exited (137)")]);
}

#[test]
fn sessions_that_are_ended_are_replaced_without_a_gap_in_the_view() {
    let lab = Lab::new();
    let guest = lab.guest("web");
    guest.run("one", &["sleep", "1000"]);
    let vm = lab.register(&guest);
    let mut monitor = lab.monitor();
    lab.shows(&monitor, &vm, &[("one", "Up")]);
    lab.list_stays(&vm, || {
        guest.end_ssh_sessions();
        monitor.wait_for_line("the VM's containers are seen again");
    });
    guest.docker(&["pause", "one"]);
    lab.shows(&monitor, &vm, &[("one", "Up (Paused)")]);
}

#[test]
fn a_link_that_loses_every_packet_costs_the_view_in_time_and_comes_back() {
    let lab = Lab::new();
    let guest = lab.guest("web");
    guest.run("one", &["sleep", "1000"]);
    let vm = lab.register(&guest);
    let monitor = lab.monitor();
    lab.shows(&monitor, &vm, &[("one", "Up")]);
    guest.drop_packets();
    lab.shows_nothing(WIPED, &monitor, &vm);
    guest.docker(&["pause", "one"]);
    guest.pass_packets();
    lab.shows_within(WIPED, &monitor, &vm, &[("one", "Up (Paused)")]);
}

#[test]
fn an_engine_that_hangs_costs_the_view_in_time() {
    let lab = Lab::new();
    let guest = lab.guest("web");
    let vm = lab.register(&guest);
    let monitor = lab.monitor();
    lab.shows(&monitor, &vm, &[]);
    guest.pause_engine();
    lab.shows_nothing(WIPED, &monitor, &vm);
    guest.resume_engine();
    lab.shows_within(WIPED, &monitor, &vm, &[]);
}

#[test]
fn a_server_that_hangs_costs_the_view_in_time() {
    let lab = Lab::new();
    let guest = lab.guest("web");
    let vm = lab.register(&guest);
    let monitor = lab.monitor();
    lab.shows(&monitor, &vm, &[]);
    guest.pause_ssh();
    lab.shows_nothing(WIPED, &monitor, &vm);
    guest.resume_ssh();
    lab.shows_within(WIPED, &monitor, &vm, &[]);
}

#[test]
fn an_address_that_changes_is_followed() {
    let lab = Lab::new();
    let guest = lab.guest("web");
    let vm = lab.register(&guest);
    let monitor = lab.monitor();
    lab.shows(&monitor, &vm, &[]);
    guest.change_address();
    let metrics = lab.xapi.get(&vm, "guest_metrics").unwrap();
    let metrics = lab::xapi::Ref(metrics.text().unwrap().to_owned());
    lab.xapi.set_entry(&metrics, "networks", "0/ip", &guest.address().to_string()).unwrap();
    guest.run("one", &["sleep", "1000"]);
    lab.shows(&monitor, &vm, &[("one", "Up")]);
}

#[test]
fn a_vm_that_stays_unreachable_is_told_in_one_message_which_goes_when_it_works() {
    let lab = Lab::new();
    let guest = lab.guest("web");
    guest.stop_ssh();
    let vm = lab.register(&guest);
    let monitor = lab.monitor();
    let uuid = lab.uuid(&vm);
    lab.reached("a message", TOLD, &monitor, |state| !crate::lab::messages(state, &uuid).is_empty());
    let messages = lab.messages(&vm);
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!(messages[0].0, "Container Management cannot monitor VM");
    let address = guest.address().to_string();
    assert!(messages[0].1.contains(&address) && messages[0].1.contains("firewall"), "{messages:?}");
    guest.start_ssh();
    lab.reached("no message", WIPED, &monitor, |state| crate::lab::messages(state, &uuid).is_empty());
    lab.shows(&monitor, &vm, &[]);
}

#[test]
fn a_message_from_before_a_restart_is_not_doubled_and_goes() {
    let lab = Lab::new();
    let guest = lab.guest("web");
    let vm = lab.register(&guest);
    let uuid = lab.uuid(&vm);
    let ours = "Container Management cannot monitor VM";
    for name in [ours, "VM_STARTED", ours] {
        let texts = [("name", name), ("cls", "VM"), ("obj_uuid", &uuid), ("body", "")];
        let date = ("timestamp", Value::DateTime("20260101T00:00:00Z".to_owned()));
        let fields = texts.into_iter().map(|(field, text)| (field, text.into())).chain([date]);
        lab.xapi.add("message", fields).unwrap();
    }
    let monitor = lab.monitor();
    lab.reached("our messages are gone", SOON, &monitor, |state| crate::lab::messages(state, &uuid).len() == 1);
    assert_eq!(lab.messages(&vm)[0].0, "VM_STARTED");
}
