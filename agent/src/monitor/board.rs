//! What every VM's task is doing and what it saw last, for all to see. Must not know why.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::rows;
use super::watch::Reason;
use crate::engine::Containers;
use crate::lending::standing::{Counts, EngineStanding, List, Row, TroubleStanding, VmStanding, VmState};
use crate::xapi::VmUuid;

/// What a task is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The guest's tools have not reported an address that may be used.
    WaitingForAddress,
    /// Looking for an address that answers, and logging in.
    Connecting,
    /// Logged in; subscribing to events and reading the first list.
    Synchronising,
    /// The view is true.
    Live,
    /// Something failed; waiting before the next try.
    BackingOff,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WaitingForAddress => "waiting for an address",
            Self::Connecting => "connecting",
            Self::Synchronising => "synchronising",
            Self::Live => "live",
            Self::BackingOff => "backing off",
        })
    }
}

/// Bytes of lists that are kept in all; a VM whose list has no room is asked anew by whoever wants it.
const MAX_KEPT: usize = 3 << 20;

/// What is seen of all tasks; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Board(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    tasks: BTreeMap<VmUuid, Task>,
    /// The VMs of this host and their names, and why those that have no task have none.
    vms: BTreeMap<VmUuid, Named>,
    /// Bytes of all lists.
    kept: usize,
}

/// A VM that this host answers for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its name label. Foreign.
    pub name: String,
    /// Why it is not watched, if it is not.
    pub obstacle: Option<Reason>,
}

#[derive(Debug)]
struct Task {
    phase: Phase,
    since: SystemTime,
    engine: Option<EngineStanding>,
    trouble: Option<TroubleStanding>,
    counts: Option<Counts>,
    rows: Option<Vec<Row>>,
    kept: usize,
    events: Rate,
}

impl Board {
    /// A place for the task of `vm`, which it keeps until it ends.
    #[must_use]
    pub fn place(&self, vm: VmUuid) -> Place {
        let phase = Phase::WaitingForAddress;
        let task = Task {
            phase,
            since: SystemTime::now(),
            engine: None,
            trouble: None,
            counts: None,
            rows: None,
            kept: 0,
            events: Rate::default(),
        };
        self.lock().put(vm.clone(), task);
        Place { board: self.clone(), vm, phase }
    }

    /// Shows which VMs there are.
    pub fn name(&self, vms: BTreeMap<VmUuid, Named>) {
        self.lock().vms = vms;
    }

    /// The name label of a VM of this host, foreign; its uuid if there is none.
    #[must_use]
    pub fn name_of(&self, vm: &VmUuid) -> String {
        self.lock().vms.get(vm).map_or_else(|| vm.to_string(), |named| named.name.clone())
    }

    /// How many VMs there are, and how many views are true.
    #[must_use]
    pub fn count(&self) -> Count {
        let seen = self.lock();
        let live = seen.tasks.values().filter(|task| task.phase == Phase::Live).count();
        Count { watched: seen.tasks.len(), live }
    }

    /// How things stand with every VM, by name.
    #[must_use]
    pub fn standing(&self) -> Vec<VmStanding> {
        let seen = self.lock();
        let mut all: Vec<VmStanding> = seen.vms.iter().map(|(uuid, named)| seen.of(uuid, named)).collect();
        all.sort_by(|one, other| (&one.name, &one.uuid).cmp(&(&other.name, &other.uuid)));
        all
    }

    /// The containers that were seen last, of all VMs that are watched or of one.
    #[must_use]
    pub fn lists(&self, vm: Option<&VmUuid>) -> Vec<List> {
        let seen = self.lock();
        let wanted = seen.tasks.iter().filter(|(uuid, _)| vm.is_none_or(|vm| vm == *uuid));
        let list = |(uuid, task): (&VmUuid, &Task)| {
            let name = seen.vms.get(uuid).map(|named| rows::name(&named.name)).unwrap_or_default();
            List { vm: uuid.to_string(), name, rows: task.rows.clone().filter(|_| task.phase == Phase::Live) }
        };
        let mut lists: Vec<List> = wanted.map(list).collect();
        lists.sort_by(|one, other| (&one.name, &one.vm).cmp(&(&other.name, &other.vm)));
        lists
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        // No method panics half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn put(&mut self, vm: VmUuid, task: Task) {
        if let Some(before) = self.tasks.insert(vm, task) {
            self.kept -= before.kept;
        }
    }

    fn of(&self, uuid: &VmUuid, named: &Named) -> VmStanding {
        let task = self.tasks.get(uuid);
        let state = match (task.map(|task| task.phase), &named.obstacle) {
            (Some(Phase::WaitingForAddress), _) => VmState::WaitingForAddress,
            (Some(Phase::Connecting), _) => VmState::Connecting,
            (Some(Phase::Synchronising), _) => VmState::Synchronising,
            (Some(Phase::Live), _) => VmState::Live,
            (Some(Phase::BackingOff), _) => VmState::BackingOff,
            (None, Some(Reason::NotRegistered)) => VmState::NotRegistered,
            (None, Some(reason)) => VmState::NotWatched(reason.to_string()),
            // Its task is about to begin.
            (None, None) => VmState::WaitingForAddress,
        };
        VmStanding {
            uuid: uuid.to_string(),
            name: rows::name(&named.name),
            state,
            since: task.map(|task| seconds_of(task.since)),
            engine: task.and_then(|task| task.engine.clone()),
            containers: task.filter(|task| task.phase == Phase::Live).and_then(|task| task.counts),
            events_per_minute: task.map_or(0, |task| task.events.per_minute(Instant::now())),
            trouble: task.and_then(|task| task.trouble.clone()),
        }
    }
}

/// Seconds since 1970.
pub(super) fn seconds_of(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Where one task shows what it does.
#[derive(Debug)]
pub struct Place {
    board: Board,
    vm: VmUuid,
    phase: Phase,
}

impl Place {
    /// What it does now.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Shows that the task does something else from now on.
    pub fn enter(&mut self, phase: Phase) {
        if phase != self.phase {
            tracing::debug!(before = %self.phase, now = %phase, "phase");
            self.phase = phase;
            self.change(|task| (task.phase, task.since) = (phase, SystemTime::now()));
        }
    }

    /// Shows how the engine is reached, and what it is. Foreign texts.
    pub fn reached(&self, way: &str, identity: &str) {
        let engine = EngineStanding { way: rows::name(way), identity: rows::name(identity) };
        self.change(|task| (task.engine, task.trouble) = (Some(engine), None));
    }

    /// Shows what stands in the way. Foreign texts.
    pub fn failed(&self, reason: &str, remedy: &str) {
        let trouble = TroubleStanding { reason: rows::line(reason), remedy: rows::line(remedy) };
        self.change(|task| task.trouble = Some(trouble));
    }

    /// Shows which containers there are.
    pub fn saw(&self, containers: &Containers) {
        let (counts, rows) = rows::of(containers);
        let bytes = rows.as_deref().map_or(0, rows::bytes);
        let mut seen = self.board.lock();
        let Some(before) = seen.tasks.get(&self.vm).map(|task| task.kept) else { return };
        let others = seen.kept - before;
        let (rows, bytes) = if others + bytes <= MAX_KEPT { (rows, bytes) } else { (None, 0) };
        seen.kept = others + bytes;
        if let Some(task) = seen.tasks.get_mut(&self.vm) {
            (task.counts, task.rows, task.kept) = (Some(counts), rows, bytes);
        }
    }

    /// Counts an event of the engine.
    pub fn heard(&self) {
        self.change(|task| task.events.count(Instant::now()));
    }

    fn change(&self, change: impl FnOnce(&mut Task)) {
        if let Some(task) = self.board.lock().tasks.get_mut(&self.vm) {
            change(task);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut seen = self.board.lock();
        if let Some(task) = seen.tasks.remove(&self.vm) {
            seen.kept -= task.kept;
        }
    }
}

/// Counts in whole minutes.
#[derive(Debug, Default)]
struct Rate {
    begun: Option<Instant>,
    now: u32,
    before: u32,
}

const MINUTE: Duration = Duration::from_secs(60);

impl Rate {
    fn count(&mut self, now: Instant) {
        self.turn(now);
        self.now = self.now.saturating_add(1);
    }

    fn turn(&mut self, now: Instant) {
        let begun = *self.begun.get_or_insert(now);
        let age = now.duration_since(begun);
        if age >= MINUTE {
            self.before = if age < 2 * MINUTE { self.now } else { 0 };
            (self.begun, self.now) = (Some(now), 0);
        }
    }

    /// In the last whole minute; in the first one, so far.
    fn per_minute(&self, now: Instant) -> u32 {
        match self.begun.map(|begun| now.duration_since(begun)) {
            Some(age) if age >= 2 * MINUTE => 0,
            Some(age) if age >= MINUTE => self.now,
            _ => self.before.max(self.now),
        }
    }
}

/// How many VMs are watched, and how many of their views are true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// All.
    pub watched: usize,
    /// Those in [`Phase::Live`].
    pub live: usize,
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "watching {} VMs, the containers of {} are seen", self.watched, self.live)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Container;

    fn uuid(n: u32) -> VmUuid {
        VmUuid::parse(&format!("00000000-0000-0000-0000-{n:012}")).unwrap()
    }

    fn containers(count: usize, image: &str) -> Containers {
        let container = |n: usize| Container {
            id: format!("{n:012x}"),
            name: format!("c{n}"),
            image: image.to_owned(),
            command: String::new(),
            created: 0,
            status: if n == 0 { "Exited (0) 3 days ago" } else { "Up 3 days" }.to_owned(),
            state: String::new(),
            ports: Vec::new(),
        };
        Containers { list: (0..count).map(container).collect(), ..Containers::default() }
    }

    #[test]
    fn a_task_counts_while_it_has_its_place() {
        let board = Board::default();
        let (mut one, other) = (board.place(uuid(1)), board.place(uuid(2)));
        one.enter(Phase::Live);
        assert_eq!(board.count(), Count { watched: 2, live: 1 });
        drop((one, other));
        assert_eq!(board.count(), Count { watched: 0, live: 0 });
    }

    #[test]
    fn containers_are_shown_while_they_are_seen() {
        let board = Board::default();
        board.name(BTreeMap::from([(uuid(1), Named { name: "web\n".into(), obstacle: None })]));
        let mut place = board.place(uuid(1));
        place.enter(Phase::Live);
        place.saw(&containers(3, "x"));
        let rows = board.lists(None)[0].rows.clone().unwrap();
        assert_eq!((rows.len(), rows[0].status.as_str()), (3, "Exited (0)"));
        assert_eq!(board.standing()[0].containers, Some(Counts { up: 2, paused: 0, stopped: 1 }));
        assert_eq!(board.standing()[0].name, "web");
        place.enter(Phase::BackingOff);
        assert_eq!((board.lists(None)[0].rows.clone(), board.standing()[0].containers), (None, None));
    }

    #[test]
    fn lists_have_a_bound_in_all_and_a_place_given_back_makes_room() {
        let board = Board::default();
        let mut places = Vec::new();
        for n in 0..200 {
            let mut place = board.place(uuid(n));
            place.enter(Phase::Live);
            place.saw(&containers(100, &"x".repeat(250)));
            places.push(place);
        }
        let kept = |board: &Board| board.lists(None).iter().filter(|list| list.rows.is_some()).count();
        assert!(board.lock().kept <= MAX_KEPT && (10..200).contains(&kept(&board)), "{}", kept(&board));
        let last = places.pop().unwrap();
        drop(places);
        last.saw(&containers(100, &"x".repeat(250)));
        assert_eq!(kept(&board), 1);
        last.saw(&containers(0, ""));
        assert_eq!(board.lock().kept, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn events_are_counted_by_the_minute() {
        let mut rate = Rate::default();
        (0..5).for_each(|_| rate.count(Instant::now()));
        assert_eq!(rate.per_minute(Instant::now()), 5);
        tokio::time::advance(MINUTE).await;
        rate.count(Instant::now());
        assert_eq!(rate.per_minute(Instant::now()), 5);
        tokio::time::advance(3 * MINUTE).await;
        assert_eq!(rate.per_minute(Instant::now()), 0);
    }
}
