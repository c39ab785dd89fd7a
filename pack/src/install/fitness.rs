//! Whether this very host will take a pack: its release, what it has, its space, its packages, its trust in the key.
//!
//! What XAPI and yum would find out later, each with what to do about it. Changes nothing.

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde::Serialize;

use super::host::{Host, Inventory, Output};
use super::packages::APPLIED;
use super::state::State;
use super::trust::{self, Trust};
use crate::dom0::UpdateInfo;
use crate::dom0::capture::{Capture, SCRIPT};
use crate::dom0::database::{Database, Installed, Knowledge};
use crate::dom0::file_conflict::file_conflicts;
use crate::dom0::package::Package;
use crate::dom0::plan::{Note, Plan};
use crate::dom0::solve::{self, Repository};
use crate::image::PackImage;
use crate::spec::rpm_compare;
use crate::update::GROUP;
use crate::{Error, Result};

/// XAPI wants so much for mounting an image (xen-api, `ocaml/xapi/xapi_pool_update.ml`, `introduce`).
const MOUNT_SPACE: u64 = 1 << 20;
const CAPTURE: Duration = Duration::from_secs(180);

/// What was found about a pack and this host.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// What was looked at, in a word or two.
    pub check: &'static str,
    pub verdict: Verdict,
    pub found: String,
    /// What to do, where it is not good.
    pub remedy: String,
}

/// Whether it is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Good,
    /// The host would refuse, or do nothing.
    Bad,
    /// It cannot be told here, or is worth knowing.
    Open,
}

/// All that was found.
#[derive(Debug, Clone, Serialize)]
pub struct Fitness {
    pub findings: Vec<Finding>,
    /// Whether the host has this very pack.
    pub installed: bool,
    /// What the package manager would do, a line each.
    pub plan: Vec<String>,
}

impl Fitness {
    /// What stands against it.
    pub fn bad(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.verdict == Verdict::Bad)
    }
}

/// Holds a pack against a host, of which the state is known.
///
/// # Errors
/// [`Error`] of class `Tool`: a program of the host cannot be run.
pub fn fitness(
    host: &Host,
    inventory: &Inventory,
    state: &State,
    image: &PackImage,
    info: &UpdateInfo,
) -> Result<Fitness> {
    let mut fitness = Fitness {
        findings: Vec::new(),
        installed: host.path(&format!("{APPLIED}/{}", info.uuid)).exists(),
        plan: Vec::new(),
    };
    let mut add = |check, verdict, found: String, remedy: &str| {
        fitness.findings.push(Finding { check, verdict, found, remedy: remedy.to_owned() });
    };
    match inventory.takes_updates() {
        true => add("release", Verdict::Good, inventory.product(), ""),
        false => add(
            "release",
            Verdict::Bad,
            format!("{} does not know packs of this format, which is for 7.1 and later", inventory.product()),
            "Get the pack in the older format; `suppack build-supplemental-pack` makes it",
        ),
    }
    let earlier = state.packs.iter().find(|pack| pack.label == info.label && pack.uuid != info.uuid);
    match earlier {
        None => {}
        Some(earlier) if rpm_compare(&info.version, &earlier.version).is_gt() => {
            add("version", Verdict::Good, format!("{} replaces {}", info.version, earlier.version), "");
        }
        Some(earlier) => add(
            "version",
            Verdict::Bad,
            format!(
                "the host has version {}, and {} is not above it: XAPI would report success and do nothing",
                earlier.version, info.version
            ),
            "Remove that one first: suppack remove LABEL",
        ),
    }
    space(host, info, &mut add);
    let key = info.key.as_deref().unwrap_or_default();
    let trust = Trust::of(host, image, key)?;
    let commands = trust::commands(key).join("\n");
    let (verdict, found) = match (trust.by_xapi, trust.by_packages) {
        (true, true) => (Verdict::Good, format!("XAPI takes the signatures; {key} is there for packages")),
        (true, false) => (Verdict::Bad, format!("{} is not there, so that packages are refused", trust::key_file(key))),
        (false, _) => (Verdict::Bad, "XAPI does not trust the key that signed the pack".into()),
    };
    add("key", verdict, found, if verdict == Verdict::Good { "" } else { &commands });
    if !fitness.installed {
        match capture(host) {
            Ok(capture) => packages(&capture, image, info, &mut fitness),
            Err(error) => fitness.findings.push(Finding {
                check: "packages",
                verdict: Verdict::Open,
                found: format!("the host's packages could not be looked at: {}", error.problem()),
                remedy: "XAPI's own precheck will".into(),
            }),
        }
    }
    Ok(fitness)
}

fn space(host: &Host, info: &UpdateInfo, add: &mut dyn FnMut(&'static str, Verdict, String, &str)) {
    let free = |folder: &str| host.free_bytes(folder).unwrap_or(u64::MAX);
    let root = free("/");
    let mount = if host.path("/var/update").exists() { free("/var/update") } else { free("/var") };
    if root < info.installation_size {
        let found = format!("the pack takes {} bytes, and {root} are free on /", info.installation_size);
        add("space", Verdict::Bad, found, "Free some space on /, for example in /root or /var/cache");
    } else if mount < MOUNT_SPACE {
        let found = format!("{mount} bytes are free in /var/update; XAPI wants {MOUNT_SPACE}");
        add("space", Verdict::Bad, found, "Free some space there");
    } else {
        add("space", Verdict::Good, format!("{} bytes needed, {root} free on /", info.installation_size), "");
    }
}

/// This host as the rehearsal knows hosts.
fn capture(host: &Host) -> Result<Capture> {
    let folder = tempfile::tempdir().map_err(|e| Error::output(&std::env::temp_dir(), &e))?;
    let (script, output) = (folder.path().join("capture.sh"), folder.path().join("host.tar.gz"));
    fs::write(&script, SCRIPT).map_err(|e| Error::output(&script, &e))?;
    let mut command = Command::new("sh");
    command.arg(&script).arg(&output).current_dir(folder.path()).env("TMPDIR", folder.path());
    let failed = |problem: String| Error::tool("the capture", problem, "See what rpm says");
    let said = host.run_command(command, Output::Kept, Some(CAPTURE), &|| false).map_err(|e| failed(e.to_string()))?;
    match said.code {
        Some(0) => Capture::read(&output),
        _ => Err(failed(format!("failed: {}", said.stderr.trim()))),
    }
}

/// What yum would do with the pack's packages.
fn packages(capture: &Capture, image: &PackImage, info: &UpdateInfo, fitness: &mut Fitness) {
    let mut add = |verdict, found: String, remedy: &str| {
        fitness.findings.push(Finding { check: "packages", verdict, found, remedy: remedy.to_owned() });
    };
    let installed = capture.packages.iter().map(|one| Installed {
        package: one.package.clone(),
        files_known: one.files_known,
        group_member: one.group_member.clone(),
    });
    let knowledge = if capture.complete { Knowledge::All } else { Knowledge::Some };
    let database = Database::new(installed.collect(), knowledge);
    // What cannot be read is for `verify` to say.
    let packages = image.packages().into_iter().filter_map(|(_, rpm)| Package::of(&rpm.ok()?).ok());
    let repository = Repository::new(&info.label, packages);
    let update = format!("update-{}", info.label);
    let names: Vec<&str> = info.control.as_deref().into_iter().chain([update.as_str()]).collect();
    match solve::install(&database, &repository, &names) {
        Err(refusal) => add(
            Verdict::Bad,
            format!("the package manager would refuse: {refusal}"),
            "Get the pack for this release, or install what is missing first",
        ),
        Ok(plan) => {
            let conflicts = file_conflicts(&database, &plan).conflicts;
            match conflicts.first() {
                Some(first) => {
                    let found = format!("{} of {} belongs to {}, too", first.path, first.package, first.other);
                    add(Verdict::Bad, found, "Remove that package first, or ask the pack's vendor");
                }
                None => add(Verdict::Good, format!("{} packages to install or upgrade", plan.members.len()), ""),
            }
            fitness.plan = lines(&plan);
        }
    }
    let by_group = solve::upgrade_group(&database, &repository, GROUP, &[&update], capture.group_mode);
    if let Ok(plan) = by_group
        && plan.notes.iter().any(|note| matches!(note, Note::NotOfGroup { .. }))
    {
        fitness.findings.push(Finding {
            check: "yum's groups",
            verdict: Verdict::Open,
            found: format!("{update} was put in without XAPI: yum passes it by, unless the pack's precheck mends that"),
            remedy: format!("If nothing is installed afterwards: rpm -e {update}, then install again"),
        });
    }
}

fn lines(plan: &Plan<'_>) -> Vec<String> {
    let fresh = plan.fresh().map(|package| format!("install {package}"));
    let upgrades = plan.upgrades().map(|(old, new)| format!("upgrade {} to {new}", old.package));
    let gone = plan.obsoletes().map(|(old, new)| format!("remove {}, which {} replaces", old.package, new.name));
    fresh.chain(upgrades).chain(gone).collect()
}
