//! Why something was not done for an operator: in words, what to do about it, and the exit code. Must not know the steps.

use std::fmt;

use super::stream;
use crate::guest::Family;
use crate::inventory::InventoryError;
use crate::lending::Refusal;
use crate::lending::client::NoAnswer;
use crate::quote::quoted;
use crate::reach::Trouble;
use crate::reach::path::Step;
use crate::xapi::{self, PowerState};

/// VMs or containers that are named where a name means several; the rest is counted.
const NAMED: usize = 10;

/// Why it was not done.
#[derive(Debug)]
pub enum Problem {
    /// The monitor of this host is needed, and does not answer.
    NoMonitor(NoAnswer),
    /// There is no such VM.
    NoVm(String),
    /// Several VMs have that name; their uuids.
    SeveralVms(String, Vec<String>),
    /// It does not run.
    NotRunning(String, PowerState),
    /// There is no such container, in this VM or in any whose containers are seen.
    NoContainer(String, Option<String>),
    /// Several containers could be meant; each as it can be named.
    SeveralContainers(String, Vec<String>),
    /// A container of that name may be in these VMs too, whose containers are not seen now.
    NotAllSeen(String, Vec<String>),
    /// It is a VM, and a container is wanted.
    IsVm(String),
    /// It is neither a name nor an id of a container.
    BadContainer(String),
    /// The path to the engine ends somewhere.
    Path {
        /// The VM's name.
        vm: String,
        /// Where and why.
        trouble: Box<Trouble>,
        /// What kind of system the guest says it is.
        family: Family,
        /// The host that the VM runs on, if that is another.
        elsewhere: Option<String>,
        /// Whether it is registered.
        registered: bool,
    },
    /// The engine does not do it.
    Refused(Refusal),
    /// What was asked for may be done: nobody knows.
    Unknown(String),
    /// Another host's plugin says so.
    There(String),
    /// XAPI does not do what is needed.
    Xapi(xapi::Error),
    /// The host does not know itself.
    Inventory(InventoryError),
    /// A file or a stream of this program's own.
    Io(String, std::io::Error),
    /// A stream between a person and a container did not come about, or broke.
    Stream(stream::Problem),
}

impl Problem {
    /// Whether it says no more than that nobody reads the output any more, which nobody wants to be told.
    #[must_use]
    pub fn is_closed_pipe(&self) -> bool {
        match self {
            Self::Stream(problem) => problem.is_closed_pipe(),
            Self::Io(_, error) => error.kind() == std::io::ErrorKind::BrokenPipe,
            _ => false,
        }
    }

    /// The exit code, as `--help` documents it.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            _ if self.is_closed_pipe() => stream::problem::PIPE_CLOSED,
            Self::NoVm(_) | Self::SeveralVms(..) | Self::NotRunning(..) => 3,
            Self::NoContainer(..) | Self::SeveralContainers(..) | Self::BadContainer(_) => 3,
            Self::NotAllSeen(..) | Self::IsVm(_) => 3,
            Self::Path { .. } => 4,
            Self::NoMonitor(_) => 5,
            Self::Xapi(_) => 8,
            Self::Stream(problem) => problem.exit_code(),
            Self::Refused(_) | Self::Unknown(_) | Self::There(_) | Self::Inventory(_) | Self::Io(..) => 1,
        }
    }

    /// What to do about it, if anything.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        Some(match self {
            Self::NoMonitor(_) => {
                "See systemctl status xscontainer-monitor, and xscontainer doctor. A VM that is named is \
                                   asked without the monitor: xscontainer ps VM"
                    .to_owned()
            }
            Self::NoVm(_) => "xscontainer status --all lists the VMs of this host, xe vm-list all.".to_owned(),
            Self::SeveralVms(..) => "Name the VM by its uuid.".to_owned(),
            Self::NotRunning(..) => "Start the VM.".to_owned(),
            Self::NoContainer(_, None) => {
                "xscontainer ps lists the containers of this host's VMs. Name the VM too, VM/CONTAINER, if it is on \
                 another host."
                    .to_owned()
            }
            Self::NoContainer(_, Some(vm)) => format!("List them: xscontainer ps {}", in_shell(vm)),
            Self::SeveralContainers(..) => "Name one of them, or more of its id.".to_owned(),
            Self::NotAllSeen(name, _) => format!("Name the VM too: VM/{name}"),
            Self::IsVm(name) => format!("Name a container of it: {}", in_shell(&format!("{name}/CONTAINER"))),
            Self::BadContainer(_) => "A container is named by its name or the first digits of its id.".to_owned(),
            Self::Path { elsewhere: Some(host), .. } => {
                format!("It runs on the host {}. Call this there.", quoted(host))
            }
            Self::Path { vm, trouble, registered: false, .. } if trouble.step() >= Step::Login => {
                format!(
                    "It is not prepared for container management: xscontainer-prepare-vm -v {} -u ACCOUNT",
                    in_shell(vm)
                )
            }
            Self::Path { vm, trouble, family, .. } => {
                format!("{} Every step: xscontainer doctor {}", trouble.remedy(*family), in_shell(vm))
            }
            Self::Refused(refusal) => refusal.remedy.clone(),
            Self::Unknown(_) => "Look before you repeat it: xscontainer ps".to_owned(),
            Self::There(_) => return None,
            Self::Xapi(_) => "See /var/log/xensource.log on this host.".to_owned(),
            Self::Inventory(_) | Self::Io(..) => return None,
            Self::Stream(problem) => return problem.remedy(),
        })
    }
}

/// A word as it is typed in a shell.
#[must_use]
pub fn in_shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+=,".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMonitor(why) => write!(f, "the monitor of this host does not answer: {why}"),
            Self::NoVm(name) => write!(f, "there is no VM with the name or uuid {}", quoted(name)),
            Self::SeveralVms(name, uuids) => {
                write!(f, "{} VMs have the name {}: ", uuids.len(), quoted(name))?;
                list(f, uuids)
            }
            Self::NotRunning(vm, state) => write!(f, "the VM {} does not run, it is {}", quoted(vm), state.in_words()),
            Self::NoContainer(name, None) => {
                write!(f, "no VM of this host has a container with the name or id {}", quoted(name))
            }
            Self::NoContainer(name, Some(vm)) => {
                write!(f, "the VM {} has no container with the name or id {}", quoted(vm), quoted(name))
            }
            Self::SeveralContainers(name, candidates) => {
                write!(f, "{} may mean {} containers: ", quoted(name), candidates.len())?;
                list(f, candidates)
            }
            Self::NotAllSeen(name, vms) => {
                write!(f, "a container {} may also be in VMs whose containers are not seen now: ", quoted(name))?;
                list(f, vms)
            }
            Self::IsVm(name) => write!(f, "{} is a VM", quoted(name)),
            Self::BadContainer(name) => write!(f, "{} cannot be a container", quoted(name)),
            Self::Path { vm, trouble, .. } => write!(f, "the VM {} cannot be asked: {trouble}", quoted(vm)),
            Self::Refused(refusal) => f.write_str(&refusal.reason),
            Self::Unknown(why) => write!(f, "it may be done, or not: {why}"),
            Self::There(why) => f.write_str(why),
            Self::Xapi(error) => write!(f, "{error}"),
            Self::Inventory(error) => write!(f, "{error}"),
            Self::Io(what, error) => write!(f, "{what}: {error}"),
            Self::Stream(problem) => write!(f, "{problem}"),
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, names: &[String]) -> fmt::Result {
    f.write_str(&names[..names.len().min(NAMED)].join(", "))?;
    match names.len().checked_sub(NAMED) {
        Some(more) if more > 0 => write!(f, ", and {more} more"),
        _ => Ok(()),
    }
}

impl From<xapi::Error> for Problem {
    fn from(error: xapi::Error) -> Self {
        Self::Xapi(error)
    }
}

impl From<stream::Problem> for Problem {
    fn from(problem: stream::Problem) -> Self {
        Self::Stream(problem)
    }
}

impl From<InventoryError> for Problem {
    fn from(error: InventoryError) -> Self {
        Self::Inventory(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell_where_it_needs_that() {
        assert_eq!(in_shell("web-1.db"), "web-1.db");
        assert_eq!(in_shell("it's a $(VM)"), r"'it'\''s a $(VM)'");
        assert_eq!(in_shell(""), "''");
    }

    #[test]
    fn of_many_candidates_some_are_named() {
        let all: Vec<String> = (0..12).map(|n| format!("vm/c{n}")).collect();
        let text = Problem::SeveralContainers("c".to_owned(), all).to_string();
        assert!(
            text.starts_with("\"c\" may mean 12 containers: vm/c0, ") && text.ends_with("vm/c9, and 2 more"),
            "{text}"
        );
    }
}
