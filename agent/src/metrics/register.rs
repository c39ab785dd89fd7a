//! What is said to xcp-rrdd itself: that there is a page, that there is none any longer, which history to give up.
//!
//! XML-RPC over its unix socket, with XAPI's envelope (xen-api, `ocaml/xapi-idl/rrd/rrd_interface.ml`, and
//! `ocaml/xapi-idl/lib_test/test_data/rrd/`). xcp-rrdd finds pages by itself, too (`ocaml/xcp-rrdd/bin/rrdd/xcp_rrdd.ml`,
//! `Discover`); what only it can tell is when it looks. Must not know what is on a page.

use std::path::Path;
use std::time::Duration;

use tokio::time::timeout;

use super::names;
use crate::xapi::transport::{Call, Connection, IfStale};
use crate::xapi::{Error, Value, VmUuid};

/// How long it may take for an answer: it is a local program that answers from memory.
const LIMIT: Duration = Duration::from_secs(2);

/// xcp-rrdd, at the other end of a socket.
pub struct Rrdd {
    connection: Connection,
    uid: &'static str,
}

impl Rrdd {
    /// Behind `socket`, on behalf of the plugin `uid`.
    #[must_use]
    pub fn new(socket: &Path, uid: &'static str) -> Self {
        Self { connection: Connection::new(socket), uid }
    }

    /// Says that the page is there, unless that is known; when it is looked at next.
    ///
    /// # Errors
    /// In words for the log.
    pub async fn register(&mut self) -> Result<Duration, String> {
        let arguments = [("uid", self.uid), ("info", "Five_Seconds"), ("protocol", "V2")];
        match self.call("Plugin.Local.register", &arguments).await? {
            // Negative if it is late.
            Value::Double(seconds) => Ok(Duration::try_from_secs_f64(seconds.clamp(0.0, 60.0)).unwrap_or_default()),
            _ => Err("xcp-rrdd does not say when it looks at pages".to_owned()),
        }
    }

    /// Says that the page is gone.
    ///
    /// # Errors
    /// In words for the log.
    pub async fn deregister(&mut self) -> Result<(), String> {
        self.call("Plugin.Local.deregister", &[("uid", self.uid)]).await.map(drop)
    }

    /// The labels of containers of which a VM's file has history.
    ///
    /// # Errors
    /// In words for the log.
    pub async fn recorded(&mut self, vm: &VmUuid) -> Result<Vec<String>, String> {
        let Value::Array(sources) = self.call("query_possible_vm_dss", &[("vm_uuid", vm.as_str())]).await? else {
            return Err("xcp-rrdd does not say which data sources a VM has".to_owned());
        };
        let name = |source: &Value| match source {
            Value::Struct(members) => members.get("name").and_then(Value::as_text).map(str::to_owned),
            _ => None,
        };
        let names: Vec<String> = sources.iter().filter_map(name).collect();
        let mut labels: Vec<String> =
            names.iter().filter_map(|name| names::label_in(name)).map(str::to_owned).collect();
        labels.sort();
        labels.dedup();
        Ok(labels)
    }

    /// Gives up the history of a VM's data source.
    ///
    /// # Errors
    /// In words for the log.
    pub async fn forget(&mut self, vm: &VmUuid, name: &str) -> Result<(), String> {
        self.call("forget_vm_ds", &[("vm_uuid", vm.as_str()), ("ds_name", name)]).await.map(drop)
    }

    async fn call(&mut self, method: &'static str, arguments: &[(&str, &str)]) -> Result<Value, String> {
        let arguments = arguments.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value)));
        let params = [Value::Struct(arguments.collect())];
        let call = Call { method, params: &params, answer_limit: LIMIT, if_stale: IfStale::Resend };
        match timeout(LIMIT, self.connection.call(call)).await {
            Ok(result) => result.map_err(|error| in_words(&error)),
            Err(_) => Err(format!("{method}: xcp-rrdd does not answer within {} s", LIMIT.as_secs())),
        }
    }
}

/// The same protocol with another program at the other end: [`Error`]'s own words speak of XAPI.
fn in_words(error: &Error) -> String {
    match error {
        Error::Connect { socket, cause } => {
            format!(
                "cannot connect to xcp-rrdd's socket {}: {cause}; is it running (systemctl status xcp-rrdd)?",
                socket.display()
            )
        }
        Error::Http { method, cause } => format!("{method}: the connection to xcp-rrdd failed: {cause}"),
        Error::Status { method, status } => format!("{method}: xcp-rrdd answered with HTTP status {status}"),
        Error::Reply { method, cause } => format!("{method}: {cause}"),
        Error::Failure { method, failure } => format!("{method}: xcp-rrdd reports {failure}"),
        other => other.to_string().replace("XAPI", "xcp-rrdd"),
    }
}
