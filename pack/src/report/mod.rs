//! What was found about a pack, for people and for programs.
//!
//! Knows how findings are shown; must not know what is checked. `text` is for terminals, [`html`] for browsers and paper.

pub mod html;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value, json};

use crate::check::{Outcome, Reader, Verdict};
use crate::dom0::{Rehearsal, Rehearsed};
use crate::verify::Verification;
use crate::verify::generations::{Answer, Says};

/// Everything that was found about a pack.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    pub verification: &'a Verification,
    /// `None` if it was not asked for, or if checks failed without which no host would come so far.
    pub rehearsal: Option<&'a Rehearsal>,
}

/// Checks of one reader, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Count {
    pub passed: usize,
    pub failed: usize,
    pub not_checked: usize,
}

impl Report<'_> {
    /// Every verdict, those of the rehearsal last.
    pub fn verdicts(&self) -> impl Iterator<Item = &Verdict> {
        self.verification.verdicts.iter().chain(self.rehearsal.iter().flat_map(|rehearsal| &rehearsal.verdicts))
    }

    /// The broken rules.
    pub fn failures(&self) -> impl Iterator<Item = &Verdict> {
        self.verdicts().filter(|verdict| verdict.failed())
    }

    /// Whether no rule is broken.
    pub fn passed(&self) -> bool {
        self.failures().next().is_none()
    }

    /// Verdicts by reader, counted.
    pub fn counts(&self) -> BTreeMap<Reader, Count> {
        let mut counts: BTreeMap<Reader, Count> = BTreeMap::new();
        for verdict in self.verdicts() {
            let count = counts.entry(verdict.check.reader).or_default();
            match verdict.outcome {
                Outcome::Passed(_) => count.passed += 1,
                Outcome::Failed(_) => count.failed += 1,
                Outcome::NotChecked(_) => count.not_checked += 1,
            }
        }
        counts
    }

    /// As JSON: `report.json`.
    pub fn to_json(&self) -> Value {
        let verification = self.verification;
        let counts: BTreeMap<String, Count> =
            self.counts().into_iter().map(|(reader, count)| (reader.to_string(), count)).collect();
        json!({
            "format": 1,
            "passed": self.passed(),
            "pack": { "label": verification.label, "version": verification.version, "uuid": verification.uuid },
            "readers": counts,
            "generations": { "basis": verification.basis, "answers": self.answers() },
            "checks": self.verdicts().collect::<Vec<_>>(),
            "rehearsal": self.rehearsal.map(|rehearsal| json!({
                "scriptlets_proven": rehearsal.unproven.is_none(),
                "hosts": rehearsal.hosts,
                "in_dom0": rehearsal.landings,
            })),
        })
    }

    /// How many rules are broken, whatever the number of hosts.
    pub fn broken_rules(&self) -> usize {
        self.failures().map(|verdict| verdict.check.id).collect::<BTreeSet<_>>().len()
    }

    /// What each host generation says: by its rules, and where a host of it was rehearsed, by that.
    pub fn answers(&self) -> Vec<Answer> {
        let hosts = self.rehearsal.map_or(&[][..], |rehearsal| rehearsal.hosts.as_slice());
        let answer = |answer: &Answer| {
            let rehearsed = hosts.iter().find(|host| host.name == answer.name);
            let says = match (&answer.says, rehearsed) {
                (Says::Taken, Some(host)) => rehearsed_says(host),
                (says, _) => says.clone(),
            };
            Answer { says, ..answer.clone() }
        };
        self.verification.answers.iter().map(answer).collect()
    }
}

/// What a host said in the rehearsal.
fn rehearsed_says(host: &Rehearsed) -> Says {
    let refusals = host.scenarios.iter().filter(|played| played.result == "refused");
    let refusals: Vec<String> = refusals.filter_map(|played| played.refusal.clone()).collect();
    let failed = host.scenarios.iter().filter(|played| played.result == "FAILED");
    let failed: Vec<String> =
        failed.map(|played| format!("{:?} goes wrong in the rehearsal", played.scenario)).collect();
    match (refusals.is_empty(), failed.is_empty()) {
        (false, _) => Says::Refused(refusals),
        (true, false) => Says::NotKnown(failed),
        (true, true) => Says::Taken,
    }
}

impl Rehearsal {
    /// The scenarios that were played on any host, each once.
    pub fn scenarios(&self) -> Vec<&'static str> {
        let mut names: Vec<&str> = Vec::new();
        for played in self.hosts.iter().flat_map(|host| &host.scenarios) {
            if !names.contains(&played.scenario) {
                names.push(played.scenario);
            }
        }
        names
    }
}
