//! A transaction of yum in the making: what is chosen, what goes for it, and the rounds in which requirements, conflicts
//! and obsoletes are settled.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Repository, any_version};
use crate::dom0::database::{Answer, Database};
use crate::dom0::order;
use crate::dom0::package::{Dependency, Package};
use crate::dom0::plan::{Member, Note, Plan, Replacement, Unchecked};
use crate::dom0::refusal::{Problem, Refusal, yum_name};
use crate::rpm::el7::RPMLIB;
use crate::spec::Operator;

/// yum's option `depsolve_loop_limit`.
const ROUNDS: usize = 100;
/// How many providers are looked at before a repository counts as one that has no end: far more than any real one needs.
const LOOKS: usize = 20_000_000;

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
    notes: Vec<Note>,
    problems: Vec<Problem>,
    unknown: Vec<Unchecked>,
    looks: usize,
}

/// What came of an attempt to meet a requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempt {
    /// Something was chosen that changes the picture.
    Changed,
    /// What meets it is already chosen.
    Unchanged,
    Failed,
}

/// One of the two sides of a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Installed(usize),
    Chosen(usize),
}

impl<'a> Transaction<'a> {
    pub(super) fn new(database: &'a Database, repository: &'a Repository) -> Transaction<'a> {
        let mut obsoleters: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, package) in repository.set.iter() {
            for obsoleted in &package.obsoletes {
                obsoleters.entry(&obsoleted.name).or_default().push(at);
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
            looks: 0,
        }
    }

    pub(super) fn package(&self, at: usize) -> &'a Package {
        self.repository.set.package(at)
    }

    fn installed(&self, at: usize) -> &'a Package {
        self.database.set().package(at)
    }

    fn usable(&self, found: &[usize]) -> Vec<usize> {
        found.iter().copied().filter(|at| !self.withdrawn.contains(at)).collect()
    }

    pub(super) fn is_withdrawn(&self, at: usize) -> bool {
        self.withdrawn.contains(&at)
    }

    pub(super) fn note(&mut self, note: Note) {
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
    fn install(&mut self, at: usize, wanted: Option<&Dependency>) -> bool {
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
    fn update(&mut self, at: usize) -> bool {
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
        if self.obsoleted_by(package).next().is_some() {
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
        let older = self.repository.set.named(&package.name).iter().copied();
        for other in older.filter(|other| *other != at).collect::<Vec<_>>() {
            if self.chosen.contains_key(&other) && self.package(other).evr.compare(&package.evr).is_lt() {
                self.drop(other);
            }
        }
        self.chosen.entry(at).or_insert(None);
        for old in self.obsoleted_by(package).collect::<Vec<_>>() {
            self.replaced.insert(old, (at, Replacement::Obsolete));
        }
    }

    fn drop(&mut self, at: usize) {
        self.chosen.remove(&at);
        self.replaced.retain(|_, (by, _)| *by != at);
    }

    /// Installed packages that a package obsoletes and that do not go yet.
    fn obsoleted_by(&self, package: &'a Package) -> impl Iterator<Item = usize> {
        let named = package.obsoletes.iter().flat_map(|obsoleted| self.database.set().named(&obsoleted.name));
        named.copied().filter(|old| !self.replaced.contains_key(old) && package.obsoletes(self.installed(*old)))
    }

    fn obsoleters_of(&self, package: &Package) -> Vec<usize> {
        let named = self.obsoleters.get(package.name.as_str()).map_or(&[][..], Vec::as_slice);
        let mut found = self.usable(named);
        found.retain(|at| self.package(*at).obsoletes(package));
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

    /// Whether something that is installed and stays, or is to be installed, meets a requirement.
    fn is_met(&self, wanted: &Dependency) -> Answer<()> {
        if self.repository.set.providers(wanted).iter().any(|at| self.chosen.contains_key(at)) {
            return Answer::Yes(());
        }
        match self.database.provider_among(wanted, |at| !self.replaced.contains_key(&at)) {
            Answer::Yes(_) => Answer::Yes(()),
            Answer::No => Answer::No,
            // yum does not know conditions such as `(a or b)`.
            Answer::Unknown if wanted.name.starts_with('(') => Answer::No,
            Answer::Unknown => {
                let offered = self.repository.set.offering(&wanted.name);
                let otherwise = offered.iter().any(|at| self.chosen.contains_key(at));
                if otherwise { Answer::No } else { Answer::Unknown }
            }
        }
    }

    /// Packages that could be installed to meet a requirement.
    fn candidates(&mut self, wanted: &Dependency) -> Vec<usize> {
        let mut found = self.usable(&self.repository.set.providers(wanted));
        self.looks += found.len() + self.repository.set.offering(&wanted.name).len();
        found.retain(|at| {
            let package = self.package(*at);
            let newer = |other: &Package| other.evr.compare(&package.evr).is_gt();
            let of_name = self.database.set().named(&package.name).iter().map(|old| self.installed(*old));
            let mut chosen = self.repository.set.named(&package.name).iter();
            let installed = |old: &Package| old.arch == package.arch && old.evr.compare(&package.evr).is_eq();
            !of_name.into_iter().any(|old| newer(old) || installed(old))
                && !chosen.any(|other| self.chosen.contains_key(other) && newer(self.package(*other)))
        });
        found
    }

    /// Tries to meet a requirement from the repository, first by upgrading something.
    fn meet(&mut self, requirer: &'a Package, origin: &str, wanted: &'a Dependency) -> Attempt {
        let candidates = self.candidates(wanted);
        if candidates.iter().any(|at| self.chosen.contains_key(at)) {
            return Attempt::Unchanged;
        }
        let mut newest_of_name: BTreeMap<&str, usize> = BTreeMap::new();
        for at in &candidates {
            let newest = newest_of_name.entry(&self.package(*at).name).or_insert(*at);
            *newest = self.repository.set.newest([*newest, *at]).unwrap_or(*at);
        }
        for at in newest_of_name.into_values() {
            self.update(at);
            if self.chosen.contains_key(&at) {
                return Attempt::Changed;
            }
        }
        let best = self.best(&candidates, Some(requirer));
        if best.is_some_and(|best| self.install(best, Some(wanted))) {
            return Attempt::Changed;
        }
        let problem = self.missing(requirer, origin, wanted);
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
        Attempt::Failed
    }

    /// Which of several packages yum takes: one that upgrades something, the newest of its name and not obsoleted by another
    /// of them, of the better architecture, whose name begins like that of what requires it; then the one with the fewest
    /// requirements that are not met, then the shortest name (yum, `_compare_providers`).
    fn best(&self, candidates: &[usize], requirer: Option<&Package>) -> Option<usize> {
        let score = |at: usize| {
            let package = self.package(at);
            let installed = self.database.set().named(&package.name).iter().map(|old| self.installed(*old));
            let mut score: i64 = match installed.max_by(|a, b| a.evr.compare(&b.evr)) {
                Some(old) if old.evr.compare(&package.evr).is_lt() => 5,
                Some(old) if old.evr.compare(&package.evr).is_eq() => 1000,
                Some(_) => -1024,
                None => 0,
            };
            let newest = self.repository.set.newest(self.usable(self.repository.set.named(&package.name)));
            let outdated = newest.is_some_and(|newest| self.package(newest).evr.compare(&package.evr).is_gt());
            let obsoleted = self.obsoleters_of(package).iter().any(|by| candidates.contains(by));
            score -= 1024 * (i64::from(outdated) + i64::from(obsoleted));
            score += if package.arch == "x86_64" { 5 } else { 0 };
            if let Some(requirer) = requirer {
                let alike = package.name.bytes().zip(requirer.name.bytes()).take_while(|(a, b)| a == b).count();
                score += if alike > 2 { 2 * i64::try_from(alike).unwrap_or(0) } else { 0 };
            }
            score
        };
        let unmet = |at: &usize| {
            let requires = self.package(*at).requires.iter();
            requires.filter(|wanted| !wanted.name.starts_with("rpmlib(") && self.is_met(wanted) == Answer::No).count()
        };
        let scores: Vec<(i64, usize)> = candidates.iter().map(|at| (score(*at), *at)).collect();
        let highest = scores.iter().map(|(score, _)| *score).max()?;
        let equal = scores.into_iter().filter(|(score, _)| *score == highest).map(|(_, at)| at);
        equal.min_by_key(|at| (unmet(at), self.package(*at).name.len(), std::cmp::Reverse(*at)))
    }

    /// Goes through the rounds until nothing changes.
    pub(super) fn resolve(mut self) -> Result<Plan<'a>, Refusal> {
        for _ in 0..ROUNDS {
            self.unknown.clear();
            let changed = self.settle_requirements() || self.settle_conflicts() || self.settle_obsoletes();
            if self.looks > LOOKS {
                break;
            }
            if !changed {
                return self.finish();
            }
        }
        Err(Refusal::Endless)
    }

    fn settle_requirements(&mut self) -> bool {
        let mut changed = false;
        for at in self.chosen.keys().copied().collect::<Vec<_>>() {
            let package = self.package(at);
            let mut requires: Vec<&Dependency> = package.requires.iter().collect();
            requires.sort_by_key(|wanted| narrowness(wanted));
            for wanted in requires {
                if !self.chosen.contains_key(&at) || self.looks > LOOKS {
                    break;
                }
                if wanted.name.starts_with("rpmlib(") || self.is_met(wanted) == Answer::Yes(()) {
                    continue;
                }
                if self.is_met(wanted) == Answer::Unknown && self.candidates(wanted).is_empty() {
                    let package = yum_name(package);
                    self.unknown.push(Unchecked::Requirement { package, requirement: wanted.clone() });
                    continue;
                }
                changed |= self.meet(package, &self.repository.id, wanted) == Attempt::Changed;
            }
        }
        changed | self.mend_installed()
    }

    /// Looks at what installed packages require of those that go.
    fn mend_installed(&mut self) -> bool {
        let mut changed = false;
        let database = self.database;
        for (at, _) in database.set().iter() {
            let package = self.installed(at);
            for wanted in &package.requires {
                if self.replaced.is_empty() || self.replaced.contains_key(&at) || self.looks > LOOKS {
                    break;
                }
                let met_by_gone = database.set().providers(wanted).iter().any(|at| self.replaced.contains_key(at));
                if !met_by_gone {
                    continue;
                }
                match self.is_met(wanted) {
                    Answer::Yes(()) => {}
                    // Nothing else is called like a package that goes.
                    Answer::Unknown if database.set().named(&wanted.name).is_empty() => {
                        let package = yum_name(package);
                        self.unknown.push(Unchecked::Requirement { package, requirement: wanted.clone() });
                    }
                    Answer::Unknown | Answer::No => {
                        self.update_installed(&package.name);
                        changed |= match self.replaced.contains_key(&at) {
                            true => true,
                            false => self.meet(package, "installed", wanted) == Attempt::Changed,
                        };
                    }
                }
            }
        }
        changed
    }

    fn settle_conflicts(&mut self) -> bool {
        let (database, repository) = (self.database, self.repository);
        let mut found: Vec<(Side, &Dependency, Side)> = Vec::new();
        let chosen = |at: &usize| self.chosen.contains_key(at);
        let stays = |at: &usize| !self.replaced.contains_key(at);
        for (at, installed) in database.set().iter().filter(|(at, _)| stays(at)) {
            for conflict in &installed.package.conflicts {
                let with = repository.set.providers(conflict).into_iter().filter(chosen);
                found.extend(with.map(|with| (Side::Installed(at), conflict, Side::Chosen(with))));
            }
        }
        for at in self.chosen.keys() {
            for conflict in &self.package(*at).conflicts {
                let installed = database.set().providers(conflict).into_iter().filter(stays).map(Side::Installed);
                let others = repository.set.providers(conflict).into_iter().filter(chosen).map(Side::Chosen);
                found.extend(installed.chain(others).map(|with| (Side::Chosen(*at), conflict, with)));
                if database.provider_among(conflict, |at| stays(&at)) == Answer::Unknown {
                    let package = yum_name(self.package(*at));
                    self.unknown.push(Unchecked::Conflict { package, conflict: conflict.clone() });
                }
            }
        }
        for (of, conflict, with) in found {
            let (a, b) = (self.side(of), self.side(with));
            if a.name == b.name && a.evr.compare(&b.evr).is_eq() {
                continue;
            }
            let upwards = matches!(conflict.bound, Some((Operator::Greater | Operator::GreaterOrEqual, _)));
            let attempts = if upwards { [of, with] } else { [with, of] };
            if attempts.into_iter().any(|side| self.upgrade_away(side)) {
                return true;
            }
            let problem = Problem::Conflict {
                package: yum_name(a),
                name: a.name.clone(),
                conflict: conflict.clone(),
                with: yum_name(b),
            };
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        }
        false
    }

    fn side(&self, side: Side) -> &'a Package {
        match side {
            Side::Installed(at) => self.installed(at),
            Side::Chosen(at) => self.package(at),
        }
    }

    /// Upgrades one side of a conflict; whether it goes.
    fn upgrade_away(&mut self, side: Side) -> bool {
        let Side::Installed(at) = side else { return false };
        self.update_installed(&self.installed(at).name);
        self.replaced.contains_key(&at)
    }

    /// Takes out what an installed or a chosen package obsoletes: rpm would do so in any case.
    fn settle_obsoletes(&mut self) -> bool {
        let database = self.database;
        let staying: Vec<(bool, &Package)> = database
            .set()
            .iter()
            .filter(|(at, _)| !self.replaced.contains_key(at))
            .map(|(_, installed)| (true, &installed.package))
            .chain(self.chosen.keys().map(|at| (false, self.package(*at))))
            .collect();
        let mut out = Vec::new();
        for (is_installed, by) in staying {
            for obsoleted in &by.obsoletes {
                for at in self.repository.set.named(&obsoleted.name) {
                    let package = self.package(*at);
                    if self.chosen.contains_key(at) && by.obsoletes(package) && !package.obsoletes(by) {
                        out.push((*at, is_installed, by));
                    }
                }
            }
        }
        for (at, is_installed, by) in &out {
            self.drop(*at);
            self.withdrawn.insert(*at);
            if *is_installed {
                self.note(Note::Obsoleted { package: yum_name(self.package(*at)), by: yum_name(by) });
            }
        }
        // What a withdrawn package was to replace may be obsoleted by another one.
        for at in self.chosen.keys().copied().collect::<Vec<_>>() {
            for old in self.obsoleted_by(self.package(at)).collect::<Vec<_>>() {
                self.replaced.insert(old, (at, Replacement::Obsolete));
            }
        }
        !out.is_empty()
    }

    fn finish(self) -> Result<Plan<'a>, Refusal> {
        if !self.problems.is_empty() {
            return Err(Refusal::Unresolved(self.problems));
        }
        let known = |feature: &str| RPMLIB.iter().any(|known| feature == format!("rpmlib({known})"));
        let mut features = Vec::new();
        for package in self.chosen.keys().map(|at| self.package(*at)) {
            let foreign = package.requires.iter().filter(|wanted| wanted.name.starts_with("rpmlib("));
            let foreign = foreign.filter(|wanted| !known(&wanted.name));
            features.extend(foreign.map(|wanted| (wanted.clone(), yum_name(package))));
        }
        if !features.is_empty() {
            return Err(Refusal::Features(features));
        }
        let mut details: BTreeMap<*const Package, Member<'a>> = BTreeMap::new();
        for (at, group) in &self.chosen {
            let package = self.package(*at);
            let replaces = self.replaced.iter().filter(|(_, (by, _))| by == at);
            let replaces = replaces.map(|(old, (_, how))| (self.database.set().at(*old), *how)).collect();
            details.insert(package, Member { package, replaces, group: group.clone() });
        }
        let packages = self.chosen.keys().map(|at| self.package(*at)).collect();
        let members = order::providers_first(packages)
            .into_iter()
            .filter_map(|package| details.remove(&std::ptr::from_ref::<Package>(package)))
            .collect();
        Ok(Plan { members, notes: self.notes, unknown: self.unknown })
    }
}

/// yum meets the requirements first that leave the least choice.
fn narrowness(wanted: &Dependency) -> (u8, bool) {
    let operator = match wanted.bound {
        Some((Operator::Equal, _)) => 1,
        Some((Operator::Less, _)) => 2,
        Some((Operator::LessOrEqual, _)) => 3,
        Some((Operator::Greater, _)) => 4,
        Some((Operator::GreaterOrEqual, _)) => 5,
        None => 99,
    };
    let is_library =
        wanted.name.starts_with("lib") && (wanted.name.ends_with("()") || wanted.name.ends_with("()(64bit)"));
    (operator, is_library)
}
