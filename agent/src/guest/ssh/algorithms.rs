//! Which algorithms are offered, the old ones last, and how a dead link is noticed.
//!
//! OpenSSH 6.6 to 9.x were looked at; their release notes tell when algorithms came and went.

use std::borrow::Cow;
use std::sync::Arc;

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

/// For a server whose key is known or not.
pub(super) fn configuration(known: Option<&HostKey>) -> Arc<Config> {
    let defaults = Preferred::DEFAULT;
    let mut key: Vec<Algorithm> = defaults.key.to_vec();
    // The kind of key that is known comes first: a server has several, and would show another of them. Stable, so that
    // the rest keeps its order.
    if let Some(known) = known.and_then(HostKey::kind) {
        key.sort_by_key(|algorithm| !is_same_kind(algorithm, &known));
    }
    let preferred = Preferred {
        kex: Cow::Owned([&defaults.kex, &[kex::DH_G14_SHA1, kex::DH_GEX_SHA1][..]].concat()),
        mac: Cow::Owned([&defaults.mac, &[mac::HMAC_SHA1_ETM, mac::HMAC_SHA1][..]].concat()),
        key: Cow::Owned(key),
        ..defaults
    };
    Arc::new(Config {
        preferred,
        window_size: WINDOW_BYTES,
        maximum_packet_size: PACKET_BYTES,
        channel_buffer_size: CHANNEL_MESSAGES,
        // One question after the interval; dead if it is not answered within another.
        keepalive_interval: Some(KEEP_ALIVE_AFTER),
        keepalive_max: 1,
        nodelay: true,
        ..Config::default()
    })
}

fn is_same_kind(one: &Algorithm, other: &Algorithm) -> bool {
    matches!((one, other), (Algorithm::Rsa { .. }, Algorithm::Rsa { .. })) || one == other
}

/// The hashes to sign with by an RSA key, in the order to try them, for a server that named its best one or none.
pub(super) fn signatures(named: Option<Option<HashAlg>>) -> Vec<Option<HashAlg>> {
    match named {
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
}
