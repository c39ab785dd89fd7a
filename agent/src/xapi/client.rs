//! Calls of many tasks beside the event stream: one session for all, some calls at a time.
//!
//! Knows how often a call may be sent; must not know what any call means.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::envelope::Reply;
use super::error::Error;
use super::session::{LOGOUT_LIMIT, SessionRef};
use super::transport::{Call, Connection, IfStale};
use super::value::Value;

/// Calls in flight at most, each on a connection of its own. XAPI serves every connection by a thread.
pub const CALLS_AT_A_TIME: usize = 8;

/// How long XAPI may take to begin its answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// Calls XAPI for whoever has a clone.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    socket: PathBuf,
    places: Arc<Semaphore>,
    /// Connections that nobody uses at the moment; at most as many as there are places.
    idle: Mutex<Vec<Connection>>,
    /// Held while logging in, so that one task does it for all.
    session: AsyncMutex<Option<SessionRef>>,
    /// Whether the session is somebody else's: then there is no other, and it is not ours to end.
    lent: bool,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("socket", &self.0.socket).finish_non_exhaustive()
    }
}

impl Client {
    /// To XAPI at `socket`; connects and logs in with the first call.
    #[must_use]
    pub fn new(socket: &Path) -> Self {
        Self::start(socket, None)
    }

    /// To XAPI at `socket`, in a session of somebody else: with his rights, and left open in the end.
    #[must_use]
    pub fn in_session(socket: &Path, session: SessionRef) -> Self {
        Self::start(socket, Some(session))
    }

    fn start(socket: &Path, session: Option<SessionRef>) -> Self {
        Self(Arc::new(Inner {
            socket: socket.to_owned(),
            places: Arc::new(Semaphore::new(CALLS_AT_A_TIME)),
            idle: Mutex::new(Vec::new()),
            lent: session.is_some(),
            session: AsyncMutex::new(session),
        }))
    }

    /// The socket.
    pub(super) fn socket(&self) -> &Path {
        &self.0.socket
    }

    /// A connection for calls that belong together; waits while too many are in use.
    pub async fn line(&self) -> Line {
        self.line_within(ANSWER_LIMIT).await
    }

    /// Like [`Client::line`] for calls whose answers may take `answer_limit` to begin, because XAPI does them first.
    pub async fn line_within(&self, answer_limit: Duration) -> Line {
        let permit = Arc::clone(&self.0.places).acquire_owned().await.expect("the semaphore is never closed");
        let idle = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = idle.unwrap_or_else(|| Connection::new(&self.0.socket));
        Line { inner: Arc::clone(&self.0), connection: Some(connection), answer_limit, _permit: permit }
    }

    /// Calls `method`; `params` are those after the session's reference. It may happen that XAPI does it twice.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn call<T: Reply>(&self, method: &'static str, params: &[Value]) -> Result<T, Error> {
        self.line().await.call(method, params).await
    }

    /// Like [`Client::call`] for what must not be done twice: an error may mean that it was done.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn call_once<T: Reply>(&self, method: &'static str, params: &[Value]) -> Result<T, Error> {
        self.line().await.call_once(method, params).await
    }

    /// Logs out, if logged in; best effort.
    pub async fn close(self) {
        if self.0.lent {
            return;
        }
        let Some(session) = self.0.session.lock().await.take() else { return };
        let mut line = self.line().await;
        let (params, if_stale) = (session.before(&[]), IfStale::Resend);
        let logout = Call { method: "session.logout", params: &params, answer_limit: LOGOUT_LIMIT, if_stale };
        if let Ok(Err(error)) = timeout(LOGOUT_LIMIT, line.connection().call::<()>(logout)).await {
            tracing::debug!(%error, "could not log out of XAPI");
        }
    }
}

/// One connection, for as long as somebody needs it.
pub struct Line {
    inner: Arc<Inner>,
    /// Always there but while it is given back.
    connection: Option<Connection>,
    /// How long XAPI may take to begin an answer.
    answer_limit: Duration,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.inner.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
    }
}

impl Line {
    /// As [`Client::call`], on this connection.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn call<T: Reply>(&mut self, method: &'static str, params: &[Value]) -> Result<T, Error> {
        self.make(method, params, IfStale::Resend).await
    }

    /// As [`Client::call_once`], on this connection.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn call_once<T: Reply>(&mut self, method: &'static str, params: &[Value]) -> Result<T, Error> {
        self.make(method, params, IfStale::Reconnect).await
    }

    /// In a new session if XAPI does not know the old one: it did not do anything then.
    async fn make<T: Reply>(&mut self, method: &'static str, params: &[Value], if_stale: IfStale) -> Result<T, Error> {
        let session = self.session(None).await?;
        let (answer_limit, before) = (self.answer_limit, session.before(params));
        let call = Call { method, params: &before, answer_limit, if_stale };
        match self.connection().call(call).await {
            Err(error) if error.is_session_invalid() && !self.inner.lent => {
                let params = self.session(Some(&session)).await?.before(params);
                self.connection().call(Call { params: &params, ..call }).await
            }
            result => result,
        }
    }

    /// The session that all share, unless it is the one that turned out to be `invalid`.
    async fn session(&mut self, invalid: Option<&SessionRef>) -> Result<SessionRef, Error> {
        let inner = Arc::clone(&self.inner);
        let mut shared = inner.session.lock().await;
        match &*shared {
            Some(session) if Some(session) != invalid => Ok(session.clone()),
            _ => {
                *shared = None;
                Ok(shared.insert(SessionRef::login(self.connection()).await?).clone())
            }
        }
    }

    fn connection(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("only taken when this is dropped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xapi::script::{Answer, Server, failure, success};

    /// A server that gives out sessions 1, 2, … and answers other calls as `script` says.
    fn server(mut script: impl FnMut(&str, &[String]) -> Answer + Send + 'static) -> Server {
        let mut sessions = 0;
        Server::start(move |request| {
            if request.method == "session.login_with_password" {
                sessions += 1;
                return success(&format!("OpaqueRef:session-{sessions}"));
            }
            script(&request.method, &request.params)
        })
    }

    #[tokio::test]
    async fn all_calls_share_one_session() {
        let server = server(|_, _| success("yes"));
        let client = Client::new(&server.socket());
        let calls = (0..20).map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.call::<String>("VM.get_uuid", &[]).await })
        });
        for call in calls.collect::<Vec<_>>() {
            assert_eq!(call.await.unwrap().unwrap(), "yes");
        }
        assert_eq!(server.calls("session.login_with_password").len(), 1);
    }

    #[tokio::test]
    async fn some_calls_are_in_flight_at_a_time_and_no_more() {
        let server = server(|_, _| Answer::Hang);
        let client = Client::new(&server.socket());
        let _calls: Vec<_> = (0..20)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move { client.call::<String>("VM.get_uuid", &[]).await })
            })
            .collect();
        let end = tokio::time::Instant::now() + Duration::from_secs(10);
        while server.calls("VM.get_uuid").len() < CALLS_AT_A_TIME {
            assert!(tokio::time::Instant::now() < end, "{} calls", server.calls("VM.get_uuid").len());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(server.calls("VM.get_uuid").len(), CALLS_AT_A_TIME);
    }

    #[tokio::test]
    async fn a_session_that_xapi_forgot_is_renewed_once_and_the_call_repeated() {
        let server = server(|_, params| match params[0].as_str() {
            "OpaqueRef:session-1" => failure(&["SESSION_INVALID", "OpaqueRef:session-1"]),
            _ => success("yes"),
        });
        let client = Client::new(&server.socket());
        assert_eq!(client.call_once::<String>("secret.create", &[]).await.unwrap(), "yes");
        assert_eq!(server.calls("session.login_with_password").len(), 2);
        assert_eq!(server.calls("secret.create").len(), 2);
    }

    #[tokio::test]
    async fn a_failure_of_the_call_is_not_a_reason_to_log_in_again() {
        let server = server(|_, _| failure(&["HANDLE_INVALID", "VM", "OpaqueRef:vm"]));
        let client = Client::new(&server.socket());
        assert!(client.call::<String>("VM.get_uuid", &[]).await.unwrap_err().is_handle_invalid());
        assert_eq!(server.calls("session.login_with_password").len(), 1);
    }

    #[tokio::test]
    async fn what_must_not_be_done_twice_is_not_sent_twice_but_survives_a_connection_closed_before() {
        let mut answers = vec![Answer::Close, Answer::BodyThenClose(crate::xapi::script::success_body("yes"))];
        let server = server(move |_, _| answers.pop().unwrap());
        let client = Client::new(&server.socket());
        assert_eq!(client.call_once::<String>("secret.create", &[]).await.unwrap(), "yes");
        assert!(client.call_once::<String>("secret.create", &[]).await.is_err());
        assert_eq!(server.calls("secret.create").len(), 2);
    }

    #[tokio::test]
    async fn somebody_elses_session_is_used_and_neither_replaced_nor_ended() {
        let server = server(|_, params| match params[0].as_str() {
            "OpaqueRef:theirs" => success("yes"),
            _ => failure(&["SESSION_INVALID", "OpaqueRef:lost"]),
        });
        let of = |session: &str| Client::in_session(&server.socket(), SessionRef::lent(session.to_owned()));
        assert_eq!(of("OpaqueRef:theirs").call::<String>("VM.get_uuid", &[]).await.unwrap(), "yes");
        assert!(of("OpaqueRef:lost").call::<String>("VM.get_uuid", &[]).await.unwrap_err().is_session_invalid());
        of("OpaqueRef:theirs").close().await;
        assert_eq!(server.calls("session.login_with_password").len() + server.calls("session.logout").len(), 0);
    }

    #[tokio::test]
    async fn closing_logs_out() {
        let server = server(|_, _| success(""));
        let client = Client::new(&server.socket());
        client.call::<()>("VM.get_uuid", &[]).await.unwrap();
        client.close().await;
        assert_eq!(server.calls("session.logout")[0].params, ["OpaqueRef:session-1"]);
    }
}
