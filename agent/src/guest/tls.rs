//! TLS to a guest's engine, both sides with certificates.
//!
//! Knows certificates; must not know what is said over the streams. TLS 1.2 with ECDHE and AES-GCM, and 1.3.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore,
    SignatureScheme,
};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::unreachable::{TlsFault, Unreachable};
use super::{BoxedStream, Way, probe};
use crate::certificates::{Expiry, Whose, expiry};
use crate::quote::quoted;

/// Where engines listen for TLS.
pub const PORT: u16 = 2376;

/// In words.
pub(super) const WAY: Way = Way("TLS");

/// How long connecting and the handshake may take.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// Whether the engine's certificate must name the address it is reached at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// No: its authority serves this VM alone.
    Chain,
    /// Yes.
    Name,
}

/// Our certificate and what the engine's is checked with.
#[derive(Clone)]
pub struct Identity {
    configuration: Arc<ClientConfig>,
    expiries: Arc<[Expiry]>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(secret)")
    }
}

/// Why texts make no [`Identity`]. Never shows any of a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Not a certificate in PEM.
    #[error("the {0} is not a certificate in PEM form")]
    NotACertificate(&'static str),
    /// Not a key in PEM.
    #[error("the client's key is not a private key in PEM form")]
    NotAKey,
    /// A key with a passphrase.
    #[error("the client's key is protected by a passphrase")]
    EncryptedKey,
    /// A key and a certificate that do not belong together, or of a kind that is not known.
    #[error("the client's certificate and key cannot be used together: {0}")]
    Mismatch(String),
}

impl Identity {
    /// From PEM texts: the authority's certificate, and the client's with its key (PKCS #1, PKCS #8 or SEC 1).
    ///
    /// # Errors
    /// [`IdentityError`]
    ///
    /// # Panics
    /// If the cryptographic library lacks the versions of TLS that it is built with.
    pub fn new(authority: &str, certificate: &str, key: &str, verify: Verify) -> Result<Self, IdentityError> {
        let mut roots = RootCertStore::empty();
        for root in certificates(authority, "authority's certificate")? {
            roots.add(root).map_err(|_| IdentityError::NotACertificate("authority's certificate"))?;
        }
        let chain = certificates(certificate, "client's certificate")?;
        if key.contains("ENCRYPTED") {
            return Err(IdentityError::EncryptedKey);
        }
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| IdentityError::NotAKey)?;
        let provider = Arc::new(ring::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = match verify {
            Verify::Chain => Arc::new(ChainVerifier::new(roots, &provider)),
            Verify::Name => WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .map_err(|_| IdentityError::NotACertificate("authority's certificate"))?,
        };
        let configuration = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the library is built with both versions")
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_auth_cert(chain, key)
            .map_err(|error| IdentityError::Mismatch(quoted(&error.to_string()).to_string()))?;
        let mut expiries = expiry::of_pem(Whose::Authority, authority);
        expiries.extend(expiry::of_pem(Whose::Client, certificate));
        Ok(Self { configuration: Arc::new(configuration), expiries: expiries.into() })
    }
}

fn certificates(pem: &str, what: &'static str) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    all.ok().filter(|all| !all.is_empty()).ok_or(IdentityError::NotACertificate(what))
}

/// Checks authority, dates and usage of a certificate, but not its name.
#[derive(Debug)]
struct ChainVerifier {
    roots: RootCertStore,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ChainVerifier {
    fn new(roots: RootCertStore, provider: &CryptoProvider) -> Self {
        Self { roots, algorithms: provider.signature_verification_algorithms }
    }
}

impl ServerCertVerifier for ChainVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _stapled: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let certificate = ParsedCertificate::try_from(certificate)?;
        let algorithms = self.algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&certificate, &self.roots, intermediates, now, algorithms)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// An engine that answered over TLS; every stream is a connection of its own.
#[derive(Debug)]
pub struct Connection {
    address: IpAddr,
    identity: Identity,
    /// When the engine's certificate ends, by the last handshake.
    engine: Mutex<Option<Expiry>>,
}

impl Connection {
    /// Tries the handshake at the first of `candidates` that answers.
    ///
    /// # Errors
    /// [`Unreachable`]
    pub async fn open(candidates: &[IpAddr], identity: &Identity) -> Result<Self, Unreachable> {
        let (address, stream) =
            probe::connect(candidates, PORT).await.map_err(|tried| Unreachable::NoAnswer { port: PORT, tried })?;
        let connection = Self { address, identity: identity.clone(), engine: Mutex::default() };
        timeout(HANDSHAKE_LIMIT, connection.shake_hands(stream)).await.unwrap_or_else(|_| Err(connection.slow()))?;
        Ok(connection)
    }

    /// Where the engine was found.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// When the certificates end that are in use: ours, its authority's, and the engine's as it was shown last.
    #[must_use]
    pub fn expiries(&self) -> Vec<Expiry> {
        let engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.identity.expiries.iter().cloned().chain(engine).collect()
    }

    /// A new stream to the engine.
    ///
    /// # Errors
    /// [`Unreachable`]
    pub async fn stream(&self) -> Result<BoxedStream, Unreachable> {
        let opening = async {
            let address = SocketAddr::new(self.address, PORT);
            let refused = |error| Unreachable::NoAnswer { port: PORT, tried: vec![(self.address, error)] };
            let stream = TcpStream::connect(address).await.map_err(refused)?;
            self.shake_hands(stream).await
        };
        timeout(HANDSHAKE_LIMIT, opening).await.unwrap_or_else(|_| Err(self.slow()))
    }

    /// With TLS 1.3 the handshake is over for us before the engine has looked at our certificate: what it thinks of it
    /// comes in place of its first answer.
    pub(super) fn explain(&self, cause: &str) -> Option<Unreachable> {
        let refused = || TlsFault::OursRefused(cause.to_owned());
        cause.contains("received fatal alert").then(|| Unreachable::Tls { address: self.address, fault: refused() })
    }

    async fn shake_hands(&self, stream: TcpStream) -> Result<BoxedStream, Unreachable> {
        let _ = stream.set_nodelay(true);
        let name = ServerName::IpAddress(self.address.into());
        let connector = TlsConnector::from(Arc::clone(&self.identity.configuration));
        match connector.connect(name, stream).await {
            Ok(stream) => {
                let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
                let ends = shown.and_then(|der| expiry::of_der(Whose::Engine, der));
                *self.engine.lock().unwrap_or_else(PoisonError::into_inner) = ends;
                Ok(Box::new(stream))
            }
            Err(error) => Err(Unreachable::Tls { address: self.address, fault: fault(&error) }),
        }
    }

    fn slow(&self) -> Unreachable {
        Unreachable::Slow { address: self.address, step: "the TLS handshake", limit: HANDSHAKE_LIMIT }
    }
}

fn fault(error: &std::io::Error) -> TlsFault {
    let other = || TlsFault::Other(quoted(&error.to_string()).to_string());
    let Some(cause) = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) else { return other() };
    match cause {
        TlsError::InvalidCertificate(cause) => match cause {
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => TlsFault::Expired,
            CertificateError::UnknownIssuer | CertificateError::BadSignature => TlsFault::UnknownAuthority,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => TlsFault::WrongName,
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                TlsFault::NotForServers
            }
            _ => other(),
        },
        TlsError::AlertReceived(
            alert @ (AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::CertificateRequired),
        ) => TlsFault::OursRefused(format!("{alert:?}")),
        _ => other(),
    }
}
