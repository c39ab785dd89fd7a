//! What the pool's state says of one VM: a pure function. Must not know what is done with it.

use std::net::IpAddr;

use crate::access::{BadSetting, Settings};
use crate::guest::{self, Candidates, Claims, Family, Route};
use crate::xapi::{HostRef, PowerState, State, Views, Vm, VmRef};

/// One VM at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Situation {
    /// The way in that its keys describe.
    pub settings: Result<Settings, BadSetting>,
    /// Where it may be found.
    pub candidates: Candidates,
    /// What kind of system it says it is.
    pub family: Family,
    /// The documents that XAPI has of it.
    pub views: Views,
    /// Bytes of `other_config` beside the documents, as sent.
    pub other_config_bytes: usize,
}

impl Situation {
    /// Of `vm`.
    #[must_use]
    pub fn of(vm: &Vm, state: &State, claims: &Claims<VmRef>, route: impl Fn(IpAddr) -> Route) -> Self {
        let metrics = vm.guest_metrics.as_ref().and_then(|metrics| state.guest_metrics.get(metrics));
        let host = vm.resident_on.as_ref().map(HostRef::as_str);
        let candidates =
            metrics.map(|metrics| guest::candidates(&metrics.networks, host, claims, route)).unwrap_or_default();
        Self {
            settings: Settings::read(&vm.other_config),
            candidates,
            family: metrics.map(|metrics| Family::of(&metrics.os_version)).unwrap_or_default(),
            views: vm.views,
            other_config_bytes: vm.other_config_bytes,
        }
    }

    /// Of `vm`, as the host `here` would reach it: from another host than the VM's own, not every address will do.
    #[must_use]
    pub fn seen_from(here: &HostRef, vm: &Vm, state: &State) -> Self {
        let mut situation = Self::of(vm, state, &claims(state), guest::route);
        if vm.resident_on.as_ref() != Some(here) {
            situation.candidates = situation.candidates.from_afar();
        }
        situation
    }

    /// Whether it is to be reached otherwise than in `before`.
    #[must_use]
    pub fn leads_elsewhere(&self, before: &Self) -> bool {
        self.settings != before.settings || self.candidates != before.candidates
    }
}

/// What the running VMs of the pool say that their addresses are.
#[must_use]
pub fn claims(state: &State) -> Claims<VmRef> {
    let running = state.vms.iter().filter(|(_, vm)| vm.power_state == PowerState::Running && !vm.is_control_domain);
    Claims::new(running.filter_map(|(reference, vm)| {
        let metrics = state.guest_metrics.get(vm.guest_metrics.as_ref()?)?;
        Some((reference.clone(), vm.resident_on.as_ref().map(HostRef::as_str), &metrics.networks))
    }))
}
