//! Which of several packages yum takes.

use super::transaction::Transaction;
use crate::dom0::database::Answer;
use crate::rpm::package::Package;

impl Transaction<'_> {
    /// Which of several packages yum takes: one that upgrades something, the newest of its name and not obsoleted by another
    /// of them, of the better architecture, whose name begins like that of what requires it; then the one with the fewest
    /// requirements that are not met, then the shortest name (yum, `_compare_providers`).
    pub(super) fn best(&self, candidates: &[usize], requirer: Option<&Package>) -> Option<usize> {
        let score = |at: usize| {
            self.spend(candidates.len());
            if self.is_exhausted() {
                return 0;
            }
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
}
