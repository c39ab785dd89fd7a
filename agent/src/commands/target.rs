//! The container that a command is about, as people name it, and the way to it.

use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;
use std::str::FromStr;

use agent::access::PoolKey;
use agent::engine::{ContainerName, Engine};
use agent::inventory;
use agent::operator::stream::printable::Printable;
use agent::operator::stream::{Manner, Problem, Way};
use agent::quote::quoted;
use agent::xapi::{Client, State, Vm, VmRef, events, hosts};
use tracing::level_filters::LevelFilter;

use super::place::{Place, event_loop};
use super::prepare_vm::is_utf8;

/// `[VM/]CONTAINER`, divided at the last slash, which no container's name has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) vm: Option<String>,
    pub(crate) container: ContainerName,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (vm, container) = match text.rsplit_once('/') {
            Some((vm, container)) => (Some(vm), container),
            None => (None, text),
        };
        if vm == Some("") {
            return Err("the VM's name before the slash is empty".to_owned());
        }
        let container = ContainerName::parse(container)
            .ok_or_else(|| format!("{} is neither a name nor an id of a container", quoted(container)))?;
        Ok(Self { vm: vm.map(str::to_owned), container })
    }
}

/// Why a command did not do what it should.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The VM is not known, or not the only one.
    Vm(String, &'static str),
    /// XAPI does not do what is needed.
    Xapi(agent::xapi::Error),
    /// This host is not known.
    Host(String),
    /// On the way or in the stream.
    Stream(Problem),
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Stream(problem)
    }
}

impl From<agent::xapi::Error> for Failure {
    fn from(error: agent::xapi::Error) -> Self {
        Self::Xapi(error)
    }
}

impl Failure {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Vm(..) => 3,
            Self::Xapi(_) => 8,
            Self::Host(_) => 1,
            Self::Stream(problem) => problem.exit_code(),
        }
    }

    fn remedy(&self) -> Option<String> {
        match self {
            Self::Vm(_, remedy) => Some((*remedy).to_owned()),
            Self::Xapi(_) => Some("See /var/log/xensource.log on this host.".to_owned()),
            Self::Host(_) => None,
            Self::Stream(problem) => problem.remedy(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vm(why, _) | Self::Host(why) => f.write_str(why),
            Self::Xapi(error) => error.fmt(f),
            Self::Stream(problem) => problem.fmt(f),
        }
    }
}

/// A VM's engine, found and reached.
pub(crate) struct Found {
    pub(crate) way: Way,
    pub(crate) engine: Engine,
}

/// Finds the VM and opens the way to its engine.
pub(crate) async fn find(client: &Client, place: &Place, vm: Option<&str>) -> Result<Found, Failure> {
    let Some(name) = vm else {
        return Err(Failure::Vm("which VM's container?".to_owned(), "Write VM/CONTAINER."));
    };
    let here = inventory::host_uuid(&place.inventory).map_err(|error| Failure::Host(error.to_string()))?;
    let here = hosts::by_uuid(client, &here).await?;
    let state = events::state(client).await?;
    let (reference, vm) = find_vm(&state, name)?;
    let pool_key = PoolKey::new(client.clone());
    let (way, engine) = Way::open(client, &pool_key, &state, (reference, vm), &here).await?;
    Ok(Found { way, engine })
}

fn find_vm<'a>(state: &'a State, name: &str) -> Result<(&'a VmRef, &'a Vm), Failure> {
    let guests = || state.vms.iter().filter(|(_, vm)| !vm.is_control_domain && !vm.is_a_template && !vm.is_a_snapshot);
    let by_uuid = guests().find(|(_, vm)| vm.uuid.as_str().eq_ignore_ascii_case(name));
    let named: Vec<_> = guests().filter(|(_, vm)| vm.name_label == name).collect();
    match (by_uuid, named.as_slice()) {
        (Some(found), _) => Ok(found),
        (None, [found]) => Ok(*found),
        (None, []) => {
            Err(Failure::Vm(format!("there is no VM {}", quoted(name)), "See `xe vm-list params=uuid,name-label`."))
        }
        (None, several) => {
            let mut uuids: Vec<_> = several.iter().map(|(_, vm)| vm.uuid.to_string()).collect();
            uuids.sort();
            let why = format!("{} VMs are named {}: {}", uuids.len(), quoted(name), uuids.join(", "));
            Err(Failure::Vm(why, "Name the VM by its uuid."))
        }
    }
}

/// Does something with a session in XAPI, and says why if it does not succeed.
pub(crate) fn run(place: &Place, work: impl AsyncFnOnce(&Client) -> Result<u8, Failure>) -> anyhow::Result<ExitCode> {
    let _log = place.begin_log(if place.log_file.is_some() { LevelFilter::INFO } else { LevelFilter::OFF })?;
    let runtime = event_loop()?;
    let result = runtime.block_on(async {
        let client = Client::new(&place.socket);
        let result = work(&client).await;
        client.close().await;
        result
    });
    // A stream may still be open.
    runtime.shutdown_background();
    Ok(ExitCode::from(result.unwrap_or_else(|failure| {
        let is_told = matches!(&failure, Failure::Stream(problem) if problem.is_closed_pipe());
        if !is_told {
            tell(&format!("xscontainer: {failure}\n"));
            if let Some(remedy) = failure.remedy() {
                tell(&format!("  {remedy}\n"));
            }
        }
        failure.exit_code()
    })))
}

fn tell(text: &str) {
    let shown = Printable::new(is_utf8()).push(text.as_bytes());
    let _ = std::io::stderr().write_all(shown.as_bytes());
}

/// How foreign text is shown: as is in files and pipes, harmless at terminals.
pub(crate) fn harmless() -> Manner {
    Manner::Harmless { unicode: is_utf8() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_divided_at_its_last_slash() {
        for (text, vm, container) in
            [("web", None, "web"), ("a/b", Some("a"), "b"), ("my/vm/6f1c", Some("my/vm"), "6f1c")]
        {
            let target: Target = text.parse().unwrap();
            assert_eq!((target.vm.as_deref(), target.container.as_str()), (vm, container));
        }
        for text in ["", "/", "vm/", "/web", "a b", "vm/-x"] {
            assert!(text.parse::<Target>().is_err(), "{text:?}");
        }
    }
}
