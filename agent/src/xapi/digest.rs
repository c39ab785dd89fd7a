//! What is remembered of a text instead of the text. Knows nothing of what texts are for.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::encode;

/// Tells texts apart: 16 bytes of their SHA-256, so that nobody can make two that are taken for one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 16]);

impl Digest {
    /// Of `text`.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let hash = Sha256::digest(text.as_bytes());
        let mut first = [0; 16];
        first.copy_from_slice(&hash[..16]);
        Self(first)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({:032x})", u128::from_be_bytes(self.0))
    }
}

/// A text of which only this much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reduced {
    /// Which text it was.
    pub digest: Digest,
    /// How long it is in a request, bytes.
    pub sent_bytes: usize,
}

impl Reduced {
    /// Of `text`.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self { digest: Digest::of(text), sent_bytes: encode::sent_bytes(text) }
    }
}
