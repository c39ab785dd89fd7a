//! Streams between a person and a container: over a connection of the command's own, so that no flood touches the monitor.
//!
//! | module | knows |
//! |---|---|
//! | [`logs`], [`exec`], [`attach`], [`events`] | what each command does, until its exit code |
//! | `session` | input and output of one process, at the same time |
//! | `input`, `output` | the standard streams, each read or written by a thread of its own |
//! | [`terminal`] | raw mode, size, keys that detach |
//! | [`printable`] | foreign text that a terminal shows and does not obey |
//! | [`times`] | times as people write them |
//! | [`problem`] | everything that can go wrong, in words, with exit codes |
//!
//! Must not know command lines, nor how a VM or a container is found.

pub mod attach;
pub mod events;
pub mod exec;
mod input;
pub mod keys;
pub mod logs;
mod output;
pub mod printable;
pub mod problem;
mod session;
mod signals;
pub mod terminal;
pub mod times;

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::ask::{Pool, Reached};
use crate::engine::{self, Engine, Identity};
use crate::guest::{self, Connection, Family, Unreachable};
use crate::reach::{Rules, Trouble};
use crate::xapi::{Vm, VmRef};

pub use output::Manner;
pub use problem::Problem;

/// How long a connection may take to be known as dead once a stream on it has broken.
const DEAD_AFTER: Duration = Duration::from_secs(1);

/// How long an engine behind TLS may be silent before the VM counts as lost: that of SSH.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);

/// A way into a VM, and the engine at its end. Dropping it closes every stream.
#[derive(Debug)]
pub struct Way {
    connection: Connection,
    identity: Identity,
    family: Family,
    rules: Rules,
}

impl Way {
    /// Opens it to a VM of `pool`; gives the first stream too.
    ///
    /// # Errors
    /// Those of [`Pool::reach`].
    pub async fn open(pool: &Pool, vm: &VmRef, record: &Vm) -> Result<(Self, Engine), super::Problem> {
        let Reached { connection, engine, family } = pool.reach(vm, record).await?;
        Ok((Self { connection, identity: engine.identity().clone(), family, rules: pool.rules }, engine))
    }

    /// Another stream to the engine.
    ///
    /// # Errors
    /// [`Problem::Reach`]
    pub async fn stream(&self) -> Result<Engine, Problem> {
        let open = async { Ok(Engine::known(self.connection.open().await?, self.identity.clone()).await?) };
        self.rules.in_time(open).await.map_err(|trouble| Problem::reach(trouble, self.family))
    }

    /// Waits until the VM is lost.
    pub async fn lost(&self) -> Problem {
        let trouble = match &self.connection {
            Connection::Ssh(ssh) => Trouble::Guest(ssh.closed().await),
            Connection::Tls(tls) => loop {
                // Every stream is a connection of its own, and a silent one tells nothing.
                sleep(guest::KEEP_ALIVE_AFTER).await;
                let asked = async { self.stream().await?.ping().await.map_err(|error| self.problem(error)) };
                match timeout(SILENCE_LIMIT, asked).await {
                    Ok(Ok(())) => {}
                    Ok(Err(problem)) => return problem,
                    Err(_) => {
                        let (address, step) = (tls.address(), "a sign of life of the engine");
                        break Trouble::Guest(Unreachable::Slow { address, step, limit: SILENCE_LIMIT });
                    }
                }
            },
        };
        Problem::reach(trouble, self.family)
    }

    fn problem(&self, error: engine::Error) -> Problem {
        let explained = match &error {
            engine::Error::Closed(cause) => self.connection.explain(cause),
            _ => None,
        };
        Problem::reach(explained.map_or(Trouble::Engine(error), Trouble::Guest), self.family)
    }

    /// Why a request or a stream failed: if it broke, it may be the whole connection that did.
    async fn why(&self, error: engine::Error) -> Problem {
        if let (engine::Error::Closed(_), Connection::Ssh(ssh)) = (&error, &self.connection)
            && let Ok(lost) = timeout(DEAD_AFTER, ssh.closed()).await
        {
            return Problem::reach(Trouble::Guest(lost), self.family);
        }
        self.problem(error)
    }
}
