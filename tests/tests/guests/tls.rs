//! dockerd behind TLS, right and with flaws.

use std::fs;

use lab::guests::{Certificates, Flaw, Network, Vm};
use lab::tools::{Said, command, outcome};

fn docker(vm: &Vm, certificates: &Certificates) -> Said {
    let folder = tempfile::tempdir().expect("a folder");
    let texts = [
        ("ca.pem", &certificates.ca),
        ("cert.pem", &certificates.client_certificate),
        ("key.pem", &certificates.client_key),
    ];
    for (name, text) in texts {
        fs::write(folder.path().join(name), text).expect("written");
    }
    let mut docker = command("/usr/bin/docker", ["--tlsverify", "-H", &format!("tcp://{}:2376", vm.address())]);
    docker.env("DOCKER_CERT_PATH", folder.path()).env("DOCKER_CONFIG", folder.path());
    outcome(docker.args(["version", "--format", "{{.Server.Version}}"]))
}

#[test]
fn dockerd_lets_in_who_has_a_certificate_and_shows_the_flaw_that_it_shall() {
    let network = Network::new();
    let vm = network.vm("web");
    let certificates = Certificates::new(vm.address(), Flaw::None);
    let vm = vm.dockerd_tls(&certificates);
    let said = docker(&vm, &certificates);
    assert!(said.success, "{}", said.text);
    let stranger = docker(&vm, &Certificates::new(vm.address(), Flaw::None));
    assert!(!stranger.success, "{}", stranger.text);
    for (flaw, complaint) in [
        (Flaw::WrongName, "certificate is valid for 192.0.2.77"),
        (Flaw::Expired, "certificate has expired"),
        (Flaw::NoServerAuth, "incompatible key usage"),
        (Flaw::OtherAuthority, "certificate signed by unknown authority"),
    ] {
        let flawed = Certificates::new(vm.address(), flaw);
        vm.install_certificates(&flawed);
        vm.restart_engine();
        let said = docker(&vm, &flawed);
        assert!(!said.success && said.text.contains(complaint), "{flaw:?}: {}", said.text);
    }
}
