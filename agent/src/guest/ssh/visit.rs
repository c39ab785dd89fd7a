//! An SSH server that was reached: the key that it shows, logging in by whatever it accepts, and running one command.
//!
//! Knows the protocol's ways of logging in; must not know who is asked for a password, nor what commands do.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client::{self, AuthResult, DisconnectReason, Handle, Handler, KeyboardInteractiveAuthResponse};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{Algorithm, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{ChannelMsg, MethodKind, MethodSet};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::keys::{HostKey, OwnKey, PrivateKey, UserName};
use super::socket::Hangup;
use super::{PORT, algorithms, lost, not_connected};
use crate::guest::unreachable::Unreachable;
use crate::guest::{KEEP_ALIVE_AFTER, probe};

/// How long key exchange, and each step of a login, may take.
const LOGIN_LIMIT: Duration = Duration::from_secs(12);

/// How long a command may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(30);

/// Bytes of what a command says that are kept.
const MAX_SAID: usize = 16 * 1024;

/// Keys of an agent that are tried; servers give up after some.
const MAX_AGENT_KEYS: usize = 4;

/// A connection to a server. Dropping it closes the connection.
pub struct Visit {
    pub(super) handle: Handle<Guard>,
    pub(super) address: IpAddr,
    pub(super) host_key: HostKey,
    pub(super) ended: watch::Receiver<Option<String>>,
    pub(super) socket: Hangup,
}

/// By what a server lets people in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// By a key.
    pub key: bool,
    /// By a password.
    pub password: bool,
    /// By answers to its own questions.
    pub questions: bool,
}

impl From<&MethodSet> for Offer {
    fn from(methods: &MethodSet) -> Self {
        Self {
            key: methods.contains(&MethodKind::PublicKey),
            password: methods.contains(&MethodKind::Password),
            questions: methods.contains(&MethodKind::KeyboardInteractive),
        }
    }
}

/// What became of a try to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Logged in.
    In,
    /// Accepted, and the server wants more.
    Further(Offer),
    /// Not accepted.
    Refused(Offer),
}

/// Questions of a server. Foreign text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Questions {
    /// What it says before.
    pub instructions: String,
    /// Each question, and whether the answer may be seen.
    pub prompts: Vec<(String, bool)>,
}

/// What a command said, and how it ended. Foreign, of bounded size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// On standard output.
    pub output: String,
    /// On standard error.
    pub errors: String,
    /// Its exit status, if the server told one.
    pub status: Option<u32>,
}

impl Visit {
    /// Reaches the first of `candidates` that answers; nothing is told to it that it could use.
    ///
    /// # Errors
    /// [`Unreachable`]; [`Unreachable::HostKeyChanged`] if it shows another key than the one `known`.
    pub async fn open(candidates: &[IpAddr], known: Option<&HostKey>) -> Result<Self, Unreachable> {
        let (address, stream) =
            probe::connect(candidates, PORT).await.map_err(|tried| Unreachable::NoAnswer { port: PORT, tried })?;
        within(address, "the key exchange", Self::greet(address, stream, known)).await
    }

    async fn greet(address: IpAddr, stream: TcpStream, known: Option<&HostKey>) -> Result<Self, Unreachable> {
        let (stream, socket) = Hangup::new(stream).map_err(|error| lost(address, &error))?;
        let shown = Arc::new(Mutex::new(None));
        let (end, ended) = watch::channel(None);
        let guard = Guard { known: known.cloned(), shown: Arc::clone(&shown), end };
        let connected = client::connect_stream(algorithms::configuration(known), stream, guard).await;
        let shown = shown.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (connected, shown, known) {
            (Ok(handle), Some(host_key), _) => Ok(Self { handle, address, host_key, ended, socket }),
            (Err(_), Some(shown), Some(known)) if shown != *known => {
                let (known, shown) = (known.fingerprint(), shown.fingerprint());
                Err(Unreachable::HostKeyChanged { address, known, shown })
            }
            (Err(error), ..) => Err(not_connected(address, &error)),
            (Ok(_), None, _) => Err(lost(address, &"it showed no host key")),
        }
    }

    /// Where the server was found.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The key that it showed.
    #[must_use]
    pub fn host_key(&self) -> &HostKey {
        &self.host_key
    }

    /// Asks by what the server lets this account in; most tell.
    ///
    /// # Errors
    /// [`Unreachable`]
    pub async fn offer(&mut self, user: &UserName) -> Result<Progress, Unreachable> {
        let asked = self.handle.authenticate_none(user.as_str());
        within(self.address, "logging in", told(self.address, asked)).await
    }

    /// Logs in with the pool's key.
    ///
    /// # Errors
    /// [`Unreachable`]
    pub async fn log_in(&mut self, user: &UserName, key: &PrivateKey) -> Result<Progress, Unreachable> {
        self.log_in_by(user, key.inner()).await
    }

    /// Logs in with an administrator's own key.
    ///
    /// # Errors
    /// [`Unreachable`]
    pub async fn log_in_with_own(&mut self, user: &UserName, key: &OwnKey) -> Result<Progress, Unreachable> {
        self.log_in_by(user, key.inner()).await
    }

    /// Tries the signature algorithms that the server names, and those of servers that name none: before OpenSSH 7.2 there
    /// was only ssh-rsa, and some end the connection at the first other one.
    async fn log_in_by(&mut self, user: &UserName, key: Arc<russh::keys::PrivateKey>) -> Result<Progress, Unreachable> {
        let address = self.address;
        let trying = async {
            let named = self.handle.best_supported_rsa_hash().await.map_err(|error| lost(address, &error))?;
            let hashes = match key.algorithm() {
                Algorithm::Rsa { .. } => algorithms::signatures(named),
                _ => vec![None],
            };
            let mut progress = Progress::Refused(Offer::default());
            for hash in hashes {
                let key = PrivateKeyWithHashAlg::new(Arc::clone(&key), hash);
                progress = told(address, self.handle.authenticate_publickey(user.as_str(), key)).await?;
                if !matches!(progress, Progress::Refused(_)) {
                    break;
                }
            }
            Ok(progress)
        };
        within(address, "logging in", trying).await
    }

    /// Logs in with a key of the SSH agent that the environment names, if there is one.
    ///
    /// # Errors
    /// [`Unreachable`]
    pub async fn log_in_with_agent(&mut self, user: &UserName) -> Result<Option<Progress>, Unreachable> {
        let Ok(mut agent) = AgentClient::connect_env().await else { return Ok(None) };
        let Ok(identities) = agent.request_identities().await else { return Ok(None) };
        let address = self.address;
        let trying = async {
            let named = self.handle.best_supported_rsa_hash().await.map_err(|error| lost(address, &error))?;
            let mut last = None;
            for identity in identities.into_iter().take(MAX_AGENT_KEYS) {
                let AgentIdentity::PublicKey { key, .. } = identity else { continue };
                let hash = match key.algorithm() {
                    Algorithm::Rsa { .. } => algorithms::signatures(named)[0],
                    _ => None,
                };
                let tried = self.handle.authenticate_publickey_with(user.as_str(), key, hash, &mut agent).await;
                let progress = progress(&tried.map_err(|error| lost(address, &error))?);
                last = Some(progress);
                if !matches!(progress, Progress::Refused(_)) {
                    break;
                }
            }
            Ok(last)
        };
        within(address, "logging in", trying).await
    }

    /// Logs in with a password. The library keeps a copy of it for as long as the connection lasts.
    ///
    /// # Errors
    /// [`Unreachable`]
    pub async fn log_in_with_password(&mut self, user: &UserName, password: &str) -> Result<Progress, Unreachable> {
        let asked = self.handle.authenticate_password(user.as_str(), password);
        within(self.address, "logging in", told(self.address, asked)).await
    }

    /// Begins to answer the server's own questions.
    ///
    /// # Errors
    /// [`Unreachable`]
    pub async fn begin_questions(&mut self, user: &UserName) -> Result<Result<Progress, Questions>, Unreachable> {
        let address = self.address;
        let asked = self.handle.authenticate_keyboard_interactive_start(user.as_str(), None);
        within(address, "logging in", async { asked.await.map_err(|error| lost(address, &error)) }).await.map(turn)
    }

    /// Answers its questions; it may have more.
    ///
    /// # Errors
    /// [`Unreachable`]
    pub async fn answer(&mut self, answers: Vec<String>) -> Result<Result<Progress, Questions>, Unreachable> {
        let address = self.address;
        let asked = self.handle.authenticate_keyboard_interactive_respond(answers);
        within(address, "logging in", async { asked.await.map_err(|error| lost(address, &error)) }).await.map(turn)
    }

    /// Runs a command, once logged in, and gives it `input`. Commands are fixed texts.
    ///
    /// # Errors
    /// [`Unreachable`]
    pub async fn run(&self, command: &'static str, input: &[u8]) -> Result<Said, Unreachable> {
        let address = self.address;
        let running = async {
            let failed = |error: russh::Error| lost(address, &error);
            let mut channel = self.handle.channel_open_session().await.map_err(failed)?;
            channel.exec(false, command).await.map_err(failed)?;
            // One that has ended already takes nothing; what it said tells why.
            let _ = channel.data(input).await;
            let _ = channel.eof().await;
            let (mut output, mut errors, mut status) = (Vec::new(), Vec::new(), None);
            while let Some(message) = channel.wait().await {
                match message {
                    ChannelMsg::Data { data } => keep(&mut output, &data),
                    ChannelMsg::ExtendedData { data, .. } => keep(&mut errors, &data),
                    ChannelMsg::ExitStatus { exit_status } => status = Some(exit_status),
                    _ => {}
                }
            }
            let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
            Ok(Said { output: text(output), errors: text(errors), status })
        };
        let slow = || Unreachable::Slow { address, step: "a command in the VM", limit: COMMAND_LIMIT };
        timeout(COMMAND_LIMIT, running).await.unwrap_or_else(|_| Err(slow()))
    }
}

fn keep(said: &mut Vec<u8>, data: &[u8]) {
    let room = MAX_SAID - said.len();
    said.extend_from_slice(&data[..data.len().min(room)]);
}

async fn told(
    address: IpAddr,
    asked: impl Future<Output = Result<AuthResult, russh::Error>>,
) -> Result<Progress, Unreachable> {
    asked.await.map(|result| progress(&result)).map_err(|error| lost(address, &error))
}

fn progress(result: &AuthResult) -> Progress {
    match result {
        AuthResult::Success => Progress::In,
        AuthResult::Failure { remaining_methods, partial_success: true } => Progress::Further(remaining_methods.into()),
        AuthResult::Failure { remaining_methods, .. } => Progress::Refused(remaining_methods.into()),
    }
}

fn turn(response: KeyboardInteractiveAuthResponse) -> Result<Progress, Questions> {
    match response {
        KeyboardInteractiveAuthResponse::Success => Ok(Progress::In),
        KeyboardInteractiveAuthResponse::Failure { remaining_methods, partial_success } => {
            let offer = Offer::from(&remaining_methods);
            Ok(if partial_success { Progress::Further(offer) } else { Progress::Refused(offer) })
        }
        KeyboardInteractiveAuthResponse::InfoRequest { instructions, prompts, .. } => {
            let prompts = prompts.into_iter().map(|prompt| (prompt.prompt, prompt.echo)).collect();
            Err(Questions { instructions, prompts })
        }
    }
}

async fn within<T>(
    address: IpAddr,
    step: &'static str,
    work: impl Future<Output = Result<T, Unreachable>>,
) -> Result<T, Unreachable> {
    let slow = || Unreachable::Slow { address, step, limit: LOGIN_LIMIT };
    timeout(LOGIN_LIMIT, work).await.unwrap_or_else(|_| Err(slow()))
}

/// Watches over what the server does. It may open nothing: the library refuses what is not accepted here.
pub(super) struct Guard {
    known: Option<HostKey>,
    shown: Arc<Mutex<Option<HostKey>>>,
    end: watch::Sender<Option<String>>,
}

impl Handler for Guard {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let key = HostKey::of(&key.public_key());
        let trusted = self.known.as_ref().is_none_or(|known| *known == key);
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(key);
        Ok(trusted)
    }

    async fn disconnected(&mut self, reason: DisconnectReason<Self::Error>) -> Result<(), Self::Error> {
        let cause = match reason {
            DisconnectReason::ReceivedDisconnect(said) => format!("the server ended it ({:?})", said.reason_code),
            DisconnectReason::Error(russh::Error::KeepaliveTimeout) => {
                format!("no sign of life for {} s", 2 * KEEP_ALIVE_AFTER.as_secs())
            }
            DisconnectReason::Error(error) => error.to_string(),
        };
        self.end.send_replace(Some(cause));
        Ok(())
    }
}
