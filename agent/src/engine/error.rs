//! What can go wrong between us and an engine. Foreign text is quoted and bounded.

use std::time::Duration;

use super::one::is_about_one;
use crate::quote::quoted;

/// Why an engine did not answer as it should.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The stream ended or broke.
    #[error("the engine closed the connection ({0})")]
    Closed(String),
    /// No answer in time.
    #[error("the engine did not answer {what} within {} s", limit.as_secs())]
    Slow {
        /// The request.
        what: &'static str,
        /// How long it may take.
        limit: Duration,
    },
    /// Something else than HTTP, or HTTP beyond all measure.
    #[error("what answers is not a container engine: {0}")]
    NotHttp(String),
    /// An answer that no engine gives.
    #[error("what answers to {what} is not a container engine: {cause}")]
    NotAnEngine {
        /// The request.
        what: &'static str,
        /// What is wrong with the answer.
        cause: String,
    },
    /// An HTTP status other than 200, or for an action other than one of success; 200 with nothing where something
    /// should be.
    #[error("the engine answered {what} with HTTP status {status}: {}", quoted(message))]
    Status {
        /// The request.
        what: &'static str,
        /// The status.
        status: u16,
        /// What the engine says about it.
        message: String,
    },
    /// More than is put up with.
    #[error("the engine's answer to {what} has too much of something: {limit}")]
    TooMuch {
        /// The request.
        what: &'static str,
        /// What is limited, and to how much.
        limit: String,
    },
    /// Older than what this program can speak to.
    #[error("the engine is too old: its API version is {0}, and 1.18 (Docker 1.6) is the oldest that is supported")]
    TooOld(String),
    /// Older than what is asked for: it would pass over it in silence.
    #[error("the engine does not know {what}: that needs its API {needs}, and it has {has}")]
    Lacks {
        /// What it does not know.
        what: &'static str,
        /// The oldest API that does.
        needs: String,
        /// The engine's.
        has: String,
    },
}

impl Error {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Closed(_) => "See that the engine runs in the VM: systemctl status docker",
            Self::Slow { what, .. } if is_about_one(what) => {
                "It may still be done. Look at the container in the VM: docker ps --all"
            }
            Self::Slow { .. } => "The engine hangs or is overloaded. Restart it in the VM: systemctl restart docker",
            Self::NotHttp(_) | Self::NotAnEngine { .. } => {
                "See what listens on the engine's socket or port in the VM; it should be Docker or Podman's service."
            }
            Self::Status { what, status: 500, .. } if is_about_one(what) => {
                "See the container's state in the VM (docker ps --all), and the engine's log: journalctl -u docker"
            }
            Self::Status { what, status: 200 | 304 | 404 | 409, .. } if is_about_one(what) => {
                "See which containers there are in the VM, and their states: docker ps --all"
            }
            Self::Status { .. } => "See the engine's log in the VM: journalctl -u docker",
            Self::TooMuch { what, .. } if is_about_one(what) => {
                "Look at the container in the VM: docker inspect and docker top"
            }
            Self::TooMuch { .. } => "Remove containers in the VM that are not needed: docker container prune",
            Self::TooOld(_) => "Update Docker in the VM.",
            Self::Lacks { .. } => "Update Docker in the VM, or do without that option.",
        }
        .to_owned()
    }
}
