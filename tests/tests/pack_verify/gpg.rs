//! What gpg would refuse, with XAPI's keyring.

use std::fs;

use lab::foreign::{Recipe, public_key, sign_file};

use super::change::{bytes, in_file};
use super::{Case, Trial, case};

/// What hosts expect.
const DETACHED: [&str; 2] = ["--armor", "--detach-sign"];

#[rustfmt::skip]
pub(crate) const CASES: &[Case] = &[
    case("gpg-key", "key has a subkey that signs", |t| sign_all(t, "signing-subkey")),
    case("gpg-key", "key has 1024 bits", |t| sign_all(t, "rsa1024")),
    case("gpg-key", "key certifies itself with SHA-1", |t| sign_all(t, "sha1-self-signature")),
    case("gpg-key", "given key is none", |t| t.key = Some(Err(b"a key\n".to_vec()))),
    case("gpg-key", "given key is empty", |t| t.key = Some(Err(Vec::new()))),
    case("gpg-key", "given keys are two", |t| t.key = Some(Err([public_key("rsa4096").as_slice(), public_key("encryption-subkey").as_slice()].concat()))),
    case("gpg-key", "given key has expired", |t| t.key = Some(Ok("expired".into()))),
    case("gpg-update-xml", "update.xml was changed after it was signed", |t| t.recipe.when_staged(|tree| in_file(&tree.join("update.xml"), "goodbye", "good-bye"))),
    case("gpg-update-xml", "update.xml got a line after it was signed", |t| t.recipe.when_staged(|tree| bytes(&tree.join("update.xml"), |b| b.push(b'\n')))),
    case("gpg-update-xml", "update.xml is signed by another key", |t| signs(&mut t.recipe, "update.xml", "encryption-subkey", &DETACHED)),
    case("gpg-update-xml", "update.xml is signed with Ed25519", |t| signs(&mut t.recipe, "update.xml", "ed25519", &DETACHED)),
    case("gpg-update-xml", "update.xml has a bare signature", |t| signs(&mut t.recipe, "update.xml", "rsa4096", &["--detach-sign"])),
    case("gpg-update-xml", "update.xml is signed in itself", |t| signs(&mut t.recipe, "update.xml", "rsa4096", &["--armor", "--sign"])),
    case("gpg-update-xml", "update.xml is signed in clear text", |t| signs(&mut t.recipe, "update.xml", "rsa4096", &["--clear-sign"])),
    case("gpg-update-xml", "update.xml is signed as text", |t| signs(&mut t.recipe, "update.xml", "rsa4096", &["--armor", "--textmode", "--detach-sign"])),
    case("gpg-update-xml", "update.xml is signed with SHA-1", |t| signs(&mut t.recipe, "update.xml", "rsa4096", &["--armor", "--digest-algo", "SHA1", "--detach-sign"])),
    case("gpg-update-xml", "update.xml is signed in the future", |t| signs(&mut t.recipe, "update.xml", "rsa4096", &["--armor", "--faked-system-time", "20260101T000000", "--detach-sign"])),
    case("gpg-update-xml", "signature of update.xml has expired", |t| signs(&mut t.recipe, "update.xml", "rsa4096", &["--armor", "--faked-system-time", "20240601T000000", "--default-sig-expire", "1d", "--detach-sign"])),
    case("gpg-update-xml", "signature of update.xml is twofold", |t| t.recipe.when_staged(|tree| bytes(&tree.join("update.xml.asc"), |b| b.extend_from_within(..)))),
    case("gpg-update-xml", "signature of update.xml is that of repomd.xml", |t| t.recipe.when_staged(|tree| _ = fs::copy(tree.join("repodata/repomd.xml.asc"), tree.join("update.xml.asc")).unwrap())),
    case("gpg-update-xml", "signature of update.xml is damaged", |t| t.recipe.when_staged(|tree| bytes(&tree.join("update.xml.asc"), |b| b[300] = if b[300] == b'A' { b'B' } else { b'A' }))),
    case("gpg-update-xml", "signature of update.xml is empty", |t| t.recipe.when_staged(|tree| bytes(&tree.join("update.xml.asc"), Vec::clear))),
    case("gpg-update-xml", "signature of update.xml is a key", |t| t.recipe.when_staged(|tree| bytes(&tree.join("update.xml.asc"), |b| *b = public_key("rsa4096").to_vec()))),
    case("gpg-repomd", "repomd.xml was changed after it was signed", |t| t.recipe.when_staged(|tree| in_file(&tree.join("repodata/repomd.xml"), "<revision>", "<revision>1"))),
    case("gpg-repomd", "repomd.xml lists other bytes than were signed", |t| t.recipe.when_staged(|tree| in_file(&tree.join("repodata/repomd.xml"), "<size>", "<size>1"))),
    case("gpg-repomd", "repomd.xml is signed by another key", |t| signs(&mut t.recipe, "repodata/repomd.xml", "encryption-subkey", &DETACHED)),
    case("gpg-repomd", "repomd.xml is signed with SHA-1", |t| signs(&mut t.recipe, "repodata/repomd.xml", "rsa4096", &["--armor", "--digest-algo", "SHA1", "--detach-sign"])),
    case("gpg-repomd", "repomd.xml has a bare signature", |t| signs(&mut t.recipe, "repodata/repomd.xml", "rsa4096", &["--detach-sign"])),
    case("gpg-key-file", "public key is not beside the image", |t| t.recipe.when_imaged(|image| fs::remove_file(beside(image)).unwrap())),
    case("gpg-key-file", "public key beside the image is another", |t| t.recipe.when_imaged(|image| fs::write(beside(image), public_key("encryption-subkey").as_slice()).unwrap())),
    case("gpg-key-file", "public key beside the image has another name", |t| t.recipe.when_imaged(|image| fs::rename(beside(image), image.with_file_name("key.asc")).unwrap())),
    case("gpg-key-file", "public key beside the image is a folder", |t| t.recipe.when_imaged(|image| {
        let key = beside(image);
        fs::remove_file(&key).unwrap();
        fs::create_dir(key).unwrap();
    })),
];

/// Everything by another key, which is given as well.
fn sign_all(trial: &mut Trial, signer: &str) {
    trial.recipe.signer = signer.into();
    trial.key = Some(Ok(signer.into()));
    trial.recipe.packages.iter_mut().for_each(|package| package.signer = Some(signer.into()));
}

/// One document in another way.
fn signs(recipe: &mut Recipe, document: &'static str, signer: &'static str, options: &'static [&str]) {
    recipe.when_staged(move |tree| sign_file(signer, &tree.join(document), options));
}

fn beside(image: &std::path::Path) -> std::path::PathBuf {
    let folder = fs::read_dir(image.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let mut keys = folder.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("RPM-GPG-KEY"));
    keys.next().expect("the key lies there")
}

#[test]
fn sha_512_and_a_key_that_others_certified_are_accepted() {
    let mut trial = Trial::general();
    sign_all(&mut trial, "certified-by-others");
    let strong = ["--armor", "--digest-algo", "SHA512", "--detach-sign"];
    trial.recipe.when_staged(move |tree| sign_file("certified-by-others", &tree.join("update.xml"), &strong));
    assert_eq!(super::surprises(&[], &trial.verify()), [] as [&str; 0]);
}

#[test]
fn without_a_key_nothing_is_taken_for_signed() {
    let mut trial = Trial::general();
    trial.key = None;
    let verification = trial.verify();
    assert_eq!(verification.failed().count(), 0);
    let not_checked: Vec<&str> = verification.not_checked().map(|verdict| verdict.check.id).collect();
    for id in ["gpg-key", "gpg-update-xml", "gpg-repomd", "rpm-signed"] {
        assert!(not_checked.contains(&id), "{id} passed: {not_checked:?}");
    }
}
