//! The keys of SSH: a host's, as it is remembered, and the pool's; and the account it opens.

use std::fmt;
use std::sync::Arc;

use rsa::pkcs1::EncodeRsaPrivateKey;
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::{KeypairData, RsaKeypair};
use russh::keys::{Algorithm, HashAlg, PublicKey, PublicKeyBase64, decode_secret_key, parse_public_key_base64};
use zeroize::Zeroizing;

/// Bits of the pool's key, as the original agent made it.
const POOL_KEY_BITS: usize = 4096;

/// Characters of a remembered host key; RSA with 16384 bits has 2,800.
const MAX_HOST_KEY: usize = 8192;

/// The public key of an SSH server, in base64 as in `known_hosts` and in a VM's `xscontainer-sshhostkey`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostKey(String);

impl HostKey {
    /// `None` unless it is base64 of some length. A key of a kind that is not known is kept as it is: it fits no server.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
        let text = text.trim();
        (!text.is_empty() && text.len() <= MAX_HOST_KEY && text.bytes().all(is_base64)).then(|| Self(text.to_owned()))
    }

    pub(super) fn of(key: &PublicKey) -> Self {
        Self(key.public_key_base64())
    }

    /// As it is remembered.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As `ssh-keygen -l` prints it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        match parse_public_key_base64(&self.0) {
            Ok(key) => key.fingerprint(HashAlg::Sha256).to_string(),
            Err(_) => "a key that cannot be read".to_owned(),
        }
    }

    /// What kind of key it is, as `ssh-keygen -l` names kinds.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        match self.kind() {
            Some(Algorithm::Ed25519) => "ED25519",
            Some(Algorithm::Rsa { .. }) => "RSA",
            Some(Algorithm::Ecdsa { .. }) => "ECDSA",
            _ => "public",
        }
    }

    pub(super) fn kind(&self) -> Option<Algorithm> {
        parse_public_key_base64(&self.0).ok().map(|key| key.algorithm())
    }
}

/// The name of an account in a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserName(String);

impl UserName {
    /// `None` unless it is 1 to 64 printable ASCII characters without white space: what account names look like, those
    /// of directories (`DOMAIN\user`, `user@realm`) included.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        (fits && !text.starts_with('-')).then(|| Self(text.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is no usable private key. Never shows any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Neither OpenSSH's form nor PKCS #1 nor PKCS #8.
    #[error("it is not an SSH private key")]
    Unreadable,
    /// It needs a passphrase.
    #[error("it is protected by a passphrase")]
    Encrypted,
    /// Of another kind than the pool's keys are.
    #[error("it is not an RSA key")]
    NotRsa,
}

/// A private key, wiped from memory when nobody uses it any more.
#[derive(Clone)]
pub struct PrivateKey(Arc<russh::keys::PrivateKey>);

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(secret)")
    }
}

impl PrivateKey {
    /// Reads OpenSSH's form, PKCS #1 and PKCS #8, without a passphrase.
    ///
    /// # Errors
    /// [`KeyError`]
    pub fn parse(pem: &str) -> Result<Self, KeyError> {
        let key = decode_secret_key(pem, None).map_err(|error| match error {
            russh::keys::Error::KeyIsEncrypted => KeyError::Encrypted,
            _ => KeyError::Unreadable,
        })?;
        if key.is_encrypted() {
            return Err(KeyError::Encrypted);
        }
        match key.key_data() {
            KeypairData::Rsa(_) => Ok(Self(Arc::new(key))),
            _ => Err(KeyError::NotRsa),
        }
    }

    /// The public half, as in `authorized_keys`.
    #[must_use]
    pub fn public_line(&self, comment: &str) -> String {
        format!("ssh-rsa {} {comment}", self.0.public_key().public_key_base64())
    }

    /// What tells its public half from others, as `ssh-keygen -l` prints it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.0.public_key().fingerprint(HashAlg::Sha256).to_string()
    }

    pub(super) fn inner(&self) -> Arc<russh::keys::PrivateKey> {
        Arc::clone(&self.0)
    }
}

/// An administrator's own private key, of any kind that SSH knows.
#[derive(Clone)]
pub struct OwnKey(Arc<russh::keys::PrivateKey>);

impl fmt::Debug for OwnKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnKey(secret)")
    }
}

impl OwnKey {
    /// Reads what ssh-keygen writes.
    ///
    /// # Errors
    /// [`KeyError::Encrypted`] if it needs a passphrase and none is given, [`KeyError::Unreadable`] if it is no key or the
    /// passphrase is wrong.
    pub fn parse(pem: &str, passphrase: Option<&str>) -> Result<Self, KeyError> {
        let key = decode_secret_key(pem, passphrase).map_err(|error| match error {
            russh::keys::Error::KeyIsEncrypted => KeyError::Encrypted,
            _ => KeyError::Unreadable,
        })?;
        match key.is_encrypted() {
            true => Err(KeyError::Encrypted),
            false => Ok(Self(Arc::new(key))),
        }
    }

    pub(super) fn inner(&self) -> Arc<russh::keys::PrivateKey> {
        Arc::clone(&self.0)
    }
}

/// A new key for a pool: RSA, 4096 bits, in PKCS #1 PEM as the original agent kept it. Takes seconds, on another thread.
///
/// # Panics
/// If the arithmetic of RSA fails, which it does not.
pub async fn generate() -> (PrivateKey, Zeroizing<String>) {
    tokio::task::spawn_blocking(|| generate_blocking(POOL_KEY_BITS)).await.expect("making a key does not panic")
}

pub(crate) fn generate_blocking(bits: usize) -> (PrivateKey, Zeroizing<String>) {
    let mut random = russh::keys::key::safe_rng();
    let key = rsa::RsaPrivateKey::new(&mut random, bits).expect("a key of a usual size can be made");
    let pem = key.to_pkcs1_pem(LineEnding::LF).expect("every key has a PEM form");
    let pair = RsaKeypair::try_from(&key).expect("every key has SSH's form");
    (PrivateKey(Arc::new(russh::keys::PrivateKey::from(pair))), pem)
}
