//! One entry of an object's `other_config`, changed without touching anybody else's.
//!
//! XAPI has no way to replace an entry in one step: `set_other_config` replaces the whole map, and with it what others
//! wrote since it was read. So an entry is removed and added back to back on one connection; readers may see the moment
//! in between (xen-api ocaml/xapi-aux/throttle.ml).

use super::client::Client;
use super::error::Error;
use super::records::{NetworkRef, PoolRef, VdiRef, VmRef};
use super::value::Value;

/// How often an entry is removed again because somebody else added it in between.
const TRIES: usize = 4;

/// Makes the entry `key` of a VM hold `text`, or go away.
///
/// # Errors
/// [`Error`]; the old entry may be gone then.
pub async fn replace(client: &Client, vm: &VmRef, key: &str, text: Option<&str>) -> Result<(), Error> {
    const VM: Calls = Calls { remove: "VM.remove_from_other_config", add: "VM.add_to_other_config" };
    replace_by(client, VM, vm.into(), key, text).await
}

/// Like [`replace`], of a network.
///
/// # Errors
/// [`Error`]; the old entry may be gone then.
pub async fn replace_of_network(client: &Client, network: &NetworkRef, key: &str, text: &str) -> Result<(), Error> {
    const NETWORK: Calls = Calls { remove: "network.remove_from_other_config", add: "network.add_to_other_config" };
    replace_by(client, NETWORK, network.into(), key, Some(text)).await
}

/// Like [`replace`], of the pool.
///
/// # Errors
/// [`Error`]; the old entry may be gone then.
pub async fn replace_of_pool(client: &Client, pool: &PoolRef, key: &str, text: Option<&str>) -> Result<(), Error> {
    const POOL: Calls = Calls { remove: "pool.remove_from_other_config", add: "pool.add_to_other_config" };
    replace_by(client, POOL, pool.into(), key, text).await
}

/// The calls of a class.
#[derive(Clone, Copy)]
struct Calls {
    remove: &'static str,
    add: &'static str,
}

async fn replace_by(client: &Client, calls: Calls, object: Value, key: &str, text: Option<&str>) -> Result<(), Error> {
    let key = Value::from(key);
    let mut line = client.line().await;
    let mut tries = 1;
    loop {
        line.call::<()>(calls.remove, &[object.clone(), key.clone()]).await?;
        let Some(text) = text else { return Ok(()) };
        let added = line.call::<()>(calls.add, &[object.clone(), key.clone(), Value::from(text)]).await;
        match added {
            Err(error) if error.is_duplicate_key() && tries < TRIES => tries += 1,
            result => return result,
        }
    }
}

/// Adds an entry to the pool's `other_config`; false if there is one of that key already.
///
/// # Errors
/// [`Error`]
pub async fn add_to_pool(client: &Client, pool: &PoolRef, key: &str, text: &str) -> Result<bool, Error> {
    add_by(client, "pool.add_to_other_config", pool.into(), key, text).await
}

/// Like [`add_to_pool`], to a VM's.
///
/// # Errors
/// [`Error`]
pub async fn add_to_vm(client: &Client, vm: &VmRef, key: &str, text: &str) -> Result<bool, Error> {
    add_by(client, "VM.add_to_other_config", vm.into(), key, text).await
}

/// Like [`add_to_pool`], to a disk's.
///
/// # Errors
/// [`Error`]
pub async fn add_to_vdi(client: &Client, vdi: &VdiRef, key: &str, text: &str) -> Result<bool, Error> {
    add_by(client, "VDI.add_to_other_config", vdi.into(), key, text).await
}

async fn add_by(client: &Client, call: &'static str, object: Value, key: &str, text: &str) -> Result<bool, Error> {
    match client.call_once::<()>(call, &[object, Value::from(key), Value::from(text)]).await {
        Ok(()) => Ok(true),
        Err(error) if error.is_duplicate_key() => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xapi::script::{Answer, Server, failure, success};

    async fn replaced(text: Option<&str>, mut adds: Vec<Answer>) -> (Result<(), Error>, Vec<(usize, String)>) {
        let server = Server::start(move |request| match request.method.as_str() {
            "VM.add_to_other_config" => adds.remove(0),
            _ => success("OpaqueRef:session"),
        });
        let client = Client::new(&server.socket());
        let result = replace(&client, &VmRef::new("OpaqueRef:vm").unwrap(), "docker_ps", text).await;
        let calls = server.requests().into_iter().skip(1).map(|request| {
            let method = request.method.trim_end_matches("_other_config").to_owned();
            (request.connection, format!("{method} {}", request.params[1..].join(" ")))
        });
        (result, calls.collect())
    }

    fn on_one_connection(calls: &[&str]) -> Vec<(usize, String)> {
        calls.iter().map(|call| (0, (*call).to_owned())).collect()
    }

    const REMOVE: &str = "VM.remove_from OpaqueRef:vm docker_ps";
    const ADD: &str = "VM.add_to OpaqueRef:vm docker_ps new";

    fn duplicate() -> Answer {
        failure(&["MAP_DUPLICATE_KEY", "VM", "other_config", "OpaqueRef:vm", "docker_ps"])
    }

    #[tokio::test]
    async fn an_entry_is_removed_and_added_on_one_connection() {
        let (result, calls) = replaced(Some("new"), vec![success("")]).await;
        result.unwrap();
        assert_eq!(calls, on_one_connection(&[REMOVE, ADD]));
    }

    #[tokio::test]
    async fn an_entry_is_taken_away_by_one_call() {
        let (result, calls) = replaced(None, vec![]).await;
        result.unwrap();
        assert_eq!(calls, on_one_connection(&[REMOVE]));
    }

    #[tokio::test]
    async fn somebody_elses_entry_in_between_is_removed_too() {
        let (result, calls) = replaced(Some("new"), vec![duplicate(), success("")]).await;
        result.unwrap();
        assert_eq!(calls, on_one_connection(&[REMOVE, ADD, REMOVE, ADD]));
    }

    #[tokio::test]
    async fn a_fight_about_an_entry_is_given_up() {
        let (result, calls) = replaced(Some("new"), vec![duplicate(); TRIES]).await;
        assert!(result.unwrap_err().is_duplicate_key());
        assert_eq!(calls.len(), 2 * TRIES);
    }
}
