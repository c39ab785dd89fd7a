//! When certificates end.

use std::fmt;
use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::{Date, Whose};
use crate::quote::quoted;

/// When a certificate ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// Whose it is.
    pub whose: Whose,
    /// The name in it: foreign text.
    pub subject: String,
    /// The last moment at which it is good.
    pub not_after: SystemTime,
}

impl fmt::Display for Expiry {
    /// `the client's certificate ("CN=client") is valid until 2026-11-22 19:04 UTC`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { whose, subject, not_after } = self;
        write!(f, "the {whose} ({}) is valid until {}", quoted(subject), Date(*not_after))
    }
}

/// Of the certificate in `der`; none if it is none.
#[must_use]
pub fn of_der(whose: Whose, der: &[u8]) -> Option<Expiry> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let not_after = moment(certificate.validity().not_after.timestamp());
    Some(Expiry { whose, subject: certificate.subject().to_string(), not_after })
}

/// Of all certificates in `pem` that can be read. Those after a client's own are of authorities between it and its own.
#[must_use]
pub fn of_pem(whose: Whose, pem: &str) -> Vec<Expiry> {
    let certificates = CertificateDer::pem_slice_iter(pem.as_bytes()).map_while(Result::ok);
    let whose_is = |at| if whose == Whose::Client && at > 0 { Whose::Intermediate } else { whose };
    certificates.enumerate().filter_map(|(at, der)| of_der(whose_is(at), &der)).collect()
}

/// The one that ends first.
#[must_use]
pub fn first(all: &[Expiry]) -> Option<&Expiry> {
    all.iter().min_by_key(|expiry| expiry.not_after)
}

/// The moment that many seconds after 1970 began; certificates that end before that have ended anyway.
pub(super) fn moment(seconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}
