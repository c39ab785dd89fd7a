//! Failures as XAPI's callers get them: a code and parameters whose positions clients know.
//!
//! XAPI's own helper for plugins reports an exception as `XENAPI_PLUGIN_FAILURE` with the function, the exception's class
//! and its text (xen-api python3/examples/XenAPIPlugin.py); the classes are the original agent's. Must not know what
//! functions do.

use crate::config_drive;
use crate::guest::{Family, Unreachable};
use crate::lending::Refusal;
use crate::quote::quoted;
use crate::reach::Trouble;
use crate::xapi::{self, Failure, VmRef};

/// The class of what concerns containers.
const CONTAINERS: &str = "XSContainerException";

/// What functions report as an exception: its class and its text.
pub(super) fn exception(function: &str, class: &str, text: String) -> Failure {
    Failure { code: "XENAPI_PLUGIN_FAILURE".to_owned(), params: vec![function.to_owned(), class.to_owned(), text] }
}

/// There is no such function.
pub(super) fn unknown_function(function: &str) -> Failure {
    Failure { code: "UNKNOWN_XENAPI_PLUGIN_FUNCTION".to_owned(), params: vec![function.to_owned()] }
}

/// An argument is missing. The text is what clients know; what is missing comes after it.
pub(super) fn missing_argument(function: &str, argument: &str) -> Failure {
    not_understood(function, format!("{function} needs the argument {argument}"))
}

/// What XAPI says of a uuid that is none, or nobody's.
pub(super) fn no_such(class: &str, uuid: &str) -> Failure {
    Failure { code: "UUID_INVALID".to_owned(), params: vec![class.to_owned(), uuid.to_owned()] }
}

/// What XAPI says when a VM that does not run should.
pub(super) fn not_running(vm: &VmRef, state: &str) -> Failure {
    let params = [vm.as_str(), "running", state].map(str::to_owned).to_vec();
    Failure { code: "VM_BAD_POWER_STATE".to_owned(), params }
}

/// Something concerning containers does not work: what, and what to do about it.
pub(super) fn containers(function: &str, reason: &str, remedy: &str) -> Failure {
    exception(function, CONTAINERS, sentences(reason, remedy))
}

/// Whether XAPI says of a plugin of this function that it ended badly, rather than the plugin what does not work
/// (xen-api ocaml/xapi/xapi_plugins.ml): then it stands where the plugin would name its function.
#[must_use]
pub fn is_of_a_broken_plugin(failure: &Failure, function: &str) -> bool {
    failure.code == "XENAPI_PLUGIN_FAILURE" && failure.params.first().is_none_or(|first| first != function)
}

/// A call that cannot be understood; the text is what clients know.
pub(super) fn not_understood(function: &str, why: String) -> Failure {
    let mut failure = exception(function, "Exception", "INVALID_ARGUMENTS".to_owned());
    failure.params.push(why);
    failure
}

/// The name of a container makes no sense.
pub(super) fn invalid_container(function: &str, name: &str) -> Failure {
    let reason = format!("Invalid container: {} is neither a name nor an id", quoted(name));
    containers(function, &reason, "Letters, digits, '_', '.' and '-' make a name.")
}

/// XAPI's own failure as it is; anything else between us and XAPI as an exception.
pub(super) fn of_xapi(function: &str, error: xapi::Error) -> Failure {
    match error {
        xapi::Error::Failure { failure, .. } => failure,
        error => exception(function, CONTAINERS, error.to_string()),
    }
}

/// The engine does not do it.
pub(super) fn of_engine(function: &str, refusal: &Refusal) -> Failure {
    containers(function, &refusal.reason, &refusal.remedy)
}

/// The engine cannot be reached.
pub(super) fn of_trouble(function: &str, trouble: Trouble, family: Family) -> Failure {
    let class = match &trouble {
        Trouble::Guest(Unreachable::HostKeyChanged { .. }) => "VmHostKeyException",
        Trouble::Guest(Unreachable::LoginRefused { .. }) | Trouble::OtherKey { .. } => "AuthenticationException",
        Trouble::Guest(Unreachable::Tls { .. }) => "TlsException",
        Trouble::Guest(Unreachable::NotSsh { .. } | Unreachable::NoCommonAlgorithm { .. }) => "SshException",
        _ => CONTAINERS,
    };
    let text = sentences(&trouble.to_string(), &trouble.remedy(family));
    match trouble {
        Trouble::Xapi(error) => of_xapi(function, error),
        _ => exception(function, class, text),
    }
}

/// No config drive was made or read.
pub(super) fn of_drive(function: &str, error: config_drive::Error) -> Failure {
    match error {
        config_drive::Error::NoVm(vm) => no_such("VM", vm.as_str()),
        config_drive::Error::NoSr(sr) => no_such("SR", sr.as_str()),
        config_drive::Error::NoVdi(vdi) => no_such("VDI", vdi.as_str()),
        config_drive::Error::Xapi { cause: cause @ xapi::Error::Failure { .. }, .. } => of_xapi(function, cause),
        error => exception(function, CONTAINERS, error.to_string()),
    }
}

fn sentences(reason: &str, remedy: &str) -> String {
    format!("{reason}. {remedy}")
}

/// For people: the text of an exception, else the code and its parameters.
#[must_use]
pub fn in_words(failure: &Failure) -> String {
    match (failure.code.as_str(), failure.params.as_slice()) {
        ("XENAPI_PLUGIN_FAILURE", [_, _, text, ..]) => text.clone(),
        ("VM_BAD_POWER_STATE", [_, _, state, ..]) => format!("The VM is {state}."),
        _ => failure.to_string(),
    }
}
