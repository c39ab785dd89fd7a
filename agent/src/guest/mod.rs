//! Ways into a VM: from the addresses that its tools report to a stream to its container engine, or a typed reason why
//! not.
//!
//! Must not know what is said over the stream, nor where addresses and credentials come from.
//!
//! | module | knows |
//! |---|---|
//! | [`address`] | which of the addresses that a guest claims may be used |
//! | [`probe`] | which of those answers |
//! | [`ssh`] | logging in, the host's key, streams to the engine's socket |
//! | [`tls`] | certificates, streams to the engine's port |
//! | [`family`] | what kind of system the guest says it is, and how things are mended there |
//! | [`mod@unreachable`] | everything at which it can end, with what to do about it |

pub mod address;
pub mod family;
pub mod probe;
pub mod ssh;
pub mod tls;
pub mod unreachable;

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::certificates::Expiry;

pub use address::{Candidates, Claims, Refusal, Route, candidates, route};
pub use family::Family;
pub use unreachable::Unreachable;

/// After so long without anything from the guest it is asked for a sign of life.
pub const KEEP_ALIVE_AFTER: Duration = Duration::from_secs(5);

/// What the engine is spoken to over.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A stream of any kind.
pub type BoxedStream = Box<dyn Stream>;

/// What a guest is to be convinced with.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// An account and a key.
    Ssh(ssh::Login),
    /// A certificate.
    Tls(tls::Identity),
}

/// A way into one guest that works. Dropping it closes everything.
#[derive(Debug)]
pub enum Connection {
    /// Logged in over SSH.
    Ssh(ssh::Connection),
    /// Seen to answer over TLS.
    Tls(tls::Connection),
}

/// How the engine is reached, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way(pub(crate) &'static str);

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Connects to the first of `candidates` that answers.
///
/// # Errors
/// [`Unreachable`]
pub async fn connect(candidates: &[IpAddr], credentials: &Credentials) -> Result<Connection, Unreachable> {
    match credentials {
        Credentials::Ssh(login) => ssh::Connection::open(candidates, login).await.map(Connection::Ssh),
        Credentials::Tls(identity) => tls::Connection::open(candidates, identity).await.map(Connection::Tls),
    }
}

impl Connection {
    /// Where the guest was found.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        match self {
            Self::Ssh(ssh) => ssh.address(),
            Self::Tls(tls) => tls.address(),
        }
    }

    /// The key that an SSH server showed; the one that was known, if one was.
    #[must_use]
    pub fn host_key(&self) -> Option<&ssh::HostKey> {
        match self {
            Self::Ssh(ssh) => Some(ssh.host_key()),
            Self::Tls(_) => None,
        }
    }

    /// When the certificates end that are in use; none over SSH.
    #[must_use]
    pub fn expiries(&self) -> Vec<Expiry> {
        match self {
            Self::Ssh(_) => Vec::new(),
            Self::Tls(tls) => tls.expiries(),
        }
    }

    /// How streams are opened at present.
    #[must_use]
    pub fn way(&self) -> Way {
        match self {
            Self::Ssh(ssh) => ssh.way(),
            Self::Tls(_) => tls::WAY,
        }
    }

    /// A new stream to the engine.
    ///
    /// # Errors
    /// [`Unreachable`]
    pub async fn open(&self) -> Result<BoxedStream, Unreachable> {
        match self {
            Self::Ssh(ssh) => ssh.stream().await,
            Self::Tls(tls) => tls.stream().await,
        }
    }

    /// What a stream that broke with these words says of the way in; `None` if nothing.
    #[must_use]
    pub fn explain(&self, cause: &str) -> Option<Unreachable> {
        match self {
            Self::Ssh(_) => None,
            Self::Tls(tls) => tls.explain(cause),
        }
    }

    /// Waits until the connection is dead. For TLS, where every stream is a connection of its own, for ever.
    pub async fn closed(&self) -> Unreachable {
        match self {
            Self::Ssh(ssh) => ssh.closed().await,
            Self::Tls(_) => std::future::pending().await,
        }
    }
}
