//! Why a disc or a store of certificates did not come about: what happened, to what, why, and what to do.

use crate::quote::quoted;
use crate::xapi::disks::TransferError;
use crate::xapi::{self, SrUuid, VdiUuid, VmUuid};

/// Why it was not done. Nothing of it is left then, unless this says so.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// XAPI does not do something.
    #[error("cannot {doing}: {cause}")]
    Xapi {
        /// What.
        doing: &'static str,
        /// Why.
        cause: xapi::Error,
    },
    /// The VM has nothing to put a disc into.
    #[error("VM {0} has no CD drive")]
    NoDrive(VmUuid),
    /// The drive holds somebody's disc.
    #[error("the CD drive of VM {vm} holds the disc {}", quoted(disc))]
    DriveInUse {
        /// The VM.
        vm: VmUuid,
        /// The disc's name.
        disc: String,
    },
    /// There is no storage that could be asked.
    #[error("there is no storage for the disc: VM {0} has no disk, and the pool no default storage repository")]
    NoStorage(VmUuid),
    /// No storage does it.
    #[error("the disc cannot be made or inserted from any storage: {}", attempts(tried))]
    NotInserted {
        /// Which storage was tried, and why not.
        tried: Vec<(SrUuid, Error)>,
    },
    /// The content of the disc did not get there.
    #[error("cannot write the disc: {0}")]
    Transfer(TransferError),
    /// The disc that was in the drive before is not there again.
    #[error("the disc {disc} is not in the VM's CD drive again: {cause}")]
    NotPutBack {
        /// The disc.
        disc: VdiUuid,
        /// Why.
        cause: xapi::Error,
    },
    /// A disc with private keys is left.
    #[error("the disk {disc}, which holds private keys, cannot be taken away: {cause}")]
    DiscLeft {
        /// The disk.
        disc: VdiUuid,
        /// Why.
        cause: xapi::Error,
    },
    /// Something failed, and taking back what was done before failed, too.
    #[error("{cause}; and what was done before could not be taken back: {left}")]
    Left {
        /// What failed first.
        cause: Box<Error>,
        /// What failed then.
        left: Box<Error>,
    },
}

fn attempts(tried: &[(SrUuid, Error)]) -> String {
    tried.iter().map(|(sr, error)| format!("on {sr}: {error}")).collect::<Vec<_>>().join("; ")
}

impl Error {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Xapi { .. } => "See /var/log/xensource.log on this host.".to_owned(),
            Self::NoDrive(vm) => format!(
                "Shut the VM down and give it a drive: xe vbd-create vm-uuid={vm} type=CD mode=RO bootable=false \
                 device=autodetect empty=true"
            ),
            Self::DriveInUse { vm, .. } => format!(
                "Eject it (xe vm-cd-eject uuid={vm}), or let it be taken out and put back when the work is done."
            ),
            Self::NoStorage(_) => {
                "Give the pool a default storage repository: xe pool-param-set uuid=POOL default-SR=SR".to_owned()
            }
            Self::NotInserted { tried } => {
                let own = tried.first().map(|(_, error)| error.remedy()).unwrap_or_default();
                format!("Free some space there, or set another default storage repository for the pool. {own}")
            }
            Self::Transfer(TransferError::Redirected { .. }) => {
                "Do it on that host, or set a default storage repository that this host is connected to.".to_owned()
            }
            Self::Transfer(_) => "See /var/log/xensource.log and /var/log/SMlog on this host.".to_owned(),
            Self::NotPutBack { disc, .. } => {
                format!("Insert it again, if it is still wanted: xe vbd-insert uuid=DRIVE vdi-uuid={disc}")
            }
            Self::DiscLeft { disc, .. } => format!(
                "Take it away soon: eject it from the VM's CD drive (xe vbd-list vdi-uuid={disc}; xe vbd-eject uuid=DRIVE) \
                 and destroy it (xe vdi-destroy uuid={disc}). Preparing the VM again does that, too."
            ),
            Self::Left { left, .. } => left.remedy(),
        }
    }
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

/// What failed, if taking back what was done before did not fail as well.
pub(super) fn after(cause: Error, taken_back: Result<(), Error>) -> Error {
    match taken_back {
        Ok(()) => cause,
        Err(left) => Error::Left { cause: Box::new(cause), left: Box::new(left) },
    }
}
