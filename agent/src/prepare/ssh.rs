//! A VM made reachable over SSH: the pool's key goes into an account, and what XAPI must know into its `other_config`.

use std::sync::Arc;

use super::dialogue::Dialogue;
use super::guest_key::{self, Failure};
use super::job::Job;
use super::login::{self, Means};
use super::problem::Problem;
use super::shown::{self, Prepared, Reached};
use super::undo::Undo;
use crate::access::{
    self, GUEST_BEFORE, HOST_KEY, MODE_KEY, MONITOR_KEY, PREPARED_KEY, REGISTERED, Settings, USER_KEY,
};
use crate::guest::ssh::{UserName, Visit};
use crate::quote::quoted;
use crate::reach;

/// Prepares the VM for `user`, or for the account that is asked for.
///
/// # Errors
/// [`Problem`]; what was done is in `undo`.
pub async fn prepare(
    job: &Job,
    user: Option<&str>,
    means: &Means,
    dialogue: &Dialogue,
    undo: &mut Undo,
) -> Result<Prepared, Problem> {
    job.candidates()?;
    let user = account(job, user, dialogue).await?;
    let key = job.pool_key.get().await?;
    let before = job.settings()?;
    if before.user != user && before.prepared_key.as_ref() == Some(&key.fingerprint()) {
        return Err(Problem::OtherAccount(before.user.to_string()));
    }
    dialogue.say(format_args!(
        "The VM {} is prepared for container management: the pool's public key goes into\n~/.ssh/authorized_keys of its \
         account {user}. Every host of the pool can log in there then, and whoever may use\nthe engine's socket is root in the \
         VM.",
        job.name()
    ));
    if !dialogue.confirm("Go on?").await? {
        return Err(Problem::Declined("the pool's key was not to be put into the VM"));
    }

    let line = key.public_line(access::KEY_COMMENT);
    let logged_in = login::log_in(job, &user, &key, means, dialogue).await?;
    let host_key = logged_in.visit.host_key().clone();
    if logged_in.by_pool_key {
        dialogue.say(format_args!("Account {user} has the pool's key already."));
    } else {
        let visit = Arc::new(logged_in.visit);
        push(job, &visit, &user, &line, undo).await?;
        dialogue.say(format_args!("The pool's key is in account {user} at {}.", visit.address()));
    }

    // Nothing that the guest said counts: whether the key works is seen by using it, as the monitor will.
    let settings = Settings { user: user.clone(), host_key: Some(host_key.clone()), ..Settings::ssh() };
    let reached = try_out(job, &settings).await?;
    dialogue.say(format_args!("The engine answers: {}.", quoted(&reached.engine.identity().to_string())));

    let fingerprint = key.fingerprint();
    let entries = [
        (USER_KEY, Some(user.as_str())),
        (MODE_KEY, Some("ssh")),
        (HOST_KEY, Some(host_key.as_str())),
        (PREPARED_KEY, Some(fingerprint.as_str())),
        // Last, as the monitor begins by it.
        (MONITOR_KEY, Some(REGISTERED)),
    ];
    job.change(&entries, undo).await?;
    undo.settle();
    shown::wait(job, dialogue, reached).await
}

async fn account(job: &Job, user: Option<&str>, dialogue: &Dialogue) -> Result<UserName, Problem> {
    let name = match user {
        Some(name) => name.to_owned(),
        None => {
            let usual = job.settings()?.user.clone();
            let asked = dialogue.ask(format_args!("Account in the VM [{usual}]: ")).await?;
            if asked.trim().is_empty() { usual.to_string() } else { asked.trim().to_owned() }
        }
    };
    UserName::parse(&name).ok_or(Problem::BadAccount(name))
}

/// Puts the key in, unless it is there. XAPI knows what was missing before that happens, so that it can be taken out without
/// a trace whatever becomes of this program.
async fn push(job: &Job, visit: &Arc<Visit>, user: &UserName, line: &str, undo: &mut Undo) -> Result<(), Problem> {
    let problem = |failure| match failure {
        Failure::Unreachable(cause) => Problem::of_guest(cause, job),
        Failure::Account(problem) => problem,
    };
    let look = guest_key::look(visit, user, line).await.map_err(problem)?;
    if look.present {
        return Ok(());
    }
    let before = look.before.to_string();
    job.change(&[(GUEST_BEFORE, Some(before.as_str()).filter(|before| !before.is_empty()))], undo).await?;
    undo.guest_key(visit, user, line, look.before);
    guest_key::add(visit, user, line).await.map_err(problem)
}

/// An engine, reached with the pool's key.
async fn try_out(job: &Job, settings: &Settings) -> Result<Reached, Problem> {
    use crate::guest::Unreachable;
    use crate::reach::Trouble;
    let connecting = reach::connect(&job.client, &job.pool_key, &job.situation.candidates, settings, &job.rules);
    let connection = job.rules.in_time(connecting).await.map_err(|trouble| match trouble {
        Trouble::Guest(Unreachable::LoginRefused { address, user }) => Problem::KeyInVain { address, user },
        trouble => job.ends_at(trouble),
    })?;
    let engine =
        job.rules.in_time(reach::engine(&connection, &job.rules)).await.map_err(|trouble| job.ends_at(trouble))?;
    Ok(Reached { engine, connection })
}
