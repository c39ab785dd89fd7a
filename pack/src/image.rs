//! A finished pack, opened: names, small files and package headers as they are found.
//!
//! Judges nothing and believes nothing: everything is bounded, whatever the image says. What is right or wrong about a
//! pack, [`crate::verify`] says.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use medium::iso9660::{Entry, Image, Naming, ReadError, SECTOR};

use crate::rpm::{Rpm, Source};

/// Most bytes of a file that is read into memory as a whole, compressed or not; metadata of packs is far smaller.
pub const MAX_SMALL_FILE: u64 = 16 << 20;
/// Most packages that are looked at.
pub const MAX_PACKAGES: usize = 4096;
/// Most bytes of memory that the headers of all packages may take together.
pub const MAX_HEADERS: usize = 128 << 20;

/// The regular files of one hierarchy of names, by path.
pub type Files = BTreeMap<String, Entry>;

/// An opened image.
#[derive(Debug)]
pub struct PackImage {
    path: PathBuf,
    source: Source,
    volume_id: String,
    /// Every entry but the root by Rock Ridge names: what Linux sees. `Err` says why there are none.
    rock_ridge: Result<Vec<Entry>, String>,
    /// The same by Joliet names: what Windows sees.
    joliet: Result<Vec<Entry>, String>,
    has_joliet: bool,
}

impl PackImage {
    /// Opens an image.
    ///
    /// # Errors
    /// Why it is none, in a few words.
    pub fn open(path: &Path) -> Result<PackImage, String> {
        let source = Source::open(path).map_err(|e| format!("cannot be read: {e}"))?;
        let file = File::open(path).map_err(|e| format!("cannot be read: {e}"))?;
        let mut image = Image::open(file).map_err(|e| explain(&e))?;
        let volume_id = image.volume_id().to_owned();
        let has_joliet = image.has_joliet();
        let mut entries = |naming| image.entries(naming).map_err(|e| explain(&e));
        let (rock_ridge, joliet) = (entries(Naming::RockRidge), entries(Naming::Joliet));
        Ok(PackImage { path: path.into(), source, volume_id, rock_ridge, joliet, has_joliet })
    }

    /// The path that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Length of the file in bytes.
    pub fn length(&self) -> u64 {
        self.source.length()
    }

    /// The bytes of the whole file.
    pub fn whole(&self) -> &Source {
        &self.source
    }

    /// The volume identifier.
    pub fn volume_id(&self) -> &str {
        &self.volume_id
    }

    /// What Linux sees.
    ///
    /// # Errors
    /// Why it sees nothing.
    pub fn rock_ridge(&self) -> Result<&[Entry], &str> {
        self.rock_ridge.as_deref().map_err(String::as_str)
    }

    /// What Windows sees.
    ///
    /// # Errors
    /// Why it sees nothing.
    pub fn joliet(&self) -> Result<&[Entry], &str> {
        self.joliet.as_deref().map_err(String::as_str)
    }

    /// Whether there are Joliet names at all.
    pub fn has_joliet(&self) -> bool {
        self.has_joliet
    }

    /// The regular files that Linux sees; none if it cannot read the names.
    pub fn files(&self) -> impl Iterator<Item = &Entry> {
        self.rock_ridge.iter().flatten().filter(|entry| entry.is_file())
    }

    /// The regular file of this very path, as Linux sees it.
    pub fn file(&self, path: &str) -> Option<&Entry> {
        self.files().find(|entry| entry.path == path)
    }

    /// The content of a file, to be read at any offset.
    pub fn source(&self, entry: &Entry) -> Source {
        self.source.part(&entry.path, u64::from(entry.sector) * SECTOR as u64, entry.bytes.into())
    }

    /// The whole content of a small file.
    ///
    /// # Errors
    /// It cannot be read, or is too large to be what it should be.
    pub fn content(&self, entry: &Entry) -> Result<Vec<u8>, String> {
        if u64::from(entry.bytes) > MAX_SMALL_FILE {
            return Err(format!("has {} bytes; at most {MAX_SMALL_FILE} are read", entry.bytes));
        }
        let mut bytes = Vec::new();
        self.source(entry).read_from(0).read_to_end(&mut bytes).map_err(|e| format!("cannot be read: {e}"))?;
        Ok(bytes)
    }

    /// Every file whose name ends with `.rpm`, with its headers or why they cannot be read, in the order of their paths.
    pub fn packages(&self) -> Vec<(&Entry, Result<Rpm, String>)> {
        let mut left = MAX_HEADERS;
        let files = self.files().filter(|entry| entry.path.ends_with(".rpm"));
        let read = files.enumerate().map(|(index, entry)| {
            if index >= MAX_PACKAGES || left == 0 {
                let problem = format!(
                    "is not looked at: at most {MAX_PACKAGES} packages, with {MAX_HEADERS} bytes of headers, are read"
                );
                return (entry, Err(problem));
            }
            let rpm = Rpm::read(self.source(entry)).map_err(|e| e.problem().to_owned());
            if let Ok(rpm) = &rpm {
                left = left.saturating_sub(rpm.memory());
            }
            (entry, rpm)
        });
        read.collect()
    }
}

fn explain(error: &ReadError) -> String {
    let cause = std::error::Error::source(error).map_or(String::new(), |cause| format!(": {cause}"));
    format!("{error}{cause}")
}
