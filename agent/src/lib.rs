//! The agent that runs in dom0: what the program `xscontainer` is made of.
//!
//! Dependencies run one way: [`monitor`] decides which VMs to watch from what [`xapi`] reports, [`reach`] finds a way in
//! with [`access`] and [`guest`], the [`engine`] there is asked, and what it says is written down by [`view`]. [`plugin`]
//! carries out one call of XAPI: over a connection that the monitor lends ([`lending`]) or one of its own, or with
//! [`config_drive`]. [`metrics`] asks engines over lent connections what containers use. `xapi`, `guest`, `engine` and `view` do not know each other, but for the engine's types that `view`
//! turns into documents. [`prepare`] gives a VM what `access` finds later, certificates by [`certificates`] among it.
//! [`config`] maps what an administrator sets to what the rooms have for it; they do not know it.
//! [`certificates`], [`inventory`], [`log`], [`service`] and [`quote`] know none of the others.

pub mod access;
pub mod certificates;
pub mod config;
pub mod config_drive;
pub mod doctor;
pub mod engine;
pub mod guest;
pub mod inventory;
pub mod lending;
pub mod log;
pub mod metrics;
pub mod monitor;
pub mod operator;
pub mod plugin;
pub mod prepare;
pub mod quote;
pub mod reach;
pub mod service;
pub mod view;
pub mod xapi;

/// The version that users see: the pack's, which `cargo xtask pack` sets when it builds, so that program, RPM and pack
/// agree; else this crate's.
pub const VERSION: &str = match option_env!("XSCONTAINER_VERSION") {
    Some(version) => version,
    None => env!("CARGO_PKG_VERSION"),
};
