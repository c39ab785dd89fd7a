mod broken;
mod generations;
mod hostile;
mod plan;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::*;
use crate::build::{Request, build};
use crate::check::Reader;
use crate::openpgp::{Signer, SoftwareKey};
use crate::rpm::fixture;
use crate::spec::{PackSpec, PackVersion};
use plan::{EPOCH, KEY, KEY_FILE, NOW, Plan, Unwatched};

/// Ids of the checks that failed, with all that was found. Asserts what holds of any verification.
fn failures(verification: &Verification) -> Vec<(&'static str, Vec<String>)> {
    let mut failures = Vec::new();
    let passed: BTreeSet<&str> = verification
        .verdicts
        .iter()
        .filter(|verdict| matches!(verdict.outcome, Outcome::Passed(_)))
        .map(|verdict| verdict.check.id)
        .collect();
    for Verdict { check, outcome, .. } in &verification.verdicts {
        match outcome {
            Outcome::Passed(seen) => assert!(!seen.is_empty(), "{}", check.id),
            Outcome::NotChecked(why) => {
                if let Some(needed) = why.strip_prefix("needs ") {
                    assert!(!passed.contains(needed), "{} needs {needed}, which passed", check.id);
                }
            }
            Outcome::Failed(problems) => {
                assert!(!problems.is_empty(), "{}", check.id);
                failures.push((check.id, problems.clone()));
            }
        }
    }
    failures
}

#[test]
fn a_pack_by_the_builder_passes_every_check_of_both_sets() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let payload = folder.path().join("payload.rpm");
    fs::write(&payload, fixture::bytes_of(plan::payload_builder())).unwrap();
    let armored = fs::read_to_string(root.join("testdata/keys/rsa4096.asc")).unwrap();
    let key = SoftwareKey::parse(&armored, "key", NOW, &mut || unreachable!()).unwrap();
    let (spec, released) = (PackSpec::read(&root.join("../spec")).unwrap(), Released::default());
    let request = Request {
        spec: &spec,
        version: &PackVersion::new("11.0.0").unwrap(),
        released: &released,
        payloads: &[payload],
        signer: &key,
        epoch: EPOCH,
        supply: None,
        output: &folder.path().join("out"),
    };
    let pack = build(&request, &Unwatched).unwrap().publish("{}").unwrap();
    let armored = fs::read(&pack.key.path).unwrap();
    let key = GivenKey { file_name: KEY_FILE, armored: &armored };
    let policy = Policy {
        xscontainer: true,
        key: Some(key),
        released: Some(&released),
        shipped_key: ShippedKey::Beside,
        now: NOW,
        ..Policy::default()
    };
    let verification = verify(&pack.iso.path, &policy, &Unwatched);
    assert_eq!(failures(&verification), []);
    assert_eq!(verification.not_checked().count(), 0, "{:#?}", verification.not_checked().collect::<Vec<_>>());
    assert_eq!(verification.verdicts.len(), checks().count());
    assert_eq!(verification.uuid, Some(pack.uuid.to_string()));
    assert_eq!((verification.label.as_deref(), verification.version.as_deref()), (Some("xscontainer"), Some("11.0.0")));
}

#[test]
fn the_plan_of_the_tests_is_sound() {
    let verification = Plan::default().verify();
    assert_eq!(failures(&verification), []);
    assert_eq!(verification.not_checked().count(), 0, "{:#?}", verification.not_checked().collect::<Vec<_>>());
}

#[test]
fn the_general_set_leaves_out_this_projects_policy() {
    let folder = tempfile::tempdir().unwrap();
    let iso = folder.path().join("pack.iso");
    fs::write(&iso, Plan::default().image().0).unwrap();
    let verification = verify(&iso, &Policy { now: NOW, ..Policy::default() }, &Unwatched);
    assert!(verification.verdicts.iter().all(|verdict| verdict.check.set == Set::General));
    assert!(verification.passed());
}

#[test]
fn without_a_key_no_signature_passes() {
    let verification = Plan { key: None, beside: None, ..Plan::default() }.verify();
    assert_eq!(failures(&verification), []);
    let not_checked: Vec<_> = verification.not_checked().map(|verdict| verdict.check.id).collect();
    assert_eq!(not_checked, ["rpm-signed", "gpg-key", "gpg-update-xml", "gpg-repomd", "gpg-key-file"]);
    let text = format!("{:?}", verification.not_checked().nth(2).unwrap().outcome);
    assert!(text.contains(&KEY.certificate().key_id()), "{text}");
}

#[test]
fn what_was_interrupted_has_not_passed() {
    struct Stopped;
    impl Progress for Stopped {
        fn step(&self, _: &str) {}
        fn made(&self, _: &str) {}
        fn advance(&self, _: u64, _: u64) {}
        fn interrupted(&self) -> bool {
            true
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let iso = folder.path().join("pack.iso");
    fs::write(&iso, Plan::default().image().0).unwrap();
    let verification = verify(&iso, &Policy { now: NOW, ..Policy::default() }, &Stopped);
    assert!(failures(&verification).is_empty());
    let not_checked: Vec<_> = verification.not_checked().map(|verdict| verdict.check.id).collect();
    assert!(not_checked.contains(&"rpm-digests") && not_checked.contains(&"yum-packages"), "{not_checked:?}");
}

#[test]
fn ids_are_unique_and_name_their_reader_and_every_text_is_there() {
    let mut ids = BTreeSet::new();
    for check in checks().chain(legacy::checks()) {
        assert!(ids.insert(check.id), "{} is there twice", check.id);
        let prefixes: &[&str] = match check.reader {
            Reader::Xapi => &["xapi-", "xscontainer-"],
            Reader::Yum => &["yum-"],
            Reader::Rpm => &["rpm-"],
            Reader::Gpg => &["gpg-"],
            Reader::XenCenter => &["xencenter-"],
            Reader::XenOrchestra => &["xen-orchestra-"],
            Reader::HostInstaller => &["installer-"],
            Reader::Dom0 => &["dom0-"],
            Reader::LegacyInstaller => &["legacy-"],
        };
        assert!(prefixes.iter().any(|prefix| check.id.starts_with(prefix)), "{}", check.id);
        for text in [check.rule, check.why, check.remedy, check.source] {
            assert!(!text.is_empty() && !text.ends_with('.'), "{}: {text:?}", check.id);
        }
    }
}
