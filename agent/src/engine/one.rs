//! One container: what is done to it, and what the engine says about it.
//!
//! Documents come back as the engine's own text, checked and bounded but not understood: who asked for one reads it.

use std::time::Duration;

use hyper::Method;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::timeout;

use super::body::Body;
use super::json::{Framing, Splitter};
use super::{ContainerName, Engine, Error, MAX_MESSAGE, bad_json, path};

/// How long an engine may take to begin its answer to an action. `stop` and `restart` answer when the container has ended,
/// for which it has the time that it was created with (`docker create --stop-timeout`; 10 s if nothing was said), and
/// then it is killed, which takes a busy machine a while too.
pub const ACTION_LIMIT: Duration = Duration::from_secs(120);

/// The same for `start`, which may wait for a volume of the network.
const START_LIMIT: Duration = Duration::from_secs(60);

/// The same for actions that wait for nothing.
const PROMPT_ACTION_LIMIT: Duration = Duration::from_secs(30);

/// How long an engine may take to give a document, from the request to the last byte. Clients ask anew every 20 s.
pub const DOCUMENT_LIMIT: Duration = Duration::from_secs(20);

/// Bytes of what an engine says about a container; real ones have 5 to 50 KiB. The monitor holds it while it passes it on.
pub const MAX_INSPECT: usize = 1 << 20;

/// Bytes of a list of processes; a thousand of them have about 100 KiB.
pub const MAX_TOP: usize = 1 << 20;

/// The request behind [`Engine::inspect`], as errors name it.
pub(super) const INSPECT: &str = "the request for the container's description";

/// The request behind [`Engine::top`], as errors name it.
pub(super) const TOP: &str = "the request for the container's processes";

/// What can be done to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Runs it.
    Start,
    /// Asks it to end, and kills it if it does not in its time.
    Stop,
    /// Both.
    Restart,
    /// Freezes its processes.
    Pause,
    /// Lets them go on.
    Unpause,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Start, Self::Stop, Self::Restart, Self::Pause, Self::Unpause];

    /// Its name, in the Docker Engine API and for clients.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Pause => "pause",
            Self::Unpause => "unpause",
        }
    }

    /// The request, as errors name it.
    fn request(self) -> &'static str {
        match self {
            Self::Start => "the request to start the container",
            Self::Stop => "the request to stop the container",
            Self::Restart => "the request to restart the container",
            Self::Pause => "the request to pause the container",
            Self::Unpause => "the request to unpause the container",
        }
    }

    /// How long the engine may take.
    fn limit(self) -> Duration {
        match self {
            Self::Stop | Self::Restart => ACTION_LIMIT,
            Self::Start => START_LIMIT,
            Self::Pause | Self::Unpause => PROMPT_ACTION_LIMIT,
        }
    }

    /// What status 304 means, which comes without a word of the engine.
    fn not_modified(self) -> &'static str {
        match self {
            Self::Start => "the container runs already",
            Self::Stop => "the container does not run",
            Self::Restart | Self::Pause | Self::Unpause => "nothing is to be done",
        }
    }
}

/// What a stream to a container depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traits {
    /// Its whole id, which stays when it is renamed.
    pub id: ContainerName,
    /// It has a terminal.
    pub tty: bool,
    /// It takes input.
    pub input: bool,
    /// Its process runs.
    pub running: bool,
    /// And is frozen.
    pub paused: bool,
}

/// Whether errors of this request are about one container.
pub(super) fn is_about_one(what: &str) -> bool {
    what.contains("the container")
}

impl Engine {
    /// Does something to a container, and waits until it is done.
    ///
    /// ```no_run
    /// # async fn example(engine: &mut agent::engine::Engine) -> Result<(), agent::engine::Error> {
    /// use agent::engine::{Action, ContainerName};
    /// let web = ContainerName::parse("web").expect("a name");
    /// engine.act(&web, Action::Restart).await
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error`]; [`Error::Status`] with the engine's words if it refuses: 304 if the container is so already, 404 if there
    /// is none of this name, 409 or 500 if its state does not allow it. Podman answers 500 where Docker answers 409.
    pub async fn act(&mut self, container: &ContainerName, action: Action) -> Result<(), Error> {
        let what = action.request();
        let path = path(self.api_version(), &format!("/containers/{container}/{}", action.name()));
        let answer = self.connection.ask(Method::POST, &path, what, action.limit()).await;
        match answer {
            Ok(body) => {
                // It is done, whatever comes now. Nothing does, with 204.
                let _ = Body::new(body, what).whole(MAX_MESSAGE).await;
                Ok(())
            }
            Err(Error::Status { status: 304, .. }) => {
                Err(Error::Status { what, status: 304, message: action.not_modified().to_owned() })
            }
            Err(error) => Err(error),
        }
    }

    /// What the engine says about a container: one JSON object of at most [`MAX_INSPECT`] bytes, as it came. Bytes that are
    /// no UTF-8 are replaced.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn inspect(&mut self, container: &ContainerName) -> Result<String, Error> {
        self.object(&format!("/containers/{container}/json"), INSPECT, MAX_INSPECT).await
    }

    /// What a stream to a container depends on.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn traits(&mut self, container: &ContainerName) -> Result<Traits, Error> {
        let text = self.inspect(container).await?;
        let not_an_engine = |cause: &str| Error::NotAnEngine { what: INSPECT, cause: cause.to_owned() };
        // Its depth is limited, as that of all JSON that the library takes apart.
        let all: Value = serde_json::from_str(&text).map_err(|_| not_an_engine("the answer is too deep"))?;
        let is = |pointer: &str| all.pointer(pointer).and_then(Value::as_bool).unwrap_or_default();
        let id = all.get("Id").and_then(Value::as_str).and_then(ContainerName::parse);
        Ok(Traits {
            id: id.ok_or_else(|| not_an_engine("the answer has no usable Id"))?,
            tty: is("/Config/Tty"),
            input: is("/Config/OpenStdin"),
            running: is("/State/Running"),
            paused: is("/State/Paused"),
        })
    }

    /// The processes in a container: one JSON object of at most [`MAX_TOP`] bytes, as it came, with the columns of
    /// `ps -ef` wherever the engine runs it. Bytes that are no UTF-8 are replaced.
    ///
    /// # Errors
    /// [`Error`]; [`Error::Status`] also if the container does not run, with 409 from Docker and 200 from Podman, which
    /// gives no list of a paused one either.
    pub async fn top(&mut self, container: &ContainerName) -> Result<String, Error> {
        self.object(&format!("/containers/{container}/top"), TOP, MAX_TOP).await
    }

    pub(super) async fn object(&mut self, rest: &str, what: &'static str, max: usize) -> Result<String, Error> {
        let path = path(self.api_version(), rest);
        let read = async {
            let body = self.connection.ask(Method::GET, &path, what, DOCUMENT_LIMIT).await?;
            one_object(Body::new(body, what), what, max).await
        };
        timeout(DOCUMENT_LIMIT, read).await.map_err(|_| Error::Slow { what, limit: DOCUMENT_LIMIT })?
    }
}

/// The only object of a body, which may be followed by white space.
async fn one_object(mut body: Body, what: &'static str, max: usize) -> Result<String, Error> {
    let not_an_object = || Error::NotAnEngine { what, cause: "the answer is not one JSON object".to_owned() };
    let mut splitter = Splitter::new(Framing::Stream, max);
    let mut found = None;
    while let Some(bytes) = body.next().await? {
        let mut rest = &bytes[..];
        while let Some(object) = splitter.next(&mut rest).map_err(|bad| bad_json(what, &bad))? {
            if found.replace(object).is_some() {
                return Err(not_an_object());
            }
        }
    }
    if !splitter.is_complete() {
        return Err(Error::Closed("in the middle of a document".to_owned()));
    }
    let object = found.ok_or_else(|| nothing(what))?;
    let text = String::from_utf8(object).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    // A replacement is longer than what it replaces.
    if text.len() > max {
        return Err(Error::TooMuch { what, limit: format!("this answer is limited to {max} bytes") });
    }
    serde_json::from_str::<IgnoredAny>(&text).map_err(|_| not_an_object())?;
    Ok(text)
}

/// An answer without a word. Podman, which answers with 200 before it looks, says so that it has no processes to list
/// (podman, pkg/api/handlers/compat/containers_top.go).
fn nothing(what: &'static str) -> Error {
    let message = "there is no list of processes; the container does not run, or is paused";
    match what {
        TOP => Error::Status { what, status: 200, message: message.to_owned() },
        _ => Error::NotAnEngine { what, cause: "the answer is empty".to_owned() },
    }
}

#[cfg(test)]
mod tests;
