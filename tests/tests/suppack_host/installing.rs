//! From an image to a pack that works, and to the next version of it.

use super::{FIRST, SECOND, SECOND_UUID, bring, ends, host_with, install, nothing, packages, seen, uuid};

#[test]
fn a_pack_is_installed_listed_and_removed_without_a_trace() {
    let host = host_with(&FIRST);
    let before = host
        .must("find /etc /usr/bin /usr/share/hello* /var/update ! -type d -newer /root/release.rpm 2>/dev/null || :");

    let said = ends(&host, 12, "install --yes hello-agent-2.3.iso");
    assert!(said.contains("XAPI does not trust the key") && said.contains("import-update-key"), "{said}");
    let said = ends(&host, 0, "install --check --trust-key RPM-GPG-KEY-hello-agent hello-agent-2.3.iso");
    assert!(said.contains("can be installed") && said.contains("fingerprint"), "{said}");
    assert_eq!(seen(&host), nothing());
    assert_eq!(host.must("ls /etc/pki/rpm-gpg /opt/xensource/gpg 2>/dev/null || :").lines().count(), 1);

    let said = ends(&host, 0, "install --yes --trust-key RPM-GPG-KEY-hello-agent hello-agent-2.3.iso");
    assert!(said.contains("hello-agent 2.3 is installed.") && said.contains("xe-toolstack-restart"), "{said}");
    assert!(said.contains("Not on these hosts of the pool: second."), "{said}");
    assert_eq!(seen(&host), (packages("2.3"), vec![uuid()], (vec![uuid()], 0)));
    assert_eq!(host.must("hello"), "hello\n");

    let said = ends(&host, 0, "install --yes hello-agent-2.3.iso");
    assert!(said.contains("is installed already"), "{said}");

    let said = ends(&host, 0, "list --json");
    let list: serde_json::Value = serde_json::from_str(&said).unwrap();
    let pack = &list["host"]["packs"][0];
    assert_eq!(
        (&pack["label"], &pack["version"], &pack["hosts"]),
        (&"hello-agent".into(), &"2.3".into(), &["first"].as_slice().into())
    );
    assert_eq!(list["host"]["leftovers"], serde_json::json!([]));

    let said = ends(&host, 0, "remove --yes hello-agent");
    assert!(said.contains("nothing of it is left"), "{said}");
    assert_eq!(seen(&host), nothing());
    let after = host
        .must("find /etc /usr/bin /usr/share/hello* /var/update ! -type d -newer /root/release.rpm 2>/dev/null || :");
    let left: Vec<&str> = after.lines().filter(|line| !before.contains(line) && !line.contains("rpm-gpg")).collect();
    assert_eq!(left, Vec::<&str>::new());
    host.must(&format!("! ls -d /usr/share/hello* /etc/hello /var/update/{} 2>/dev/null", uuid()));
    assert!(ends(&host, 0, "list").contains("No pack is installed."));
    ends(&host, 12, "remove --yes hello-agent");
}

#[test]
fn the_next_version_replaces_it_and_the_earlier_one_is_refused_then() {
    let host = host_with(&FIRST);
    install(&host, "hello-agent-2.3.iso");
    bring(&host, &SECOND);
    let said = ends(&host, 0, "install --yes hello-agent-2.4.iso");
    assert!(said.contains("2.4 replaces 2.3") && said.contains("upgrade hello-agent-"), "{said}");
    let (installed, stamps, (mut known, images)) = seen(&host);
    known.sort();
    assert_eq!((installed, stamps, images), (packages("2.4"), vec![SECOND_UUID.to_owned()], 0));

    let said = ends(&host, 12, "install --yes hello-agent-2.3.iso");
    assert!(said.contains("2.3 is not above it"), "{said}");
    ends(&host, 0, "remove --yes hello-agent");
    assert_eq!(host.packages(), Vec::<String>::new());
}

#[test]
fn a_pool_gets_it_on_every_host() {
    let host = host_with(&FIRST);
    let said = ends(&host, 0, "install --yes --pool --trust-key RPM-GPG-KEY-hello-agent hello-agent-2.3.iso");
    assert!(!said.contains("Not on these hosts"), "{said}");
    assert!(ends(&host, 0, "list").contains("first, second"));
    assert!(ends(&host, 0, "install --yes --pool hello-agent-2.3.iso").contains("installed already"));
    let said = ends(&host, 0, "remove --yes hello-agent");
    assert!(
        said.contains("only this one is changed") && said.contains("Still on other hosts of the pool: second"),
        "{said}"
    );
    assert_eq!(host.records(), (vec![uuid()], 0));
}

#[test]
fn what_somebody_else_uploaded_is_applied_and_left_to_them() {
    let host = host_with(&FIRST);
    ends(&host, 12, "install --yes hello-agent-2.3.iso");
    host.must("mkdir -p -m 700 /opt/xensource/gpg && cp RPM-GPG-KEY-hello-agent /etc/pki/rpm-gpg/");
    host.must(
        "gpg --homedir /opt/xensource/gpg --batch --import RPM-GPG-KEY-hello-agent 2>&1 && \
         gpg --homedir /opt/xensource/gpg --with-colons --fingerprint 2>/dev/null | \
         sed -n 's/^fpr:*\\([0-9A-F]*\\):$/\\1:6:/p' | head -n 1 | gpg --homedir /opt/xensource/gpg --import-ownertrust 2>&1",
    );
    host.must("xe update-upload file-name=hello-agent-2.3.iso");
    assert!(ends(&host, 0, "list").contains("uploaded, but applied on no host"));
    let said = ends(&host, 0, "install --yes hello-agent-2.3.iso");
    assert!(said.contains("it was uploaded before"), "{said}");
    assert_eq!(seen(&host), (packages("2.3"), vec![uuid()], (vec![uuid()], 1)));
}
