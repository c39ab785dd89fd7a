//! A public key, and whether the hosts' tools accept it.

use pgp::composed::{ArmorOptions, Deserializable, SignedPublicKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet;
use pgp::ser::Serialize;
use pgp::types::{Duration, KeyDetails, KeyVersion, PublicParams, SignedUser, Tag};

use super::Signature;
use crate::digest::hex;
use crate::{Error, Result};

/// What rpm 4.11.3 and gpg 2.0.22 were seen to accept.
const RSA_BITS: std::ops::RangeInclusive<u16> = 2048..=4096;

/// A public key that is fit for packs.
#[derive(Debug, Clone)]
pub struct Certificate(SignedPublicKey);

impl Certificate {
    /// Reads one public key in armor and holds it to the hosts' rules; `name` is for messages, `now` is in seconds
    /// since 1970.
    ///
    /// # Errors
    /// [`Error`] of class `Key` if it is not exactly one key, or one that a host would refuse.
    pub fn parse(armored: &str, name: &str, now: u64) -> Result<Certificate> {
        // gpg imports every block of a file, not just the first.
        let blocks = armored.matches("-----BEGIN PGP PUBLIC KEY BLOCK-----").count();
        if blocks > 1 {
            return Err(Error::key(
                name,
                format!("has {blocks} blocks of keys"),
                "Export one key by its full fingerprint",
            ));
        }
        let keys = SignedPublicKey::from_armor_many(armored.as_bytes())
            .and_then(|(keys, _)| keys.collect::<pgp::errors::Result<Vec<_>>>())
            .map_err(|_| {
                Error::key(name, "is not an armored OpenPGP public key", "Export it with `gpg --armor --export`")
            })?;
        let [key] = <[SignedPublicKey; 1]>::try_from(keys).map_err(|keys| {
            Error::key(name, format!("stands for {} keys", keys.len()), "Name one key by its full fingerprint")
        })?;
        Certificate::new(key, name, now)
    }

    pub(super) fn new(key: SignedPublicKey, name: &str, now: u64) -> Result<Certificate> {
        let certificate = Certificate::unchecked(key);
        match certificate.unfit(now) {
            None => Ok(certificate),
            Some((problem, remedy)) => Err(Error::key(name, problem, remedy)),
        }
    }

    /// A key that hosts may refuse.
    pub(super) fn unchecked(mut key: SignedPublicKey) -> Certificate {
        keep_own_certifications(&mut key);
        Certificate(key)
    }

    /// What kind of key it is: algorithm, and bits where they are known.
    pub(super) fn algorithm(&self) -> String {
        let algorithm = self.0.primary_key.algorithm();
        match rsa_bits(self.0.primary_key.public_params()) {
            Some(bits) => format!("RSA, {bits} bits"),
            None => format!("{algorithm:?}"),
        }
    }

    /// Why hosts would refuse it, and what to do.
    pub(super) fn unfit(&self, now: u64) -> Option<(String, &'static str)> {
        const NEW_KEY: &str = "Use an RSA key of 2048 to 4096 bits whose primary key signs: gpg --quick-generate-key 'NAME' rsa4096 sign never";
        let key = &self.0;
        if key.primary_key.version() != KeyVersion::V4 {
            return Some(("is not a version 4 key, which is all that the hosts' gpg 2.0 knows".into(), NEW_KEY));
        }
        let Some(bits) = rsa_bits(key.primary_key.public_params()) else {
            let algorithm = key.primary_key.algorithm();
            return Some((format!("is a {algorithm:?} key; the hosts' gpg 2.0 and rpm 4.11 verify RSA only"), NEW_KEY));
        };
        if !RSA_BITS.contains(&bits) {
            return Some((format!("has {bits} bits; hosts were seen to take 2048 to 4096"), NEW_KEY));
        }
        if !key.details.revocation_signatures.is_empty() {
            return Some(("is revoked".into(), "Use another key"));
        }
        if key.public_subkeys.iter().any(|subkey| subkey.verify_bindings(&key.primary_key).is_err()) {
            return Some(("has a subkey that does not belong to it".into(), "Export it again"));
        }
        let Some(own) = self.self_signature() else {
            return Some((
                "has no user ID that it certifies and has not revoked".into(),
                "Export it again, with its user IDs",
            ));
        };
        if !matches!(
            own.hash_alg(),
            Some(HashAlgorithm::Sha256 | HashAlgorithm::Sha384 | HashAlgorithm::Sha512 | HashAlgorithm::Sha224)
        ) {
            return Some((
                format!(
                    "has a self-signature with {:?}, which newer hosts refuse",
                    own.hash_alg().unwrap_or(HashAlgorithm::None)
                ),
                "Renew it: gpg --cert-digest-algo SHA256 --quick-set-expire FINGERPRINT never",
            ));
        }
        if has_flags(own) && !own.key_flags().sign() {
            return Some(("may not sign: its primary key only certifies".into(), NEW_KEY));
        }
        if key.public_subkeys.iter().any(|subkey| subkey.signatures.iter().any(|s| s.key_flags().sign())) {
            return Some((
                "has a subkey for signing; rpm 4.11 of the hosts verifies only what the primary key signed".into(),
                NEW_KEY,
            ));
        }
        if u64::from(self.created()) > now {
            return Some(("was made in the future, by this machine's clock".into(), "Correct the clock"));
        }
        if let Some(end) = self.expires().filter(|end| *end <= now) {
            let day = chrono::DateTime::from_timestamp(i64::try_from(end).unwrap_or(0), 0).unwrap_or_default();
            return Some((
                format!("expired on {}; hosts refuse what it signs", day.format("%Y-%m-%d")),
                "Extend it with `gpg --quick-set-expire FINGERPRINT never` and export it again, or use another key",
            ));
        }
        None
    }

    /// The user ID that stands for the key, the primary one if there is one, and its newest certification, which states
    /// flags and expiry. Revoked user IDs do not count.
    fn identity(&self) -> Option<(&SignedUser, &packet::Signature)> {
        let valid = self.0.details.users.iter().filter_map(|user| {
            let newest = user.signatures.iter().max_by_key(|signature| signature.created())?;
            is_certification(newest).then_some((user, newest))
        });
        valid.max_by_key(|(_, signature)| (signature.is_primary(), signature.created()))
    }

    fn self_signature(&self) -> Option<&packet::Signature> {
        self.identity().map(|(_, signature)| signature)
    }

    /// The fingerprint, as 40 upper-case hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        format!("{:X}", self.0.primary_key.fingerprint())
    }

    /// The user ID that stands for the key.
    pub fn user_id(&self) -> String {
        self.identity().map_or_else(String::new, |(user, _)| user.id.as_str().unwrap_or_default().to_owned())
    }

    /// When the key was made, in seconds since 1970.
    pub fn created(&self) -> u32 {
        self.0.primary_key.created_at().as_secs()
    }

    /// When the key expires, in seconds since 1970, if it does: by its user ID or by a signature on the key itself.
    pub fn expires(&self) -> Option<u64> {
        let statements = self.self_signature().into_iter().chain(&self.0.details.direct_signatures);
        let lifetimes = statements.filter_map(packet::Signature::key_expiration_time).map(Duration::as_secs);
        let lifetime = lifetimes.filter(|seconds| *seconds != 0).min()?;
        Some(u64::from(self.created()) + u64::from(lifetime))
    }

    /// The time to put on signatures of something that is as old as `epoch`: gpg and rpm refuse a signature that is
    /// older than its key.
    pub fn signature_time(&self, epoch: u32) -> u32 {
        epoch.max(self.created())
    }

    /// The key in armor, alone: what hosts import.
    pub fn armored(&self) -> String {
        self.0.to_armored_string(ArmorOptions::default()).expect("a key that exists can be written to memory")
    }

    /// The commands that make a host trust the key, run where its file lies: first the host's own tool, then the same by
    /// hand. XAPI wants the key in its own keyring with ultimate trust, yum wants it in `/etc/pki/rpm-gpg`.
    pub fn trust_commands(&self, key_file: &str) -> [Vec<String>; 2] {
        let gpg = "gpg --homedir /opt/xensource/gpg --batch";
        let by_tool = vec![format!("/opt/xensource/debug/import-update-key {key_file}")];
        let by_hand = vec![
            format!("cp {key_file} /etc/pki/rpm-gpg/{key_file}"),
            format!("{gpg} --import {key_file}"),
            format!("echo {}:6: | {gpg} --import-ownertrust", self.fingerprint()),
        ];
        [by_tool, by_hand]
    }

    /// Whether the primary key made this signature over these bytes, with SHA-256 or a longer digest of its family.
    pub fn verifies(&self, message: &[u8], signature: &Signature) -> bool {
        signature.has_strong_digest() && signature.0.verify(&self.0.primary_key, message).is_ok()
    }

    /// The last 16 digits of the fingerprint, by which signatures name their key.
    pub fn key_id(&self) -> String {
        hex(self.0.primary_key.legacy_key_id().as_ref()).to_uppercase()
    }
}

/// Drops what others say of the key, which hosts have no use for and which this key cannot vouch for.
fn keep_own_certifications(key: &mut SignedPublicKey) {
    let primary = &key.primary_key;
    for user in &mut key.details.users {
        let id = &user.id;
        user.signatures.retain(|signature| signature.verify_certification(primary, Tag::UserId, id).is_ok());
    }
    key.details.users.retain(|user| !user.signatures.is_empty());
    key.details.direct_signatures.retain(|signature| signature.verify_key(primary).is_ok());
    key.details.user_attributes.clear();
}

fn is_certification(signature: &packet::Signature) -> bool {
    use packet::SignatureType::{CertCasual, CertGeneric, CertPersona, CertPositive};
    matches!(signature.typ(), Some(CertGeneric | CertPersona | CertCasual | CertPositive))
}

/// The length of an RSA modulus: the bit count that its encoding begins with.
fn rsa_bits(params: &PublicParams) -> Option<u16> {
    let PublicParams::RSA(rsa) = params else { return None };
    let bytes = rsa.to_bytes().ok()?;
    Some(u16::from_be_bytes(bytes.first_chunk().copied()?))
}

fn has_flags(signature: &packet::Signature) -> bool {
    signature.config().is_some_and(|config| {
        config.hashed_subpackets().any(|packet| matches!(packet.data, pgp::packet::SubpacketData::KeyFlags(_)))
    })
}
