//! Host generations: which of them a pack is held to, and what each says to it.
//!
//! A pack claims the generations that meet what its control package requires of the host. Rules that differ between
//! generations ask `Subject::stacks`; all others are the same for every host that takes the pack's format.

use std::sync::Arc;

use serde::Serialize;

use super::subject::Subject;
use super::{Found, Obstacle, Rule, rpm};
use crate::check::{Check, Outcome, Reader, Set, Verdict};
use crate::generation::{Format, Generation, Stack, listed};
use crate::rpm::package::Dependency;

pub(super) const RULES: &[Rule] = &[Rule {
    check: Check {
        id: "dom0-generations",
        reader: Reader::Dom0,
        set: Set::General,
        rule: "the host generations that it is held to take packs of its format, and meet what control-<label> requires of them",
        why: "such a host does not know what the file is, or answers UPDATE_PRECHECK_FAILED_WRONG_SERVER_VERSION",
        remedy: "Ask for hosts that the pack is made for, or change what its control package requires and build it again",
        source: "xen-api, ocaml/xapi/xapi_pool_update.ml and scripts/extensions/pool_update.precheck; the sources in pack/hosts/generations.toml",
    },
    holds: taken,
}];

/// Why a pack is held to the generations that it is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// Somebody asked for them.
    Asked,
    /// They meet what the pack requires of the host.
    Claimed,
    /// The pack requires nothing that tells generations apart, or nothing that any of them has: all that take its format.
    All,
}

/// What a generation says to the pack.
#[derive(Debug, Clone, Serialize)]
pub struct Answer {
    /// The generation's name.
    pub name: String,
    pub product: String,
    #[serde(flatten)]
    pub says: Says,
}

/// Whether a generation takes the pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "answer", content = "reasons")]
pub enum Says {
    /// No rule is broken that it has.
    Taken,
    /// Why it does not take it; at least one reason.
    Refused(Vec<String>),
    /// What keeps it from being told; at least one reason.
    NotKnown(Vec<String>),
}

/// The generations that a pack is held to, and why these.
pub(super) fn chosen(subject: &Subject<'_>) -> (Basis, Vec<&'static Generation>) {
    if !subject.policy.generations.is_empty() {
        return (Basis::Asked, subject.policy.generations.to_vec());
    }
    let requires = requires(subject).unwrap_or_default();
    let all: Vec<_> = Generation::taking(Format::Update).collect();
    let told_apart = requires.iter().any(|wanted| all.iter().any(|generation| generation.meets(wanted).is_some()));
    let meets = |generation: &&Generation| requires.iter().any(|wanted| generation.meets(wanted) == Some(true));
    let fits = |generation: &&Generation| meets(generation) && unmet(generation, &requires).is_empty();
    let claimed: Vec<_> = all.iter().copied().filter(fits).collect();
    match told_apart && !claimed.is_empty() {
        true => (Basis::Claimed, claimed),
        false => (Basis::All, all),
    }
}

/// What the control package requires.
fn requires(subject: &Subject<'_>) -> Result<Vec<Dependency>, Obstacle> {
    rpm::companion(subject, "control").map(|control| control.facts.requires.clone())
}

/// What of it a generation is known not to meet, one line each.
fn unmet(generation: &Generation, requires: &[Dependency]) -> Vec<String> {
    let unmet = requires.iter().filter(|wanted| generation.meets(wanted) == Some(false));
    let line = |wanted: &Dependency| {
        let has = generation.provides.get(&wanted.name).map_or("", String::as_str);
        format!("{wanted} is required, and {generation} has {} = {has}", wanted.name)
    };
    unmet.map(line).collect()
}

/// A stack, and the generations of those that the pack is held to that have it.
pub(super) struct OnStack<'s> {
    pub(super) stack: &'static Stack,
    pub(super) generations: Vec<&'s &'static Generation>,
}

impl OnStack<'_> {
    /// Their names, for a message.
    pub(super) fn names(&self) -> String {
        listed(self.generations.iter().map(|generation| **generation))
    }
}

impl Subject<'_> {
    /// The stacks of the generations that the pack is held to, each once.
    pub(super) fn stacks(&self) -> Vec<OnStack<'_>> {
        let mut stacks: Vec<OnStack<'_>> = Vec::new();
        for generation in &self.generations {
            match stacks.iter_mut().find(|known| std::ptr::eq(known.stack, Arc::as_ptr(&generation.stack))) {
                Some(known) => known.generations.push(generation),
                None => stacks.push(OnStack { stack: &generation.stack, generations: vec![generation] }),
            }
        }
        stacks
    }
}

fn taken(subject: &Subject<'_>) -> Found {
    let requires = requires(subject)?;
    let mut problems = Vec::new();
    for generation in &subject.generations {
        if generation.format != Format::Update {
            problems.push(format!("{generation} takes packs of {} only", generation.format));
        } else {
            problems.extend(unmet(generation, &requires));
        }
    }
    Ok(Outcome::of(problems, listed(subject.generations.iter().copied())))
}

/// Rules that differ between generations: what they find, a host refuses.
const OF_GENERATIONS: [&str; 6] =
    ["dom0-generations", "rpm-features", "rpm-archive-size", "rpm-interpreters", "xapi-precheck", "yum-compression"];

/// What each generation says, by the rules that it has.
pub(super) fn answers(subject: &mut Subject<'_>, verdicts: &[Verdict]) -> Vec<Answer> {
    let asked = std::mem::take(&mut subject.generations);
    let common: Vec<&Verdict> = verdicts.iter().filter(|verdict| is_of_hosts(verdict.check)).collect();
    let broken = |verdict: &&&Verdict| verdict.failed() && !OF_GENERATIONS.contains(&verdict.check.id);
    let broken: Vec<String> =
        common.iter().filter(broken).map(|verdict| format!("it breaks {}", verdict.check.id)).collect();
    let rules: Vec<_> = super::rules().filter(|rule| OF_GENERATIONS.contains(&rule.check.id)).collect();
    let mut answers = Vec::new();
    for generation in &asked {
        subject.generations = vec![generation];
        let (mut refused, mut open) = (Vec::new(), broken.clone());
        for Verdict { check, outcome, .. } in rules.iter().map(|rule| rule.verdict(subject)) {
            match outcome {
                Outcome::Passed(_) => {}
                Outcome::Failed(problems) => {
                    refused.extend(problems.into_iter().map(|problem| format!("{problem} ({})", check.id)));
                }
                Outcome::NotChecked(why) => open.push(format!("{} was not checked: {why}", check.id)),
            }
        }
        let says = match (refused.is_empty(), open.is_empty()) {
            (false, _) => Says::Refused(refused),
            (true, false) => Says::NotKnown(open),
            (true, true) => Says::Taken,
        };
        answers.push(Answer { name: generation.name.clone(), product: generation.product.clone(), says });
    }
    subject.generations = asked;
    answers
}

/// Whether it is a host that has a rule, not a client or this project.
fn is_of_hosts(check: &Check) -> bool {
    check.set == Set::General && !matches!(check.reader, Reader::XenCenter | Reader::XenOrchestra)
}
