//! What the server, its connections and the test share.
//!
//! Must not know wire formats.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{
    database::{Database, place_of},
    events::Pace,
    faults::{Counters, Faults},
    program::Running,
    schema::Class,
    sessions,
    value::{Failure, Ref, Value},
};

/// A plugin: what `host.call_plugin` answers to a function name and its arguments.
pub type Plugin = Arc<dyn Fn(&str, &[(String, String)]) -> Result<String, Failure> + Send + Sync>;

/// Everything that the simulator knows at one moment.
#[derive(Default)]
pub struct State {
    /// The objects, sessions among them.
    pub database: Database,
    /// What will go wrong.
    pub faults: Faults,
    /// What went over the wire.
    pub counters: Counters,
    /// How many calls of `event.from` have looked, found nothing and wait.
    pub waiting: usize,
    pub(super) plugins: HashMap<String, Plugin>,
    /// Plugins that are programs, by host and name.
    pub(super) programs: HashMap<(String, String), PathBuf>,
    /// The programs that run.
    pub(super) running: Vec<Running>,
    /// Hosts that nothing can be forwarded to.
    pub(super) offline: HashSet<String>,
    /// How many seconds the clocks of hosts are ahead of the real time.
    pub(super) clocks: HashMap<String, i64>,
    /// What was written to VDIs, by reference; zeros follow up to their size.
    pub(super) disks: HashMap<String, Vec<u8>>,
}

impl State {
    /// A field of an object.
    ///
    /// # Errors
    /// `HANDLE_INVALID` without such an object, `INTERNAL_ERROR` without such a field.
    pub fn get(&self, object: &Ref, field: &str) -> Result<Value, Failure> {
        let class = self.class(object)?;
        Ok(self.database.row(class, object.as_str())?.fields[place_of(class, field)?].clone())
    }

    /// The entry `key` of a map field of an object; none also without such an object or field.
    #[must_use]
    pub fn entry(&self, object: &Ref, field: &str, key: &str) -> Option<String> {
        self.get(object, field).ok()?.member(key)?.text().map(str::to_owned)
    }

    /// The open sessions of an originator, oldest first.
    #[must_use]
    pub fn sessions(&self, originator: &str) -> Vec<Ref> {
        sessions::of_originator(&self.database, originator)
    }

    /// How often the method was called, by its dotted name.
    #[must_use]
    pub fn calls(&self, method: &str) -> u64 {
        self.counters.calls(method)
    }

    /// How many plugin programs run.
    #[must_use]
    pub fn plugins_running(&self) -> usize {
        self.running.len()
    }

    /// The pool coordinator.
    pub(super) fn coordinator(&self) -> Ref {
        let pool = self.database.refs("pool").into_iter().next();
        let master = pool.and_then(|pool| self.get(&pool, "master").ok());
        master.and_then(|master| master.text().map(|text| Ref(text.to_owned()))).unwrap_or_else(Ref::null)
    }

    /// Puts a value into a field of an object.
    pub(super) fn set(&mut self, object: &str, field: &str, value: impl Into<Value>) -> Result<(), Failure> {
        let class = self.class(&Ref(object.to_owned()))?;
        self.database.set(class, object, place_of(class, field)?, value.into())
    }

    pub(super) fn class(&self, object: &Ref) -> Result<&'static Class, Failure> {
        let missing = || Failure::handle_invalid("object", object.as_str());
        self.database.class_of(object.as_str()).ok_or_else(missing)
    }
}

/// The state did not become what a test waited for.
#[derive(Debug, thiserror::Error)]
#[error("{what} did not happen within {deadline:?}; calls so far: {calls}")]
pub struct DeadlinePassed {
    what: String,
    deadline: Duration,
    calls: String,
}

/// The state behind its lock, with word of every change.
pub(super) struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
    woken: Condvar,
    /// The pauses of `event.from`.
    pub(super) pace: Pace,
    /// The password of `root` over TCP; without one every password will do.
    pub(super) password: Option<String>,
    /// What a wrong password costs.
    pub(super) login_delay: Duration,
}

impl Shared {
    pub(super) fn new(state: State, pace: Pace, password: Option<String>, login_delay: Duration) -> Self {
        let changed = watch::Sender::new(0);
        Self { state: Mutex::new(state), changed, woken: Condvar::new(), pace, password, login_delay }
    }

    /// Reads the state.
    pub(super) fn look<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.lock())
    }

    /// Changes the state and wakes all who wait for that.
    pub(super) fn change<T>(&self, write: impl FnOnce(&mut State) -> T) -> T {
        let done = write(&mut self.lock());
        self.changed.send_modify(|count| *count += 1);
        self.woken.notify_all();
        done
    }

    /// Tells of every change from now on.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(super) async fn wait_for<T>(
        &self,
        what: &str,
        deadline: Duration,
        mut check: impl FnMut(&State) -> Option<T>,
    ) -> Result<T, DeadlinePassed> {
        let mut changes = self.changes();
        let reached = async {
            loop {
                changes.mark_unchanged();
                if let Some(found) = self.look(&mut check) {
                    return found;
                }
                // Cannot fail: the sender is in `self`.
                let _ = changes.changed().await;
            }
        };
        tokio::time::timeout(deadline, reached).await.map_err(|_| self.passed(what, deadline))
    }

    pub(super) fn block_until<T>(
        &self,
        what: &str,
        deadline: Duration,
        mut check: impl FnMut(&State) -> Option<T>,
    ) -> Result<T, DeadlinePassed> {
        let end = Instant::now() + deadline;
        let mut state = self.lock();
        loop {
            if let Some(found) = check(&state) {
                return Ok(found);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                drop(state);
                return Err(self.passed(what, deadline));
            }
            state = self.woken.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn passed(&self, what: &str, deadline: Duration) -> DeadlinePassed {
        let calls = self.look(|state| format!("{:?}", state.counters.calls));
        DeadlinePassed { what: what.to_owned(), deadline, calls }
    }

    /// A panic of a test's closure must not hide the state from the tests that follow.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
