//! Why a VM is not prepared: in words for people, what to do about it, and the exit code. Must not know the steps.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use super::tls;
use crate::access::AccessError;
use crate::certificates;
use crate::guest::family::in_commands;
use crate::guest::ssh::keys::KeyError;
use crate::guest::{Family, Unreachable};
use crate::quote::quoted;
use crate::reach::Trouble;
use crate::xapi::{self, PowerState};

/// Why it was not done.
#[derive(Debug)]
pub enum Problem {
    /// There is no such VM.
    NoVm(String),
    /// Several VMs have that name.
    SeveralVms(String, Vec<String>),
    /// It is not a guest: a template, a snapshot, or a dom0.
    NotAGuest(&'static str),
    /// It does not run.
    NotRunning(PowerState),
    /// Somebody else is at it.
    Busy(String),
    /// Somebody else is changing the pool's key.
    PoolBusy(String),
    /// The VM is prepared for another account.
    OtherAccount(String),
    /// A question was answered with no.
    Declined(&'static str),
    /// A question has no answer: standard input has ended.
    NobodyAnswers,
    /// An answer is not UTF-8.
    AnswerIsNotText,
    /// The name of an account makes no sense.
    BadAccount(String),
    /// The server accepts no password of the person.
    WrongPassword {
        /// Where.
        address: IpAddr,
        /// The account.
        user: String,
    },
    /// The server takes neither passwords nor questions, and none of the keys.
    NoWayIn {
        /// Where.
        address: IpAddr,
        /// The account.
        user: String,
    },
    /// An administrator's key file cannot be used.
    OwnKey(PathBuf, KeyError),
    /// A file cannot be read.
    File(PathBuf, std::io::Error),
    /// The account runs no commands.
    NoShell {
        /// Where.
        address: IpAddr,
        /// The account.
        user: String,
        /// What it said instead. Foreign.
        said: String,
    },
    /// The key could not be put into, or taken out of, the account. The reason is foreign.
    KeyFile {
        /// Where.
        address: IpAddr,
        /// The account.
        user: String,
        /// What the guest says.
        cause: String,
    },
    /// The key was put in, and is not accepted.
    KeyInVain {
        /// Where.
        address: IpAddr,
        /// The account.
        user: String,
    },
    /// The path to the engine ends somewhere.
    Path {
        /// Where and why.
        trouble: Box<Trouble>,
        /// What kind of system the guest says it is.
        family: Family,
        /// The host that the VM runs on, if that is another.
        elsewhere: Option<String>,
    },
    /// The key stays in a guest that cannot be reached.
    KeyStays(Box<Trouble>, Family),
    /// The view was not seen in time.
    NotShown {
        /// Seconds.
        waited: u64,
        /// The host that the VM runs on.
        host: String,
    },
    /// XAPI does not do what is needed.
    Xapi {
        /// What was tried.
        doing: &'static str,
        /// Why not.
        cause: xapi::Error,
    },
    /// The pool's key cannot be had.
    Access(AccessError),
    /// The user's certificates will not do.
    Certificates(certificates::check::Fault),
    /// No certificates can be made.
    Make(certificates::make::MakeError),
    /// They do not get onto a disc.
    Disc(tls::disc::DiscError),
    /// The disc, or what is kept of it.
    Tls(tls::Error),
    /// A signal.
    Interrupted(Signal),
}

/// What ended the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// `kill`.
    Terminate,
    /// The terminal is gone.
    HangUp,
}

impl Problem {
    /// The exit code, as `--help` documents it.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NoVm(_) | Self::SeveralVms(..) | Self::NotAGuest(_) | Self::NotRunning(_) | Self::Busy(_) => 3,
            Self::PoolBusy(_) | Self::OtherAccount(_) => 3,
            Self::NoShell { .. } | Self::KeyFile { .. } | Self::KeyInVain { .. } | Self::Path { .. } => 4,
            Self::KeyStays(..) => 4,
            Self::Declined(_) | Self::NobodyAnswers | Self::AnswerIsNotText | Self::BadAccount(_) => 5,
            Self::WrongPassword { .. } | Self::NoWayIn { .. } => 6,
            Self::OwnKey(..) | Self::File(..) | Self::Certificates(_) => 7,
            Self::Tls(tls::Error::NoDrive(_) | tls::Error::DriveInUse { .. }) => 3,
            Self::Make(_) | Self::Disc(_) => 1,
            Self::Tls(_) => 8,
            Self::Xapi { .. } | Self::Access(_) => 8,
            Self::NotShown { .. } => 9,
            Self::Interrupted(Signal::HangUp) => 129,
            Self::Interrupted(Signal::Interrupt) => 130,
            Self::Interrupted(Signal::Terminate) => 143,
        }
    }

    /// What to do about it, if anything.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        Some(match self {
            Self::NoVm(_) => "See `xe vm-list params=uuid,name-label`.".to_owned(),
            Self::SeveralVms(..) => "Name the VM by its uuid.".to_owned(),
            Self::NotAGuest(_) => "Make a VM of it, start that, and prepare that.".to_owned(),
            Self::NotRunning(_) => "Start the VM.".to_owned(),
            Self::Busy(_) => "Wait until that is done. If nobody is at it any more: xe vm-param-remove uuid=VM \
                              param-name=other-config param-key=xscontainer-preparing"
                .to_owned(),
            Self::PoolBusy(_) => {
                "Wait until that is done. If nobody is at it any more: xe pool-param-remove uuid=POOL \
                                  param-name=other-config param-key=xscontainer-preparing"
                    .to_owned()
            }
            Self::OtherAccount(_) => "Take it out first (--remove), so that no key stays in that account.".to_owned(),
            Self::NobodyAnswers => {
                "Run it in a terminal; in a script use --yes, and --password-stdin or --identity.".to_owned()
            }
            Self::AnswerIsNotText => "Set the terminal to UTF-8; SSH knows passwords in no other form.".to_owned(),
            Self::BadAccount(_) => "Give the account's name with -u.".to_owned(),
            Self::WrongPassword { .. } => {
                "See that the account has a password and that the server accepts it for this \
                                           account, or use a key that it accepts with --identity."
                    .to_owned()
            }
            Self::NoWayIn { .. } => {
                "Give a key that the account accepts with --identity, or let the VM's SSH server accept \
                                     passwords meanwhile (PasswordAuthentication yes in /etc/ssh/sshd_config)."
                    .to_owned()
            }
            Self::OwnKey(..) | Self::File(..) => "Name another file.".to_owned(),
            Self::NoShell { user, .. } => {
                let user = in_commands(user);
                format!(
                    "Give the account a shell in the VM (usermod -s /bin/sh {user}), or prepare the VM for another account."
                )
            }
            Self::KeyFile { .. } => "Mend it in the VM, or prepare the VM for another account.".to_owned(),
            Self::KeyInVain { user, .. } => format!(
                "See the log of the VM's SSH server. Often the home folder or ~/.ssh of {user} may be written by others \
                 (chmod go-w), or /etc/ssh/sshd_config names another AuthorizedKeysFile, or forbids keys or this account."
            ),
            Self::Path { trouble, family, elsewhere } => {
                let remedy = trouble.remedy(*family);
                match elsewhere {
                    Some(host) => format!(
                        "{remedy} The VM runs on the host {}: if it cannot be reached from here, run the command there.",
                        quoted(host)
                    ),
                    None => remedy,
                }
            }
            Self::KeyStays(trouble, family) => {
                format!("{} Or use --force to forget the VM and leave the key in it.", trouble.remedy(*family))
            }
            Self::NotShown { host, .. } => format!(
                "On the host {}: systemctl status xscontainer-monitor, and see /var/log/xscontainer.log.",
                quoted(host)
            ),
            Self::Xapi { .. } => "See /var/log/xensource.log on this host.".to_owned(),
            Self::Access(error) => error.remedy(),
            Self::Certificates(fault) => fault.remedy(),
            Self::Make(error) => error.remedy().to_owned(),
            Self::Tls(error) => error.remedy(),
            Self::Disc(_) => "Please report it; certificates of your own can be used meanwhile.".to_owned(),
            Self::Declined(_) | Self::Interrupted(_) => return None,
        })
    }

    /// The step of the path at which it ends, for programs.
    #[must_use]
    pub fn step(&self) -> Option<&'static str> {
        match self {
            Self::Path { trouble, .. } | Self::KeyStays(trouble, _) => Some(trouble.step().name()),
            _ => None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoVm(name) => write!(f, "there is no VM {}", quoted(name)),
            Self::SeveralVms(name, uuids) => {
                write!(f, "{} VMs are named {}: {}", uuids.len(), quoted(name), uuids.join(", "))
            }
            Self::NotAGuest(what) => write!(f, "it is {what}, not a VM"),
            Self::NotRunning(state) => write!(f, "the VM is {}", state.in_words()),
            Self::Busy(by) => write!(f, "somebody else is preparing the VM ({by})"),
            Self::PoolBusy(by) => write!(f, "somebody else is changing the pool's key ({by})"),
            Self::OtherAccount(user) => write!(f, "the VM is prepared for its account {}", quoted(user)),
            Self::Declined(what) => write!(f, "not done: {what}"),
            Self::NobodyAnswers => f.write_str("there is nobody to answer: standard input has ended"),
            Self::AnswerIsNotText => f.write_str("the answer is not UTF-8"),
            Self::BadAccount(name) => write!(f, "{} is not the name of an account", quoted(name)),
            Self::WrongPassword { address, user } => {
                write!(f, "the SSH server of {address} does not accept the password of user {}", quoted(user))
            }
            Self::NoWayIn { address, user } => write!(
                f,
                "the SSH server of {address} lets user {} in by no password, and accepts no key that is at hand",
                quoted(user)
            ),
            Self::OwnKey(path, cause) => write!(f, "the key in {} cannot be used: {cause}", path.display()),
            Self::File(path, cause) => write!(f, "{}: {cause}", path.display()),
            Self::NoShell { address, user, said } if said.is_empty() => {
                write!(f, "user {} of the VM at {address} cannot run commands", quoted(user))
            }
            Self::NoShell { address, user, said } => {
                write!(f, "user {} of the VM at {address} cannot run commands: {}", quoted(user), quoted(said))
            }
            Self::KeyFile { address, user, cause } => write!(
                f,
                "~/.ssh/authorized_keys of user {} of the VM at {address} cannot be changed: {}",
                quoted(user),
                quoted(cause)
            ),
            Self::KeyInVain { address, user } => write!(
                f,
                "the pool's key is in ~/.ssh/authorized_keys of user {}, and the SSH server of {address} does not accept it",
                quoted(user)
            ),
            Self::Path { trouble, .. } => trouble.fmt(f),
            Self::KeyStays(trouble, _) => write!(f, "the pool's key cannot be taken out of the VM: {trouble}"),
            Self::NotShown { waited, .. } => {
                write!(f, "the VM is prepared, but no view of its containers was published within {waited} s")
            }
            Self::Xapi { doing, cause } => write!(f, "cannot {doing}: {cause}"),
            Self::Access(error) => error.fmt(f),
            Self::Certificates(fault) => fault.fmt(f),
            Self::Make(error) => error.fmt(f),
            Self::Disc(error) => error.fmt(f),
            Self::Tls(error) => error.fmt(f),
            Self::Interrupted(Signal::Interrupt) => f.write_str("interrupted; what was not finished was taken back"),
            Self::Interrupted(Signal::Terminate) => f.write_str("terminated; what was not finished was taken back"),
            Self::Interrupted(Signal::HangUp) => {
                f.write_str("the terminal was closed; what was not finished was taken back")
            }
        }
    }
}

impl From<AccessError> for Problem {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::Xapi(cause) => Self::Xapi { doing: "read the pool's key", cause },
            error => Self::Access(error),
        }
    }
}

impl Problem {
    /// The path to the guest ends at `unreachable`.
    pub(super) fn of_guest(unreachable: Unreachable, job: &super::Job) -> Self {
        job.ends_at(Trouble::Guest(unreachable))
    }
}

/// What was being done when XAPI failed.
pub(super) trait Doing<T> {
    /// Names it.
    fn doing(self, doing: &'static str) -> Result<T, Problem>;
}

impl<T> Doing<T> for Result<T, xapi::Error> {
    fn doing(self, doing: &'static str) -> Result<T, Problem> {
        self.map_err(|cause| Problem::Xapi { doing, cause })
    }
}
