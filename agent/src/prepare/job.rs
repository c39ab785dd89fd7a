//! The VM that is to be prepared, and what was true of it when that began.

use std::path::Path;

use super::problem::{Doing, Problem};
use super::undo::Undo;
use crate::access::{PoolKey, Settings};
use crate::guest::{self, Candidates};
use crate::inventory;
use crate::quote::quoted;
use crate::reach::{self, Rules, Situation, Trouble, walk};
use crate::xapi::{Client, HostRef, PowerState, State, Vm, VmRef, events, hosts, other_config};

/// What one run of the command is about.
#[derive(Debug)]
pub struct Job {
    /// In a session of this host's root.
    pub client: Client,
    /// The pool's key.
    pub pool_key: PoolKey,
    /// The VM.
    pub vm: VmRef,
    /// As it was when this began.
    pub record: Vm,
    /// How it is to be reached.
    pub situation: Situation,
    /// This host.
    pub here: HostRef,
    /// The name of the host that it runs on, if that is another.
    pub elsewhere: Option<String>,
    /// What holds for the way in.
    pub rules: Rules,
    state: State,
}

impl Job {
    /// Finds the VM of this uuid or name.
    ///
    /// # Errors
    /// [`Problem`], also for what is no VM; not for one that does not run.
    pub async fn find(client: Client, inventory: &Path, name: &str, rules: Rules) -> Result<Self, Problem> {
        let here = inventory::host_uuid(inventory)
            .map_err(|error| Problem::File(inventory.to_owned(), std::io::Error::other(error.to_string())))?;
        let here = hosts::by_uuid(&client, &here).await.doing("find this host in XAPI")?;
        let state = events::state(&client).await.doing("read the pool's VMs")?;
        let (vm, record) = find(&state, name)?;
        let mut situation = Situation::of(&record, &state, &reach::claims(&state), guest::route);
        let mut elsewhere = None;
        if let Some(host) = record.resident_on.as_ref().filter(|host| **host != here) {
            situation.candidates = situation.candidates.from_afar();
            let name: String = client.call("host.get_name_label", &[host.into()]).await.doing("name the VM's host")?;
            elsewhere = Some(name);
        }
        let pool_key = PoolKey::new(client.clone());
        Ok(Self { client, pool_key, vm, record, situation, here, elsewhere, rules, state })
    }

    /// Where it may be found.
    ///
    /// # Errors
    /// [`Problem::NotRunning`]; [`Problem::Path`] if it reports no address that can be used.
    pub fn candidates(&self) -> Result<&Candidates, Problem> {
        if self.record.power_state != PowerState::Running {
            return Err(Problem::NotRunning(self.record.power_state));
        }
        match self.situation.candidates.usable.is_empty() {
            true => Err(self.ends_at(Trouble::NoAddress(self.situation.candidates.clone()))),
            false => Ok(&self.situation.candidates),
        }
    }

    /// What its keys say about the way in.
    ///
    /// # Errors
    /// [`Problem::Path`]
    pub fn settings(&self) -> Result<&Settings, Problem> {
        self.situation.settings.as_ref().map_err(|bad| self.ends_at(Trouble::Setting(bad.clone())))
    }

    /// The problem that the path to the engine ends by this trouble.
    #[must_use]
    pub fn ends_at(&self, trouble: Trouble) -> Problem {
        let (family, elsewhere) = (self.situation.family, self.elsewhere.clone());
        Problem::Path { trouble: Box::new(trouble), family, elsewhere }
    }

    /// Every step to its engine, tried.
    pub async fn walk(&self) -> walk::Walk {
        walk::walk(&self.client, &self.pool_key, &self.state, (&self.vm, &self.record), &self.here, &self.rules).await
    }

    /// Its record as it is now.
    ///
    /// # Errors
    /// [`Problem::Xapi`]
    pub async fn now(&self) -> Result<Vm, Problem> {
        crate::xapi::records::read(&self.client, &self.vm).await.doing("read the VM's record")
    }

    /// Makes an entry of its `other_config` hold `text`, or go away.
    ///
    /// # Errors
    /// [`Problem::Xapi`]
    pub async fn set(&self, key: &str, text: Option<&str>) -> Result<(), Problem> {
        other_config::replace(&self.client, &self.vm, key, text).await.doing("change the VM's other-config")
    }

    /// Makes entries of its `other_config` hold these texts, in this order; what they held is noted first.
    ///
    /// # Errors
    /// [`Problem::Xapi`]
    pub async fn change(&self, entries: &[(&'static str, Option<&str>)], undo: &mut Undo) -> Result<(), Problem> {
        let now = self.now().await?.other_config;
        for (key, text) in entries {
            if now.get(*key).map(String::as_str) != *text {
                undo.entry(&self.client, &self.vm, key, now.get(*key).cloned());
                self.set(key, *text).await?;
            }
        }
        Ok(())
    }

    /// For people: its name and uuid.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} ({})", quoted(&self.record.name_label), self.record.uuid)
    }
}

fn find(state: &State, name: &str) -> Result<(VmRef, Vm), Problem> {
    let guest = |vm: &&Vm| !vm.is_control_domain && !vm.is_a_template && !vm.is_a_snapshot;
    let all = || state.vms.iter().map(|(reference, vm)| (reference.clone(), vm.clone()));
    if let Some(found) = all().find(|(_, vm)| vm.uuid.as_str().eq_ignore_ascii_case(name)) {
        let vm = &found.1;
        return match (vm.is_control_domain, vm.is_a_snapshot, vm.is_a_template) {
            (true, ..) => Err(Problem::NotAGuest("a host's control domain")),
            (_, true, _) => Err(Problem::NotAGuest("a snapshot")),
            (.., true) => Err(Problem::NotAGuest("a template")),
            _ => Ok(found),
        };
    }
    let mut named: Vec<_> = all().filter(|(_, vm)| guest(&vm) && vm.name_label == name).collect();
    match named.len() {
        0 => Err(Problem::NoVm(name.to_owned())),
        1 => Ok(named.remove(0)),
        _ => {
            let mut uuids: Vec<String> = named.iter().map(|(_, vm)| vm.uuid.to_string()).collect();
            uuids.sort();
            Err(Problem::SeveralVms(name.to_owned(), uuids))
        }
    }
}
