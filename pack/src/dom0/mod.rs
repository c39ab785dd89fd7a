//! A host in a folder: the rehearsal of what a pack does there, without a host.
//!
//! [`capture`] (what a host has) → [`host`] (its root in a folder, packages, services, toolstack) → [`sequence`] (what
//! XAPI and the host installer do with a pack) → [`rehearsal`] (the scenarios, and what is checked of them).
//!
//! Knows no network and no real host. What a capture does not know is never taken for good.

pub mod capture;
pub mod confine;
pub mod database;
mod erase;
pub mod file_conflict;
mod host;
pub mod order;
pub mod original;
pub use crate::rpm::package;
pub mod package_set;
pub mod plan;
mod programs;
pub mod refusal;
mod rehearsal;
pub mod root;
mod sequence;
mod services;
pub mod solve;
mod supply;
mod toolstack;
mod transaction;
pub mod xapi_error;

pub use host::{Ended, Run};
pub use rehearsal::{Landing, Played, Rehearsal, Rehearsed, Subject, checks, rehearse};
pub use toolstack::UpdateInfo;
