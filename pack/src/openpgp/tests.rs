use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use pgp::composed::{Deserializable, SignedPublicKey};
use zeroize::Zeroizing;

use super::*;
use crate::{Class, Error};

/// 2026-01-01, two years after the test keys were made.
const NOW: u64 = 1_767_225_600;

fn key(name: &str) -> String {
    fs::read_to_string(format!("{}/testdata/keys/{name}.asc", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn load(name: &str) -> Result<SoftwareKey> {
    SoftwareKey::parse(&key(name), name, NOW, &mut || panic!("no passphrase is needed"))
}

fn refusal(name: &str) -> String {
    let error = load(name).err().expect("the key is unfit");
    assert_eq!(error.class(), Class::Key);
    error.to_string()
}

#[test]
fn a_signature_verifies_with_its_message_and_no_other() {
    let key = load("rsa4096").unwrap();
    let signature = key.sign(&[b"message"], 1_767_000_000).unwrap().remove(0);
    assert!(key.certificate().verifies(b"message", &signature));
    assert!(!key.certificate().verifies(b"massage", &signature));
    assert!(!load("encryption-subkey").unwrap().certificate().verifies(b"message", &signature));
}

#[test]
fn signing_twice_gives_the_same_bytes() {
    let key = load("rsa4096").unwrap();
    let sign = || key.sign(&[b"message"], 1_767_000_000).unwrap().remove(0).armored();
    assert_eq!(sign(), sign());
}

#[test]
fn signatures_are_read_back_bare_and_in_armor() {
    let signature = load("rsa4096").unwrap().sign(&[b"message"], 1_767_000_000).unwrap().remove(0);
    assert_eq!(Signature::parse(&signature.packet()).as_ref(), Some(&signature));
    assert_eq!(Signature::parse(signature.armored().as_bytes()), Some(signature));
    assert_eq!(Signature::parse(b"not a signature"), None);
}

#[test]
fn a_signature_is_never_older_than_its_key() {
    let certificate = load("rsa4096").unwrap().certificate().clone();
    assert_eq!(certificate.signature_time(0), certificate.created());
    assert_eq!(certificate.signature_time(1_767_000_000), 1_767_000_000);
}

#[test]
fn an_encryption_subkey_does_no_harm() {
    assert!(load("encryption-subkey").is_ok());
}

#[test]
fn what_others_say_of_a_key_is_left_out() {
    let key = load("certified-by-others").unwrap();
    let parsed = SignedPublicKey::from_string(&key.certificate().armored()).unwrap().0;
    assert_eq!(parsed.details.users[0].signatures.len(), 1);
    assert!(key.certificate().user_id().starts_with("certified-by-others"));
}

#[test]
fn keys_that_hosts_refuse_are_refused_with_the_reason() {
    for (name, reason) in [
        ("ed25519", "verify RSA only"),
        ("expired", "expired on 2024-01-31"),
        ("expired-revoked-user", "expired on 2024-01-31"),
        ("rsa1024", "has 1024 bits"),
        ("sha1-self-signature", "Sha1"),
        ("certify-only", "may not sign"),
        ("signing-subkey", "has a subkey for signing"),
        ("rsa4096-public", "is a public key"),
    ] {
        let text = refusal(name);
        assert!(text.contains(reason), "{name}: {text}");
    }
}

#[test]
fn a_key_from_the_future_is_refused() {
    let before_its_creation = 1_700_000_000;
    let error = SoftwareKey::parse(&key("rsa4096"), "key", before_its_creation, &mut || unreachable!()).err().unwrap();
    assert!(error.to_string().contains("made in the future"), "{error}");
}

#[test]
fn text_that_is_no_key_is_refused() {
    for text in
        ["", "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nAAAA\n-----END PGP PRIVATE KEY BLOCK-----\n", "\u{1f511}"]
    {
        let error = SoftwareKey::parse(text, "key", NOW, &mut || unreachable!()).err().unwrap();
        assert_eq!(error.class(), Class::Key, "{error}");
        assert_eq!(error.to_string().lines().count(), 1, "{error}");
    }
}

#[test]
fn a_locked_key_opens_with_its_passphrase_only() {
    let open = |passphrase: &str| {
        SoftwareKey::parse(&key("rsa2048-locked"), "key", NOW, &mut || Ok(Zeroizing::new(passphrase.to_owned())))
    };
    assert!(open("correct horse").unwrap().sign(&[b"message"], 1_767_000_000).is_ok());
    let error = open("wrong horse").err().unwrap().to_string();
    assert!(error.contains("cannot be unlocked with this passphrase"), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
}

#[test]
fn the_reason_why_there_is_no_passphrase_is_told() {
    let error =
        SoftwareKey::parse(&key("rsa2048-locked"), "key", NOW, &mut || Err(Error::key("key", "no terminal", "x")));
    assert!(error.err().unwrap().to_string().contains("no terminal"));
}

#[test]
fn the_development_key_is_made_once_and_for_its_user_only() {
    let folder = tempfile::tempdir().unwrap();
    let mut made = 0;
    let mut load = || development_key(folder.path(), NOW, &mut |_| made += 1).unwrap().certificate().clone();
    let (first, second) = (load(), load());
    assert_eq!(first.fingerprint(), second.fingerprint());
    assert_eq!(made, 1);
    assert_eq!(u64::from(first.created()), NOW - 2 * 86_400);
    assert_eq!(first.expires(), None);
    let path = folder.path().join("development-key.asc");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);

    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let error = development_key(folder.path(), NOW, &mut |_| ()).err().unwrap().to_string();
    assert!(error.contains("chmod 600"), "{error}");
}
