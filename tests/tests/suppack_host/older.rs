//! Packs of the format of 7.0 and before: the way in is their own installer.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use lab::programs;
use lab::tools::{command, succeed};
use lab::updates::UpdateHost;

use super::{FIRST, bring, ends};

const REPOSITORY: &str = r#"<repository originator="acme" name="tools" product="XenServer" version="1.2" build="7">
  <description>Tools</description>
</repository>
"#;
const PACKAGES: &str = r#"<packages>
  <package label="acme-tools" type="rpm" size="1234" md5="0">acme-tools-1.rpm</package>
</packages>
"#;
/// What such an installer does in the end (supp-pack-build, `suppack-install.sh`).
const INSTALLER: &str = "#!/bin/sh\n[ \"$1\" = -b ] || exit 9\ncd \"$(dirname \"$0\")\" || exit 1\n\
    mkdir -p /etc/xensource/installed-repos/acme:tools && cp XS-* /etc/xensource/installed-repos/acme:tools/ &&\n\
    echo 'Pack installation successful.'\n";

fn host_with_older_pack() -> UpdateHost {
    let host = UpdateHost::of_release("7.0.0", 1);
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    fs::create_dir(&tree).unwrap();
    for (name, text) in [("XS-REPOSITORY", REPOSITORY), ("XS-PACKAGES", PACKAGES), ("install", INSTALLER)] {
        fs::write(tree.join(name), text).unwrap();
    }
    fs::set_permissions(tree.join("install"), Permissions::from_mode(0o755)).unwrap();
    let image = folder.path().join("older.iso");
    succeed(command("genisoimage", ["-quiet", "-r", "-J", "-o"]).arg(&image).arg(&tree));
    host.copy(&image);
    host.copy(&programs::suppack());
    host
}

#[test]
fn an_older_pack_is_installed_by_its_own_installer_listed_and_removed() {
    let host = host_with_older_pack();
    let said = ends(&host, 0, "install --yes --batch older.iso");
    assert!(said.contains("Pack installation successful.\nInstalled."), "{said}");
    let said = ends(&host, 0, "list");
    assert!(said.contains("acme:tools 1.2 build 7") && said.contains("acme-tools"), "{said}");
    ends(&host, 0, "remove --yes acme:tools");
    assert_eq!(host.must("ls /etc/xensource/installed-repos"), "");
}

#[test]
fn an_installer_that_fails_is_told() {
    let host = host_with_older_pack();
    let said = ends(&host, 12, "install --yes older.iso");
    assert!(said.contains("failed with exit code 9"), "{said}");
}

#[test]
fn a_pack_of_the_wrong_format_is_told_apart() {
    let host = host_with_older_pack();
    bring(&host, &FIRST);
    let said = ends(&host, 12, "install --yes --trust-key RPM-GPG-KEY-hello-agent hello-agent-2.3.iso");
    assert!(said.contains("is for 7.1 and later"), "{said}");
    let newer = UpdateHost::of_release("8.2.1", 1);
    newer.copy(&programs::suppack());
    fs::copy(host.inside("/root/older.iso"), newer.inside("/root/older.iso")).unwrap();
    let said = ends(&newer, 12, "install --yes older.iso");
    assert!(said.contains("is a pack for XenServer 7.0 and before"), "{said}");
}
