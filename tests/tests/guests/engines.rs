//! Real engines in simulated VMs.

use lab::guests::Network;
use lab::tools::{command, outcome};

use crate::get;

#[test]
fn two_vms_have_engines_of_their_own() {
    let network = Network::new();
    let (one, two) = (network.vm("one").dockerd(), network.vm("two").dockerd());
    one.run("first", &["sleep", "1000"]);
    two.run("second", &["sleep", "1000"]);
    two.docker(&["pause", "second"]);
    let list = ["ps", "--format", "{{.Names}} {{.Image}} {{.State}}"];
    assert_eq!(one.docker(&list), "first lab/busybox:1 running\n");
    assert_eq!(two.docker(&list), "second lab/busybox:1 paused\n");
    assert!(get(&one, "/info").contains("\"Name\":\"one\""));
}

#[test]
fn a_killed_dockerd_finds_its_containers_again() {
    let network = Network::new();
    let vm = network.vm("web").dockerd();
    vm.run("one", &["sleep", "1000"]);
    vm.kill_engine();
    assert!(!outcome(vm.docker_command().arg("ps")).success);
    vm.start_engine();
    assert_eq!(vm.docker(&["ps", "-a", "--format", "{{.Names}}"]), "one\n");
}

#[test]
fn a_paused_engine_takes_connections_and_never_answers() {
    let network = Network::new();
    let vm = network.vm("web").dockerd();
    vm.pause_engine();
    let ask = || outcome(command("curl", ["-s", "-m", "1", "--unix-socket"]).arg(vm.socket()).arg("http://d/_ping"));
    // 28: connected, but not answered in time (curl(1)).
    assert_eq!(ask().code, Some(28));
    vm.resume_engine();
    assert_eq!(ask().text, "OK");
}

#[test]
fn a_podman_answers_dockers_client() {
    let network = Network::new();
    let vm = network.vm("web").podman();
    vm.run("one", &["sleep", "1000"]);
    assert_eq!(vm.docker(&["ps", "--format", "{{.Names}} {{.State}}"]), "one running\n");
    assert!(get(&vm, "/version").contains("Podman Engine"));
    vm.restart_engine();
    assert_eq!(vm.docker(&["ps", "--format", "{{.Names}} {{.State}}"]), "one running\n");
}
