//! Who is watched: a pure function of the pool's state and this host. Must not know where the state comes from.

use std::collections::BTreeMap;
use std::fmt;

use crate::access::MONITOR_KEY;
use crate::xapi::{HostRef, PowerState, State, Vm, VmRef, VmUuid};

/// The VMs to watch.
pub type Watched = BTreeMap<VmRef, WatchedVm>;

/// What is remembered of a VM that is watched, so that it can still be named when its record is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedVm {
    /// Its uuid.
    pub uuid: VmUuid,
    /// Its name: any text.
    pub name_label: String,
}

/// Why a VM is not watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Its record is gone.
    Destroyed,
    /// [`MONITOR_KEY`] is absent or not true.
    NotRegistered,
    /// It is a dom0, whatever its keys say.
    ControlDomain,
    /// It is a template.
    Template,
    /// It is a snapshot.
    Snapshot,
    /// It does not run.
    NotRunning(PowerState),
    /// It runs on another host.
    OnOtherHost,
    /// Its tools have not reported (any more).
    NoGuestMetrics,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Destroyed => "destroyed",
            Reason::NotRegistered => "deregistered",
            Reason::ControlDomain => "is a control domain",
            Reason::Template => "is a template",
            Reason::Snapshot => "is a snapshot",
            Reason::NotRunning(PowerState::Halted) => "halted",
            Reason::NotRunning(PowerState::Paused) => "paused",
            Reason::NotRunning(PowerState::Suspended) => "suspended",
            Reason::NotRunning(PowerState::Running | PowerState::Unknown) => "not running",
            Reason::OnOtherHost => "migrated away",
            Reason::NoGuestMetrics => "no guest metrics",
        })
    }
}

/// The VMs that `host` watches.
#[must_use]
pub fn watched(state: &State, host: &HostRef) -> Watched {
    let watched = state.vms.iter().filter(|(_, vm)| obstacle(vm, state, host).is_none());
    watched
        .map(|(reference, vm)| {
            (reference.clone(), WatchedVm { uuid: vm.uuid.clone(), name_label: vm.name_label.clone() })
        })
        .collect()
}

/// Why `host` does not watch `vm`; `None` if it does.
#[must_use]
pub fn obstacle(vm: &Vm, state: &State, host: &HostRef) -> Option<Reason> {
    if vm.is_control_domain {
        return Some(Reason::ControlDomain);
    }
    if vm.is_a_template {
        return Some(Reason::Template);
    }
    if vm.is_a_snapshot {
        return Some(Reason::Snapshot);
    }
    if !is_registered(vm) {
        return Some(Reason::NotRegistered);
    }
    if vm.power_state != PowerState::Running {
        return Some(Reason::NotRunning(vm.power_state));
    }
    if vm.resident_on.as_ref() != Some(host) {
        return Some(Reason::OnOtherHost);
    }
    let reported = vm.guest_metrics.as_ref().is_some_and(|metrics| state.guest_metrics.contains_key(metrics));
    (!reported).then_some(Reason::NoGuestMetrics)
}

/// The original writes `True`; XenCenter reads it in any case (xenadmin XenModel/XenAPI-Extensions/VM.cs).
#[must_use]
pub fn is_registered(vm: &Vm) -> bool {
    vm.other_config.get(MONITOR_KEY).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// What [`difference`] finds.
#[derive(Debug, PartialEq, Eq)]
pub struct Difference<'a> {
    /// Watched now, not before.
    pub started: Vec<&'a WatchedVm>,
    /// Watched before, not now, and why.
    pub stopped: Vec<(&'a WatchedVm, Reason)>,
}

/// How the watched VMs went from `before` to `now`, which is what [`watched`] made of `state` and `host`.
#[must_use]
pub fn difference<'a>(before: &'a Watched, now: &'a Watched, state: &State, host: &HostRef) -> Difference<'a> {
    let started = now.iter().filter(|(reference, _)| !before.contains_key(reference)).map(|(_, vm)| vm).collect();
    let reason = |reference| match state.vms.get(reference) {
        None => Some(Reason::Destroyed),
        Some(vm) => obstacle(vm, state, host),
    };
    let stopped = before.iter().filter_map(|(reference, vm)| Some((vm, reason(reference)?))).collect();
    Difference { started, stopped }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xapi::{Views, VmGuestMetrics, VmGuestMetricsRef};

    fn host(name: &str) -> HostRef {
        HostRef::new(name).unwrap()
    }

    fn vm_ref() -> VmRef {
        VmRef::new("OpaqueRef:vm").unwrap()
    }

    fn good_vm() -> Vm {
        Vm {
            uuid: VmUuid::parse("00000000-0000-0000-0000-000000000001").unwrap(),
            name_label: "web".into(),
            power_state: PowerState::Running,
            resident_on: HostRef::new("here"),
            guest_metrics: VmGuestMetricsRef::new("metrics"),
            is_control_domain: false,
            is_a_template: false,
            is_a_snapshot: false,
            other_config: BTreeMap::from([(MONITOR_KEY.to_owned(), "True".to_owned())]),
            views: Views::default(),
            other_config_bytes: 0,
        }
    }

    fn state(vm: Vm) -> State {
        let metrics = VmGuestMetrics { networks: BTreeMap::new(), os_version: BTreeMap::new() };
        State {
            vms: BTreeMap::from([(vm_ref(), vm)]),
            guest_metrics: BTreeMap::from([(VmGuestMetricsRef::new("metrics").unwrap(), metrics)]),
        }
    }

    fn with(change: impl FnOnce(&mut Vm)) -> State {
        let mut vm = good_vm();
        change(&mut vm);
        state(vm)
    }

    fn registered_as(value: &'static str) -> State {
        with(|vm| {
            vm.other_config.insert(MONITOR_KEY.into(), value.into());
        })
    }

    #[test]
    fn a_registered_vm_that_runs_here_and_reported_is_watched() {
        let watched = watched(&state(good_vm()), &host("here"));
        assert_eq!(watched[&vm_ref()].name_label, "web");
    }

    #[test]
    fn registration_is_read_in_any_case() {
        for value in ["True", "true", "TRUE"] {
            assert_eq!(watched(&registered_as(value), &host("here")).len(), 1, "{value}");
        }
    }

    /// Every way of not being watched, what the log calls it, and the state that shows it.
    fn obstacles() -> Vec<(Reason, &'static str, State)> {
        let mut no_record = state(good_vm());
        no_record.guest_metrics.clear();
        vec![
            (Reason::Destroyed, "destroyed", State::default()),
            (Reason::NotRegistered, "deregistered", registered_as("False")),
            (Reason::NotRegistered, "deregistered", registered_as("")),
            (Reason::NotRegistered, "deregistered", registered_as("1")),
            (Reason::NotRegistered, "deregistered", registered_as(" True")),
            (Reason::NotRegistered, "deregistered", with(|vm| vm.other_config.clear())),
            (Reason::ControlDomain, "is a control domain", with(|vm| vm.is_control_domain = true)),
            (Reason::Template, "is a template", with(|vm| vm.is_a_template = true)),
            (Reason::Snapshot, "is a snapshot", with(|vm| vm.is_a_snapshot = true)),
            (
                Reason::NotRunning(PowerState::Halted),
                "halted",
                with(|vm| {
                    vm.power_state = PowerState::Halted;
                    vm.resident_on = None;
                }),
            ),
            (Reason::NotRunning(PowerState::Paused), "paused", with(|vm| vm.power_state = PowerState::Paused)),
            (Reason::NotRunning(PowerState::Suspended), "suspended", with(|vm| vm.power_state = PowerState::Suspended)),
            (Reason::NotRunning(PowerState::Unknown), "not running", with(|vm| vm.power_state = PowerState::Unknown)),
            (Reason::OnOtherHost, "migrated away", with(|vm| vm.resident_on = HostRef::new("there"))),
            (Reason::OnOtherHost, "migrated away", with(|vm| vm.resident_on = None)),
            (Reason::NoGuestMetrics, "no guest metrics", with(|vm| vm.guest_metrics = None)),
            (Reason::NoGuestMetrics, "no guest metrics", no_record),
        ]
    }

    #[test]
    fn each_obstacle_alone_keeps_a_vm_from_being_watched() {
        for (reason, _, state) in obstacles() {
            assert_eq!(watched(&state, &host("here")), Watched::new(), "{reason:?}");
        }
    }

    #[test]
    fn a_vm_that_stops_being_watched_is_named_with_the_reason() {
        let before = watched(&state(good_vm()), &host("here"));
        for (reason, words, state) in obstacles() {
            let now = watched(&state, &host("here"));
            let found = difference(&before, &now, &state, &host("here"));
            assert_eq!(found.started, Vec::<&WatchedVm>::new());
            assert_eq!(found.stopped, [(&before[&vm_ref()], reason)]);
            assert_eq!(found.stopped[0].1.to_string(), words);
        }
    }

    #[test]
    fn a_vm_that_starts_being_watched_is_named() {
        let state = state(good_vm());
        let now = watched(&state, &host("here"));
        let none = Watched::new();
        let found = difference(&none, &now, &state, &host("here"));
        assert_eq!(found, Difference { started: vec![&now[&vm_ref()]], stopped: vec![] });
    }

    #[test]
    fn a_rename_is_neither_a_start_nor_a_stop() {
        let before = watched(&state(good_vm()), &host("here"));
        let renamed = with(|vm| vm.name_label = "db".into());
        let now = watched(&renamed, &host("here"));
        let found = difference(&before, &now, &renamed, &host("here"));
        assert_eq!(found, Difference { started: vec![], stopped: vec![] });
        assert_eq!(now[&vm_ref()].name_label, "db");
    }
}
