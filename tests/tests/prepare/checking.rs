//! `--check` tries every step, says which one fails, and changes nothing.

use lab::guests::ssh_variants::{NO_FORWARDING, PAM};

use crate::lab::Lab;

#[test]
fn every_step_is_named_with_what_was_seen_and_the_one_that_fails_with_its_remedy() {
    let lab = Lab::new();
    let guest = lab.fresh_light("web", PAM);
    let vm = lab.vm(&guest);
    let untouched = |code: i32, words: &[&str]| {
        let (files, entries) = (guest.snapshot_files(&["/home", "/etc"]), lab.entries(&vm));
        let said = lab.in_script(&vm, &["--check"], "");
        for word in words {
            assert!(said.text.contains(word), "no {word:?} in\n{}", said.text);
        }
        assert_eq!(said.code, Some(code), "{}", said.text);
        files.assert_same(&guest.snapshot_files(&["/home", "/etc"]));
        assert_eq!(lab.entries(&vm), entries);
    };
    let login = ["ok    the VM runs", "ok    its host key", "FAIL  the pool's key is accepted", "remedy     Prepare"];
    untouched(4, &login);
    lab.pretend_to_show(&vm);
    lab.prepared_by_script(&vm);
    untouched(0, &["ok    the engine answers", "as remembered", "ok    the engine is recent enough"]);
    guest.configure_ssh(NO_FORWARDING);
    guest.stop_ssh();
    guest.start_ssh();
    guest.remove_program("ncat");
    guest.remove_program("docker");
    untouched(
        4,
        &["FAIL  the socket can be reached", "AllowStreamLocalForwarding yes", "often      OpenSSH before 6.7"],
    );
    guest.change_host_keys();
    untouched(4, &["FAIL  its host key is the one known", "ssh-keygen -lf"]);
    guest.stop_ssh();
    untouched(4, &["FAIL  the port is open", "-     the engine answers"]);
    lab.xapi.set(&vm, "power_state", "Halted").unwrap();
    untouched(4, &["FAIL  the VM runs: the VM is halted", "-     the port is open"]);
}

#[test]
fn remedies_are_those_of_the_guests_distribution() {
    let lab = Lab::new();
    let guest = lab.fresh_light("web", PAM);
    let vm = lab.vm(&guest);
    guest.stop_ssh();
    let metrics = lab.xapi.look(|state| state.database.refs("VM_guest_metrics"))[0].clone();
    for (name, words) in [
        ("Debian GNU/Linux 12 (bookworm)", "apt-get install openssh-server"),
        ("CentOS Linux release 7.9.2009 (Core)", "yum install openssh-server"),
        ("Flatcar Container Linux by Kinvolk", "sshd.socket"),
    ] {
        lab.xapi.set(&metrics, "os_version", lab::xapi::Value::map([("name", name)])).unwrap();
        let said = lab.in_script(&vm, &["--check", "--json"], "");
        let result: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
        let failed =
            result["steps"].as_array().unwrap().iter().find(|step| step["outcome"] == "failed").unwrap().clone();
        assert!(failed["remedy"].as_str().unwrap().contains(words), "{failed}");
    }
}
