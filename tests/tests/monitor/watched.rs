//! Who is watched, from when on, and until when for what reason.

use lab::xapi::{Ref, Value};

use crate::lab::{Lab, registered};

#[test]
fn a_vm_that_is_there_at_the_start_is_watched() {
    let lab = Lab::start();
    lab.vm("web", &[]);
    lab.monitor().wait_until_watched(&["web"]);
}

#[test]
fn a_vm_is_watched_once_it_is_registered() {
    let lab = Lab::start();
    let vm = lab.vm("web", &[("other_config", Value::map([("mac_seed", "1")]))]);
    let mut monitor = lab.monitor();
    assert_eq!(monitor.entries(), []);
    lab.register(&vm);
    monitor.wait_until_watched(&["web"]);
}

#[test]
fn a_vm_is_watched_once_it_is_started() {
    let lab = Lab::start();
    let vm = lab.vm("web", &[("power_state", "Halted".into()), ("resident_on", Ref::null().into())]);
    let mut monitor = lab.monitor();
    assert_eq!(monitor.entries(), []);
    lab.xapi.set(&vm, "resident_on", lab.xapi.host()).unwrap();
    lab.xapi.set(&vm, "power_state", "Running").unwrap();
    monitor.wait_until_watched(&["web"]);
}

#[test]
fn a_vm_is_watched_once_its_tools_report() {
    let lab = Lab::start();
    let vm = lab.vm("web", &[("guest_metrics", Ref::null().into())]);
    let mut monitor = lab.monitor();
    assert_eq!(monitor.entries(), []);
    lab.xapi.add_guest_metrics(&vm, &[("0/ip", "10.0.0.7")]).unwrap();
    monitor.wait_until_watched(&["web"]);
}

#[test]
fn what_only_resembles_a_registered_vm_that_runs_here_is_never_watched() {
    let lab = Lab::start();
    let other = lab.xapi.new_host("host-2", "192.0.2.2").unwrap();
    let unfit: [(&str, Vec<(&str, Value)>); 9] = [
        ("another dom0", vec![("is_control_domain", true.into())]),
        ("template", vec![("is_a_template", true.into())]),
        ("snapshot", vec![("is_a_snapshot", true.into())]),
        ("halted", vec![("power_state", "Halted".into()), ("resident_on", Ref::null().into())]),
        ("suspended", vec![("power_state", "Suspended".into()), ("resident_on", Ref::null().into())]),
        ("paused", vec![("power_state", "Paused".into())]),
        ("of another host", vec![("resident_on", other.into())]),
        ("switched off", vec![("other_config", registered("False"))]),
        ("without a report", vec![("guest_metrics", Ref::null().into())]),
    ];
    for (name, fields) in &unfit {
        lab.vm(&format!("{name} at the start"), fields);
    }
    let dom0 = lab.xapi.look(|state| state.database.find("VM", "is_control_domain", &true.into())).remove(0);
    lab.register(&dom0);
    let mut monitor = lab.monitor();
    for (name, fields) in &unfit {
        lab.vm(&format!("{name} later"), fields);
    }
    // Made last: whoever hears of it has heard of the others.
    lab.vm("web", &[]);
    monitor.wait_until_watched(&["web"]);
    assert_eq!(monitor.entries().len(), 1, "{:#?}", monitor.lines());
}

/// Watches a VM, changes it, and gives the reason with which it leaves.
#[track_caller]
fn reason_after(change: impl FnOnce(&Lab, &Ref)) -> String {
    let lab = Lab::start();
    let vm = lab.vm("web", &[]);
    lab.vm("other", &[]);
    let mut monitor = lab.monitor();
    monitor.wait_until_watched(&["other", "web"]);
    change(&lab, &vm);
    monitor.wait_until_watched(&["other"]);
    monitor.entries().into_iter().find_map(|entry| entry.stopped).unwrap()
}

#[test]
fn a_vm_that_halts_is_no_longer_watched() {
    let reason = reason_after(|lab, vm| {
        lab.xapi.set(vm, "power_state", "Halted").unwrap();
        lab.xapi.set(vm, "resident_on", Ref::null()).unwrap();
    });
    assert_eq!(reason, "halted");
}

#[test]
fn a_vm_that_is_deregistered_is_no_longer_watched() {
    assert_eq!(reason_after(Lab::deregister), "deregistered");
}

#[test]
fn a_vm_that_migrates_to_another_host_is_no_longer_watched() {
    let reason = reason_after(|lab, vm| {
        let other = lab.xapi.new_host("host-2", "192.0.2.2").unwrap();
        lab.xapi.set(vm, "resident_on", other).unwrap();
    });
    assert_eq!(reason, "migrated away");
}

#[test]
fn a_vm_that_is_destroyed_is_no_longer_watched() {
    assert_eq!(reason_after(|lab, vm| lab.xapi.remove(vm).unwrap()), "destroyed");
}

#[test]
fn a_vm_that_migrates_away_and_back_is_watched_again() {
    let lab = Lab::start();
    let other = lab.xapi.new_host("host-2", "192.0.2.2").unwrap();
    let vm = lab.vm("web", &[]);
    let mut monitor = lab.monitor();
    lab.xapi.set(&vm, "resident_on", other).unwrap();
    monitor.wait_until_watched(&[]);
    lab.xapi.set(&vm, "resident_on", lab.xapi.host()).unwrap();
    monitor.wait_until_watched(&["web"]);
}
