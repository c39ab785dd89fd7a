//! What is in texts: certificates, and a private key. Knows each by itself; must not know what leads to what.

use std::time::SystemTime;

use rustls::pki_types::pem::{PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Version;
use zeroize::Zeroizing;

use super::super::{Whose, expiry};
use super::Fault;

/// A certificate, taken apart.
pub(super) struct Part {
    pub(super) whose: Whose,
    pub(super) der: CertificateDer<'static>,
    pub(super) subject: String,
    pub(super) issuer: String,
    pub(super) not_before: SystemTime,
    pub(super) not_after: SystemTime,
    /// Whether it may sign others' certificates.
    signs: bool,
}

/// The certificates in a text, at least one.
pub(super) fn certificates(whose: Whose, pem: &str) -> Result<Vec<Part>, Fault> {
    let sections = sections(pem).map_err(|()| Fault::Damaged(whose))?;
    let certificates = sections.iter().filter(|(kind, _)| *kind == SectionKind::Certificate);
    let parts: Vec<Part> = certificates
        .enumerate()
        .map(|(at, (_, der))| part(if whose == Whose::Client && at > 0 { Whose::Intermediate } else { whose }, der))
        .collect::<Result<_, _>>()?;
    match parts.is_empty() {
        false => Ok(parts),
        true if is_key(pem) => Err(Fault::KeyInstead(whose)),
        true => Err(Fault::NoCertificate(whose)),
    }
}

/// The private key in a text; the first, if there are more.
pub(super) fn key(pem: &str) -> Result<Zeroizing<PrivateKeyDer<'static>>, Fault> {
    // PKCS #8 (RFC 7468, 11), and the older form (RFC 1421, 4.6.1.1), whose headers no reader of PEM understands.
    if pem.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || pem.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(Fault::EncryptedKey);
    }
    let sections = sections(pem).map_err(|()| Fault::KeyUnusable)?;
    let is_certificate = sections.iter().any(|(kind, _)| *kind == SectionKind::Certificate);
    let key = sections.into_iter().find_map(|(kind, mut der)| -> Option<PrivateKeyDer<'static>> {
        let der = std::mem::take(&mut *der);
        match kind {
            SectionKind::RsaPrivateKey => Some(PrivatePkcs1KeyDer::from(der).into()),
            SectionKind::PrivateKey => Some(PrivatePkcs8KeyDer::from(der).into()),
            SectionKind::EcPrivateKey => Some(PrivateSec1KeyDer::from(der).into()),
            _ => None,
        }
    });
    key.map(Zeroizing::new).ok_or(if is_certificate { Fault::CertificateInstead } else { Fault::NoKey })
}

/// Whether a text holds a private key of any kind.
fn is_key(pem: &str) -> bool {
    pem.contains("PRIVATE KEY-----")
}

type Section = (SectionKind, Zeroizing<Vec<u8>>);

fn sections(pem: &str) -> Result<Vec<Section>, ()> {
    let all = <(SectionKind, Vec<u8>)>::pem_slice_iter(pem.as_bytes());
    all.map(|section| section.map(|(kind, der)| (kind, Zeroizing::new(der))).map_err(drop)).collect()
}

fn part(whose: Whose, der: &[u8]) -> Result<Part, Fault> {
    let damaged = || Fault::Damaged(whose);
    let (_, certificate) = X509Certificate::from_der(der).map_err(|_| damaged())?;
    let validity = certificate.validity();
    // Who signs says so in two places, of which the second may be left out (RFC 5280, 4.2.1.3 and 4.2.1.9). Before
    // version 3 there was nothing to say it in.
    let is_authority = certificate.basic_constraints().map_err(|_| damaged())?.is_some_and(|basic| basic.value.ca);
    let may_sign = certificate.key_usage().map_err(|_| damaged())?.is_none_or(|usage| usage.value.key_cert_sign());
    let is_old = certificate.version() != X509Version::V3;
    // Of authorities that others have in stock, those of version 1 are still taken.
    if is_old && whose != Whose::Authority {
        return Err(Fault::OldVersion(whose));
    }
    let signs = (is_authority && may_sign) || is_old;
    Ok(Part {
        whose,
        der: CertificateDer::from(der.to_vec()),
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        not_before: expiry::moment(validity.not_before.timestamp()),
        not_after: expiry::moment(validity.not_after.timestamp()),
        signs,
    })
}

/// Whether the certificate is one that others can be from.
pub(super) fn is_authority(part: &Part) -> Result<(), Fault> {
    if part.signs { Ok(()) } else { Err(Fault::NotAnAuthority { subject: part.subject.clone() }) }
}
