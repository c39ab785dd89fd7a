//! Every variant of sshd behaves as its name says.

use std::process::Stdio;

use lab::guests::{Network, Replay, Vm, ssh_variants};
use lab::tools::{command, outcome};

use crate::{Key, Running, person, wait_until};

const PASSWORD: &str = "secret";

fn restart(vm: &Vm, lines: &[&str]) {
    vm.configure_ssh(lines);
    vm.stop_ssh();
    vm.start_ssh();
}

/// Whether a person gets in, who types the right password as often as it is asked for.
fn password_fits(vm: &Vm) -> bool {
    let mut terminal = person(vm, "core", "echo I am in");
    loop {
        match terminal.expect_any(&["I am in\n", "assword: ", "Permission denied", "Too many"]) {
            0 => return true,
            1 => terminal.send_line(PASSWORD),
            _ => return false,
        }
    }
}

#[test]
fn who_is_let_in() {
    use ssh_variants::{
        KEY_AND_PASSWORD, KEYBOARD_INTERACTIVE, KEYS_ELSEWHERE, KEYS_ONLY, NO_RSA_KEYS, ONE_TRY, OTHERS_ONLY, PAM,
        PASSWORD_ONLY, RSA_SHA2_ONLY, SSH_RSA_ONLY,
    };
    let (network, ed25519, rsa) = (Network::new(), Key::new(), Key::of("rsa"));
    let vm = network.vm("web").ssh();
    vm.set_password("core", PASSWORD);
    vm.set_authorized_keys("core", &format!("{}{}", ed25519.public(), rsa.public()));
    let tried = |name: &str, expected: [bool; 3]| {
        let found = [ed25519.in_guest(&vm, "true").success, rsa.in_guest(&vm, "true").success, password_fits(&vm)];
        assert_eq!(found, expected, "{name}: a key of Ed25519, a key of RSA, a password\n{}", vm.ssh_log());
    };
    for (name, variant, expected) in [
        ("KEYS_ONLY", KEYS_ONLY, [true, true, false]),
        ("PASSWORD_ONLY", PASSWORD_ONLY, [false, false, true]),
        ("KEYBOARD_INTERACTIVE", KEYBOARD_INTERACTIVE, [true, true, true]),
        ("PAM", PAM, [true, true, true]),
        ("KEY_AND_PASSWORD", KEY_AND_PASSWORD, [false, false, false]),
        ("RSA_SHA2_ONLY", RSA_SHA2_ONLY, [false, true, true]),
        ("SSH_RSA_ONLY", SSH_RSA_ONLY, [false, false, true]),
        ("NO_RSA_KEYS", NO_RSA_KEYS, [true, false, true]),
        ("KEYS_ELSEWHERE", KEYS_ELSEWHERE, [false, false, true]),
        ("OTHERS_ONLY", OTHERS_ONLY, [false, false, false]),
        ("ONE_TRY", ONE_TRY, [true, true, true]),
    ] {
        restart(&vm, variant);
        tried(name, expected);
    }
    restart(&vm, &[]);
    tried("as usual", [true, true, true]);
    vm.open_home_to_group("core");
    tried("a home that its group may write into", [false, false, true]);
}

#[test]
fn old_algorithms_are_the_only_ones() {
    let (network, key) = (Network::new(), Key::of("rsa"));
    let vm = network.vm("web").ssh_with(ssh_variants::SHA1_ONLY);
    vm.authorize(&key.public());
    let options = ["KexAlgorithms=+diffie-hellman-group14-sha1", "MACs=+hmac-sha1", "HostKeyAlgorithms=+ssh-rsa"];
    let ssh = |options: &[&str]| {
        let options = options.iter().flat_map(|option| ["-o", option]);
        outcome(key.ssh(&vm).args(options).arg("true"))
    };
    assert!(ssh(&[]).text.contains("no matching key exchange method"));
    assert!(ssh(&options[..1]).text.contains("no matching host key type"));
    assert!(ssh(&options).success, "{}", ssh(&options).text);
    restart(&vm, ssh_variants::SSH_RSA_ONLY);
    // It announces signatures that it then refuses: the client must not try them.
    assert!(ssh(&["PubkeyAcceptedAlgorithms=ssh-rsa"]).success);
}

#[test]
fn attempts_are_counted() {
    let (network, stranger) = (Network::new(), Key::new());
    let vm = network.vm("web").ssh_with(ssh_variants::THREE_TRIES);
    vm.set_password("core", PASSWORD);
    let mut terminal = person(&vm, "core", "true");
    for attempt in ["1", "2", "3"] {
        terminal.expect("assword: ");
        terminal.send_line(attempt);
    }
    terminal.expect("Too many authentication failures");
    restart(&vm, ssh_variants::ONE_TRY);
    let said = stranger.in_guest(&vm, "true");
    assert!(said.text.contains("Too many authentication failures"), "{}", said.text);
}

#[test]
fn sockets_or_everything_is_not_forwarded() {
    let (network, key, replay) = (Network::new(), Key::new(), Replay::start());
    let vm = network.vm("web").ssh().replay(&replay, 1);
    vm.authorize(&key.public());
    let socket = |name: &str| {
        let near = key.file().with_file_name(name);
        let mut forward = key.ssh(&vm);
        forward.args(["-N", "-L"]).arg(format!("{}:/var/run/docker.sock", near.display())).stderr(Stdio::null());
        let _forward = Running::start(&mut forward);
        wait_until("ssh listens", || near.exists());
        outcome(command("curl", ["-s", "-m", "5", "--unix-socket"]).arg(&near).arg("http://docker/_ping")).text
    };
    let tcp = || {
        // It ends with its input, which is empty, after the other sshd's greeting.
        outcome(key.ssh(&vm).args(["-W", &format!("{}:22", vm.address())])).text.contains("SSH-2.0-")
    };
    assert_eq!((socket("one"), tcp()), ("OK".to_owned(), true));
    restart(&vm, ssh_variants::NO_SOCKET_FORWARDING);
    assert_eq!((socket("two"), tcp()), (String::new(), true));
    restart(&vm, ssh_variants::NO_FORWARDING);
    assert_eq!((socket("three"), tcp()), (String::new(), false));
}

#[test]
fn commands_are_replaced_or_refused() {
    let (network, key) = (Network::new(), Key::new());
    let vm = network.vm("web").ssh_with(ssh_variants::FORCED_COMMAND);
    vm.authorize(&key.public());
    let said = key.in_guest(&vm, "echo ran");
    assert_eq!(String::from_utf8_lossy(&said.stdout), "This service allows no commands.\n");
    restart(&vm, ssh_variants::SFTP_ONLY);
    let said = key.in_guest(&vm, "echo ran");
    assert!(!said.text.contains("ran") && !said.success, "{}", said.text);
}
