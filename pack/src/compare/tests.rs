//! Packs in folders, compared.

use std::fs;
use std::path::Path;

use rpm::{BuildConfig, CompressionType, Dependency, FileMode, FileOptions, PackageBuilder};

use super::*;
use crate::contents::Contents;
use crate::inspect::{Keys, inspect};
use crate::rpm::fixture;

fn package(name: &str, version: &str) -> PackageBuilder {
    let mut builder = PackageBuilder::new(name, version, "MIT", "noarch", "A package");
    builder.using_config(BuildConfig::v4().compression(CompressionType::Gzip).source_date(1_700_000_000_u32));
    builder.release("1");
    builder
}

fn file(builder: &mut PackageBuilder, content: &str, options: rpm::FileOptionsBuilder) {
    builder.with_file_contents(content, options).unwrap();
}

fn regular(path: &str, mode: u16) -> rpm::FileOptionsBuilder {
    FileOptions::new(path).mode(FileMode::regular(mode))
}

fn pack(attributes: &str, packages: Vec<PackageBuilder>) -> Inspection {
    let folder = tempfile::tempdir().unwrap();
    let document = format!(
        "<update name-label='hello' control='control-hello' {attributes}><name-description>x</name-description></update>"
    );
    fs::write(folder.path().join("update.xml"), document).unwrap();
    for (index, package) in packages.into_iter().enumerate() {
        fs::write(folder.path().join(format!("{index}.rpm")), fixture::bytes_of(package)).unwrap();
    }
    let mut inspection = inspect(&Contents::open(folder.path()).unwrap(), &Keys::default());
    inspection.path = Path::new("pack.iso").into();
    inspection
}

/// The release before, and the one after it.
fn releases() -> (Inspection, Inspection) {
    let mut old = package("hello", "1");
    file(&mut old, "old", regular("/usr/bin/hello", 0o755));
    file(&mut old, "gone", regular("/usr/bin/gone", 0o755));
    file(&mut old, "a", regular("/etc/kept", 0o644).config().noreplace());
    file(&mut old, "a", regular("/etc/saved", 0o644).config());
    file(&mut old, "same", regular("/etc/same", 0o644).config());
    file(&mut old, "moved", regular("/usr/share/moved", 0o644));
    old.post_install_script("echo one").pre_uninstall_script("echo old").requires(Dependency::any("bash"));
    let mut new = package("hello", "2");
    file(&mut new, "new", regular("/usr/bin/hello", 0o750));
    file(&mut new, "b", regular("/etc/kept", 0o644).config().noreplace());
    file(&mut new, "b", regular("/etc/saved", 0o644).config());
    file(&mut new, "same", regular("/etc/same", 0o600).config());
    new.post_install_script("echo two").post_trans_script("echo last").requires(Dependency::any("dash"));
    let mut data = package("hello-data", "1");
    file(&mut data, "moved", regular("/usr/share/moved", 0o644));
    data.requires(Dependency::any("hello"));
    data.obsoletes(Dependency::less("hello-old", "5"));
    let control = |version: &str, least: &str| {
        let mut control = package("control-hello", version);
        control.requires(Dependency::greater_eq("product-version", least)).pre_install_script("echo check");
        control
    };
    let a = pack(
        "version='1' uuid='u1'",
        vec![
            old,
            control("1", "8.1"),
            package("hello-old", "1"),
            package("hello-stays", "1"),
            package("hello-same", "1"),
        ],
    );
    let b = pack(
        "version='2' uuid='u2' after-apply-guidance='restartXAPI'",
        vec![new, control("2", "8.2"), data, package("hello-same", "1")],
    );
    (a, b)
}

#[test]
fn an_upgrade_is_told_in_full() {
    let (a, b) = releases();
    let comparison = compare(&a, &b);
    assert!(!comparison.same);
    let fates: Vec<(&str, &Fate)> = comparison.packages.iter().map(|p| (p.name.as_str(), &p.fate)).collect();
    assert_eq!(
        fates,
        [
            ("hello", &Fate::Upgraded),
            ("control-hello", &Fate::Upgraded),
            ("hello-data", &Fate::Added),
            ("hello-same", &Fate::Unchanged),
            ("hello-old", &Fate::Obsoleted("hello-data".into())),
            ("hello-stays", &Fate::LeftBehind),
        ]
    );
    assert_eq!(comparison.hosts.removed, ["product-version >= 8.1"]);
    assert_eq!(comparison.hosts.added, ["product-version >= 8.2"]);
    let shown: Vec<String> = comparison
        .files
        .iter()
        .map(|f| format!("{} {:?} {:?} {}", f.path, f.from.is_some(), f.changes, f.if_changed_by_hand.unwrap_or("-")))
        .collect();
    assert_eq!(
        shown,
        [
            "/etc/kept true [\"content\"] it is kept, and the new one comes as .rpmnew",
            "/etc/same true [\"mode 0644 -> 0600\"] it is kept",
            "/etc/saved true [\"content\"] it is replaced, and kept as .rpmsave",
            "/usr/bin/gone true [] -",
            "/usr/bin/hello true [\"content\", \"mode 0755 -> 0750\"] -",
            "/usr/share/moved true [] -",
        ]
    );
    let runs: Vec<String> = comparison
        .scriptlets
        .iter()
        .map(|r| format!("{} {} {} {} {:?}", r.step, r.scriptlet.moment, r.package, r.argument, r.novelty))
        .collect();
    assert_eq!(
        runs,
        [
            "precheck %pre control-hello-2-1.noarch 2 Same",
            "apply %post hello-2-1.noarch 2 Changed",
            "apply %preun hello-1-1.noarch 1 Old",
            "apply %posttrans hello-2-1.noarch 0 New",
        ]
    );
    let warnings = comparison.warnings.join("\n");
    assert!(warnings.contains("hello-stays is in the first pack only"), "{warnings}");
    assert!(warnings.contains("/usr/share/moved moves from hello to hello-data"), "{warnings}");
    assert_eq!(comparison.warnings.len(), 2, "{warnings}");
    let text = text(&a, &b, &comparison);
    for expected in ["after-apply-guidance none -> restartXAPI", "- bash", "+ dash", "| echo two", "^ hello "] {
        assert!(text.contains(expected), "{expected:?} is not in:\n{text}");
    }
    assert!(!text.contains("| echo check"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn a_pack_is_the_same_as_itself() {
    let comparison = compare(&releases().0, &releases().0);
    assert!(comparison.same);
    assert!(comparison.files.is_empty() && comparison.scriptlets.is_empty() && comparison.warnings.is_empty());
}

#[test]
fn what_yum_will_not_take_is_warned_of() {
    let (a, b) = releases();
    let backwards = compare(&b, &a).warnings.join("\n");
    assert!(backwards.contains("The version falls from 2 to 1"), "{backwards}");
    assert!(backwards.contains("hello falls from 2-1 to 1-1"), "{backwards}");
    let other = |attributes: &str| {
        let mut rebuilt = package("hello", "1");
        rebuilt.description("another");
        pack(attributes, vec![rebuilt])
    };
    let one = pack("version='1' uuid='u1'", vec![package("hello", "1")]);
    let same_uuid = compare(&one, &other("version='1' uuid='u1'")).warnings.join("\n");
    for expected in ["The version stays 1", "Both have the uuid u1", "another package of the same version"] {
        assert!(same_uuid.contains(expected), "{expected:?} is not in:\n{same_uuid}");
    }
}
