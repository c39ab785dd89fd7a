//! How things stand on all hosts of the pool: each is asked through its plugin, all at once.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::task::JoinSet;

use super::ask::Dom0;
use super::problem::Problem;
use crate::inventory;
use crate::lending::Standing;
use crate::plugin;
use crate::xapi::{Client, Error, Failure, HostRef, hosts};

/// How long one host may take.
const HOST_LIMIT: Duration = Duration::from_secs(10);

/// How things stand on one host.
#[derive(Debug)]
pub struct OfHost {
    /// Its name label. Foreign.
    pub name: String,
    /// What its monitor says, or why it does not.
    pub standing: Result<Standing, String>,
}

/// All hosts of the pool, by name.
///
/// # Errors
/// [`Problem::Xapi`]
pub async fn standings(dom0: &Dom0) -> Result<Vec<OfHost>, Problem> {
    // Only to say early that this is no host.
    inventory::host_uuid(&dom0.inventory)?;
    let client = Client::new(&dom0.socket);
    let all = hosts::names(&client).await?;
    let mut asking = JoinSet::new();
    for (host, name) in all {
        let client = client.clone();
        asking.spawn(async move { OfHost { standing: standing(&client, &host).await, name } });
    }
    let mut found = asking.join_all().await;
    client.close().await;
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

async fn standing(client: &Client, host: &HostRef) -> Result<Standing, String> {
    let function = plugin::STATUS;
    match hosts::call_plugin(client, host, plugin::NAME, function, &BTreeMap::new(), HOST_LIMIT).await {
        Ok(text) => {
            let json = text.strip_prefix("True").unwrap_or(&text);
            serde_json::from_str(json).map_err(|_| "its monitor is of another version".to_owned())
        }
        Err(Error::Failure { failure, .. }) => Err(in_words(&failure)),
        Err(error) => Err(error.to_string()),
    }
}

fn in_words(failure: &Failure) -> String {
    match failure.code.as_str() {
        "XENAPI_MISSING_PLUGIN" => "the pack is not installed on it".to_owned(),
        "UNKNOWN_XENAPI_PLUGIN_FUNCTION" => "an older pack is installed on it".to_owned(),
        "HOST_OFFLINE" | "CANNOT_CONTACT_HOST" | "HOST_NOT_LIVE" => "the host is down".to_owned(),
        _ => plugin::in_words(failure),
    }
}
