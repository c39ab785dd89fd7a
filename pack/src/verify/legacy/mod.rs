//! A pack of the older format, held to the rules of everything that reads it: the installers of XenServer up to 7.0 and
//! of XCP 1.x, their rpm, and the clients that show what XAPI publishes of it.
//!
//! Shares parsers with [`crate::legacy`] and nothing of how such a pack is built.

mod clients;
mod content;
mod hosts;
mod metadata;
mod packages;
mod subject;

use std::path::Path;

use super::{Basis, Found, Policy, Verification, verdict};
use crate::build::Progress;
use crate::check::{Check, Outcome, Reader, Set, Verdict};
use crate::contents::Contents;
use crate::legacy::{Repository, packages as listing, repository};
use subject::Subject;

/// What every check of this file begins with.
const INSTALLER: Check = Check {
    id: "",
    reader: Reader::LegacyInstaller,
    set: Set::General,
    rule: "",
    why: "",
    remedy: "",
    source: "supp-pack-build, scripts/suppack-install.py",
};

/// A check of this format, and how it is made.
struct Rule {
    check: Check,
    holds: fn(&Subject<'_>) -> Found,
}

fn rules() -> impl Iterator<Item = &'static Rule> {
    [metadata::RULES, content::RULES, packages::RULES, hosts::RULES, clients::RULES].into_iter().flatten()
}

/// Every check of this format.
pub fn checks() -> impl Iterator<Item = &'static Check> {
    rules().map(|rule| &rule.check)
}

/// Opens a pack if it is one of this format: by what is in it, whatever carries it.
pub(super) fn open(path: &Path) -> Option<Contents> {
    let contents = Contents::open(path).ok()?;
    let has = |name: &str| contents.entry(name).is_some();
    ((has(repository::FILE) || has(listing::FILE)) && !has("repodata/repomd.xml")).then_some(contents)
}

/// Holds a pack to the rules.
pub(super) fn verify(contents: &Contents, policy: &Policy<'_>, progress: &dyn Progress) -> Verification {
    let rules = rules().filter(|rule| policy.xscontainer || rule.check.set == Set::General);
    let subject = Subject::read(contents, policy, progress);
    progress.step("check");
    let verdicts: Vec<Verdict> = rules.map(|rule| verdict(&rule.check, (rule.holds)(&subject))).collect();
    let repository = subject.repository().ok();
    let verification = Verification {
        iso: contents.path().into(),
        label: repository.map(Repository::identifier),
        version: repository.map(|repository| repository.version.clone()),
        uuid: None,
        verdicts,
        // Generations of hosts are those of 7.1 and later.
        basis: Basis::All,
        answers: Vec::new(),
    };
    let (all, failed) = (verification.verdicts.len(), verification.failed().count());
    progress.made(&format!("{all} checks, {failed} failed"));
    verification
}

/// Problems, or what was seen.
fn told(problems: Vec<String>, seen: impl std::fmt::Display) -> Found {
    Ok(Outcome::of(problems, seen))
}

#[cfg(test)]
mod tests;
