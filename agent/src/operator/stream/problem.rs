//! Why a stream did not come about or broke, in words, with what to do and the exit code. Must not know the commands.

use std::fmt;
use std::io;

use crate::engine;
use crate::guest::Family;
use crate::reach::Trouble;

/// The exit code of a command whose output nobody reads any more: as if SIGPIPE had ended it, like other filters.
pub const PIPE_CLOSED: u8 = 128 + 13;

/// Why it failed.
#[derive(Debug)]
pub enum Problem {
    /// The way to the engine ends somewhere, or the engine refuses.
    Reach {
        /// Where and why.
        trouble: Box<Trouble>,
        /// What kind of system the guest says it is.
        family: Family,
    },
    /// The container does not run, or is paused.
    State(&'static str),
    /// Standard output or standard error cannot be written.
    Output(io::Error),
    /// Standard input cannot be read.
    Input(io::Error),
    /// The terminal cannot be set up, or signals not be heard.
    Terminal(io::Error),
    /// A terminal is wanted where there is none.
    NotATerminal,
    /// The engine ended the stream of a container that still runs.
    Ended,
    /// It happened after a command was started, whose exit code is not known therefore.
    AfterStart(Box<Self>),
    /// The engine does not start the command.
    Refused(Box<Self>),
}

impl Problem {
    pub(super) fn reach(trouble: Trouble, family: Family) -> Self {
        Self::Reach { trouble: Box::new(trouble), family }
    }

    /// Whether it says no more than that nobody reads the output any more.
    #[must_use]
    pub fn is_closed_pipe(&self) -> bool {
        match self {
            Self::Output(error) => error.kind() == io::ErrorKind::BrokenPipe,
            Self::AfterStart(problem) => problem.is_closed_pipe(),
            _ => false,
        }
    }

    /// The exit code, as `--help` documents it.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            _ if self.is_closed_pipe() => PIPE_CLOSED,
            Self::Reach { trouble, .. } => match &**trouble {
                Trouble::NotRunning(_) | Trouble::Engine(engine::Error::Status { status: 404 | 409, .. }) => 3,
                Trouble::Engine(engine::Error::Status { .. } | engine::Error::Lacks { .. }) => 1,
                Trouble::Xapi(_) | Trouble::Access(_) => 8,
                _ => 4,
            },
            Self::State(_) => 3,
            Self::NotATerminal => 2,
            Self::Output(_) | Self::Input(_) | Self::Terminal(_) | Self::Ended => 1,
            Self::AfterStart(_) | Self::Refused(_) => 125,
        }
    }

    /// What to do about it, if anything.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::Reach { trouble, family } => Some(trouble.remedy(*family)),
            Self::State(_) => Some("See the containers of the VM and their states.".to_owned()),
            Self::NotATerminal => Some("Leave out -t, or run it at a terminal.".to_owned()),
            Self::Ended => Some("Attach again; see the engine's log in the VM: journalctl -u docker".to_owned()),
            Self::AfterStart(problem) | Self::Refused(problem) => problem.remedy(),
            Self::Output(_) | Self::Input(_) | Self::Terminal(_) => None,
        }
    }

    /// The same, as far as it is the engine that does not want to start a command.
    pub(super) fn at_start(self) -> Self {
        match (&self, self.exit_code()) {
            (Self::Reach { .. }, 1) => Self::Refused(Box::new(self)),
            _ => self,
        }
    }

    pub(super) fn after_start(self) -> Self {
        Self::AfterStart(Box::new(self))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reach { trouble, .. } => trouble.fmt(f),
            Self::State(state) => write!(f, "the container is {state}"),
            Self::Output(error) => write!(f, "cannot write the output: {error}"),
            Self::Input(error) => write!(f, "cannot read standard input: {error}"),
            Self::Terminal(error) => write!(f, "cannot use the terminal: {error}"),
            Self::NotATerminal => f.write_str("the input device is not a TTY"),
            Self::Ended => f.write_str("the engine ended the stream, and the container still runs"),
            Self::AfterStart(problem) => write!(f, "what became of the command is not known: {problem}"),
            Self::Refused(problem) => problem.fmt(f),
        }
    }
}
