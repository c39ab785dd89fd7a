use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::Class;

/// The spec of this project, which every rule must accept.
fn own_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec")
}

const MINIMAL: &str = r#"
[pack]
label = "sample"
description = "A sample"
key-file = "RPM-GPG-KEY-sample"
[host]
product-version = ">= 8.2.0, < 9"
[payload]
name = "sample"
release = "1"
summary = "A sample"
license = "MIT"
vendor = "Somebody"
[[payload.files]]
path = "/etc/sample"
mode = 0o644
"#;

/// A folder with this `pack.toml` and the one file that [`MINIMAL`] lists.
fn folder(pack_toml: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("dom0/etc")).unwrap();
    fs::write(folder.path().join("dom0/etc/sample"), "x").unwrap();
    fs::write(folder.path().join("pack.toml"), pack_toml).unwrap();
    folder
}

#[test]
fn the_projects_own_spec_is_valid() {
    let spec = PackSpec::read(&own_folder()).unwrap();
    assert_eq!(spec.label, "xscontainer");
    assert_eq!(spec.host.iter().map(ToString::to_string).collect::<Vec<_>>(), ["product-version >= 8.2.0"]);
    assert!(spec.precheck.is_empty() && spec.remove.is_some());
    Released::read(&own_folder()).unwrap();
}

#[test]
fn a_folder_stands_for_every_file_in_it_and_must_have_some() {
    let with_folder = format!("{MINIMAL}[[payload.folders]]\npath = \"/usr/share/man/man8\"\nmode = 0o644\n");
    let folder = folder(&with_folder);
    let error = PackSpec::read(folder.path()).unwrap_err().to_string();
    assert!(error.contains("payload.folders names /usr/share/man/man8, but dom0/usr/share/man/man8 cannot"), "{error}");
    let pages = folder.path().join("dom0/usr/share/man/man8");
    fs::create_dir_all(&pages).unwrap();
    let error = PackSpec::read(folder.path()).unwrap_err().to_string();
    assert!(error.contains("is empty"), "{error}");
    for name in ["b.8", "a.8"] {
        fs::write(pages.join(name), "x").unwrap();
    }
    let files = PackSpec::read(folder.path()).unwrap().payload.unwrap().files;
    let files: Vec<_> = files.iter().map(|file| (file.path.as_str(), file.mode)).collect();
    let expected = [("/etc/sample", 0o644), ("/usr/share/man/man8/a.8", 0o644), ("/usr/share/man/man8/b.8", 0o644)];
    assert_eq!(files, expected);
}

#[test]
fn a_range_becomes_one_requirement_a_bound() {
    let spec = PackSpec::read(folder(MINIMAL).path()).unwrap();
    let bounds: Vec<_> = spec.host.iter().map(ToString::to_string).collect();
    assert_eq!(bounds, ["product-version >= 8.2.0", "product-version < 9"]);
}

#[test]
fn every_mistake_names_file_and_key() {
    for (from, to, named) in [
        ("label = \"sample\"", "label = \"sam ple\"", "pack.label"),
        ("label = \"sample\"", "label = \"sample\\n\"", "pack.label"),
        ("label = \"sample\"", "label = \"XS82E001\"", "pack.label"),
        ("label = \"sample\"", "lable = \"sample\"", "line 3"),
        ("\"A sample\"\nkey", "\" \"\nkey", "pack.description"),
        ("RPM-GPG-KEY-sample", "../key", "pack.key-file"),
        ("RPM-GPG-KEY-sample", "", "pack.key-file"),
        (">= 8.2.0, < 9", "= 8.2.0", "host.product-version"),
        (">= 8.2.0, < 9", ">= 8-2", "host.product-version"),
        (">= 8.2.0, < 9", "", "host.product-version"),
        ("name = \"sample\"", "name = \"sam ple\"", "payload.name"),
        ("release = \"1\"", "release = \"1-2\"", "payload.release"),
        ("mode = 0o644", "mode = 0o4755", "0o4755"),
        ("mode = 0o644", "mode = 0o666", "0o666"),
        ("/etc/sample", "/etc/../sample", "/etc/../sample"),
        ("/etc/sample", "etc/sample", "etc/sample"),
        ("/etc/sample", "/etc/other", "/etc/sample"),
        ("[payload]", "[payload.scriptlets]\npost-install = \"absent\"\n[payload]", "post-install"),
        ("[host]", "precheck = \"dom0/etc/sample\"\n[host]", "pack.precheck"),
        ("[host]", "after-apply-guidance = [\"restartEverything\"]\n[host]", "restartEverything"),
    ] {
        assert!(MINIMAL.contains(from), "{from}");
        let folder = folder(&MINIMAL.replacen(from, to, 1));
        let error = PackSpec::read(folder.path()).expect_err(to);
        assert_eq!(error.class(), Class::Spec);
        let text = error.to_string();
        assert!(text.contains("pack.toml") && text.contains(named), "{to:?}: {text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}

#[test]
fn a_missing_pack_toml_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let text = PackSpec::read(folder.path()).unwrap_err().to_string();
    assert!(text.contains("pack.toml: cannot be read"), "{text}");
}

#[test]
fn a_file_that_no_entry_names_is_not_forgotten() {
    let folder = folder(MINIMAL);
    fs::write(folder.path().join("dom0/etc/stray"), "x").unwrap();
    let text = PackSpec::read(folder.path()).unwrap_err().to_string();
    assert!(text.contains("dom0/etc/stray"), "{text}");
}

fn released(text: &str) -> Result<Released> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("released.toml"), text).unwrap();
    Released::read(folder.path())
}

const TWO_RELEASES: &str = r#"
[[release]]
version = "11.0.0"
uuid = "0ce0c2b3-4f11-5c53-9dda-674c694980e1"
date = "2026-12-01"
[[release]]
version = "11.1.0"
uuid = "1ce0c2b3-4f11-5c53-9dda-674c694980e1"
date = "2027-01-01"
"#;

#[test]
fn releases_must_rise() {
    assert!(released(TWO_RELEASES).is_ok());
    let text = released(&TWO_RELEASES.replace("11.1.0", "10.9.9")).unwrap_err().to_string();
    assert!(text.contains("10.9.9 follows 11.0.0"), "{text}");
}

#[test]
fn versions_of_builds_rise_towards_the_next_release() {
    use std::cmp::Ordering::Less;
    let releases = released(TWO_RELEASES).unwrap();
    let of = |source| PackVersion::of_source(&releases, &source).unwrap().as_str().to_owned();
    let rising = [
        "11.1.0".to_owned(),
        of(SourceState::Unknown { built: 1_800_000_900 }),
        of(SourceState::Commit { time: 1_800_000_000 - 1 }),
        of(SourceState::Modified { time: 1_800_000_000, built: 1_800_000_500 }),
        of(SourceState::Modified { time: 1_800_000_000, built: 1_800_000_600 }),
        of(SourceState::Commit { time: 1_800_000_000 }),
        "11.1.1".to_owned(),
    ];
    for pair in rising.windows(2) {
        assert_eq!(version::rpm_compare(&pair[0], &pair[1]), Less, "{pair:?}");
    }
    assert_eq!(rising[3], "11.1.0.20270115080000~20270115080820.dirty");
}

#[test]
fn before_the_first_release_versions_lie_between_the_originals_and_11() {
    use std::cmp::Ordering::{Greater, Less};
    for source in [SourceState::Commit { time: 1_800_000_000 }, SourceState::Unknown { built: 1_800_000_000 }] {
        let version = PackVersion::of_source(&Released::default(), &source).unwrap();
        assert_eq!(version::rpm_compare(version.as_str(), "10.0.4"), Greater);
        assert_eq!(version::rpm_compare(version.as_str(), "11.0.0"), Less);
    }
}

#[test]
fn a_release_has_three_numbers() {
    assert!(PackVersion::of_release("11.0.0").is_ok());
    for text in ["11.0", "11.0.0.1", "11.0.x", "11..0"] {
        assert!(PackVersion::of_release(text).is_err(), "{text}");
        assert!(released(&TWO_RELEASES.replace("11.1.0", text)).is_err(), "{text}");
    }
}

#[test]
fn a_version_that_hosts_would_ignore_is_refused() {
    let releases = released(TWO_RELEASES).unwrap();
    let newest = releases.newest().unwrap().uuid;
    let check = |version: &str, uuid| releases.check_rises(&PackVersion::new(version).unwrap(), uuid);
    assert!(check("11.1.1", Uuid::nil()).is_ok());
    assert!(check("11.1.0", newest).is_ok());
    for (version, uuid) in [("11.1.0", Uuid::nil()), ("11.0.0", Uuid::nil()), ("10.99.1", newest)] {
        assert_eq!(check(version, uuid).unwrap_err().class(), Class::Version);
    }
}

#[test]
fn versions_that_break_on_hosts_are_refused() {
    for text in ["", "1-0", "1 0", "1^0", "v1", &"1".repeat(65)] {
        assert!(PackVersion::new(text).is_err(), "{text:?}");
    }
    assert!(PackVersion::new("11.0.0~rc1").is_ok());
    let first = PackVersion::new("1.0").unwrap();
    assert!(first.check_label("xscontainer").is_err() && first.check_label("sample").is_ok());
}

proptest! {
    #[test]
    fn later_commits_have_higher_versions(a in 0_u64..4_000_000_000, b in 0_u64..4_000_000_000) {
        let version = |time| PackVersion::of_source(&Released::default(), &SourceState::Commit { time }).unwrap();
        prop_assert_eq!(version::rpm_compare(version(a).as_str(), version(b).as_str()), a.cmp(&b));
    }

    #[test]
    fn any_text_as_pack_toml_is_read_or_refused(text: String) {
        let folder = folder(&text);
        let _ = PackSpec::read(folder.path());
    }
}
