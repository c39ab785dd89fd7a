//! A VM taken out again is as it was, in XAPI and file by file.

use lab::guests::ssh_variants::{OTHERS_ONLY, PAM};
use lab::monitor::Monitor;

use crate::lab::Lab;

/// What may differ: the log of the server.
const COMPARED: [&str; 2] = ["/home", "/etc"];

#[test]
fn removal_leaves_the_guest_as_it_was_whatever_it_had() {
    let lab = Lab::new();
    let guest = lab.fresh_light("web", PAM);
    let vm = lab.vm(&guest);
    for keys in [None, Some(""), Some("ssh-ed25519 AAAA someone\n"), Some("ssh-ed25519 AAAA someone")] {
        guest.remove_ssh_folder("core");
        if let Some(keys) = keys {
            guest.set_authorized_keys("core", keys);
        }
        let before = guest.snapshot_files(&COMPARED);
        lab.pretend_to_show(&vm);
        lab.prepared_by_script(&vm);
        assert!(!before.changes(&guest.snapshot_files(&COMPARED)).is_empty());
        let said = lab.in_script(&vm, &["--remove", "--yes", "--json"], "");
        assert_eq!(said.code, Some(0), "{}", said.text);
        let result: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
        assert_eq!((result["result"].as_str(), result["key_taken_out"].as_bool()), (Some("removed"), Some(true)));
        before.assert_same(&guest.snapshot_files(&COMPARED));
        assert!(lab.is_untouched(&vm), "{:?}", lab.entries(&vm));
        assert_eq!(lab.entry(&vm, "docker_ps"), None);
    }
    // Again, which is no mistake.
    assert_eq!(lab.in_script(&vm, &["--remove", "--yes"], "").code, Some(0));
}

#[test]
fn a_watched_vm_shows_nothing_once_it_is_removed() {
    let lab = Lab::new();
    let guest = lab.fresh("web");
    guest.run("web-1", &["sleep", "1000"]);
    let before = guest.snapshot_files(&["/home"]);
    let vm = lab.vm(&guest);
    let mut monitor = Monitor::start(&lab.xapi);
    lab.prepared_by_script(&vm);
    assert!(lab.entry(&vm, "docker_ps").is_some());
    let said = lab.in_script(&vm, &["--remove", "--yes"], "");
    assert_eq!(said.code, Some(0), "{}", said.text);
    monitor.wait_for_line("no longer watching VM");
    let gone = lab.xapi.block_until("no view is left", lab::monitor::DEADLINE, |state| {
        ["docker_ps", "docker_info", "docker_version"]
            .iter()
            .all(|key| state.entry(&vm, "other_config", key).is_none())
            .then_some(())
    });
    gone.unwrap();
    assert!(lab.is_untouched(&vm), "{:?}", lab.entries(&vm));
    before.assert_same(&guest.snapshot_files(&["/home"]));
}

#[test]
fn a_guest_that_cannot_be_reached_is_forgotten_only_by_force() {
    let lab = Lab::new();
    let guest = lab.fresh_light("web", PAM);
    let vm = lab.vm(&guest);
    lab.pretend_to_show(&vm);
    lab.prepared_by_script(&vm);
    let entries = lab.entries(&vm);
    guest.stop_ssh();
    let said = lab.in_script(&vm, &["--remove", "--yes"], "");
    assert_eq!(said.code, Some(4), "{}", said.text);
    assert!(said.text.contains("cannot be taken out") && said.text.contains("--force"), "{}", said.text);
    assert_eq!(lab.entries(&vm), entries);
    let said = lab.in_script(&vm, &["--remove", "--force", "--yes"], "");
    assert_eq!(said.code, Some(0), "{}", said.text);
    assert!(lab.is_untouched(&vm), "{:?}", lab.entries(&vm));
}

/// Servers refuse for many reasons; the key may be there all the same.
#[test]
fn a_login_that_is_refused_is_no_removal() {
    let lab = Lab::new();
    let guest = lab.fresh_light("web", PAM);
    let vm = lab.vm(&guest);
    lab.pretend_to_show(&vm);
    lab.prepared_by_script(&vm);
    let entries = lab.entries(&vm);
    guest.configure_ssh(OTHERS_ONLY);
    guest.stop_ssh();
    guest.start_ssh();
    let said = lab.in_script(&vm, &["--remove", "--yes"], "");
    assert_eq!(said.code, Some(4), "{}", said.text);
    assert!(said.text.contains("cannot be taken out"), "{}", said.text);
    assert_eq!(lab.entries(&vm), entries);
}
