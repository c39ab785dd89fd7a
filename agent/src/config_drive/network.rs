//! The host-internal network, by which a host and its VMs talk without leaving the host: whether VMs are to be put
//! there, and as which of its connections a VM has it.
//!
//! XAPI makes it, on the bridge `xenapi` (xen-api ocaml/xapi/create_networks.ml).

use super::error::{Doing, Error};
use super::undo::Undo;
use crate::xapi::records::{self, All, NO_GATEWAY, Network, NetworkRef, Vif, VifRef};
use crate::xapi::{Client, Pool, PoolRef, VmRef, other_config, vifs};

const BRIDGE: &str = "xenapi";

/// The key of the pool's `other_config` that says: put VMs there.
const PREFERENCE: &str = "xscontainer-use-hostinternalnetwork";

/// Whether the pool's administrator wants VMs there.
///
/// # Errors
/// [`Error::Xapi`]
pub(super) async fn prefers(client: &Client) -> Result<bool, Error> {
    let doing = "see whether VMs are to use the host-internal network";
    let pool: PoolRef = client.call("pool.get_all", &[]).await.doing(doing)?;
    let pool: Pool = records::read(client, &pool).await.doing(doing)?;
    let preference = pool.other_config.get(PREFERENCE).map(|text| text.trim().to_ascii_lowercase());
    Ok(preference.is_some_and(|text| matches!(text.as_str(), "1" | "yes" | "true" | "on")))
}

/// The number of the VM's connection to the host-internal network. With the preference it gets one if it has none, and
/// the network offers no gateway from then on, which would compete with the VM's own.
///
/// # Errors
/// [`Error::Xapi`]
pub(super) async fn device(
    client: &Client,
    vm: &VmRef,
    prefers: bool,
    undo: &mut Undo,
) -> Result<Option<String>, Error> {
    let doing = "find the host-internal network";
    let All(networks) = client.call("network.get_all_records", &[]).await.doing(doing)?;
    let mut found = networks.iter().filter(|(_, network): &(_, &Network)| network.bridge == BRIDGE);
    let Some((network, record)) = found.find_map(|(reference, record)| Some((NetworkRef::new(reference)?, record)))
    else {
        tracing::info!("this pool has no host-internal network");
        return Ok(None);
    };
    if prefers && record.other_config.get(NO_GATEWAY).is_none_or(|text| text != "true") {
        let set = other_config::replace_of_network(client, &network, NO_GATEWAY, "true").await;
        set.doing("take the gateway from the host-internal network")?;
    }

    let doing = "see which networks the VM is connected to";
    let connections: Vec<VifRef> = client.call("VM.get_VIFs", &[vm.into()]).await.doing(doing)?;
    for connection in &connections {
        match records::read::<Vif>(client, connection).await {
            Ok(vif) if vif.network.as_ref() == Some(&network) => return Ok(Some(vif.device)),
            Err(error) if !error.is_handle_invalid() => return Err(error).doing(doing),
            _ => {}
        }
    }
    if !prefers {
        return Ok(None);
    }
    let (vif, device) =
        vifs::create(client, vm, &network).await.doing("connect the VM to the host-internal network")?;
    undo.vif(vif);
    Ok(Some(device))
}
