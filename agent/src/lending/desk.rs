//! Which connections are up, for whoever wants to borrow one. Must not know what it is borrowed for.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit, mpsc, oneshot};

use crate::engine::{Engine, Identity};
use crate::guest::{Connection, Unreachable};
use crate::xapi::VmUuid;

/// The connections that are up; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Desk(Arc<Mutex<BTreeMap<VmUuid, Lent>>>);

/// A connection that is lent.
#[derive(Clone)]
pub struct Lent {
    connection: Arc<Connection>,
    identity: Identity,
    /// Asks the VM's task to look at its containers now, and to say when that is done.
    look: mpsc::Sender<oneshot::Sender<()>>,
    /// For questions after documents.
    turns: Arc<Semaphore>,
    /// How often the VM's task looked at its containers.
    looks: Arc<AtomicU64>,
}

/// Questions after documents that one VM's engine gets at a time.
const DOCUMENTS: usize = 2;

impl fmt::Debug for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lent").field("connection", &self.connection).finish_non_exhaustive()
    }
}

impl Lent {
    /// `connection` leads to an engine of this identity; whoever reads from the other end of `look` keeps its view.
    #[must_use]
    pub fn new(connection: &Arc<Connection>, identity: &Identity, look: mpsc::Sender<oneshot::Sender<()>>) -> Self {
        let turns = Arc::new(Semaphore::new(DOCUMENTS));
        let looks = Arc::default();
        Self { connection: Arc::clone(connection), identity: identity.clone(), look, turns, looks }
    }

    /// Notes that the VM's task looked at its containers: they may be others than before.
    pub fn looked(&self) {
        self.looks.fetch_add(1, Ordering::Relaxed);
    }

    /// How often it did. As long as that is the same, nobody has told of a change.
    #[must_use]
    pub fn looks(&self) -> u64 {
        self.looks.load(Ordering::Relaxed)
    }

    /// The engine, on a stream of its own.
    ///
    /// # Errors
    /// [`Unreachable`]; nothing was asked then.
    pub async fn engine(&self) -> Result<Engine, Unreachable> {
        let stream = self.connection.open().await?;
        Engine::known(stream, self.identity.clone())
            .await
            .map_err(|error| Unreachable::Lost { address: self.connection.address(), cause: error.to_string() })
    }

    /// Whether it is the same connection.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.connection, &other.connection)
    }

    /// Waits for a place among the questions after documents.
    ///
    /// # Panics
    /// Never: nobody closes the semaphore.
    pub async fn turn(&self) -> SemaphorePermit<'_> {
        self.turns.acquire().await.expect("it is never closed")
    }

    /// Lets the view be made anew; false if nobody keeps it any longer, or XAPI does not take it.
    pub async fn look_again(&self) -> bool {
        let (done, seen) = oneshot::channel();
        self.look.send(done).await.is_ok() && seen.await.is_ok()
    }
}

impl Desk {
    /// Lends a VM's connection until the value returned is dropped.
    #[must_use]
    pub fn offer(&self, vm: VmUuid, lent: Lent) -> Offer {
        self.lock().insert(vm.clone(), lent);
        Offer { desk: self.clone(), vm }
    }

    /// The VMs to which a connection is up, in order.
    #[must_use]
    pub fn vms(&self) -> Vec<VmUuid> {
        self.lock().keys().cloned().collect()
    }

    /// The connection to a VM, if one is up.
    #[must_use]
    pub fn borrow(&self, vm: &VmUuid) -> Option<Lent> {
        self.lock().get(vm).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<VmUuid, Lent>> {
        // No method panics half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a connection back from the [`Desk`] when it is dropped.
#[derive(Debug)]
pub struct Offer {
    desk: Desk,
    vm: VmUuid,
}

impl Drop for Offer {
    fn drop(&mut self) {
        self.desk.lock().remove(&self.vm);
    }
}
