//! The rehearsal, proved on packs that only other people's tools had a hand in: a sound one does well on every host, and
//! whatever single thing is broken in it, exactly the check that is for that thing fails.
#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it should be")]

mod cases;
mod change;
mod hostile;
mod hosts;
mod no_namespaces;
mod packs;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use cases::{CASES, Case, Packs};
use lab::foreign::{Recipe, public_key};
use lab::packs::{EPOCH, Unwatched};
use pack::check::{Outcome, Set, Verdict};
use pack::dom0::capture::Capture;
use pack::dom0::{Rehearsal, Subject, checks, rehearse};
use pack::image::PackImage;
use pack::verify::{GivenKey, Policy, ShippedKey, verify};

/// Makes a pack and rehearses it.
fn rehearsal(recipe: &Recipe, xscontainer: bool, hosts: &[Capture]) -> Rehearsal {
    let pack = recipe.make();
    let image = PackImage::open(&pack.image).unwrap();
    rehearse(Subject { image: &image, previous: None, xscontainer, hosts, scenarios: &[] }, &lab::packs::Unwatched)
        .unwrap()
}

/// A verdict in a line.
fn shown(verdict: &Verdict) -> String {
    let host = verdict.host.as_deref().unwrap_or("all");
    format!("{} on {host}: {:?}", verdict.check.id, verdict.outcome)
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

/// What the captures that come with this project do not know of their hosts.
const UNKNOWN: [&str; 2] = ["dom0-dependencies", "dom0-conflicts"];

#[test]
fn a_sound_pack_does_well_on_every_host() {
    for (recipe, xscontainer) in [(packs::general(), false), (packs::xscontainer(), true)] {
        let rehearsal = rehearsal(&recipe, xscontainer, &hosts::all());
        let odd = |verdict: &&Verdict| match verdict.outcome {
            Outcome::Passed(_) => false,
            Outcome::Failed(_) => true,
            Outcome::NotChecked(_) => verdict.host.as_deref() == Some("known") || !UNKNOWN.contains(&verdict.check.id),
        };
        let odd: Vec<_> = rehearsal.verdicts.iter().filter(odd).map(shown).collect();
        assert!(odd.is_empty(), "{odd:#?}\n{:#?}", rehearsal.hosts.last());
        assert_eq!(rehearsal.unproven, None);
        let made: BTreeSet<&str> = rehearsal.verdicts.iter().map(|verdict| verdict.check.id).collect();
        let wanted = checks().filter(|check| xscontainer || check.set == Set::General).map(|check| check.id);
        assert_eq!(made, wanted.collect());
    }
}

#[test]
fn a_sound_pack_passes_what_is_checked_before_a_rehearsal() {
    let recipe = packs::general();
    let (pack, armored) = (recipe.make(), public_key(&recipe.signer));
    let key = Some(GivenKey { file_name: &recipe.key, armored: &armored });
    let now = u64::from(EPOCH) + 86_400;
    let policy = Policy { key, shipped_key: ShippedKey::Beside, now, ..Policy::default() };
    let verification = verify(&pack.image, &policy, &Unwatched);
    let failed: Vec<_> = verification.failed().map(shown).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

/// What is wrong with a rehearsal of which exactly the case's check should have failed.
fn surprises(case: &Case, rehearsal: &Rehearsal) -> Vec<String> {
    let failed = rehearsal.verdicts.iter().filter(|verdict| verdict.failed());
    let (as_wanted, others): (Vec<&Verdict>, Vec<&Verdict>) = failed.partition(|v| v.check.id == case.check);
    let mut surprises = Vec::new();
    if as_wanted.is_empty() {
        surprises.push(format!("{} did not fail", case.check));
    }
    surprises.extend(others.into_iter().map(shown));
    let fine = |verdict: &&&Verdict| verdict.host.as_deref().is_some_and(|host| case.fine_on.contains(&host));
    surprises.extend(as_wanted.iter().filter(fine).map(|verdict| shown(verdict)));
    surprises.extend(unexplained(case, &rehearsal.verdicts).into_iter().map(shown));
    surprises
}

/// What is not checked on the host of which everything is known, though it does not follow from the case, at once or by way
/// of others.
fn unexplained<'v>(case: &Case, verdicts: &'v [Verdict]) -> Vec<&'v Verdict> {
    let needs = |verdict: &Verdict| match &verdict.outcome {
        Outcome::NotChecked(why) => why.strip_prefix("needs ").map(str::to_owned),
        _ => None,
    };
    let known = |verdict: &&Verdict| verdict.host.as_deref() == Some("known");
    let not_checked = |verdict: &&Verdict| matches!(verdict.outcome, Outcome::NotChecked(_));
    let mut left: Vec<&Verdict> = verdicts.iter().filter(known).filter(not_checked).collect();
    let mut explained = BTreeSet::from([case.check.to_owned()]);
    while let Some(at) = left.iter().position(|verdict| needs(verdict).is_some_and(|id| explained.contains(&id))) {
        explained.insert(left.swap_remove(at).check.id.to_owned());
    }
    left
}

/// A pack of somebody else is held to the rules for any pack only, one of this project's to all.
#[test]
fn what_is_broken_fails_exactly_the_check_that_is_for_it() {
    let ours = CASES.iter().filter(|case| case.packs != Packs::General).map(|case| (case, true));
    let foreign = CASES.iter().filter(|case| case.packs != Packs::Xscontainer).map(|case| (case, false));
    let only = std::env::var("LAB_CASE").unwrap_or_default();
    let trials: Vec<_> = ours.chain(foreign).filter(|(case, _)| case.check.contains(&only)).collect();
    let wrong = Mutex::new(Vec::new());
    each(&trials, |(case, xscontainer)| {
        let found = catch_unwind(AssertUnwindSafe(|| {
            let mut recipe = if *xscontainer { packs::xscontainer() } else { packs::general() };
            (case.change)(&mut recipe);
            surprises(case, &rehearsal(&recipe, *xscontainer, &hosts::for_check(case.check)))
        }));
        let found = found.unwrap_or_else(|_| vec!["panicked, as said above".into()]);
        if !found.is_empty() {
            let pack = if *xscontainer { "of this project" } else { "of somebody else" };
            let text = format!("{}, a pack {pack} whose {}:\n{}", case.check, case.what, found.join("\n"));
            wrong.lock().unwrap().push(text);
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {} trials:\n{}", wrong.len(), trials.len(), wrong.join("\n\n"));
}

#[test]
fn every_check_is_seen_to_fail() {
    let broken: BTreeSet<&str> = CASES.iter().map(|case| case.check).collect();
    let known: BTreeSet<&str> = checks().map(|check| check.id).collect();
    assert_eq!(broken, known);
}
