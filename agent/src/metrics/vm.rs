//! What is known of the containers of one VM, and what its graphs show of it now. Must not know how engines are asked, nor
//! how graphs are drawn.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::names::{self, Series};
use super::select::{Candidate, Outcome, Selection};
use super::usage::{Reading, cpu_percent};
use crate::engine::{Container, ContainerName, Containers, Stats};

/// A reading is shown for so many rounds; then nothing is, rather than something old.
const SHOWN_ROUNDS: u32 = 8;

/// So many rounds' worth of containers are kept: with those that are asked about in each round, everybody has a turn before
/// the reading is old.
const KEPT_ROUNDS: usize = 5;

/// How slowly the weight follows the use: after this time by two thirds.
const WEIGHT_TIME: Duration = Duration::from_secs(60);

/// Bytes of a container's name that are kept.
const NAME_BYTES: usize = 256;

/// The containers of one VM.
#[derive(Debug)]
pub struct VmUsage {
    /// How many run; none before the first list.
    running: Option<usize>,
    first_listed: Option<Instant>,
    /// By id.
    containers: BTreeMap<String, Sampled>,
    selection: Selection,
    series: Arc<[Series]>,
    /// Containers with graphs.
    top: usize,
    /// Containers asked about in a round.
    sample_max: usize,
    shown_for: Duration,
}

#[derive(Debug)]
struct Sampled {
    name: String,
    label: String,
    /// When it was asked about last.
    asked: Option<Instant>,
    answers: u32,
    reading: Option<Reading>,
    /// Per cent, of the time between the last two readings.
    cpu: Option<f64>,
    /// Both smoothed.
    cpu_weight: f64,
    memory_weight: f64,
}

/// What the graphs of a VM show at one moment.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The same value as before unless others are chosen.
    pub series: Arc<[Series]>,
    /// One for each series; NaN where nothing is known.
    pub values: Vec<f64>,
    /// Labels whose history is given up.
    pub forgotten: Vec<String>,
}

impl VmUsage {
    /// Of a VM whose file has history of the labels `recorded`.
    #[must_use]
    pub fn new(settings: &super::Settings, recorded: impl IntoIterator<Item = String>) -> Self {
        Self {
            running: None,
            first_listed: None,
            containers: BTreeMap::new(),
            selection: Selection::new(settings.top, recorded),
            series: Series::of_vm().into(),
            top: settings.top,
            sample_max: settings.sample_max,
            shown_for: settings.interval * SHOWN_ROUNDS,
        }
    }

    /// Takes over which containers run. No more of them are kept than can be asked about before readings are old: those
    /// that were made first.
    pub fn listed(&mut self, containers: &Containers, now: Instant) {
        self.first_listed.get_or_insert(now);
        self.running = Some(containers.list.len() + containers.beyond_limit);
        let mut kept: Vec<&Container> = containers.list.iter().collect();
        kept.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        kept.truncate(self.sample_max.saturating_mul(KEPT_ROUNDS));

        let mut names: BTreeMap<String, usize> = BTreeMap::new();
        for container in &kept {
            *names.entry(names::label(&container.name)).or_default() += 1;
        }
        let mut before = std::mem::take(&mut self.containers);
        for container in kept {
            let (id, name) = (&container.id, &container.name);
            let label = names::label(name);
            let label = if names[&label] == 1 { label } else { names::label_with_id(name, id) };
            let known = before.remove(id);
            let fresh = || Sampled {
                name: String::new(),
                label: String::new(),
                asked: None,
                answers: 0,
                reading: None,
                cpu: None,
                cpu_weight: 0.0,
                memory_weight: 0.0,
            };
            let name = name[..name.floor_char_boundary(NAME_BYTES)].to_owned();
            self.containers.insert(id.clone(), Sampled { name, label, ..known.unwrap_or_else(fresh) });
        }
    }

    /// Whose turn it is to be asked about: those with a graph, then those that were not for the longest.
    #[must_use]
    pub fn turn(&self) -> Vec<ContainerName> {
        let mut all: Vec<(bool, Option<Instant>, &str)> = self
            .containers
            .iter()
            .map(|(id, sampled)| (!self.selection.has(&sampled.label, id), sampled.asked, id.as_str()))
            .collect();
        all.sort();
        all.iter().take(self.sample_max).filter_map(|(_, _, id)| ContainerName::parse(id)).collect()
    }

    /// Takes over an answer about a container; none if the engine gave none.
    pub fn answered(&mut self, id: &str, stats: Option<Stats>, at: Instant) {
        let Some(sampled) = self.containers.get_mut(id) else { return };
        sampled.asked = Some(at);
        sampled.answers = sampled.answers.saturating_add(1);
        let Some(stats) = stats else {
            (sampled.reading, sampled.cpu) = (None, None);
            return;
        };
        let now = Reading { stats, at };
        let before = sampled.reading.take();
        sampled.cpu = before.as_ref().and_then(|before| cpu_percent(before, &now));
        // The first one counts as if it had always been so.
        let part = before.map_or(1.0, |before| {
            1.0 - (-at.saturating_duration_since(before.at).as_secs_f64() / WEIGHT_TIME.as_secs_f64()).exp()
        });
        sampled.cpu_weight += (sampled.cpu.unwrap_or(sampled.cpu_weight) - sampled.cpu_weight) * part;
        sampled.memory_weight += (now.stats.memory as f64 - sampled.memory_weight) * part;
        sampled.reading = Some(now);
    }

    /// What is shown now. Chooses anew who has a graph.
    pub fn show(&mut self, now: Instant) -> Shown {
        let outcome = self.choose(now);
        if outcome.changed {
            let of_containers =
                self.selection.chosen().flat_map(|chosen| Series::of_container(&chosen.label, &chosen.id));
            self.series = Series::of_vm().into_iter().chain(of_containers).collect();
        }
        let chosen: BTreeSet<&str> = self.selection.chosen().map(|chosen| chosen.id.as_str()).collect();
        let mut values = vec![self.running.map_or(f64::NAN, |running| running as f64)];
        values.extend(self.sum(now, |_| true));
        values.extend(self.sum(now, |id| !chosen.contains(id)));
        for chosen in self.selection.chosen() {
            let sampled = self.containers.get(&chosen.id).filter(|_| !chosen.is_successor);
            let reading = sampled.and_then(|sampled| self.fresh(sampled, now));
            let cpu = reading.and_then(|_| sampled?.cpu);
            values.extend([cpu.unwrap_or(f64::NAN), reading.map_or(f64::NAN, |reading| reading.stats.memory as f64)]);
            if chosen.is_successor {
                tracing::info!(label = %chosen.label, id = %chosen.id.get(..12).unwrap_or_default(), "a graph shows another container");
            }
        }
        Shown { series: Arc::clone(&self.series), values, forgotten: outcome.forgotten }
    }

    /// The containers with readings that are not old: id, name, figures.
    pub fn readings(&self, now: Instant) -> impl Iterator<Item = (&str, &str, &Stats)> {
        self.containers.iter().filter_map(move |(id, sampled)| {
            Some((id.as_str(), sampled.name.as_str(), &self.fresh(sampled, now)?.stats))
        })
    }

    /// How many containers run; none before the first list.
    #[must_use]
    pub fn running(&self) -> Option<usize> {
        self.running
    }

    fn choose(&mut self, now: Instant) -> Outcome {
        if !self.is_settled(now) {
            return Outcome::default();
        }
        let all = self.containers.values();
        let (cpu, memory) =
            all.fold((0.0, 0.0), |(cpu, memory), sampled| (cpu + sampled.cpu_weight, memory + sampled.memory_weight));
        let part = |of: f64, all: f64| if all > 0.0 { of / all } else { 0.0 };
        let candidates: Vec<Candidate<'_>> = self
            .containers
            .iter()
            .map(|(id, sampled)| Candidate {
                id,
                label: &sampled.label,
                weight: part(sampled.cpu_weight, cpu).max(part(sampled.memory_weight, memory)),
            })
            .collect();
        self.selection.update(&candidates, now)
    }

    /// Whether it is known well enough who uses much: everybody was asked about twice, or there was time to.
    fn is_settled(&self, now: Instant) -> bool {
        let had_time = self.first_listed.is_some_and(|first| now.saturating_duration_since(first) > 2 * self.shown_for);
        had_time || self.containers.len() <= self.top || self.containers.values().all(|sampled| sampled.answers >= 2)
    }

    /// CPU and memory of these containers together; NaN if nothing is known of any, or not yet of all.
    fn sum(&self, now: Instant, counts: impl Fn(&str) -> bool) -> [f64; 2] {
        let counted = self.containers.iter().filter(|(id, _)| counts(id)).map(|(_, sampled)| sampled);
        let shown: Vec<(&Sampled, Option<&Reading>)> = counted.map(|one| (one, self.fresh(one, now))).collect();
        if self.running.is_none() || !self.is_settled(now) {
            return [f64::NAN; 2];
        }
        let total = |known: Vec<f64>| if known.is_empty() && !shown.is_empty() { f64::NAN } else { known.iter().sum() };
        let cpu = shown.iter().filter_map(|(one, reading)| reading.and(one.cpu)).collect();
        let memory = shown.iter().filter_map(|(_, reading)| Some(reading.as_ref()?.stats.memory as f64)).collect();
        [total(cpu), total(memory)]
    }

    fn fresh<'a>(&self, sampled: &'a Sampled, now: Instant) -> Option<&'a Reading> {
        sampled.reading.as_ref().filter(|reading| now.saturating_duration_since(reading.at) <= self.shown_for)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Settings;

    const ROUND: Duration = Duration::from_secs(5);

    fn id(number: usize) -> String {
        format!("{number:012x}{:052}", 0)
    }

    /// Containers with these names, the numbers of their ids from 0 on.
    fn list(names: &[&str]) -> Containers {
        let list = names.iter().enumerate().map(|(number, name)| Container {
            id: id(number),
            name: (*name).to_owned(),
            image: String::new(),
            command: String::new(),
            created: 0,
            status: String::new(),
            state: "running".to_owned(),
            ports: Vec::new(),
        });
        Containers { list: list.collect(), beyond_limit: 0, unreadable: 0 }
    }

    fn usage(top: usize, sample_max: usize) -> VmUsage {
        VmUsage::new(&Settings { top, sample_max, ..Settings::default() }, [])
    }

    fn stats(cpu: Duration, memory: u64) -> Option<Stats> {
        Some(Stats { cpu, memory, cpus: Some(4), ..Stats::default() })
    }

    /// Values by the series' names.
    fn values(usage: &mut VmUsage, now: Instant) -> BTreeMap<String, f64> {
        let shown = usage.show(now);
        assert_eq!(shown.series.len(), shown.values.len());
        shown.series.iter().map(|series| series.name.clone()).zip(shown.values).collect()
    }

    #[test]
    fn what_containers_use_is_shown_and_summed_up() {
        let (mut usage, begun) = (usage(1, 10), Instant::now());
        usage.listed(&list(&["web", "db"]), begun);
        for round in 0..3 {
            let at = begun + ROUND * round;
            usage.answered(&id(0), stats(ROUND * round, 100), at);
            usage.answered(&id(1), stats(ROUND * round / 2, 10), at);
        }
        let values = values(&mut usage, begun + ROUND * 2);
        let wanted = [
            ("container_web_cpu", 100.0),
            ("container_web_memory_used", 100.0),
            ("containers_cpu", 150.0),
            ("containers_memory_used", 110.0),
            ("containers_other_cpu", 50.0),
            ("containers_other_memory_used", 10.0),
            ("containers_running", 2.0),
        ];
        assert_eq!(values, wanted.map(|(name, value)| (name.to_owned(), value)).into());
    }

    #[test]
    fn what_is_not_known_is_no_number() {
        let (mut usage, begun) = (usage(1, 10), Instant::now());
        assert!(values(&mut usage, begun).values().all(|value| value.is_nan()));
        usage.listed(&list(&["web"]), begun);
        usage.answered(&id(0), stats(ROUND, 100), begun);
        let first = values(&mut usage, begun);
        assert!(first["container_web_cpu"].is_nan() && first["containers_cpu"].is_nan());
        assert_eq!((first["container_web_memory_used"], first["containers_other_memory_used"]), (100.0, 0.0));
        // Nothing old is shown.
        let later = values(&mut usage, begun + ROUND * 9);
        assert!(later["container_web_memory_used"].is_nan() && later["containers_memory_used"].is_nan());
        usage.listed(&list(&[]), begun);
        let none = values(&mut usage, begun + ROUND * 9);
        assert_eq!((none["containers_running"], none["containers_cpu"], none.len()), (0.0, 0.0, 5));
    }

    #[test]
    fn another_container_of_the_same_name_begins_with_a_gap() {
        let (mut usage, begun) = (usage(3, 10), Instant::now());
        usage.listed(&list(&["web"]), begun);
        usage.answered(&id(0), stats(ROUND, 100), begun);
        let first = usage.show(begun);
        let mut successor = list(&["x", "web"]);
        successor.list.remove(0);
        usage.listed(&successor, begun);
        usage.answered(&id(1), stats(ROUND, 700), begun);
        let second = usage.show(begun);
        assert_eq!(first.series[5].name, second.series[5].name);
        assert_ne!(first.series[5].description, second.series[5].description);
        assert!(second.values[6].is_nan());
        assert_eq!(usage.show(begun).values[6], 700.0);
    }

    #[test]
    fn containers_that_say_they_have_the_same_name_are_told_apart() {
        let (mut usage, now) = (usage(9, 10), Instant::now());
        usage.listed(&list(&["web", "web", "a b"]), now);
        let series = usage.show(now).series;
        let names: BTreeSet<&str> = series.iter().map(|series| series.name.as_str()).collect();
        assert_eq!(names.len(), 5 + 6);
        assert!(!names.contains("container_web_cpu"), "none of them is the real one");
    }

    #[test]
    fn everybody_has_a_turn_and_those_with_graphs_have_one_each_time() {
        let names: Vec<String> = (0..25).map(|number| format!("c{number:02}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (mut usage, mut now) = (usage(2, 10), Instant::now());
        usage.listed(&list(&names), now);
        let mut asked = BTreeMap::new();
        for _ in 0..30 {
            let turn = usage.turn();
            assert_eq!(turn.len(), 10);
            for name in turn {
                *asked.entry(name.to_string()).or_insert(0) += 1;
                usage.answered(name.as_str(), stats(Duration::ZERO, 1), now);
            }
            usage.show(now);
            now += ROUND;
        }
        assert_eq!(asked.len(), 25);
        assert!(asked.values().all(|times| *times >= 9), "{asked:?}");
        assert_eq!(asked.values().filter(|times| **times >= 24).count(), 2);
    }

    #[test]
    fn what_is_kept_and_shown_is_bounded() {
        let names: Vec<String> = (0..5000).map(|number| format!("c{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (mut usage, mut now) = (usage(3, 10), Instant::now());
        usage.listed(&list(&names), now);
        for _ in 0..20 {
            usage.turn().iter().for_each(|name| usage.answered(name.as_str(), stats(Duration::ZERO, 1), now));
            now += ROUND;
        }
        assert_eq!((usage.containers.len(), usage.show(now).values.len()), (50, 5 + 6));
        assert_eq!(usage.running(), Some(5000));
    }
}
