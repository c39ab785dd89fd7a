//! Functions about the containers of a VM: on the host it runs on, over the monitor's connection if that is up, else over
//! one of our own.

use super::place::Forwarded;
use super::{Here, failure, success};
use crate::engine::{Action, ContainerName};
use crate::guest::Family;
use crate::lending::client::{self as monitor, NoAnswer};
use crate::lending::{Answer, Ask};
use crate::reach::{self, Situation, Trouble};
use crate::view;
use crate::xapi::{Error, Failure, PowerState, Vm, VmRef, VmUuid, events, messages};

/// The name under which a failure is told on the VM; the original's.
const MESSAGE: &str = "Container Management Error";

/// Of 1, critical, to 5, informational (xen-api ocaml/xapi/xapi_message.ml).
const PRIORITY: u8 = 3;

impl Here<'_> {
    /// Does something with a container. XenCenter does not show why a plugin failed, so a message on the VM says it too.
    pub(super) async fn act(&self, uuid: &VmUuid, action: Action, container: ContainerName) -> Result<String, Failure> {
        let (reference, vm) = self.vm(uuid).await?;
        let name = container.clone();
        let (result, told) = match self.asked(&reference, &vm, Ask::Act(action, container)).await {
            Asked::Here(result) => (result.map(|_| success("")), false),
            Asked::There(result) => {
                // Whoever did not come to its end there could not tell.
                let told =
                    !matches!(&result, Err(failure) if failure::is_of_a_broken_plugin(failure, &self.call.function));
                (result, told)
            }
        };
        if let (Err(failure), false, true) = (&result, told, self.dom0.messages) {
            let words = failure::in_words(failure);
            let body = format!("Cannot {} the container {name}: {words}", action.name());
            if let Err(error) = messages::create(&self.client, MESSAGE, PRIORITY, &vm.uuid, &body).await {
                tracing::debug!(%error, "cannot tell on the VM that a plugin call failed");
            }
        }
        if result.is_ok() {
            tracing::info!(vm = %vm.uuid, action = action.name(), container = %name, "container acted on");
        }
        result
    }

    /// `docker_inspect`.
    pub(super) async fn inspect(&self, vm: &VmUuid, container: ContainerName) -> Result<String, Failure> {
        self.document(vm, Ask::Inspect(container), |json| view::inspect(json).map_err(|error| error.to_string())).await
    }

    /// `docker_top`.
    pub(super) async fn top(&self, vm: &VmUuid, container: ContainerName) -> Result<String, Failure> {
        self.document(vm, Ask::Top(container), |json| view::top(json).map_err(|error| error.to_string())).await
    }

    async fn document(
        &self,
        uuid: &VmUuid,
        ask: Ask,
        document: impl Fn(&str) -> Result<String, String>,
    ) -> Result<String, Failure> {
        let (reference, vm) = self.vm(uuid).await?;
        let json = match self.asked(&reference, &vm, ask).await {
            Asked::Here(json) => json?,
            Asked::There(result) => return result,
        };
        let odd = |what: String| {
            let reason = format!("the engine's answer makes no sense: {what}");
            failure::containers(&self.call.function, &reason, "See what the engine in the VM is, and its log.")
        };
        document(&json).map(|document| success(&document)).map_err(odd)
    }

    /// Asks the VM's engine, or the host that the VM runs on.
    async fn asked(&self, reference: &VmRef, vm: &Vm, ask: Ask) -> Asked {
        if vm.power_state != PowerState::Running {
            return Asked::Here(Err(failure::not_running(reference, vm.power_state.in_words())));
        }
        // A VM that is on its way between hosts is asked from wherever the call ended up.
        match vm.resident_on.as_ref().filter(|host| **host != self.host && !self.is_forwarded()) {
            None => Asked::Here(self.ask_from_here(reference, vm, ask).await),
            Some(host) => match self.forward(host).await {
                Forwarded::Answered(result) => Asked::There(result),
                Forwarded::NotThere(failure) | Forwarded::Lost(failure) => Asked::Here(Err(failure)),
            },
        }
    }

    async fn ask_from_here(&self, reference: &VmRef, vm: &Vm, ask: Ask) -> Result<String, Failure> {
        let answer = match monitor::ask(&self.dom0.agent_socket, &vm.uuid, &ask).await {
            Ok(answer) => answer,
            Err(NoAnswer::BrokenOff(cause)) if !ask.may_be_repeated() => {
                let reason = format!("the monitor ended before it could say whether it was done ({cause})");
                let remedy = "Look at the container, and at /var/log/xscontainer.log on the host.";
                return Err(failure::containers(&self.call.function, &reason, remedy));
            }
            Err(why) => {
                tracing::debug!(vm = %vm.uuid, %why, "asking the engine without the monitor");
                let mut family = Family::Unknown;
                let asked = self.ask_by_ourselves(reference, &vm.uuid, &ask, &mut family).await;
                asked.map_err(|trouble| failure::of_trouble(&self.call.function, trouble, family))?
            }
        };
        match answer {
            Answer::Done => Ok(String::new()),
            Answer::Document(json) => Ok(json),
            Answer::Refused(refusal) => Err(failure::of_engine(&self.call.function, &refusal)),
        }
    }

    /// Over a connection of our own. Notes what kind of system the guest is, as soon as that is known.
    async fn ask_by_ourselves(
        &self,
        reference: &VmRef,
        uuid: &VmUuid,
        ask: &Ask,
        family: &mut Family,
    ) -> Result<Answer, Trouble> {
        // All of it: an address that two VMs claim is neither's.
        let state = events::state(&self.client).await.map_err(Trouble::Xapi)?;
        let gone = || Error::Failure { method: "event.from", failure: failure::no_such("VM", uuid.as_str()) };
        let vm = state.vms.get(reference).ok_or_else(|| Trouble::Xapi(gone()))?;
        let situation = Situation::seen_from(&self.host, vm, &state);
        *family = situation.family;
        let rules = &self.dom0.rules;
        let (_connection, mut engine) =
            reach::open_engine(&self.client, &self.pool_key, reference, &situation, rules).await?;
        Ok(ask.put_to(&mut engine).await)
    }
}

/// Where an engine was asked, and what came of it: here its own words, from there the whole result.
enum Asked {
    Here(Result<String, Failure>),
    There(Result<String, Failure>),
}
