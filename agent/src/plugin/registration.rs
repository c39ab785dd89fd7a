//! Registering a VM: the entry of `other_config` by which the monitor and clients know it. Both ways set a state, so that
//! doing it twice is no mistake.

use crate::access::{MONITOR_KEY, NOT_REGISTERED, REGISTERED};
use crate::view;
use crate::xapi::{Client, Error, Vm, VmRef, other_config};

/// Lets the VM's containers be shown.
///
/// # Errors
/// [`Error`]
pub(super) async fn register(client: &Client, reference: &VmRef, vm: &Vm) -> Result<(), Error> {
    set(client, reference, vm, REGISTERED).await
}

/// Lets them be shown no longer. The entry itself stays, or XenCenter would not offer to register the VM again.
///
/// # Errors
/// [`Error`]
pub(super) async fn deregister(client: &Client, reference: &VmRef, vm: &Vm) -> Result<(), Error> {
    set(client, reference, vm, NOT_REGISTERED).await?;
    for key in [view::PS, view::INFO, view::VERSION] {
        other_config::replace(client, reference, key, None).await?;
    }
    Ok(())
}

async fn set(client: &Client, reference: &VmRef, vm: &Vm, state: &str) -> Result<(), Error> {
    if vm.other_config.get(MONITOR_KEY).is_some_and(|now| now == state) {
        return Ok(());
    }
    other_config::replace(client, reference, MONITOR_KEY, Some(state)).await
}
