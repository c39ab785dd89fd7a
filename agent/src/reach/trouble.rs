//! Why a VM's engine cannot be spoken to, in words for people. Must not know what is tried.

use std::fmt;
use std::mem::{Discriminant, discriminant};
use std::net::IpAddr;
use std::time::Duration;

use crate::access::{AccessError, BadSetting};
use crate::engine;
use crate::guest::{Candidates, Family, Unreachable};
use crate::quote::quoted;
use crate::xapi::{self, PowerState};

/// What stands between dom0 and the engine.
#[derive(Debug)]
pub enum Trouble {
    /// It does not run.
    NotRunning(PowerState),
    /// A key of `other_config` makes no sense.
    Setting(BadSetting),
    /// It is to be reached over TLS, and that is switched off on this host.
    SwitchedOff,
    /// The guest's tools report no address, or none that may be used.
    NoAddress(Candidates),
    /// The keys cannot be had from XAPI.
    Access(AccessError),
    /// XAPI does not do what is needed for it.
    Xapi(xapi::Error),
    /// Some step into the guest fails.
    Guest(Unreachable),
    /// The VM was prepared with another key than this pool's.
    OtherKey {
        /// Where.
        address: IpAddr,
        /// The account.
        user: String,
        /// The fingerprint of the key that it was prepared with. Foreign.
        prepared: String,
        /// The fingerprint of the pool's.
        ours: String,
    },
    /// The engine is there and does not serve.
    Engine(engine::Error),
    /// Something takes too long.
    Slow {
        /// What.
        what: &'static str,
        /// How long it may take.
        limit: Duration,
    },
}

impl Trouble {
    /// What to do about it, in a guest of this family.
    #[must_use]
    pub fn remedy(&self, family: Family) -> String {
        match self {
            Self::NotRunning(_) => "Start the VM.".to_owned(),
            Self::Setting(setting) => setting.remedy(),
            Self::SwitchedOff => {
                "Set tls to true below [monitor] in /etc/xscontainer/config.toml, or prepare the VM over SSH."
                    .to_owned()
            }
            Self::NoAddress(candidates) if candidates.refused.is_empty() => {
                format!("{} Give the VM a network that this host can reach.", family.start_tools())
            }
            Self::NoAddress(_) => "Give the VM an address of its own on a network that this host can reach.".to_owned(),
            Self::Access(error) => error.remedy(),
            Self::Xapi(_) => "See /var/log/xensource.log on this host.".to_owned(),
            Self::OtherKey { .. } => {
                "Prepare it again (xscontainer-prepare-vm -v VM -u ACCOUNT), or give it a new config \
                drive before its first start here. The other pool keeps its access until its key is removed from \
                ~/.ssh/authorized_keys of that account."
                    .to_owned()
            }
            Self::Guest(unreachable) => unreachable.remedy(family),
            Self::Engine(error) => error.remedy(),
            Self::Slow { .. } => "Look at the load of the VM and of this host.".to_owned(),
        }
    }

    /// Two of the same kind are the same trouble, whatever addresses and times they name.
    #[must_use]
    pub fn kind(&self) -> Kind {
        let guest = if let Self::Guest(cause) = self { Some(discriminant(cause)) } else { None };
        let engine = if let Self::Engine(cause) = self { Some(discriminant(cause)) } else { None };
        Kind(discriminant(self), guest, engine)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRunning(state) => write!(f, "the VM is {}", state.in_words()),
            Self::Setting(setting) => setting.fmt(f),
            Self::SwitchedOff => f.write_str("the VM is to be reached over TLS, which is switched off on this host"),
            Self::OtherKey { address, user, prepared, ours } => write!(
                f,
                "the SSH server of {address} does not let user {} in with this pool's key {ours}; the VM was prepared with \
                 the key {}, by another pool or before this pool's key was changed",
                quoted(user),
                quoted(prepared)
            ),
            Self::NoAddress(candidates) if candidates.refused.is_empty() => {
                f.write_str("the guest tools report no address of the VM")
            }
            Self::NoAddress(candidates) => {
                f.write_str("no address that the guest tools report can be used:")?;
                /// Addresses named; a guest may claim many.
                const NAMED: usize = 4;
                for (at, (address, refusal)) in candidates.refused.iter().take(NAMED).enumerate() {
                    write!(f, "{} {address} {refusal}", if at == 0 { "" } else { "," })?;
                }
                match candidates.refused.len().saturating_sub(NAMED) {
                    0 => Ok(()),
                    more => write!(f, " and {more} more"),
                }
            }
            Self::Access(error) => error.fmt(f),
            Self::Xapi(error) => error.fmt(f),
            Self::Guest(unreachable) => unreachable.fmt(f),
            Self::Engine(error) => error.fmt(f),
            Self::Slow { what, limit } => write!(f, "{what} took longer than {} s", limit.as_secs()),
        }
    }
}

impl From<Unreachable> for Trouble {
    fn from(cause: Unreachable) -> Self {
        Self::Guest(cause)
    }
}

impl From<engine::Error> for Trouble {
    fn from(cause: engine::Error) -> Self {
        Self::Engine(cause)
    }
}

impl From<AccessError> for Trouble {
    fn from(cause: AccessError) -> Self {
        Self::Access(cause)
    }
}

/// What [`Trouble::kind`] gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind(Discriminant<Trouble>, Option<Discriminant<Unreachable>>, Option<Discriminant<engine::Error>>);
