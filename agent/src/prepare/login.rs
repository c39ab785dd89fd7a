//! Logging in to a guest as an administrator would: the server's key is confirmed, then keys, passwords and the server's own
//! questions are tried, each on a connection of its own, as servers end one after few failures.
//!
//! Knows the order; must not know what is done once logged in.

use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::dialogue::{self, Dialogue};
use super::job::Job;
use super::problem::Problem;
use crate::guest::Unreachable;
use crate::guest::ssh::keys::KeyError;
use crate::guest::ssh::{HostKey, Offer, OwnKey, PrivateKey, Progress, Questions, UserName, Visit};
use crate::quote::quoted;

/// How often a password may be wrong.
const TRIES: usize = 3;

/// How often a server may ask further questions in one login.
const MAX_ROUNDS: usize = 10;

/// What the administrator brings along.
#[derive(Clone, Debug, Default)]
pub struct Means {
    /// A private key that the account accepts.
    pub own_key: Option<PathBuf>,
    /// Whether the password is the first line of standard input.
    pub password_on_stdin: bool,
}

/// A login, and whether the pool's key alone was enough for it.
pub struct LoggedIn {
    /// The connection.
    pub visit: Visit,
    /// Whether it was the pool's key.
    pub by_pool_key: bool,
}

/// Logs in as `user` at the VM's first address that answers, whose key is confirmed before anything is told to it.
///
/// # Errors
/// [`Problem`]
pub async fn log_in(
    job: &Job,
    user: &UserName,
    pool_key: &PrivateKey,
    means: &Means,
    dialogue: &Dialogue,
) -> Result<LoggedIn, Problem> {
    let mut door = Door::confirmed(job, user, dialogue).await?;
    let mut visit = door.visit(job).await?;
    let tried = or_refused(visit.log_in(user, pool_key).await, Offer::default());
    if tried.map_err(|cause| Problem::of_guest(cause, job))? == Progress::In {
        return Ok(LoggedIn { visit, by_pool_key: true });
    }
    let visit = door.log_in(job, means, dialogue).await?;
    Ok(LoggedIn { visit, by_pool_key: false })
}

/// A server whose key was confirmed.
struct Door<'a> {
    user: &'a UserName,
    address: IpAddr,
    host_key: HostKey,
    /// The connection on which the key was seen, as long as nothing was tried on it.
    fresh: Option<Visit>,
}

impl<'a> Door<'a> {
    async fn confirmed(job: &Job, user: &'a UserName, dialogue: &Dialogue) -> Result<Self, Problem> {
        let known = job.settings()?.host_key.clone();
        let visit = Visit::open(&job.candidates()?.usable, known.as_ref()).await;
        let visit = visit.map_err(|cause| Problem::of_guest(cause, job))?;
        let (address, host_key) = (visit.address(), visit.host_key().clone());
        if known.is_none() {
            dialogue.say(format_args!(
                "The SSH server of {address} is met for the first time. The fingerprint of its {} key is\n  {}",
                host_key.kind_name(),
                host_key.fingerprint()
            ));
            let kind = host_key.kind_name().to_ascii_lowercase();
            let question = format!("Is that the VM's (in the VM: ssh-keygen -lf /etc/ssh/ssh_host_{kind}_key.pub)?");
            if !dialogue.confirm(question).await? {
                return Err(Problem::Declined("the SSH server's key was not confirmed"));
            }
        }
        Ok(Self { user, address, host_key, fresh: Some(visit) })
    }

    /// A connection to the server, on which nothing was tried yet.
    async fn visit(&mut self, job: &Job) -> Result<Visit, Problem> {
        match self.fresh.take() {
            Some(visit) => Ok(visit),
            None => {
                let visit = Visit::open(&[self.address], Some(&self.host_key)).await;
                visit.map_err(|cause| Problem::of_guest(cause, job))
            }
        }
    }

    async fn log_in(&mut self, job: &Job, means: &Means, dialogue: &Dialogue) -> Result<Visit, Problem> {
        let of_guest = |cause| Problem::of_guest(cause, job);
        let mut visit = self.visit(job).await?;
        let mut offer = match visit.offer(self.user).await.map_err(of_guest)? {
            Progress::In => return Ok(visit),
            Progress::Further(offer) | Progress::Refused(offer) => offer,
        };
        drop(visit);
        if offer.key {
            if let Some(path) = &means.own_key {
                let key = own_key(path, dialogue).await?;
                let mut visit = self.visit(job).await?;
                match or_refused(visit.log_in_with_own(self.user, &key).await, offer).map_err(of_guest)? {
                    Progress::In => return Ok(visit),
                    Progress::Further(rest) => return self.further(visit, rest, means, dialogue, job).await,
                    Progress::Refused(rest) => offer = rest,
                }
            }
            let mut visit = self.visit(job).await?;
            let tried = visit.log_in_with_agent(self.user).await.map(|tried| tried.unwrap_or(Progress::Refused(offer)));
            match or_refused(tried, offer).map_err(of_guest)? {
                Progress::In => return Ok(visit),
                Progress::Further(rest) => return self.further(visit, rest, means, dialogue, job).await,
                Progress::Refused(_) => {}
            }
        }
        let tries = if means.password_on_stdin { 1 } else { TRIES };
        for _ in 0..tries {
            if !offer.password && !offer.questions {
                return Err(Problem::NoWayIn { address: self.address, user: self.user.to_string() });
            }
            match self.by_password(None, offer, means, dialogue, job).await? {
                (visit, Progress::In) => return Ok(visit),
                (visit, Progress::Further(rest)) => return self.further(visit, rest, means, dialogue, job).await,
                (_, Progress::Refused(_)) => dialogue.say("That was not accepted."),
            }
        }
        Err(Problem::WrongPassword { address: self.address, user: self.user.to_string() })
    }

    /// What was accepted is not enough: the rest on the same connection.
    async fn further(
        &mut self,
        visit: Visit,
        rest: Offer,
        means: &Means,
        dialogue: &Dialogue,
        job: &Job,
    ) -> Result<Visit, Problem> {
        match self.by_password(Some(visit), rest, means, dialogue, job).await? {
            (visit, Progress::In) => Ok(visit),
            _ => Err(Problem::WrongPassword { address: self.address, user: self.user.to_string() }),
        }
    }

    /// By a password or the server's questions, on `visit` or a new connection: it is made after the password was typed, as
    /// servers do not wait for long.
    async fn by_password(
        &mut self,
        visit: Option<Visit>,
        offer: Offer,
        means: &Means,
        dialogue: &Dialogue,
        job: &Job,
    ) -> Result<(Visit, Progress), Problem> {
        let of_guest = |cause| Problem::of_guest(cause, job);
        let prompt = format!("Password of {} at {}: ", self.user, self.address);
        if offer.password {
            let password = secret(means, dialogue, &prompt).await?;
            let mut visit = match visit {
                Some(visit) => visit,
                None => self.visit(job).await?,
            };
            let tried = or_refused(visit.log_in_with_password(self.user, &password).await, offer);
            return Ok((visit, tried.map_err(of_guest)?));
        }
        let mut visit = match visit {
            Some(visit) => visit,
            None => self.visit(job).await?,
        };
        let mut turn = visit.begin_questions(self.user).await.map_err(of_guest)?;
        for _ in 0..MAX_ROUNDS {
            match turn {
                Ok(progress) => return Ok((visit, progress)),
                Err(questions) => {
                    let answers = answers(&questions, means, dialogue).await?;
                    turn = visit.answer(answers).await.map_err(of_guest)?;
                }
            }
        }
        Ok((visit, Progress::Refused(offer)))
    }
}

/// Some servers end the connection instead of refusing. Whether they are gone altogether is seen by the next one.
fn or_refused(tried: Result<Progress, Unreachable>, offer: Offer) -> Result<Progress, Unreachable> {
    match tried {
        Err(Unreachable::Lost { .. }) => Ok(Progress::Refused(offer)),
        tried => tried,
    }
}

/// What people answer to a server's questions, which are shown as the foreign text that they are.
async fn answers(questions: &Questions, means: &Means, dialogue: &Dialogue) -> Result<Vec<String>, Problem> {
    let shown = |text: &str| quoted(text.trim()).to_string();
    if !questions.instructions.trim().is_empty() {
        dialogue.say(format_args!("The server says {}", shown(&questions.instructions)));
    }
    let mut answers = Vec::new();
    for (prompt, may_show) in &questions.prompts {
        let prompt = format!("The server asks {} ", shown(prompt));
        let answer = match may_show {
            true => dialogue.ask(prompt).await?,
            false => secret(means, dialogue, &prompt).await?,
        };
        answers.push(answer.to_string());
    }
    Ok(answers)
}

async fn secret(means: &Means, dialogue: &Dialogue, prompt: &str) -> Result<Zeroizing<String>, Problem> {
    match means.password_on_stdin {
        true => dialogue::line().await,
        false => dialogue.ask_secret(prompt).await,
    }
}

async fn own_key(path: &PathBuf, dialogue: &Dialogue) -> Result<OwnKey, Problem> {
    let pem = fs::read_to_string(path).map(Zeroizing::new).map_err(|cause| Problem::File(path.clone(), cause))?;
    match OwnKey::parse(&pem, None) {
        Err(KeyError::Encrypted) => {
            let passphrase = dialogue.ask_secret(format_args!("Passphrase of {}: ", path.display())).await?;
            OwnKey::parse(&pem, Some(&passphrase)).map_err(|cause| Problem::OwnKey(path.clone(), cause))
        }
        key => key.map_err(|cause| Problem::OwnKey(path.clone(), cause)),
    }
}
