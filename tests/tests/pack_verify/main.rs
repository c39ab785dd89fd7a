//! The verifier, proved on packs that only other people's tools had a hand in: a sound one passes, and whatever single
//! thing is broken in it, exactly the check that is for that thing fails.
#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it should be")]

mod change;
mod dom0;
mod gpg;
mod hostile;
mod installer;
mod rpm;
mod xapi;
mod xen_orchestra;
mod xencenter;
mod yum;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use lab::foreign::{ForeignPack, Recipe, public_key};
use lab::packs::{EPOCH, Unwatched};
use lab::root::{Repository, Root};
use pack::check::{Outcome, Set, Verdict};
use pack::spec::Released;
use pack::verify::{GivenKey, Policy, ShippedKey, Verification, checks, verify};

/// A pack to be made, and what it will be held to.
struct Trial {
    recipe: Recipe,
    /// Whether to this project's policy, too.
    xscontainer: bool,
    /// The given key: the test key's name, or the content of a file that is none.
    key: Option<Result<String, Vec<u8>>>,
    /// Name of the given key's file.
    key_file: String,
    /// Version and uuid of earlier releases.
    released: Vec<(String, String)>,
}

impl Trial {
    fn general() -> Trial {
        Trial { xscontainer: false, ..Trial::of(Recipe::general()) }
    }

    fn xscontainer() -> Trial {
        Trial::of(Recipe::xscontainer())
    }

    fn of(recipe: Recipe) -> Trial {
        Trial {
            xscontainer: true,
            key: Some(Ok(recipe.signer.clone())),
            key_file: recipe.key.clone(),
            released: vec![("11.2.0".into(), "0b6a3f52-4d8e-1c4b-779a-e2f15bc0d346".into())],
            recipe,
        }
    }

    fn verify(&self) -> Verification {
        self.hold(&self.recipe.make())
    }

    fn hold(&self, pack: &ForeignPack) -> Verification {
        let folder = tempfile::tempdir().unwrap();
        let release = |(version, uuid): &(String, String)| {
            format!("[[release]]\nversion = \"{version}\"\nuuid = \"{uuid}\"\ndate = \"2025-01-01\"\n")
        };
        let releases: String = self.released.iter().map(release).collect();
        std::fs::write(folder.path().join("released.toml"), releases).unwrap();
        let released = Released::read(folder.path()).unwrap();
        let armored = self.key.as_ref().map(|key| match key {
            Ok(name) => public_key(name).to_vec(),
            Err(content) => content.clone(),
        });
        let key = armored.as_ref().map(|armored| GivenKey { file_name: &self.key_file, armored });
        let now = u64::from(EPOCH) + 86_400;
        let policy = Policy {
            xscontainer: self.xscontainer,
            key,
            released: Some(&released),
            shipped_key: ShippedKey::Beside,
            now,
            ..Policy::default()
        };
        verify(&pack.image, &policy, &Unwatched)
    }
}

/// One thing broken.
struct Case {
    /// The check that is for it.
    check: &'static str,
    /// What is broken, to follow "a pack whose".
    what: &'static str,
    change: fn(&mut Trial),
}

const fn case(check: &'static str, what: &'static str, change: fn(&mut Trial)) -> Case {
    Case { check, what, change }
}

/// Every case, by the reader whose rule it breaks.
fn cases() -> impl Iterator<Item = &'static Case> {
    let others = [xencenter::CASES, xen_orchestra::CASES, installer::CASES, dom0::CASES];
    [xapi::CASES, yum::CASES, rpm::CASES, gpg::CASES].into_iter().chain(others).flatten()
}

/// What is wrong with a verification of which exactly this check should have failed.
fn surprises(wanted: &[&str], verification: &Verification) -> Vec<String> {
    let failed: Vec<&Verdict> = verification.failed().collect();
    let ids: Vec<&str> = failed.iter().map(|verdict| verdict.check.id).collect();
    let mut surprises = Vec::new();
    if ids != wanted {
        let found: Vec<_> =
            failed.iter().map(|verdict| format!("{}: {:?}", verdict.check.id, verdict.outcome)).collect();
        surprises.push(format!("wanted {wanted:?}, failed {found:#?}"));
    }
    // What is not checked must be so because of what failed, if not at once then by way of others.
    let mut explained: BTreeSet<String> = wanted.iter().map(|id| (*id).to_owned()).collect();
    let mut left: Vec<&Verdict> = verification.not_checked().collect();
    while let Some(at) = left.iter().position(|verdict| needs(verdict).is_some_and(|id| explained.contains(id))) {
        explained.insert(left.swap_remove(at).check.id.to_owned());
    }
    surprises.extend(left.iter().map(|verdict| format!("{} is not checked: {:?}", verdict.check.id, verdict.outcome)));
    surprises
}

/// The check that another one could not be made without.
fn needs(verdict: &Verdict) -> Option<&str> {
    match &verdict.outcome {
        // Some hosts read zstd, but nothing here does.
        Outcome::NotChecked(why) if why.contains(" is compressed with zstd, ") => Some("yum-compression"),
        Outcome::NotChecked(why) => why.strip_prefix("needs "),
        _ => None,
    }
}

/// Does something with each of several things, on both processors.
fn each<T: Sync>(things: &[T], what: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(thing) = things.get(next.fetch_add(1, Ordering::Relaxed)) {
                    what(thing);
                }
            });
        }
    });
}

#[test]
fn a_sound_pack_passes_every_check() {
    for trial in [Trial::general(), Trial::xscontainer()] {
        let verification = trial.verify();
        assert_eq!(surprises(&[], &verification), [] as [&str; 0]);
        let sets = |check: &Set| *check == Set::General || trial.xscontainer;
        assert_eq!(verification.verdicts.len(), checks().filter(|check| sets(&check.set)).count());
        assert_eq!(verification.label.as_deref(), Some(trial.recipe.label.as_str()));
        assert_eq!(verification.version.as_deref(), Some(trial.recipe.version.as_str()));
        assert_eq!(verification.uuid.as_deref(), Some(trial.recipe.uuid.as_str()));
    }
}

#[test]
fn a_sound_pack_is_one_that_rpm_and_dnf_install() {
    let pack = Recipe::xscontainer().make();
    let root = Root::of_release("8.2.1");
    root.trust(&pack.key);
    let repository = Repository::serve(&pack.tree);
    root.dnf(&repository, &["install", "control-xscontainer"]).succeed();
    root.dnf(&repository, &["install", "@update"]).succeed();
    let wanted = ["control-xscontainer", "update-xscontainer", "xscontainer", "xscontainer-data"];
    assert_eq!(root.installed(), wanted.map(|name| format!("{name}-11.4.0")));
    let stamp = root.path().join(format!("var/update/applied/{}", Recipe::xscontainer().uuid));
    assert_eq!(std::fs::read(stamp).unwrap(), std::fs::read(pack.tree.join("update.xml")).unwrap());
}

/// `LAB_CASE` picks the cases of checks whose id has this text. A pack of somebody else is held to the rules for any pack only, one of this project's to all.
#[test]
fn what_is_broken_fails_exactly_the_check_that_is_for_it() {
    let general: BTreeSet<&str> = checks().filter(|check| check.set == Set::General).map(|check| check.id).collect();
    let ours = cases().map(|case| (case, Trial::xscontainer as fn() -> Trial));
    let foreign =
        cases().filter(|case| general.contains(case.check)).map(|case| (case, Trial::general as fn() -> Trial));
    let only = std::env::var("LAB_CASE").unwrap_or_default();
    let trials: Vec<_> = ours.chain(foreign).filter(|(case, _)| case.check.contains(&only)).collect();
    let wrong = Mutex::new(Vec::new());
    each(&trials, |(case, trial)| {
        let mut trial = trial();
        let pack = trial.recipe.label.clone();
        let surprises = catch_unwind(AssertUnwindSafe(|| {
            (case.change)(&mut trial);
            surprises(&[case.check], &trial.verify())
        }));
        let surprises = surprises.unwrap_or_else(|_| vec!["panicked, as said above".into()]);
        if !surprises.is_empty() {
            let text = format!("{}, a pack {pack} whose {}:\n{}", case.check, case.what, surprises.join("\n"));
            wrong.lock().unwrap().push(text);
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {} trials:\n{}", wrong.len(), trials.len(), wrong.join("\n\n"));
}

#[test]
fn every_check_is_seen_to_fail() {
    let broken: BTreeSet<&str> = cases().map(|case| case.check).collect();
    let known: BTreeSet<&str> = checks().map(|check| check.id).collect();
    assert_eq!(broken, known, "each check has a case, and each case a check");
}
