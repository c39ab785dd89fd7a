//! What is left over in XAPI: views that nobody vouches for, messages that have lost their reason, secrets that no VM
//! uses. Who answers for what is a pure function; the rest does it, once at a time for each VM.
//!
//! Must not know guests or engines.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::notices::Notices;
use super::publish::{Publisher, SETTLING};
use crate::access;
use crate::xapi::secrets::{self, SecretUuid};
use crate::xapi::{Client, HostRef, State, Views, Vm, VmRef, VmUuid};

/// How long XAPI may take for one job.
const LIMIT: Duration = Duration::from_secs(15);

/// The pause before the next try when XAPI did not do it.
const PAUSE: Duration = Duration::from_secs(5);

/// The host whose monitor answers for a VM's view: the one that it runs on, else the pool's coordinator. So a view has
/// exactly one that may take it away.
#[must_use]
pub fn is_ours(vm: &Vm, host: &HostRef, coordinator: bool) -> bool {
    vm.resident_on.as_ref().map_or(coordinator, |resident| resident == host)
}

/// Whether `vm` shows containers that nobody looks at, unless it is watched.
#[must_use]
pub fn is_left_over(vm: &Vm, host: &HostRef, coordinator: bool) -> bool {
    vm.views != Views::default() && !vm.is_control_domain && is_ours(vm, host, coordinator)
}

/// Tidies up in the background. Ends with this value.
pub struct Tidy {
    client: Client,
    jobs: JoinSet<()>,
    /// The VMs whose views are being taken away.
    wipes: BTreeMap<VmRef, AbortHandle>,
    /// The secrets that each VM uses, so that they are still known when it is gone.
    secrets: BTreeMap<VmRef, BTreeSet<SecretUuid>>,
}

impl Tidy {
    /// With nothing to do.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client, jobs: JoinSet::new(), wipes: BTreeMap::new(), secrets: BTreeMap::new() }
    }

    /// Takes the views of all VMs away that are `left_over`.
    pub fn views(&mut self, state: &State, left_over: impl Fn(&VmRef, &Vm) -> bool) {
        while self.jobs.try_join_next().is_some() {}
        self.wipes.retain(|reference, job| {
            let goes_on = !job.is_finished() && state.vms.get(reference).is_some_and(|vm| left_over(reference, vm));
            // It may be watched now, and must not lose what its task writes.
            if !goes_on {
                job.abort();
            }
            goes_on
        });
        for (reference, vm) in state.vms.iter().filter(|(reference, vm)| left_over(reference, vm)) {
            self.wipes.entry(reference.clone()).or_insert_with(|| {
                let publisher = Publisher::new(self.client.clone(), reference.clone());
                self.jobs.spawn(wipe(publisher, vm.uuid.clone()))
            });
        }
    }

    /// Takes away what was told about a VM that is not watched any more.
    pub fn withdraw_notices(&mut self, vm: VmUuid) {
        let mut notices = Notices::new(self.client.clone(), vm.clone());
        self.jobs.spawn(async move {
            if let Ok(Err(error)) = timeout(LIMIT, notices.withdraw_all()).await {
                tracing::debug!(uuid = %vm, %error, "cannot withdraw messages");
            }
        });
    }

    /// Notes the secrets that the pool's VMs use now, and destroys those of VMs that are gone and that nobody else uses.
    /// Only the coordinator does that, so that it is done once.
    pub fn update_secrets(&mut self, state: &State, coordinator: bool) {
        let used = |vm: &Vm| access::tls_secrets(&vm.other_config);
        let now: BTreeMap<VmRef, BTreeSet<SecretUuid>> = state
            .vms
            .iter()
            .map(|(reference, vm)| (reference.clone(), used(vm)))
            .filter(|(_, secrets)| !secrets.is_empty())
            .collect();
        let before = std::mem::replace(&mut self.secrets, now);
        if !coordinator {
            return;
        }
        let gone = before.into_iter().filter(|(reference, _)| !state.vms.contains_key(reference));
        let orphans: BTreeSet<SecretUuid> = gone
            .flat_map(|(_, secrets)| secrets)
            .filter(|secret| !self.secrets.values().any(|used| used.contains(secret)))
            .collect();
        for secret in orphans {
            let client = self.client.clone();
            self.jobs.spawn(async move {
                match timeout(LIMIT, secrets::destroy(&client, &secret)).await {
                    Ok(Ok(())) => tracing::info!("a TLS secret that no VM uses any more was destroyed"),
                    Ok(Err(error)) => tracing::warn!(%error, "cannot destroy a TLS secret that no VM uses any more"),
                    Err(_) => tracing::warn!("destroying a TLS secret that no VM uses any more takes too long"),
                }
            });
        }
    }

    /// Forgets which secrets VMs use.
    pub fn forget_secrets(&mut self) {
        self.secrets.clear();
    }
}

/// Takes a view away until XAPI agrees, and keeps an eye on it while events may still tell of the time before.
async fn wipe(mut publisher: Publisher, uuid: VmUuid) {
    loop {
        match timeout(LIMIT, publisher.wipe_surely()).await {
            Ok(Ok(())) => break,
            Ok(Err(error)) => tracing::debug!(%uuid, %error, "cannot take a view away"),
            Err(_) => tracing::debug!(%uuid, "taking a view away takes too long"),
        }
        sleep(PAUSE).await;
    }
    tracing::info!(%uuid, "view taken away: nobody watches this VM");
    sleep(SETTLING).await;
    // A client may have written it back in the meantime.
    if let Ok(Err(error)) = timeout(LIMIT, publisher.wipe_surely()).await {
        tracing::debug!(%uuid, %error, "cannot take a view away");
    }
}
