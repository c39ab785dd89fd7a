//! What every VM's task is doing, for all to see. Must not know why.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

/// The phases of all tasks; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Board(Arc<Mutex<BTreeMap<VmUuid, Phase>>>);

impl Board {
    /// A place for the task of `vm`, which it keeps until it ends.
    #[must_use]
    pub fn place(&self, vm: VmUuid) -> Place {
        self.lock().insert(vm.clone(), Phase::WaitingForAddress);
        Place { board: self.clone(), vm, phase: Phase::WaitingForAddress }
    }

    /// How many VMs there are, and how many views are true.
    #[must_use]
    pub fn count(&self) -> Count {
        let phases = self.lock();
        let live = phases.values().filter(|phase| **phase == Phase::Live).count();
        Count { watched: phases.len(), live }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<VmUuid, Phase>> {
        // No method panics half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
            self.board.lock().insert(self.vm.clone(), phase);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.board.lock().remove(&self.vm);
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

    #[test]
    fn a_task_counts_while_it_has_its_place() {
        let board = Board::default();
        let uuid = |n| VmUuid::parse(&format!("00000000-0000-0000-0000-{n:012}")).unwrap();
        let (mut one, other) = (board.place(uuid(1)), board.place(uuid(2)));
        one.enter(Phase::Live);
        assert_eq!(board.count(), Count { watched: 2, live: 1 });
        drop((one, other));
        assert_eq!(board.count(), Count { watched: 0, live: 0 });
    }
}
