//! A host in a folder: the rehearsal of what a pack does there, without a host.
//!
//! [`capture`] (what a host has) → [`host`] (its root in a folder, packages, services, toolstack) → [`sequence`] (what
//! XAPI and the host installer do with a pack) → [`rehearsal`] (the scenarios, and what is checked of them).
//!
//! Knows no network and no real host. What a capture does not know is never taken for good.

pub mod capture;
mod confine;
pub mod database;
mod erase;
mod fate;
mod file_conflict;
mod host;
mod order;
pub mod original;
pub mod package;
mod package_set;
mod plan;
mod programs;
mod refusal;
mod rehearsal;
mod root;
mod sequence;
mod services;
mod solve;
mod supply;
mod toolstack;
mod transaction;
mod trial;
mod xapi_error;

pub use host::{Ended, Run};
pub use rehearsal::{Landing, Played, Rehearsal, Rehearsed, Subject, checks, rehearse};
pub use root::{Entry, Kind};
pub use toolstack::UpdateInfo;
pub use trial::Trial;
pub use xapi_error::XapiError;
