//! A finished pack, proved: the checks of everything that reads it, then the rehearsal on hosts.

use std::path::Path;

use crate::build::Progress;
use crate::dom0::{self, Rehearsal, Scenario, UpdateInfo, capture::Capture};
use crate::image::PackImage;
use crate::report::Report;
use crate::verify::{self, Policy, Verification};
use crate::{Error, Result};

use super::terminal::Terminal;

/// Scripts of a pack could not be run confined, so that nobody knows what they do.
pub const NOT_PROVEN: u8 = 11;

/// What a proof is made of.
pub struct Proof {
    pub verification: Verification,
    pub rehearsal: Option<Rehearsal>,
}

/// On what, and against what, a rehearsal is played.
pub struct Stage<'a> {
    pub hosts: &'a [Capture],
    /// The image of the release before.
    pub previous: Option<&'a Path>,
    /// What is played after the installation; everything if there are none.
    pub scenarios: &'a [Scenario],
}

impl Proof {
    /// Checks an image, and rehearses it if a host would come that far and a stage is given.
    ///
    /// # Errors
    /// The earlier release is no pack, the rehearsal could not go on, or it was interrupted.
    pub fn of(iso: &Path, policy: &Policy<'_>, stage: Option<&Stage<'_>>, terminal: &Terminal) -> Result<Proof> {
        Proof::accepting(iso, policy, stage, &[], terminal)
    }

    /// The same where some checks, by their identifiers, may fail.
    ///
    /// # Errors
    /// Those of [`Proof::of`].
    pub fn accepting(
        iso: &Path,
        policy: &Policy<'_>,
        stage: Option<&Stage<'_>>,
        accepted: &[&str],
        terminal: &Terminal,
    ) -> Result<Proof> {
        let verification = verify::verify(iso, policy, terminal);
        if terminal.interrupted() {
            return Err(Error::interrupted());
        }
        // Hosts that take packs of the older format are not among those that can be rehearsed on.
        let rehearsal = match stage.filter(|_| verification.uuid.is_some()) {
            Some(stage) if verification.failed().all(|verdict| accepted.contains(&verdict.check.id)) => {
                Some(rehearse(iso, policy, stage, terminal)?)
            }
            _ => None,
        };
        Ok(Proof { verification, rehearsal })
    }

    /// Rehearses an image whatever the checks say, as long as a host could read it.
    ///
    /// # Errors
    /// As [`Proof::of`].
    pub fn simulated(iso: &Path, policy: &Policy<'_>, stage: &Stage<'_>, terminal: &Terminal) -> Result<Proof> {
        let verification = verify::verify(iso, policy, terminal);
        if terminal.interrupted() {
            return Err(Error::interrupted());
        }
        if verification.label.is_none() {
            return Ok(Proof { verification, rehearsal: None });
        }
        let rehearsal = Some(rehearse(iso, policy, stage, terminal)?);
        Ok(Proof { verification, rehearsal })
    }

    pub fn report(&self) -> Report<'_> {
        Report { verification: &self.verification, rehearsal: self.rehearsal.as_ref() }
    }

    /// Why scripts could not be run, if so.
    pub fn unproven(&self) -> Option<&str> {
        self.rehearsal.as_ref()?.unproven.as_deref()
    }
}

fn rehearse(iso: &Path, policy: &Policy<'_>, stage: &Stage<'_>, terminal: &Terminal) -> Result<Rehearsal> {
    let names: Vec<&str> = stage.hosts.iter().map(|host| host.name.as_str()).collect();
    terminal.step_of_program("rehearse", &names.join(", "));
    let open = |path: &Path| {
        PackImage::open(path)
            .map_err(|problem| Error::payload(path, problem, "Give the image of a pack, as `suppack build` writes it"))
    };
    let (image, previous) = (open(iso)?, stage.previous.map(open).transpose()?);
    if let (Some(info), Some(earlier)) = (UpdateInfo::of(&image), previous.as_ref().and_then(UpdateInfo::of))
        && !info.is_above(&earlier)
    {
        let path = stage.previous.unwrap_or(iso);
        let problem = format!("has version {}, which is not below {} of the pack", earlier.version, info.version);
        return Err(Error::payload(path, problem, "Give an earlier release with --previous"));
    }
    let subject = dom0::Subject {
        image: &image,
        previous: previous.as_ref(),
        xscontainer: policy.xscontainer,
        hosts: stage.hosts,
        scenarios: stage.scenarios,
    };
    let rehearsal = dom0::rehearse(subject, terminal).map_err(|e| {
        if terminal.interrupted() {
            return Error::interrupted();
        }
        Error::tool(
            "the rehearsal",
            format!("could not go on: {e}"),
            "Check the space in the folder for temporary files, TMPDIR",
        )
    })?;
    terminal.made(&format!("{} verdicts", rehearsal.verdicts.len()));
    Ok(rehearsal)
}

/// Says what a machine without user namespaces leaves open; the exit code.
pub fn tell_unproven(proof: &Proof) -> u8 {
    let Some(reason) = proof.unproven() else { return 0 };
    eprintln!(
        "scriptlets not proven: {reason}. What the pack's scripts do on a host was not rehearsed; \
         verify it on a machine that allows user namespaces"
    );
    NOT_PROVEN
}
