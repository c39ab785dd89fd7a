//! From registering a VM to seeing its containers, and following what happens to them.

use crate::lab::{Lab, SOON};

#[test]
fn a_registered_vm_shows_its_containers() {
    let lab = Lab::new();
    let guest = lab.guest("web");
    guest.run("up", &["sleep", "1000"]);
    guest.run("ended", &["sh", "-c", "exit 3"]);
    guest.docker(&["wait", "ended"]);
    let vm = lab.register(&guest);
    let monitor = lab.monitor();
    lab.shows(&monitor, &vm, &[("up", "Up"), ("ended", "Exited (3)")]);
    lab.reached("the engine is described", SOON, &monitor, |state| {
        let entry = |key: &str| state.entry(&vm, "other_config", key).unwrap_or_default();
        entry("docker_info").contains("<Containers>2</Containers>")
            && entry("docker_version").contains("<Version>20.10")
    });
    let key = lab.entry(&vm, "xscontainer-sshhostkey").unwrap();
    assert!(["ed25519", "ecdsa", "rsa"].iter().any(|kind| guest.host_key_blob(kind) == key), "{key}");
}

#[test]
fn what_happens_to_containers_is_seen() {
    let lab = Lab::new();
    let guest = lab.guest("web");
    let vm = lab.register(&guest);
    let monitor = lab.monitor();
    lab.shows(&monitor, &vm, &[]);
    guest.run("one", &["sleep", "1000"]);
    lab.shows(&monitor, &vm, &[("one", "Up")]);
    guest.docker(&["pause", "one"]);
    lab.shows(&monitor, &vm, &[("one", "Up (Paused)")]);
    guest.docker(&["unpause", "one"]);
    lab.shows(&monitor, &vm, &[("one", "Up")]);
    guest.docker(&["rename", "one", "Other_Name"]);
    lab.shows(&monitor, &vm, &[("Other_Name", "Up")]);
    guest.docker(&["stop", "-t", "0", "Other_Name"]);
    lab.shows(&monitor, &vm, &[("Other_Name", "Exited (137)")]);
    guest.docker(&["rm", "Other_Name"]);
    lab.shows(&monitor, &vm, &[]);
}
