//! The opposite of preparing: the pool's key goes out of the guest, and XAPI forgets everything about the way in.

use std::collections::BTreeSet;

use super::dialogue::Dialogue;
use super::guest_key::{self, Before, Failure};
use super::job::Job;
use super::problem::{Doing, Problem};
use super::tls;
use super::undo::Undo;
use crate::access::{
    self, GUEST_BEFORE, HOST_KEY, MODE_KEY, MONITOR_KEY, Mode, NOT_REGISTERED, PREPARED_KEY, TLS_AUTHORITY,
    TLS_CERTIFICATE, TLS_KEY, TLS_VERIFY, USER_KEY,
};
use crate::guest::Unreachable;
use crate::guest::ssh::{Progress, Visit};
use crate::reach::Trouble;
use crate::view;
use crate::xapi::secrets::{self, SecretUuid};
use crate::xapi::{State, events};

/// Everything of ours in a VM's `other_config`, the registration first: from then on the monitor leaves it alone.
const ENTRIES: [&str; 13] = [
    MONITOR_KEY,
    view::PS,
    view::INFO,
    view::VERSION,
    USER_KEY,
    MODE_KEY,
    HOST_KEY,
    PREPARED_KEY,
    GUEST_BEFORE,
    TLS_CERTIFICATE,
    TLS_KEY,
    TLS_AUTHORITY,
    TLS_VERIFY,
];

/// What was removed.
#[derive(Debug)]
pub struct Removed {
    /// Whether the pool's key was taken out of the guest.
    pub from_guest: bool,
}

/// Undoes what preparing did. With `force` also where the guest cannot be reached; the key stays there then.
///
/// # Errors
/// [`Problem`]; what was not removed yet is removed by the next call.
pub async fn remove(job: &Job, force: bool, dialogue: &Dialogue, undo: &mut Undo) -> Result<Removed, Problem> {
    let settings = match force {
        true => job.situation.settings.as_ref().ok(),
        false => Some(job.settings()?),
    };
    let over_tls = settings.is_some_and(|settings| settings.mode == Mode::Tls);
    let over_ssh = settings.is_some() && has_key(job, over_tls);
    let question = "Remove the VM from container management?";
    dialogue.say(format_args!("The VM {} is forgotten by container management.", job.name()));
    if !dialogue.confirm(question).await? {
        return Err(Problem::Declined("the VM was not to be removed"));
    }
    // The monitor must not log in again while the key goes.
    if let Some(before) = job.record.other_config.get(MONITOR_KEY) {
        undo.entry(&job.client, &job.vm, MONITOR_KEY, Some(before.clone()));
        job.set(MONITOR_KEY, Some(NOT_REGISTERED)).await?;
    }
    let from_guest = match over_ssh {
        false => false,
        true => match from_guest(job).await {
            Ok(true) => {
                dialogue.say("The pool's key is out of the VM.");
                true
            }
            Ok(false) => {
                dialogue
                    .say("The VM was prepared with another key than this pool's: there is none of ours to take out.");
                false
            }
            Err(Problem::Path { trouble, family, .. }) => {
                let stays = Problem::KeyStays(trouble, family);
                if !force {
                    return Err(stays);
                }
                dialogue.say(format_args!("{stays}."));
                false
            }
            Err(problem) => return Err(problem),
        },
    };
    if over_tls {
        dialogue.say("The engine's settings and certificates stay in the VM; only the host's are forgotten.");
    }
    undo.settle();
    forget(job).await?;
    dialogue.say("XAPI has nothing of it any more.");
    Ok(Removed { from_guest })
}

/// Whether the pool's key is in the guest, as far as XAPI knows. One that is reached over TLS may have been prepared for SSH
/// before.
fn has_key(job: &Job, over_tls: bool) -> bool {
    let has = |key| job.record.other_config.contains_key(key);
    has(PREPARED_KEY) || (!over_tls && (has(USER_KEY) || has(HOST_KEY)))
}

/// Logs in with the pool's key and takes it out; false if another key is in the guest.
async fn from_guest(job: &Job) -> Result<bool, Problem> {
    let settings = job.settings()?;
    let candidates = job.candidates().map_err(|problem| match problem {
        Problem::NotRunning(state) => job.ends_at(Trouble::NotRunning(state)),
        problem => problem,
    })?;
    let user = &settings.user;
    let key = job.pool_key.get().await?;
    let of_guest = |cause| Problem::of_guest(cause, job);
    let mut visit = Visit::open(&candidates.usable, settings.host_key.as_ref()).await.map_err(of_guest)?;
    if visit.log_in(user, &key).await.map_err(of_guest)? != Progress::In {
        if settings.prepared_key.as_ref().is_some_and(|prepared| *prepared != key.fingerprint()) {
            return Ok(false);
        }
        // It may be there all the same: servers refuse for many reasons.
        let (address, user) = (visit.address(), user.to_string());
        return Err(job.ends_at(Trouble::Guest(Unreachable::LoginRefused { address, user })));
    }
    let before = job.record.other_config.get(GUEST_BEFORE).map(|words| Before::parse(words)).unwrap_or_default();
    match guest_key::remove(&visit, user, &key.public_line(access::KEY_COMMENT), before).await {
        Ok(()) => Ok(true),
        Err(Failure::Unreachable(cause)) => Err(of_guest(cause)),
        Err(Failure::Account(problem)) => Err(problem),
    }
}

/// Lets XAPI forget it, and the secrets that no other VM uses.
async fn forget(job: &Job) -> Result<(), Problem> {
    let ours = access::tls_secrets(&job.now().await?.other_config);
    // The secrets first: what names them leads the next call to them.
    if !ours.is_empty() {
        destroy(job, &ours).await?;
    }
    for key in ENTRIES {
        job.set(key, None).await?;
    }
    let (client, vm, uuid) = (&job.client, &job.vm, &job.record.uuid);
    tls::cd::sweep(client, vm, uuid).await.map_err(Problem::Tls)?;
    tls::store::sweep(client, uuid).await.map_err(Problem::Tls)
}

async fn destroy(job: &Job, ours: &BTreeSet<SecretUuid>) -> Result<(), Problem> {
    let state: State = events::state(&job.client).await.doing("see which secrets other VMs use")?;
    let others = state.vms.iter().filter(|(reference, _)| **reference != job.vm);
    let used: Vec<_> = others.flat_map(|(_, vm)| access::tls_secrets(&vm.other_config)).collect();
    for secret in ours.iter().filter(|secret| !used.contains(secret)) {
        secrets::destroy(&job.client, secret).await.doing("destroy the VM's secrets")?;
    }
    Ok(())
}
