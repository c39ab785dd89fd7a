//! Accounts with passwords, used by a person at a terminal who has the real ssh.

use lab::guests::{Network, Vm, ssh_variants};
use lab::terminal::Terminal;
use lab::tools::command;

use crate::{Key, person};

const PASSWORD: &str = "correct horse";

fn vm(network: &Network, lines: &[&str]) -> Vm {
    let vm = network.vm("web").ssh_with(lines);
    vm.set_password("core", PASSWORD);
    vm
}

/// Answers one question for a password.
fn answer(terminal: &mut Terminal, password: &str) {
    terminal.expect("assword: ");
    assert!(!terminal.is_echoing());
    terminal.send_line(password);
}

#[test]
fn a_person_compares_the_fingerprint_and_types_the_password() {
    let network = Network::new();
    let vm = vm(&network, &[]);
    let mut ssh = command("ssh", ["-F", "none", "-o", "StrictHostKeyChecking=ask", "-o", "PubkeyAuthentication=no"]);
    ssh.args(["-o", "UserKnownHostsFile=/dev/null", "-l", "core"]).arg(vm.address().to_string()).arg("id -un");
    let mut terminal = Terminal::start(ssh);
    let question = terminal.expect("(yes/no/[fingerprint])? ");
    assert!(question.contains(&vm.host_key_fingerprint("ed25519")), "{question}");
    terminal.send_line("yes");
    answer(&mut terminal, "wrong");
    terminal.expect("Permission denied, please try again.");
    answer(&mut terminal, PASSWORD);
    terminal.expect("core\n");
    let ended = terminal.finish();
    assert_eq!((ended.code, ended.text.contains(PASSWORD), ended.echoing), (Some(0), false, true));
    assert_eq!(vm.refused_logins(), ["password for core"]);
    assert_eq!(vm.logins(), ["password for core"]);
}

#[test]
fn pam_asks_by_keyboard_interactive() {
    let network = Network::new();
    let vm = vm(&network, ssh_variants::KEYBOARD_INTERACTIVE);
    let mut wrong = person(&vm, "core", "id -un");
    answer(&mut wrong, "wrong");
    answer(&mut wrong, PASSWORD);
    wrong.expect("core\n");
    assert_eq!(wrong.finish().code, Some(0));
    assert_eq!(vm.logins(), ["keyboard-interactive/pam for core"]);
    assert_eq!(vm.refused_logins(), ["keyboard-interactive/pam for core"]);
    vm.configure_pam(ssh_variants::PAM_TWO_QUESTIONS);
    let mut twice = person(&vm, "core", "id -un");
    answer(&mut twice, PASSWORD);
    answer(&mut twice, "123456");
    twice.expect("core\n");
}

#[test]
fn a_fresh_account_has_an_empty_home_and_gets_what_it_is_given() {
    let (network, key) = (Network::new(), Key::new());
    let vm = network.vm("web").ssh();
    vm.add_account("debian", "/bin/bash");
    vm.set_password("debian", "päss'wörd\\ $HOME");
    assert_eq!(vm.snapshot_files(&["/home/debian"]).to_string(), "/home/debian: folder 700 1001:1001\n");
    let mut terminal = person(&vm, "debian", "id -Gn; pwd");
    answer(&mut terminal, "päss'wörd\\ $HOME");
    terminal.expect("debian\n/home/debian\n");
    vm.join_group("debian", "docker");
    vm.authorize_for("debian", &key.public());
    let said = lab::tools::outcome(key.ssh_as("debian", &vm).arg("id -Gn"));
    assert_eq!(String::from_utf8_lossy(&said.stdout), "debian docker\n");
    vm.leave_group("debian", "docker");
    assert_eq!(lab::tools::outcome(key.ssh_as("debian", &vm).arg("id -Gn")).stdout, b"debian\n");
    vm.remove_ssh_folder("core");
    assert_eq!(vm.snapshot_files(&["/home/core"]).to_string(), "/home/core: folder 755 1000:1000\n");
}

#[test]
fn root_has_a_home_of_the_guests_own() {
    let network = Network::new();
    let vm = network.vm("web").ssh_with(&["PermitRootLogin yes"]);
    vm.set_password("root", PASSWORD);
    let mut terminal = person(&vm, "root", "echo here > ~/here; pwd");
    answer(&mut terminal, PASSWORD);
    terminal.expect("/root\n");
    assert_eq!(std::fs::read_to_string(vm.file("/root/here")).unwrap(), "here\n");
    assert!(!std::path::Path::new("/root/here").exists(), "the machine's own is as it was");
}

#[test]
fn some_shells_let_nobody_work() {
    let network = Network::new();
    let vm = network.vm("web").ssh();
    for (account, shell, code, says) in [
        ("none", "/usr/sbin/nologin", 1, "This account is currently not available."),
        ("false", "/bin/false", 1, ""),
        ("restricted", "/bin/rbash", 1, "restricted: cannot"),
    ] {
        vm.add_account(account, shell);
        vm.set_password(account, PASSWORD);
        let mut terminal = person(&vm, account, "echo ran; echo x > file");
        answer(&mut terminal, PASSWORD);
        terminal.expect(says);
        let ended = terminal.finish();
        assert_eq!((ended.code, ended.text.contains("ran")), (Some(code), account == "restricted"), "{}", ended.text);
    }
    assert_eq!(vm.logins().len(), 3);
}

#[test]
fn old_passwords_and_locked_accounts_are_told_or_refused() {
    let network = Network::new();
    let vm = vm(&network, ssh_variants::PAM);
    vm.expire_password("core");
    let mut terminal = person(&vm, "core", "echo ran");
    answer(&mut terminal, PASSWORD);
    terminal.expect("Password change required but no TTY available.");
    assert!(!terminal.finish().text.contains("ran"));
    vm.lock_account("core");
    let mut terminal = person(&vm, "core", "echo ran");
    answer(&mut terminal, PASSWORD);
    terminal.expect("Permission denied, please try again.");
}
