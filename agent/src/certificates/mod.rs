//! X.509 certificates for an engine behind TLS: made for a VM, checked when somebody brings his own, and when they end.
//!
//! Knows certificates and their keys as PEM and DER; must not know TLS on the wire, XAPI, nor where certificates are kept.
//!
//! | module | knows |
//! |---|---|
//! | [`make`](mod@make) | a new authority with a server's and a client's certificate |
//! | [`check`](mod@check) | whether a client's certificates can work |
//! | [`expiry`] | when certificates end |
//! | `key` | RSA keys that sign, and are wiped |
//! | `date` | points in time, in words |

pub mod check;
mod date;
pub mod expiry;
mod key;
pub mod make;

use std::fmt;

use zeroize::Zeroizing;

pub use check::check;
pub use date::Date;
pub use expiry::Expiry;
pub use key::{KEY_BITS, KeyBits};
pub use make::make;

/// What one side of a connection needs. All three in PEM form.
#[derive(Clone, PartialEq, Eq)]
pub struct Set {
    /// The certificate of the authority that the other side's certificate is from.
    pub authority: String,
    /// This side's certificate, and after it those between it and its authority.
    pub certificate: String,
    /// Its private key.
    pub key: Zeroizing<String>,
}

impl fmt::Debug for Set {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { authority, certificate, .. } = self;
        f.debug_struct("Set").field("authority", authority).field("certificate", certificate).finish_non_exhaustive()
    }
}

/// Whose certificate something is said of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    /// The authority's.
    Authority,
    /// Of an authority between the authority and the client.
    Intermediate,
    /// Ours, as the client of an engine.
    Client,
    /// The engine's.
    Engine,
}

impl fmt::Display for Whose {
    /// Goes on from "the".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Authority => "authority's certificate",
            Self::Intermediate => "intermediate authority's certificate",
            Self::Client => "client's certificate",
            Self::Engine => "engine's certificate",
        })
    }
}
