//! The pool's state, kept current through restarts of XAPI, lost sessions and nonsense.
//!
//! Knows when to ask, log in again and start over; must not know what the state is for.
//!
//! One rule makes it simple: after anything went wrong, everything starts over from the empty token, with which
//! XAPI answers with every object at once. (A token may be ahead of XAPI after its database was restored or another
//! host became coordinator, and then yields nothing for long.)

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::backoff::Backoff;
use super::error::Error;
use super::events::{Batch, CLASSES, Event, Put, Seen, State, put};
use super::outage::{Outage, Silence};
use super::records::{HostRef, HostUuid, PoolRef, Raw, Record, VmGuestMetricsRef, VmRef};
use super::session::Session;
use super::value::Value;
use crate::quote::quoted;

/// How long XAPI is asked to wait for events. Calls of a pool member wait inside a connection to the coordinator, so
/// this is also how long a dead one may go unnoticed.
pub const EVENT_WAIT: Duration = Duration::from_secs(30);

/// The least time from one call of `event.from` to the next.
pub const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The least time from one call of `event.from` to the next if it told nothing new before its wait was over.
pub const IDLE_POLL_INTERVAL: Duration = Duration::from_secs(1);

/// How often at most the state is read anew because it has objects that XAPI does not count.
const RECOUNT_INTERVAL: Duration = Duration::from_secs(300);

/// What [`Follower::next`] reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// The state was read as a whole: anything may have changed, and all of it is current.
    Snapshot,
    /// These objects changed, at least one.
    Changed(Vec<Change>),
}

/// An object whose record differs from the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A VM is new or its record changed.
    Vm(VmRef),
    /// A VM is gone.
    VmRemoved(VmRef),
    /// Guest metrics are new or changed.
    GuestMetrics(VmGuestMetricsRef),
    /// Guest metrics are gone.
    GuestMetricsRemoved(VmGuestMetricsRef),
}

/// Follows the pool's state as seen from one host.
pub struct Follower {
    socket: PathBuf,
    host_uuid: HostUuid,
    /// Kept through broken connections; dropped when XAPI does not know it any more.
    session: Option<Session>,
    /// Our host and its pool, looked up at each start-over; also the sign that a start-over got that far.
    place: Option<Place>,
    /// Where the events go on; empty when everything starts over.
    token: String,
    /// What the session's count of losses was when `token` was given.
    losses: u64,
    state: State,
    backoff: Backoff,
    outage: Outage,
    /// Nothing is asked before.
    not_before: Instant,
    recounted: Option<Instant>,
    /// Objects whose unusable records were mentioned.
    unusable: BTreeSet<String>,
}

/// Where a host belongs.
#[derive(Clone, Debug)]
struct Place {
    host: HostRef,
    pool: PoolRef,
    /// Whether the host is the pool's coordinator.
    coordinator: bool,
}

impl Follower {
    /// Follows the pool of the host `host_uuid` through XAPI at `socket`. Asks nothing before [`Follower::next`].
    #[must_use]
    pub fn new(socket: &Path, host_uuid: HostUuid) -> Self {
        Self {
            socket: socket.to_owned(),
            host_uuid,
            session: None,
            place: None,
            token: String::new(),
            losses: 0,
            state: State::default(),
            backoff: Backoff::default(),
            outage: Outage::default(),
            not_before: Instant::now(),
            recounted: None,
            unusable: BTreeSet::new(),
        }
    }

    /// Since when XAPI does not answer; from the beginning on until it does for the first time.
    #[must_use]
    pub fn silence(&self) -> Silence {
        self.outage.silence()
    }

    /// The state as of the last update; empty before the first.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// This host's reference; known whenever [`Follower::next`] has just returned.
    #[must_use]
    pub fn host(&self) -> Option<&HostRef> {
        self.place.as_ref().map(|place| &place.host)
    }

    /// The pool that this host belongs to; known like [`Follower::host`].
    #[must_use]
    pub fn pool(&self) -> Option<&PoolRef> {
        self.place.as_ref().map(|place| &place.pool)
    }

    /// Whether this host is the coordinator of its pool. When another one becomes it, XAPI restarts on both, and
    /// everything starts over.
    #[must_use]
    pub fn is_coordinator(&self) -> bool {
        self.place.as_ref().is_some_and(|place| place.coordinator)
    }

    /// Waits until the state is another. Failures are logged and retried for ever, with growing pauses.
    ///
    /// Dropping the future loses no change: the next call reads the whole state again.
    pub async fn next(&mut self) -> Update {
        loop {
            sleep_until(self.not_before).await;
            match self.step().await {
                Ok(update) => {
                    self.backoff.works();
                    self.outage.over();
                    if let Some(update) = update {
                        return update;
                    }
                }
                Err(error) => self.failed(&error),
            }
        }
    }

    /// Logs out, if logged in; best effort.
    pub async fn close(self) {
        let Some(session) = self.session else { return };
        if let Err(error) = session.logout().await {
            tracing::debug!(%error, "could not log out of XAPI");
        }
    }

    fn failed(&mut self, error: &Error) {
        if error.is_session_invalid() {
            self.session = None;
        }
        self.place = None;
        self.token.clear();
        let pause = self.backoff.failed();
        self.not_before = Instant::now() + pause;
        self.outage.failed(error, pause);
    }

    async fn step(&mut self) -> Result<Option<Update>, Error> {
        let place_known = self.place.is_some();
        let session = match &mut self.session {
            Some(session) => session,
            none => none.insert(Session::login(&self.socket).await?),
        };
        if !place_known {
            let host = own_host(session, &self.socket, &self.host_uuid).await?;
            let pool: PoolRef = session.call("pool.get_all", &[]).await?;
            let master: String = session.call("pool.get_master", &[Value::from(&pool)]).await?;
            self.place = Some(Place { coordinator: master == host.as_str(), host, pool });
        }
        if self.token.is_empty() || session.losses() != self.losses {
            self.token.clear();
            self.losses = session.losses();
        }

        let asked = Instant::now();
        let batch = poll(session, &self.token).await?;
        let events = complete(session, batch.events).await?;
        mention_unusable(&mut self.unusable, &events);
        if session.losses() != self.losses {
            // Records were fetched from another XAPI than the events.
            return Err(Error::Restarted { method: "event.from" });
        }

        let update = if self.token.is_empty() {
            let mut state = State::default();
            apply(&mut state, events);
            self.state = state;
            Some(Update::Snapshot)
        } else {
            let changes = apply(&mut self.state, events);
            (!changes.is_empty()).then_some(Update::Changed(changes))
        };
        self.token = batch.token;
        let interval = if update.is_some() { POLL_INTERVAL } else { IDLE_POLL_INTERVAL };
        self.not_before = asked + interval;

        let surplus = |held: usize, live: Option<i64>| live.is_some_and(|live| held as i64 > live);
        if surplus(self.state.vms.len(), batch.live_vms)
            || surplus(self.state.guest_metrics.len(), batch.live_guest_metrics)
        {
            self.recount();
        }
        Ok(update)
    }

    /// Starts over because a deletion was missed: XAPI remembers only so many of them (xen-api
    /// ocaml/database/db_cache_types.ml).
    fn recount(&mut self) {
        let due = self.recounted.is_none_or(|at| at.elapsed() >= RECOUNT_INTERVAL);
        if due {
            tracing::debug!("XAPI counts fewer objects than are known here; reading all of them again");
            self.recounted = Some(Instant::now());
            self.token.clear();
        }
    }
}

/// Our host, in a new session if XAPI does not know the kept one. XAPI may forget sessions when it restarts (they are
/// `PersistNothing` in xen-api ocaml/idl/datamodel.ml); as it answers again, that is no reason for another pause.
async fn own_host(session: &mut Session, socket: &Path, uuid: &HostUuid) -> Result<HostRef, Error> {
    let (method, params) = ("host.get_by_uuid", [Value::from(uuid.as_str())]);
    match session.call(method, &params).await {
        Err(error) if error.is_session_invalid() => *session = Session::login(socket).await?,
        result => return result,
    }
    session.call(method, &params).await
}

async fn poll(session: &mut Session, token: &str) -> Result<Batch, Error> {
    let classes = Value::Array(CLASSES.map(Value::from).to_vec());
    let params = [classes, Value::from(token), Value::Double(EVENT_WAIT.as_secs_f64())];
    session.call_that_waits("event.from", &params, EVENT_WAIT).await
}

/// Asks for the records that did not come along.
async fn complete(session: &mut Session, mut events: Vec<Event>) -> Result<Vec<Event>, Error> {
    for event in &mut events {
        match event {
            Event::Vm(reference, seen @ Seen::Unknown) => *seen = fetch(session, Value::from(&*reference)).await?,
            Event::GuestMetrics(reference, seen @ Seen::Unknown) => {
                *seen = fetch(session, Value::from(&*reference)).await?;
            }
            Event::Vm(..) | Event::GuestMetrics(..) => {}
        }
    }
    Ok(events)
}

async fn fetch<T: Record + Send>(session: &mut Session, reference: Value) -> Result<Seen<T>, Error> {
    match session.call::<Raw<T>>(T::GET_RECORD, &[reference]).await {
        Ok(raw) => Ok(raw.parse().map_or_else(Seen::Unusable, Seen::Record)),
        Err(error) if error.is_handle_invalid() => Ok(Seen::Gone),
        Err(error) => Err(error),
    }
}

/// One record that makes no sense must not keep all others from being seen.
fn mention_unusable(mentioned: &mut BTreeSet<String>, events: &[Event]) {
    /// More than a pool has objects that could be in such a state.
    const REMEMBERED: usize = 10_000;
    for event in events {
        let (reference, error) = match event {
            Event::Vm(reference, Seen::Unusable(error)) => (reference.as_str(), error),
            Event::GuestMetrics(reference, Seen::Unusable(error)) => (reference.as_str(), error),
            Event::Vm(..) | Event::GuestMetrics(..) => continue,
        };
        if mentioned.len() < REMEMBERED && mentioned.insert(reference.to_owned()) {
            tracing::warn!(reference = %quoted(reference), %error, "an object of XAPI is passed over");
        }
    }
}

fn apply(state: &mut State, events: Vec<Event>) -> Vec<Change> {
    let change = |event| match event {
        Event::Vm(reference, seen) => match put(&mut state.vms, reference.clone(), seen)? {
            Put::Changed => Some(Change::Vm(reference)),
            Put::Removed => Some(Change::VmRemoved(reference)),
        },
        Event::GuestMetrics(reference, seen) => match put(&mut state.guest_metrics, reference.clone(), seen)? {
            Put::Changed => Some(Change::GuestMetrics(reference)),
            Put::Removed => Some(Change::GuestMetricsRemoved(reference)),
        },
    };
    events.into_iter().filter_map(change).collect()
}

#[cfg(test)]
mod tests;
