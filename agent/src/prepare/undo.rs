//! What was done on the way, and taking it back, the last first. Every step is noted before it is made.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::guest_key::{self, Before};
use super::turn::Turn;
use crate::guest::ssh::{UserName, Visit};
use crate::xapi::{Client, VmRef, other_config};

/// How long taking one thing back may take.
const LIMIT: Duration = Duration::from_secs(40);

/// What was done so far.
#[derive(Default)]
pub struct Undo(Vec<Done>);

enum Done {
    /// This entry held this.
    Entry { client: Client, vm: VmRef, key: &'static str, before: Option<String> },
    /// The key was put into an account.
    GuestKey { visit: Arc<Visit>, user: UserName, line: String, before: Before },
    /// The turn was taken.
    Turn(Turn),
}

impl Undo {
    /// Notes what an entry of the VM's `other_config` holds before it is changed.
    pub fn entry(&mut self, client: &Client, vm: &VmRef, key: &'static str, before: Option<String>) {
        self.0.push(Done::Entry { client: client.clone(), vm: vm.clone(), key, before });
    }

    /// Notes that the key is about to be put into an account.
    pub fn guest_key(&mut self, visit: &Arc<Visit>, user: &UserName, line: &str, before: Before) {
        self.0.push(Done::GuestKey { visit: Arc::clone(visit), user: user.clone(), line: line.to_owned(), before });
    }

    /// Notes that the turn is about to be taken.
    pub fn turn(&mut self, turn: Turn) {
        self.0.push(Done::Turn(turn));
    }

    /// Lets everything stay as it is but the turn, which is still to be given back.
    pub fn settle(&mut self) {
        self.0.retain(|done| matches!(done, Done::Turn(_)));
    }

    /// Takes everything back; what could not be, in words.
    pub async fn all(&mut self) -> Vec<String> {
        let mut left = Vec::new();
        while let Some(done) = self.0.pop() {
            let undone = timeout(LIMIT, done.undo()).await;
            if let Err(why) = undone.unwrap_or_else(|_| Err("it takes too long".to_owned())) {
                let what = done.what();
                tracing::warn!(what, why, "could not be taken back");
                left.push(format!("{what}: {why}"));
            }
        }
        left
    }
}

impl Done {
    async fn undo(&self) -> Result<(), String> {
        match self {
            Self::Entry { client, vm, key, before } => {
                let before = before.as_deref();
                other_config::replace(client, vm, key, before).await.map_err(|error| error.to_string())
            }
            Self::GuestKey { visit, user, line, before } => {
                guest_key::remove(visit, user, line, *before).await.map_err(|failure| match failure {
                    guest_key::Failure::Unreachable(cause) => cause.to_string(),
                    guest_key::Failure::Account(problem) => problem.to_string(),
                })
            }
            Self::Turn(turn) => turn.give_back().await.map_err(|problem| problem.to_string()),
        }
    }

    fn what(&self) -> String {
        match self {
            Self::Entry { key, .. } => format!("the VM's other-config key {key}"),
            Self::GuestKey { user, .. } => format!("the pool's key in ~/.ssh/authorized_keys of {user}"),
            Self::Turn(_) => "the turn of preparing the VM".to_owned(),
        }
    }
}
