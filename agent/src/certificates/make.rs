//! A new certificate authority for one VM, with a certificate for its engine and one for us.
//!
//! The authority's key signs these two and is forgotten: nothing else will ever be accepted in their place.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyIdMethod, KeyUsagePurpose, SanType, SerialNumber,
};
use tokio::task::{JoinSet, spawn_blocking};

use super::Set;
use super::key::{self, Key, KeyBits};

/// How long the certificates are good for.
pub const VALID_FOR: Duration = Duration::from_secs(730 * DAY);

/// So long before now they begin: a guest's clock may be behind.
pub const CLOCK_SKEW: Duration = Duration::from_secs(DAY);

const DAY: u64 = 24 * 60 * 60;

/// The server's name. Engines of VMs are told by their authority, which serves one VM alone, and by addresses.
const SERVER: &str = "_ignored_";

const CLIENT: &str = "client";

/// Characters of an organization's name (RFC 5280, A.1, `ub-organization-name`).
const MAX_ORGANIZATION: usize = 64;

/// What is to be made.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// The name of dom0, which goes into the authority's.
    pub host_name: &'a str,
    /// The VM's addresses.
    pub addresses: &'a [IpAddr],
    /// [`KEY_BITS`](super::KEY_BITS), but for tests.
    pub key_bits: KeyBits,
}

/// What was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// For the engine.
    pub server: Set,
    /// For us.
    pub client: Set,
}

/// How far the work is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Keys that are made.
    pub keys: usize,
    /// Of so many.
    pub of: usize,
}

/// Why nothing was made.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// The arithmetic of keys failed.
    #[error("no key can be made: {0}")]
    Key(#[from] rsa::Error),
    /// A certificate cannot be put together.
    #[error("no certificate can be made: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The system has no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// A thread of this program failed.
    #[error("this program failed at making certificates")]
    Panicked,
}

impl MakeError {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        "Please report it; certificates made by somebody else can be used meanwhile."
    }
}

/// The keys, in the order of their use.
const KEYS: usize = 3;

/// Makes three keys, which takes some seconds on other threads, and certificates for them that are good from a day before
/// `now` until two years after it. `progress` is told of every key.
///
/// # Errors
/// [`MakeError`], none of which is known to happen.
pub async fn make(order: &Order<'_>, now: SystemTime, mut progress: impl FnMut(Progress)) -> Result<Made, MakeError> {
    let bits = order.key_bits;
    let mut making = JoinSet::new();
    for _ in 0..KEYS {
        making.spawn_blocking(move || Key::generate(bits));
    }
    let mut keys = Vec::with_capacity(KEYS);
    progress(Progress { keys: 0, of: KEYS });
    while let Some(key) = making.join_next().await {
        keys.push(key.map_err(|_| MakeError::Panicked)??);
        progress(Progress { keys: keys.len(), of: KEYS });
    }
    let Ok(keys) = <[Key; KEYS]>::try_from(keys) else { return Err(MakeError::Panicked) };
    let (host_name, addresses) = (order.host_name.to_owned(), order.addresses.to_owned());
    let signed = spawn_blocking(move || sign(&host_name, &addresses, now, &keys)).await;
    signed.map_err(|_| MakeError::Panicked)?
}

/// Takes the keys along, so that the authority's ends here.
fn sign(
    host_name: &str,
    addresses: &[IpAddr],
    now: SystemTime,
    [authority, server, client]: &[Key; KEYS],
) -> Result<Made, MakeError> {
    let mut params = begun(DnType::OrganizationName, &organization(host_name), now, authority)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let own = params.self_signed(authority)?;
    let issuer = Issuer::from_params(&params, authority);

    let of_leaf = |name: &str, usage, key: &Key| -> Result<CertificateParams, MakeError> {
        let mut params = begun(DnType::CommonName, name, now, key)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        Ok(params)
    };
    let mut for_server = of_leaf(SERVER, ExtendedKeyUsagePurpose::ServerAuth, server)?;
    for_server.subject_alt_names = names(addresses);
    let for_client = of_leaf(CLIENT, ExtendedKeyUsagePurpose::ClientAuth, client)?;

    let set = |certificate: Certificate, key: &Key| -> Result<Set, MakeError> {
        Ok(Set { authority: own.pem(), certificate: certificate.pem(), key: key.pem()? })
    };
    Ok(Made {
        server: set(for_server.signed_by(server, &issuer)?, server)?,
        client: set(for_client.signed_by(client, &issuer)?, client)?,
    })
}

/// What all certificates have.
fn begun(kind: DnType, name: &str, now: SystemTime, key: &Key) -> Result<CertificateParams, MakeError> {
    let mut params = CertificateParams::default();
    (params.not_before, params.not_after) = ((now - CLOCK_SKEW).into(), (now + VALID_FOR).into());
    params.serial_number = Some(SerialNumber::from_slice(&key::serial()?));
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(kind, name);
    params.key_identifier_method = KeyIdMethod::PreSpecified(key.identifier());
    Ok(params)
}

/// As the original agent named authorities, as much of it as there is room for.
fn organization(host_name: &str) -> String {
    const SUFFIX: &str = ".xscontainer";
    let host_name: String = host_name.chars().take(MAX_ORGANIZATION - SUFFIX.len()).collect();
    format!("{host_name}{SUFFIX}")
}

/// The addresses, each once, and the one that the VM has for itself.
fn names(addresses: &[IpAddr]) -> Vec<SanType> {
    let mut all: Vec<IpAddr> = addresses.to_vec();
    all.push(Ipv4Addr::LOCALHOST.into());
    all.sort_unstable();
    all.dedup();
    all.into_iter().map(SanType::IpAddress).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_host_name_is_cut_to_what_a_certificate_can_hold() {
        assert_eq!(organization("xen1"), "xen1.xscontainer");
        let long = organization(&"é".repeat(80));
        assert_eq!(long.chars().count(), MAX_ORGANIZATION);
        assert!(long.ends_with(".xscontainer"));
    }

    #[test]
    fn every_address_is_named_once_and_the_vms_own_too() {
        let addresses = ["192.0.2.7", "2001:db8::7", "192.0.2.7"].map(|address| address.parse().unwrap());
        assert_eq!(names(&addresses).len(), 3);
        assert_eq!(names(&[]), [SanType::IpAddress(Ipv4Addr::LOCALHOST.into())]);
    }

    #[tokio::test]
    async fn progress_is_told_from_the_first_key_to_the_last() {
        let order = Order { host_name: "xen1", addresses: &[], key_bits: KeyBits(2048) };
        let mut told = Vec::new();
        let made = make(&order, SystemTime::now(), |progress| told.push(progress.keys)).await.unwrap();
        assert_eq!(told, [0, 1, 2, 3]);
        assert!(made.client.key.starts_with("-----BEGIN RSA PRIVATE KEY-----\n"));
        assert!(!format!("{made:?}").contains("PRIVATE KEY"));
        assert_ne!(made.client.key, made.server.key);
    }
}
