//! A secret key in this process's memory.

use pgp::armor::BlockType;
use pgp::composed::{Deserializable, DetachedSignature, SignedSecretKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{SecretKey, SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::types::{KeyDetails, Password, Timestamp};
use ring::rsa::KeyPair;
use zeroize::Zeroizing;

use super::{Certificate, Signature, Signer, fast, signature::block_type};
use crate::{Error, Result, digest};

/// Where a passphrase comes from; called only if the key is locked.
pub type Passphrase<'a> = &'a mut dyn FnMut() -> Result<Zeroizing<String>>;

/// A secret key, unlocked.
pub struct SoftwareKey {
    secret: SecretKey,
    /// The same for `ring`, where that takes it.
    fast: Option<KeyPair>,
    certificate: Certificate,
}

impl SoftwareKey {
    /// Reads one secret key in armor; `name` is for messages, `now` is in seconds since 1970.
    ///
    /// # Errors
    /// [`Error`] of class `Key` if it is not exactly one secret key, if the passphrase is wrong, or if hosts would refuse it.
    pub fn parse(armored: &str, name: &str, now: u64, passphrase: Passphrase<'_>) -> Result<SoftwareKey> {
        const EXPORT: &str = "Export it with `gpg --armor --export-secret-keys FINGERPRINT`";
        if block_type(armored) == Some(BlockType::PublicKey) {
            return Err(Error::key(name, "is a public key, which cannot sign", EXPORT));
        }
        let keys = SignedSecretKey::from_armor_many(armored.as_bytes())
            .and_then(|(keys, _)| keys.collect::<pgp::errors::Result<Vec<_>>>())
            .map_err(|_| Error::key(name, "is not an armored OpenPGP secret key", EXPORT))?;
        let [mut key] = <[SignedSecretKey; 1]>::try_from(keys)
            .map_err(|keys| Error::key(name, format!("holds {} keys", keys.len()), EXPORT))?;
        let certificate = Certificate::new(key.to_public_key(), name, now)?;
        if key.primary_key.secret_params().is_encrypted() {
            let passphrase = passphrase()?;
            key.primary_key.remove_password(&Password::from(passphrase.as_str())).map_err(|_| {
                Error::key(
                    name,
                    "cannot be unlocked with this passphrase",
                    "Give the right one, and a key file that holds the primary secret key itself",
                )
            })?;
        }
        Ok(SoftwareKey { fast: fast::key(&key.primary_key), secret: key.primary_key, certificate })
    }

    fn sign_one(&self, message: &[u8], time: u32) -> Result<Signature> {
        let failed = |e: pgp::errors::Error| {
            Error::key(
                self.certificate.fingerprint(),
                format!("cannot sign: {}", first_line(&e)),
                "Check that the key file is whole",
            )
        };
        let mut config = SignatureConfig::v4(SignatureType::Binary, self.secret.algorithm(), HashAlgorithm::Sha256);
        // In gpg's order: the same key gives the same bytes through gpg.
        config.hashed_subpackets = vec![
            Subpacket::regular(SubpacketData::IssuerFingerprint(self.secret.fingerprint())).map_err(failed)?,
            Subpacket::regular(SubpacketData::SignatureCreationTime(Timestamp::from_secs(time))).map_err(failed)?,
        ];
        // gpg 2.0 and rpm 4.11 find the key by this one only.
        config.unhashed_subpackets =
            vec![Subpacket::regular(SubpacketData::IssuerKeyId(self.secret.legacy_key_id())).map_err(failed)?];
        let fast = self.fast.as_ref().and_then(|key| fast::sign(key, &config, message));
        let signature = match fast {
            Some(signature) => signature,
            None => config.sign(&self.secret, &Password::empty(), message).map_err(failed)?,
        };
        Ok(Signature(DetachedSignature::new(signature)))
    }
}

impl Signer for SoftwareKey {
    fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    fn sign(&self, messages: &[&[u8]], time: u32) -> Result<Vec<Signature>> {
        // An RSA-4096 signature takes milliseconds: make them side by side.
        digest::in_parallel(messages, |message| self.sign_one(message, time)).into_iter().collect()
    }
}

/// Errors of the crate may carry a backtrace of many lines.
fn first_line(error: &pgp::errors::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_signing_make_the_same_bytes() {
        let armored = include_str!("../../testdata/keys/rsa4096.asc");
        let mut key = SoftwareKey::parse(armored, "rsa4096", 1_800_000_000, &mut || panic!("no passphrase")).unwrap();
        assert!(key.fast.is_some());
        let by_ring = key.sign(&[b"message"], 1_800_000_000).unwrap();
        key.fast = None;
        assert_eq!(by_ring, key.sign(&[b"message"], 1_800_000_000).unwrap());
        assert!(key.certificate.verifies(b"message", &by_ring[0]));
    }
}
