//! Two packs: what the upgrade from the one to the other changes on a host.
//!
//! Rules of yum and rpm: a package is taken if its version rises, one that no package of the new pack obsoletes stays.
//! Knows what headers say; payloads are not read.

mod files;
mod packages;
mod scriptlets;
mod text;
mod warnings;

use serde::Serialize;

use crate::inspect::{Inspection, PackageInfo, Verified};
pub use files::FileChange;
pub use packages::{Fate, ListChange, PackageChange};
pub use scriptlets::{Novelty, Run};
pub use text::text;

/// What differs between two packs.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// Whether nothing differs that a host could tell.
    pub same: bool,
    /// What a host should not be surprised by.
    pub warnings: Vec<String>,
    /// What differs in `update.xml`, and who signed it.
    pub identity: Vec<Change>,
    /// What is required of hosts.
    pub hosts: ListChange,
    pub packages: Vec<PackageChange>,
    /// Files of hosts that have the first pack whole.
    pub files: Vec<FileChange>,
    /// Scriptlets that run, in the order in which they do.
    pub scriptlets: Vec<Run>,
}

/// Something that is said once.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    pub what: String,
    pub from: Option<String>,
    pub to: Option<String>,
}

/// Compares the upgrade from `a` to `b`.
pub fn compare(a: &Inspection, b: &Inspection) -> Comparison {
    let packages = packages::compare(a, b);
    let identity = identity(a, b);
    let hosts = ListChange::of("requires", &requirements(a), &requirements(b));
    let files = files::compare(a, b, &packages);
    let scriptlets = scriptlets::runs(a, b, &packages);
    let same =
        identity.is_empty() && hosts.is_empty() && packages.iter().all(|package| package.fate == Fate::Unchanged);
    let warnings = warnings::of(a, b, &packages, &files, same);
    Comparison { same, warnings, identity, hosts, packages, files, scriptlets }
}

/// The packages of a pack whose headers can be read.
fn known(pack: &Inspection) -> impl Iterator<Item = &PackageInfo> {
    pack.packages.iter().filter_map(|file| file.found.known())
}

fn package<'a>(pack: &'a Inspection, name: &str) -> Option<&'a PackageInfo> {
    known(pack).find(|package| package.name == name)
}

/// An attribute of `update.xml`.
fn attribute<'a>(pack: &'a Inspection, name: &str) -> Option<&'a str> {
    pack.update.as_ref()?.known()?.attribute(name)
}

fn identity(a: &Inspection, b: &Inspection) -> Vec<Change> {
    let mut names: Vec<&str> = Vec::new();
    for pack in [a, b] {
        let attributes = pack.update.as_ref().and_then(|update| update.known()).map(|update| &update.attributes);
        for (name, _) in attributes.into_iter().flatten() {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
    }
    let mut changes = Vec::new();
    let mut differ = |what: &str, from: Option<String>, to: Option<String>| {
        if from != to {
            changes.push(Change { what: what.into(), from, to });
        }
    };
    for name in names {
        differ(name, attribute(a, name).map(str::to_owned), attribute(b, name).map(str::to_owned));
    }
    let description = |pack: &Inspection| pack.update.as_ref()?.known()?.description.clone();
    differ("description", description(a), description(b));
    let rolls_up = |pack: &Inspection| {
        let update = pack.update.as_ref()?.known()?;
        let uuids: Vec<&str> = update.rolls_up.iter().filter_map(|other| other.uuid.as_deref()).collect();
        (!uuids.is_empty()).then(|| uuids.join(", "))
    };
    differ("rolls up", rolls_up(a), rolls_up(b));
    differ("signed by", signer(a), signer(b));
    changes
}

/// The key that signed `update.xml`, by its own account.
fn signer(pack: &Inspection) -> Option<String> {
    let signature = pack.signatures.iter().find(|signature| signature.of == "update.xml")?;
    match (&signature.key_id, &signature.verified) {
        (Some(id), _) => Some(format!("key {id}")),
        (None, Verified::Absent) => None,
        (None, _) => Some("a signature that cannot be read".into()),
    }
}

/// What the control package wants of hosts: what nothing in the pack provides, but programs.
fn requirements(pack: &Inspection) -> Vec<String> {
    let Some(control) = attribute(pack, "control") else { return Vec::new() };
    let wanted = pack.graph.host.iter().filter(|wanted| wanted.by.iter().any(|by| by == control));
    wanted.map(|wanted| wanted.capability.clone()).filter(|name| !name.starts_with('/')).collect()
}

#[cfg(test)]
mod tests;
