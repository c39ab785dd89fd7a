//! The monitor: keeps the set of VMs to watch on this host, and says in the log what enters and leaves it.
//!
//! Knows the rule of who is watched ([`watch`]) and follows XAPI; must not know XAPI's wire format.

pub mod watch;

use std::convert::Infallible;

use crate::quote::quoted;
use crate::xapi::{Follower, Update};

use watch::{Difference, Watched, difference, watched};

/// Runs for ever. Dropping the future stops it; the follower can then be closed.
pub async fn run(follower: &mut Follower) -> Infallible {
    let mut current = Watched::new();
    loop {
        let update = follower.next().await;
        let Some(host) = follower.host() else { continue };
        let state = follower.state();
        let next = watched(state, host);
        log(&difference(&current, &next, state, host));
        if update == Update::Snapshot {
            let (vms, guest_metrics) = (state.vms.len(), state.guest_metrics.len());
            tracing::info!(vms, guest_metrics, watched = next.len(), "snapshot of the pool complete");
        }
        current = next;
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
