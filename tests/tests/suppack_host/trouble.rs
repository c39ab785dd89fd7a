//! Hosts that refuse, and a toolstack that goes down in the middle: the host is left as it was, or it is said what remains.

use lab::foreign::{Recipe, Role};
use lab::updates::UpdateHost;

use super::{FIRST, bring, ends, host_with, install, nothing, packages, recipe, seen, suppack, uuid};

/// A host that trusts the key, with a pack of this recipe.
fn trusting(recipe: &Recipe) -> UpdateHost {
    host_with(&recipe.make())
}

const INSTALL: &str = "install --yes --trust-key RPM-GPG-KEY-hello-agent hello-agent-2.3.iso";

#[test]
fn a_host_of_another_release_is_told_what_it_lacks() {
    let host = UpdateHost::of_release("8.1.0", 1);
    bring(&host, &FIRST);
    let said = ends(&host, 12, INSTALL);
    assert!(said.contains("Requires: product-version >= 8.2.0"), "{said}");
    assert_eq!(seen(&host), nothing());
}

#[test]
fn a_host_without_space_is_told_how_much_it_lacks() {
    let mut recipe = recipe();
    recipe.set("installation-size", "1152921504606846976");
    let host = trusting(&recipe);
    // The sum is wrong, too.
    let said = ends(&host, 9, INSTALL);
    assert!(said.contains("--ignore-rules"), "{said}");
    let said = ends(&host, 12, &format!("{INSTALL} --ignore-rules"));
    assert!(said.contains("takes 1152921504606846976 bytes"), "{said}");
    assert_eq!(seen(&host), nothing());
}

#[test]
fn a_precheck_that_says_no_leaves_nothing_behind() {
    let mut recipe = recipe();
    let control = recipe.package(Role::Control);
    control.spec = control.spec.replace("echo ready", "echo the moon is full; exit 1");
    let host = trusting(&recipe);
    let said = ends(&host, 12, INSTALL);
    assert!(said.contains("the precheck failed:\nthe moon is full"), "{said}");
    assert_eq!(seen(&host), nothing());
}

#[test]
fn a_package_that_fails_while_it_is_applied_is_told_and_the_upload_is_dropped() {
    let mut recipe = recipe();
    let payload = recipe.package(Role::Payload);
    payload.spec = payload.spec.replace("%post\necho installed > /dev/null", "%pre\nexit 1");
    let host = trusting(&recipe);
    let said = ends(&host, 13, INSTALL);
    assert!(said.contains("error: apply: the package manager failed"), "{said}");
    assert_eq!(host.records(), (Vec::new(), 0));
    // rpm goes on with the other packages of a transaction.
    assert!(said.contains(&format!("suppack remove {}", uuid())), "{said}");
    ends(&host, 0, &format!("remove --yes {}", uuid()));
    assert_eq!(seen(&host), nothing());
}

#[test]
fn a_missing_key_file_is_told_although_xapi_trusts_the_key() {
    let host = host_with(&FIRST);
    install(&host, "hello-agent-2.3.iso");
    ends(&host, 0, "remove --yes hello-agent");
    host.must("rm /etc/pki/rpm-gpg/*");
    let said = ends(&host, 12, "install --yes hello-agent-2.3.iso");
    assert!(said.contains("/etc/pki/rpm-gpg/RPM-GPG-KEY-hello-agent is not there"), "{said}");
    assert_eq!(seen(&host), nothing());
}

#[test]
fn without_xapi_nothing_is_changed() {
    let host = host_with(&FIRST);
    host.stop_xapi();
    let said = ends(&host, 12, INSTALL);
    assert!(said.contains("nothing was changed: XAPI cannot be reached"), "{said}");
    assert!(ends(&host, 0, "list").contains("is not known: XAPI cannot be reached"));
    host.start_xapi();
    assert_eq!(seen(&host), nothing());
}

/// XAPI goes down at each command of an installation, before and after it did it. What remains is said, and once it runs
/// again the same command ends well.
#[test]
fn xapi_may_go_down_at_every_step() {
    let host = host_with(&FIRST);
    install(&host, "hello-agent-2.3.iso");
    ends(&host, 0, "remove --yes hello-agent");
    for (command, when) in [
        ("update-upload", "after"),
        ("update-precheck", "before"),
        ("update-apply", "before"),
        ("update-apply", "after"),
        ("update-pool-clean", "before"),
    ] {
        host.break_at(command, when);
        let broken = suppack(&host, "install --yes hello-agent-2.3.iso");
        let at = format!("{command} {when}:\n{}", broken.text);
        assert_eq!(broken.code, Some(13), "{at}");
        assert!(broken.text.contains("What remains to be done:"), "{at}");
        host.start_xapi();
        ends(&host, 0, "install --yes hello-agent-2.3.iso");
        assert_eq!((host.packages(), host.stamps()), (packages("2.3"), vec![uuid()]), "{at}");
        host.must(&format!("xe update-pool-clean uuid={}", uuid()));
        ends(&host, 0, "remove --yes hello-agent");
        assert_eq!(seen(&host), nothing(), "{at}");
    }
}
