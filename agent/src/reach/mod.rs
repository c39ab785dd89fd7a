//! From a VM to its engine: what XAPI knows of it, the way in, and an engine that answers, or the trouble on the way.
//!
//! Whoever wants to speak to an engine comes through here, so that all of them refuse the same addresses, check the same
//! keys and tell of a trouble in the same words. Must not know what the engine is asked.
//!
//! | module | knows |
//! |---|---|
//! | [`situation`] | what the pool's state says of one VM |
//! | [`trouble`] | everything that can stand in the way, in words for people |
//! | [`path`] | the steps, how each is tested, and what usually is wrong there |
//! | [`walk`](mod@walk) | all of them tried once |

pub mod path;
pub mod situation;
pub mod trouble;
pub mod walk;

use std::time::Duration;

use tokio::time::timeout;

use crate::access::{self, PoolKey, Settings};
use crate::engine::{self, Engine};
use crate::guest::{self, Candidates, Connection, Credentials, Unreachable};
use crate::xapi::{Client, VmRef};

pub use situation::{Situation, claims};
pub use trouble::Trouble;

/// How long it may take from the first packet to the login, and from there to an engine that answers.
pub const CONNECT_LIMIT: Duration = Duration::from_secs(20);

/// Logs in, at the first candidate that answers.
///
/// # Errors
/// [`Trouble`]
pub async fn connect(
    client: &Client,
    pool_key: &PoolKey,
    candidates: &Candidates,
    settings: &Settings,
) -> Result<Connection, Trouble> {
    if candidates.usable.is_empty() {
        return Err(Trouble::NoAddress(candidates.clone()));
    }
    let credentials = access::credentials(client, pool_key, settings).await?;
    match (guest::connect(&candidates.usable, &credentials).await, credentials) {
        (Err(Unreachable::LoginRefused { address, user }), Credentials::Ssh(login)) => {
            pool_key.doubt().await;
            let ours = login.key.fingerprint();
            match settings.prepared_key.clone().filter(|prepared| *prepared != ours) {
                Some(prepared) => Err(Trouble::OtherKey { address, user, prepared, ours }),
                None => Err(Unreachable::LoginRefused { address, user }.into()),
            }
        }
        (Err(lost @ Unreachable::Lost { .. }), Credentials::Ssh(_)) => {
            // What some servers do instead of refusing.
            pool_key.doubt().await;
            Err(lost.into())
        }
        (connected, _) => Ok(connected?),
    }
}

/// Keeps the key that an SSH server showed at first contact, which must be done before it is talked to any further.
///
/// # Errors
/// [`Trouble::Xapi`]; [`Unreachable::HostKeyChanged`] if somebody else met another server at the same moment.
pub async fn remember_host_key(
    client: &Client,
    vm: &VmRef,
    settings: &Settings,
    connection: &Connection,
) -> Result<(), Trouble> {
    let Some(key) = connection.host_key().filter(|_| settings.host_key.is_none()) else { return Ok(()) };
    let (address, fingerprint) = (connection.address(), key.fingerprint());
    match access::remember_host_key(client, vm, key).await.map_err(Trouble::Xapi)? {
        None => {
            tracing::info!(%address, fingerprint, "host key remembered at first contact");
            Ok(())
        }
        Some(known) => Err(Unreachable::HostKeyChanged { address, known, shown: fingerprint }.into()),
    }
}

/// The engine at the other end of a connection.
///
/// # Errors
/// [`Trouble`]
pub async fn engine(connection: &Connection) -> Result<Engine, Trouble> {
    Engine::open(connection.open().await?).await.map_err(|error| explained(error, connection))
}

/// The whole way at once, for whoever has no connection yet. A host key that is seen for the first time is remembered.
///
/// # Errors
/// [`Trouble`]
pub async fn open_engine(
    client: &Client,
    pool_key: &PoolKey,
    vm: &VmRef,
    situation: &Situation,
) -> Result<(Connection, Engine), Trouble> {
    let settings = situation.settings.as_ref().map_err(|bad| Trouble::Setting(bad.clone()))?;
    let connection = in_time(connect(client, pool_key, &situation.candidates, settings)).await?;
    remember_host_key(client, vm, settings, &connection).await?;
    let engine = in_time(engine(&connection)).await?;
    Ok((connection, engine))
}

/// Some of what breaks a first stream is the doing of the way in.
fn explained(error: engine::Error, connection: &Connection) -> Trouble {
    match &error {
        engine::Error::Closed(cause) => connection.explain(cause).map_or(Trouble::Engine(error), Trouble::Guest),
        _ => Trouble::Engine(error),
    }
}

/// A step that may take [`CONNECT_LIMIT`].
///
/// # Errors
/// Those of `work`, and [`Trouble::Slow`].
pub async fn in_time<T>(work: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    let slow = Trouble::Slow { what: "connecting", limit: CONNECT_LIMIT };
    timeout(CONNECT_LIMIT, work).await.unwrap_or(Err(slow))
}
