use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;
use crate::rpm::package::{Config, Dependency, Evr, FileKind};

const FACTS: &str = "format: 1\nname: 8.2.1\nproduct: XCP-ng 8.2.1\norigin: a test\npackages: all\npresets: all\n\
                     package-manager: yum\ngroups: objects\nfree-bytes: 1000\n";
const PACKAGES: &str = "package\tbash\t\t4.2.46\t30.el7\tx86_64\n\
                        provides\t/bin/sh\t\t\n\
                        provides\tbash\t=\t1:4.2.46-30.el7\n\
                        requires\tlibc.so.6()(64bit)\t\t\n\
                        conflicts\tfilesystem\t<\t3\n\
                        obsoletes\tash\t<=\t1\n\
                        file\t100644\troot\troot\t18\tab12\tcn\t/etc/skel/.bash_logout\t\n\
                        file\t120777\troot\troot\t4\t\t\t/bin/sh\tbash\n\
                        file\t40755\troot\troot\t0\t\t\t/usr/share/doc/bash\t\n\
                        file\t100644\troot\troot\t0\t\tg\t/var/cache/bash\t\n\
                        package\tupdate-x\t2\t1.0\t1\tnoarch\n\
                        files\tunknown\n";

/// A capture of these entries.
fn capture(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, content) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, content.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

fn parse(entries: &[(&str, &str)]) -> Result<Capture> {
    Capture::parse("test.tar.gz", &capture(entries)[..])
}

fn with_packages(packages: &str) -> Result<Capture> {
    parse(&[("capture", FACTS), ("inventory", ""), ("packages", packages)])
}

/// The built-in capture of a release.
fn built_in(name: &str) -> Capture {
    Capture::built_in().into_iter().find(|capture| capture.name == name).unwrap()
}

fn provided(capture: &Capture, wanted: &str) -> Vec<String> {
    let wanted: Dependency = wanted.parse().unwrap();
    let meets = capture.packages.iter().filter(|installed| installed.package.meets(&wanted));
    meets.map(|installed| installed.package.name.clone()).collect()
}

#[test]
fn every_entry_is_read() {
    let uuid = "0b1b4d4e-66b7-4d8b-9a3c-7a1e7f1c1f10";
    let capture = parse(&[
        ("capture", FACTS),
        ("inventory", "PRODUCT_VERSION='8.2.1'\nPRODUCT_BRAND=XCP-ng\n"),
        ("packages", PACKAGES),
        ("groups", "update-x-1.0-1-noarch\tupdate\ngone-1-1-noarch\tupdate\n"),
        (&format!("applied/{uuid}"), "<update/>"),
        ("presets/89-default.preset", "enable a.service\n"),
    ])
    .unwrap();
    assert_eq!(
        (capture.name.as_str(), capture.product.as_str(), capture.free_bytes),
        ("8.2.1", "XCP-ng 8.2.1", Some(1000))
    );
    assert!(capture.complete && capture.presets_complete);
    assert_eq!((capture.package_manager, capture.group_mode), (PackageManager::Yum, GroupMode::Objects));
    assert_eq!(capture.inventory["PRODUCT_VERSION"], "8.2.1");
    assert_eq!(capture.inventory["PRODUCT_BRAND"], "XCP-ng");
    assert_eq!(capture.applied[&uuid.parse().unwrap()], b"<update/>");
    assert_eq!(capture.presets["89-default.preset"], "enable a.service\n");
    let [bash, update] = capture.packages.as_slice() else { panic!("{:?}", capture.packages) };
    assert_eq!(bash.package.to_string(), "bash-4.2.46-30.el7.x86_64");
    let shown = |list: &[Dependency]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(shown(&bash.package.provides), ["/bin/sh", "bash = 1:4.2.46-30.el7"]);
    assert_eq!(shown(&bash.package.requires), ["libc.so.6()(64bit)"]);
    assert_eq!(shown(&bash.package.conflicts), ["filesystem < 3"]);
    assert_eq!(shown(&bash.package.obsoletes), ["ash <= 1"]);
    assert!(bash.files_known && bash.group_member.is_none());
    let files: Vec<_> =
        bash.package.files.iter().map(|f| (f.path.as_str(), f.mode, f.kind.clone(), f.config)).collect();
    assert_eq!(
        files,
        [
            (
                "/etc/skel/.bash_logout",
                0o100_644,
                FileKind::Regular { size: 18, digest: Some("ab12".into()) },
                Config::NoReplace
            ),
            ("/bin/sh", 0o120_777, FileKind::Link("bash".into()), Config::No),
            ("/usr/share/doc/bash", 0o40_755, FileKind::Directory, Config::No),
            ("/var/cache/bash", 0o100_644, FileKind::Ghost, Config::No),
        ]
    );
    assert_eq!(update.package.evr, Evr { epoch: Some(2), version: "1.0".into(), release: Some("1".into()) });
    assert!(!update.files_known);
    assert_eq!(update.group_member.as_deref(), Some("update"));
}

#[test]
fn the_built_in_captures_come_in_the_order_of_their_releases() {
    let names: Vec<_> = Capture::built_in().into_iter().map(|capture| capture.name).collect();
    assert_eq!(names, BUILT_IN.map(|(name, _)| name));
}

#[test]
fn each_built_in_capture_provides_its_release() {
    for (name, platform, presets, release, product) in [
        ("8.1.0", "3.1.0", "1.1", "xenserver-release", "Citrix Hypervisor 8.1.0"),
        ("8.2.0", "3.2.0", "1.3", "xenserver-release", "Citrix Hypervisor 8.2.0"),
        ("8.2.1", "3.2.1", "1.3", "xcp-ng-release", "XCP-ng 8.2.1"),
        ("8.3.0", "3.4.0", "1.4", "xcp-ng-release", "XCP-ng 8.3.0"),
    ] {
        let capture = built_in(name);
        assert_eq!(capture.product, product);
        assert_eq!(provided(&capture, &format!("product-version = {name}")), [release], "{name}");
        assert_eq!(provided(&capture, &format!("platform-version = {platform}")), [release], "{name}");
        assert_eq!(provided(&capture, &format!("xs-presets = {presets}")), [format!("{release}-presets")], "{name}");
        assert_eq!(provided(&capture, "kernel-uname-r = 4.19.0+1"), ["kernel"], "{name}");
        assert_eq!(capture.inventory["PRODUCT_VERSION"], name);
        assert!(!capture.complete && !capture.presets_complete, "{name} is from specs, which do not say everything");
        assert_eq!(capture.package_manager, PackageManager::Yum);
    }
}

#[test]
fn only_8_1_is_too_old_for_a_pack_of_8_2() {
    let refusing: Vec<_> = Capture::built_in()
        .into_iter()
        .filter(|capture| provided(capture, "product-version >= 8.2.0").is_empty())
        .collect();
    assert_eq!(refusing.iter().map(|capture| capture.name.as_str()).collect::<Vec<_>>(), ["8.1.0"]);
}

#[test]
fn groups_are_lists_only_from_8_3_on() {
    let modes: Vec<_> = Capture::built_in().into_iter().map(|capture| capture.group_mode).collect();
    assert_eq!(modes, [GroupMode::Objects, GroupMode::Objects, GroupMode::Objects, GroupMode::Compat]);
}

#[test]
fn built_in_captures_have_what_packs_rely_on() {
    for capture in Capture::built_in() {
        for wanted in
            ["/bin/sh", "/usr/bin/systemctl", "coreutils >= 8", "systemd = 219", "rpm >= 4.11", "yum", "logrotate"]
        {
            assert!(!provided(&capture, wanted).is_empty(), "{}: {wanted}", capture.name);
        }
        let folder = |path: &str| {
            let mut files = capture.packages.iter().flat_map(|installed| &installed.package.files);
            files.any(|file| file.path == path && file.kind == FileKind::Directory)
        };
        for path in ["/usr/bin", "/etc/logrotate.d", "/usr/lib/systemd/system", "/usr/lib/systemd/system-preset"] {
            assert!(folder(path), "{}: {path}", capture.name);
        }
        let xapi = capture.packages.iter().find(|installed| installed.package.name == "xapi-core").unwrap();
        assert!(!xapi.files_known, "a part of its list is made by the build");
        assert!(xapi.package.files.iter().any(|file| file.path == "/etc/xapi.d/plugins/install-supp-pack"));
        assert!(capture.presets["99-default-disable.preset"].contains("disable *"));
        assert!(capture.presets["89-default.preset"].contains("enable xapi.service"));
    }
}

#[test]
fn a_release_package_obsoletes_what_its_spec_says() {
    let obsoleted = |name: &str, package: &str, capability: &str| {
        let capture = built_in(name);
        let found = capture.packages.iter().find(|installed| installed.package.name == package).unwrap();
        found.package.obsoletes.iter().any(|obsolete| obsolete.to_string() == capability)
    };
    assert!(obsoleted("8.2.1", "xcp-ng-release", "control-XS82E034"));
    assert!(obsoleted("8.2.1", "xcp-ng-release", "xenserver-release <= 8.2.1"));
    assert!(obsoleted("8.2.1", "xcp-ng-release-config", "xenserver-release-config <= 8.2.1"));
    assert!(obsoleted("8.3.0", "xcp-ng-release-config", "xen-livepatch < 2.0-1.1"));
    assert!(!obsoleted("8.3.0", "xcp-ng-release", "control-XS82E034"));
}

#[test]
fn built_in_captures_are_small() {
    for (name, bytes) in BUILT_IN {
        assert!(bytes.len() < 60_000, "{name}: {}", bytes.len());
    }
}

/// Its error names each of these.
fn assert_refused(result: Result<Capture>, named: &[&str]) {
    let error = result.expect_err("it should be refused").to_string();
    for name in named {
        assert!(error.contains(name), "{name:?}: {error}");
    }
}

#[test]
fn a_format_of_the_future_is_named() {
    let facts = FACTS.replace("format: 1", "format: 2");
    let result = parse(&[("capture", &facts), ("inventory", ""), ("packages", "")]);
    assert_refused(result, &["test.tar.gz, capture, line 1", "format \"2\"", "newer"]);
}

#[test]
fn facts_that_are_wrong_are_refused_with_their_line() {
    for (from, to, named) in [
        ("name: 8.2.1", "name: ../x", ["line 2", "short name"]),
        ("packages: all", "packages: most", ["line 5", "all or some"]),
        ("groups: objects", "groups: simple", ["line 8", "objects or compat"]),
        ("free-bytes: 1000", "free-bytes: many", ["line 9", "number of bytes"]),
        ("product: XCP-ng 8.2.1", "product: \x1b[2J", ["line 3", "control characters"]),
        ("groups: objects", "groups=objects", ["line 8", "key: value"]),
        ("origin: a test", "origin: a test\ncolour: red", ["line 5", "colour"]),
        ("origin: a test", "origin: a test\norigin: b", ["line 5", "twice"]),
        ("product: XCP-ng 8.2.1\n", "", ["capture", "\"product\""]),
        ("format: 1\n", "", ["capture", "\"format\""]),
    ] {
        let facts = FACTS.replace(from, to);
        assert_refused(parse(&[("capture", &facts), ("inventory", ""), ("packages", "")]), &named);
    }
}

#[test]
fn malformed_packages_are_refused_with_their_line() {
    for (packages, named) in [
        ("provides\ta\t\t\n", "before the first package"),
        ("package\ta\tx\t1\t1\tnoarch\n", "epoch"),
        ("package\ta\t\t\t1\tnoarch\n", "no name, version"),
        ("package\ta\t1\n", "NAME, EPOCH"),
        ("package\ta\t\t1\t1\tnoarch\nrecommends\tb\t\t\n", "line 2: \"recommends\""),
        ("package\ta\t\t1\t1\tnoarch\nrequires\tb\t~\t1\n", "operator"),
        ("package\ta\t\t1\t1\tnoarch\nrequires\t\t\t\n", "NAME, OPERATOR"),
        ("package\ta\t\t1\t1\tnoarch\nrequires\tb\t=\tx:1\n", "epoch"),
        ("package\ta\t\t1\t1\tnoarch\nfile\t100644\troot\n", "MODE, USER"),
        ("package\ta\t\t1\t1\tnoarch\nfile\t8\troot\troot\t0\t\t\t/a\t\n", "mode"),
        ("package\ta\t\t1\t1\tnoarch\nfile\t644\troot\troot\t0\t\t\t/a\t\n", "no file type"),
        ("package\ta\t\t1\t1\tnoarch\nfile\t100644\troot\troot\t0\t\t\t/a/../../b\t\n", "absolute path"),
        ("package\ta\t\t1\t1\tnoarch\nfile\t100644\troot\troot\t-1\t\t\t/a\t\n", "size"),
        ("package\ta\t\t1\t1\tnoarch\nfile\t100644\troot\troot\t1\tzz\t\t/a\t\n", "digest"),
        ("package\ta\x1b\t\t1\t1\tnoarch\n", "control characters"),
        ("files\n", "before the first package"),
    ] {
        assert_refused(with_packages(packages), &["test.tar.gz, packages, line", named, "capture-host"]);
    }
}

#[test]
fn an_archive_without_the_entries_or_with_others_is_refused() {
    assert_refused(parse(&[]), &["no entry \"capture\""]);
    assert_refused(parse(&[("capture", FACTS), ("inventory", "")]), &["no entry \"packages\""]);
    let whole = [("capture", FACTS), ("inventory", ""), ("packages", "")];
    for other in ["etc/shadow", "applied/not-a-uuid", "presets/a/b.preset", "presets/readme"] {
        let mut entries = whole.to_vec();
        entries.push((other, ""));
        assert_refused(parse(&entries), &["unknown entry", other]);
    }
    assert_refused(parse(&[whole[0], whole[0]]), &["two entries"]);
    let mut entries = whole.to_vec();
    entries.push(("applied/0B1B4D4E-66B7-4D8B-9A3C-7A1E7F1C1F10", ""));
    entries.push(("applied/0b1b4d4e-66b7-4d8b-9a3c-7a1e7f1c1f10", ""));
    assert_refused(parse(&entries), &["unknown entry", "0b1b4d4e"]);
}

#[test]
fn a_damaged_capture_is_refused() {
    let whole = capture(&[("capture", FACTS), ("inventory", ""), ("packages", PACKAGES)]);
    assert_refused(Capture::parse("x", &whole[..whole.len() - 1]), &["damaged"]);
    assert_refused(Capture::parse("x", &whole[..20]), &["damaged"]);
    assert_refused(Capture::parse("x", &b"ssh: no route to host\n"[..]), &["damaged"]);
    assert_refused(Capture::parse("x", &b""[..]), &["damaged"]);
}

#[test]
fn links_out_of_the_archive_are_refused() {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    archive.append_link(&mut header, "capture", "/etc/shadow").unwrap();
    let bytes = archive.into_inner().unwrap().finish().unwrap();
    assert_refused(Capture::parse("x", &bytes[..]), &["capture", "no file"]);
}

#[test]
fn a_bomb_ends_at_the_limit() {
    let mut bomb = GzEncoder::new(Vec::new(), Compression::fast());
    let mut header = tar::Header::new_ustar();
    header.set_path("packages").unwrap();
    header.set_size(1 << 32);
    header.set_mode(0o644);
    header.set_cksum();
    bomb.write_all(header.as_bytes()).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..80 {
        bomb.write_all(&zeros).unwrap();
    }
    let bytes = bomb.finish().unwrap();
    assert_refused(Capture::parse("x", &bytes[..]), &["more than 64 MiB"]);
}

#[test]
fn a_swarm_of_entries_ends_at_the_limit() {
    let names: Vec<_> = (0..=MOST_ENTRIES).map(|number| format!("presets/{number}.preset")).collect();
    let entries: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
    assert_refused(parse(&entries), &["more than 10000 entries"]);
}

proptest! {
    #[test]
    fn hostile_text_never_panics(packages in "(package|file|provides|files|\t|\n|[ -~]|0|=|/|ü){0,60}", facts in "\\PC{0,80}") {
        let _ = with_packages(&packages);
        let _ = parse(&[("capture", &facts), ("inventory", &facts), ("packages", ""), ("groups", &packages)]);
    }

    #[test]
    fn hostile_bytes_never_panic(position in 0usize..4096, byte: u8) {
        let mut bytes = BUILT_IN[2].1.to_vec();
        let position = position % bytes.len();
        bytes[position] = byte;
        let _ = Capture::parse("x", &bytes[..]);
    }
}
