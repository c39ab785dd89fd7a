//! Commands in a container that runs: made, started, asked how they ended.

use hyper::Method;
use serde_json::{Map, Value, json};

use super::body::Body;
use super::query::Query;
use super::{ApiVersion, ContainerName, DOCUMENT_LIMIT, Engine, Error, MAX_MESSAGE, Raw, Sent, path};

/// The requests, as errors name them.
const CREATE: &str = "the request for a command in the container";
const START: &str = "the request to start a command in the container";
const RESIZE: &str = "the request to resize the terminal in the container";
const LOOK: &str = "the request for the end of a command in the container";

/// Bytes of what is said of a command; real ones have half a KiB and the command itself.
const MAX_STATE: usize = 256 * 1024;

/// The first APIs that know these, before which they are passed over in silence (Docker Engine API, version history).
const USER: ApiVersion = ApiVersion(1, 19);
const PRIVILEGED: ApiVersion = ApiVersion(1, 20);
const ENVIRONMENT: ApiVersion = ApiVersion(1, 25);
const FOLDER: ApiVersion = ApiVersion(1, 35);

/// The first API in which the size of a terminal goes with the request for it.
const FIRST_SIZE: ApiVersion = ApiVersion(1, 42);

/// Of a terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Across.
    pub columns: u16,
    /// Down.
    pub rows: u16,
}

impl Size {
    pub(super) fn query(self) -> Query {
        Query::default().with("h", &self.rows.to_string()).with("w", &self.columns.to_string())
    }
}

/// A command, and how it is to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// It gets input.
    pub input: bool,
    /// It gets a terminal.
    pub tty: bool,
    /// Nobody listens to it.
    pub detached: bool,
    /// As whom; as the container says if none.
    pub user: Option<String>,
    /// Where; where the container says if none.
    pub folder: Option<String>,
    /// Additional variables, `NAME=text`.
    pub environment: Vec<String>,
    /// With all capabilities.
    pub privileged: bool,
    /// What leaves it, as engines write it.
    pub detach_keys: Option<String>,
    /// The terminal's size at first.
    pub size: Option<Size>,
}

/// Under which an engine knows a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecId(ContainerName);

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecState {
    /// It runs, or is about to.
    Running,
    /// It ended with this code.
    Ended(i64),
}

impl Engine {
    /// Makes a command, which is not started yet.
    ///
    /// # Errors
    /// [`Error`]; [`Error::Lacks`] if the engine would pass over what is ordered.
    pub async fn create_exec(&mut self, container: &ContainerName, order: &Order) -> Result<ExecId, Error> {
        let body = self.exec_body(order)?;
        let path = path(self.api_version(), &format!("/containers/{container}/exec"));
        let sent = Sent::Json(&body);
        let answer = self.connection.answer(Method::POST, &path, sent, CREATE, Some(DOCUMENT_LIMIT)).await?;
        let answer = Body::new(answer.into_body(), CREATE).whole(MAX_MESSAGE).await?;
        let id = serde_json::from_slice::<Value>(&answer).ok();
        let id = id.as_ref().and_then(|answer| answer.get("Id")?.as_str()).and_then(ContainerName::parse);
        id.map(ExecId)
            .ok_or_else(|| Error::NotAnEngine { what: CREATE, cause: "the answer has no usable Id".to_owned() })
    }

    fn exec_body(&self, order: &Order) -> Result<Value, Error> {
        let mut body = Map::new();
        let mut put = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
        put("AttachStdin", (order.input && !order.detached).into());
        put("AttachStdout", (!order.detached).into());
        put("AttachStderr", (!order.detached).into());
        put("Tty", order.tty.into());
        put("Cmd", order.command.clone().into());
        if let Some(keys) = &order.detach_keys {
            put("DetachKeys", keys.as_str().into());
        }
        if let Some(user) = &order.user {
            self.must_know("another user for a command", USER)?;
            put("User", user.as_str().into());
        }
        if order.privileged {
            self.must_know("privileges for a command", PRIVILEGED)?;
            put("Privileged", true.into());
        }
        if !order.environment.is_empty() {
            self.must_know("variables for a command", ENVIRONMENT)?;
            put("Env", order.environment.clone().into());
        }
        if let Some(folder) = &order.folder {
            self.must_know("another folder for a command", FOLDER)?;
            put("WorkingDir", folder.as_str().into());
        }
        if let Some(size) = order.size.filter(|_| self.api_version() >= FIRST_SIZE) {
            put("ConsoleSize", json!([size.rows, size.columns]));
        }
        Ok(Value::Object(body))
    }

    /// Starts a command, and makes this connection its input and output.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn start_exec(self, id: &ExecId, tty: bool) -> Result<Raw, Error> {
        let path = path(self.api_version(), &format!("/exec/{}/start", id.0));
        self.connection.hijack(&path, Some(&json!({"Detach": false, "Tty": tty})), START).await
    }

    /// Starts a command that nobody listens to.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn start_exec_detached(&mut self, id: &ExecId, tty: bool) -> Result<(), Error> {
        let path = path(self.api_version(), &format!("/exec/{}/start", id.0));
        let body = json!({"Detach": true, "Tty": tty});
        let answer =
            self.connection.answer(Method::POST, &path, Sent::Json(&body), START, Some(DOCUMENT_LIMIT)).await?;
        Body::new(answer.into_body(), START).whole(MAX_MESSAGE).await.map(drop)
    }

    /// Tells a command that its terminal has another size.
    ///
    /// # Errors
    /// [`Error`]; before it has a terminal too.
    pub async fn resize_exec(&mut self, id: &ExecId, size: Size) -> Result<(), Error> {
        let path = path(self.api_version(), &size.query().of(&format!("/exec/{}/resize", id.0)));
        self.do_post(&path, RESIZE).await
    }

    /// Asks what became of a command.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn exec_state(&mut self, id: &ExecId) -> Result<ExecState, Error> {
        let path = path(self.api_version(), &format!("/exec/{}/json", id.0));
        let body = Body::new(self.connection.ask(Method::GET, &path, LOOK, self.connection.limits.answer).await?, LOOK);
        let state = serde_json::from_slice::<Value>(&body.whole(MAX_STATE).await?).unwrap_or_default();
        match (state.get("Running").and_then(Value::as_bool), state.get("ExitCode").and_then(Value::as_i64)) {
            (Some(false), Some(code)) => Ok(ExecState::Ended(code)),
            (Some(true), _) => Ok(ExecState::Running),
            // Docker, of one that is not yet started.
            (Some(false), None) => Ok(ExecState::Running),
            (None, _) => {
                Err(Error::NotAnEngine { what: LOOK, cause: "the answer does not say whether it runs".to_owned() })
            }
        }
    }

    /// A POST of nothing, whose answer says nothing.
    pub(super) async fn do_post(&mut self, path: &str, what: &'static str) -> Result<(), Error> {
        let answer = self.connection.ask(Method::POST, path, what, self.connection.limits.answer).await?;
        Body::new(answer, what).whole(MAX_MESSAGE).await.map(drop)
    }
}
