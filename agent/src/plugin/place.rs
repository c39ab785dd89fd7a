//! On which host a call is carried out: the one that can do it best. A call goes from one host to another once at most.

use std::time::Duration;

use super::function::FORWARDED;
use super::{Here, NAME, failure};
use crate::xapi::{Error, Failure, HostRef, hosts};

/// How long another host may take. Every step has a limit of its own there; this is for a host that has died.
const FORWARD_LIMIT: Duration = Duration::from_secs(1800);

/// What became of a call on another host.
pub(super) enum Forwarded {
    /// It was carried out there; this is what that host says.
    Answered(Result<String, Failure>),
    /// Nobody there carried it out, for this reason.
    NotThere(Failure),
    /// XAPI was lost while it was waited for: it may have been carried out, and may still be.
    Lost(Failure),
}

impl Here<'_> {
    /// Calls the same function with the same arguments on `host`.
    pub(super) async fn forward(&self, host: &HostRef) -> Forwarded {
        let mut arguments = self.call.arguments.clone();
        arguments.insert(FORWARDED.to_owned(), "true".to_owned());
        let function = &self.call.function;
        tracing::debug!(host = host.as_str(), "plugin call forwarded");
        match hosts::call_plugin(&self.client, host, NAME, function, &arguments, FORWARD_LIMIT).await {
            Ok(text) => Forwarded::Answered(Ok(text)),
            Err(Error::Failure { failure, .. }) if is_of_the_way(&failure.code) => Forwarded::NotThere(failure),
            Err(Error::Failure { failure, .. }) => Forwarded::Answered(Err(failure)),
            Err(error) => {
                let reason = format!("nothing is known of the call on another host: {error}");
                Forwarded::Lost(failure::containers(function, &reason, "It may be done; look before you repeat it."))
            }
        }
    }

    /// The hosts on which to try what needs some storage, of those that see it: `preferred` first, then this one. This one
    /// alone if another host was asked before, or if nobody sees it.
    pub(super) fn that_see(&self, mut seeing: Vec<HostRef>, preferred: Option<&HostRef>) -> Vec<HostRef> {
        if self.is_forwarded() || seeing.is_empty() {
            return vec![self.host.clone()];
        }
        seeing.sort_by_key(|host| (Some(host) != preferred, *host != self.host));
        seeing
    }
}

/// Whether a failure says that no plugin was run on the other host (xen-api ocaml/xapi-consts/api_errors.ml).
fn is_of_the_way(code: &str) -> bool {
    matches!(
        code,
        "HOST_OFFLINE" | "CANNOT_CONTACT_HOST" | "XENAPI_MISSING_PLUGIN" | "HOST_NOT_LIVE" | "HOST_STILL_BOOTING"
    )
}
