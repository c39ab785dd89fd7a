//! RSA signatures by `ring`, several times as fast as by `pgp`: a pack has one for each of its packages.
//!
//! PKCS #1 v1.5 is deterministic (RFC 8017, 8.2), so both make the same bytes.

use pgp::packet::{SecretKey, Signature, SignatureConfig};
use pgp::ser::Serialize;
use pgp::types::{KeyDetails, Mpi, PlainSecretParams, PublicParams, SecretParams, SignatureBytes};
use ring::rand::SystemRandom;
use ring::rsa::{KeyPair, KeyPairComponents, PublicKeyComponents};
use ring::signature::RSA_PKCS1_SHA256;
use rsa::BigUint;
use rsa::traits::PublicKeyParts;
use sha2::{Digest, Sha256};

/// The key for `ring`, if it is an unlocked RSA key of a size that `ring` takes.
pub(super) fn key(secret: &SecretKey) -> Option<KeyPair> {
    let (SecretParams::Plain(PlainSecretParams::RSA(private)), PublicParams::RSA(public)) =
        (secret.secret_params(), secret.public_params())
    else {
        return None;
    };
    let (n, e) = (public.key.n().to_bytes_be(), public.key.e().to_bytes_be());
    let (d, p, q, u) = private.to_bytes();
    let number = BigUint::from_bytes_be;
    let exponent = |prime: &[u8]| (number(&d) % (number(prime) - 1_u8)).to_bytes_be();
    let (dp, dq) = (exponent(&p), exponent(&q));
    // OpenPGP states the inverse of its first prime (RFC 9580, 5.5.5.1), PKCS #1 that of its second: so they change places.
    let components = KeyPairComponents {
        public_key: PublicKeyComponents { n: n.as_slice(), e: e.as_slice() },
        d: d.as_slice(),
        p: q.as_slice(),
        q: p.as_slice(),
        dP: dq.as_slice(),
        dQ: dp.as_slice(),
        qInv: u.as_slice(),
    };
    KeyPair::from_components(&components).ok()
}

/// A version 4 signature with SHA-256 over a message (RFC 9580, 5.2.4). `None` if it cannot be made this way.
pub(super) fn sign(key: &KeyPair, config: &SignatureConfig, message: &[u8]) -> Option<Signature> {
    let mut subpackets = Vec::new();
    for packet in &config.hashed_subpackets {
        packet.to_writer(&mut subpackets).ok()?;
    }
    let mut hashed = vec![config.version().into(), config.typ.into(), config.pub_alg.into(), config.hash_alg.into()];
    hashed.extend(u16::try_from(subpackets.len()).ok()?.to_be_bytes());
    hashed.extend(subpackets);
    let trailer = config.trailer(hashed.len()).ok()?;
    let signed = [message, &hashed, &trailer].concat();
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), &signed, &mut signature).ok()?;
    let digest = Sha256::digest(&signed);
    let bytes = SignatureBytes::Mpis(vec![Mpi::from_slice(&signature)]);
    Signature::from_config(config.clone(), [digest[0], digest[1]], bytes).ok()
}
