//! Packs in folders, looked into.

use std::fs;
use std::path::Path;

use super::*;
use crate::openpgp::{Signer, SoftwareKey};
use crate::rpm::fixture;

const NOW: u64 = 1_767_000_000;
const UPDATE: &str = "<update name-label='hello' version='1.2.3' uuid='u' key='KEY' control='control-hello' \
    after-apply-guidance='restartHost' installation-size='2048' x='y'><name-description>Hello\u{1f600}</name-description>\
    <rollsup name-label='old' uuid='v'/><more/></update>";

fn pack(folder: &Path) {
    fs::create_dir(folder.join("Packages")).unwrap();
    fs::write(folder.join("update.xml"), UPDATE).unwrap();
    let mut sample = fixture::sample();
    sample.requires(rpm::Dependency::any("other")).requires(rpm::Dependency::greater_eq("product-version", "8.2"));
    sample.post_install_script("echo \u{1b}[2J\n");
    fs::write(folder.join("Packages/sample.rpm"), fixture::bytes_of(sample)).unwrap();
    let mut other = rpm::PackageBuilder::new("other", "1", "MIT", "noarch", "Another");
    other.using_config(rpm::BuildConfig::v4().compression(rpm::CompressionType::Gzip).source_date(1_700_000_000_u32));
    fs::write(folder.join("Packages/other.rpm"), fixture::bytes_of(other)).unwrap();
    fs::write(folder.join("Packages/broken.rpm"), "no package").unwrap();
}

fn looked_into(folder: &Path, keys: &Keys) -> Inspection {
    inspect(&Contents::open(folder).unwrap(), keys)
}

fn shown(inspection: &Inspection, detail: Detail) -> String {
    text(inspection, detail, &|bytes| format!("{bytes} B"))
}

#[test]
fn what_can_be_read_is_shown_and_what_cannot_is_told_in_its_place() {
    let folder = tempfile::tempdir().unwrap();
    pack(folder.path());
    let inspection = looked_into(folder.path(), &Keys::default());
    assert_eq!(inspection.kind, Kind::Update);
    let document = inspection.update.as_ref().unwrap().known().unwrap();
    assert_eq!(document.attribute("x"), Some("y"));
    assert_eq!(document.rolls_up, [RolledUp { label: Some("old".into()), uuid: Some("v".into()) }]);
    assert_eq!(document.others, ["more"]);
    let found: Vec<bool> = inspection.packages.iter().map(|file| file.found.known().is_some()).collect();
    assert_eq!(found, [false, true, true]);
    let text = shown(&inspection, Detail { scripts: true, files: true });
    for expected in [
        "label        hello",
        "rolls up     old v",
        "problem        is truncated",
        "sample-1.2.3-4.noarch",
        "%post          /bin/sh",
        "| echo \\u{1b}[2J",
        "0644 root:root             8  /etc/sample.conf  %config",
        "└ other ─ other",
        "product-version >= 8.2",
        "update.xml            not signed",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in:\n{text}");
    }
    assert!(!text.contains('\u{1b}'));
    let json = serde_json::to_value(&inspection).unwrap();
    assert!(json["packages"][0]["problem"].as_str().unwrap().contains("truncated"));
    assert_eq!(json["packages"][2]["scriptlets"][0]["body"], "echo \u{1b}[2J\n");
}

#[test]
fn a_document_that_cannot_be_read_hides_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    pack(folder.path());
    fs::write(folder.path().join("update.xml"), "<update").unwrap();
    let text = shown(&looked_into(folder.path(), &Keys::default()), Detail::default());
    assert!(text.contains("problem      update.xml is not well-formed"), "{text}");
    assert!(text.contains("sample-1.2.3-4.noarch"), "{text}");
}

#[test]
fn signatures_are_tried_with_the_keys_that_are_there() {
    let folder = tempfile::tempdir().unwrap();
    pack(folder.path());
    let key = |name: &str| {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("testdata/keys/{name}.asc"));
        SoftwareKey::parse(&fs::read_to_string(file).unwrap(), name, NOW, &mut || unreachable!()).unwrap()
    };
    let signer = key("rsa4096");
    let signature = signer.sign(&[UPDATE.as_bytes()], 1_750_000_000).unwrap().remove(0);
    fs::write(folder.path().join("update.xml.asc"), signature.armored()).unwrap();
    let verified = |keys: &[&SoftwareKey]| {
        let certificates = keys.iter().map(|key| ("KEY".to_owned(), key.certificate().clone())).collect();
        looked_into(folder.path(), &Keys { certificates, now: NOW }).signatures.remove(0)
    };
    let by_itself = verified(&[]);
    assert_eq!(by_itself.verified, Verified::NotVerified("no key".into()));
    assert_eq!(by_itself.key_id.unwrap(), signer.certificate().key_id());
    assert_eq!(by_itself.made.unwrap(), "2025-06-15T15:06:40Z");
    assert_eq!(by_itself.algorithms.unwrap(), "RSA with Sha256");
    assert_eq!(verified(&[&key("encryption-subkey"), &signer]).verified, Verified::Yes("KEY".into()));
    let other = verified(&[&key("encryption-subkey")]).verified;
    assert!(matches!(&other, Verified::No(problem) if problem.contains("is by the key")), "{other:?}");
    fs::write(folder.path().join("update.xml"), UPDATE.replace("Hello", "Hullo")).unwrap();
    assert!(matches!(verified(&[&signer]).verified, Verified::No(_)));
}

#[test]
fn text_fits_eighty_columns() {
    let folder = tempfile::tempdir().unwrap();
    pack(folder.path());
    let mut inspection = looked_into(folder.path(), &Keys::default());
    inspection.path = "pack.iso".into();
    let text = shown(&inspection, Detail::default());
    let wide: Vec<&str> = text.lines().filter(|line| line.chars().count() > 80).collect();
    assert!(wide.is_empty(), "{wide:?}");
}
