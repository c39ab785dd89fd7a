//! Why a VM's containers cannot be seen, in words for people, and what the log says of it. Must not know what is tried.

use std::fmt;
use std::mem::{Discriminant, discriminant};
use std::time::Duration;

use tokio::time::Instant;

use crate::access::{AccessError, BadSetting};
use crate::engine;
use crate::guest::{Candidates, Unreachable};
use crate::quote::quoted;
use crate::xapi;

/// How often the same trouble is mentioned again.
const REMINDER_INTERVAL: Duration = Duration::from_secs(600);

/// What stands between dom0 and the engine.
#[derive(Debug)]
pub enum Trouble {
    /// A key of `other_config` makes no sense.
    Setting(BadSetting),
    /// The guest's tools report no address, or none that may be used.
    NoAddress(Candidates),
    /// The keys cannot be had from XAPI.
    Access(AccessError),
    /// XAPI does not do what is needed for it.
    Xapi(xapi::Error),
    /// Some step into the guest fails.
    Guest(Unreachable),
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
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Setting(setting) => setting.remedy(),
            Self::NoAddress(candidates) if candidates.refused.is_empty() => {
                "Start the guest tools in the VM and give it a network that this host can reach.".to_owned()
            }
            Self::NoAddress(_) => "Give the VM an address of its own on a network that this host can reach.".to_owned(),
            Self::Access(error) => error.remedy(),
            Self::Xapi(_) => "See /var/log/xensource.log on this host.".to_owned(),
            Self::Guest(unreachable) => unreachable.remedy(),
            Self::Engine(error) => error.remedy(),
            Self::Slow { .. } => "Look at the load of the VM and of this host.".to_owned(),
        }
    }

    /// Two of the same kind are one in the log.
    fn kind(&self) -> (Discriminant<Self>, Option<Discriminant<Unreachable>>, Option<Discriminant<engine::Error>>) {
        let guest = if let Self::Guest(cause) = self { Some(discriminant(cause)) } else { None };
        let engine = if let Self::Engine(cause) = self { Some(discriminant(cause)) } else { None };
        (discriminant(self), guest, engine)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting(setting) => setting.fmt(f),
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

/// What the log says of one VM's troubles: a line when one begins or becomes another, one now and then, one when it is
/// over.
#[derive(Debug, Default)]
pub struct Account(Option<Ongoing>);

#[derive(Debug)]
struct Ongoing {
    kind: (Discriminant<Trouble>, Option<Discriminant<Unreachable>>, Option<Discriminant<engine::Error>>),
    since: Instant,
    mentioned: Instant,
    failures: u64,
}

impl Account {
    /// Notes a failure, to be followed by another try after `pause`.
    pub fn failed(&mut self, trouble: &Trouble, pause: Duration) {
        let (now, kind) = (Instant::now(), trouble.kind());
        let pause_ms = pause.as_millis();
        let Some(ongoing) = self.0.as_mut().filter(|ongoing| ongoing.kind == kind) else {
            tracing::warn!(reason = %trouble, remedy = %trouble.remedy(), pause_ms, "cannot see the VM's containers");
            let since = self.0.as_ref().map_or(now, |ongoing| ongoing.since);
            let failures = self.0.as_ref().map_or(0, |ongoing| ongoing.failures) + 1;
            self.0 = Some(Ongoing { kind, since, mentioned: now, failures });
            return;
        };
        ongoing.failures += 1;
        if now.duration_since(ongoing.mentioned) < REMINDER_INTERVAL {
            tracing::debug!(reason = %trouble, pause_ms, "still cannot see the VM's containers");
            return;
        }
        ongoing.mentioned = now;
        let (failures, seconds) = (ongoing.failures, ongoing.since.elapsed().as_secs());
        tracing::warn!(reason = %trouble, failures, seconds, "still cannot see the VM's containers");
    }

    /// Notes that the containers are seen; `by` says how.
    pub fn works(&mut self, by: &str, engine: &str) {
        match self.0.take() {
            Some(Ongoing { since, failures, .. }) => {
                let seconds = since.elapsed().as_secs();
                tracing::info!(by, engine = %quoted(engine), failures, seconds, "the VM's containers are seen again");
            }
            None => tracing::info!(by, engine = %quoted(engine), "the VM's containers are seen"),
        }
    }
}
