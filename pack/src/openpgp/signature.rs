//! A detached signature.

use pgp::armor;
use pgp::composed::{ArmorOptions, Deserializable, DetachedSignature};
use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::packet::{Signature as Packet, SignatureType, SignatureVersion};
use pgp::ser::Serialize;
use pgp::types::{Duration, Timestamp};

use super::Certificate;
use crate::digest::hex;

/// Most signatures of one file that are looked at.
const MAX_SIGNATURES: usize = 16;

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

    /// The one signature that a file holds in armor.
    ///
    /// # Errors
    /// Why it is not exactly one, to follow the file's name.
    pub fn only(armored: &[u8]) -> Result<Signature, String> {
        const BEGIN: &[u8] = b"-----BEGIN PGP SIGNATURE-----";
        if !armored.trim_ascii_start().starts_with(BEGIN) {
            return Err("is not an OpenPGP signature in armor".into());
        }
        let unreadable = || "is an OpenPGP signature that cannot be read".to_owned();
        let blocks = armored.windows(BEGIN.len()).filter(|window| *window == BEGIN).count();
        let (packets, _) = DetachedSignature::from_armor_many(armored.trim_ascii_start()).map_err(|_| unreadable())?;
        let packets: Vec<_> = packets.take(MAX_SIGNATURES).collect::<Result<_, _>>().map_err(|_| unreadable())?;
        match <[DetachedSignature; 1]>::try_from(packets) {
            Ok([signature]) if blocks == 1 => Ok(Signature(signature)),
            Err(packets) if packets.is_empty() => Err(unreadable()),
            _ => Err("holds more than one signature".into()),
        }
    }

    /// The last 16 digits of its key's fingerprint, as it names its key itself.
    pub fn key_id(&self) -> Option<String> {
        let packet = &self.0.signature;
        let id = packet.issuer_key_id().first().map(|id| hex(id.as_ref()).to_uppercase());
        id.or_else(|| {
            let fingerprint = format!("{:X}", packet.issuer_fingerprint().first()?);
            fingerprint.get(fingerprint.len().checked_sub(16)?..).map(str::to_owned)
        })
    }

    /// When it was made, in seconds since 1970.
    pub fn created(&self) -> Option<u32> {
        self.0.signature.created().map(Timestamp::as_secs)
    }

    /// When it ceases to count, in seconds since 1970, if ever.
    pub fn expires(&self) -> Option<u64> {
        let lifetime = self.0.signature.signature_expiration_time().map(Duration::as_secs);
        Some(u64::from(self.created()?) + u64::from(lifetime.filter(|seconds| *seconds != 0)?))
    }

    /// The algorithms of its key and its digest, for people.
    pub fn algorithms(&self) -> Option<String> {
        let config = self.0.signature.config()?;
        Some(format!("{:?} with {:?}", config.pub_alg, config.hash_alg))
    }

    /// Whether it was made with SHA-256 or a longer digest of its family.
    pub(super) fn has_strong_digest(&self) -> bool {
        matches!(
            self.0.signature.hash_alg(),
            Some(HashAlgorithm::Sha256 | HashAlgorithm::Sha384 | HashAlgorithm::Sha512)
        )
    }

    /// Why hosts would refuse it whoever made it: to follow "has a signature that".
    pub fn unfit(&self) -> Option<String> {
        let packet = &self.0.signature;
        let algorithm = packet.config().map(|config| config.pub_alg);
        if packet.version() != SignatureVersion::V4 {
            return Some("is not of version 4".into());
        }
        if !matches!(algorithm, Some(PublicKeyAlgorithm::RSA | PublicKeyAlgorithm::RSASign)) {
            return Some(match algorithm {
                Some(algorithm) => format!("is made with {algorithm:?}; hosts verify RSA only"),
                None => "is made in a way that no host knows".into(),
            });
        }
        if !self.has_strong_digest() {
            let digest = packet.hash_alg().map_or("an unknown digest".into(), |digest| format!("{digest:?}"));
            return Some(format!("is made with {digest}; newer hosts take SHA-256 or longer only"));
        }
        if packet.typ() != Some(SignatureType::Binary) {
            return Some("is not one over bytes".into());
        }
        match self.created() {
            Some(_) => None,
            None => Some("does not say when it was made".into()),
        }
    }

    /// Why hosts would not accept it over a message: to follow "a signature that". Without a key, only what every key's
    /// signature must be. `now` is in seconds since 1970.
    pub fn problem(&self, message: &[u8], key: Option<&Certificate>, now: u64) -> Option<String> {
        if let Some(unfit) = self.unfit() {
            return Some(unfit);
        }
        let created = self.created().unwrap_or(0);
        if u64::from(created) > now {
            return Some("is from the future, by this machine's clock".into());
        }
        if self.expires().is_some_and(|end| end <= now) {
            return Some("has expired".into());
        }
        let key = key?;
        if key.verifies(message, self) {
            return (created < key.created()).then(|| "is older than its key".into());
        }
        Some(match self.key_id() {
            Some(id) if id != key.key_id() => format!("is by the key {id}, not by {}", key.key_id()),
            _ => "does not verify: other bytes were signed, or by another key".into(),
        })
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
