//! A transaction of yum in the making: what is chosen, and what goes for it.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Repository, any_version};
use crate::dom0::database::{Answer, Database};
use crate::dom0::plan::{Note, Replacement, Unchecked};
use crate::dom0::refusal::{Problem, yum_name};
use crate::rpm::package::{Dependency, Package};

/// How many packages and dependencies are looked at before a repository counts as one that has no end: a thousand times
/// what a real pack needs.
const LOOKS: usize = 3_000_000;

pub(super) struct Transaction<'a> {
    pub(super) database: &'a Database,
    pub(super) repository: &'a Repository,
    /// What is to be installed, by position in the repository, and for which group.
    pub(super) chosen: BTreeMap<usize, Option<String>>,
    /// What goes, by position in the database; what comes for it, by position in the repository.
    pub(super) replaced: BTreeMap<usize, (usize, Replacement)>,
    /// Packages of the repository that an installed or chosen one obsoletes: they are out for good.
    withdrawn: BTreeSet<usize>,
    /// Who says in the repository that it obsoletes something of a name.
    obsoleters: HashMap<&'a str, Vec<usize>>,
    pub(super) notes: Vec<Note>,
    pub(super) problems: Vec<Problem>,
    pub(super) unknown: Vec<Unchecked>,
    /// How much was looked at so far.
    looks: Cell<usize>,
}

impl<'a> Transaction<'a> {
    pub(super) fn new(database: &'a Database, repository: &'a Repository) -> Transaction<'a> {
        let mut obsoleters: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, package) in repository.set.iter() {
            for obsoleted in &package.obsoletes {
                let of_name = obsoleters.entry(&obsoleted.name).or_default();
                if of_name.last() != Some(&at) {
                    of_name.push(at);
                }
            }
        }
        Transaction {
            database,
            repository,
            chosen: BTreeMap::new(),
            replaced: BTreeMap::new(),
            withdrawn: BTreeSet::new(),
            obsoleters,
            notes: Vec::new(),
            problems: Vec::new(),
            unknown: Vec::new(),
            looks: Cell::new(0),
        }
    }

    pub(super) fn package(&self, at: usize) -> &'a Package {
        self.repository.set.package(at)
    }

    pub(super) fn installed(&self, at: usize) -> &'a Package {
        self.database.set().package(at)
    }

    /// Counts what is looked at.
    pub(super) fn spend(&self, looks: usize) {
        self.looks.set(self.looks.get().saturating_add(looks));
    }

    /// Whether too much was looked at: time to give up.
    pub(super) fn is_exhausted(&self) -> bool {
        self.looks.get() > LOOKS
    }

    /// Those of some packages of the repository that are not withdrawn.
    pub(super) fn usable(&self, found: &[usize]) -> Vec<usize> {
        self.spend(found.len());
        found.iter().copied().filter(|at| !self.withdrawn.contains(at)).collect()
    }

    pub(super) fn note(&mut self, note: Note) {
        self.spend(self.notes.len());
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// `yum install NAME`: the package of that name, or else the best that provides it. Whether there is one at all.
    pub(super) fn install_pattern(&mut self, name: &str) -> bool {
        let named = self.repository.set.newest(self.repository.set.named(name).iter().copied());
        let found = named.or_else(|| self.best(&self.repository.set.providers(&any_version(name)), None));
        if let Some(found) = found {
            self.install(found, None);
            return true;
        }
        let installed = self.database.provider_among(&any_version(name), |_| true);
        let installed = self.database.set().named(name).first().copied().or(match installed {
            Answer::Yes(at) => Some(at),
            Answer::No | Answer::Unknown => None,
        });
        self.note(match installed {
            Some(at) => Note::UpToDate(yum_name(self.installed(at))),
            None => Note::NotAvailable(name.into()),
        });
        installed.is_some()
    }

    /// Installs the newest package of a name for a group.
    pub(super) fn install_member(&mut self, name: &str, group: &str) {
        let Some(newest) = self.repository.set.newest(self.repository.set.named(name).iter().copied()) else {
            self.note(Note::NotAvailable(name.into()));
            return;
        };
        let before: BTreeSet<usize> = self.chosen.keys().copied().collect();
        self.install(newest, None);
        for (_, of_group) in self.chosen.iter_mut().filter(|(at, _)| !before.contains(at)) {
            *of_group = Some(group.to_owned());
        }
    }

    /// Chooses a package unless it is installed, or hands on to what obsoletes it. Whether it, or that, is chosen now.
    pub(super) fn install(&mut self, at: usize, wanted: Option<&Dependency>) -> bool {
        if self.chosen.contains_key(&at) {
            return true;
        }
        if self.withdrawn.contains(&at) {
            return false;
        }
        let package = self.package(at);
        let of_name = self.database.set().named(&package.name);
        if of_name.iter().any(|old| self.installed(*old).evr.compare(&package.evr).is_lt()) {
            return self.update(at);
        }
        if let Some(obsoleter) = self.obsoleter(at) {
            let by = self.package(obsoleter);
            let installed = self.database.set().named(&by.name).iter().map(|old| self.installed(*old));
            if let Some(installed) = installed.into_iter().find(|installed| installed.obsoletes(package)) {
                self.note(Note::Obsoleted { package: yum_name(package), by: yum_name(installed) });
                return false;
            }
            return wanted.is_none_or(|wanted| by.meets(wanted)) && self.install(obsoleter, None);
        }
        if let Some(same) = of_name.iter().find(|old| !self.replaced.contains_key(old)) {
            self.note(Note::UpToDate(yum_name(self.installed(*same))));
            return false;
        }
        self.choose(at);
        true
    }

    /// Chooses a package if something older of its name is installed, or something that it obsoletes. Whether it, or what
    /// obsoletes it, is chosen now.
    pub(super) fn update(&mut self, at: usize) -> bool {
        if self.withdrawn.contains(&at) {
            return false;
        }
        if let Some(obsoleter) = self.obsoleter(at) {
            return self.update(obsoleter);
        }
        let package = self.package(at);
        for old in self.database.set().named(&package.name) {
            if self.installed(*old).evr.compare(&package.evr).is_ge() {
                continue;
            }
            match self.replaced.get(old) {
                Some((_, Replacement::Obsolete)) => continue,
                Some((other, _)) if self.package(*other).evr.compare(&package.evr).is_ge() => continue,
                _ => {}
            }
            self.choose(at);
            self.replaced.insert(*old, (at, Replacement::Upgrade));
        }
        if !self.obsoleted_by(package).is_empty() {
            self.choose(at);
        }
        self.chosen.contains_key(&at)
    }

    /// `yum update NAME` for something installed: by what obsoletes it, then by its newest version.
    pub(super) fn update_installed(&mut self, name: &str) {
        let mut successors: BTreeMap<&str, usize> = BTreeMap::new();
        for old in self.database.set().named(name) {
            for at in self.obsoleters_of(self.installed(*old)) {
                let successor = successors.entry(&self.package(at).name).or_insert(at);
                *successor = self.repository.set.newest([*successor, at]).unwrap_or(at);
            }
        }
        for successor in successors.into_values() {
            self.install(successor, None);
        }
        if let Some(newest) = self.repository.set.newest(self.usable(self.repository.set.named(name))) {
            self.update(newest);
        }
    }

    /// Takes a package into the transaction: an older one of its name leaves it, and what it obsoletes goes.
    fn choose(&mut self, at: usize) {
        let package = self.package(at);
        self.spend(self.repository.set.named(&package.name).len() + self.replaced.len());
        let older = self.repository.set.named(&package.name).iter().copied();
        for other in older.filter(|other| *other != at).collect::<Vec<_>>() {
            if self.chosen.contains_key(&other) && self.package(other).evr.compare(&package.evr).is_lt() {
                self.drop(other);
            }
        }
        self.chosen.entry(at).or_insert(None);
        self.replace_obsoleted(at);
    }

    /// What a chosen package obsoletes goes.
    pub(super) fn replace_obsoleted(&mut self, at: usize) {
        for old in self.obsoleted_by(self.package(at)) {
            self.replaced.insert(old, (at, Replacement::Obsolete));
        }
    }

    /// Takes a package out again, for good: something obsoletes it.
    pub(super) fn withdraw(&mut self, at: usize) {
        self.drop(at);
        self.withdrawn.insert(at);
    }

    fn drop(&mut self, at: usize) {
        self.chosen.remove(&at);
        self.replaced.retain(|_, (by, _)| *by != at);
    }

    /// Installed packages that a package obsoletes and that do not go yet.
    fn obsoleted_by(&self, package: &Package) -> Vec<usize> {
        self.spend(package.obsoletes.len());
        let obsoletes = package.obsoletes.iter().filter(|obsoleted| obsoleted.name != package.name);
        let named = obsoletes.flat_map(|obsoleted| {
            let named = self.database.set().named(&obsoleted.name).iter().copied();
            named.filter(|old| obsoleted.is_met_by(&self.installed(*old).itself()))
        });
        named.filter(|old| !self.replaced.contains_key(old)).collect()
    }

    /// Packages of the repository that obsolete a package.
    pub(super) fn obsoleters_of(&self, package: &Package) -> Vec<usize> {
        let named = self.obsoleters.get(package.name.as_str()).map_or(&[][..], Vec::as_slice);
        let mut found = self.usable(named);
        found.retain(|at| {
            self.spend(self.package(*at).obsoletes.len());
            !self.is_exhausted() && self.package(*at).obsoletes(package)
        });
        found
    }

    /// The end of the chain of packages that obsolete one another, if it has an end.
    fn obsoleter(&self, at: usize) -> Option<usize> {
        let (mut last, mut seen) = (at, BTreeSet::from([at]));
        while let Some(next) = self.repository.set.newest(self.obsoleters_of(self.package(last))) {
            if !seen.insert(next) {
                return None;
            }
            last = next;
        }
        (last != at).then_some(last)
    }
}
