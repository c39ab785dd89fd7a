//! The pool's key is changed in all VMs, and monitors of all hosts follow.

use lab::guests::Vm;
use lab::guests::ssh_variants::PAM;
use lab::monitor::Monitor;
use lab::tools::Said;
use lab::xapi::{Failure, Fault, Ref};

use crate::lab::{Lab, run};

fn prepared(lab: &Lab, name: &str) -> (Vm, Ref) {
    let guest = lab.fresh_light(name, PAM);
    let vm = lab.vm(&guest);
    lab.pretend_to_show(&vm);
    lab.prepared_by_script(&vm);
    (guest, vm)
}

fn rotate(lab: &Lab, arguments: &[&str]) -> Said {
    run(lab.command("key rotate", arguments), "")
}

fn shown_key(lab: &Lab) -> String {
    let said = run(lab.command("key show", &[]), "");
    assert_eq!(said.code, Some(0), "{}", said.text);
    String::from_utf8(said.stdout).unwrap()
}

#[test]
fn every_vm_gets_the_new_key_and_loses_the_old_one_and_monitors_go_on() {
    let lab = Lab::new();
    let (first, first_vm) = prepared(&lab, "first");
    let (second, second_vm) = prepared(&lab, "second");
    let other = lab.xapi.new_host("other", "198.18.255.2").unwrap();
    lab.xapi.set(&second_vm, "resident_on", &other).unwrap();
    let (mut here, mut there) = (Monitor::start(&lab.xapi), Monitor::start_on(&lab.xapi, &other));
    here.wait_for_line("containers are seen by");
    there.wait_for_line("containers are seen by");
    let old = shown_key(&lab);

    let said = rotate(&lab, &["--yes", "--json"]);
    assert_eq!(said.code, Some(0), "{}", said.text);
    let result: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(result["reached"].as_array().unwrap().len(), 2, "{result}");
    let new = shown_key(&lab);
    assert_ne!(old, new);
    for guest in [&first, &second] {
        assert_eq!(guest.authorized_keys("core").as_deref(), Some(new.as_str()));
        // The next login must be by the new key.
        guest.end_ssh_sessions();
    }
    here.wait_for_line("containers are seen again");
    there.wait_for_line("containers are seen again");
    for vm in [&first_vm, &second_vm] {
        assert_eq!(lab.entry(vm, "xscontainer-key-fingerprint").as_deref(), result["fingerprint"].as_str());
        assert_eq!(lab.in_script(vm, &["--check"], "").code, Some(0));
    }
    assert!(lab.leftovers().is_empty(), "{:?}", lab.leftovers());
}

#[test]
fn vms_that_cannot_be_reached_are_left_behind_only_if_that_is_said() {
    let lab = Lab::new();
    let (reached, _) = prepared(&lab, "reached");
    let (lost, lost_vm) = prepared(&lab, "lost");
    let old = shown_key(&lab);
    lost.stop_ssh();
    let said = rotate(&lab, &["--yes"]);
    assert_eq!(said.code, Some(5), "{}", said.text);
    assert!(said.text.contains("NOT REACHED") && said.text.contains("--leave-behind"), "{}", said.text);
    assert_eq!(shown_key(&lab), old);
    assert_eq!(reached.authorized_keys("core").as_deref(), Some(old.as_str()));
    assert!(lab.leftovers().is_empty(), "{:?}", lab.leftovers());

    let said = rotate(&lab, &["--yes", "--leave-behind"]);
    assert_eq!(said.code, Some(10), "{}", said.text);
    assert!(said.text.contains(&format!("Prepare again: {}", lab.uuid(&lost_vm))), "{}", said.text);
    assert_ne!(shown_key(&lab), old);
    lost.start_ssh();
    let said = lab.in_script(&lost_vm, &["--check"], "");
    assert!(said.text.contains("before this pool's key was changed"), "{}", said.text);
    lab.prepared_by_script(&lost_vm);
}

#[test]
fn a_vm_that_is_being_prepared_meanwhile_is_not_forgotten() {
    let lab = Lab::new();
    let guest = lab.fresh_light("web", PAM);
    let vm = lab.vm(&guest);
    let mut terminal = lab.at_terminal(&vm, &["-u", "core"]);
    for _ in 0..2 {
        terminal.expect("(y/n): ");
        terminal.send_line("y");
    }
    terminal.expect("Password of core");
    let said = rotate(&lab, &["--yes"]);
    assert_eq!(said.code, Some(5), "{}", said.text);
    assert!(said.text.contains("somebody is preparing it just now"), "{}", said.text);
    assert!(lab.leftovers().is_empty(), "{:?}", lab.leftovers());
    terminal.press_ctrl_c();
    assert_eq!(terminal.finish().code, Some(130));
}

#[test]
fn nobody_takes_back_what_another_call_does() {
    let lab = Lab::new();
    let (guest, vm) = prepared(&lab, "web");
    guest.stop_ssh();
    let mut first = lab::terminal::Terminal::start(lab.command("key rotate", &[]));
    first.expect_within(std::time::Duration::from_secs(60), "Leave them behind? (y/n): ");
    let second = rotate(&lab, &["--yes", "--leave-behind"]);
    assert_eq!(second.code, Some(3), "{}", second.text);
    assert!(lab.entry(&lab.xapi.pool(), "xscontainer-next-private-secret-uuid").is_some());
    let said = lab.in_script(&vm, &["-u", "core", "--yes"], "");
    assert_eq!(said.code, Some(3), "{}", said.text);
    assert!(said.text.contains("changing the pool's key") && said.text.contains("pool-param-remove"), "{}", said.text);
    first.send_line("n");
    assert_eq!(first.finish().code, Some(5));
    assert!(lab.leftovers().is_empty(), "{:?}", lab.leftovers());
}

#[test]
fn vms_with_a_config_drive_are_listed() {
    let lab = Lab::new();
    let (_guest, vm) = prepared(&lab, "web");
    lab.add_config_drive(&vm);
    let said = rotate(&lab, &["--yes"]);
    assert_eq!(said.code, Some(0), "{}", said.text);
    assert!(said.text.contains("Needs a new config drive") && said.text.contains(&lab.uuid(&vm)), "{}", said.text);
}

#[test]
fn a_failure_at_any_request_leaves_one_key_that_opens_the_vm_and_the_next_call_ends_it() {
    let lab = Lab::new();
    let (guest, vm) = prepared(&lab, "web");
    lab.xapi.count_from_now();
    assert_eq!(rotate(&lab, &["--yes"]).code, Some(0));
    let requests = lab.xapi.counted().len();
    for at in 1..=requests {
        lab.xapi.count_from_now();
        lab.xapi.fault_at(at, Fault::Fails(Failure::new("INTERNAL_ERROR", &["of the test"])));
        rotate(&lab, &["--yes"]);
        let Some(failed) = lab.xapi.counted().get(at - 1).cloned() else { break };
        assert_eq!(lab.in_script(&vm, &["--check"], "").code, Some(0), "{at}: {failed}");
        // Whatever is left is ended by another call.
        let said = rotate(&lab, &["--yes"]);
        assert_eq!(said.code, Some(0), "{at}: {failed}: {}", said.text);
        assert_eq!(guest.authorized_keys("core").as_deref(), Some(shown_key(&lab).as_str()), "{at}: {failed}");
        assert!(lab.leftovers().iter().all(|left| left == "secret"), "{at}: {failed}: {:?}", lab.leftovers());
    }
}

impl Lab {
    /// What a change of the key leaves in the pool's `other_config`, and secrets beside the two of the key.
    fn leftovers(&self) -> Vec<String> {
        let entries = self.all_entries(&self.xapi.pool());
        let ours = |key: &&String| key.contains("next") || key.contains("retiring") || key.contains("preparing");
        let keys = entries.iter().map(|(key, _)| key).filter(ours).cloned();
        let secrets = self.xapi.look(|state| state.database.refs("secret").len());
        keys.chain((2..secrets).map(|_| "secret".to_owned())).collect()
    }

    fn add_config_drive(&self, vm: &Ref) {
        let flag = || lab::xapi::Value::map([("config-drive", "True")]);
        let vdi = self.xapi.add("VDI", [("other_config", flag())]).unwrap();
        self.xapi.add("VBD", [("VM", vm.clone().into()), ("VDI", vdi.into()), ("other_config", flag())]).unwrap();
    }
}
