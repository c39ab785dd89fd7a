//! What can go wrong between us and XAPI. Messages never hold a session's reference, nor foreign text unquoted.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::decode::DecodeError;
use super::encode::EncodeError;
use crate::quote::quoted;

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody listens on the socket, or nobody accepts.
    #[error("cannot connect to XAPI's socket {}: {cause}; is the toolstack running (systemctl status xapi)?", socket.display())]
    Connect {
        /// The socket.
        socket: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// The connection broke, or what came is not HTTP.
    #[error("{method}: the connection to XAPI failed: {cause}")]
    Http {
        /// The call.
        method: &'static str,
        /// What the HTTP client says.
        cause: hyper::Error,
    },
    /// The connection was gone between two calls of which the second needs the server of the first.
    #[error("{method}: XAPI closed the connection after the call before, as it does when it restarts")]
    Restarted {
        /// The call that was not made, or was not relied upon.
        method: &'static str,
    },
    /// An HTTP answer other than 200; XAPI reports failed calls with 200, so this means the toolstack is in trouble.
    #[error("{method}: XAPI answered with HTTP status {status}; its log /var/log/xensource.log may say why")]
    Status {
        /// The call.
        method: &'static str,
        /// The status code.
        status: u16,
    },
    /// No answer in time.
    #[error("{method}: {step} took longer than {} s; XAPI is overloaded or hangs", limit.as_secs())]
    Slow {
        /// The call.
        method: &'static str,
        /// What was waited for.
        step: &'static str,
        /// How long.
        limit: Duration,
    },
    /// An answer that is not a reply to this call.
    #[error("{method}: {cause}")]
    Reply {
        /// The call.
        method: &'static str,
        /// What is wrong with it.
        cause: DecodeError,
    },
    /// A result of the right type that makes no sense.
    #[error("{method}: XAPI answered with something else than {wanted}")]
    Odd {
        /// The call.
        method: &'static str,
        /// What would have been right.
        wanted: &'static str,
    },
    /// A call that cannot be written down.
    #[error("{method}: {cause}")]
    Request {
        /// The call.
        method: &'static str,
        /// What is wrong with it.
        cause: EncodeError,
    },
    /// XAPI refused or failed to do it.
    #[error("{method}: XAPI reports {failure}")]
    Failure {
        /// The call.
        method: &'static str,
        /// The reason given.
        failure: Failure,
    },
}

impl Error {
    /// Whether the session is no longer known to XAPI, so that only a new login helps.
    #[must_use]
    pub fn is_session_invalid(&self) -> bool {
        matches!(self, Error::Failure { failure, .. } if failure.concerns_session())
    }

    /// Whether there is an entry of that key in the map already.
    #[must_use]
    pub fn is_duplicate_key(&self) -> bool {
        self.has_code("MAP_DUPLICATE_KEY")
    }

    /// Whether no object has the uuid asked for.
    #[must_use]
    pub fn is_uuid_invalid(&self) -> bool {
        self.has_code("UUID_INVALID")
    }

    /// Whether XAPI reports a failure with this code.
    #[must_use]
    pub fn has_code(&self, code: &str) -> bool {
        matches!(self, Error::Failure { failure, .. } if failure.code == code)
    }

    /// Whether the object asked for does not exist any more.
    #[must_use]
    pub fn is_handle_invalid(&self) -> bool {
        matches!(self, Error::Failure { failure, .. } if failure.code == "HANDLE_INVALID" && !failure.concerns_session())
    }
}

/// XAPI's own account of a failed call (xen-api ocaml/xapi-consts/api_errors.ml lists the codes).
#[derive(Clone, PartialEq, Eq)]
pub struct Failure {
    /// For example `HANDLE_INVALID`.
    pub code: String,
    /// What the code's description refers to.
    pub params: Vec<String>,
}

impl Failure {
    /// Whether it is the session that XAPI does not know; a reference that leads nowhere is a `HANDLE_INVALID` for
    /// sessions as for any class.
    fn concerns_session(&self) -> bool {
        let of_session = || self.params.first().is_some_and(|class| class.eq_ignore_ascii_case("session"));
        self.code == "SESSION_INVALID" || (self.code == "HANDLE_INVALID" && of_session())
    }
}

impl fmt::Display for Failure {
    /// Parameters of failures that concern a session are left out: they hold its reference, which is a credential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", quoted(&self.code))?;
        if self.code.starts_with("SESSION_") || self.concerns_session() || self.params.is_empty() {
            return Ok(());
        }
        /// Parameters shown; XAPI's own codes have at most five.
        const SHOWN: usize = 8;
        f.write_str(" of")?;
        for param in self.params.iter().take(SHOWN) {
            write!(f, " {}", quoted(param))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_code_and_parameters_on_one_line() {
        let failure = Failure { code: "INTERNAL_ERROR".into(), params: vec!["a\nb".into()] };
        assert_eq!(failure.to_string(), r#""INTERNAL_ERROR" of "a\nb""#);
    }

    #[test]
    fn an_invalid_session_is_recognised_and_not_printed() {
        for (code, params) in
            [("SESSION_INVALID", vec!["OpaqueRef:x"]), ("HANDLE_INVALID", vec!["session", "OpaqueRef:x"])]
        {
            let params = params.into_iter().map(str::to_owned).collect();
            let error = Error::Failure { method: "m", failure: Failure { code: code.into(), params } };
            assert!(error.is_session_invalid() && !error.is_handle_invalid());
            assert!(!format!("{error} {error:?}").contains("OpaqueRef"), "{error:?}");
        }
    }

    #[test]
    fn another_invalid_reference_is_not_taken_for_the_session() {
        let failure = Failure { code: "HANDLE_INVALID".into(), params: vec!["VM".into(), "OpaqueRef:x".into()] };
        let error = Error::Failure { method: "m", failure };
        assert!(error.is_handle_invalid() && !error.is_session_invalid());
    }
}
