//! Why there is no config drive, or no text of one: what happened, to what, why, and what to do.

use std::io;
use std::path::PathBuf;

use super::image::{BuildError, TextError};
use super::template;
use crate::access::AccessError;
use crate::quote::quoted;
use crate::xapi::disks::TransferError;
use crate::xapi::{self, SrUuid, VdiUuid, VmUuid};

/// Why the work was not done. Nothing of it is left then, but for what the log names.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such VM.
    #[error("there is no VM with the uuid {0}; `xe vm-list` shows those there are")]
    NoVm(VmUuid),
    /// The VM is one that nobody configures.
    #[error("VM {0} is a snapshot or a host's own domain, which take no config drive; give it to a VM or template")]
    NotAGuest(VmUuid),
    /// There is no such storage repository.
    #[error("there is no storage repository with the uuid {0}; `xe sr-list` shows those there are")]
    NoSr(SrUuid),
    /// There is no such disk.
    #[error("there is no disk with the uuid {0}; `xe vdi-list` shows those there are")]
    NoVdi(VdiUuid),
    /// This host does not have the storage. The call has to be made on one that has.
    #[error(
        "this host is not connected to the storage of the config drive; the host at {} is, call it there",
        quoted(host)
    )]
    Redirected {
        /// The address of a host that has.
        host: String,
    },
    /// The text is too long.
    #[error("the configuration has {bytes} bytes, it can have {}; shorten it", template::MAX_BYTES)]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The text for all VMs, made by an administrator, cannot be used.
    #[error("the template {} cannot be used: {cause}; repair it, or remove it to have the built-in one", path.display())]
    Template {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The pool's key is to be on the drive and cannot be had.
    #[error("{cause} {}", cause.remedy())]
    Key {
        /// Why.
        #[from]
        cause: AccessError,
    },
    /// The bytes cannot be made.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// XAPI does not do something.
    #[error("cannot {doing}: {cause}")]
    Xapi {
        /// What.
        doing: &'static str,
        /// Why.
        cause: xapi::Error,
    },
    /// The VM has no place for a disk.
    #[error("VM {0} has no free device for the config drive; remove one of its disks")]
    NoDevice(VmUuid),
    /// The content of the disk did not get there, or from there.
    #[error("cannot {doing}: {cause}")]
    Transfer {
        /// What.
        doing: &'static str,
        /// Why.
        cause: TransferError,
    },
    /// Somebody else gave the VM a drive meanwhile.
    #[error(
        "VM {0} was given another config drive at the same moment, which it keeps; try again if that is not the one"
    )]
    Overtaken(VmUuid),
    /// The old drive cannot be taken away.
    #[error(
        "VM {vm} does not let go of its old config drive ({cause}), so it keeps that one; unmount it in the VM, or shut \
         the VM down, and try again"
    )]
    OldStays {
        /// The VM.
        vm: VmUuid,
        /// What XAPI says.
        cause: xapi::Error,
    },
    /// The disk is larger than any config drive.
    #[error("disk {vdi} has {bytes} bytes, no config drive has so many; name the VM's config drive")]
    TooLarge {
        /// The disk.
        vdi: VdiUuid,
        /// Its size.
        bytes: u64,
    },
    /// The disk has no text.
    #[error("cannot show the configuration on disk {vdi}: {cause}")]
    NoText {
        /// The disk.
        vdi: VdiUuid,
        /// Why.
        cause: TextError,
    },
    /// A thread of this program failed.
    #[error("this program failed at work on the config drive; its log says where, please report it")]
    Panicked,
}

/// Says what a call of XAPI was for.
pub(super) trait Doing<T> {
    /// `doing` goes on from "cannot".
    fn doing(self, doing: &'static str) -> Result<T, Error>;
}

impl<T> Doing<T> for Result<T, xapi::Error> {
    fn doing(self, doing: &'static str) -> Result<T, Error> {
        self.map_err(|cause| Error::Xapi { doing, cause })
    }
}

impl<T> Doing<T> for Result<T, TransferError> {
    fn doing(self, doing: &'static str) -> Result<T, Error> {
        self.map_err(|cause| match cause {
            TransferError::Redirected { host, .. } => Error::Redirected { host },
            cause => Error::Transfer { doing, cause },
        })
    }
}
