//! What there is to say of VMs as a whole; of each of them the path to its engine tells more.

use std::time::{Duration, SystemTime};

use super::super::fault::Fault;
use super::{Seen, Unpassed, in_time};
use crate::access::{MONITOR_KEY, Mode, REGISTERED, Settings};
use crate::certificates::{Expiry, Whose, expiry};
use crate::lending::Standing;
use crate::lending::standing::VmState;
use crate::xapi::{Client, Error, Vm, events, secrets};

/// Certificates that end within this time are told of, as by the monitor.
const SOON: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// VMs whose certificates are read.
const MAX_VMS: usize = 100;

/// Whether the containers of all registered VMs are seen.
pub(super) fn reached(standing: &Standing) -> Seen {
    let lost = standing.vms.iter().filter(|vm| vm.state == VmState::BackingOff);
    let lost: Vec<(String, String)> = lost
        .map(|vm| {
            let why = vm.trouble.as_ref().map_or("not reached", |trouble| trouble.reason.as_str());
            (vm.name.clone(), why.to_owned())
        })
        .collect();
    let live = standing.vms.iter().filter(|vm| vm.state == VmState::Live).count();
    if lost.is_empty() { Ok(format!("{live} are")) } else { Err(Fault::VmsNotReached(lost).into()) }
}

/// Whether the certificates that XAPI has for engines last. An engine's own is known only by a connection to it.
pub(super) async fn certificates(client: &Client) -> Seen {
    let state =
        in_time("event.from", events::state(client)).await.map_err(|error| Unpassed::Unknown(error.to_string()))?;
    let over_tls = state.vms.values().filter_map(|vm| {
        let is_registered = vm.other_config.get(MONITOR_KEY).is_some_and(|value| value == REGISTERED);
        let is_vm = !vm.is_a_template && !vm.is_a_snapshot && !vm.is_control_domain;
        let settings = Settings::read(&vm.other_config).ok().filter(|settings| settings.mode == Mode::Tls)?;
        (is_registered && is_vm).then_some((vm, settings))
    });
    let (mut ending, mut read) = (Vec::new(), 0);
    for (vm, settings) in over_tls.take(MAX_VMS) {
        let ends = in_time("secret.get_value", expiries(client, &settings)).await;
        // A secret that is not there is told of on the path to the VM.
        let ends = ends.unwrap_or_default();
        read += ends.len();
        ending.extend(soon(vm, ends, SystemTime::now()));
    }
    ending.sort_by_key(|(_, expiry)| expiry.not_after);
    if ending.is_empty() { Ok(format!("{read} in use")) } else { Err(Fault::CertificatesEnd(ending).into()) }
}

async fn expiries(client: &Client, settings: &Settings) -> Result<Vec<Expiry>, Error> {
    let mut all = Vec::new();
    for (whose, secret) in [(Whose::Client, &settings.tls.certificate), (Whose::Authority, &settings.tls.authority)] {
        if let Some(secret) = secret {
            all.extend(expiry::of_pem(whose, &secrets::read(client, secret).await?));
        }
    }
    Ok(all)
}

fn soon(vm: &Vm, expiries: Vec<Expiry>, now: SystemTime) -> impl Iterator<Item = (String, Expiry)> {
    let name = vm.name_label.clone();
    expiries.into_iter().filter(move |expiry| expiry.not_after <= now + SOON).map(move |expiry| (name.clone(), expiry))
}
