//! What cannot be prepared is told with the reason and the remedy, has its exit code, and is as it was before.

use lab::guests::Vm;
use lab::guests::ssh_variants::{FORCED_COMMAND, KEYS_ELSEWHERE, KEYS_ONLY, OTHERS_ONLY, PAM};
use lab::xapi::{Ref, Value};

use crate::lab::{Lab, PASSWORD};

/// Runs it in a script; the exit code and these words must come of it, and nothing may have changed.
#[track_caller]
fn refuses(lab: &Lab, vm: &Ref, guest: Option<&Vm>, account: &str, code: i32, words: &[&str]) {
    let home = format!("/home/{account}");
    let files = guest.map(|guest| guest.snapshot_files(&[&home]));
    let said = lab.in_script(vm, &["-u", account, "--yes", "--password-stdin"], &format!("{PASSWORD}\n"));
    for word in words {
        assert!(said.text.contains(word), "no {word:?} in {}", said.text);
    }
    assert_eq!(said.code, Some(code), "{}", said.text);
    assert!(!said.text.contains(PASSWORD), "{}", said.text);
    if let (Some(guest), Some(before)) = (guest, files) {
        before.assert_same(&guest.snapshot_files(&[&home]));
    }
    assert!(lab.is_untouched(vm), "{:?}", lab.entries(vm));
}

#[test]
fn vms_that_are_none_or_do_not_run() {
    let lab = Lab::new();
    let guest = lab.fresh_light("web", PAM);
    let vm = lab.vm(&guest);
    for (field, value, code, words) in [
        ("power_state", Value::from("Halted"), 3, &["the VM is halted", "Start the VM"][..]),
        ("power_state", Value::from("Suspended"), 3, &["the VM is suspended"]),
        ("is_a_template", Value::from(true), 3, &["it is a template"]),
        ("is_a_snapshot", Value::from(true), 3, &["it is a snapshot"]),
        ("is_control_domain", Value::from(true), 3, &["control domain"]),
        ("guest_metrics", Value::from("OpaqueRef:NULL"), 4, &["report no address", "guest tools"]),
    ] {
        let before = lab.xapi.get(&vm, field).unwrap();
        lab.xapi.set(&vm, field, value).unwrap();
        refuses(&lab, &vm, Some(&guest), "core", code, words);
        lab.xapi.set(&vm, field, before).unwrap();
    }
    let unknown = crate::lab::run(lab.command("prepare-vm", &["-v", "nobody", "-u", "core", "--yes"]), "");
    assert_eq!(unknown.code, Some(3), "{}", unknown.text);
    assert!(unknown.text.contains("no VM \"nobody\"") && unknown.text.contains("xe vm-list"), "{}", unknown.text);
}

#[test]
fn logins_that_are_refused() {
    let lab = Lab::new();
    let guest = lab.fresh_light("web", PAM);
    let vm = lab.vm(&guest);
    guest.set_password("core", "another");
    refuses(&lab, &vm, Some(&guest), "core", 6, &["does not accept the password", "--identity"]);
    for (name, lines, words) in [
        ("keys", KEYS_ONLY, &["by no password", "PasswordAuthentication yes"][..]),
        ("others", OTHERS_ONLY, &["does not accept the password"]),
    ] {
        let guest = lab.fresh_light(name, lines);
        let vm = lab.vm(&guest);
        refuses(&lab, &vm, Some(&guest), "core", 6, words);
    }
}

#[test]
fn three_wrong_passwords_are_enough() {
    let lab = Lab::new();
    let guest = lab.fresh_light("web", PAM);
    let vm = lab.vm(&guest);
    let mut terminal = lab.at_terminal(&vm, &["-u", "core"]);
    for _ in 0..2 {
        terminal.expect("(y/n): ");
        terminal.send_line("y");
    }
    for _ in 0..3 {
        terminal.expect("Password of core");
        terminal.send_line("wrong");
    }
    let ended = terminal.finish();
    assert_eq!(ended.code, Some(6), "{}", ended.text);
    assert!(ended.text.contains("does not accept the password of user \"core\""), "{}", ended.text);
    assert!(lab.is_untouched(&vm));
}

#[test]
fn accounts_that_run_no_commands() {
    let lab = Lab::new();
    let guest = lab.fresh_light("web", PAM);
    for (account, shell) in [("nologin", "/usr/sbin/nologin"), ("false", "/bin/false"), ("restricted", "/bin/rbash")] {
        guest.add_account(account, shell);
        guest.set_password(account, PASSWORD);
        let vm = lab.vm(&guest);
        refuses(&lab, &vm, Some(&guest), account, 4, &["cannot run commands", "usermod -s"]);
        lab.xapi.remove(&vm).unwrap();
    }
    let forced = lab.fresh_light("forced", FORCED_COMMAND);
    let vm = lab.vm(&forced);
    refuses(&lab, &vm, Some(&forced), "core", 4, &["This service allows no commands"]);
}

#[test]
fn key_files_that_cannot_be_changed() {
    let lab = Lab::new();
    let full = lab.fresh_light("full", PAM);
    full.fill_homes();
    let vm = lab.vm(&full);
    refuses(&lab, &vm, Some(&full), "core", 4, &["cannot be changed", "No space left"]);

    let read_only = lab.fresh_light("read-only", PAM);
    read_only.set_authorized_keys("core", "# the administrator's\n");
    read_only.make_read_only("/home/core/.ssh/authorized_keys");
    let vm = lab.vm(&read_only);
    refuses(&lab, &vm, Some(&read_only), "core", 4, &["cannot be changed"]);
}

#[test]
fn keys_that_the_server_does_not_accept_go_again() {
    let lab = Lab::new();
    let elsewhere = lab.fresh_light("elsewhere", KEYS_ELSEWHERE);
    let vm = lab.vm(&elsewhere);
    refuses(&lab, &vm, Some(&elsewhere), "core", 4, &["does not accept it", "AuthorizedKeysFile"]);

    let open = lab.fresh_light("open", PAM);
    open.open_home_to_group("core");
    let vm = lab.vm(&open);
    refuses(&lab, &vm, Some(&open), "core", 4, &["does not accept it", "chmod go-w"]);
}

#[test]
fn engines_that_cannot_be_reached() {
    let lab = Lab::new();
    let none = Lab::without_engine(&lab, "none");
    let vm = lab.vm(&none);
    refuses(&lab, &vm, Some(&none), "core", 4, &["no container engine", "systemctl enable --now docker"]);

    let denied = lab.fresh("denied");
    denied.leave_docker_group();
    let vm = lab.vm(&denied);
    refuses(&lab, &vm, Some(&denied), "core", 4, &["may not use the engine's socket", "usermod -aG docker core"]);

    let silent = lab.fresh_light("silent", PAM);
    silent.stop_ssh();
    let vm = lab.vm(&silent);
    refuses(&lab, &vm, Some(&silent), "core", 4, &["does not answer on TCP port 22"]);
}

#[test]
fn what_is_declined_or_left_unanswered_changes_nothing() {
    let lab = Lab::new();
    let guest = lab.fresh_light("web", PAM);
    let vm = lab.vm(&guest);
    for (answers, code) in [("n\n", 5), ("y\nn\n", 5), ("", 5), ("y\n", 5), ("what\nn\n", 5)] {
        let said = lab.in_script(&vm, &["-u", "core"], answers);
        assert_eq!(said.code, Some(code), "{answers:?}: {}", said.text);
        assert!(lab.is_untouched(&vm), "{answers:?}");
    }
}

#[test]
fn a_locale_without_utf_8_gets_ascii_and_a_password_that_is_not_utf_8_is_told() {
    let lab = Lab::new();
    let guest = lab.fresh_light("größe", PAM);
    let vm = lab.vm(&guest);
    let mut command = lab.command("prepare-vm", &["-v", &lab.uuid(&vm), "-u", "core"]);
    command.env("LC_ALL", "de_DE.ISO-8859-1");
    let said = crate::lab::run(command, "n\n");
    assert!(said.text.is_ascii() && said.text.contains("gr\\u{f6}"), "{}", said.text);
    let mut terminal = lab.at_terminal(&vm, &["-u", "core"]);
    for _ in 0..2 {
        terminal.expect("(y/n): ");
        terminal.send_line("y");
    }
    terminal.expect("Password of core");
    terminal.send(b"p\xe4ss\n");
    let ended = terminal.finish();
    assert_eq!(ended.code, Some(5), "{}", ended.text);
    assert!(ended.text.contains("not UTF-8") && lab.is_untouched(&vm), "{}", ended.text);
}

#[test]
fn two_administrators_at_once_do_not_get_in_each_others_way() {
    let lab = Lab::new();
    let guest = lab.fresh_light("web", PAM);
    let vm = lab.vm(&guest);
    lab.pretend_to_show(&vm);
    let mut first = lab.at_terminal(&vm, &["-u", "core"]);
    first.expect("Go on?");
    let second = lab.in_script(&vm, &["-u", "core", "--yes", "--password-stdin"], &format!("{PASSWORD}\n"));
    assert_eq!(second.code, Some(3), "{}", second.text);
    assert!(second.text.contains("somebody else is preparing the VM"), "{}", second.text);
    first.send_line("n");
    assert_eq!(first.finish().code, Some(5));
    lab.prepared_by_script(&vm);
}

#[test]
fn a_key_that_something_in_the_account_swallows_harms_nothing() {
    let lab = Lab::new();
    let guest = lab.fresh_light("web", PAM);
    guest.set_authorized_keys("core", "ssh-ed25519 AAAA someone\n");
    guest.script("echo 'cat > /dev/null' > /home/core/.bashrc");
    let vm = lab.vm(&guest);
    refuses(&lab, &vm, Some(&guest), "core", 4, &["the key did not arrive"]);
}

#[test]
fn a_vm_that_is_prepared_for_another_account_is_taken_out_first() {
    let lab = Lab::new();
    let guest = lab.fresh_light("web", PAM);
    guest.add_account("other", "/bin/bash");
    let vm = lab.vm(&guest);
    lab.pretend_to_show(&vm);
    lab.prepared_by_script(&vm);
    let entries = lab.entries(&vm);
    let said = lab.in_script(&vm, &["-u", "other", "--yes", "--password-stdin"], &format!("{PASSWORD}\n"));
    assert_eq!(said.code, Some(3), "{}", said.text);
    assert!(said.text.contains("for its account \"core\"") && said.text.contains("--remove"), "{}", said.text);
    assert_eq!(lab.entries(&vm), entries);
}

impl Lab {
    fn without_engine(lab: &Lab, name: &str) -> Vm {
        let guest = lab.network.vm(name).ssh_with(PAM);
        guest.remove_ssh_folder("core");
        guest.set_password("core", PASSWORD);
        guest
    }
}
