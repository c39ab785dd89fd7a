//! One question to one engine, on whichever way there is: the monitor's connection, one of our own, or the host of the VM.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::find::{self, Named};
use super::problem::Problem;
use crate::access::PoolKey;
use crate::engine::{ContainerName, Engine};
use crate::guest::{Connection, Family};
use crate::inventory;
use crate::lending::client::{self as monitor, NoAnswer};
use crate::lending::standing::{List, Row};
use crate::lending::{Answer, Ask, Refusal};
use crate::monitor::{rows, watch};
use crate::plugin;
use crate::reach::{self, Rules, Situation};
use crate::xapi::{Client, Error, HostRef, PowerState, State, Vm, VmRef, VmUuid, events, hosts};

/// How long another host may take for an action.
const FORWARD_LIMIT: Duration = Duration::from_secs(180);

/// Where things are in dom0.
#[derive(Clone, Debug)]
pub struct Dom0 {
    /// XAPI's socket.
    pub socket: PathBuf,
    /// The host's inventory.
    pub inventory: PathBuf,
    /// The monitor's socket.
    pub agent_socket: PathBuf,
    /// For connections of our own.
    pub rules: Rules,
}

/// A container that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its VM.
    pub vm: VmUuid,
    /// The VM's name.
    pub vm_name: String,
    /// Its id; as it was typed where its VM's containers are not seen.
    pub container: ContainerName,
    /// Its name, or what was typed.
    pub name: String,
}

/// The pool as XAPI tells of it now.
pub struct Pool {
    /// In a session of this host's root.
    pub client: Client,
    /// The key that guests trust.
    pub pool_key: PoolKey,
    /// All VMs.
    pub state: State,
    /// This host.
    pub here: HostRef,
    /// For connections.
    pub rules: Rules,
}

/// An engine, and the way to it, which must last as long.
#[derive(Debug)]
pub struct Reached {
    /// The way.
    pub connection: Connection,
    /// The engine.
    pub engine: Engine,
    /// What kind of system the guest says it is.
    pub family: Family,
}

impl Pool {
    /// Asks XAPI for all of it.
    ///
    /// # Errors
    /// [`Problem::Inventory`], [`Problem::Xapi`]
    pub async fn read(dom0: &Dom0) -> Result<Self, Problem> {
        let uuid = inventory::host_uuid(&dom0.inventory)?;
        let client = Client::new(&dom0.socket);
        let here = hosts::by_uuid(&client, &uuid).await?;
        let state = events::state(&client).await?;
        Ok(Self { pool_key: PoolKey::new(client.clone()), client, state, here, rules: dom0.rules })
    }

    /// Logs in to a VM, and finds its engine.
    ///
    /// # Errors
    /// [`Problem::NotRunning`], [`Problem::Path`], [`Problem::Xapi`]
    pub async fn reach(&self, vm: &VmRef, record: &Vm) -> Result<Reached, Problem> {
        if record.power_state != PowerState::Running {
            return Err(Problem::NotRunning(record.name_label.clone(), record.power_state));
        }
        let situation = Situation::seen_from(&self.here, record, &self.state);
        let family = situation.family;
        match reach::open_engine(&self.client, &self.pool_key, vm, &situation, &self.rules).await {
            Ok((connection, engine)) => Ok(Reached { connection, engine, family }),
            Err(trouble) => {
                let elsewhere = match record.resident_on.as_ref().filter(|host| **host != self.here) {
                    Some(host) => Some(self.client.call("host.get_name_label", &[host.into()]).await?),
                    None => None,
                };
                let vm = record.name_label.clone();
                let registered = watch::is_registered(record);
                Err(Problem::Path { vm, trouble: Box::new(trouble), family, elsewhere, registered })
            }
        }
    }

    /// The VM of this uuid.
    ///
    /// # Errors
    /// [`Problem::NoVm`]
    pub fn vm(&self, uuid: &VmUuid) -> Result<(&VmRef, &Vm), Problem> {
        let found = self.state.vms.iter().find(|(_, vm)| vm.uuid == *uuid);
        found.ok_or_else(|| Problem::NoVm(uuid.to_string()))
    }

    /// Logs out.
    pub async fn close(self) {
        self.client.close().await;
    }
}

/// The container that is meant by `named`. VMs of this host go before those of others.
///
/// # Errors
/// [`Problem`]
pub async fn target(dom0: &Dom0, named: &Named) -> Result<Target, Problem> {
    let lists = monitor::lists(&dom0.agent_socket, None).await;
    let Some(vm) = &named.vm else {
        let found = of_this_host(&lists.map_err(Problem::NoMonitor)?, &named.container)?;
        return Ok(Target { vm: found.vm, vm_name: found.vm_name, container: found.id, name: found.name });
    };
    match lists.as_deref().map(|lists| find::list(lists, vm)) {
        Ok(Ok(list)) if list.rows.is_some() => {
            let found = find::container(std::slice::from_ref(list), &named.container, Some(&list.name))?;
            Ok(Target { vm: found.vm, vm_name: found.vm_name, container: found.id, name: found.name })
        }
        Ok(Err(problem @ Problem::SeveralVms(..))) => Err(problem),
        _ => {
            let pool = Pool::read(dom0).await?;
            let (_, record) = find::vm(&pool.state, vm)?;
            let (vm, vm_name) = (record.uuid.clone(), record.name_label.clone());
            pool.close().await;
            Ok(Target { vm, vm_name, container: named.container.clone(), name: named.container.to_string() })
        }
    }
}

/// The container of this name in any VM of this host. Where some VMs' containers are not seen, one of them may have such a
/// container too, and the name alone is not enough.
fn of_this_host(lists: &[List], name: &ContainerName) -> Result<find::Found, Problem> {
    let found = find::container(lists, name, None);
    if matches!(found, Err(Problem::NoContainer(..))) && lists.iter().any(|list| list.name == name.as_str()) {
        return Err(Problem::IsVm(name.to_string()));
    }
    let unseen: Vec<String> = lists.iter().filter(|list| list.rows.is_none()).map(|list| list.name.clone()).collect();
    match found {
        Ok(_) | Err(Problem::NoContainer(..)) if !unseen.is_empty() => {
            Err(Problem::NotAllSeen(name.to_string(), unseen))
        }
        found => found,
    }
}

/// Asks the engine of the VM `vm`: the document that it answers with, empty for an action.
///
/// # Errors
/// [`Problem`]
pub async fn ask(dom0: &Dom0, vm: &VmUuid, ask: &Ask) -> Result<String, Problem> {
    let answer = match monitor::ask(&dom0.agent_socket, vm, ask).await {
        Ok(answer) => answer,
        Err(NoAnswer::BrokenOff(cause)) if !ask.may_be_repeated() => {
            return Err(Problem::Unknown(format!("the monitor ended before it could say ({cause})")));
        }
        Err(why) => {
            tracing::debug!(%vm, %why, "asking the engine without the monitor");
            let pool = Pool::read(dom0).await?;
            let asked = ask_without_monitor(&pool, vm, ask).await;
            pool.close().await;
            asked?
        }
    };
    match answer {
        Answer::Done => Ok(String::new()),
        Answer::Document(json) => Ok(json),
        // As docker has it: what is so already is done.
        Answer::Refused(Refusal { is_so_already: true, .. }) => Ok(String::new()),
        Answer::Refused(refusal) => Err(Problem::Refused(refusal)),
    }
}

async fn ask_without_monitor(pool: &Pool, vm: &VmUuid, ask: &Ask) -> Result<Answer, Problem> {
    let (reference, record) = pool.vm(vm)?;
    let elsewhere = record.resident_on.as_ref().filter(|host| **host != pool.here);
    // There the view shows it when the call returns, whether or not this host has a network to the VM.
    if let (Ask::Act(action, container), Some(host)) = (ask, elsewhere) {
        let arguments = [("vmuuid", vm.to_string()), ("container", container.to_string())];
        let arguments: BTreeMap<String, String> =
            arguments.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let name = action.name();
        return match hosts::call_plugin(&pool.client, host, plugin::NAME, name, &arguments, FORWARD_LIMIT).await {
            Ok(_) => Ok(Answer::Done),
            Err(Error::Failure { failure, .. }) => Err(Problem::There(plugin::in_words(&failure))),
            Err(error) => Err(Problem::Unknown(error.to_string())),
        };
    }
    let mut reached = pool.reach(reference, record).await?;
    Ok(ask.put_to(&mut reached.engine).await)
}

/// The containers of all VMs of this host whose containers are seen, or of the VM of this name or uuid.
///
/// # Errors
/// [`Problem`]
pub async fn lists(dom0: &Dom0, vm: Option<&str>) -> Result<Vec<List>, Problem> {
    let lists = monitor::lists(&dom0.agent_socket, None).await;
    let Some(vm) = vm else {
        return lists.map_err(Problem::NoMonitor);
    };
    match lists.as_deref().map(|lists| find::list(lists, vm)) {
        Ok(Ok(list)) if list.rows.is_some() => Ok(vec![list.clone()]),
        Ok(Err(problem @ Problem::SeveralVms(..))) => Err(problem),
        _ => {
            let pool = Pool::read(dom0).await?;
            let list = list(&pool, vm).await;
            pool.close().await;
            Ok(vec![list?])
        }
    }
}

async fn list(pool: &Pool, vm: &str) -> Result<List, Problem> {
    let (reference, record) = find::vm(&pool.state, vm)?;
    let mut reached = pool.reach(reference, record).await?;
    let containers = reached.engine.containers().await.map_err(|error| Problem::Refused(error.into()))?;
    let mut rows: Vec<Row> = containers.list.iter().map(rows::row).collect();
    rows.sort_by(|one, other| (&one.name, &one.id).cmp(&(&other.name, &other.id)));
    Ok(List { vm: record.uuid.to_string(), name: record.name_label.clone(), rows: Some(rows) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(name: &str, containers: Option<&[&str]>) -> List {
        let row = |name: &&str| Row {
            id: format!("{:012x}", name.len()),
            name: (*name).to_owned(),
            image: String::new(),
            command: String::new(),
            status: "Up".to_owned(),
            created: 0,
            ports: String::new(),
        };
        let vm = "00000000-0000-0000-0000-000000000001".to_owned();
        List { vm, name: name.to_owned(), rows: containers.map(|all| all.iter().map(row).collect()) }
    }

    #[test]
    fn a_name_alone_is_not_enough_where_a_vm_is_not_seen() {
        let name = |text| ContainerName::parse(text).unwrap();
        let seen = [list("web", Some(&["one"])), list("db", Some(&[]))];
        assert_eq!(of_this_host(&seen, &name("one")).unwrap().name, "one");
        assert!(matches!(of_this_host(&seen, &name("nobody")), Err(Problem::NoContainer(_, None))));
        assert!(matches!(of_this_host(&seen, &name("db")), Err(Problem::IsVm(_))));
        let unseen = [list("web", Some(&["one"])), list("db", None)];
        for text in ["one", "nobody"] {
            let problem = of_this_host(&unseen, &name(text)).unwrap_err();
            assert!(matches!(&problem, Problem::NotAllSeen(_, vms) if vms == &["db"]), "{problem}");
        }
    }
}
