//! What was done on the way, and taking it back, the last first. Every step is noted before it is made.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::guest_key::{self, Before};
use super::tls::{self, Store, cd};
use super::turn::Turn;
use crate::certificates::Set;
use crate::guest::ssh::{UserName, Visit};
use crate::guest::tls::Verify;
use crate::xapi::{Client, VmRef, VmUuid, other_config};

/// How long taking one thing back may take.
const LIMIT: Duration = Duration::from_secs(40);

/// The same of a disc: one call about storage may take minutes.
const DISC_LIMIT: Duration = Duration::from_secs(400);

/// What was done so far.
#[derive(Default)]
pub struct Undo(Vec<Done>);

enum Done {
    /// This entry held this.
    Entry { client: Client, vm: VmRef, key: &'static str, before: Option<String> },
    /// The key was put into an account.
    GuestKey { visit: Arc<Visit>, user: UserName, line: String, before: Before },
    /// A disc was put into the VM's CD drive.
    Disc { client: Client, vm: VmRef, uuid: VmUuid },
    /// Certificates were kept.
    Store(Box<Store>),
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

    /// Notes that a disc is about to be put into the VM's CD drive.
    pub fn disc(&mut self, client: &Client, vm: &VmRef, uuid: &VmUuid) {
        self.0.push(Done::Disc { client: client.clone(), vm: vm.clone(), uuid: uuid.clone() });
    }

    /// Keeps certificates.
    ///
    /// # Errors
    /// [`tls::Error`]
    pub async fn put(&mut self, store: Store, set: &Set, verify: Verify) -> Result<(), tls::Error> {
        self.0.push(Done::Store(Box::new(store)));
        match self.0.last_mut() {
            Some(Done::Store(store)) => store.put(set, verify).await,
            _ => Ok(()),
        }
    }

    /// Lets everything stay as it is but the turn, which is still to be given back. Gives the certificates that were kept,
    /// so that those which they replace can go.
    pub fn settle(&mut self) -> Option<Store> {
        let mut kept = None;
        for done in std::mem::take(&mut self.0) {
            match done {
                Done::Turn(_) => self.0.push(done),
                Done::Store(store) => kept = Some(*store),
                Done::Entry { .. } | Done::GuestKey { .. } | Done::Disc { .. } => {}
            }
        }
        kept
    }

    /// Takes everything back; what could not be, in words.
    pub async fn all(&mut self) -> Vec<String> {
        let mut left = Vec::new();
        while let Some(mut done) = self.0.pop() {
            let limit = if matches!(done, Done::Disc { .. }) { DISC_LIMIT } else { LIMIT };
            let undone = timeout(limit, done.undo()).await;
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
    async fn undo(&mut self) -> Result<(), String> {
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
            Self::Disc { client, vm, uuid } => cd::sweep(client, vm, uuid).await.map_err(in_words),
            Self::Store(store) => store.undo().await.map_err(in_words),
            Self::Turn(turn) => turn.give_back().await.map_err(|problem| problem.to_string()),
        }
    }

    fn what(&self) -> String {
        match self {
            Self::Entry { key, .. } => format!("the VM's other-config key {key}"),
            Self::GuestKey { user, .. } => format!("the pool's key in ~/.ssh/authorized_keys of {user}"),
            Self::Disc { .. } => "the disc in the VM's CD drive".to_owned(),
            Self::Store(_) => "the VM's certificates in XAPI".to_owned(),
            Self::Turn(_) => "the turn of preparing the VM".to_owned(),
        }
    }
}

fn in_words(error: tls::Error) -> String {
    format!("{error}. {}", error.remedy())
}
