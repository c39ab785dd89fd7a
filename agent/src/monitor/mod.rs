//! The monitor: follows the pool, has one task for each VM to watch, and tidies up what is left over in XAPI.
//!
//! ```text
//! xapi::Follower ─► watch: who?  ─► vm (one task each) ─► publish, notices ─► xapi::Client
//!                               └─► tidy: views, messages and secrets that nobody needs ─┘
//! ```
//!
//! Must not know wire formats, nor what documents look like.

pub mod account;
pub mod agenda;
pub mod board;
pub mod endings;
pub mod notices;
pub mod publish;
pub mod rows;
pub mod settings;
pub mod tell;
pub mod tidy;
pub mod vm;
pub mod watch;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::mem;
use std::path::Path;
use std::time::Duration;

use tokio::sync::watch as channel;
use tokio::task::{AbortHandle, JoinSet};
use tracing::Instrument as _;

use crate::access::PoolKey;
use crate::guest::{self, Claims};
use crate::lending::Desk;
use crate::log::Log;
use crate::quote::quoted;
use crate::reach::{self, Situation};
use crate::xapi::{Change, Client, Follower, HostRef, HostUuid, PoolRef, State, Update, Vm, VmRef, VmUuid};

use board::{Board, Named};
use publish::Publisher;
use settings::Settings;
use tell::Teller;
use tidy::Tidy;
use vm::{Shared, watch_vm};
use watch::{Difference, Watched, difference, obstacle, watched};

/// How long taking all views away at the end may take; the service manager allows 20 s for everything.
pub const CLOSE_LIMIT: Duration = Duration::from_secs(12);

/// The monitor of one host.
pub struct Monitor {
    host_uuid: HostUuid,
    follower: Follower,
    shared: Shared,
    /// The VMs that are watched, as of the last update.
    watched: Watched,
    tasks: BTreeMap<VmRef, Task>,
    /// Holds the tasks; a panic in one ends the process, so none ever ends by itself.
    running: JoinSet<Infallible>,
    claims: Claims<VmRef>,
    tidy: Tidy,
    /// The pool that all of it is about.
    pool: Option<PoolRef>,
}

/// The handle of a VM's task.
struct Task {
    situation: channel::Sender<Situation>,
    task: AbortHandle,
}

impl Drop for Task {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Monitor {
    /// Of the host `host_uuid`, through XAPI at `socket`, by `settings`. Does nothing before [`Monitor::run`].
    #[must_use]
    pub fn new(socket: &Path, host_uuid: HostUuid, settings: channel::Receiver<Settings>) -> Self {
        let client = Client::new(socket);
        Self {
            follower: Follower::new(socket, host_uuid.clone()),
            host_uuid,
            tidy: Tidy::new(client.clone()),
            shared: Shared {
                pool_key: PoolKey::new(client.clone()),
                client,
                board: Board::default(),
                desk: Desk::default(),
                settings,
            },
            watched: Watched::new(),
            tasks: BTreeMap::new(),
            running: JoinSet::new(),
            claims: Claims::default(),
            pool: None,
        }
    }

    /// Where the tasks show what they do.
    #[must_use]
    pub fn board(&self) -> Board {
        self.shared.board.clone()
    }

    /// What it says of itself to other programs of this host, and where it logs to.
    #[must_use]
    pub fn teller(&self, log: &Log) -> Teller {
        Teller::new(self.board(), self.follower.silence(), self.host_uuid.clone(), log.clone())
    }

    /// Where the tasks lend their connections.
    #[must_use]
    pub fn desk(&self) -> Desk {
        self.shared.desk.clone()
    }

    /// Runs for ever. Dropping the future stops it; then call [`Monitor::close`].
    pub async fn run(&mut self) -> Infallible {
        loop {
            let update = self.follower.next().await;
            self.update(&update);
        }
    }

    /// Ends the tasks, takes the views of this host's VMs away and logs out: nobody confirms them any longer.
    pub async fn close(mut self) {
        self.tasks.clear();
        self.running.shutdown().await;
        let mut wipes = JoinSet::new();
        for reference in self.watched.keys() {
            let mut publisher = Publisher::new(self.shared.client.clone(), reference.clone());
            wipes.spawn(async move { publisher.wipe_surely().await });
        }
        let all = wipes.len();
        let wiped = tokio::time::timeout(CLOSE_LIMIT, async {
            let mut wiped = 0;
            while let Some(result) = wipes.join_next().await {
                wiped += usize::from(matches!(result, Ok(Ok(_))));
            }
            wiped
        });
        match wiped.await {
            Ok(wiped) if wiped == all => tracing::info!(views = all, "views taken away"),
            Ok(wiped) => tracing::warn!(views = all, wiped, "not all views could be taken away"),
            Err(_) => tracing::warn!(views = all, "taking the views away takes too long"),
        }
        self.shared.client.close().await;
        self.follower.close().await;
    }

    fn update(&mut self, update: &Update) {
        let Some(host) = self.follower.host() else { return };
        let state = self.follower.state();
        let next = watched(state, host);
        let difference = difference(&self.watched, &next, state, host);
        log(&difference);
        for (vm, _) in &difference.stopped {
            self.tidy.withdraw_notices(vm.uuid.clone());
        }
        if *update == Update::Snapshot {
            let (vms, guest_metrics) = (state.vms.len(), state.guest_metrics.len());
            tracing::info!(vms, guest_metrics, watched = next.len(), "snapshot of the pool complete");
        }
        self.shared.board.name(named(state, host, self.follower.is_coordinator()));
        self.watched = next;
        if self.pool.as_ref() != self.follower.pool() {
            // What is missing in another pool was not deleted.
            self.tidy.forget_secrets();
            self.pool = self.follower.pool().cloned();
        }
        self.tasks.retain(|vm, _| self.watched.contains_key(vm));
        self.update_tasks(update);
        self.tidy.update_secrets(self.follower.state(), self.follower.is_coordinator());
        self.tidy_views();
    }

    /// Tells tasks what changed for them, and starts those that are missing.
    fn update_tasks(&mut self, update: &Update) {
        let state = self.follower.state();
        let claims = reach::claims(state);
        let anybody = claims != self.claims || *update == Update::Snapshot;
        self.claims = claims;
        for (reference, watched) in &self.watched {
            let Some(vm) = state.vms.get(reference) else { continue };
            let task = self.tasks.get(reference);
            if task.is_some() && !anybody && !concerns(update, reference) {
                continue;
            }
            let now = Situation::of(vm, state, &self.claims, guest::route);
            if let Some(task) = task {
                task.situation.send_if_modified(|before| mem::replace(before, now.clone()) != now);
                continue;
            }
            let (situation, told) = channel::channel(now);
            let (shared, uuid) = (self.shared.clone(), watched.uuid.clone());
            let span = tracing::info_span!("vm", %uuid, name = %quoted(&watched.name_label));
            let work = watch_vm(shared, reference.clone(), uuid, told).instrument(span);
            let task = Task { situation, task: self.running.spawn(work) };
            self.tasks.insert(reference.clone(), task);
        }
    }

    /// Takes away what VMs show that this host answers for and does not watch.
    fn tidy_views(&mut self) {
        let Some(host) = self.follower.host() else { return };
        let (state, coordinator) = (self.follower.state(), self.follower.is_coordinator());
        let is_left_over = |reference: &VmRef, vm: &Vm| {
            !self.watched.contains_key(reference) && tidy::is_left_over(vm, host, coordinator)
        };
        self.tidy.views(state, is_left_over);
    }
}

/// The VMs that `host` answers for, for people: those that run on it, and on the coordinator those that nobody runs.
fn named(state: &State, host: &HostRef, coordinator: bool) -> BTreeMap<VmUuid, Named> {
    let is_vm = |vm: &&Vm| !vm.is_control_domain && !vm.is_a_template && !vm.is_a_snapshot;
    let is_ours = |vm: &&Vm| vm.resident_on.as_ref().map_or(coordinator, |resident| resident == host);
    let vms = state.vms.values().filter(is_vm).filter(is_ours);
    vms.map(|vm| (vm.uuid.clone(), Named { name: vm.name_label.clone(), obstacle: obstacle(vm, state, host) }))
        .collect()
}

/// Whether the update says something of this VM's own record.
fn concerns(update: &Update, vm: &VmRef) -> bool {
    match update {
        Update::Snapshot => true,
        Update::Changed(changes) => changes.iter().any(|change| matches!(change, Change::Vm(changed) if changed == vm)),
    }
}

fn log(difference: &Difference<'_>) {
    for (vm, reason) in &difference.stopped {
        tracing::info!(uuid = %vm.uuid, name = %quoted(&vm.name_label), %reason, "no longer watching VM");
    }
    for vm in &difference.started {
        tracing::info!(uuid = %vm.uuid, name = %quoted(&vm.name_label), "watching VM");
    }
}

#[cfg(test)]
mod tests;
