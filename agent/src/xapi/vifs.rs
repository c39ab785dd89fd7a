//! Connections of VMs to networks (xen-api ocaml/xapi/xapi_vif.ml). Must not know what a network is for.

use std::collections::BTreeMap;

use super::client::Client;
use super::error::Error;
use super::records::{NetworkRef, VifRef, VmRef};
use super::value::Value;

/// Numbers that are tried: as many as clients offer, and some more.
const DEVICES: std::ops::RangeInclusive<u8> = 0..=21;

/// Connects a VM to a network, as the first number that is free; gives the connection and the number. A VM that runs
/// has it from its next start on.
///
/// # Errors
/// [`Error`]; `DEVICE_ALREADY_EXISTS` if no number is free. The connection may have been made if it is not a failure.
pub async fn create(client: &Client, vm: &VmRef, network: &NetworkRef) -> Result<(VifRef, String), Error> {
    let nothing = || Value::Struct(BTreeMap::new());
    let mut line = client.line().await;
    for device in DEVICES {
        let members = [
            ("device", Value::from(device.to_string())),
            ("network", network.into()),
            ("VM", vm.into()),
            // XAPI makes one up.
            ("MAC", "".into()),
            ("MTU", Value::Int(1500)),
            ("other_config", nothing()),
            ("qos_algorithm_type", "".into()),
            ("qos_algorithm_params", nothing()),
        ];
        let record = members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        match line.call_once("VIF.create", &[Value::Struct(record)]).await {
            Ok(vif) => return Ok((vif, device.to_string())),
            Err(error) if error.has_code("DEVICE_ALREADY_EXISTS") && device < *DEVICES.end() => {}
            Err(error) => return Err(error),
        }
    }
    unreachable!("the last device returns")
}

/// Takes a connection away that is not in use; done, too, if it is gone.
///
/// # Errors
/// [`Error`]
pub async fn destroy(client: &Client, vif: &VifRef) -> Result<(), Error> {
    match client.call("VIF.destroy", &[vif.into()]).await {
        Err(error) if error.is_handle_invalid() => Ok(()),
        result => result,
    }
}
