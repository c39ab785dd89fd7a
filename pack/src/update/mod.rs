//! The metadata of the pack format of XenServer 7.1 and later: `update.xml`, and a yum repository with a comps group.
//!
//! Knows what its readers (XAPI, yum, dnf, clients, the host installer) want to find; must not know how bytes reach a
//! medium, or how they are signed.

mod comps;
mod document;
mod repodata;
mod xml;

pub use comps::{DRIVERS, GROUP, comps, group_packages};
pub use document::{replaced_stamp, update_document};
pub use repodata::{Entry, Repodata, repodata};

#[cfg(test)]
mod tests;
