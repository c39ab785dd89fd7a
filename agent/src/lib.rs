//! The agent that runs in dom0: what the program `xscontainer` is made of.
//!
//! Dependencies run one way: [`monitor`] decides which VMs to watch from what [`xapi`] reports, finds a way in with
//! [`access`] and [`guest`], asks the [`engine`] there, and has what it says written down by [`view`]. `xapi`, `guest`,
//! `engine` and `view` do not know each other, but for the engine's types that `view` turns into documents.
//! [`config_drive`] gives VMs the drive by which they configure themselves; of the others it knows `xapi` and the key of
//! `access` only. [`inventory`], [`log`], [`service`] and [`quote`] know none of them.

pub mod access;
pub mod config_drive;
pub mod engine;
pub mod guest;
pub mod inventory;
pub mod log;
pub mod monitor;
pub mod quote;
pub mod service;
pub mod view;
pub mod xapi;

/// The version that users see: the pack's, which `cargo xtask pack` sets when it builds, so that program, RPM and pack
/// agree; else this crate's.
pub const VERSION: &str = match option_env!("XSCONTAINER_VERSION") {
    Some(version) => version,
    None => env!("CARGO_PKG_VERSION"),
};
