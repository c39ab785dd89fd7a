//! What a container has printed, and prints.

use std::fmt;

use hyper::Method;
use hyper::body::Bytes;
use hyper::header::CONTENT_TYPE;

use super::body::Body;
use super::frames::{Demultiplexer, Target};
use super::query::Query;
use super::{ApiVersion, Connection, ContainerName, DOCUMENT_LIMIT, Engine, Error, Sent, path};

/// The request, as errors name it.
const LOGS: &str = "the request for the container's log";

/// The first API that knows `since`: Docker 1.7.
const SINCE: ApiVersion = ApiVersion(1, 19);

/// The first API that knows `until`: Docker 17.12.
const UNTIL: ApiVersion = ApiVersion(1, 35);

/// Since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Whole seconds.
    pub seconds: i64,
    /// Billionths of a second after them.
    pub nanoseconds: u32,
}

impl fmt::Display for Moment {
    /// As engines read it. Old ones know whole seconds only, so nothing else is written where nothing else is meant.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.nanoseconds {
            0 => write!(f, "{}", self.seconds),
            nanoseconds => write!(f, "{}.{nanoseconds:09}", self.seconds),
        }
    }
}

/// Which part of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Also what is still to come, until the container ends.
    pub follow: bool,
    /// Every line begins with its time.
    pub timestamps: bool,
    /// So many lines at the end; all if none.
    pub tail: Option<u64>,
    /// Nothing before this.
    pub since: Option<Moment>,
    /// Nothing after this.
    pub until: Option<Moment>,
}

/// A log while it comes.
pub struct Logs {
    body: Body,
    parts: Parts,
    _connection: Connection,
}

impl fmt::Debug for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logs").field("parts", &self.parts).finish_non_exhaustive()
    }
}

impl Engine {
    /// Asks for the log of a container, which has a terminal or not; see [`super::Traits`].
    ///
    /// # Errors
    /// [`Error`]; [`Error::Lacks`] if the engine would pass over what is wanted.
    pub async fn logs(mut self, container: &ContainerName, tty: bool, wanted: &Wanted) -> Result<Logs, Error> {
        let api = self.api_version();
        if wanted.since.is_some() {
            self.must_know("the start of a log by time", SINCE)?;
        }
        if wanted.until.is_some() {
            self.must_know("the end of a log by time", UNTIL)?;
        }
        let query = Query::default()
            .with("stdout", "1")
            .with("stderr", "1")
            .with("follow", if wanted.follow { "1" } else { "0" })
            .with("timestamps", if wanted.timestamps { "1" } else { "0" })
            .with("tail", &wanted.tail.map_or_else(|| "all".to_owned(), |lines| lines.to_string()))
            .with_some("since", wanted.since.map(|moment| moment.to_string()).as_deref())
            .with_some("until", wanted.until.map(|moment| moment.to_string()).as_deref());
        let path = path(api, &query.of(&format!("/containers/{container}/logs")));
        // Some engines begin their answer with the first line, which may be far.
        let limit = (!wanted.follow).then_some(DOCUMENT_LIMIT);
        let answer = self.connection.answer(Method::GET, &path, Sent::Nothing, LOGS, limit).await?;
        // Said since API 1.42; before, only the container knows.
        let kind = answer.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let framed = match kind {
            Some("application/vnd.docker.multiplexed-stream") => true,
            _ => !tty,
        };
        let body = Body::endless(answer.into_body(), LOGS);
        Ok(Logs { body, parts: Parts::new(framed, LOGS), _connection: self.connection })
    }

    /// Holds if the engine is new enough for something that older ones pass over in silence.
    pub(super) fn must_know(&self, what: &'static str, since: ApiVersion) -> Result<(), Error> {
        match self.api_version() {
            has if has < since => Err(Error::Lacks { what, needs: since.to_string(), has: has.to_string() }),
            _ => Ok(()),
        }
    }
}

impl Logs {
    /// Waits for the next part; `None` at the end. Dropping the future loses none.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn next(&mut self) -> Result<Option<(Target, Bytes)>, Error> {
        loop {
            if let Some(part) = self.parts.part()? {
                return Ok(Some(part));
            }
            match self.body.next().await? {
                Some(bytes) => self.parts.put(bytes),
                None => return self.parts.end().map(|()| None),
            }
        }
    }
}

/// What a container prints, in the parts in which it comes.
#[derive(Debug)]
pub struct Parts {
    demultiplexer: Demultiplexer,
    rest: Bytes,
    what: &'static str,
}

impl Parts {
    /// In frames or as it is, in answer to `what`.
    #[must_use]
    pub fn new(framed: bool, what: &'static str) -> Self {
        let demultiplexer = if framed { Demultiplexer::framed() } else { Demultiplexer::raw() };
        Self { demultiplexer, rest: Bytes::new(), what }
    }

    /// Takes what came, once [`Parts::part`] has none left.
    pub fn put(&mut self, bytes: Bytes) {
        debug_assert!(self.rest.is_empty(), "all of what came before was taken");
        self.rest = bytes;
    }

    /// The next part; `None` when more must come.
    ///
    /// # Errors
    /// [`Error::NotAnEngine`]
    pub fn part(&mut self) -> Result<Option<(Target, Bytes)>, Error> {
        let mut rest = &self.rest[..];
        let part = self
            .demultiplexer
            .next(&mut rest)
            .map_err(|bad| Error::NotAnEngine { what: self.what, cause: bad.to_string() })?
            .map(|(target, part)| (target, self.rest.slice_ref(part)));
        let taken = self.rest.len() - rest.len();
        let _ = self.rest.split_to(taken);
        Ok(part)
    }

    /// Holds if the stream may end here.
    ///
    /// # Errors
    /// [`Error::Closed`]
    pub fn end(&self) -> Result<(), Error> {
        match self.demultiplexer.is_between_pieces() {
            true => Ok(()),
            false => Err(Error::Closed("in the middle of what the container printed".to_owned())),
        }
    }
}
