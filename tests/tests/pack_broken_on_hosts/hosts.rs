//! A host of which everything is known, as `capture-host` writes it down.

use std::fs;

use lab::tools::{command, succeed};
use pack::dom0::capture::Capture;

const FACTS: &str = "format: 1\nname: known\nproduct: XCP-ng 8.2.1\norigin: a test\npackages: all\npresets: all\n\
                     package-manager: yum\ngroups: objects\nfree-bytes: 1000000000\n";

/// What packs meet on a host; the file of `xapi-core` is empty.
const PACKAGES: &[&str] = &[
    "package,bash,,4.2.46,30.el7,x86_64",
    "provides,bash,=,4.2.46-30.el7",
    "provides,/bin/sh,,",
    "file,100755,root,root,964600,ab,,/usr/bin/bash,",
    "file,120777,root,root,4,,,/usr/bin/sh,bash",
    "package,xcp-ng-release,,8.2.1,13,x86_64",
    "provides,xcp-ng-release,=,8.2.1-13",
    "provides,product-version,=,8.2.1",
    "package,xapi-core,,1.249.42,1.1,x86_64",
    "provides,xapi-core,=,1.249.42-1.1",
    "file,100755,root,root,0,e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855,,/etc/xapi.d/plugins/install-supp-pack,",
    "package,filesystem,,3.2,25.el7,x86_64",
    "provides,filesystem,=,3.2-25.el7",
    "file,40755,root,root,0,,,/usr,",
    "file,40755,root,root,0,,,/usr/bin,",
    "file,40755,root,root,0,,,/usr/share,",
    "file,40755,root,root,0,,,/etc/logrotate.d,",
];

/// Packed by tar, read as any capture is.
pub(crate) fn known() -> Capture {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("presets")).unwrap();
    let packages = PACKAGES.iter().map(|line| line.replace(',', "\t") + "\n").collect::<String>();
    for (name, text) in [
        ("capture", FACTS),
        ("inventory", "PRODUCT_VERSION='8.2.1'\n"),
        ("packages", &packages),
        ("presets/99-default-disable.preset", "disable *\n"),
    ] {
        fs::write(path(name), text).unwrap();
    }
    let archive = path("known.tar.gz");
    let mut tar = command("tar", ["-C"]);
    tar.arg(folder.path()).arg("-czf").arg(&archive);
    succeed(tar.args(["capture", "inventory", "packages", "presets/99-default-disable.preset"]));
    Capture::read(&archive).unwrap()
}

/// The captures that come with this project, and one of which everything is known.
pub(crate) fn all() -> Vec<Capture> {
    Capture::built_in().into_iter().chain([known()]).collect()
}

/// Those on which a check is made: the one of which everything is known, and others only for what differs there, because
/// playing on them takes its time.
pub(crate) fn for_check(check: &str) -> Vec<Capture> {
    let differs: &[&str] = match check {
        "dom0-refusal" | "dom0-taken" => &["8.1.0"],
        "dom0-releases" => &["8.1.0", "8.2.0", "8.2.1", "8.3.0"],
        "dom0-upgrade-installed" => &["8.2.0", "8.3.0"],
        _ => &[],
    };
    let mut hosts = all();
    hosts.retain(|host| host.name == "known" || differs.contains(&host.name.as_str()));
    hosts
}
