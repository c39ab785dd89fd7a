//! ISO 9660 images with Rock Ridge and Joliet names.
//!
//! Written: [`Tree`] (what is on the image) + [`Volume`] (what it is called) → [`Writer`]. Read: [`Image`].
//! Standards: ECMA-119 (ISO 9660), SUSP 1.10 and RRIP 1991A (Rock Ridge), Microsoft's Joliet specification.
//!
//! Must not know: what the files mean.

mod descriptor;
mod directory;
mod field;
mod hierarchy;
mod image;
mod names;
mod susp;
mod time;
mod tree;
mod volume;
mod walk;
mod writer;

pub use image::{Content, Image, ReadError};
pub use names::{MAX_JOLIET_NAME, MAX_NAME_BYTES};
pub use time::{TimeError, UnixSeconds};
pub use tree::{MAX_DEPTH, Tree, TreeError};
pub use volume::{Volume, VolumeError};
pub use walk::{Entry, Kind, MAX_CONTINUATION_BYTES, MAX_CONTINUATIONS, MAX_DIRECTORY_BYTES, MAX_READ_DEPTH, Naming};
pub use writer::{MAX_FILE_BYTES, WriteError, Writer};

/// Bytes in a sector, and in a logical block: the only block size in use for images (ECMA-119 6.1.2, 6.2.2).
pub const SECTOR: usize = 2048;

/// Most files and directories, the root left out, that an image may have. A path table numbers directories in 16 bits
/// (ECMA-119 9.4.4); the same number bounds what a hostile image can make the reader hold.
pub const MAX_ENTRIES: usize = 65_535;

/// Most bytes that all paths of an image may have together: what a hostile image can make the reader hold.
pub const MAX_PATH_BYTES: usize = 32 << 20;

/// Sectors that are needed for `bytes`.
fn sectors(bytes: u64) -> u64 {
    bytes.div_ceil(SECTOR as u64)
}
