//! Packs on a host: which it has, how one gets there, and how one leaves.
//!
//! - [`host`]: the host's folders, inventory and programs; [`xe`], its toolstack, with [`xe_error`] for what that
//!   refuses; [`packages`], its rpm.
//! - [`state`] is which packs there are, [`older`] those of the older format among them.
//! - [`fitness`]: whether this very host will take a pack; [`trust`], in its key.
//! - [`applying`]: XAPI applies one. [`older_installer`]: a pack of the older format installs itself.
//! - [`removal`] takes one away, by the script that it ships or by [`REMOVAL_SCRIPT`].
//!
//! Knows a host's programs and folders; must not know command lines, nor how a pack was built. Works when XAPI is down.

pub mod applying;
pub mod fitness;
pub mod host;
pub mod older;
pub mod older_installer;
pub mod packages;
pub mod removal;
pub mod state;
pub mod trust;
pub mod xe;
pub mod xe_error;

/// The removal script that a pack ships where its author gives none: `/var/update/<uuid>/remove`. It works without
/// Python, network and XAPI. Not for packs with kernel modules, which it refuses to remove unless forced.
pub const REMOVAL_SCRIPT: &str = include_str!("remove.sh");
