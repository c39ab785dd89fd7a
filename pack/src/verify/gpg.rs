//! gpg 2.0.22 with XAPI's keyring: keys and detached signatures.

use super::subject::{REPOMD, REPOMD_SIGNATURE, Subject, UPDATE, UPDATE_SIGNATURE, parse_key};
use super::{Found, Obstacle, Rule, ShippedKey, xapi};
use crate::check::{Check, Outcome, Reader, Set};
use crate::openpgp::Signature;
use crate::rpm::Source;

const GPG: Check = Check {
    id: "",
    reader: Reader::Gpg,
    set: Set::General,
    rule: "",
    why: "",
    remedy: "",
    source: "xen-api, ocaml/gpg/gpg.ml (GOODSIG, VALIDSIG and TRUST_ULTIMATE are wanted)",
};

/// Largest file that is read as a public key.
const MAX_KEY_FILE: u64 = 1 << 20;

pub(super) const RULES: &[Rule] = &[
    Rule {
        check: Check {
            id: "gpg-key",
            rule: "the given key is one RSA key of 2048 to 4096 bits whose primary key signs, neither expired nor revoked",
            why: "hosts cannot import it, or refuse what it signed",
            remedy: "Sign with a fit key: gpg --quick-generate-key 'NAME' rsa4096 sign never",
            source: "xen-api, scripts/import-update-key and ocaml/gpg/gpg.ml; seen with gpg 2.0.22 and rpm 4.11.3",
            ..GPG
        },
        holds: key,
    },
    Rule {
        check: Check {
            id: "gpg-update-xml",
            rule: "update.xml.asc is one detached signature in armor by the key over update.xml, of a time between the key's making and now",
            why: "introduce answers INVALID_UPDATE \"Invalid signature\"",
            remedy: "Sign update.xml again after its last change, and check the clock",
            ..GPG
        },
        holds: update_xml,
    },
    Rule {
        check: Check {
            id: "gpg-repomd",
            rule: "repodata/repomd.xml.asc is one detached signature in armor by the key over repomd.xml, of a time between the key's making and now",
            why: "introduce answers INVALID_UPDATE \"Invalid signature\", and yum refuses the repository",
            remedy: "Sign repomd.xml again after its last change, and check the clock",
            source: "xen-api, ocaml/gpg/gpg.ml; yum 3.4.3, yum/yumRepo.py (repo_gpgcheck)",
            ..GPG
        },
        holds: repomd,
    },
    Rule {
        check: Check {
            id: "gpg-key-file",
            rule: "the public key lies beside the image, under the name that update.xml gives it, and is the one that signed",
            why: "administrators must import it on every host before they can install the pack",
            remedy: "Put the public key of the build beside the image, without renaming it",
            source: "xen-api, scripts/import-update-key",
            ..GPG
        },
        holds: key_file,
    },
];

fn key(subject: &Subject<'_>) -> Found {
    match subject.key()? {
        Some(key) => Ok(Outcome::Passed(key.fingerprint())),
        None => Err(Obstacle::Unknown("no key was given".into())),
    }
}

fn update_xml(subject: &Subject<'_>) -> Found {
    signature(subject, UPDATE, UPDATE_SIGNATURE, "gpg-update-xml")
}

fn repomd(subject: &Subject<'_>) -> Found {
    signature(subject, REPOMD, REPOMD_SIGNATURE, "gpg-repomd")
}

fn signature(subject: &Subject<'_>, path: &'static str, signature: &'static str, check: &'static str) -> Found {
    let (message, armored) = (subject.required(path)?, subject.required(signature)?);
    let charged = |problem: String| Obstacle::charged(check, format!("{signature} {problem}"));
    let parsed = Signature::only(&armored).map_err(charged)?;
    // What is wrong with any key is told even if the given one is unfit.
    if let Some(problem) = parsed.problem(&message, None, subject.policy.now) {
        return Err(charged(problem));
    }
    let id = parsed.key_id().unwrap_or_else(|| "that it does not name".into());
    let Some(key) = subject.key()? else {
        return Err(Obstacle::Unknown(format!("no key was given; the signature is by the key {id}")));
    };
    match parsed.problem(&message, Some(key), subject.policy.now) {
        Some(problem) => Err(charged(problem)),
        None => Ok(Outcome::Passed(format!("by the key {id}"))),
    }
}

/// Whether a file is what was signed, as far as that can be told.
///
/// # Errors
/// It is not: charged to the check of its signature.
pub(super) fn signed_as_is(
    subject: &Subject<'_>,
    path: &'static str,
    asc: &'static str,
    check: &'static str,
) -> Result<(), Obstacle> {
    match signature(subject, path, asc, check) {
        Err(obstacle @ Obstacle::Charged { .. }) => match obstacle {
            Obstacle::Charged { check: charged, .. } if charged == check => Err(obstacle),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

fn key_file(subject: &Subject<'_>) -> Found {
    let name = xapi::key_name(subject)?;
    let path = match subject.policy.shipped_key {
        ShippedKey::Unknown => return Err(Obstacle::Unknown("the image's folder was not looked at".into())),
        ShippedKey::Beside => subject.image.path().with_file_name(name),
        ShippedKey::At(path) => path.to_path_buf(),
    };
    let given = subject.key()?;
    let failed = |problem: String| Ok(Outcome::Failed(vec![problem]));
    let armored = match read_key_file(&path) {
        Ok(armored) => armored,
        Err(e) => return failed(format!("{} cannot be read: {e}", path.display())),
    };
    let key = match parse_key(&armored, name, subject.policy.now) {
        Ok(key) => key,
        Err(problem) => return failed(problem),
    };
    if let Some(given) = given {
        return match key.fingerprint() == given.fingerprint() {
            true => Ok(Outcome::Passed(format!("{name} is the given key"))),
            false => failed(format!("{name} is the key {}, not the given one", key.fingerprint())),
        };
    }
    let (message, armored) = (subject.required(UPDATE)?, subject.required(UPDATE_SIGNATURE)?);
    let signature = Signature::only(&armored)
        .map_err(|problem| Obstacle::charged("gpg-update-xml", format!("{UPDATE_SIGNATURE} {problem}")))?;
    match key.verifies(&message, &signature) {
        true => Ok(Outcome::Passed(format!("{name} signed update.xml"))),
        false => failed(format!("{name} is the key {}, which did not sign update.xml", key.fingerprint())),
    }
}

fn read_key_file(path: &std::path::Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    Source::open(path)?.read_from(0).take(MAX_KEY_FILE).read_to_end(&mut bytes)?;
    Ok(bytes)
}
