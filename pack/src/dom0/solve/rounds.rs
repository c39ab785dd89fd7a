//! The rounds in which yum settles requirements, conflicts and obsoletes, until nothing changes any more.

use std::collections::BTreeMap;

use super::transaction::Transaction;
use crate::dom0::database::Answer;
use crate::dom0::order;
use crate::dom0::plan::{Member, Note, Plan, Unchecked};
use crate::dom0::refusal::{Problem, Refusal, yum_name};
use crate::generation;
use crate::rpm::package::{Dependency, Package};
use crate::spec::Operator;

/// yum's option `depsolve_loop_limit`.
const ROUNDS: usize = 100;

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
    /// Whether something that is installed and stays, or is to be installed, meets a requirement.
    pub(super) fn is_met(&self, wanted: &Dependency) -> Answer<()> {
        self.spend(1 + self.repository.set.offer_count(&wanted.name));
        if self.is_exhausted() {
            return Answer::Unknown;
        }
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
    fn candidates(&self, wanted: &Dependency) -> Vec<usize> {
        let mut found = self.usable(&self.repository.set.providers(wanted));
        self.spend(self.repository.set.offer_count(&wanted.name));
        found.retain(|at| {
            let package = self.package(*at);
            let newer = |other: &Package| other.evr.compare(&package.evr).is_gt();
            let of_name = self.database.set().named(&package.name).iter().map(|old| self.installed(*old));
            let mut chosen = self.repository.set.named(&package.name).iter();
            self.spend(chosen.len());
            let installed = |old: &Package| old.arch == package.arch && old.evr.compare(&package.evr).is_eq();
            !self.is_exhausted()
                && !of_name.into_iter().any(|old| newer(old) || installed(old))
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
        self.add_problem(problem);
        Attempt::Failed
    }

    fn add_problem(&mut self, problem: Problem) {
        self.spend(self.problems.len());
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// Goes through the rounds until nothing changes.
    pub(super) fn resolve(mut self) -> Result<Plan<'a>, Refusal> {
        for _ in 0..ROUNDS {
            self.unknown.clear();
            let changed = self.settle_requirements() || self.settle_conflicts() || self.settle_obsoletes();
            if self.is_exhausted() {
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
                if !self.chosen.contains_key(&at) || self.is_exhausted() {
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
                if self.replaced.is_empty() || self.replaced.contains_key(&at) || self.is_exhausted() {
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
                self.spend(1 + self.repository.set.offer_count(&conflict.name));
                if self.is_exhausted() {
                    break;
                }
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
            self.add_problem(problem);
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
        let staying = self.database.set().iter().filter(|(at, _)| !self.replaced.contains_key(at));
        let staying = staying.map(|(_, installed)| (&installed.package, true));
        let by_all = staying.chain(self.chosen.keys().map(|at| (self.package(*at), false)));
        let mut out = Vec::new();
        for (by, is_installed) in by_all {
            for obsoleted in by.obsoletes.iter().filter(|obsoleted| obsoleted.name != by.name) {
                for at in self.usable(self.repository.set.named(&obsoleted.name)) {
                    let package = self.package(at);
                    if self.is_exhausted() || !self.chosen.contains_key(&at) || !obsoleted.is_met_by(&package.itself())
                    {
                        continue;
                    }
                    self.spend(package.obsoletes.len());
                    if !package.obsoletes(by) {
                        out.push((at, is_installed, by));
                    }
                }
            }
        }
        for (at, is_installed, by) in &out {
            self.withdraw(*at);
            if *is_installed {
                self.note(Note::Obsoleted { package: yum_name(self.package(*at)), by: yum_name(by) });
            }
        }
        // What a withdrawn package was to replace may be obsoleted by another one.
        for at in self.chosen.keys().copied().collect::<Vec<_>>() {
            self.replace_obsoleted(at);
        }
        !out.is_empty()
    }

    fn finish(self) -> Result<Plan<'a>, Refusal> {
        if !self.problems.is_empty() {
            return Err(Refusal::Unresolved(self.problems));
        }
        let known =
            |feature: &str| generation::el7().rpm.rpmlib.iter().any(|known| feature == format!("rpmlib({known})"));
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
