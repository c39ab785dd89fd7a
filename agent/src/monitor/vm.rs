//! One VM's task: finds a way in, keeps the view in XAPI true while it lasts, and says why when it does not.
//!
//! Knows the order of things and their times; must not know how guests are reached, what engines say or what
//! documents look like. It runs until it is dropped.
//!
//! ```text
//!  ┌─► waiting for an address ─► connecting ─► synchronising ─► live ─┐
//!  └───────────── backing off, with the reason ◄──────────────────────┘
//! ```

use std::convert::Infallible;
use std::mem;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use super::account::Account;
use super::agenda::{Agenda, Step};
use super::board::{Board, Phase, Place};
use super::endings;
use super::notices::{Notices, Topic};
use super::publish::{Kind, Publisher};
use super::settings::{self, Settings as Rules};
use crate::access::{Mode, PoolKey, Settings};
use crate::engine::{Engine, Events};
use crate::guest::Connection;
use crate::lending::{Desk, Lent};
use crate::reach::{self, Situation, Trouble};
use crate::view::{self, LeftOut, Room};
use crate::xapi::backoff::{self, Backoff};
use crate::xapi::{self, Client, VmRef, VmUuid};

/// The times of a VM's task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// A view that nobody could confirm for so long is taken away. A connection counts as lost after 10 s without an
    /// answer, so no view is ever more than 20 s older than the truth.
    pub wiped_after: Duration,
    /// After so long without a view, a message says why.
    pub told_after: Duration,
    /// How long an engine may take to answer a ping: with [`super::agenda::Times::ping_after`] 10 s without an answer.
    pub ping_limit: Duration,
    /// The longest pause between two attempts to connect.
    pub longest_pause: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            wiped_after: Duration::from_secs(10),
            told_after: Duration::from_secs(120),
            ping_limit: Duration::from_secs(5),
            longest_pause: backoff::LONGEST_PAUSE,
        }
    }
}

/// How long XAPI may take for one of our writes before a fresher view is made.
const WRITE_LIMIT: Duration = Duration::from_secs(15);

/// The pause after XAPI did not do what was asked.
const XAPI_PAUSE: Duration = Duration::from_secs(5);

/// The least time from one attempt to the next, whatever a guest claims to have changed.
const ATTEMPT_INTERVAL: Duration = Duration::from_secs(1);

/// What all tasks share.
#[derive(Clone, Debug)]
pub struct Shared {
    /// For calls of XAPI.
    pub client: Client,
    /// The key that guests trust.
    pub pool_key: PoolKey,
    /// Where tasks show what they do.
    pub board: Board,
    /// Where tasks lend their connections.
    pub desk: Desk,
    /// What they go by.
    pub settings: watch::Receiver<Rules>,
}

impl Shared {
    /// What holds now.
    fn rules(&self) -> Rules {
        *self.settings.borrow()
    }
}

/// Why the containers are not seen any longer.
enum End {
    Trouble(Trouble),
    /// The VM is to be reached otherwise from now on.
    Elsewhere,
}

impl From<Trouble> for End {
    fn from(trouble: Trouble) -> Self {
        End::Trouble(trouble)
    }
}

/// The pause after an internal error in a VM's task.
const AFTER_PANIC: Duration = Duration::from_secs(5);

/// Keeps the view of one VM true, for ever. Whatever a guest may bring about in here costs its own view only: after a panic
/// everything starts over for this VM.
pub async fn watch_vm(shared: Shared, vm: VmRef, uuid: VmUuid, situation: watch::Receiver<Situation>) -> Infallible {
    loop {
        let work = follow_vm(shared.clone(), vm.clone(), uuid.clone(), situation.clone());
        let task = AbortOnDropHandle::new(tokio::spawn(work.in_current_span()));
        // Nobody aborts it but the drop of this future, so what ends it is a panic, which was logged.
        let Err(_) = task.await;
        sleep(AFTER_PANIC).await;
    }
}

async fn follow_vm(shared: Shared, vm: VmRef, uuid: VmUuid, situation: watch::Receiver<Situation>) -> Infallible {
    let (now, times) = (Instant::now(), shared.rules().vm);
    let mut task = Task {
        publisher: Publisher::new(shared.client.clone(), vm.clone()),
        notices: Notices::new(shared.client.clone(), uuid.clone()),
        place: shared.board.place(uuid.clone()),
        shared,
        vm,
        uuid,
        situation,
        wipe_at: Some(now + times.wiped_after),
        tell_at: Some(now + times.told_after),
        reason: None,
        account: Account::default(),
    };
    let mut backoff = Backoff::default();
    loop {
        let begun = Instant::now();
        let pause = match task.attempt(&mut backoff).await {
            Ok(never) => match never {},
            Err(End::Elsewhere) => Duration::ZERO,
            Err(End::Trouble(trouble)) => {
                let pause = backoff.failed_up_to(task.shared.rules().vm.longest_pause);
                let family = task.situation.borrow().family;
                task.account.failed(&trouble, family, pause);
                task.place.failed(&trouble.to_string(), &trouble.remedy(family));
                task.reason = Some(trouble);
                pause
            }
        };
        task.unconfirmed();
        task.place.enter(Phase::BackingOff);
        task.pause(begun + ATTEMPT_INTERVAL, Instant::now() + pause).await;
    }
}

struct Task {
    shared: Shared,
    vm: VmRef,
    uuid: VmUuid,
    situation: watch::Receiver<Situation>,
    place: Place,
    publisher: Publisher,
    notices: Notices,
    /// When the view is taken away unless it is confirmed; none while it is, or when it is gone.
    wipe_at: Option<Instant>,
    /// When a message tells that there is no view; none while there is one, or when it was told.
    tell_at: Option<Instant>,
    /// Why the last attempt failed.
    reason: Option<Trouble>,
    account: Account,
}

impl Task {
    /// Connects, and lives until that ends.
    async fn attempt(&mut self, backoff: &mut Backoff) -> Result<Infallible, End> {
        let rules = self.shared.rules().reach;
        let situation = self.situation.borrow_and_update().clone();
        let settings = situation.settings.clone().map_err(Trouble::Setting)?;
        if situation.candidates.usable.is_empty() {
            self.place.enter(Phase::WaitingForAddress);
            return Err(Trouble::NoAddress(situation.candidates).into());
        }

        self.place.enter(Phase::Connecting);
        // On the heap while they last: most tasks of a large pool may be waiting.
        let connecting = connect(self.shared.clone(), situation.clone(), settings.clone());
        let connection = self
            .meanwhile(|now| now.leads_elsewhere(&situation), Box::pin(rules.in_time(connecting)))
            .await
            .ok_or(End::Elsewhere)??;
        Box::pin(reach::remember_host_key(&self.shared.client, &self.vm, &settings, &connection)).await?;

        self.place.enter(Phase::Synchronising);
        let connection = Arc::new(connection);
        let opening = Box::pin(rules.in_time(open(&connection, &rules)));
        let moved = |now: &Situation| has_moved(now, &settings, &connection);
        let (engine, events) = self.meanwhile(moved, opening).await.ok_or(End::Elsewhere)??;
        backoff.works();
        Box::pin(self.live(&settings, &connection, engine, events)).await
    }

    async fn live(
        &mut self,
        settings: &Settings,
        connection: &Arc<Connection>,
        mut engine: Engine,
        mut events: Events,
    ) -> Result<Infallible, End> {
        let mut rules = self.shared.settings.clone();
        let mut agenda = Agenda::new(self.shared.rules().agenda);
        let (asks, mut asked) = mpsc::channel(1);
        let lent = Lent::new(connection, engine.identity(), asks);
        let _offer = self.shared.desk.offer(self.uuid.clone(), lent.clone());
        // Who waits for the next look.
        let mut waiting: Vec<oneshot::Sender<()>> = Vec::new();
        // When the certificates are looked at again.
        let mut endings_at = Instant::now();
        // Up to when what we wrote was compared with what XAPI tells. That time may pass while something else is done here.
        let mut compared = None;
        loop {
            let (step, at) = agenda.next();
            let settles_at = self.publisher.settles_at().filter(|at| compared != Some(*at));
            tokio::select! {
                lost = connection.closed() => return Err(Trouble::Guest(lost).into()),
                event = events.next(), if agenda.reads_events() => {
                    let event = event.map_err(Trouble::Engine)?;
                    self.place.heard();
                    agenda.event(event.changes_containers(), event.changes_info());
                }
                () = news(&mut self.situation) => {
                    if has_moved(&self.situation.borrow(), settings, connection) {
                        return Err(End::Elsewhere);
                    }
                    self.heal(&mut agenda);
                }
                () = settings::changed(&mut rules) => {
                    agenda.go_by(rules.borrow_and_update().agenda);
                    endings_at = Instant::now();
                }
                () = at_or_never(settles_at) => {
                    compared = settles_at;
                    self.heal(&mut agenda);
                }
                () = sleep_until(endings_at), if !self.is_first_look() => {
                    let Rules { endings, messages, .. } = self.shared.rules();
                    let expiries = if messages { connection.expiries() } else { Vec::new() };
                    let told = endings::tell(&mut self.notices, &expiries, endings, SystemTime::now()).await;
                    endings_at += if told.is_ok() { endings::INTERVAL } else { endings::RETRY };
                    log_unless_done(told);
                }
                Some(who) = asked.recv() => {
                    waiting.push(who);
                    agenda.is_asked_for();
                }
                () = sleep_until(at) => {
                    agenda.begin(step);
                    match step {
                        Step::Ping => self.ping(&mut engine).await?,
                        Step::Refresh { info } => {
                            let who = mem::take(&mut waiting);
                            let published = self.refresh(&mut engine, info).await?;
                            lent.looked();
                            if published {
                                if self.is_first_look() {
                                    self.seen(settings, connection, &engine).await;
                                }
                                for who in who {
                                    // Whoever has given up is not told.
                                    let _ = who.send(());
                                }
                            } else {
                                agenda.postpone(XAPI_PAUSE);
                            }
                        }
                    }
                    agenda.answered();
                }
            }
        }
    }

    async fn ping(&self, engine: &mut Engine) -> Result<(), Trouble> {
        let limit = self.shared.rules().vm.ping_limit;
        let slow = |_| Trouble::Slow { what: "a sign of life of the engine", limit };
        timeout(limit, engine.ping()).await.map_err(slow)?.map_err(Trouble::Engine)
    }

    /// Makes sure that there is a message about `topic`, or none if there are to be no messages.
    async fn raise(&mut self, topic: Topic, body: &str) -> Result<(), xapi::Error> {
        match self.shared.rules().messages {
            true => self.notices.raise(topic, body).await,
            false => self.notices.withdraw(topic).await,
        }
    }

    /// Makes XAPI show what the engine has now; false if XAPI does not let us.
    async fn refresh(&mut self, engine: &mut Engine, info: bool) -> Result<bool, Trouble> {
        let (documents, left_out) = self.look(engine, info).await?;
        let told = self.situation.borrow().views;
        let written = timeout(WRITE_LIMIT, self.publisher.publish(told, &documents)).await;
        match &written {
            Ok(Ok(wrote)) => tracing::debug!(wrote, "looked at the containers"),
            Ok(Err(error)) => tracing::debug!(%error, "cannot write the view"),
            Err(_) => tracing::debug!(limit_s = WRITE_LIMIT.as_secs(), "writing the view takes too long"),
        }
        log_unless_done(match left_out.is_nothing() {
            true => self.notices.withdraw(Topic::LeftOut).await,
            false => self.raise(Topic::LeftOut, &left_out.to_string()).await,
        });
        log_unless_done(self.notices.withdraw(Topic::Unreachable).await);
        Ok(matches!(written, Ok(Ok(_))))
    }

    /// The documents as the engine has them now.
    async fn look(&self, engine: &mut Engine, info: bool) -> Result<(Vec<(Kind, String)>, LeftOut), Trouble> {
        let room = Room::beside_within(self.situation.borrow().other_config_bytes, self.shared.rules().view);
        let containers = engine.containers().await?;
        self.place.saw(&containers);
        let ps = view::ps(&containers, room);
        let mut documents = vec![(Kind::Ps, ps.document)];
        if info {
            documents.push((Kind::Info, view::info(&engine.info(view::INFO_FIELDS).await?)));
            documents.push((Kind::Version, view::version(&engine.version(view::VERSION_FIELDS).await?)));
        }
        Ok((documents, ps.left_out))
    }

    fn is_first_look(&self) -> bool {
        self.place.phase() != Phase::Live
    }

    /// Notes that the view is true from now on.
    async fn seen(&mut self, settings: &Settings, connection: &Connection, engine: &Engine) {
        (self.wipe_at, self.tell_at, self.reason) = (None, None, None);
        self.place.enter(Phase::Live);
        let (way, identity) = (connection.way().to_string(), engine.identity().to_string());
        self.place.reached(&way, &identity);
        self.account.works(&way, &identity);
        let lax = settings.mode == Mode::Tls && settings.verify.is_none();
        log_unless_done(match lax {
            true => self.raise(Topic::LaxCertificate, LAX_CERTIFICATE).await,
            false => self.notices.withdraw(Topic::LaxCertificate).await,
        });
    }

    /// Notes that nobody vouches for the view from now on.
    fn unconfirmed(&mut self) {
        if self.place.phase() == Phase::Live {
            let (now, times) = (Instant::now(), self.shared.rules().vm);
            (self.wipe_at, self.tell_at) = (Some(now + times.wiped_after), Some(now + times.told_after));
        }
    }

    /// Lets what somebody else changed be written again.
    fn heal(&self, agenda: &mut Agenda) {
        if self.publisher.is_overwritten(self.situation.borrow().views) {
            tracing::debug!("the view was changed by somebody else; writing it again");
            agenda.everything_is_due();
        }
    }

    /// Waits until `latest`, or only until `earliest` if the VM is to be reached otherwise by then.
    async fn pause(&mut self, earliest: Instant, latest: Instant) {
        let begun = self.situation.borrow_and_update().clone();
        let moved = |now: &Situation| now.leads_elsewhere(&begun);
        if self.meanwhile(moved, sleep_until(latest.max(earliest))).await.is_none() {
            tokio::select! {
                () = sleep_until(earliest) => {}
                never = self.see_to_view() => match never {},
            }
        }
    }

    /// Does `work`, and what is due for a view that nobody confirms; `None` if the VM has `moved` before the work is
    /// done.
    async fn meanwhile<T>(&mut self, moved: impl Fn(&Situation) -> bool, work: impl Future<Output = T>) -> Option<T> {
        let mut situation = self.situation.clone();
        let work = pin!(work);
        tokio::select! {
            biased;
            done = work => Some(done),
            never = self.see_to_view() => match never {},
            () = until(&mut situation, moved) => None,
        }
    }

    /// Wipes and tells in time.
    async fn see_to_view(&mut self) -> Infallible {
        loop {
            at_or_never([self.wipe_at, self.tell_at].into_iter().flatten().min()).await;
            let now = Instant::now();
            if self.wipe_at.is_some_and(|at| at <= now) {
                // For the case that it does not work, or is broken off.
                self.wipe_at = Some(now + XAPI_PAUSE);
                let told = self.situation.borrow().views;
                // On the heap while it lasts, as it is rare and every task has room for it otherwise.
                match timeout(WRITE_LIMIT, Box::pin(self.publisher.wipe(told))).await {
                    Ok(Ok(wiped)) => {
                        self.wipe_at = None;
                        if wiped {
                            tracing::info!("view taken away: nobody can confirm it");
                        }
                    }
                    Ok(Err(error)) => tracing::debug!(%error, "cannot take the view away"),
                    Err(_) => tracing::debug!(limit_s = WRITE_LIMIT.as_secs(), "taking the view away takes too long"),
                }
            }
            if self.tell_at.is_some_and(|at| at <= now) {
                self.tell_at = Some(now + XAPI_PAUSE);
                // None while the first attempt is on its way.
                let Some(reason) = &self.reason else { continue };
                let body = format!("{reason}. {}", reason.remedy(self.situation.borrow().family));
                match timeout(WRITE_LIMIT, Box::pin(self.raise(Topic::Unreachable, &body))).await {
                    Ok(Ok(())) => self.tell_at = None,
                    Ok(Err(error)) => tracing::debug!(%error, "cannot tell why there is no view"),
                    Err(_) => {}
                }
            }
        }
    }
}

const LAX_CERTIFICATE: &str = "The engine's certificate is accepted for any address, because this VM was prepared by an \
    older version. Set the key xscontainer-tls-verify in the VM's other_config to \"name\" if the certificate names the \
    VM's address, or to \"chain\" if its certificate authority serves this VM alone.";

async fn connect(shared: Shared, situation: Situation, settings: Settings) -> Result<Connection, Trouble> {
    reach::connect(&shared.client, &shared.pool_key, &situation.candidates, &settings, &shared.rules().reach).await
}

async fn open(connection: &Connection, rules: &reach::Rules) -> Result<(Engine, Events), Trouble> {
    let engine = reach::engine(connection, rules).await?;
    // Subscribed before the first list is read: what changes in between is told.
    let events = Engine::events(connection.open().await?, engine.api_version(), rules.engine).await?;
    Ok((engine, events))
}

fn log_unless_done(result: Result<(), xapi::Error>) {
    if let Err(error) = result {
        tracing::debug!(%error, "cannot change a message on the VM");
    }
}

/// Waits for news of the VM. Without a sender the task is about to be dropped, and there will be none.
async fn news(situation: &mut watch::Receiver<Situation>) {
    if situation.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn until(situation: &mut watch::Receiver<Situation>, reached: impl Fn(&Situation) -> bool) {
    while !reached(&situation.borrow_and_update()) {
        news(situation).await;
    }
}

/// Whether a connection made with `settings` does not lead to where the VM is to be reached now. A host key that it
/// showed itself is no news.
fn has_moved(now: &Situation, settings: &Settings, connection: &Connection) -> bool {
    let same_way = now.settings.as_ref().is_ok_and(|now| {
        let key_fits = now.host_key.as_ref().is_none_or(|key| connection.host_key() == Some(key));
        key_fits && Settings { host_key: settings.host_key.clone(), ..now.clone() } == *settings
    });
    !same_way || !now.candidates.usable.contains(&connection.address())
}

async fn at_or_never(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// There is one of it for each VM of a large pool, most of which wait.
    #[test]
    fn a_vms_task_is_small() {
        let shared = Shared {
            client: Client::new("/nowhere".as_ref()),
            pool_key: PoolKey::new(Client::new("/nowhere".as_ref())),
            board: Board::default(),
            desk: Desk::default(),
            settings: watch::channel(Rules::default()).1,
        };
        let vm = VmRef::new("OpaqueRef:x").unwrap();
        let uuid = VmUuid::parse("00000000-0000-0000-0000-000000000001").unwrap();
        let situation = Situation {
            settings: Settings::read(&std::collections::BTreeMap::new()),
            candidates: crate::guest::Candidates::default(),
            family: crate::guest::Family::default(),
            views: xapi::Views::default(),
            other_config_bytes: 0,
        };
        let work = follow_vm(shared, vm, uuid, watch::channel(situation).1);
        assert!(std::mem::size_of_val(&work) <= 3072, "{} bytes", std::mem::size_of_val(&work));
    }
}
