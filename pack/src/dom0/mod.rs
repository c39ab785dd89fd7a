//! A host in a folder: the rehearsal of what a pack does there, without a host.

pub mod database;
pub mod file_conflict;
pub mod order;
pub mod package;
pub mod package_set;
pub mod plan;
pub mod refusal;
pub mod solve;
pub mod xapi_error;
