//! Packs of the older format, for XenServer up to 7.0 and XCP 1.x: a flat tree of packages with two files of metadata and
//! a script that installs them.
//!
//! Knows that format and the order of steps by which such a pack is built; must not know command lines, nor anything of
//! the format of 7.1 and later. What is right or wrong about a finished pack, [`crate::verify`] says.
//!
//! Sources: supp-pack-build (builder and installers), python-libs (`xcp/repository.py`, `xcp/version.py`).

mod build;
pub mod eula;
pub mod kind;
pub mod lines;
pub mod order;
mod output;
pub mod packages;
pub mod repository;
pub mod version;

pub use build::{Request, build, draft, proved};
pub use output::Draft;
pub use packages::Listed;
pub use repository::Repository;

/// Name of the script that installs the pack it lies in.
pub const INSTALL: &str = "install";
/// Name of the script that removes a pack from a host.
pub const UNINSTALL: &str = "uninstall";
/// The script that installs: POSIX shell, as hosts of this format have no other language in common.
pub const INSTALL_SCRIPT: &str = concat!(include_str!("shell/common.sh"), include_str!("shell/install.sh"));
/// The script that removes.
pub const UNINSTALL_SCRIPT: &str = concat!(include_str!("shell/common.sh"), include_str!("shell/uninstall.sh"));

/// MD5 of both files of metadata, one after the other: what identifies a pack's metadata beside its image.
pub fn metadata_md5(repository: &[u8], packages: &[u8]) -> String {
    use md5::{Digest, Md5};
    crate::digest::hex(&Md5::new().chain_update(repository).chain_update(packages).finalize())
}
