//! Packs on a host: which it has, how one gets there, and how one leaves.
//!
//! - [`host`]: the host's folders, inventory and programs; [`xe`], its toolstack, with [`xe_error`] for what that
//!   refuses; [`packages`], its rpm.
//! - [`state`] is which packs there are, [`older`] those of the older format among them.
//! - [`removal`] takes one away, by the script that it ships or by [`REMOVAL_SCRIPT`].
//!
//! Knows a host's programs and folders; must not know command lines, nor how a pack was built. Works when XAPI is down.

pub mod host;
pub mod older;
pub mod packages;
pub mod removal;
pub mod state;
pub mod xe;
pub mod xe_error;

/// The removal script that a pack ships where its author gives none: `/var/update/<uuid>/remove`. It works without
/// Python, network and XAPI. Not for packs with kernel modules, which it refuses to remove unless forced.
pub const REMOVAL_SCRIPT: &str = include_str!("remove.sh");
