//! The agent that runs in dom0: what the program `xscontainer` is made of.
//!
//! Dependencies run one way: [`monitor`] decides which VMs to watch from what [`xapi`] reports; `xapi` knows
//! nothing of containers. [`inventory`], [`log`] and [`quote`] know neither.

pub mod inventory;
pub mod log;
pub mod monitor;
pub mod quote;
pub mod xapi;

/// The version that users see: the pack's, which `cargo xtask pack` sets when it builds, so that program, RPM and pack
/// agree; else this crate's.
pub const VERSION: &str = match option_env!("XSCONTAINER_VERSION") {
    Some(version) => version,
    None => env!("CARGO_PKG_VERSION"),
};
