//! An answer's body: how much of it is put up with, and how slowly it may come.
//!
//! A guest that sends much costs memory only while it is read, so long answers are read by few tasks at a time, and
//! nobody may take long about it. Must not know what is in a body.

use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::{Bytes, Incoming};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout, timeout_at};

use super::error::Error;
use super::http_error;

/// Bytes of any one answer.
const MAX_BYTES: usize = 16 << 20;

/// Answers longer than this are long.
const LONG: usize = 256 * 1024;

/// Long answers read at a time, in the whole process.
static LONG_ANSWERS: Semaphore = Semaphore::const_new(2);

/// How long nothing may come in the middle of an answer.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);

/// How long an answer may take in all, and the rest of a long one from when its turn comes.
const WHOLE_LIMIT: Duration = Duration::from_secs(20);

/// How long a long answer may wait for its turn.
const TURN_LIMIT: Duration = Duration::from_secs(60);

/// A body that is being read.
pub(super) struct Body {
    incoming: Incoming,
    what: &'static str,
    read: usize,
    /// None for a body that ends only with the connection, and may be silent.
    until: Option<Instant>,
    turn: Option<SemaphorePermit<'static>>,
}

impl Body {
    /// A body that is expected to end.
    pub(super) fn new(incoming: Incoming, what: &'static str) -> Self {
        Self { incoming, what, read: 0, until: Some(Instant::now() + WHOLE_LIMIT), turn: None }
    }

    /// A body that is not.
    pub(super) fn endless(incoming: Incoming, what: &'static str) -> Self {
        Self { incoming, what, read: 0, until: None, turn: None }
    }

    /// The next piece; `None` at the end. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let frame = match self.until {
                None => self.incoming.frame().await,
                Some(until) => {
                    let deadline = until.min(Instant::now() + SILENCE_LIMIT);
                    let slow = |_| Error::Slow { what: self.what, limit: WHOLE_LIMIT };
                    timeout_at(deadline, self.incoming.frame()).await.map_err(slow)?
                }
            };
            let Some(frame) = frame else { return Ok(None) };
            // Trailers say nothing of interest.
            let Ok(bytes) = frame.map_err(|error| http_error(&error))?.into_data() else { continue };
            if self.until.is_some() {
                self.count(bytes.len()).await?;
            }
            return Ok(Some(bytes));
        }
    }

    async fn count(&mut self, bytes: usize) -> Result<(), Error> {
        self.read += bytes;
        if self.read > MAX_BYTES {
            return Err(Error::TooMuch {
                what: self.what,
                limit: format!("an answer is limited to {MAX_BYTES} bytes"),
            });
        }
        if self.read > LONG && self.turn.is_none() {
            let slow = |_| Error::Slow { what: self.what, limit: TURN_LIMIT };
            let turn = timeout(TURN_LIMIT, LONG_ANSWERS.acquire()).await.map_err(slow)?;
            self.turn = Some(turn.expect("the semaphore is never closed"));
            self.until = Some(Instant::now() + WHOLE_LIMIT);
        }
        Ok(())
    }

    /// All of it, if it has at most `max` bytes.
    pub(super) async fn whole(mut self, max: usize) -> Result<Vec<u8>, Error> {
        let mut whole = Vec::new();
        while let Some(bytes) = self.next().await? {
            if whole.len() + bytes.len() > max {
                return Err(Error::TooMuch {
                    what: self.what,
                    limit: format!("this answer is limited to {max} bytes"),
                });
            }
            whole.extend_from_slice(&bytes);
        }
        Ok(whole)
    }
}
