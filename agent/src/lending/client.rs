//! The other end: asks the monitor of this host.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::timeout;

use super::ask::{Answer, Ask};
use super::wire::{self, MAX_ANSWER, Question, Reply};
use crate::VERSION;
use crate::engine::{ACTION_LIMIT, DOCUMENT_LIMIT};
use crate::xapi::VmUuid;

/// How long connecting and asking may take: both ends are on this host.
const SEND_LIMIT: Duration = Duration::from_secs(2);

/// What the monitor may take around what the engine takes.
const AROUND: Duration = Duration::from_secs(30);

/// Why the monitor gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// Nothing was asked of the engine: it can be asked without the monitor.
    #[error("{0}")]
    NotAsked(String),
    /// The engine may have been asked.
    #[error("the monitor broke off before it answered ({0})")]
    BrokenOff(io::Error),
}

/// Asks the monitor behind `socket`.
///
/// # Errors
/// [`NoAnswer`]
pub async fn ask(socket: &Path, vm: &VmUuid, ask: &Ask) -> Result<Answer, NoAnswer> {
    let question = Question { version: VERSION.to_owned(), vm: vm.to_string(), ask: ask.clone() };
    let sending = async {
        let mut stream = UnixStream::connect(socket).await?;
        wire::write(&mut stream, &question).await?;
        Ok::<_, io::Error>(stream)
    };
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    let mut stream = timeout(SEND_LIMIT, sending)
        .await
        .map_err(late)
        .flatten()
        .map_err(|error| NoAnswer::NotAsked(format!("the monitor cannot be asked: {error}")))?;
    let limit = AROUND + if ask.may_be_repeated() { DOCUMENT_LIMIT } else { ACTION_LIMIT };
    match timeout(limit, wire::read(&mut stream, MAX_ANSWER)).await.map_err(late).flatten() {
        Ok(Reply::Asked(answer)) => Ok(answer),
        Ok(Reply::NotLent(reason)) => Err(NoAnswer::NotAsked(reason)),
        Err(error) => Err(NoAnswer::BrokenOff(error)),
    }
}
