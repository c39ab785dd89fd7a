//! A host in a folder: the rehearsal of what a pack does there, without a host.
//!
//! - What is known of hosts: [`capture`], and [`original`], which a pack may have to replace.
//! - What yum and XAPI decide: [`database`], [`solve`] and [`plan`], [`refusal`], [`file_conflict`]; [`xapi_error`] is how
//!   XAPI reads a refusal.
//! - What happens on the host: `host` is its [`root`] in a folder with packages, `services` and `toolstack`; a
//!   `transaction` lets files land and leave and runs scriptlets, [`confine`]d, which call the host's own `programs`.
//! - `sequence` is what XAPI and the host installer do with a pack; `rehearsal` plays it and checks what came of it.
//!
//! Knows no network and no real host. What a capture does not know is never taken for good.

pub mod capture;
pub mod confine;
pub mod database;
mod erase;
mod fate;
pub mod file_conflict;
mod host;
pub mod order;
pub mod original;
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
mod trial;
pub mod xapi_error;

pub use crate::rpm::package;
pub use host::{Ended, Run};
pub use rehearsal::{Landing, Played, Rehearsal, Rehearsed, Scenario, Subject, checks, rehearse};
pub use root::{Entry, Kind};
pub use toolstack::UpdateInfo;
pub use trial::Trial;
pub use xapi_error::XapiError;
