//! Which packages come, go, rise and stay.

use std::cmp::Ordering;

use serde::Serialize;

use super::{known, package};
use crate::inspect::{Inspection, PackageInfo};

/// What becomes of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "fate", content = "detail")]
pub enum Fate {
    Added,
    Upgraded,
    /// The same in both packs, to the last bit of its header.
    Unchanged,
    /// Another of the same version: hosts keep the one that they have.
    Rebuilt,
    /// Its version falls: hosts keep the one that they have.
    Downgraded,
    /// It is not in the new pack, and goes because this package obsoletes it.
    Obsoleted(String),
    /// It is not in the new pack, and stays on hosts.
    LeftBehind,
}

/// A package in one pack or both.
#[derive(Debug, Serialize)]
pub struct PackageChange {
    pub name: String,
    /// Versions.
    pub from: Option<String>,
    pub to: Option<String>,
    #[serde(flatten)]
    pub fate: Fate,
    /// What it needs, offers, conflicts with and obsoletes: where that changes.
    pub dependencies: Vec<ListChange>,
}

/// What a list lost and gained.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct ListChange {
    pub what: &'static str,
    pub removed: Vec<String>,
    pub added: Vec<String>,
}

impl ListChange {
    pub(super) fn of(what: &'static str, from: &[String], to: &[String]) -> ListChange {
        let without = |list: &[String], other: &[String]| -> Vec<String> {
            let other: std::collections::BTreeSet<&String> = other.iter().collect();
            list.iter().filter(|item| !other.contains(item)).cloned().collect()
        };
        ListChange { what, removed: without(from, to), added: without(to, from) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty()
    }
}

impl PackageChange {
    /// Whether hosts take the new pack's package.
    pub(super) fn comes(&self) -> bool {
        matches!(self.fate, Fate::Added | Fate::Upgraded)
    }
}

/// Every package of both packs, those of the new one first.
pub(super) fn compare(a: &Inspection, b: &Inspection) -> Vec<PackageChange> {
    let both = known(b).map(|new| match package(a, &new.name) {
        None => change(None, Some(new), Fate::Added),
        Some(old) => change(Some(old), Some(new), fate(old, new)),
    });
    let gone = known(a).filter(|old| package(b, &old.name).is_none()).map(|old| {
        let obsoleting = known(b).find(|new| new.facts.obsoletes(&old.facts));
        let fate = obsoleting.map_or(Fate::LeftBehind, |new| Fate::Obsoleted(new.name.clone()));
        change(Some(old), None, fate)
    });
    both.chain(gone).collect()
}

fn fate(old: &PackageInfo, new: &PackageInfo) -> Fate {
    match old.facts.evr.compare(&new.facts.evr) {
        Ordering::Less => Fate::Upgraded,
        Ordering::Greater => Fate::Downgraded,
        Ordering::Equal if old.header_sha256 == new.header_sha256 => Fate::Unchanged,
        Ordering::Equal => Fate::Rebuilt,
    }
}

fn change(old: Option<&PackageInfo>, new: Option<&PackageInfo>, fate: Fate) -> PackageChange {
    let name = old.or(new).map(|package| package.name.clone()).unwrap_or_default();
    let dependencies = match (old, new) {
        (Some(old), Some(new)) => [
            ListChange::of("requires", &old.requires, &new.requires),
            ListChange::of("provides", &old.provides, &new.provides),
            ListChange::of("conflicts", &old.conflicts, &new.conflicts),
            ListChange::of("obsoletes", &old.obsoletes, &new.obsoletes),
        ]
        .into(),
        _ => Vec::new(),
    };
    // That a package is of its own version goes without saying.
    let own = [old, new].map(|package| package.map(|package| package.facts.itself().to_string()).unwrap_or_default());
    let tells = |item: &String| !own.contains(item) && !item.starts_with("config(");
    let dependencies = dependencies.into_iter().map(|mut list: ListChange| {
        list.removed.retain(tells);
        list.added.retain(tells);
        list
    });
    let dependencies = dependencies.filter(|list| !list.is_empty()).collect();
    let evr = |package: Option<&PackageInfo>| package.map(|package| package.evr.clone());
    PackageChange { name, from: evr(old), to: evr(new), fate, dependencies }
}
