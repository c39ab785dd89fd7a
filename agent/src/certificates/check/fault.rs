//! Why certificates cannot work: what is wrong, with which, and what to do. Never shows any of a key.

use std::time::SystemTime;

use super::super::{Date, Whose};
use crate::quote::quoted;

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The text is something else.
    #[error("the {0} is not in PEM form (-----BEGIN CERTIFICATE-----)")]
    NoCertificate(Whose),
    /// The text is a private key.
    #[error("in place of the {0} there is a private key")]
    KeyInstead(Whose),
    /// What is in the text cannot be read.
    #[error("the {0} is damaged")]
    Damaged(Whose),
    /// A certificate of a form that TLS libraries have given up.
    #[error("the {0} is of X.509 version 1, which is not accepted any more")]
    OldVersion(Whose),
    /// The text is something else.
    #[error("the client's key is not a private key in PEM form (-----BEGIN PRIVATE KEY----- or the like)")]
    NoKey,
    /// The text is a certificate.
    #[error("in place of the client's key there is a certificate")]
    CertificateInstead,
    /// The key needs a passphrase.
    #[error("the client's key is protected by a passphrase, which nobody could type in when the host needs it")]
    EncryptedKey,
    /// The key is damaged or of an unknown kind.
    #[error(
        "the client's key cannot be used: it is damaged, or neither RSA with 2048 to 4096 bits, ECDSA P-256 or P-384, nor Ed25519"
    )]
    KeyUnusable,
    /// Key and certificate are of different pairs.
    #[error("the client's key is not that of the client's certificate")]
    NotAPair,
    /// The date is before the certificate's.
    #[error("the {whose} ({}) is not valid before {}", quoted(subject), Date(*begins))]
    NotValidYet {
        /// Whose.
        whose: Whose,
        /// The name in it.
        subject: String,
        /// When it begins.
        begins: SystemTime,
    },
    /// The date is after the certificate's.
    #[error("the {whose} ({}) has expired on {}", quoted(subject), Date(*ended))]
    Expired {
        /// Whose.
        whose: Whose,
        /// The name in it.
        subject: String,
        /// When it ended.
        ended: SystemTime,
    },
    /// What is given as the authority is not one.
    #[error("the authority's certificate ({}) is not one of an authority: it may not sign others", quoted(subject))]
    NotAnAuthority {
        /// The name in it.
        subject: String,
    },
    /// The client's certificate, or one between it and the authority, is for something else.
    #[error("the client's certificate is not meant for clients: its extended key usage lacks clientAuth")]
    NotForClients,
    /// The client's certificate is from somebody else.
    #[error(
        "the client's certificate, which {} signed, does not lead to the authority {}",
        quoted(issuer),
        quoted(authority)
    )]
    UnknownAuthority {
        /// Who signed it, as it says.
        issuer: String,
        /// Who should have, directly or through others.
        authority: String,
    },
    /// A signature or key of a kind that is not trusted.
    #[error("the client's certificate is signed in a way that is not trusted any more, or not known")]
    Algorithm,
    /// Anything else that makes a TLS library refuse it.
    #[error("the client's certificate cannot be used: {0}")]
    Other(String),
}

impl Fault {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::NoCertificate(_) | Self::KeyInstead(_) | Self::Damaged(_) => {
                "See that the right file is named; `openssl x509 -in FILE -text` shows a certificate, and \
                 `openssl x509 -inform DER -in FILE` turns one of the binary form into PEM."
            }
            Self::OldVersion(_) => {
                "Have a certificate made with extensions, which makes it one of version 3: `openssl x509 -req … -extfile FILE` \
                 with extendedKeyUsage=clientAuth in the file."
            }
            Self::NoKey | Self::CertificateInstead => {
                "See that the right file is named; `openssl pkey -in FILE -noout` says nothing of a good key, and \
                 `openssl pkcs12 -in FILE -nodes` unpacks one of the form PKCS #12."
            }
            Self::EncryptedKey => {
                "Give a copy without passphrase: `openssl pkey -in FILE -out COPY`. XAPI keeps it as a secret; delete the \
                 copy afterwards."
            }
            Self::KeyUnusable => "Have a certificate made for a key of one of these kinds.",
            Self::NotAPair => {
                "Name the key that the certificate was made for: `openssl pkey -in KEY -pubout` and \
                 `openssl x509 -in CERTIFICATE -noout -pubkey` print the same then."
            }
            Self::NotValidYet { .. } => "See that this host's clock is right (`date -u`), or wait.",
            Self::Expired { whose: Whose::Authority, .. } => {
                "See that this host's clock is right (`date -u`), or have a new authority and certificates of it."
            }
            Self::Expired { .. } => "See that this host's clock is right (`date -u`), or have a new certificate made.",
            Self::NotAnAuthority { .. } => {
                "Name the certificate of the authority that signed the client's and the engine's, with basicConstraints \
                 CA:TRUE and, if it has a keyUsage, keyCertSign."
            }
            Self::NotForClients => "Have a certificate made with the extended key usage clientAuth.",
            Self::UnknownAuthority { .. } => {
                "Name the authority that signed the client's certificate. If it did so through another authority, append \
                 that one's certificate to the client's: `cat client.pem intermediate.pem`."
            }
            Self::Algorithm => "Have certificates made with SHA-256 or better, and RSA keys of 2048 bits or more.",
            Self::Other(_) => "Have another certificate made; `openssl x509 -in FILE -text` shows what is in this one.",
        }
        .to_owned()
    }
}
