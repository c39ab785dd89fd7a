//! VMs prepared for container management, and taken out of it again, with a person at a terminal or a script.
//!
//! Whatever fails, is declined or interrupted on the way is taken back. Must not know command lines, nor how the monitor
//! works.
//!
//! ```text
//! order ─► job: the VM, found ─► turn: nobody else at it ─► ssh, over_tls, remove, check ─► shown: its containers
//!                                        └── every step noted first ──► undo
//! ```
//!
//! | module | knows |
//! |---|---|
//! | [`dialogue`] | questions at a terminal, or unasked |
//! | [`login`] | the order of keys, passwords and questions |
//! | [`guest_key`] | the pool's key in an account |
//! | [`ssh`] | a VM made reachable over SSH |
//! | [`over_tls`] | a VM made reachable over TLS |
//! | [`tls`] | certificates brought to an engine on a disc, and ours in XAPI |
//! | [`remove`](mod@remove) | the opposite |
//! | [`rotate`] | the pool's key changed in all VMs |
//! | [`turn`], [`undo`] | one at a time; taking back |
//! | [`problem`] | everything that can stand in the way, with exit codes |

pub mod dialogue;
pub mod guest_key;
pub mod job;
pub mod login;
pub mod over_tls;
pub mod problem;
pub mod remove;
pub mod rotate;
pub mod shown;
pub mod ssh;
pub mod tls;
pub mod turn;
pub mod undo;

pub use dialogue::{Dialogue, Manner};
pub use job::Job;
pub use login::Means;
pub use problem::{Problem, Signal};
pub use shown::Prepared;
pub use undo::Undo;

use turn::Turn;

/// What is to be done with a VM.
#[derive(Clone, Debug)]
pub enum Order {
    /// Look only: every step of the path to its engine.
    Check,
    /// Over SSH.
    Ssh {
        /// The account; asked for if none.
        user: Option<String>,
        /// What the administrator logs in with.
        means: Means,
    },
    /// Over TLS.
    Tls(over_tls::Source),
    /// Take it out again.
    Remove {
        /// Also if the guest cannot be reached.
        force: bool,
    },
}

/// What came of it.
#[derive(Debug)]
pub enum Outcome {
    /// What was seen at every step.
    Checked(crate::reach::walk::Walk),
    /// Its containers show.
    Prepared(Prepared),
    /// It is forgotten.
    Removed(remove::Removed),
}

/// Carries out an order. What has to be taken back if this fails or is dropped is in `undo`.
///
/// # Errors
/// [`Problem`]
pub async fn carry_out(job: &Job, order: &Order, dialogue: &Dialogue, undo: &mut Undo) -> Result<Outcome, Problem> {
    if let Order::Check = order {
        return Ok(Outcome::Checked(job.walk().await));
    }
    let turn = Turn::at_vm(&job.client, &job.vm, &job.here);
    undo.turn(turn.clone());
    turn.take().await?;
    let outcome = match order {
        Order::Check => Outcome::Checked(job.walk().await),
        Order::Ssh { user, means } => {
            Outcome::Prepared(ssh::prepare(job, user.as_deref(), means, dialogue, undo).await?)
        }
        Order::Tls(source) => Outcome::Prepared(over_tls::prepare(job, source, dialogue, undo).await?),
        Order::Remove { force } => Outcome::Removed(remove::remove(job, *force, dialogue, undo).await?),
    };
    undo.settle();
    undo.all().await;
    Ok(outcome)
}
