//! Which algorithms are offered, the old ones last, and how a dead link is noticed.
//!
//! OpenSSH 6.6 to 9.x were looked at; their release notes tell when algorithms came and went.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use russh::client::Config;
use russh::keys::{Algorithm, HashAlg};
use russh::{Preferred, kex, mac};

use super::WINDOW_BYTES;
use super::keys::HostKey;
use crate::guest::KEEP_ALIVE_AFTER;

/// Bytes of one packet from the server: every connection keeps a buffer for the longest that it saw. An answer of several
/// packets comes later than one of the same length in one, so a usual list of containers must fit in.
const PACKET_BYTES: u32 = 12 * 1024;

/// Buffered messages of one stream.
const CHANNEL_MESSAGES: usize = 16;

/// One switch for the whole program, so that no way in can forget it.
static SHA1: AtomicBool = AtomicBool::new(true);

/// Whether SHA-1 is offered to servers that have nothing better; it is unless this says otherwise. Holds for the whole
/// program, from the next connection on.
pub fn allow_sha1(allowed: bool) {
    SHA1.store(allowed, Ordering::Relaxed);
}

fn is_sha1_allowed() -> bool {
    SHA1.load(Ordering::Relaxed)
}

/// For a server whose key is known or not.
pub(super) fn configuration(known: Option<&HostKey>) -> Arc<Config> {
    Arc::new(configured(known, is_sha1_allowed()))
}

fn configured(known: Option<&HostKey>, sha1: bool) -> Config {
    let defaults = Preferred::DEFAULT;
    let mut key: Vec<Algorithm> = defaults.key.to_vec();
    // The kind of key that is known comes first: a server has several, and would show another of them. Stable, so that
    // the rest keeps its order.
    if let Some(known) = known.and_then(HostKey::kind) {
        key.sort_by_key(|algorithm| !is_same_kind(algorithm, &known));
    }
    let (old_kex, old_mac): (&[kex::Name], &[mac::Name]) = match sha1 {
        true => (&[kex::DH_G14_SHA1, kex::DH_GEX_SHA1], &[mac::HMAC_SHA1_ETM, mac::HMAC_SHA1]),
        false => (&[], &[]),
    };
    key.retain(|algorithm| sha1 || !matches!(algorithm, Algorithm::Rsa { hash: None }));
    let preferred = Preferred {
        kex: Cow::Owned([&defaults.kex, old_kex].concat()),
        mac: Cow::Owned([&defaults.mac, old_mac].concat()),
        key: Cow::Owned(key),
        ..defaults
    };
    Config {
        preferred,
        window_size: WINDOW_BYTES,
        maximum_packet_size: PACKET_BYTES,
        channel_buffer_size: CHANNEL_MESSAGES,
        // One question after the interval; dead if it is not answered within another.
        keepalive_interval: Some(KEEP_ALIVE_AFTER),
        keepalive_max: 1,
        nodelay: true,
        ..Config::default()
    }
}

fn is_same_kind(one: &Algorithm, other: &Algorithm) -> bool {
    matches!((one, other), (Algorithm::Rsa { .. }, Algorithm::Rsa { .. })) || one == other
}

/// The hashes to sign with by an RSA key, in the order to try them, for a server that named its best one or none. At least
/// one; none stands for SHA-1.
pub(super) fn signatures(named: Option<Option<HashAlg>>) -> Vec<Option<HashAlg>> {
    signed(named, is_sha1_allowed())
}

fn signed(named: Option<Option<HashAlg>>, sha1: bool) -> Vec<Option<HashAlg>> {
    match named {
        _ if !sha1 => vec![Some(named.flatten().unwrap_or(HashAlg::Sha256))],
        // Servers configured for ssh-rsa alone still name the newer ones.
        Some(Some(best)) => vec![Some(best), None],
        Some(None) => vec![None],
        None => vec![None, Some(HashAlg::Sha256)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_key_that_is_known_comes_first() {
        let known = HostKey::parse(
            "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBKWNUqhW7rxrnBpZbFjNPGVGTaAA1AuJrkFVyAfpDHwWz8RHXxjkwQkWwCPlJpFLZ7nMw8HAOLdcSbdzzTVi6uI=",
        )
        .unwrap();
        let first = configuration(Some(&known)).preferred.key[0].clone();
        assert_eq!(first.as_str(), "ecdsa-sha2-nistp256");
        assert_eq!(configuration(None).preferred.key[0], Algorithm::Ed25519);
    }

    #[test]
    fn what_is_broken_is_only_offered_last() {
        let preferred = configuration(None).preferred.clone();
        let place = |name: kex::Name| preferred.kex.iter().position(|kex| *kex == name).unwrap();
        assert!(place(kex::CURVE25519) < place(kex::DH_G14_SHA1));
        assert_eq!(preferred.mac.last(), Some(&mac::HMAC_SHA1));
    }

    #[test]
    fn without_sha1_nothing_of_it_is_offered_and_something_is_left_to_sign_with() {
        let preferred = configured(None, false).preferred;
        let shown = format!("{preferred:?}").to_ascii_lowercase();
        assert!(!shown.contains("sha1") && !shown.contains("hash: none"), "{shown}");
        for named in [None, Some(None), Some(Some(HashAlg::Sha512))] {
            let signed = signed(named, false);
            assert!(!signed.is_empty() && !signed.contains(&None), "{named:?}: {signed:?}");
        }
        assert!(format!("{:?}", configured(None, true).preferred).to_ascii_lowercase().contains("sha1"));
    }
}
