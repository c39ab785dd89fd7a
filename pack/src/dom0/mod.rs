//! A host in a folder: the rehearsal of what a pack does there, without a host.

pub mod confine;
pub mod package;
pub mod root;
