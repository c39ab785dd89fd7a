//! What a file with a key holds, also if hosts would not accept it.

use pgp::armor::BlockType;
use pgp::composed::{Deserializable, SignedPublicKey, SignedSecretKey};
use serde::Serialize;

use super::{Certificate, signature::block_type};
use crate::{Error, Result};

/// A key, as a file holds it.
#[derive(Debug, Clone, Serialize)]
pub struct KeyFacts {
    /// Whether the secret key is in the file, and if so whether a passphrase locks it.
    pub secret: Option<bool>,
    pub fingerprint: String,
    pub key_id: String,
    pub user_id: String,
    /// Algorithm, and bits.
    pub algorithm: String,
    /// Seconds since 1970.
    pub created: u32,
    /// Seconds since 1970; none if it does not expire.
    pub expires: Option<u64>,
    /// Why hosts would refuse it, and what to do about that.
    pub unfit: Option<String>,
    #[serde(skip)]
    certificate: Certificate,
}

impl KeyFacts {
    /// Reads one key in armor, public or secret; `name` is for messages, `now` is in seconds since 1970. A locked key need
    /// not be unlocked for it.
    ///
    /// # Errors
    /// [`Error`] of class `Key` if it is not exactly one key in armor.
    pub fn read(armored: &str, name: &str, now: u64) -> Result<KeyFacts> {
        let none = || Error::key(name, "is not one OpenPGP key in armor", "Give a file as `suppack key new` writes it");
        let (key, secret) = match block_type(armored) {
            Some(BlockType::PrivateKey) => {
                let key = only(SignedSecretKey::from_armor_many(armored.as_bytes())).ok_or_else(none)?;
                let locked = key.primary_key.secret_params().is_encrypted();
                (key.to_public_key(), Some(locked))
            }
            _ => (only(SignedPublicKey::from_armor_many(armored.as_bytes())).ok_or_else(none)?, None),
        };
        let certificate = Certificate::unchecked(key);
        Ok(KeyFacts {
            secret,
            fingerprint: certificate.fingerprint(),
            key_id: certificate.key_id(),
            user_id: certificate.user_id(),
            algorithm: certificate.algorithm(),
            created: certificate.created(),
            expires: certificate.expires(),
            unfit: certificate.unfit(now).map(|(problem, remedy)| format!("{problem}. {remedy}")),
            certificate,
        })
    }

    /// Its public half, if hosts accept it.
    ///
    /// # Errors
    /// [`Error`] of class `Key`.
    pub fn certificate(self, name: &str, now: u64) -> Result<Certificate> {
        match self.certificate.unfit(now) {
            None => Ok(self.certificate),
            Some((problem, remedy)) => Err(Error::key(name, problem, remedy)),
        }
    }
}

/// The one key of a file.
fn only<K, I, H>(read: pgp::errors::Result<(I, H)>) -> Option<K>
where
    I: Iterator<Item = pgp::errors::Result<K>>,
{
    // Two tell that it is not one.
    let keys: Vec<K> = read.ok()?.0.take(2).collect::<pgp::errors::Result<_>>().ok()?;
    <[K; 1]>::try_from(keys).ok().map(|[key]| key)
}
