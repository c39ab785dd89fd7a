//! A session with XAPI. Knows login, logout and who calls; must not know what the calls are for.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use super::envelope::Reply;
use super::error::Error;
use super::transport::{ANSWER_LIMIT, Call, Connection, IfStale};
use super::value::Value;

/// The name under which our sessions are counted; XAPI keeps at most 500 of one originator and drops the oldest
/// (xen-api ocaml/xapi/db_gc_util.ml). The original agent used the same.
pub const ORIGINATOR: &str = "xscontainer";

/// How long logging out may take: it is a courtesy.
pub const LOGOUT_LIMIT: Duration = Duration::from_secs(2);

/// The reference of a session. Whoever has it can do everything, so it cannot be printed.
#[derive(Clone, PartialEq)]
pub struct SessionRef(Value);

impl SessionRef {
    /// A session of somebody else, by the reference that he gave us.
    #[must_use]
    pub fn lent(reference: String) -> Self {
        Self(Value::from(reference))
    }

    /// Logs in. XAPI checks no credentials of local clients (xen-api ocaml/xapi/xapi_session.ml).
    pub(super) async fn login(connection: &mut Connection) -> Result<Self, Error> {
        let params = ["root", "", "1.0", ORIGINATOR].map(Value::from);
        let reference: String = connection.call(call("session.login_with_password", &params)).await?;
        Ok(Self(Value::from(reference)))
    }

    /// The parameters of a call in this session.
    pub(super) fn before(&self, params: &[Value]) -> Vec<Value> {
        std::iter::once(&self.0).chain(params).cloned().collect()
    }
}

impl fmt::Debug for SessionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionRef(secret)")
    }
}

/// A session and the connection that its calls go over.
///
/// It outlives the connection: XAPI may well know it after a break, and says `SESSION_INVALID` if not.
pub struct Session {
    connection: Connection,
    reference: SessionRef,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("reference", &self.reference).finish_non_exhaustive()
    }
}

impl Session {
    /// Logs in at `socket`.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn login(socket: &Path) -> Result<Self, Error> {
        let mut connection = Connection::new(socket);
        let reference = SessionRef::login(&mut connection).await?;
        Ok(Self { connection, reference })
    }

    /// Calls `method` in this session; `params` are those after the session's reference.
    ///
    /// # Errors
    /// [`Error`]; a result that is not of the type asked for is an `Error::Reply`.
    pub async fn call<T: Reply>(&mut self, method: &'static str, params: &[Value]) -> Result<T, Error> {
        let params = self.reference.before(params);
        self.connection.call(call(method, &params)).await
    }

    /// Like [`Session::call`], for a call that itself waits up to `wait`. It is never sent twice.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn call_that_waits<T: Reply>(
        &mut self,
        method: &'static str,
        params: &[Value],
        wait: Duration,
    ) -> Result<T, Error> {
        let params = self.reference.before(params);
        let answer_limit = wait + WAIT_MARGIN;
        self.connection.call(Call { method, params: &params, answer_limit, if_stale: IfStale::Fail }).await
    }

    /// How often the connection went away without notice; see [`Connection::losses`].
    #[must_use]
    pub fn losses(&self) -> u64 {
        self.connection.losses()
    }

    /// Ends the session, within [`LOGOUT_LIMIT`].
    ///
    /// # Errors
    /// [`Error`]; XAPI then drops the session after a day without calls (xen-api ocaml/xapi/db_gc_util.ml).
    pub async fn logout(mut self) -> Result<(), Error> {
        let method = "session.logout";
        tokio::time::timeout(LOGOUT_LIMIT, self.call(method, &[])).await.unwrap_or(Err(Error::Slow {
            method,
            step: "the answer",
            limit: LOGOUT_LIMIT,
        }))
    }
}

/// What is granted to a waiting call beyond the time that it waits.
const WAIT_MARGIN: Duration = Duration::from_secs(15);

fn call<'a>(method: &'static str, params: &'a [Value]) -> Call<'a> {
    Call { method, params, answer_limit: ANSWER_LIMIT, if_stale: IfStale::Resend }
}
