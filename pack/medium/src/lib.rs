//! A tree of named byte sources, written to a medium and read back from it.
//!
//! Knows the formats of media and nothing of what travels on them: not what a supplemental pack is, not what a config
//! drive is, no clock, no network. Every image is a pure function of its arguments, so equal input gives equal bytes.
//!
//! ```
//! use medium::iso9660::{Image, Naming, Tree, UnixSeconds, Volume, Writer};
//! use std::io::{Cursor, Read};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Every path is named before the first byte is written; directories follow from the paths.
//! let tree = Tree::new([("meta_data.json", 0o644), ("openstack/latest/user_data", 0o600)])?;
//! let volume = Volume { id: "config-2", application: "", publisher: "", modified: UnixSeconds::new(1_700_000_000)? };
//!
//! // Sources are streamed in any order; the writer holds one fixed buffer.
//! let mut iso = Writer::new(Cursor::new(Vec::new()), &volume, tree)?;
//! iso.write("openstack/latest/user_data", &b"#cloud-config\n"[..])?;
//! iso.write("meta_data.json", &b"{}"[..])?;
//! let image = iso.finish()?;
//!
//! // Reading treats the image as hostile.
//! let mut image = Image::open(image)?;
//! assert_eq!(image.volume_id(), "config-2");
//! let entries = image.entries(Naming::RockRidge)?;
//! let user_data = entries.iter().find(|entry| entry.path == "openstack/latest/user_data").ok_or("not on the image")?;
//! let mut text = String::new();
//! image.read(user_data)?.read_to_string(&mut text)?;
//! assert_eq!(text, "#cloud-config\n");
//! # Ok(())
//! # }
//! ```

mod file;
pub mod folder;
pub mod iso9660;
#[cfg(feature = "archive")]
pub mod tar;

pub use file::{CopyError, File};
