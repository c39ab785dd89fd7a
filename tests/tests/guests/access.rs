//! Logins, and the ways from a login to the engine.

use std::process::Stdio;

use lab::guests::Network;
use lab::tools::{command, outcome, stdout_of};

use crate::{Key, Running, wait_until};

#[test]
fn a_vm_lets_in_who_has_a_key() {
    let (network, key, other) = (Network::new(), Key::new(), Key::new());
    let vm = network.vm("web").ssh();
    vm.authorize(&key.public());
    let said = key.in_guest(&vm, "id -un; id -Gn; hostname");
    assert_eq!(String::from_utf8_lossy(&said.stdout), "core\ncore docker\nweb\n");
    assert!(!other.in_guest(&vm, "true").success);
    vm.deauthorize();
    assert!(!key.in_guest(&vm, "true").success);
}

#[test]
fn a_forwarded_socket_reaches_the_engine_across_its_restart() {
    let (network, key) = (Network::new(), Key::new());
    let vm = network.vm("web").ssh().dockerd();
    vm.authorize(&key.public());
    let near = key.file().with_file_name("socket");
    let mut forward = key.ssh(&vm);
    forward.args(["-N", "-L"]).arg(format!("{}:/var/run/docker.sock", near.display())).stderr(Stdio::null());
    let _forward = Running::start(&mut forward);
    let ping = || outcome(command("curl", ["-s", "--unix-socket"]).arg(&near).arg("http://docker/_ping"));
    wait_until("the socket is forwarded", || ping().stdout == b"OK");
    vm.stop_engine();
    assert!(!ping().success);
    vm.start_engine();
    assert_eq!(ping().text, "OK");
}

#[test]
fn ncat_reaches_the_engine_until_it_is_removed() {
    let (network, key, replay) = (Network::new(), Key::new(), lab::guests::Replay::start());
    let vm = network.vm("web").ssh().replay(&replay, 1);
    vm.authorize(&key.public());
    let ask = "printf 'GET /_ping HTTP/1.0\\r\\n\\r\\n' | ncat -U /var/run/docker.sock";
    assert!(key.in_guest(&vm, ask).stdout.ends_with(b"\r\n\r\nOK"));
    vm.remove_program("ncat");
    let said = key.in_guest(&vm, "ncat -U /var/run/docker.sock");
    assert_eq!(said.code, Some(127), "{}", said.text);
    assert!(command("ncat", ["--version"]).output().unwrap().status.success(), "the machine's own is as it was");
}

#[test]
fn who_is_not_in_group_docker_is_refused_by_the_socket() {
    let (network, key, replay) = (Network::new(), Key::new(), lab::guests::Replay::start());
    let vm = network.vm("web").ssh().replay(&replay, 1);
    vm.authorize(&key.public());
    vm.leave_docker_group();
    assert!(!key.in_guest(&vm, "test -w /var/run/docker.sock").success);
    vm.join_docker_group();
    assert!(key.in_guest(&vm, "test -w /var/run/docker.sock").success);
}

#[test]
fn lines_of_sshd_config_win() {
    let (network, key) = (Network::new(), Key::new());
    let vm =
        network.vm("web").ssh_with(&["PubkeyAcceptedAlgorithms ssh-rsa", "KexAlgorithms diffie-hellman-group14-sha1"]);
    vm.authorize(&key.public());
    assert!(key.in_guest(&vm, "true").text.contains("no matching key exchange method"));
    vm.configure_ssh(&[]);
    vm.stop_ssh();
    vm.start_ssh();
    assert!(key.in_guest(&vm, "true").success);
}

#[test]
fn host_keys_are_the_ones_that_are_shown_and_can_be_changed() {
    let network = Network::new();
    let vm = network.vm("web").ssh();
    let shown = |kind: &str| {
        let scan = stdout_of(command("ssh-keyscan", ["-T", "10", "-t", kind]).arg(vm.address().to_string()));
        scan.split_whitespace().last().unwrap_or_default().to_owned()
    };
    let before = ["ed25519", "ecdsa", "rsa"].map(|kind| vm.host_key_blob(kind));
    assert_eq!(["ed25519", "ecdsa", "rsa"].map(shown), before);
    vm.change_host_keys();
    assert_ne!(vm.host_key_blob("rsa"), before[2]);
    assert_eq!(shown("rsa"), vm.host_key_blob("rsa"));
}

#[test]
fn sessions_end_or_pause_as_they_are_told() {
    let (network, key) = (Network::new(), Key::new());
    let vm = network.vm("web").ssh();
    vm.authorize(&key.public());
    let mut session = Running::start(key.ssh(&vm).arg("sleep 1000").stderr(Stdio::null()));
    wait_until("there is a session", || vm.ssh_log().contains("Starting session"));
    assert_eq!(vm.ssh_connections(), 1);
    vm.end_ssh_sessions();
    wait_until("the client ended", || session.0.try_wait().unwrap().is_some());
    vm.pause_ssh();
    assert!(!key.in_guest(&vm, "true").success);
    vm.resume_ssh();
    assert!(key.in_guest(&vm, "true").success);
}
