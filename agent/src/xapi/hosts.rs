//! Hosts of the pool: which one this is, and a plugin's function called on another.
//!
//! Must not know what plugins do.

use std::collections::BTreeMap;
use std::time::Duration;

use super::client::Client;
use super::error::Error;
use super::records::{HostRef, HostUuid};
use super::value::Value;

/// The host of this uuid.
///
/// # Errors
/// [`Error`]
pub async fn by_uuid(client: &Client, uuid: &HostUuid) -> Result<HostRef, Error> {
    let reference: String = client.call("host.get_by_uuid", &[Value::from(uuid.as_str())]).await?;
    HostRef::new(&reference).ok_or(Error::Odd { method: "host.get_by_uuid", wanted: "a host" })
}

/// All hosts of the pool, with their name labels.
///
/// # Errors
/// [`Error`]
pub async fn names(client: &Client) -> Result<Vec<(HostRef, String)>, Error> {
    let all: Vec<String> = client.call("host.get_all", &[]).await?;
    let mut named = Vec::new();
    for host in all.iter().filter_map(|host| HostRef::new(host)) {
        let name = client.call("host.get_name_label", &[Value::from(&host)]).await?;
        named.push((host, name));
    }
    Ok(named)
}

/// Calls a function of the plugin `plugin` on `host`, which may take as long as `limit`.
///
/// # Errors
/// [`Error`]; a failure of the function is an `Error::Failure`.
pub async fn call_plugin(
    client: &Client,
    host: &HostRef,
    plugin: &str,
    function: &str,
    arguments: &BTreeMap<String, String>,
    limit: Duration,
) -> Result<String, Error> {
    let arguments = arguments.iter().map(|(key, text)| (key.clone(), Value::from(text.as_str()))).collect();
    let params = [Value::from(host), plugin.into(), function.into(), Value::Struct(arguments)];
    client.line_within(limit).await.call_once("host.call_plugin", &params).await
}
