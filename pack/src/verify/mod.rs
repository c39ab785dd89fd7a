//! A finished pack, held to the rules of everything that reads it.
//!
//! One file per reader with its rules; `subject` is what they look at: the image, parsed once by forgiving but exact
//! readers. Knows finished bytes only and shares nothing with [`crate::build`] but parsers, so that a fault of the
//! builder is found here. Everything is bounded, whatever the image says.
//!
//! One broken thing fails one check: what cannot be had is charged to the check that reports it (`Obstacle::Charged`),
//! and every other check that needs it is not made, naming that one.

pub mod generations;
mod gpg;
mod host_installer;
pub mod legacy;
mod rpm;
mod subject;
#[cfg(test)]
mod tests;
mod unpack;
mod xapi;
mod xen_orchestra;
mod xencenter;
mod yum;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::Error;
use crate::build::Progress;
use crate::check::{Check, Outcome, Set, Verdict};
use crate::generation::Generation;
use crate::image::PackImage;
use crate::openpgp::Certificate;
use crate::spec::Released;
use generations::{Answer, Basis};
use subject::Subject;

/// What a pack is held to, beside the rules themselves.
#[derive(Debug, Clone, Copy, Default)]
pub struct Policy<'a> {
    /// Also to the policy of this project.
    pub xscontainer: bool,
    /// The public key that must have signed it.
    pub key: Option<GivenKey<'a>>,
    /// The releases that it must be above.
    pub released: Option<&'a Released>,
    /// Public keys beside `key` that hosts trust: of packages which keep the signatures that they had.
    pub rpm_keys: &'a [Certificate],
    /// Whether packages may keep signatures of keys that are not given: whether these are good then stays open.
    pub kept_signatures: bool,
    /// The host generations to whose rules it is held; if there are none, those that it claims itself.
    pub generations: &'a [&'static Generation],
    /// The name that the image will have, where it is not the one it has now.
    pub name: Option<&'a OsStr>,
    /// Where the public key is that ships with the image.
    pub shipped_key: ShippedKey<'a>,
    /// The time, in seconds since 1970.
    pub now: u64,
}

/// Where the public key is that users get with the image.
#[derive(Debug, Clone, Copy, Default)]
pub enum ShippedKey<'a> {
    /// Nobody said.
    #[default]
    Unknown,
    /// In the image's folder, under the name that `update.xml` has for it.
    Beside,
    /// In this file, for now.
    At(&'a Path),
}

/// A public key that the user vouches for. Whether it is fit is a check.
#[derive(Debug, Clone, Copy)]
pub struct GivenKey<'a> {
    /// Name of the file that it came from, without folders: what it must be called on the host.
    pub file_name: &'a str,
    /// Content of that file.
    pub armored: &'a [u8],
}

/// What was found about a pack.
#[derive(Debug, Clone, Serialize)]
pub struct Verification {
    pub iso: PathBuf,
    /// What the pack calls itself, where that could be read.
    pub label: Option<String>,
    pub version: Option<String>,
    pub uuid: Option<String>,
    /// Of every check of the sets that were asked for, in the order of [`checks`].
    pub verdicts: Vec<Verdict>,
    /// Why it was held to the generations of `answers`.
    pub basis: Basis,
    /// What each of them says to it.
    pub answers: Vec<Answer>,
}

impl Verification {
    /// Whether no rule is broken. Some may not have been checked: see [`Verification::not_checked`].
    pub fn passed(&self) -> bool {
        self.failed().next().is_none()
    }

    /// What is broken.
    pub fn failed(&self) -> impl Iterator<Item = &Verdict> {
        self.verdicts.iter().filter(|verdict| verdict.failed())
    }

    /// Why something that breaks rules does not get its name.
    pub fn refusal(&self, name: &Path) -> Error {
        let told = self.failed().map(|verdict| match &verdict.outcome {
            Outcome::Failed(found) => format!("{} ({})", verdict.check.id, found.join("; ")),
            _ => verdict.check.id.to_owned(),
        });
        let remedy = self.failed().next().map_or("Build it again", |verdict| verdict.check.remedy);
        Error::broken(name, told.collect::<Vec<_>>().join(", "), remedy)
    }

    /// What could not be checked.
    pub fn not_checked(&self) -> impl Iterator<Item = &Verdict> {
        self.verdicts.iter().filter(|verdict| matches!(verdict.outcome, Outcome::NotChecked(_)))
    }
}

/// A check, and how it is made.
struct Rule {
    check: Check,
    holds: fn(&Subject<'_>) -> Found,
}

/// What a check found, or what kept it from looking.
type Found = Result<Outcome, Obstacle>;

/// What keeps a check from being made.
#[derive(Debug, Clone)]
enum Obstacle {
    /// Something is broken, and it is for the check with this id to say so.
    Charged { check: &'static str, problems: Vec<String> },
    /// Nothing is known to be wrong, but it cannot be told.
    Unknown(String),
}

impl Obstacle {
    fn charged(check: &'static str, problem: impl Into<String>) -> Obstacle {
        Obstacle::Charged { check, problems: vec![problem.into()] }
    }
}

impl Rule {
    fn verdict(&'static self, subject: &Subject<'_>) -> Verdict {
        verdict(&self.check, (self.holds)(subject))
    }
}

/// What a check's finding comes to.
fn verdict(check: &'static Check, found: Found) -> Verdict {
    let outcome = match found {
        Ok(outcome) => outcome,
        Err(Obstacle::Charged { check: charged, problems }) if charged == check.id => Outcome::Failed(problems),
        Err(Obstacle::Charged { check: charged, .. }) => Outcome::NotChecked(format!("needs {charged}")),
        Err(Obstacle::Unknown(why)) => Outcome::NotChecked(why),
    };
    Verdict { check, host: None, outcome }
}

fn rules() -> impl Iterator<Item = &'static Rule> {
    [
        xapi::RULES,
        yum::RULES,
        rpm::RULES,
        gpg::RULES,
        xencenter::RULES,
        xen_orchestra::RULES,
        host_installer::RULES,
        generations::RULES,
    ]
    .into_iter()
    .flatten()
}

/// Every check of packs for 7.1 and later; for those before see [`legacy::checks`].
pub fn checks() -> impl Iterator<Item = &'static Check> {
    rules().map(|rule| &rule.check)
}

/// Holds an image to the rules of its readers. If `progress` says to stop, what was not looked at yet is not checked.
pub fn verify(iso: &Path, policy: &Policy<'_>, progress: &dyn Progress) -> Verification {
    progress.step("read image");
    if let Some(contents) = legacy::open(iso) {
        return legacy::verify(&contents, policy, progress);
    }
    let rules = rules().filter(|rule| policy.xscontainer || rule.check.set == Set::General);
    let opened = PackImage::open(iso).and_then(|image| match image.rock_ridge() {
        Ok(_) => Ok(image),
        Err(problem) => Err(problem.to_owned()),
    });
    let image = match opened {
        Ok(image) => image,
        Err(problem) => return Verification::unreadable(iso, rules, &problem),
    };
    let mut subject = Subject::read(&image, policy, progress);
    let (basis, chosen) = generations::chosen(&subject);
    subject.generations = chosen;
    progress.step("check");
    let verdicts: Vec<Verdict> = rules.map(|rule| rule.verdict(&subject)).collect();
    let answers = generations::answers(&mut subject, &verdicts);
    let root = subject.document().ok();
    let said = |name: &str| root.and_then(|root| root.attribute(name)).map(str::to_owned);
    let verification = Verification {
        iso: iso.into(),
        label: said("name-label"),
        version: said("version"),
        uuid: said("uuid"),
        verdicts,
        basis,
        answers,
    };
    let (all, failed) = (verification.verdicts.len(), verification.failed().count());
    progress.made(&format!("{all} checks, {failed} failed"));
    verification
}

impl Verification {
    /// An image of which nothing can be told but that.
    fn unreadable(iso: &Path, rules: impl Iterator<Item = &'static Rule>, problem: &str) -> Verification {
        let outcome = |check: &Check| match check.id {
            xapi::IMAGE => Outcome::Failed(vec![problem.to_owned()]),
            _ => Outcome::NotChecked(format!("needs {}", xapi::IMAGE)),
        };
        let verdicts = rules.map(|rule| Verdict { check: &rule.check, host: None, outcome: outcome(&rule.check) });
        Verification {
            iso: iso.into(),
            label: None,
            version: None,
            uuid: None,
            verdicts: verdicts.collect(),
            basis: Basis::All,
            answers: Vec::new(),
        }
    }
}
