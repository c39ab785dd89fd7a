//! RSA keys that sign certificates. Wiped from memory with the last value that holds them; no other copy is made of one,
//! which is why the signing library of TLS, which makes some, has no part in this.
//!
//! Must not know what is signed.

use getrandom::SysRng;
use rcgen::{PKCS_RSA_SHA256, PublicKeyData, SignatureAlgorithm, SigningKey};
use rsa::pkcs1::{EncodeRsaPrivateKey, EncodeRsaPublicKey, LineEnding};
use rsa::rand_core::{TryRng, UnwrapErr};
use rsa::{Pkcs1v15Sign, RsaPrivateKey, RsaPublicKey};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Bits of every key, as the original agent's had.
pub const KEY_BITS: KeyBits = KeyBits(4096);

/// How long a key is. Others than [`KEY_BITS`] are for tests: they are weaker, and quick to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyBits(pub usize);

/// What stands before a SHA-256 digest that is signed (RFC 8017, 9.2, note 1).
const DIGEST_INFO: [u8; 19] =
    [0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20];

/// Bytes of a SHA-256 digest.
const DIGEST_BYTES: usize = 32;

/// A private key, which wipes itself, and its public half.
pub(super) struct Key {
    private: RsaPrivateKey,
    /// PKCS #1, as it stands in certificates.
    public: Vec<u8>,
}

impl Key {
    /// A new one, which takes seconds.
    pub(super) fn generate(bits: KeyBits) -> Result<Self, rsa::Error> {
        let private = RsaPrivateKey::new(&mut random(), bits.0)?;
        let public = RsaPublicKey::from(&private).to_pkcs1_der().map_err(rsa::Error::Pkcs1)?.into_vec();
        Ok(Self { private, public })
    }

    /// In the form of PKCS #1, as the original agent kept keys.
    pub(super) fn pem(&self) -> Result<Zeroizing<String>, rsa::Error> {
        self.private.to_pkcs1_pem(LineEnding::LF).map_err(rsa::Error::Pkcs1)
    }

    /// A name for the public half (RFC 5280, 4.2.1.2, leaves the method open).
    pub(super) fn identifier(&self) -> Vec<u8> {
        const BYTES: usize = 20;
        Sha256::digest(&self.public)[..BYTES].to_vec()
    }
}

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_RSA_SHA256
    }
}

impl SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let padding = Pkcs1v15Sign { hash_len: Some(DIGEST_BYTES), prefix: DIGEST_INFO.into() };
        let digest = Sha256::digest(message);
        // With randomness the time that it takes tells nothing of the key.
        self.private.sign_with_rng(&mut random(), padding, &digest).map_err(|_| rcgen::Error::RemoteKeyError)
    }
}

/// The kernel's generator.
fn random() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

/// A serial number that nobody guesses or has (RFC 5280, 4.1.2.2: positive, at most 20 bytes).
pub(super) fn serial() -> Result<[u8; 16], getrandom::Error> {
    let mut serial = [0; 16];
    SysRng.try_fill_bytes(&mut serial)?;
    // Neither negative nor shorter than it looks.
    serial[0] = serial[0] & 0x7f | 0x40;
    Ok(serial)
}
