//! What can go wrong while a pack is made, in classes that a caller can act on.
//!
//! Every message says what happened, to what, why, and what to do about it, in one paragraph.

use std::fmt::{self, Display};
use std::io;
use std::path::Path;

/// A result whose error is for the person at the terminal.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a pack could not be made.
#[derive(Debug)]
pub struct Error {
    class: Class,
    /// The file, key or program that it is about.
    subject: String,
    problem: String,
    remedy: String,
}

/// The kind of an [`Error`]: what the exit code of a program tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A file of `spec/` is missing, malformed or contradicts another.
    Spec,
    /// A payload RPM that a host would refuse or misread.
    Payload,
    /// A version that a host would not install over what it has.
    Version,
    /// A key that is missing, locked, or that a host would not accept.
    Key,
    /// Something that could not be written.
    Output,
    /// A program that is missing or failed.
    Tool,
    /// The finished image breaks a rule of something that reads it.
    Readback,
    /// A captured host that cannot be read.
    Capture,
    /// A host that refuses a pack, or lacks something for it.
    Host,
    /// The user stopped it.
    Interrupted,
}

impl Class {
    /// The exit code for this class (README.md, "Exit codes").
    pub fn exit_code(self) -> u8 {
        match self {
            Class::Spec => 3,
            Class::Payload => 4,
            Class::Version => 5,
            Class::Key => 6,
            Class::Output => 7,
            Class::Tool => 8,
            Class::Readback => 9,
            Class::Capture => 10,
            Class::Host => 12,
            // As shells report a program that SIGINT ended.
            Class::Interrupted => 130,
        }
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}. {}", self.subject, self.problem, self.remedy)
    }
}

impl std::error::Error for Error {}

impl Error {
    /// The kind of this error.
    pub fn class(&self) -> Class {
        self.class
    }

    /// What happened and why, without its subject and remedy.
    pub fn problem(&self) -> &str {
        &self.problem
    }

    /// About a file of `spec/`.
    pub fn spec(file: &Path, problem: impl Display, remedy: impl Display) -> Error {
        Error::new(Class::Spec, file.display(), problem, remedy)
    }

    /// About an RPM.
    pub fn payload(file: &Path, problem: impl Display, remedy: impl Display) -> Error {
        Error::new(Class::Payload, file.display(), problem, remedy)
    }

    /// About a version.
    pub fn version(version: impl Display, problem: impl Display, remedy: impl Display) -> Error {
        Error::new(Class::Version, format!("version {version}"), problem, remedy)
    }

    /// About a key: its file, user ID or fingerprint.
    pub fn key(key: impl Display, problem: impl Display, remedy: impl Display) -> Error {
        Error::new(Class::Key, format!("signing key {key}"), problem, remedy)
    }

    /// About another program.
    pub fn tool(program: impl Display, problem: impl Display, remedy: impl Display) -> Error {
        Error::new(Class::Tool, program, problem, remedy)
    }

    /// About a captured host: its file, and the place in it.
    pub fn capture(place: impl Display, problem: impl Display, remedy: impl Display) -> Error {
        Error::new(Class::Capture, place, problem, remedy)
    }

    /// About a host, or a pack on it.
    pub fn host(subject: impl Display, problem: impl Display, remedy: impl Display) -> Error {
        Error::new(Class::Host, subject, problem, remedy)
    }

    /// A failure to write, with a remedy.
    pub fn unwritable(path: &Path, cause: &io::Error, remedy: impl Display) -> Error {
        Error::new(Class::Output, path.display(), format!("cannot be written: {cause}"), remedy)
    }

    /// A failure to write, with the remedy that its cause suggests.
    pub fn output(path: &Path, cause: &io::Error) -> Error {
        let remedy = match cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "Free some space there, or choose another folder with --output"
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "Make it writable for you, or choose another folder with --output"
            }
            io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory | io::ErrorKind::AlreadyExists => {
                "Something else has that name: move it away, or choose another folder with --output"
            }
            _ => "Check the disk, or choose another folder with --output",
        };
        Error::new(Class::Output, path.display(), format!("cannot be written: {cause}"), remedy)
    }

    /// The finished image breaks so many rules of its readers; they were told one by one.
    pub fn refused(image: &Path, rules: usize) -> Error {
        Error::new(
            Class::Readback,
            image.display(),
            match rules {
                1 => "was not written: it breaks the rule above".to_owned(),
                _ => format!("was not written: it breaks the {rules} rules above"),
            },
            "Do what the remedy says, and build again",
        )
    }

    /// An image that is not installed, because it breaks so many rules of its readers; they were told one by one.
    pub fn refused_image(image: &Path, rules: usize) -> Error {
        Error::new(
            Class::Readback,
            image.display(),
            match rules {
                1 => "is not installed: it breaks the rule above".to_owned(),
                _ => format!("is not installed: it breaks the {rules} rules above"),
            },
            "Ask its vendor; with --ignore-rules the host itself decides",
        )
    }

    /// A finished pack breaks rules of its readers, which are told here.
    pub fn broken(pack: &Path, rules: impl Display, remedy: impl Display) -> Error {
        Error::new(Class::Readback, pack.display(), format!("was not written: it breaks rules: {rules}"), remedy)
    }

    /// The user stopped it.
    pub fn interrupted() -> Error {
        Error::new(Class::Interrupted, "interrupted", "nothing was written", "Run the same command again")
    }

    fn new(class: Class, subject: impl Display, problem: impl Display, remedy: impl Display) -> Error {
        Error { class, subject: subject.to_string(), problem: problem.to_string(), remedy: remedy.to_string() }
    }
}
