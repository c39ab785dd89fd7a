//! Who signed what, and whether that holds by the keys that are at hand.

use serde::Serialize;

use crate::contents::Contents;
use crate::openpgp::{Certificate, Signature};
use crate::rpm::{self, Rpm};

/// The keys that signatures are tried with.
#[derive(Debug, Default)]
pub struct Keys {
    /// With the name of the file that each came from.
    pub certificates: Vec<(String, Certificate)>,
    /// The time, in seconds since 1970.
    pub now: u64,
}

/// A signature over a file.
#[derive(Debug, Clone, Serialize)]
pub struct SignatureInfo {
    /// What is signed: a path on the medium.
    pub of: String,
    /// The last 16 digits of the fingerprint of the key that made it, as it says.
    pub key_id: Option<String>,
    /// Algorithms of key and digest.
    pub algorithms: Option<String>,
    /// When it was made, as it says: RFC 3339.
    pub made: Option<String>,
    pub verified: Verified,
}

/// Whether a signature holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "outcome", content = "by")]
pub enum Verified {
    /// By the key from this file.
    Yes(String),
    /// And why not.
    No(String),
    /// There is no key to try it with, or it is of a kind that is not looked at.
    NotVerified(String),
    /// There is no signature.
    Absent,
}

/// The signatures over the documents of a pack.
pub(super) fn of_documents(contents: &Contents, keys: &Keys) -> Vec<SignatureInfo> {
    let documents = ["update.xml", "repodata/repomd.xml"];
    let present = documents.into_iter().filter(|path| contents.entry(path).is_some());
    present.map(|path| of_document(contents, keys, path)).collect()
}

fn of_document(contents: &Contents, keys: &Keys, path: &str) -> SignatureInfo {
    let asc = format!("{path}.asc");
    let read = |path: &str| contents.small(path).map_err(|problem| format!("{path} {problem}"));
    let (message, armored) = match (read(path), read(&asc)) {
        (Ok(Some(message)), Ok(Some(armored))) => (message, armored),
        (_, Ok(None)) => return SignatureInfo::without(path, Verified::Absent),
        (Err(problem), _) | (_, Err(problem)) => return SignatureInfo::without(path, Verified::No(problem)),
        (Ok(None), _) => return SignatureInfo::without(path, Verified::No(format!("{path} is no file"))),
    };
    match Signature::only(&armored) {
        Ok(signature) => SignatureInfo::of(path, &signature, &message, keys),
        Err(problem) => SignatureInfo::without(path, Verified::No(format!("{asc} {problem}"))),
    }
}

/// The signature of a package over its header; of older ones it is only said that they are there.
pub(super) fn of_package(path: &str, rpm: &Rpm, keys: &Keys) -> SignatureInfo {
    if let Some(packet) = rpm.header_signature() {
        return match Signature::parse(packet) {
            Some(signature) => SignatureInfo::of(path, &signature, rpm.header(), keys),
            None => SignatureInfo::without(path, Verified::No("its signature cannot be read".into())),
        };
    }
    match rpm::other_signature(rpm) {
        None => SignatureInfo::without(path, Verified::Absent),
        Some((kind, packet)) => {
            let verified = Verified::NotVerified(format!("it is {kind}"));
            match Signature::parse(packet) {
                Some(signature) => SignatureInfo { verified, ..SignatureInfo::of(path, &signature, &[], keys) },
                None => SignatureInfo::without(path, verified),
            }
        }
    }
}

impl SignatureInfo {
    fn without(of: &str, verified: Verified) -> SignatureInfo {
        SignatureInfo { of: of.into(), key_id: None, algorithms: None, made: None, verified }
    }

    fn of(of: &str, signature: &Signature, message: &[u8], keys: &Keys) -> SignatureInfo {
        SignatureInfo {
            of: of.into(),
            key_id: signature.key_id(),
            algorithms: signature.algorithms(),
            made: signature.created().map(|seconds| time(seconds.into())),
            verified: verified(signature, message, keys),
        }
    }
}

fn verified(signature: &Signature, message: &[u8], keys: &Keys) -> Verified {
    let named = |certificate: &Certificate| signature.key_id().is_none_or(|id| id == certificate.key_id());
    // The key that it names, else any: then it is told that it is by another.
    let key = keys.certificates.iter().find(|(_, key)| named(key)).or_else(|| keys.certificates.first());
    match (key, signature.problem(message, key.map(|(_, key)| key), keys.now)) {
        (Some((name, _)), None) => Verified::Yes(name.clone()),
        (None, None) => Verified::NotVerified("no key".into()),
        (Some(_), Some(problem)) => Verified::No(problem),
        (None, Some(problem)) => Verified::NotVerified(format!("no key; it {problem}")),
    }
}

/// A time as RFC 3339 has it, in UTC.
pub(crate) fn time(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| chrono::DateTime::from_timestamp(seconds, 0));
    time.map_or_else(|| seconds.to_string(), |time| time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
}
