//! What administrators should know before they upgrade from the one pack to the other.

use std::cmp::Ordering;

use super::files::FileChange;
use super::packages::{Fate, PackageChange};
use super::{attribute, signer};
use crate::inspect::{Inspection, Kind, Told};
use crate::spec::rpm_compare;

pub(super) fn of(
    a: &Inspection,
    b: &Inspection,
    packages: &[PackageChange],
    files: &[FileChange],
    same: bool,
) -> Vec<String> {
    let mut warnings = Vec::new();
    for (name, pack) in [("first", a), ("second", b)] {
        if pack.kind != Kind::Update {
            warnings
                .push(format!("The {name} is no pack for XenServer 7.1 and later: only its packages are compared."));
        }
        if let Some(Told::Unknown { problem }) = &pack.update {
            warnings.push(format!("The {name} pack's {problem}: nothing is known of what it says of itself."));
        }
        for file in &pack.packages {
            if let Told::Unknown { problem } = &file.found {
                warnings.push(format!("{} of the {name} pack {problem}: it is not compared.", file.path));
            }
        }
    }
    identity(a, b, same, &mut warnings);
    for change in packages {
        let versions = (change.from.as_deref().unwrap_or_default(), change.to.as_deref().unwrap_or_default());
        match &change.fate {
            Fate::Downgraded => warnings.push(format!(
                "{} falls from {} to {}: hosts keep what they have, and cannot meet an exact version of it.",
                change.name, versions.0, versions.1
            )),
            Fate::Rebuilt => warnings.push(format!(
                "{} {} is another package of the same version: hosts that have it keep what they have.",
                change.name, versions.1
            )),
            Fate::LeftBehind => warnings.push(format!(
                "{} is in the first pack only, and nothing obsoletes it: it stays on hosts.",
                change.name
            )),
            _ => {}
        }
    }
    for file in files {
        if let (Some(from), Some(to)) = (&file.from, &file.to)
            && from != to
        {
            warnings.push(format!("{} moves from {from} to {to}.", file.path));
        }
    }
    warnings
}

fn identity(a: &Inspection, b: &Inspection, same: bool, warnings: &mut Vec<String>) {
    let both = |name: &str| attribute(a, name).zip(attribute(b, name));
    if let Some((from, to)) = both("name-label").filter(|(from, to)| from != to) {
        warnings.push(format!(
            "The label changes from {from} to {to}: these are two packs, and a host can have both. XAPI goes on showing \
             the first."
        ));
        return;
    }
    if let Some((from, to)) = both("version") {
        match rpm_compare(from, to) {
            Ordering::Less => {}
            Ordering::Equal if same => {}
            Ordering::Equal => warnings.push(format!(
                "The version stays {to}: yum finds nothing to do on hosts that have the first pack, and XAPI reports success."
            )),
            Ordering::Greater => warnings.push(format!(
                "The version falls from {from} to {to}: yum finds nothing to do on hosts that have the first pack, and XAPI \
                 reports success."
            )),
        }
    }
    if let Some((uuid, _)) = both("uuid").filter(|(from, to)| from == to && !same) {
        warnings.push(format!(
            "Both have the uuid {uuid}, with different content: XAPI keeps what it first saw of a uuid, and refuses to apply \
             one that is applied."
        ));
    }
    if let (Some(from), Some(to)) = (signer(a), signer(b))
        && from != to
    {
        let file = attribute(b, "key").unwrap_or_default();
        warnings
            .push(format!("Another key signs: {from}, then {to}. Every host must trust the second first ({file})."));
    }
    if signer(a).is_some() && signer(b).is_none() {
        warnings.push("The second is not signed: XAPI refuses it.".into());
    }
}
