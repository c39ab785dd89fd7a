//! From nothing to "its containers show", over SSH.

use std::path::Path;

use lab::guests::ssh_variants::{
    KEY_AND_PASSWORD, KEYBOARD_INTERACTIVE, NO_SOCKET_FORWARDING, ONE_TRY, PAM, RSA_SHA2_ONLY, SHA1_ONLY, SSH_RSA_ONLY,
};
use lab::monitor::Monitor;
use lab::tools::succeed;

use crate::lab::{Lab, PASSWORD};

#[test]
fn a_fresh_debian_guest_is_prepared_by_a_person_at_a_terminal() {
    let lab = Lab::new();
    let guest = lab.fresh("web");
    guest.run("web-1", &["sleep", "1000"]);
    let vm = lab.vm(&guest);
    let _monitor = Monitor::start(&lab.xapi);
    let mut terminal = lab.at_terminal(&vm, &["-u", "core"]);
    terminal.expect("\"web\"");
    terminal.expect("Go on? (y/n): ");
    terminal.send_line("y");
    terminal.expect("met for the first time");
    terminal.expect("SHA256:");
    terminal.expect("(y/n): ");
    terminal.send_line("yes");
    terminal.expect(&format!("Password of core at {}: ", guest.address()));
    assert!(!terminal.is_echoing());
    terminal.send_line("wrong");
    terminal.expect("not accepted");
    terminal.expect("Password of core");
    terminal.send_line(PASSWORD);
    terminal.expect("The pool's key is in account core");
    terminal.expect("The engine answers");
    terminal.expect("Waiting for its containers");
    terminal.expect("web-1");
    let ended = terminal.finish();
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    assert!(!ended.text.contains(PASSWORD) && !ended.text.contains("wrong"), "{}", ended.text);

    assert_eq!(guest.authorized_keys("core"), Some(format!("{} xscontainer\n", key_of(&lab))));
    for (key, text) in [("xscontainer-monitor", "True"), ("xscontainer-username", "core"), ("xscontainer-mode", "ssh")]
    {
        assert_eq!(lab.entry(&vm, key).as_deref(), Some(text), "{key}");
    }
    assert_eq!(lab.entry(&vm, "xscontainer-sshhostkey"), Some(guest.host_key_blob("ed25519")));
    assert!(lab.entry(&vm, "docker_ps").unwrap().contains("web-1"));
    assert_eq!(lab.entry(&vm, "xscontainer-preparing"), None);

    // Again: nothing to ask but whether, nothing is added twice.
    let keys = guest.authorized_keys("core");
    let said = lab.in_script(&vm, &["-u", "core", "--yes"], "");
    assert_eq!(said.code, Some(0), "{}", said.text);
    assert!(said.text.contains("has the pool's key already"), "{}", said.text);
    assert_eq!(guest.authorized_keys("core"), keys);
}

/// The type and the blob of the pool's public key.
fn key_of(lab: &Lab) -> String {
    lab.public_key().split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_script_prepares_by_a_password_and_reads_the_result_as_json() {
    let lab = Lab::new();
    let guest = lab.fresh_light("web", PAM);
    let vm = lab.vm(&guest);
    lab.pretend_to_show(&vm);
    let arguments = ["-u", "core", "--yes", "--password-stdin", "--json"];
    let said = lab.in_script(&vm, &arguments, &format!("{PASSWORD}\n"));
    assert_eq!(said.code, Some(0), "{}", said.text);
    let result: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(result["result"], "prepared");
    assert!(result["engine"].as_str().is_some_and(|engine| engine.contains("API")), "{result}");
}

#[test]
fn servers_old_and_new_let_people_in_by_what_they_accept() {
    let lab = Lab::new();
    let variants: [&[&str]; 6] = [PAM, KEYBOARD_INTERACTIVE, SHA1_ONLY, SSH_RSA_ONLY, RSA_SHA2_ONLY, ONE_TRY];
    for (at, lines) in variants.into_iter().enumerate() {
        let guest = lab.fresh_light(&format!("vm-{at}"), lines);
        if lines == KEYBOARD_INTERACTIVE {
            guest.configure_pam(lab::guests::ssh_variants::PAM_PASSWORD);
        }
        let vm = lab.vm(&guest);
        lab.pretend_to_show(&vm);
        lab.prepared_by_script(&vm);
    }
}

#[test]
fn the_servers_own_questions_are_put_as_its_words() {
    let lab = Lab::new();
    let guest = lab.fresh_light("web", KEYBOARD_INTERACTIVE);
    guest.configure_pam(lab::guests::ssh_variants::PAM_TWO_QUESTIONS);
    let vm = lab.vm(&guest);
    lab.pretend_to_show(&vm);
    let mut terminal = lab.at_terminal(&vm, &["-u", "core"]);
    for _ in 0..2 {
        terminal.expect("(y/n): ");
        terminal.send_line("y");
    }
    terminal.expect("The server asks \"Password:\"");
    assert!(!terminal.is_echoing());
    terminal.send_line(PASSWORD);
    terminal.expect("The server asks ");
    terminal.send_line("anything");
    let ended = terminal.finish();
    assert_eq!(ended.code, Some(0), "{}", ended.text);
}

#[test]
fn an_administrators_own_key_is_enough_and_a_password_after_it_where_the_server_wants_both() {
    let lab = Lab::new();
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("own");
    succeed(std::process::Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&own));
    let public = std::fs::read_to_string(own.with_extension("pub")).unwrap();
    let own = own.to_str().unwrap();
    for (name, lines, password) in [("one", PAM, false), ("both", KEY_AND_PASSWORD, true)] {
        let guest = lab.fresh_light(name, lines);
        guest.set_authorized_keys("core", &public);
        let vm = lab.vm(&guest);
        lab.pretend_to_show(&vm);
        let mut arguments = vec!["-u", "core", "--yes", "--identity", own];
        if password {
            // The pool's key alone will not do there either, so this VM cannot be managed: the reason is told.
            arguments.push("--password-stdin");
            let said = lab.in_script(&vm, &arguments, &format!("{PASSWORD}\n"));
            assert_eq!(said.code, Some(4), "{}", said.text);
            assert!(said.text.contains("does not accept it"), "{}", said.text);
            assert!(lab.is_untouched(&vm) || lab.entry(&vm, "xscontainer-monitor").is_none());
            continue;
        }
        let said = lab.in_script(&vm, &arguments, "");
        assert_eq!(said.code, Some(0), "{}", said.text);
        assert!(Path::new(own).exists());
    }
}

#[test]
fn where_sockets_are_not_forwarded_a_helper_in_the_guest_does() {
    let lab = Lab::new();
    let guest = lab.fresh_light("web", NO_SOCKET_FORWARDING);
    let vm = lab.vm(&guest);
    lab.pretend_to_show(&vm);
    lab.prepared_by_script(&vm);
}

#[test]
fn labels_are_restored_where_the_guest_has_them() {
    let lab = Lab::new();
    let guest = lab.fresh_light("web", PAM);
    guest.selinux();
    let vm = lab.vm(&guest);
    lab.pretend_to_show(&vm);
    lab.prepared_by_script(&vm);
    assert_eq!(guest.restorecon_calls(), ["core -F .ssh .ssh/authorized_keys"]);
}

#[test]
fn a_vm_is_found_by_its_name_if_no_other_has_it() {
    let lab = Lab::new();
    let guest = lab.fresh_light("web", PAM);
    let vm = lab.vm(&guest);
    lab.pretend_to_show(&vm);
    let arguments = ["-v", "web", "-u", "core", "--yes", "--password-stdin"];
    let said = crate::lab::run(lab.command("prepare-vm", &arguments), &format!("{PASSWORD}\n"));
    assert_eq!(said.code, Some(0), "{}", said.text);

    lab.add_vm("web", &[], &[]);
    let said = crate::lab::run(lab.command("prepare-vm", &arguments), "");
    assert_eq!(said.code, Some(3), "{}", said.text);
    assert!(said.text.contains("2 VMs are named \"web\"") && said.text.contains(&lab.uuid(&vm)), "{}", said.text);
}

#[test]
fn a_vm_on_another_host_is_prepared_from_here_too() {
    let lab = Lab::new();
    let guest = lab.fresh_light("web", PAM);
    let vm = lab.vm(&guest);
    let other = lab.xapi.new_host("other", "198.18.255.2").unwrap();
    lab.xapi.set(&vm, "resident_on", &other).unwrap();
    lab.pretend_to_show(&vm);
    lab.prepared_by_script(&vm);
    guest.stop_ssh();
    let said = lab.in_script(&vm, &["--remove", "--yes"], "");
    assert_eq!(said.code, Some(4), "{}", said.text);
}
