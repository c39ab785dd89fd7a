//! The packages of packs on a host, as its `rpm` tells them.
//!
//! A pack is `update-LABEL`, which owns the stamp and requires the payload, and `control-LABEL` with its scripts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::host::{Host, Output, Said, Trouble};
use crate::{Error, Result};

const QUERY: Duration = Duration::from_secs(120);
/// Where stamps lie, by the uuid of their pack.
pub const APPLIED: &str = "/var/update/applied";

/// The two packages of one label, as far as they are installed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Companions {
    /// Version of `update-LABEL`.
    pub update: Option<String>,
    /// Version of `control-LABEL`.
    pub control: Option<String>,
    /// Uuids of the stamps that `update-LABEL` owns.
    pub stamps: BTreeSet<String>,
    /// Uuids of the packs whose scripts `control-LABEL` owns.
    pub scripts: BTreeSet<String>,
    /// What `update-LABEL` requires in a version, and whether that is installed.
    pub payload: BTreeMap<String, bool>,
}

/// The packs that rpm knows, by label.
///
/// # Errors
/// [`Error`] of class `Tool` if rpm fails.
pub fn companions(host: &Host, stop: &dyn Fn() -> bool) -> Result<BTreeMap<String, Companions>> {
    let names = ["update-*", "control-*"];
    let query = |format: &str| -> Result<String> {
        let said = rpm(host, &["-qa", "--queryformat", format, names[0], names[1]], stop)?;
        Ok(said.stdout)
    };
    let mut found: BTreeMap<String, Companions> = BTreeMap::new();
    for line in query("%{NAME}\\t%{VERSION}\\n")?.lines() {
        let Some((name, version)) = line.split_once('\t') else { continue };
        match (name.strip_prefix("update-"), name.strip_prefix("control-")) {
            (Some(label), _) => found.entry(label.into()).or_default().update = Some(version.into()),
            (_, Some(label)) => found.entry(label.into()).or_default().control = Some(version.into()),
            _ => {}
        }
    }
    for line in query("[%{=NAME}\\t%{FILENAMES}\\n]")?.lines() {
        let Some((name, path)) = line.split_once('\t') else { continue };
        let below = |folder: &str| path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'));
        if let (Some(label), Some(uuid)) = (name.strip_prefix("update-"), below(APPLIED)) {
            found.entry(label.into()).or_default().stamps.insert(uuid.into());
        } else if let (Some(label), Some((uuid, _))) =
            (name.strip_prefix("control-"), below("/var/update").and_then(|rest| rest.split_once('/')))
        {
            found.entry(label.into()).or_default().scripts.insert(uuid.into());
        }
    }
    // Other packages may be called so, and are no packs.
    found.retain(|_, one| !one.stamps.is_empty() || !one.scripts.is_empty());
    let installed: BTreeSet<String> =
        rpm(host, &["-qa", "--queryformat", "%{NAME}\\n"], stop)?.stdout.lines().map(str::to_owned).collect();
    for line in query("[%{=NAME}\\t%{REQUIRENAME}\\t%{REQUIREVERSION}\\n]")?.lines() {
        let mut fields = line.split('\t');
        let (Some(name), Some(required), Some(version)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let Some(one) = name.strip_prefix("update-").and_then(|label| found.get_mut(label)) else { continue };
        let is_package = !required.contains(['(', '/']) && !required.starts_with("control-");
        if is_package && !version.is_empty() {
            one.payload.insert(required.into(), installed.contains(required));
        }
    }
    Ok(found)
}

/// Whether a package is installed.
///
/// # Errors
/// [`Error`] of class `Tool` if rpm fails.
pub fn is_installed(host: &Host, name: &str, stop: &dyn Fn() -> bool) -> Result<bool> {
    call(host, &["-q", name], stop).map(|said| said.code == Some(0))
}

/// Takes packages away, if nothing else needs them.
///
/// # Errors
/// [`Error`] of class `Tool`: what rpm says.
pub fn erase(host: &Host, names: &[&str]) -> Result<()> {
    rpm(host, &[&["-e"], names].concat(), &|| false).map(drop)
}

fn rpm(host: &Host, arguments: &[&str], stop: &dyn Fn() -> bool) -> Result<Said> {
    let said = call(host, arguments, stop)?;
    match said.code {
        Some(0) => Ok(said),
        _ => Err(failed(format!("failed: {}", said.stderr.trim()))),
    }
}

fn call(host: &Host, arguments: &[&str], stop: &dyn Fn() -> bool) -> Result<Said> {
    host.run("rpm", arguments, Output::Kept, Some(QUERY), stop).map_err(|trouble| match trouble {
        Trouble::Interrupted => Error::interrupted(),
        other => failed(other.to_string()),
    })
}

fn failed(problem: String) -> Error {
    Error::tool("rpm", problem, "Look at the database with `rpm -qa`; another package manager may hold its lock")
}
