//! What `other_config` of one VM shows of its containers, and how that changes: differences only.
//!
//! Knows when what XAPI told is older than what was written; must not know engines or guests.

use std::time::Duration;

use tokio::time::Instant;

use crate::view;
use crate::xapi::{Client, Digest, Error, Views, VmRef, other_config};

/// For so long after a write, events may still tell of the time before it.
pub const SETTLING: Duration = Duration::from_secs(5);

/// A document that clients read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The containers.
    Ps,
    /// The engine's description.
    Info,
    /// The engine's version.
    Version,
}

impl Kind {
    /// All of them. The containers first: they are waited for.
    pub const ALL: [Self; 3] = [Self::Ps, Self::Info, Self::Version];

    /// The key of `other_config`.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Ps => view::PS,
            Self::Info => view::INFO,
            Self::Version => view::VERSION,
        }
    }

    fn of(self, views: &mut Views) -> &mut Option<Digest> {
        match self {
            Self::Ps => &mut views.ps,
            Self::Info => &mut views.info,
            Self::Version => &mut views.version,
        }
    }
}

/// The documents of one VM.
#[derive(Debug)]
pub struct Publisher {
    client: Client,
    vm: VmRef,
    known: Known,
}

/// What is known of the entries beside what events tell.
#[derive(Clone, Copy, Debug)]
enum Known {
    /// Nothing was written yet.
    Nothing,
    /// These were there at that time, by our own doing or as we wanted them.
    Held(Views, Instant),
    /// A write failed, so anything may be there.
    Unsure,
}

impl Publisher {
    /// For the VM, of which nothing was written yet.
    #[must_use]
    pub fn new(client: Client, vm: VmRef) -> Self {
        Self { client, vm, known: Known::Nothing }
    }

    /// Whether XAPI has any document, as far as is known, if `told` is what its last event said.
    #[must_use]
    pub fn shows_something(&self, told: Views) -> bool {
        self.held(told).is_none_or(|held| held != Views::default())
    }

    /// Whether somebody else changed what was published: for example a client that wrote back a map it had read before.
    #[must_use]
    pub fn is_overwritten(&self, told: Views) -> bool {
        matches!(self.known, Known::Held(held, at) if at.elapsed() >= SETTLING && held != told)
    }

    /// From when on [`Publisher::is_overwritten`] can be asked about what is there by our doing. It may have passed.
    #[must_use]
    pub fn settles_at(&self) -> Option<Instant> {
        match self.known {
            Known::Held(_, at) => Some(at + SETTLING),
            Known::Nothing | Known::Unsure => None,
        }
    }

    /// Makes XAPI have these documents; whether anything had to be written.
    ///
    /// # Errors
    /// [`Error`]; the rest is not tried then.
    pub async fn publish(&mut self, told: Views, documents: &[(Kind, String)]) -> Result<bool, Error> {
        self.write(told, documents.iter().map(|(kind, text)| (*kind, Some(text.as_str())))).await
    }

    /// Takes all documents away; whether there were any.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub async fn wipe(&mut self, told: Views) -> Result<bool, Error> {
        self.write(told, Kind::ALL.map(|kind| (kind, None)).into_iter()).await
    }

    /// Takes all documents away, also those that events have not told of yet.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub async fn wipe_surely(&mut self) -> Result<(), Error> {
        self.known = Known::Unsure;
        self.wipe(Views::default()).await.map(drop)
    }

    /// What XAPI has, as far as is known.
    fn held(&self, told: Views) -> Option<Views> {
        match self.known {
            Known::Held(held, at) if at.elapsed() < SETTLING => Some(held),
            Known::Held(..) | Known::Nothing => Some(told),
            Known::Unsure => None,
        }
    }

    async fn write(&mut self, told: Views, entries: impl Iterator<Item = (Kind, Option<&str>)>) -> Result<bool, Error> {
        let held = self.held(told);
        let mut views = held.unwrap_or(told);
        let mut wrote = false;
        // Also what is left if this future is dropped half-way.
        let before = std::mem::replace(&mut self.known, Known::Unsure);
        for (kind, text) in entries {
            let wanted = text.map(Digest::of);
            if held.is_some() && *kind.of(&mut views) == wanted {
                continue;
            }
            other_config::replace(&self.client, &self.vm, kind.key(), text).await?;
            *kind.of(&mut views) = wanted;
            wrote = true;
        }
        self.known = match before {
            Known::Held(_, at) if !wrote => Known::Held(views, at),
            _ => Known::Held(views, Instant::now()),
        };
        Ok(wrote)
    }
}
