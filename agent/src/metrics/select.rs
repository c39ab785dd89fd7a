//! Which containers of a VM have graphs of their own: those that use most, a few, and not others every minute.
//!
//! Every name that was ever given to xcp-rrdd stays in the VM's file, some 6 KiB each, so they are few and change seldom, and
//! old ones are given up. Knows containers by id and label alone; must not know what is measured.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

/// How long a container keeps its place at least, once it has one.
const HELD: Duration = Duration::from_secs(300);

/// Another one gets its place only if it uses so many times as much,
const TIMES: f64 = 1.5;

/// and so much more, as a part of what all use.
const MORE: f64 = 0.02;

/// Names without history that a VM may have at once, for each place,
const NEW_AT_ONCE: f64 = 4.0;

/// and one more after this time: a guest must not fill xcp-rrdd's memory by giving its containers ever new names.
const NEW_AFTER: Duration = Duration::from_secs(60);

/// A container that runs.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The engine's id.
    pub id: &'a str,
    /// What it is called in names of data sources; no two have the same.
    pub label: &'a str,
    /// Its part of what all containers use, 0 to 1.
    pub weight: f64,
}

/// A container that was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The engine's id.
    pub id: String,
    /// What it is called in names of data sources.
    pub label: String,
    since: Instant,
    /// Whether the label was another container's until now.
    pub is_successor: bool,
}

/// What is chosen, and what was.
#[derive(Debug)]
pub struct Selection {
    top: usize,
    /// By label.
    chosen: BTreeMap<String, Chosen>,
    /// Labels that are in the VM's file and not used now, the oldest first.
    retired: VecDeque<Retired>,
    /// Names without history that may be given out now, and when that was reckoned.
    new: f64,
    reckoned: Option<Instant>,
}

#[derive(Debug)]
struct Retired {
    label: String,
    /// Whose it was; none if an earlier run of this program knew.
    id: Option<String>,
}

/// What came of a look at the containers.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Whether others are chosen than before.
    pub changed: bool,
    /// Labels whose history is given up.
    pub forgotten: Vec<String>,
}

impl Selection {
    /// Of at most `top` containers at a time; `recorded` are labels of which the VM's file has history.
    #[must_use]
    pub fn new(top: usize, recorded: impl IntoIterator<Item = String>) -> Self {
        let retired = recorded.into_iter().map(|label| Retired { label, id: None }).collect();
        Self { top, chosen: BTreeMap::new(), retired, new: NEW_AT_ONCE * top as f64, reckoned: None }
    }

    /// Those chosen, by label.
    pub fn chosen(&self) -> impl Iterator<Item = &Chosen> {
        self.chosen.values()
    }

    /// Whether this container is chosen under this label.
    #[must_use]
    pub fn has(&self, label: &str, id: &str) -> bool {
        self.chosen.get(label).is_some_and(|chosen| chosen.id == id)
    }

    /// Chooses anew, for the containers that run now.
    pub fn update(&mut self, candidates: &[Candidate<'_>], now: Instant) -> Outcome {
        let mut outcome = Outcome::default();
        let passed = self.reckoned.replace(now).map_or(Duration::ZERO, |before| now.saturating_duration_since(before));
        let refilled = self.new + passed.as_secs_f64() / NEW_AFTER.as_secs_f64();
        self.new = refilled.min(NEW_AT_ONCE * self.top as f64);
        for chosen in self.chosen.values_mut() {
            chosen.is_successor = false;
        }
        let by_label: BTreeMap<&str, &Candidate<'_>> =
            candidates.iter().map(|candidate| (candidate.label, candidate)).collect();
        let stays = |chosen: &Chosen| by_label.get(chosen.label.as_str()).is_some_and(|now| now.id == chosen.id);
        let gone: Vec<String> = self.chosen.values().filter(|chosen| !stays(chosen)).map(|c| c.label.clone()).collect();
        for label in &gone {
            self.retire(label);
        }
        outcome.changed |= !gone.is_empty();

        let mut others: Vec<&Candidate<'_>> =
            candidates.iter().filter(|candidate| !self.has(candidate.label, candidate.id)).collect();
        // Those with history first: their graphs go on. The last is the first to get a place.
        let has_history = |candidate: &Candidate<'_>| self.retired.iter().any(|old| old.label == candidate.label);
        others.sort_by_cached_key(|candidate| {
            (has_history(candidate), order(candidate.weight), std::cmp::Reverse(candidate.label.to_owned()))
        });
        while self.chosen.len() < self.top
            && others.last().is_some_and(|candidate| self.may_have(candidate))
            && let Some(candidate) = others.pop()
        {
            self.choose(candidate, now);
            outcome.changed = true;
        }
        outcome.changed |= self.challenge(&others, &by_label, now);
        while self.retired.len() > 2 * self.top {
            outcome.forgotten.extend(self.retired.pop_front().map(|old| old.label));
        }
        outcome
    }

    /// Gives the place of the one that uses least to the one that uses most of those without, if it is worth it.
    fn challenge(
        &mut self,
        others: &[&Candidate<'_>],
        by_label: &BTreeMap<&str, &Candidate<'_>>,
        now: Instant,
    ) -> bool {
        let weight = |label: &str| by_label.get(label).map_or(0.0, |candidate| candidate.weight);
        let mature = self.chosen.values().filter(|chosen| now.duration_since(chosen.since) >= HELD);
        let weakest = mature.map(|chosen| chosen.label.clone()).min_by(|a, b| weight(a).total_cmp(&weight(b)));
        let strongest = others.iter().max_by(|a, b| a.weight.total_cmp(&b.weight));
        let (Some(weakest), Some(strongest)) = (weakest, strongest) else { return false };
        let is_worth_it = strongest.weight > weight(&weakest) * TIMES + MORE;
        if self.chosen.len() < self.top || !is_worth_it || !self.may_have(strongest) {
            return false;
        }
        self.retire(&weakest);
        self.choose(strongest, now);
        true
    }

    /// Whether a container's name may become one of a data source.
    fn may_have(&self, candidate: &Candidate<'_>) -> bool {
        self.new >= 1.0 || self.retired.iter().any(|old| old.label == candidate.label)
    }

    fn choose(&mut self, candidate: &Candidate<'_>, now: Instant) {
        let (id, label) = (candidate.id.to_owned(), candidate.label.to_owned());
        let before = self.retired.iter().position(|old| old.label == label).and_then(|at| self.retired.remove(at));
        if before.is_none() {
            self.new -= 1.0;
        }
        // Of an earlier run's nobody knows whose it was; there is a gap anyway.
        let is_successor = before.and_then(|old| old.id).is_some_and(|old| old != id);
        self.chosen.insert(label.clone(), Chosen { id, label, since: now, is_successor });
    }

    fn retire(&mut self, label: &str) {
        if let Some(Chosen { id, label, .. }) = self.chosen.remove(label) {
            self.retired.push_back(Retired { label, id: Some(id) });
        }
    }
}

/// An order of weights that has no NaN: what is none comes first.
fn order(weight: f64) -> u64 {
    // Positive numbers are ordered as their bits are (IEEE 754).
    if weight > 0.0 { weight.to_bits() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates<'a>(all: &'a [(&'a str, &'a str, f64)]) -> Vec<Candidate<'a>> {
        all.iter().map(|(id, label, weight)| Candidate { id, label, weight: *weight }).collect()
    }

    fn labels(selection: &Selection) -> Vec<&str> {
        selection.chosen().map(|chosen| chosen.label.as_str()).collect()
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn those_that_use_most_are_chosen() {
        let mut selection = Selection::new(2, []);
        let all = [("1", "a", 0.1), ("2", "b", 0.5), ("3", "c", f64::NAN), ("4", "d", 0.4)];
        let outcome = selection.update(&candidates(&all), Instant::now());
        assert_eq!(labels(&selection), ["b", "d"]);
        assert!(outcome.changed);
        assert_eq!(selection.update(&candidates(&all), Instant::now()), Outcome::default());
    }

    #[test]
    fn of_equals_the_first_by_name_are_chosen_whatever_their_order() {
        let mut all = [("1", "a", 0.0), ("2", "b", 0.0), ("3", "c", 0.0)];
        for _ in 0..3 {
            all.rotate_left(1);
            let mut selection = Selection::new(2, []);
            selection.update(&candidates(&all), Instant::now());
            assert_eq!(labels(&selection), ["a", "b"]);
        }
    }

    #[test]
    fn places_do_not_flap() {
        let mut selection = Selection::new(1, []);
        let mut now = Instant::now();
        selection.update(&candidates(&[("1", "a", 0.5), ("2", "b", 0.4)]), now);
        let mut changes = 0;
        for round in 0..720 {
            now += Duration::from_secs(5);
            let (a, b) = if round % 2 == 0 { (0.4, 0.5) } else { (0.5, 0.4) };
            changes += usize::from(selection.update(&candidates(&[("1", "a", a), ("2", "b", b)]), now).changed);
        }
        assert_eq!(changes, 0, "a fifth more is no reason");
        for _ in 0..720 {
            now += Duration::from_secs(5);
            let weights = if labels(&selection) == ["a"] { (0.1, 0.9) } else { (0.9, 0.1) };
            let all = [("1", "a", weights.0), ("2", "b", weights.1)];
            changes += usize::from(selection.update(&candidates(&all), now).changed);
        }
        assert!((11..=13).contains(&changes), "{changes} in an hour: whoever has a place has it for five minutes");
    }

    #[test]
    fn a_place_that_is_free_is_given_at_once() {
        let mut selection = Selection::new(1, []);
        let now = Instant::now();
        selection.update(&candidates(&[("1", "a", 0.9), ("2", "b", 0.1)]), now);
        assert!(selection.update(&candidates(&[("2", "b", 0.1)]), now).changed);
        assert_eq!(labels(&selection), ["b"]);
    }

    #[test]
    fn a_label_that_another_container_takes_over_says_so_once() {
        let mut selection = Selection::new(2, []);
        let now = Instant::now();
        selection.update(&candidates(&[("1", "web", 0.5)]), now);
        assert!(!selection.chosen().next().unwrap().is_successor);
        assert!(selection.update(&candidates(&[("2", "web", 0.5)]), now).changed);
        assert!(selection.chosen().next().unwrap().is_successor && selection.has("web", "2"));
        assert!(!selection.update(&candidates(&[("2", "web", 0.5)]), now).changed);
        assert!(!selection.chosen().next().unwrap().is_successor);
        // Also after a while without.
        selection.update(&[], now);
        selection.update(&candidates(&[("3", "web", 0.5)]), now);
        assert!(selection.chosen().next().unwrap().is_successor);
    }

    #[test]
    fn after_a_restart_those_with_history_go_on() {
        let mut selection = Selection::new(2, ["c".to_owned(), "d".to_owned()]);
        let all = [("1", "a", 0.9), ("2", "b", 0.8), ("3", "c", 0.01), ("4", "d", 0.02)];
        selection.update(&candidates(&all), Instant::now());
        assert_eq!(labels(&selection), ["c", "d"]);
        assert!(selection.chosen().all(|chosen| !chosen.is_successor));
    }

    #[test]
    fn a_guest_cannot_have_ever_new_names() {
        let mut selection = Selection::new(5, []);
        let mut now = Instant::now();
        let mut labels_seen = std::collections::BTreeSet::new();
        for round in 0..720 {
            now += Duration::from_secs(5);
            let ids: Vec<String> = (0..5).map(|number| format!("{round}-{number}")).collect();
            let all: Vec<Candidate<'_>> = ids.iter().map(|id| Candidate { id, label: id, weight: 0.2 }).collect();
            selection.update(&all, now);
            labels_seen.extend(selection.chosen().map(|chosen| chosen.label.clone()));
        }
        assert!((75..=80).contains(&labels_seen.len()), "{} names in an hour", labels_seen.len());
    }

    #[test]
    fn history_is_bounded_and_the_oldest_goes_first() {
        let mut selection = Selection::new(3, []);
        let mut now = Instant::now();
        let mut forgotten = Vec::new();
        for round in 0..100 {
            now += MINUTE;
            let label = format!("job-{round:03}");
            forgotten.extend(selection.update(&candidates(&[(&label, &label, 0.5)]), now).forgotten);
        }
        // One is chosen, and six are kept.
        let wanted: Vec<String> = (0..93).map(|round| format!("job-{round:03}")).collect();
        assert_eq!(forgotten, wanted);
    }
}
