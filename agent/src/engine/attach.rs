//! A container's own input and output, and what belongs to it: its terminal, signals, its end.

use hyper::Method;
use serde_json::Value;

use super::body::Body;
use super::exec::Size;
use super::query::Query;
use super::{ContainerName, Engine, Error, MAX_MESSAGE, Raw, Sent, path};

/// The requests, as errors name them.
const ATTACH: &str = "the request to attach to the container";
const RESIZE: &str = "the request to resize the container's terminal";
const WAIT: &str = "the request for the end of the container";
const KILL: &str = "the request to send a signal to the container";

impl Engine {
    /// Makes this connection the output of a container's process, and its input if wanted.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn attach(self, container: &ContainerName, input: bool, detach_keys: Option<&str>) -> Result<Raw, Error> {
        let query = Query::default()
            .with("stream", "1")
            .with("stdin", if input { "1" } else { "0" })
            .with("stdout", "1")
            .with("stderr", "1")
            .with_some("detachKeys", detach_keys);
        let path = path(self.api_version(), &query.of(&format!("/containers/{container}/attach")));
        self.connection.hijack(&path, None, ATTACH).await
    }

    /// Tells a container that its terminal has another size.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn resize(&mut self, container: &ContainerName, size: Size) -> Result<(), Error> {
        let path = path(self.api_version(), &size.query().of(&format!("/containers/{container}/resize")));
        self.do_post(&path, RESIZE).await
    }

    /// Sends a signal, named as `INT`, to a container's process.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn kill(&mut self, container: &ContainerName, signal: &str) -> Result<(), Error> {
        let query = Query::default().with("signal", signal);
        let path = path(self.api_version(), &query.of(&format!("/containers/{container}/kill")));
        self.do_post(&path, KILL).await
    }

    /// Waits, for as long as it takes, until a container ends; its exit code.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn wait(&mut self, container: &ContainerName) -> Result<i64, Error> {
        let path = path(self.api_version(), &format!("/containers/{container}/wait"));
        let answer = self.connection.answer(Method::POST, &path, Sent::Nothing, WAIT, None).await?;
        // The answer may begin long before the end.
        let mut body = Body::endless(answer.into_body(), WAIT);
        let mut text = Vec::new();
        while let Some(bytes) = body.next().await? {
            if text.len() + bytes.len() > MAX_MESSAGE {
                let limit = format!("this answer is limited to {MAX_MESSAGE} bytes");
                return Err(Error::TooMuch { what: WAIT, limit });
            }
            text.extend_from_slice(&bytes);
        }
        let answer = serde_json::from_slice::<Value>(&text).unwrap_or_default();
        let code = answer.get("StatusCode").and_then(Value::as_i64);
        code.ok_or_else(|| Error::NotAnEngine { what: WAIT, cause: "the answer has no StatusCode".to_owned() })
    }
}
