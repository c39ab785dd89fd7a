//! Whether the certificates that somebody brings can work, before anything is done with them: each reason not to, found
//! here rather than by an engine that says no more than "bad certificate".
//!
//! What only the engine can tell is not looked at: whether it knows the authority, and its own certificate.

mod fault;
mod parts;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::SystemTime;

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, Error as TlsError, RootCertStore};

use super::{Expiry, Set, Whose, expiry};
use crate::quote::quoted;

pub use fault::Fault;
use parts::Part;

/// Checks a client's certificates as of `now`; gives when they end, all of them.
///
/// # Errors
/// [`Fault`], the first there is: what the texts are, then whether key and certificate belong together, then the dates,
/// then what the certificates are for, and who signed them.
pub fn check(set: &Set, now: SystemTime) -> Result<Vec<Expiry>, Fault> {
    let authorities = parts::certificates(Whose::Authority, &set.authority)?;
    let chain = parts::certificates(Whose::Client, &set.certificate)?;
    let key = parts::key(&set.key)?;
    is_pair(&chain, &key)?;
    let expiries = dates(&set.authority, &set.certificate, authorities.iter().chain(&chain), now)?;
    for authority in &authorities {
        parts::is_authority(authority)?;
    }
    leads_to(&chain, &authorities, now)?;
    Ok(expiries)
}

/// Whether the key is the one of the first certificate.
fn is_pair(chain: &[Part], key: &PrivateKeyDer<'static>) -> Result<(), Fault> {
    let signing = ring::sign::any_supported_type(key).map_err(|_| Fault::KeyUnusable)?;
    let chain = chain.iter().map(|part| part.der.clone()).collect();
    match CertifiedKey::new(chain, signing).keys_match() {
        Ok(()) => Ok(()),
        Err(TlsError::InconsistentKeys(_)) => Err(Fault::NotAPair),
        Err(error) => Err(Fault::Other(quoted(&error.to_string()).to_string())),
    }
}

/// Whether all of them are good at the moment.
fn dates<'a>(
    authority: &str,
    certificate: &str,
    parts: impl Iterator<Item = &'a Part>,
    now: SystemTime,
) -> Result<Vec<Expiry>, Fault> {
    for part in parts {
        let (whose, subject) = (part.whose, part.subject.clone());
        if now < part.not_before {
            return Err(Fault::NotValidYet { whose, subject, begins: part.not_before });
        }
        if now > part.not_after {
            return Err(Fault::Expired { whose, subject, ended: part.not_after });
        }
    }
    let mut all = expiry::of_pem(Whose::Authority, authority);
    all.extend(expiry::of_pem(Whose::Client, certificate));
    Ok(all)
}

/// Whether signatures lead from the client to one of the authorities, and everything on the way is for that.
fn leads_to(chain: &[Part], authorities: &[Part], now: SystemTime) -> Result<(), Fault> {
    let Some((client, intermediates)) = chain.split_first() else { return Err(Fault::NoCertificate(Whose::Client)) };
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.der.clone()).map_err(|_| Fault::Damaged(Whose::Authority))?;
    }
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
    let verifier = verifier.map_err(|error| Fault::Other(quoted(&error.to_string()).to_string()))?;
    let intermediates: Vec<CertificateDer<'static>> = intermediates.iter().map(|part| part.der.clone()).collect();
    let since_1970 = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = UnixTime::since_unix_epoch(since_1970);
    let error = match verifier.verify_client_cert(&client.der, &intermediates, now) {
        Ok(_) => return Ok(()),
        Err(TlsError::InvalidCertificate(error)) => error,
        Err(error) => return Err(Fault::Other(quoted(&error.to_string()).to_string())),
    };
    Err(match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Fault::UnknownAuthority {
            issuer: client.issuer.clone(),
            authority: authorities.first().map(|authority| authority.subject.clone()).unwrap_or_default(),
        },
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => Fault::NotForClients,
        #[allow(deprecated, reason = "what the library has not replaced everywhere")]
        CertificateError::UnsupportedSignatureAlgorithm
        | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => Fault::Algorithm,
        error => Fault::Other(quoted(&error.to_string()).to_string()),
    })
}
