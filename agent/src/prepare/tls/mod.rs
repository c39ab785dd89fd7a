//! A VM's engine prepared for TLS: certificates brought to it on a disc, and ours kept in XAPI.
//!
//! Knows the steps over XAPI; must not know who is asked, and in which words.
//!
//! ```text
//! certificates::make ─► disc::image ─► cd::insert ─► (somebody runs the program on it) ─► cd::sweep
//!                  └──► guest::tls::Identity ─► the engine answers ─► Store::put ─► Store::settle
//! certificates::check (somebody's own) ──────────────────────────────────┘
//! ```
//!
//! | module | knows |
//! |---|---|
//! | [`disc`] | the disc as bytes; pure |
//! | [`cd`] | a disc in a VM's CD drive, and out of it again |
//! | [`store`] | secrets and the VM's keys that name them |

pub mod cd;
pub mod disc;
mod error;
pub mod store;

pub use error::Error;
pub use store::Store;
