//! The Docker Engine API (<https://docs.docker.com/reference/api/engine/>) over any stream: Docker 1.6 to 29 and later,
//! and Podman's service.
//!
//! Must not know VMs, XAPI or SSH. Everything that an engine sends is foreign: sizes, counts, depths and times are
//! limited, and after any error the connection is of no use.
//!
//! | module | knows |
//! |---|---|
//! | [`json`] | where one JSON object ends in a stream and the next begins |
//! | `lenient` | JSON without trust |
//! | [`containers`], [`event`] | the fields used of a container and of an event |
//! | `container_name`, `one` | one container by its name: actions, and documents that are passed on |
//! | [`logs`], [`exec`], [`attach`], [`event_lines`] | streams: what containers print, commands in them, events for people |
//! | [`frames`] | two streams told apart in one |
//! | `hijack` | a connection that becomes a stream in both directions |
//! | [`stats`] | what a container uses at a moment |
//! | `body` | how much, and how slowly, an answer may come |

pub mod attach;
mod body;
mod container_name;
pub mod containers;
mod error;
pub mod event;
pub mod event_lines;
pub mod exec;
pub mod frames;
mod hijack;
pub mod json;
mod lenient;
pub mod logs;
mod one;
mod query;
pub mod stats;

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, UPGRADE, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

pub use container_name::ContainerName;
pub use containers::{Container, Containers, MAX_CONTAINERS, Port};
pub use error::Error;
pub use event::{Event, Subject};
pub use hijack::Raw;
pub use one::{ACTION_LIMIT, Action, DOCUMENT_LIMIT, MAX_INSPECT, MAX_TOP, Traits};
pub use stats::Stats;

use body::Body;
use containers::{Collector, MAX_ELEMENT};
use event::MAX_EVENT;
use json::{Framing, Splitter};

/// What an engine may take, within what this program can bear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long it may take to begin an answer.
    pub answer: Duration,
    /// Containers kept of its list, at most [`MAX_CONTAINERS`]; the rest is counted.
    pub containers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { answer: Duration::from_secs(10), containers: MAX_CONTAINERS }
    }
}

/// The largest HTTP header put up with, bytes; also the most that one connection keeps for reading.
const HEADER_BYTES: usize = 8 * 1024;

/// Bytes of a description of the engine, as it comes; real ones have 3 to 30 KiB.
const MAX_DOCUMENT: usize = 256 * 1024;

/// Bytes of an error's explanation.
const MAX_MESSAGE: usize = 4096;

/// The oldest API that is spoken: Docker 1.6.
const OLDEST: (u32, u32) = (1, 18);

/// The first API whose events can be asked for by kind: Docker 1.10.
const FILTERS_BY_TYPE: (u32, u32) = (1, 22);

/// Some members of what an engine says of itself, as it says them. Foreign, of bounded size and depth.
pub type Document = Map<String, Value>;

/// A version of the API, such as 1.41.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion(u32, u32);

impl ApiVersion {
    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        let number = |text: &str| {
            (text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
        };
        Some(Self(number(major)?, number(minor)?))
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// What an engine is, for people. Foreign text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    product: &'static str,
    version: String,
    api: ApiVersion,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}, API {}", self.product, self.version, self.api)
    }
}

/// An engine, on one connection that is kept between requests.
pub struct Engine {
    connection: Connection,
    identity: Identity,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl Engine {
    /// Asks what answers on `stream` for its version, by a path without one as every engine knows it.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn open<S>(stream: S) -> Result<Self, Error>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        Self::open_within(stream, Limits::default()).await
    }

    /// As [`Engine::open`], with other limits than the usual ones.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn open_within<S>(stream: S, limits: Limits) -> Result<Self, Error>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let mut connection = Connection::over(stream, limits).await?;
        let what = "GET /version";
        let version = connection.document("/version", what, &["ApiVersion", "Version", "Components"]).await?;
        let not_an_engine = |cause: &str| Error::NotAnEngine { what, cause: cause.to_owned() };
        let api = version.get("ApiVersion").and_then(Value::as_str).ok_or_else(|| not_an_engine("no ApiVersion"))?;
        let api = ApiVersion::parse(api).ok_or_else(|| not_an_engine("an ApiVersion that is none"))?;
        if (api.0, api.1) < OLDEST {
            return Err(Error::TooOld(api.to_string()));
        }
        Ok(Self { connection, identity: identity(&version, api) })
    }

    /// An engine that was asked before what it is, on another stream.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn known<S>(stream: S, identity: Identity) -> Result<Self, Error>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        Ok(Self { connection: Connection::over(stream, Limits::default()).await?, identity })
    }

    /// The newest API that the engine speaks, which is the one used.
    #[must_use]
    pub fn api_version(&self) -> ApiVersion {
        self.identity.api
    }

    /// What the engine is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// These members of what `GET /version` says.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn version(&mut self, fields: &[&str]) -> Result<Document, Error> {
        self.connection.document(&path(self.identity.api, "/version"), "GET /version", fields).await
    }

    /// These members of what `GET /info` says.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn info(&mut self, fields: &[&str]) -> Result<Document, Error> {
        self.connection.document(&path(self.identity.api, "/info"), "GET /info", fields).await
    }

    /// All containers, running or not.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn containers(&mut self) -> Result<Containers, Error> {
        self.list("/containers/json?all=1").await
    }

    /// The containers that run, paused ones among them.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn running_containers(&mut self) -> Result<Containers, Error> {
        self.list("/containers/json").await
    }

    async fn list(&mut self, rest: &str) -> Result<Containers, Error> {
        let what = "GET /containers/json";
        let path = path(self.identity.api, rest);
        let mut body = Body::new(self.connection.get(&path, what).await?, what);
        let mut splitter = Splitter::new(Framing::Array, MAX_ELEMENT);
        let mut collector = Collector::up_to(self.connection.limits.containers);
        while let Some(bytes) = body.next().await? {
            let mut rest = &bytes[..];
            while let Some(element) = splitter.next(&mut rest).map_err(|bad| bad_json(what, &bad))? {
                collector.push(&element);
            }
        }
        if !splitter.is_complete() {
            return Err(Error::Closed("in the middle of a list".to_owned()));
        }
        Ok(collector.finish())
    }

    /// Asks for a sign of life.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn ping(&mut self) -> Result<(), Error> {
        let what = "GET /_ping";
        Body::new(self.connection.get("/_ping", what).await?, what).whole(MAX_MESSAGE).await.map(drop)
    }

    /// Subscribes to the events of an engine on a connection of its own. When this returns, nothing is missed any more.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn events<S>(stream: S, api: ApiVersion, limits: Limits) -> Result<Events, Error>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let filter = match (api.0, api.1) < FILTERS_BY_TYPE {
            true => "/events",
            // {"type":["container","image"]}
            false => "/events?filters=%7B%22type%22%3A%5B%22container%22%2C%22image%22%5D%7D",
        };
        let mut connection = Connection::over(stream, limits).await?;
        let body = connection.get(&path(api, filter), Events::WHAT).await?;
        Ok(Events {
            body: Body::endless(body, Events::WHAT),
            splitter: Splitter::new(Framing::Stream, MAX_EVENT),
            read: VecDeque::new(),
            _connection: connection,
        })
    }
}

/// The events of an engine, while they come.
pub struct Events {
    body: Body,
    splitter: Splitter,
    /// Events read and not given out yet.
    read: VecDeque<Event>,
    _connection: Connection,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("read", &self.read).finish_non_exhaustive()
    }
}

impl Events {
    const WHAT: &str = "GET /events";

    /// Waits for the next event, for as long as it takes. Dropping the future loses none.
    ///
    /// # Errors
    /// [`Error`]; also when the stream ends, which it does only with the engine.
    pub async fn next(&mut self) -> Result<Event, Error> {
        loop {
            if let Some(event) = self.read.pop_front() {
                return Ok(event);
            }
            let bytes = self.body.next().await?.ok_or_else(|| Error::Closed("the events ended".to_owned()))?;
            let mut rest = &bytes[..];
            while let Some(object) = self.splitter.next(&mut rest).map_err(|bad| bad_json(Self::WHAT, &bad))? {
                // What is no event says nothing; the next one may.
                self.read.extend(Event::read(&object));
            }
        }
    }
}

/// HTTP over one stream.
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    limits: Limits,
    _driver: AbortOnDropHandle<()>,
}

impl Connection {
    async fn over<S>(stream: S, limits: Limits) -> Result<Self, Error>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(HEADER_BYTES)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| http_error(&error))?;
        let driver = driver.with_upgrades();
        let driver = tokio::spawn(async move {
            // Its error also reaches whoever waits for an answer; between answers nobody needs it.
            let _ = driver.await;
        });
        Ok(Self { sender, limits, _driver: AbortOnDropHandle::new(driver) })
    }

    /// The body of the answer to a request for something, if its status is 200.
    async fn get(&mut self, path: &str, what: &'static str) -> Result<Incoming, Error> {
        self.ask(Method::GET, path, what, self.limits.answer).await
    }

    /// The body of the answer to a request without one, if it begins within `limit` and its status is one of success.
    async fn ask(
        &mut self,
        method: Method,
        path: &str,
        what: &'static str,
        limit: Duration,
    ) -> Result<Incoming, Error> {
        self.answer(method, path, Sent::Nothing, what, Some(limit)).await.map(Response::into_body)
    }

    /// The answer to a request, if it begins within `limit` and its status is one of success: 200 for a GET, 101 for what
    /// becomes a stream.
    async fn answer(
        &mut self,
        method: Method,
        path: &str,
        sent: Sent<'_>,
        what: &'static str,
        limit: Option<Duration>,
    ) -> Result<Response<Incoming>, Error> {
        let is_get = method == Method::GET;
        let becomes_a_stream = matches!(sent, Sent::Stream(_));
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "docker")
            .header(USER_AGENT, concat!("xscontainer/", env!("CARGO_PKG_VERSION")));
        if becomes_a_stream {
            request = request.header(CONNECTION, "Upgrade").header(UPGRADE, "tcp");
        }
        let body = match sent {
            Sent::Json(json) | Sent::Stream(Some(json)) => {
                request = request.header(CONTENT_TYPE, "application/json");
                Full::from(json.to_string())
            }
            Sent::Nothing | Sent::Stream(None) => {
                if !is_get {
                    // hyper leaves it out, and a server may then ask for a length (RFC 9110, 8.6).
                    request = request.header(CONTENT_LENGTH, 0);
                }
                Full::default()
            }
        };
        let request =
            request.body(body).expect("paths are made of constants, numbers and what is safe or encoded in a path");
        let answer = async {
            self.sender.ready().await?;
            self.sender.send_request(request).await
        };
        let answer = match limit {
            Some(limit) => timeout(limit, answer).await.map_err(|_| Error::Slow { what, limit })?,
            None => answer.await,
        };
        let answer = answer.map_err(|error| http_error(&error))?;
        match answer.status() {
            StatusCode::SWITCHING_PROTOCOLS if becomes_a_stream => Ok(answer),
            StatusCode::OK if !becomes_a_stream => Ok(answer),
            status if status.is_success() && !is_get && !becomes_a_stream => Ok(answer),
            status => Err(refusal(what, status, answer).await),
        }
    }

    async fn document(&mut self, path: &str, what: &'static str, fields: &[&str]) -> Result<Document, Error> {
        let body = Body::new(self.get(path, what).await?, what).whole(MAX_DOCUMENT).await?;
        let text = String::from_utf8_lossy(&body);
        let mut document: Document = serde_json::from_str(&text)
            .map_err(|_| Error::NotAnEngine { what, cause: "the answer is not a JSON object".to_owned() })?;
        document.retain(|name, _| fields.contains(&name.as_str()));
        Ok(document)
    }
}

/// What goes with a request.
enum Sent<'a> {
    Nothing,
    Json(&'a Value),
    /// The connection becomes a stream after it.
    Stream(Option<&'a Value>),
}

/// What an engine says with a status other than 200: `{"message": …}`, and plain text before API 1.24.
async fn refusal(what: &'static str, status: StatusCode, answer: Response<Incoming>) -> Error {
    let body = Body::new(answer.into_body(), what).whole(MAX_MESSAGE).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&body).trim().to_owned();
    let message = serde_json::from_str::<Document>(&text)
        .ok()
        .and_then(|document| document.get("message").and_then(Value::as_str).map(str::to_owned));
    Error::Status { what, status: status.as_u16(), message: message.unwrap_or(text) }
}

fn identity(version: &Document, api: ApiVersion) -> Identity {
    let components = version.get("Components").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut names = components.iter().filter_map(|component| component.get("Name")?.as_str());
    let product = if names.any(|name| name.contains("Podman")) { "Podman" } else { "Docker" };
    let version = version.get("Version").and_then(Value::as_str).unwrap_or("of unknown version");
    Identity { product, version: version.chars().take(64).collect(), api }
}

fn path(api: ApiVersion, rest: &str) -> String {
    format!("/v{api}{rest}")
}

fn bad_json(what: &'static str, bad: &json::BadJson) -> Error {
    match bad {
        json::BadJson::TooLong(_) | json::BadJson::TooDeep => Error::TooMuch { what, limit: bad.to_string() },
        json::BadJson::Unexpected(_) => Error::NotAnEngine { what, cause: bad.to_string() },
    }
}

/// A broken stream is told from one on which something else than HTTP comes.
fn http_error(error: &hyper::Error) -> Error {
    let cause = crate::quote::quoted(&error_chain(error)).to_string();
    if error.is_parse() { Error::NotHttp(cause) } else { Error::Closed(cause) }
}

fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
