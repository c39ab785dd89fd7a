//! The other end: asks the monitor of this host.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::timeout;

use super::ask::{Answer, Ask};
use super::standing::{List, Standing};
use super::wire::{self, LevelChange, LevelNow, MAX_ANSWER, Question, Reply, Request};
use crate::VERSION;
use crate::engine::{ACTION_LIMIT, DOCUMENT_LIMIT};
use crate::xapi::VmUuid;

/// How long connecting and asking may take: both ends are on this host.
const SEND_LIMIT: Duration = Duration::from_secs(2);

/// What the monitor may take around what the engine takes.
const AROUND: Duration = Duration::from_secs(30);

/// How long the monitor may take to say what it knows by itself.
const TELL_LIMIT: Duration = Duration::from_secs(5);

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

/// Asks a VM's engine through the monitor behind `socket`.
///
/// # Errors
/// [`NoAnswer`]
pub async fn ask(socket: &Path, vm: &VmUuid, ask: &Ask) -> Result<Answer, NoAnswer> {
    let limit = AROUND + if ask.may_be_repeated() { DOCUMENT_LIMIT } else { ACTION_LIMIT };
    let request = Request::Engine { vm: vm.to_string(), ask: ask.clone() };
    match exchange(socket, request, limit).await? {
        Reply::Asked(answer) => Ok(answer),
        other => Err(odd(other)),
    }
}

/// How things stand with the monitor behind `socket`.
///
/// # Errors
/// [`NoAnswer`]
pub async fn standing(socket: &Path) -> Result<Standing, NoAnswer> {
    match exchange(socket, Request::Standing, TELL_LIMIT).await? {
        Reply::Standing(standing) => Ok(standing),
        other => Err(odd(other)),
    }
}

/// The containers that the monitor behind `socket` saw last, of all VMs or of one.
///
/// # Errors
/// [`NoAnswer`]
pub async fn lists(socket: &Path, vm: Option<&VmUuid>) -> Result<Vec<List>, NoAnswer> {
    match exchange(socket, Request::Lists { vm: vm.map(ToString::to_string) }, TELL_LIMIT).await? {
        Reply::Lists(lists) => Ok(lists),
        other => Err(odd(other)),
    }
}

/// The level of the log of the monitor behind `socket`, changed first if asked for.
///
/// # Errors
/// [`NoAnswer`]
pub async fn log_level(socket: &Path, change: Option<LevelChange>) -> Result<LevelNow, NoAnswer> {
    match exchange(socket, Request::LogLevel(change), TELL_LIMIT).await? {
        Reply::LogLevel(now) => Ok(now),
        other => Err(odd(other)),
    }
}

async fn exchange(socket: &Path, request: Request, limit: Duration) -> Result<Reply, NoAnswer> {
    let question = Question { version: VERSION.to_owned(), request };
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
    timeout(limit, wire::read(&mut stream, MAX_ANSWER)).await.map_err(late).flatten().map_err(NoAnswer::BrokenOff)
}

fn odd(reply: Reply) -> NoAnswer {
    match reply {
        Reply::NotLent(reason) => NoAnswer::NotAsked(reason),
        _ => NoAnswer::NotAsked("the monitor answers something else".to_owned()),
    }
}
