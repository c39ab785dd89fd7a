//! OpenPGP keys and detached signatures, as the hosts' gpg 2.0.22 and rpm 4.11.3 accept them.
//!
//! One kind of signature serves everything: over `update.xml` and `repomd.xml` in armor, over an RPM's header as a bare
//! packet. Must not know what it is that is signed.

mod certificate;
mod development;
mod facts;
mod fast;
mod generate;
mod gpg;
mod signature;
mod software;

pub use certificate::Certificate;
pub use development::development_key;
pub use facts::KeyFacts;
pub use generate::{NewKey, generate};
pub use gpg::{GpgKey, Runner};
pub use signature::Signature;
pub use software::{Passphrase, SoftwareKey};

use crate::Result;

/// Something that signs with one key.
pub trait Signer {
    /// The public half of the key.
    fn certificate(&self) -> &Certificate;

    /// Signs each message, with a given time of signature in seconds since 1970.
    ///
    /// The time must not lie before the key's creation: see [`Certificate::signature_time`].
    ///
    /// # Errors
    /// [`crate::Error`] of class `Key` or `Tool` if the key cannot be used.
    fn sign(&self, messages: &[&[u8]], time: u32) -> Result<Vec<Signature>>;
}

#[cfg(test)]
mod tests;
