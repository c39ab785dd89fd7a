//! Input and output of one process in a container, at the same time, until one of them decides that it is over.

use hyper::body::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::Way;
use super::input::Input;
use super::keys::Matcher;
use super::output::Output;
use super::problem::Problem;
use crate::engine::{self, Raw, logs::Parts};

/// Bytes of one read.
const PIECE: usize = 16 * 1024;

/// How it was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// The engine ended the stream.
    Ended,
    /// The person pressed the keys that leave.
    Detached,
}

/// Passes on what is typed, and prints what comes.
pub(super) async fn converse(
    way: &Way,
    raw: Raw,
    mut parts: Parts,
    input: Option<(Input, Option<Matcher>)>,
    output: &mut Output,
) -> Result<Left, Problem> {
    let (mut reader, mut writer) = tokio::io::split(raw);
    let reading = async {
        let mut piece = vec![0; PIECE];
        loop {
            let length = match reader.read(&mut piece).await {
                Ok(0) => break,
                Ok(length) => length,
                Err(error) => return Err(way.why(closed(&error)).await),
            };
            parts.put(Bytes::copy_from_slice(&piece[..length]));
            while let Some((target, part)) = parts.part().map_err(|error| way.problem(error))? {
                output.write(target, part).await?;
            }
        }
        match parts.end() {
            Ok(()) => Ok(Left::Ended),
            Err(error) => Err(way.why(error).await),
        }
    };
    let typing = async {
        let Some((mut input, mut matcher)) = input else { return std::future::pending().await };
        while let Some(piece) = input.next().await.map_err(Problem::Input)? {
            let (piece, leaves) = match &mut matcher {
                Some(matcher) => {
                    let (piece, leaves) = matcher.push(&piece);
                    (Bytes::from(piece), leaves)
                }
                None => (piece, false),
            };
            // A process that takes no more input may still print; its end tells the rest.
            if writer.write_all(&piece).await.is_err() || writer.flush().await.is_err() {
                return std::future::pending().await;
            }
            if leaves {
                return Ok(Left::Detached);
            }
        }
        let _ = writer.shutdown().await;
        std::future::pending().await
    };
    tokio::select! {
        biased;
        left = reading => left,
        left = typing => left,
    }
}

fn closed(error: &std::io::Error) -> engine::Error {
    engine::Error::Closed(crate::quote::quoted(&error.to_string()).to_string())
}
