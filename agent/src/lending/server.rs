//! The monitor's end: takes questions from root's programs on this host, and puts them to engines or answers them.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OnceCell, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::ask::{Answer, Ask};
use super::desk::{Desk, Lent};
use super::standing::{List, Standing};
use super::wire::{self, LevelChange, LevelNow, MAX_QUESTION, Question, Reply, Request};
use crate::VERSION;
use crate::xapi::VmUuid;

/// Questions that are worked on at a time; whoever comes then does it by himself.
pub const IN_FLIGHT: usize = 64;

/// Connections at a time, those of whoever is told so among them. More wait.
const CONNECTIONS: usize = 4 * IN_FLIGHT;

/// Questions after documents that are worked on at a time: a hostile engine's may be large, and this process is kept
/// small. More wait, up to [`TURN_LIMIT`]. Of one VM fewer, so that a slow one does not take all.
const DOCUMENTS: usize = 16;

/// Answers about all VMs that are made and sent at a time: each may have some MiB.
const TELLINGS: usize = 2;

/// How long a question after a document may wait for its turn.
const TURN_LIMIT: Duration = Duration::from_secs(2);

/// How long a question may take to come, and an answer to be taken.
const EXCHANGE_LIMIT: Duration = Duration::from_secs(10);

/// How long the view may take to show what was done. Then the answer is given all the same: the view follows.
const LOOK_LIMIT: Duration = Duration::from_secs(5);

/// The pause when the system gives no more connections.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the monitor says of itself.
pub trait Tells: fmt::Debug + Send + Sync {
    /// How things stand.
    fn standing(&self) -> Standing;

    /// The containers that were seen last, of all VMs or of one.
    fn lists(&self, vm: Option<&VmUuid>) -> Vec<List>;

    /// The log's level, changed first if asked for.
    ///
    /// # Errors
    /// What is wrong with the change.
    fn log_level(&self, change: Option<LevelChange>) -> Result<LevelNow, String>;
}

/// The socket, bound. The file goes away when this is dropped.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
    counter: Counter,
}

/// Where questions are taken; clones share the places.
#[derive(Clone, Debug)]
struct Counter {
    desk: Desk,
    tells: Arc<dyn Tells>,
    places: Arc<Semaphore>,
    documents: Arc<Semaphore>,
    tellings: Arc<Semaphore>,
    /// Documents that are being asked for: whoever wants the same one meanwhile gets it too.
    asked_for: Arc<Mutex<Documents>>,
}

/// Documents by VM and question.
type Documents = BTreeMap<(String, Ask), Arc<Document>>;

/// A reply with a document, once it is there, in the form in which it is written.
type Document = OnceCell<Vec<u8>>;

impl Server {
    /// Binds the socket for root alone, in place of one that an earlier monitor left. Its folder must exist.
    ///
    /// # Errors
    /// Those of the system.
    pub fn bind(path: &Path, desk: Desk, tells: Arc<dyn Tells>) -> io::Result<Self> {
        // One that lives would lose its callers for good.
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another monitor listens there"));
        }
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        let (places, documents) = (Arc::new(Semaphore::new(IN_FLIGHT)), Arc::new(Semaphore::new(DOCUMENTS)));
        let counter = Counter {
            desk,
            tells,
            places,
            documents,
            tellings: Arc::new(Semaphore::new(TELLINGS)),
            asked_for: Arc::default(),
        };
        Ok(Self { listener, path: path.to_owned(), counter })
    }

    /// Answers for ever. Dropping the future ends it, with everything that is in flight.
    pub async fn run(&self) -> Infallible {
        let mut exchanges = JoinSet::new();
        loop {
            while exchanges.try_join_next().is_some() {}
            if exchanges.len() >= CONNECTIONS {
                exchanges.join_next().await;
            }
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let counter = self.counter.clone();
                    exchanges.spawn(async move {
                        if let Err(error) = counter.exchange(stream).await {
                            tracing::debug!(%error, "a question was not answered");
                        }
                    });
                }
                Err(error) => {
                    tracing::debug!(%error, "cannot accept a question");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Counter {
    async fn exchange(&self, mut stream: UnixStream) -> io::Result<()> {
        // The file's mode lets nobody else in; this is for a folder that somebody opened up.
        if stream.peer_cred()?.uid() != rustix::process::geteuid().as_raw() {
            return Ok(());
        }
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        let question: serde_json::Value =
            timeout(EXCHANGE_LIMIT, wire::read(&mut stream, MAX_QUESTION)).await.map_err(late)??;
        // Of another version, the rest may mean anything.
        if question["version"] != VERSION {
            return tell(&mut stream, &Reply::NotLent(format!("the monitor is of version {VERSION}"))).await;
        }
        let question: Question = serde_json::from_value(question)?;
        match question.request {
            Request::Engine { vm, ask } => self.ask(&mut stream, vm, ask).await,
            Request::Standing | Request::Lists { .. } => {
                // Long answers are not made for many at a time.
                let _turn = self.tellings.acquire().await;
                let reply = self.told(&question.request);
                tell(&mut stream, &reply).await
            }
            Request::LogLevel(change) => {
                let reply = self.tells.log_level(change).map_or_else(Reply::NotLent, Reply::LogLevel);
                tell(&mut stream, &reply).await
            }
        }
    }

    /// What the monitor knows by itself.
    fn told(&self, request: &Request) -> Reply {
        match request {
            Request::Lists { vm: None } => Reply::Lists(self.tells.lists(None)),
            Request::Lists { vm: Some(vm) } => {
                Reply::Lists(VmUuid::parse(vm).map(|vm| self.tells.lists(Some(&vm))).unwrap_or_default())
            }
            _ => Reply::Standing(self.tells.standing()),
        }
    }

    /// Puts a question to the engine of a VM.
    async fn ask(&self, stream: &mut UnixStream, vm: String, ask: Ask) -> io::Result<()> {
        let Some(lent) = VmUuid::parse(&vm).and_then(|vm| self.desk.borrow(&vm)) else {
            return tell(stream, &Reply::NotLent("the monitor has no connection to the VM".to_owned())).await;
        };
        if let Ask::Act(..) = ask {
            let reply = self.reply(&ask, &lent).await;
            return tell(stream, &reply).await;
        }
        // Both kept until the document is on its way.
        let mut turn = None;
        let asking = async {
            turn = timeout(TURN_LIMIT, async { (lent.turn().await, self.documents.acquire().await) }).await.ok();
            wire::encoded(&if turn.is_some() { self.reply(&ask, &lent).await } else { busy() })
        };
        let key = (vm, ask.clone());
        let document = Arc::clone(self.asked_for().entry(key.clone()).or_default());
        let reply = document.get_or_try_init(|| asking).await;
        self.is_answered(&key, &document);
        send(stream, reply?).await
    }

    async fn reply(&self, ask: &Ask, lent: &Lent) -> Reply {
        let Ok(_place) = self.places.try_acquire() else {
            return busy();
        };
        let mut engine = match lent.engine().await {
            Ok(engine) => engine,
            Err(cause) => return Reply::NotLent(cause.to_string()),
        };
        let answer = ask.put_to(&mut engine).await;
        if matches!((ask, &answer), (Ask::Act(..), Answer::Done)) {
            let seen = timeout(LOOK_LIMIT, lent.look_again()).await;
            tracing::debug!(seen = matches!(seen, Ok(true)), "the view was made anew for somebody who waits");
        }
        Reply::Asked(answer)
    }

    /// Whoever asks from now on wants to know how it is then.
    fn is_answered(&self, key: &(String, Ask), document: &Arc<Document>) {
        let mut asked_for = self.asked_for();
        if asked_for.get(key).is_some_and(|now| Arc::ptr_eq(now, document)) {
            asked_for.remove(key);
        }
    }

    fn asked_for(&self) -> MutexGuard<'_, Documents> {
        // No method panics half-way.
        self.asked_for.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn tell(stream: &mut UnixStream, reply: &Reply) -> io::Result<()> {
    send(stream, &wire::encoded(reply)?).await
}

async fn send(stream: &mut UnixStream, message: &[u8]) -> io::Result<()> {
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    timeout(EXCHANGE_LIMIT, stream.write_all(message)).await.map_err(late)?
}

fn busy() -> Reply {
    Reply::NotLent("the monitor is busy with others".to_owned())
}
