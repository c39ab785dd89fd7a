//! A detached signature.

use pgp::armor;
use pgp::composed::{ArmorOptions, Deserializable, DetachedSignature};
use pgp::packet::Signature as Packet;
use pgp::ser::Serialize;

/// A detached signature over some bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature(pub(super) DetachedSignature);

impl Signature {
    /// Reads a signature, bare or in armor.
    pub fn parse(bytes: &[u8]) -> Option<Signature> {
        match bytes.starts_with(b"-----BEGIN") {
            true => DetachedSignature::from_armor_single(bytes).ok().map(|(signature, _)| Signature(signature)),
            false => DetachedSignature::from_bytes(bytes).ok().map(Signature),
        }
    }

    /// The same signature in a packet with a header of the new format: gpg writes the old one, and the same key is to
    /// give the same bytes by whatever program.
    pub(super) fn in_new_format(self) -> Option<Signature> {
        let packet = self.0.signature;
        let (config, hash, bytes) = (packet.config()?, packet.signed_hash_value()?, packet.signature()?);
        let packet = Packet::from_config(config.clone(), hash, bytes.clone()).ok()?;
        Some(Signature(DetachedSignature::new(packet)))
    }

    /// The bare packet: what an RPM's signature header holds.
    pub fn packet(&self) -> Vec<u8> {
        self.0.to_bytes().expect("a signature that exists can be written to memory")
    }

    /// In armor: what `.asc` files hold.
    pub fn armored(&self) -> String {
        self.0.to_armored_string(ArmorOptions::default()).expect("a signature that exists can be written to memory")
    }
}

/// Whether text begins as a block of this kind.
pub(super) fn block_type(text: &str) -> Option<armor::BlockType> {
    let mut dearmor = armor::Dearmor::new(text.as_bytes());
    dearmor.read_header().ok()?;
    dearmor.typ
}
