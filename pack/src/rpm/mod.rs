//! RPM packages: read their headers, hold them to what the oldest host accepts, complete and sign them, and make the
//! two that carry a pack's metadata.
//!
//! Works on headers, which are small and held in memory; payloads stay where they are and are streamed. Must not know
//! about ISO images or `update.xml`.

pub mod agent;
mod companion;
pub mod el7;
#[cfg(test)]
pub(crate) mod fixture;
mod header;
pub mod package;
pub mod payload;
pub mod program;
mod rewrite;
pub mod scriptlet;
mod signature;
mod source;

pub use companion::{Companion, Replaced, control, update};
pub use header::Rpm;
pub use rewrite::{mentions, rewrite};
pub use signature::{PayloadDigests, Signed, header_is_whole, other_signature};
pub use source::Source;
