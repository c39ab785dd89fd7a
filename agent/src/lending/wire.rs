//! One question and one answer on a unix socket: JSON behind its length. Both ends are ours and of the same version;
//! the limits are for the case that one is not.

use std::io;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::ask::{Answer, Ask};
use super::standing::{List, Standing};

/// Bytes of a question.
pub const MAX_QUESTION: usize = 8 * 1024;

/// Bytes of an answer. A document of an engine has at most 1 MiB, and every byte of it may be written as six.
pub const MAX_ANSWER: usize = 7 << 20;

/// What a program asks the monitor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The version of the program that asks; a monitor of another one does not answer.
    pub version: String,
    /// What it wants.
    pub request: Request,
}

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Something of a VM's engine.
    Engine {
        /// The VM's uuid.
        vm: String,
        /// What.
        ask: Ask,
    },
    /// How things stand.
    Standing,
    /// The containers that were seen last, of all VMs or of the one with this uuid.
    Lists {
        /// The VM's uuid.
        vm: Option<String>,
    },
    /// The log's level: changed, or only told.
    LogLevel(Option<LevelChange>),
}

/// A change of the log's level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelChange {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// For how many seconds; for good if none.
    pub seconds: Option<u64>,
}

/// The log's level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelNow {
    /// As it is.
    pub level: String,
    /// How many seconds it stays so, and what it is then.
    pub until: Option<(u64, String)>,
}

/// What the monitor says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// The engine was asked.
    Asked(Answer),
    /// Nothing was done, for this reason: whoever wants to, does it by himself.
    NotLent(String),
    /// How things stand.
    Standing(Standing),
    /// Containers.
    Lists(Vec<List>),
    /// The log's level.
    LogLevel(LevelNow),
}

/// One message, as it is written.
///
/// # Errors
/// If it is longer than 4 GiB.
pub fn encoded<T: Serialize>(message: &T) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, message)?;
    let length = u32::try_from(bytes.len() - 4).map_err(|_| io::Error::other("a message longer than 4 GiB"))?;
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    Ok(bytes)
}

/// Writes one message.
///
/// # Errors
/// Those of the stream.
pub async fn write<T: Serialize>(to: &mut (impl AsyncWrite + Unpin), message: &T) -> io::Result<()> {
    to.write_all(&encoded(message)?).await?;
    to.flush().await
}

/// Reads one message of at most `limit` bytes.
///
/// # Errors
/// Those of the stream; `InvalidData` for what is longer, or no such message.
pub async fn read<T: DeserializeOwned>(from: &mut (impl AsyncRead + Unpin), limit: usize) -> io::Result<T> {
    let length = from.read_u32().await? as usize;
    if length > limit {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a message of {length} bytes")));
    }
    let mut text = vec![0; length];
    from.read_exact(&mut text).await?;
    serde_json::from_slice(&text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}
