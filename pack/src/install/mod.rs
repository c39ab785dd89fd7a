//! Packs on a host: what is there, what it takes to install one, and how it is removed.
//!
//! Knows a host's programs and folders; must not know command lines.

/// The removal script that a pack ships where its author gives none: `/var/update/<uuid>/remove`. It works without
/// Python, network and XAPI. Not for packs with kernel modules, which it refuses to remove unless forced.
pub const REMOVAL_SCRIPT: &str = include_str!("remove.sh");
