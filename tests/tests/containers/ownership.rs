//! Whose views are whose: halted VMs, clones, snapshots, migration, other clients' writes, the end of the program.

use lab::monitor::Monitor;
use lab::xapi::Value;

use crate::lab::{Lab, SOON, WIPED};

/// An entry as clones and snapshots carry it.
const LEFT_OVER: &str = "<?xml version=\"1.0\" ?><docker_ps/>";

fn left_over(registered: &str) -> Value {
    Value::map([("docker_ps", LEFT_OVER), ("docker_info", "x"), ("xscontainer-monitor", registered), ("mac_seed", "1")])
}

#[test]
fn a_vm_that_is_halted_or_deregistered_shows_nothing() {
    let lab = Lab::new();
    let (halted, deregistered) = (lab.guest("halted"), lab.guest("deregistered"));
    let vms = [lab.register(&halted), lab.register(&deregistered)];
    let monitor = lab.monitor();
    vms.iter().for_each(|vm| lab.shows(&monitor, vm, &[]));
    lab.xapi.set(&vms[0], "power_state", "Halted").unwrap();
    lab.xapi.set(&vms[0], "resident_on", lab::xapi::NULL_REF).unwrap();
    lab.xapi.set_entry(&vms[1], "other_config", "xscontainer-monitor", "False").unwrap();
    vms.iter().for_each(|vm| lab.shows_nothing(SOON, &monitor, vm));
    assert_eq!(lab.entry(&vms[0], "mac_seed").as_deref(), Some("1"));
}

#[test]
fn clones_and_snapshots_lose_what_they_carry_and_other_hosts_vms_keep_it() {
    let lab = Lab::new();
    let there = lab.xapi.new_host("host-2", "192.0.2.2").unwrap();
    let gone = [("power_state", Value::from("Halted")), ("resident_on", lab::xapi::NULL_REF.into())];
    let vm = |name, fields: Vec<(&'static str, Value)>| {
        let all = [vec![("other_config", left_over("True"))], fields].concat();
        lab.xapi.add_vm(name, all).unwrap()
    };
    let clone = vm("clone", gone.to_vec());
    let snapshot = vm("snapshot", [gone.to_vec(), vec![("is_a_snapshot", true.into())]].concat());
    let suspended =
        vm("suspended", vec![("power_state", "Suspended".into()), ("resident_on", lab::xapi::NULL_REF.into())]);
    let elsewhere = vm("elsewhere", vec![("resident_on", (&there).into())]);
    let monitor = lab.monitor();
    for vm in [&clone, &snapshot, &suspended] {
        lab.shows_nothing(SOON, &monitor, vm);
    }
    assert_eq!(lab.entry(&elsewhere, "docker_ps").as_deref(), Some(LEFT_OVER));
}

#[test]
fn a_host_that_is_not_the_coordinator_touches_only_what_runs_on_it() {
    let lab = Lab::new();
    let there = lab.xapi.new_host("host-2", "192.0.2.2").unwrap();
    let halted = [("power_state", Value::from("Halted")), ("resident_on", lab::xapi::NULL_REF.into())];
    let clone =
        lab.xapi.add_vm("clone", [vec![("other_config", left_over("True"))], halted.to_vec()].concat()).unwrap();
    let here =
        lab.xapi.add_vm("here", [("other_config", left_over("False")), ("resident_on", (&there).into())]).unwrap();
    let monitor = Monitor::start_on(&lab.xapi, &there);
    lab.shows_nothing(SOON, &monitor, &here);
    assert_eq!(lab.entry(&clone, "docker_ps").as_deref(), Some(LEFT_OVER));
}

#[test]
fn a_vm_that_migrates_keeps_its_view_and_is_followed_by_the_other_host() {
    let lab = Lab::new();
    let guest = lab.guest("web");
    guest.run("one", &["sleep", "1000"]);
    let vm = lab.register(&guest);
    let there = lab.xapi.new_host("host-2", "192.0.2.2").unwrap();
    let mut monitors = [lab.monitor(), Monitor::start_on(&lab.xapi, &there)];
    lab.shows(&monitors[0], &vm, &[("one", "Up")]);
    lab.list_stays(&vm, || {
        lab.xapi.set(&vm, "resident_on", &there).unwrap();
        monitors[0].wait_for_line("reason=migrated away");
        monitors[1].wait_for_line("the VM's containers are seen");
    });
    guest.docker(&["pause", "one"]);
    lab.shows(&monitors[1], &vm, &[("one", "Up (Paused)")]);
}

#[test]
fn a_view_that_cannot_be_confirmed_after_a_start_goes() {
    let lab = Lab::new();
    let guest = lab.guest("web");
    guest.stop_ssh();
    let vm = lab.register(&guest);
    lab.xapi.set_entry(&vm, "other_config", "docker_ps", LEFT_OVER).unwrap();
    let monitor = lab.monitor();
    lab.shows_nothing(WIPED, &monitor, &vm);
}

#[test]
fn a_view_that_is_still_true_after_a_restart_is_not_written_again() {
    let lab = Lab::new();
    let guest = lab.guest("web");
    guest.run("one", &["sleep", "1000"]);
    let vm = lab.register(&guest);
    let monitor = lab.monitor();
    lab.shows(&monitor, &vm, &[("one", "Up")]);
    lab.reached("the engine is described", SOON, &monitor, |state| {
        state.entry(&vm, "other_config", "docker_version").is_some()
    });
    // Killed, so that it leaves everything as it is.
    drop(monitor);
    lab.list_stays(&vm, || {
        let mut monitor = lab.monitor();
        monitor.wait_for_line("the VM's containers are seen");
    });
}

#[test]
fn a_program_that_is_ended_takes_its_views_away() {
    let lab = Lab::new();
    let guests = [lab.guest("one"), lab.guest("two")];
    let vms = guests.each_ref().map(|guest| lab.register(guest));
    let there = lab.xapi.new_host("host-2", "192.0.2.2").unwrap();
    let elsewhere =
        lab.xapi.add_vm("elsewhere", [("other_config", left_over("True")), ("resident_on", (&there).into())]).unwrap();
    let monitor = lab.monitor();
    vms.iter().for_each(|vm| lab.shows(&monitor, vm, &[]));
    monitor.stop();
    for vm in &vms {
        assert_eq!(["docker_ps", "docker_info", "docker_version"].map(|key| lab.entry(vm, key)), [None, None, None]);
        assert_eq!(lab.entry(vm, "xscontainer-monitor").as_deref(), Some("True"));
    }
    assert_eq!(lab.entry(&elsewhere, "docker_ps").as_deref(), Some(LEFT_OVER));
}

#[test]
fn a_stale_map_written_back_by_a_client_is_healed() {
    let lab = Lab::new();
    let guest = lab.guest("web");
    let vm = lab.register(&guest);
    let monitor = lab.monitor();
    lab.shows(&monitor, &vm, &[]);
    let stale = lab.xapi.get(&vm, "other_config").unwrap();
    guest.run("one", &["sleep", "1000"]);
    lab.shows(&monitor, &vm, &[("one", "Up")]);
    lab.xapi.set(&vm, "other_config", stale).unwrap();
    lab.shows(&monitor, &vm, &[("one", "Up")]);
}

#[test]
fn entries_of_others_are_never_lost() {
    let lab = Lab::new();
    let guest = lab.guest("web");
    let vm = lab.register(&guest);
    let monitor = lab.monitor();
    lab.shows(&monitor, &vm, &[]);
    guest.run("one", &["sleep", "1000"]);
    for round in 0..10 {
        guest.docker(&[if round % 2 == 0 { "pause" } else { "unpause" }, "one"]);
        lab.xapi.set_entry(&vm, "other_config", &format!("other-{round}"), "kept").unwrap();
        lab.shows(&monitor, &vm, &[("one", if round % 2 == 0 { "Up (Paused)" } else { "Up" })]);
    }
    for round in 0..10 {
        assert_eq!(lab.entry(&vm, &format!("other-{round}")).as_deref(), Some("kept"));
    }
    assert_eq!(lab.xapi.look(|state| state.calls("VM.set_other_config")), 0);
}

#[test]
fn a_restart_of_xapi_costs_neither_views_nor_what_happens_meanwhile() {
    let mut lab = Lab::new();
    let guest = lab.guest("web");
    guest.run("one", &["sleep", "1000"]);
    let vm = lab.register(&guest);
    let monitor = lab.monitor();
    lab.shows(&monitor, &vm, &[("one", "Up")]);
    lab.xapi.stop();
    guest.docker(&["pause", "one"]);
    guest.run("two", &["sleep", "1000"]);
    lab.xapi.restart().unwrap();
    lab.shows_within(WIPED, &monitor, &vm, &[("one", "Up (Paused)"), ("two", "Up")]);
}

#[test]
fn secrets_of_a_destroyed_vm_go_unless_another_vm_uses_them() {
    let lab = Lab::new();
    let secret = |text: &str| {
        let secret = lab.xapi.add("secret", [("value", Value::from(text))]).unwrap();
        let uuid = lab.uuid(&secret);
        (secret, uuid)
    };
    let ((own, own_uuid), (shared, shared_uuid)) = (secret("own"), secret("shared"));
    let halted = [("power_state", Value::from("Halted")), ("resident_on", lab::xapi::NULL_REF.into())];
    let vm = |name, entries: &[(&str, &str)]| {
        let config = Value::map(entries.iter().copied());
        lab.xapi.add_vm(name, [vec![("other_config", config)], halted.to_vec()].concat()).unwrap()
    };
    let destroyed =
        vm("destroyed", &[("xscontainer-tls-client-key", &own_uuid), ("xscontainer-tls-ca-cert", &shared_uuid)]);
    let kept = vm("kept", &[("xscontainer-tls-ca-cert", &shared_uuid)]);
    let mut monitor = lab.monitor();
    monitor.wait_for_line("snapshot of the pool complete");
    lab.xapi.remove(&destroyed).unwrap();
    lab.reached("the secret is gone", SOON, &monitor, |state| state.get(&own, "uuid").is_err());
    assert!(lab.xapi.get(&shared, "uuid").is_ok());
    lab.xapi.remove(&kept).unwrap();
    lab.reached("the other is gone too", SOON, &monitor, |state| state.get(&shared, "uuid").is_err());
}
