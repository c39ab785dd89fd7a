//! Dependencies of a package in `primary.xml`, filtered as createrepo_c does.

use std::collections::{HashMap, HashSet};

use rpm::{Dependency, DependencyFlags};

use super::primary::is_primary;
use crate::rpm::Rpm;
use crate::update::xml::{self, Xml};

/// The kinds of dependencies, in the order of `primary.xml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DependencyList {
    Provides,
    Requires,
    Conflicts,
    Obsoletes,
    Suggests,
    Enhances,
    Recommends,
    Supplements,
}

impl DependencyList {
    pub(super) const ALL: [DependencyList; 8] = [
        DependencyList::Provides,
        DependencyList::Requires,
        DependencyList::Conflicts,
        DependencyList::Obsoletes,
        DependencyList::Suggests,
        DependencyList::Enhances,
        DependencyList::Recommends,
        DependencyList::Supplements,
    ];

    fn element(self) -> &'static str {
        match self {
            DependencyList::Provides => "rpm:provides",
            DependencyList::Requires => "rpm:requires",
            DependencyList::Conflicts => "rpm:conflicts",
            DependencyList::Obsoletes => "rpm:obsoletes",
            DependencyList::Suggests => "rpm:suggests",
            DependencyList::Enhances => "rpm:enhances",
            DependencyList::Recommends => "rpm:recommends",
            DependencyList::Supplements => "rpm:supplements",
        }
    }

    fn of(self, rpm: &Rpm) -> Vec<Dependency> {
        let m = rpm.metadata();
        let list = match self {
            DependencyList::Provides => m.get_provides(),
            DependencyList::Requires => m.get_requires(),
            DependencyList::Conflicts => m.get_conflicts(),
            DependencyList::Obsoletes => m.get_obsoletes(),
            DependencyList::Suggests => m.get_suggests(),
            DependencyList::Enhances => m.get_enhances(),
            DependencyList::Recommends => m.get_recommends(),
            DependencyList::Supplements => m.get_supplements(),
        };
        list.unwrap_or_default()
    }
}

/// Writes one list, unless it is empty.
pub(super) fn write(xml: &mut Xml, rpm: &Rpm, list: DependencyList) {
    let dependencies = match list {
        DependencyList::Requires => needed(rpm),
        _ => list.of(rpm),
    };
    if dependencies.is_empty() {
        return;
    }
    xml::nest(xml, list.element(), &[], |inner| {
        for dependency in &dependencies {
            write_entry(inner, dependency, list);
        }
    });
}

/// Requirements without what the package itself answers and what only rpm asks.
fn needed(rpm: &Rpm) -> Vec<Dependency> {
    let same =
        |a: &Dependency, b: &Dependency| a.name == b.name && comparison(a) == comparison(b) && a.version == b.version;
    let provides = DependencyList::Provides.of(rpm);
    let files: HashSet<String> = rpm
        .metadata()
        .get_file_entries()
        .unwrap_or_default()
        .iter()
        .map(|file| format!("{}{}", file.dirname(), file.basename()))
        .collect();
    let mut needed = DependencyList::Requires.of(rpm);
    needed.retain(|d| {
        let only_rpm_asks = d.name.starts_with("rpmlib(");
        let own_file = is_primary(&d.name) && files.contains(&d.name);
        !only_rpm_asks && !own_file && !provides.iter().any(|p| same(p, d))
    });
    keep_newest_libc(without_repetition(needed))
}

/// Leaves out what the last entry of the same name said already.
fn without_repetition(mut needed: Vec<Dependency>) -> Vec<Dependency> {
    let mut last = HashMap::new();
    needed.retain(|d| {
        let said = (comparison(d), d.version.clone(), is_pre(d));
        last.insert(d.name.clone(), said.clone()) != Some(said)
    });
    needed
}

/// Of `libc.so.6(GLIBC_x)(64bit)` requirements only the highest says anything; it stands last.
fn keep_newest_libc(mut needed: Vec<Dependency>) -> Vec<Dependency> {
    let is_libc = |d: &Dependency| d.name.starts_with("libc.so.6");
    let newest =
        needed.iter().filter(|d| is_libc(d)).max_by(|a, b| rpm_version::rpm_evr_compare(&a.name, &b.name)).cloned();
    needed.retain(|d| !is_libc(d));
    needed.extend(newest);
    needed
}

fn write_entry(xml: &mut Xml, dependency: &Dependency, list: DependencyList) {
    let mut attributes = vec![("name", dependency.name.as_str())];
    let (epoch, version, release) = split_evr(&dependency.version);
    if let Some(flags) = comparison(dependency).filter(|_| !dependency.version.is_empty()) {
        attributes.extend([("flags", flags), ("epoch", epoch), ("ver", version)]);
        attributes.extend(release.map(|release| ("rel", release)));
    }
    if list == DependencyList::Requires && is_pre(dependency) {
        attributes.push(("pre", "1"));
    }
    xml::empty(xml, "rpm:entry", &attributes);
}

fn comparison(dependency: &Dependency) -> Option<&'static str> {
    let flags = dependency.flags;
    let (less, equal, greater) = (
        flags.contains(DependencyFlags::LESS),
        flags.contains(DependencyFlags::EQUAL),
        flags.contains(DependencyFlags::GREATER),
    );
    match (less, equal, greater) {
        (true, false, _) => Some("LT"),
        (true, true, _) => Some("LE"),
        (false, true, false) => Some("EQ"),
        (false, true, true) => Some("GE"),
        (false, false, true) => Some("GT"),
        (false, false, false) => None,
    }
}

/// Needed before the package's own scriptlets run.
fn is_pre(dependency: &Dependency) -> bool {
    dependency.flags.intersects(DependencyFlags::PREREQ | DependencyFlags::SCRIPT_PRE | DependencyFlags::SCRIPT_POST)
}

/// `[epoch:]version[-release]`
fn split_evr(evr: &str) -> (&str, &str, Option<&str>) {
    let (epoch, rest) = evr.split_once(':').unwrap_or(("0", evr));
    match rest.split_once('-') {
        Some((version, release)) => (epoch, version, Some(release)),
        None => (epoch, rest, None),
    }
}
