//! Why containers are not seen: a host examined check by check, the path to a VM's engine walked step by step, each line
//! with what was seen, what is wrong, and the remedy. Looks, and changes nothing.
//!
//! ```text
//! Check, Fault: of a host ─────────┐
//! Step, Trouble (reach): of a path ┼─► Id ─► shown: a terminal, JSON
//!                                  ├─► report: all of it for a support engineer, without secrets
//!                                  └─► page: troubleshooting.md, made of the same texts
//! ```
//!
//! Must not know command lines.
//!
//! | module | knows |
//! |---|---|
//! | [`check`], [`fault`] | what is looked at on a host, and what can be wrong with it |
//! | [`id`] | the name of everything that can be wrong |
//! | [`example`](mod@example) | one example of each |
//! | [`host`] | how the checks are made |
//! | [`program`] | a program of dom0 run for what it says |
//! | [`shown`] | lines for people, values for programs |
//! | [`report`] | everything in one file |
//! | [`page`] | the page about troubles |

pub mod check;
pub mod example;
pub mod fault;
pub mod host;
pub mod id;
pub mod page;
pub mod program;
pub mod report;
pub mod shown;

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::operator::ask::Pool;
use crate::operator::{Dom0, Problem, find};
use crate::reach::walk::{self, Walk};
use crate::xapi::{Vm, VmRef};

pub use check::{Check, Finding, Outcome};
pub use fault::{Fault, Severity};
pub use host::examine;
pub use id::Id;

/// The page about troubles in dom0.
pub const PAGE: &str = "/usr/share/doc/xscontainer/troubleshooting.md";

/// Where things are.
#[derive(Clone, Debug)]
pub struct Places {
    /// XAPI's socket, the inventory, the monitor's socket.
    pub dom0: Dom0,
    /// The settings.
    pub config: PathBuf,
    /// The folder that all other files of dom0 are below.
    pub root: PathBuf,
}

impl Places {
    /// A file of dom0, by its path without the first slash.
    #[must_use]
    pub fn of_root(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// The log.
    #[must_use]
    pub fn log_file(&self) -> PathBuf {
        self.of_root("var/log/xscontainer.log")
    }
}

/// The path to the engine of one VM, walked.
#[derive(Debug)]
pub struct Walked {
    /// The VM's name. Foreign.
    pub name: String,
    /// Its uuid.
    pub uuid: String,
    /// The host that it runs on, if that is another. Foreign.
    pub elsewhere: Option<String>,
    /// The path from here.
    pub walk: Walk,
}

/// Whether the host is to be called well: no check found a failure.
#[must_use]
pub fn is_well(findings: &[Finding]) -> bool {
    !findings.iter().any(|finding| match &finding.outcome {
        Outcome::Found(fault) => fault.severity() == Severity::Failure,
        Outcome::Passed(_) | Outcome::NotMade(_) => false,
    })
}

/// Walks the path to the engine of the VM with this uuid or name.
///
/// # Errors
/// [`Problem::NoVm`], [`Problem::SeveralVms`], [`Problem::Xapi`], [`Problem::Inventory`]
pub async fn walk_to(dom0: &Dom0, vm: &str) -> Result<Walked, Problem> {
    let pool = Pool::read(dom0).await?;
    let walked = match find::vm(&pool.state, vm) {
        Ok(found) => walked(&pool, found).await,
        Err(problem) => Err(problem),
    };
    pool.close().await;
    walked
}

async fn walked(pool: &Pool, vm: (&VmRef, &Vm)) -> Result<Walked, Problem> {
    let elsewhere = match vm.1.resident_on.as_ref().filter(|host| **host != pool.here) {
        Some(host) => Some(pool.client.call("host.get_name_label", &[host.into()]).await?),
        None => None,
    };
    let walk = walk::walk(&pool.client, &pool.pool_key, &pool.state, vm, &pool.here, &pool.rules).await;
    Ok(Walked { name: vm.1.name_label.clone(), uuid: vm.1.uuid.to_string(), elsewhere, walk })
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
