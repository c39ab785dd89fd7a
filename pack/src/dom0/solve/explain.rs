//! What yum says about a requirement that it cannot meet: who has the capability, in which version, and what becomes of it.

use std::collections::BTreeSet;

use super::transaction::Transaction;
use crate::dom0::plan::Replacement;
use crate::dom0::refusal::{Found, Problem, State, yum_name};
use crate::rpm::package::{Dependency, Package};

impl Transaction<'_> {
    /// The problem, with what yum finds about it (yum, `output.py`, `format_missing_requires`).
    pub(super) fn missing(&self, requirer: &Package, origin: &str, wanted: &Dependency) -> Problem {
        let (installed, available) = (self.database.set(), &self.repository.set);
        let mut report = Report { wanted, found: Vec::new(), seen: BTreeSet::new() };
        let mut offered = self.usable(&available.offering(&wanted.name));
        // Every package is told about in words, which costs more than a look.
        self.spend(100 * offered.len());
        offered.sort_by(|a, b| by_name(available.package(*a), available.package(*b)));
        let names: BTreeSet<&str> = offered.iter().map(|at| available.package(*at).name.as_str()).collect();
        let mut providing = installed.offering(&wanted.name);
        providing.sort_by(|a, b| by_name(installed.package(*a), installed.package(*b)));

        for at in providing {
            self.tell_installed(&mut report, at);
        }
        for at in offered {
            self.tell_available(&mut report, at);
        }
        for name in &names {
            for at in installed.named(name) {
                self.tell_installed(&mut report, *at);
            }
        }
        for name in names {
            for at in self.usable(available.named(name)) {
                self.tell_available(&mut report, at);
            }
        }
        Problem::Missing {
            package: yum_name(requirer),
            origin: origin.into(),
            requirement: wanted.clone(),
            found: report.found,
        }
    }

    fn tell_installed(&self, report: &mut Report<'_>, at: usize) {
        let package = self.database.set().package(at);
        match self.replaced.get(&at) {
            None => report.tell(State::Installed, package, "installed"),
            Some((by, how)) => {
                if !report.tell_once(State::Removing, package, "installed") {
                    return;
                }
                let state = match how {
                    Replacement::Upgrade => State::UpdatedBy,
                    Replacement::Obsolete => State::ObsoletedBy,
                };
                report.tell(state, self.package(*by), &self.repository.id);
            }
        }
    }

    fn tell_available(&self, report: &mut Report<'_>, at: usize) {
        let state = if self.chosen.contains_key(&at) { State::Installing } else { State::Available };
        report.tell(state, self.package(at), &self.repository.id);
    }
}

fn by_name(a: &Package, b: &Package) -> std::cmp::Ordering {
    a.name.cmp(&b.name).then_with(|| a.evr.compare(&b.evr))
}

struct Report<'w> {
    wanted: &'w Dependency,
    found: Vec<Found>,
    /// Names and versions that were told about.
    seen: BTreeSet<String>,
}

impl Report<'_> {
    fn tell(&mut self, state: State, package: &Package, origin: &str) {
        self.tell_once(state, package, origin);
    }

    /// Whether it was news.
    fn tell_once(&mut self, state: State, package: &Package, origin: &str) -> bool {
        let news = self.seen.insert(format!("{}-{}", package.name, package.evr));
        if news {
            let of_name = package.provides.iter().filter(|provided| provided.name == self.wanted.name);
            let provides = of_name.cloned().collect();
            self.found.push(Found { state, package: yum_name(package), origin: origin.into(), provides });
        }
        news
    }
}
