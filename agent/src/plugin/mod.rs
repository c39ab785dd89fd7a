//! The XAPI plugin `xscontainer`: one call of `host.call_plugin`, from its argument to the document that XAPI wants back.
//!
//! Whatever happens, the program prints such a document and exits with 0; only then do callers get the failure as it is.
//! Rights are XAPI's: everything is done in the caller's session. Must not know how a container is stopped.
//!
//! ```text
//! argument ─► function ─► place: on which host? ─► here: registration, containers, config drive ─► document
//!                               └─► another: call_plugin there, once; its answer as it is ──────────────┘
//! ```

mod containers;
mod drive;
mod failure;
mod function;
mod place;
mod registration;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Instant;

use crate::access::PoolKey;
use crate::config_drive;
use crate::inventory;
use crate::lending::client as monitor;
use crate::quote::quoted;
use crate::reach::Rules;
use crate::xapi::plugin_call::{self, PluginCall};
use crate::xapi::{Client, Failure, HostRef, Value, Vm, VmRef, VmUuid, hosts, records};

pub use failure::{in_words, is_of_a_broken_plugin};
use function::{FORWARDED, Function};

/// The function by which hosts ask each other how things stand.
pub const STATUS: &str = "get_status";

/// The plugin's name: the file's in `/etc/xapi.d/plugins`.
pub const NAME: &str = "xscontainer";

/// Where things are in dom0, and what holds there.
#[derive(Clone, Debug)]
pub struct Dom0 {
    /// XAPI's socket.
    pub socket: PathBuf,
    /// The host's inventory.
    pub inventory: PathBuf,
    /// The monitor's socket.
    pub agent_socket: PathBuf,
    /// What config drives are made from.
    pub drives: config_drive::Places,
    /// For connections of our own.
    pub rules: Rules,
    /// Whether a failure is told on the VM as well.
    pub messages: bool,
}

/// Carries out the call in the only one of `arguments`; gives the document to print.
pub async fn answer(arguments: &[OsString], dom0: &Dom0) -> String {
    let read = match arguments {
        [argument] => match argument.to_str() {
            Some(text) => PluginCall::read(text).await.map_err(|bad| (bad.function, bad.cause.to_string())),
            None => Err((String::new(), "the call is not UTF-8".to_owned())),
        },
        _ => Err((String::new(), format!("the plugin takes one argument, and got {}", arguments.len()))),
    };
    let call = match read {
        Ok(call) => call,
        Err((function, why)) => {
            tracing::warn!(function = %quoted(&function), error = why, "a plugin call that cannot be understood");
            return plugin_call::failure(&failure::not_understood(&function, why));
        }
    };
    let begun = Instant::now();
    let result = carry_out(&call, dom0).await;
    let (vm, duration_ms) = (call.arguments.get("vmuuid").map_or("", String::as_str), begun.elapsed().as_millis());
    match result {
        Ok(text) => {
            tracing::debug!(function = %quoted(&call.function), vm = %quoted(vm), duration_ms, "plugin call");
            plugin_call::success(&text)
        }
        Err(failure) => {
            tracing::warn!(function = %quoted(&call.function), vm = %quoted(vm), duration_ms, %failure, "plugin call failed");
            plugin_call::failure(&failure)
        }
    }
}

/// The document to print if [`answer`] panicked.
#[must_use]
pub fn internal_error() -> String {
    let text = "internal error; see /var/log/xscontainer.log on the host, and report it".to_owned();
    plugin_call::failure(&failure::exception("", "Exception", text))
}

/// One call, on this host.
struct Here<'a> {
    call: &'a PluginCall,
    dom0: &'a Dom0,
    /// In the caller's session.
    client: Client,
    pool_key: PoolKey,
    host: HostRef,
}

async fn carry_out(call: &PluginCall, dom0: &Dom0) -> Result<String, Failure> {
    let function = Function::of(call)?;
    let client = Client::in_session(&dom0.socket, call.session.clone());
    let host = inventory::host_uuid(&dom0.inventory)
        .map_err(|error| failure::exception(&call.function, "Exception", error.to_string()))?;
    let host = hosts::by_uuid(&client, &host).await.map_err(|error| failure::of_xapi(&call.function, error))?;
    let here = Here { call, dom0, pool_key: PoolKey::new(client.clone()), client, host };
    match function {
        Function::Register { vm } => {
            let (reference, vm) = here.vm(&vm).await?;
            here.of_xapi(registration::register(&here.client, &reference, &vm).await)?;
            Ok(success(""))
        }
        Function::Deregister { vm } => {
            let (reference, vm) = here.vm(&vm).await?;
            here.of_xapi(registration::deregister(&here.client, &reference, &vm).await)?;
            Ok(success(""))
        }
        Function::Act { vm, container, action } => here.act(&vm, action, container).await,
        Function::Inspect { vm, container } => here.inspect(&vm, container).await,
        Function::Top { vm, container } => here.top(&vm, container).await,
        Function::DefaultConfiguration { template } => here.default_configuration(template.as_ref()).await,
        Function::CreateConfigDrive { vm, sr, configuration } => {
            here.create_config_drive(&vm, &sr, &configuration).await
        }
        Function::Configuration { vdi } => here.configuration(&vdi).await,
        Function::Status => status(dom0, &call.function).await,
    }
}

/// How things stand with the monitor of this host.
async fn status(dom0: &Dom0, function: &str) -> Result<String, Failure> {
    let standing = monitor::standing(&dom0.agent_socket).await;
    let silent = |why: monitor::NoAnswer| {
        failure::containers(function, &format!("its monitor does not answer: {why}"), "Look there: xscontainer doctor")
    };
    let standing = standing.map_err(silent)?;
    Ok(success(&serde_json::to_string(&standing).expect("texts and numbers")))
}

/// What clients want of a success: this word, and right behind it what they asked for.
fn success(payload: &str) -> String {
    format!("True{payload}")
}

impl Here<'_> {
    /// The VM of this uuid, as far as the caller may see it.
    async fn vm(&self, uuid: &VmUuid) -> Result<(VmRef, Vm), Failure> {
        let reference = self.of_xapi(self.client.call("VM.get_by_uuid", &[Value::from(uuid.as_str())]).await)?;
        let vm = self.of_xapi(records::read(&self.client, &reference).await)?;
        Ok((reference, vm))
    }

    fn of_xapi<T>(&self, result: Result<T, crate::xapi::Error>) -> Result<T, Failure> {
        result.map_err(|error| failure::of_xapi(&self.call.function, error))
    }

    /// Whether another host was asked first, which asked us.
    fn is_forwarded(&self) -> bool {
        self.call.arguments.contains_key(FORWARDED)
    }
}
