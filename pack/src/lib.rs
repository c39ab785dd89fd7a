//! Supplemental packs for XenServer, Citrix Hypervisor and XCP-ng: what one is, and how to build, sign, read and prove one.
//!
//! Data flows one way: [`spec`] (what the pack is) and payload RPMs → [`rpm`] and [`openpgp`] (complete, sign) →
//! [`update`] (the metadata of the format of 7.1 and later) → [`build`] (the pipeline) → a draft of an ISO image. From
//! there only finished bytes count: [`image`] opens them, [`verify`] holds them to the rules of their readers, [`dom0`]
//! rehearses what a host does with them, and [`report`] tells what was found. [`commands`] is how people use all of it.

pub mod build;
pub mod check;
pub mod commands;
pub mod compare;
pub mod contents;
mod digest;
pub mod dom0;
pub mod error;
pub mod extract;
pub mod fingerprint;
pub mod generation;
pub mod image;
pub mod inspect;
pub mod install;
pub mod legacy;
pub mod openpgp;
mod printable;
pub mod report;
pub mod resign;
pub mod rpm;
pub mod spec;
pub mod supply;
pub mod update;
pub mod verify;
mod xml;

pub use error::{Class, Error, Result};
