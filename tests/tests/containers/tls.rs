//! Engines behind TLS, as Windows Server has them: played by dockerd on Linux.

use lab::guests::{Certificates, Flaw, Vm};
use lab::xapi::{Ref, Value};

use crate::lab::{Lab, SOON, WIPED};

/// The uuids of new secrets with the client's certificate and key, and the authority's certificate.
fn secrets(lab: &Lab, certificates: &Certificates) -> [String; 3] {
    [&certificates.client_certificate, &certificates.client_key, &certificates.ca].map(|text| {
        let secret = lab.xapi.add("secret", [("value", Value::from(text.as_str()))]).unwrap();
        lab.uuid(&secret)
    })
}

/// A registered VM whose keys name these certificates.
fn register(lab: &Lab, guest: &Vm, certificates: &Certificates, verify: Option<&str>) -> Ref {
    let [certificate, key, authority] = &secrets(lab, certificates);
    let mut entries = vec![
        ("xscontainer-mode", "tls"),
        ("xscontainer-tls-client-cert", certificate.as_str()),
        ("xscontainer-tls-client-key", key),
        ("xscontainer-tls-ca-cert", authority),
    ];
    entries.extend(verify.map(|verify| ("xscontainer-tls-verify", verify)));
    lab.add_vm(guest.name(), &[("0/ip", &guest.address().to_string())], &entries)
}

#[test]
fn containers_are_followed_over_tls() {
    let lab = Lab::new();
    let guest = lab.network.vm("win");
    let certificates = Certificates::new(guest.address(), Flaw::None);
    let guest = guest.dockerd_tls(&certificates);
    let vm = register(&lab, &guest, &certificates, Some("name"));
    let mut monitor = lab.monitor();
    lab.shows(&monitor, &vm, &[]);
    monitor.wait_for_line("by=\"TLS\"");
    guest.run("one", &["sleep", "1000"]);
    lab.shows(&monitor, &vm, &[("one", "Up")]);
    guest.docker(&["pause", "one"]);
    lab.shows(&monitor, &vm, &[("one", "Up (Paused)")]);
    guest.drop_packets();
    lab.shows_nothing(WIPED, &monitor, &vm);
    guest.pass_packets();
    lab.shows_within(WIPED, &monitor, &vm, &[("one", "Up (Paused)")]);
    assert_eq!(lab.messages(&vm), []);
}

#[test]
fn flaws_of_the_engines_certificate_are_told_apart() {
    for (flaw, said) in [
        (Flaw::WrongName, "does not name this address"),
        (Flaw::Expired, "has expired or is not valid yet"),
        (Flaw::NoServerAuth, "is not meant for servers"),
        (Flaw::OtherAuthority, "is not from the authority that this VM was prepared with"),
    ] {
        let lab = Lab::new();
        let guest = lab.network.vm("win");
        let certificates = Certificates::new(guest.address(), flaw);
        let guest = guest.dockerd_tls(&certificates);
        let vm = register(&lab, &guest, &certificates, Some("name"));
        let mut monitor = lab.monitor();
        let reason = monitor.wait_for_line("cannot see the VM's containers");
        assert!(reason.contains(said), "{flaw:?}: {reason}");
        assert_eq!(lab.entry(&vm, "docker_ps"), None);
    }
}

#[test]
fn a_certificate_of_another_name_is_accepted_where_the_authority_serves_one_vm() {
    let lab = Lab::new();
    let guest = lab.network.vm("win");
    let certificates = Certificates::new(guest.address(), Flaw::WrongName);
    let guest = guest.dockerd_tls(&certificates);
    let vm = register(&lab, &guest, &certificates, Some("chain"));
    let monitor = lab.monitor();
    lab.shows(&monitor, &vm, &[]);
    assert_eq!(lab.messages(&vm), []);
}

#[test]
fn a_vm_that_the_original_prepared_works_on_with_a_warning_until_it_is_decided() {
    let lab = Lab::new();
    let guest = lab.network.vm("win");
    let certificates = Certificates::new(guest.address(), Flaw::WrongName);
    let guest = guest.dockerd_tls(&certificates);
    let vm = register(&lab, &guest, &certificates, None);
    let monitor = lab.monitor();
    lab.shows(&monitor, &vm, &[]);
    let uuid = lab.uuid(&vm);
    lab.reached("a warning", SOON, &monitor, |state| crate::lab::messages(state, &uuid).len() == 1);
    assert!(lab.messages(&vm)[0].1.contains("xscontainer-tls-verify"));
    lab.xapi.set_entry(&vm, "other_config", "xscontainer-tls-verify", "chain").unwrap();
    lab.reached("no warning", SOON, &monitor, |state| crate::lab::messages(state, &uuid).is_empty());
    lab.shows(&monitor, &vm, &[]);
}

#[test]
fn an_engine_that_does_not_know_our_certificate_is_told() {
    let lab = Lab::new();
    let guest = lab.network.vm("win");
    let certificates = Certificates::new(guest.address(), Flaw::None);
    let stranger = Certificates::new(guest.address(), Flaw::None);
    let guest = guest.dockerd_tls(&certificates);
    let mixed = Certificates { ca: certificates.ca.clone(), ..stranger };
    register(&lab, &guest, &mixed, Some("name"));
    let mut monitor = lab.monitor();
    let reason = monitor.wait_for_line("cannot see the VM's containers");
    assert!(reason.contains("does not accept this host's certificate"), "{reason}");
}

#[test]
fn people_are_told_before_certificates_end_until_others_are_in_use() {
    let lab = Lab::new();
    let guest = lab.network.vm("win");
    let address = guest.address();
    let certificates = Certificates::lasting(address, Flaw::None, 20, 730);
    let guest = guest.dockerd_tls(&certificates);
    let vm = register(&lab, &guest, &certificates, Some("chain"));
    let monitor = lab.monitor();
    lab.shows(&monitor, &vm, &[]);
    let uuid = lab.uuid(&vm);
    let told = |what: &str, words: &[&str]| {
        lab.reached(what, WIPED, &monitor, |state| match crate::lab::messages(state, &uuid).as_slice() {
            [] => words.is_empty(),
            [(name, body)] => !words.is_empty() && words.iter().all(|word| name.contains(word) || body.contains(word)),
            _ => false,
        });
    };
    told("of the engine's", &["expires in some weeks", "the engine's certificate", "server", "restart it"]);

    let renew = |certificates: &Certificates| {
        guest.install_certificates(certificates);
        guest.restart_engine();
        let keys = ["xscontainer-tls-client-cert", "xscontainer-tls-client-key", "xscontainer-tls-ca-cert"];
        for (key, uuid) in keys.iter().zip(secrets(&lab, certificates)) {
            lab.xapi.set_entry(&vm, "other_config", key, &uuid).unwrap();
        }
    };
    renew(&Certificates::lasting(address, Flaw::None, 25, 5));
    told(
        "of the client's first",
        &["expires within days", "the client's certificate", "the engine's", "xscontainer-prepare-vm"],
    );
    renew(&Certificates::new(address, Flaw::None));
    told("nothing any more", &[]);
    lab.shows_within(WIPED, &monitor, &vm, &[]);
}
