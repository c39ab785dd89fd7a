//! SSH into a guest, by the pool's key, to the socket of its engine.
//!
//! Knows SSH servers old and new; must not know what is said over the streams.

mod algorithms;
mod helper;
pub mod keys;
mod socket;
pub mod visit;

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client::Handle;
use tokio::sync::watch;
use tokio::time::timeout;

pub use algorithms::allow_sha1;
pub use keys::{HostKey, OwnKey, PrivateKey, UserName};
pub use visit::{Offer, Progress, Questions, Said, Visit};

use super::unreachable::Unreachable;
use super::{BoxedStream, Way};
use crate::quote::quoted;
use helper::Door;
use socket::Hangup;
use visit::Guard;

/// Where SSH servers listen.
pub const PORT: u16 = 22;

/// How long the server may take to open a stream.
const OPEN_LIMIT: Duration = Duration::from_secs(10);

/// Bytes on their way in one stream; more is left in the guest.
const WINDOW_BYTES: u32 = 256 * 1024;

/// Who to be in the guest, and how the guest is known.
#[derive(Clone, Debug)]
pub struct Login {
    /// The account.
    pub user: UserName,
    /// The key that it accepts.
    pub key: Arc<PrivateKey>,
    /// The server's key, if it was seen before.
    pub known: Option<HostKey>,
}

/// A login. Dropping it closes the connection.
pub struct Connection {
    handle: Handle<Guard>,
    address: IpAddr,
    user: UserName,
    host_key: HostKey,
    /// What streams went through last.
    door: Mutex<Option<Door>>,
    ended: watch::Receiver<Option<String>>,
    _socket: Hangup,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("address", &self.address).field("user", &self.user).finish_non_exhaustive()
    }
}

impl Connection {
    /// Logs in at the first of `candidates` that answers.
    ///
    /// # Errors
    /// [`Unreachable`]
    pub async fn open(candidates: &[IpAddr], login: &Login) -> Result<Self, Unreachable> {
        let mut visit = Visit::open(candidates, login.known.as_ref()).await?;
        match visit.log_in(&login.user, &login.key).await? {
            Progress::In => Ok(Self::logged_in(visit, login.user.clone())),
            Progress::Refused(_) | Progress::Further(_) => {
                Err(Unreachable::LoginRefused { address: visit.address, user: login.user.as_str().to_owned() })
            }
        }
    }

    fn logged_in(visit: Visit, user: UserName) -> Self {
        let Visit { handle, address, host_key, ended, socket } = visit;
        Self { handle, address, user, host_key, door: Mutex::new(None), ended, _socket: socket }
    }

    /// Where the server was found.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The key that the server showed.
    #[must_use]
    pub fn host_key(&self) -> &HostKey {
        &self.host_key
    }

    /// How streams are opened at present.
    #[must_use]
    pub fn way(&self) -> Way {
        self.door().map_or(Way("SSH"), Door::way)
    }

    /// A new stream to the engine's socket: through the door of the last one, else through the first that opens.
    ///
    /// # Errors
    /// [`Unreachable`]
    pub async fn stream(&self) -> Result<BoxedStream, Unreachable> {
        let address = self.address;
        timeout(OPEN_LIMIT, self.find_door()).await.unwrap_or(Err(Unreachable::Slow {
            address,
            step: "opening a stream to the engine",
            limit: OPEN_LIMIT,
        }))
    }

    async fn find_door(&self) -> Result<BoxedStream, Unreachable> {
        if let Some(stream) = match self.door() {
            Some(door) => self.through(door).await?,
            None => None,
        } {
            return Ok(stream);
        }
        for door in helper::FORWARDED {
            if let Some(stream) = self.through(door).await? {
                return Ok(stream);
            }
        }
        // The same refusal means no such socket, no right to it, or no forwarding at all.
        let survey = helper::survey(&self.handle).await.map_err(|error| lost(self.address, &error))?;
        let door = survey.door(self.address, &self.user)?;
        match self.through(door).await? {
            Some(stream) => Ok(stream),
            None => Err(Unreachable::NoForwarding { address: self.address }),
        }
    }

    /// A stream through a door; `None` if it is closed.
    async fn through(&self, door: Door) -> Result<Option<BoxedStream>, Unreachable> {
        let stream = door.open(&self.handle).await.map_err(|error| lost(self.address, &error))?;
        let opened = stream.is_some().then_some(door);
        *self.door.lock().unwrap_or_else(PoisonError::into_inner) = opened;
        Ok(stream)
    }

    fn door(&self) -> Option<Door> {
        *self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the connection is dead.
    pub async fn closed(&self) -> Unreachable {
        let mut ended = self.ended.clone();
        // Also when the sender is gone: then so is the task that served the connection.
        let _ = ended.wait_for(Option::is_some).await;
        let cause = ended.borrow().clone().unwrap_or_else(|| "it was closed".to_owned());
        lost(self.address, &cause)
    }
}

fn lost(address: IpAddr, cause: &dyn fmt::Display) -> Unreachable {
    Unreachable::Lost { address, cause: quoted(&cause.to_string()).to_string() }
}

/// Why there is no connection to log in on.
fn not_connected(address: IpAddr, error: &russh::Error) -> Unreachable {
    let cause = quoted(&error.to_string()).to_string();
    match error {
        russh::Error::NoCommonAlgo { .. } => Unreachable::NoCommonAlgorithm { address, cause },
        russh::Error::IO(_) | russh::Error::ConnectionTimeout | russh::Error::KeepaliveTimeout => {
            Unreachable::Lost { address, cause }
        }
        _ => Unreachable::NotSsh { address, cause },
    }
}
