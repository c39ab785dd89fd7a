//! Who signs what: the pack's key everything, unless a package keeps the signature that it has.

use std::collections::BTreeSet;

use super::Request;
use crate::openpgp::{Certificate, Signature};
use crate::rpm::{PayloadDigests, Rpm, Signed};
use crate::spec::RpmSignatures;
use crate::{Error, Result};

/// Which of the payloads keep their signatures.
///
/// # Errors
/// [`Error`] of class `Payload` if one has a signature that no host accepts.
pub(super) fn kept(request: &Request<'_>, payloads: &[Rpm]) -> Result<Vec<bool>> {
    if request.spec.rpm_signatures == RpmSignatures::Replace {
        return Ok(vec![false; payloads.len()]);
    }
    let unfit = |rpm: &Rpm, problem: &str| {
        Error::payload(
            rpm.source().name(),
            format!("has a signature that {problem}"),
            "Have it signed anew: pack.rpm-signatures = \"replace\"",
        )
    };
    let keeps = payloads.iter().map(|rpm| match rpm.header_signature() {
        None => Ok(false),
        Some(packet) => match Signature::parse(packet).map(|signature| signature.unfit()) {
            None => Err(unfit(rpm, "cannot be read")),
            Some(Some(problem)) => Err(unfit(rpm, &problem)),
            Some(None) => Ok(true),
        },
    });
    keeps.collect()
}

/// Signs everything that exists before the image: headers of packages, of which the first few may keep their signatures,
/// and `update.xml`.
pub(super) fn sign(
    request: &Request<'_>,
    packages: &[&Rpm],
    digests: &[&PayloadDigests],
    kept: &[bool],
    document: &[u8],
) -> Result<(Vec<Signed>, Signature)> {
    let keeps = |index: usize| kept.get(index).copied().unwrap_or(false);
    let to_sign = packages.iter().enumerate().filter(|(index, _)| !keeps(*index)).map(|(_, rpm)| rpm.header());
    let messages: Vec<&[u8]> = to_sign.chain([document]).collect();
    let mut signatures = sign_all(request, &messages)?.into_iter();
    let mut next = || signatures.next().expect("one signature for each message");
    let mut signed = Vec::new();
    for (index, (rpm, digests)) in packages.iter().zip(digests).enumerate() {
        signed.push(match keeps(index) {
            true => Signed::as_it_is(rpm)?,
            false => Signed::new(rpm, digests, next().packet())?,
        });
    }
    Ok((signed, next()))
}

/// Signs every message by the pack's key.
pub(super) fn sign_all(request: &Request<'_>, messages: &[&[u8]]) -> Result<Vec<Signature>> {
    let certificate = request.signer.certificate();
    request.signer.sign(messages, certificate.signature_time(request.epoch))
}

/// The keys that hosts must trust beside the pack's, by their identifiers.
pub(super) fn other_keys(own: &Certificate, payloads: &[Rpm], kept: &[bool]) -> Vec<String> {
    let kept = payloads.iter().zip(kept).filter(|(_, kept)| **kept);
    let ids = kept.filter_map(|(rpm, _)| Signature::parse(rpm.header_signature()?)?.key_id());
    let ids: BTreeSet<String> = ids.filter(|id| *id != own.key_id()).collect();
    ids.into_iter().collect()
}

/// What was signed, in a few words.
pub(super) fn told(kept: &[bool]) -> String {
    let keep = kept.iter().filter(|kept| **kept).count();
    let signed = kept.len() - keep + 2;
    match keep {
        0 => format!("{signed} packages and update.xml"),
        1 => format!("{signed} packages and update.xml; one keeps its own"),
        _ => format!("{signed} packages and update.xml; {keep} keep their own"),
    }
}
