//! The vocabulary of checks: a rule that some reader of a pack has, and what was found when a pack was held to it.
//!
//! Shared by [`crate::verify`], which reads finished bytes, and [`crate::dom0`], which rehearses what a host does. Knows
//! no rule itself.

use std::fmt;

use serde::Serialize;

/// A rule, by an identifier that never changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Lower-case words joined by `-`, the first of which names the reader.
    pub id: &'static str,
    /// Who has the rule.
    pub reader: Reader,
    /// Which packs it is for.
    pub set: Set,
    /// What must be so, as a sentence without a full stop.
    pub rule: &'static str,
    /// What happens to users otherwise.
    pub why: &'static str,
    /// What to do about a failure.
    pub remedy: &'static str,
    /// Where the rule comes from: a public source.
    pub source: &'static str,
}

/// A program that reads packs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reader {
    Xapi,
    Yum,
    Rpm,
    Gpg,
    #[serde(rename = "xencenter")]
    XenCenter,
    XenOrchestra,
    HostInstaller,
    /// The installers of XenServer up to 7.0 and XCP 1.x.
    LegacyInstaller,
    /// A host as a whole: what the rehearsal shows.
    Dom0,
}

impl fmt::Display for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Reader::Xapi => "XAPI",
            Reader::Yum => "yum",
            Reader::Rpm => "rpm",
            Reader::Gpg => "gpg",
            Reader::XenCenter => "XenCenter",
            Reader::XenOrchestra => "Xen Orchestra",
            Reader::HostInstaller => "host installer",
            Reader::LegacyInstaller => "pack installer, 7.0",
            Reader::Dom0 => "dom0",
        })
    }
}

/// Which packs a rule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Set {
    /// Any pack.
    General,
    /// The pack of this project: its policy.
    Xscontainer,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "outcome", content = "found")]
pub enum Outcome {
    /// The rule is kept; what was seen, in a few words.
    Passed(String),
    /// It is broken: what was seen, one line each, at least one.
    Failed(Vec<String>),
    /// It could not be checked, and why. Never a pass.
    NotChecked(String),
}

impl Outcome {
    /// Passed with `seen` if there are no problems, else failed with them.
    pub fn of(problems: Vec<String>, seen: impl fmt::Display) -> Outcome {
        match problems.is_empty() {
            true => Outcome::Passed(seen.to_string()),
            false => Outcome::Failed(problems),
        }
    }
}

/// The outcome of one check.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    #[serde(flatten)]
    pub check: &'static Check,
    /// The host that it was checked on, in a rehearsal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl Verdict {
    /// Whether the rule is broken.
    pub fn failed(&self) -> bool {
        matches!(self.outcome, Outcome::Failed(_))
    }
}
