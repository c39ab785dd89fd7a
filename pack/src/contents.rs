//! What is in a pack, whatever carries it: an image, an archive, or a folder into which one was extracted.
//!
//! Judges nothing and believes nothing. Only what is asked for is read, and no more of it than is bounded here and in
//! [`crate::image`].

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use medium::iso9660::{Kind, MAX_ENTRIES, MAX_READ_DEPTH};
use std::os::unix::fs::MetadataExt;
use walkdir::WalkDir;

use crate::image::{MAX_HEADERS, MAX_PACKAGES, MAX_SMALL_FILE, PackImage};
use crate::rpm::{Rpm, Source};
use crate::{Error, Result};

/// An opened pack.
#[derive(Debug)]
pub struct Contents {
    path: PathBuf,
    medium: Medium,
    /// Every entry but the root, by path.
    entries: Vec<Entry>,
    /// What of it could not be read.
    problems: Vec<String>,
}

/// What carries a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Medium {
    /// An ISO 9660 image of so many bytes.
    Image { bytes: u64, volume_id: String, rock_ridge: bool, joliet: bool },
    /// An archive of tar in gzip, of so many bytes.
    Archive { bytes: u64 },
    /// A folder.
    Folder,
}

/// A file or folder of a pack.
#[derive(Debug)]
pub struct Entry {
    /// Path from the root, components separated by `/`, none of them empty, `.` or `..`.
    pub path: String,
    pub kind: EntryKind,
    /// Permissions, where the medium has them.
    pub mode: Option<u32>,
}

/// What an entry is.
#[derive(Debug)]
pub enum EntryKind {
    File(Source),
    Folder,
    /// A link, a device, a pipe or a socket.
    Special,
}

impl Entry {
    /// The content of a regular file.
    pub fn source(&self) -> Option<&Source> {
        match &self.kind {
            EntryKind::File(source) => Some(source),
            _ => None,
        }
    }

    /// Length in bytes, of a regular file.
    pub fn bytes(&self) -> u64 {
        self.source().map_or(0, Source::length)
    }
}

impl Contents {
    /// Opens an image, an archive or a folder.
    ///
    /// # Errors
    /// [`Error`] of class `Payload` if there is nothing to look into.
    pub fn open(path: &Path) -> Result<Contents> {
        let unreadable = |problem: String| {
            Error::payload(path, problem, "Give an ISO image of a pack, or the folder into which one was extracted")
        };
        let metadata = fs::metadata(path).map_err(|e| unreadable(format!("cannot be read: {e}")))?;
        match metadata.is_dir() {
            true => Contents::folder(path).map_err(unreadable),
            false if is_gzip(path) => Contents::archive(path).map_err(unreadable),
            false => PackImage::open(path).map(|image| Contents::image(&image)).map_err(unreadable),
        }
    }

    /// What is on an opened image: by the names that Linux sees, else by those that Windows sees.
    pub fn image(image: &PackImage) -> Contents {
        let mut problems = Vec::new();
        let rock_ridge = image.rock_ridge();
        if let Err(problem) = rock_ridge {
            problems.push(format!("Linux sees no names: {problem}"));
        }
        let joliet = image.joliet();
        if let (true, Err(problem)) = (image.has_joliet(), joliet) {
            problems.push(format!("Windows sees no names: {problem}"));
        }
        let names = rock_ridge.or(joliet).unwrap_or_default();
        let entries = names.iter().map(|entry| Entry {
            path: entry.path.clone(),
            kind: match entry.kind {
                Kind::File => EntryKind::File(image.source(entry)),
                Kind::Directory => EntryKind::Folder,
                Kind::Special => EntryKind::Special,
            },
            mode: entry.mode.map(|mode| mode & 0o7777),
        });
        Contents {
            path: image.path().into(),
            entries: entries.collect(),
            medium: Medium::Image {
                bytes: image.length(),
                volume_id: image.volume_id().into(),
                rock_ridge: rock_ridge.is_ok(),
                joliet: joliet.is_ok(),
            },
            problems,
        }
    }

    /// Unpacks an archive to a place without a name, which goes away with this.
    fn archive(path: &Path) -> std::result::Result<Contents, String> {
        let failed = |e: std::io::Error| format!("cannot be read: {e}");
        let file = fs::File::open(path).map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        let mut spool = tempfile::tempfile().map_err(|e| format!("cannot be unpacked: {e}"))?;
        let listed = medium::tar::read(file, bytes, &mut spool).map_err(|e| e.to_string())?;
        let unpacked = Source::of_file(path, spool).map_err(failed)?;
        let entries = listed.into_iter().map(|entry| Entry {
            kind: match entry.kind {
                medium::tar::Kind::File => EntryKind::File(unpacked.part(&entry.path, entry.offset, entry.bytes)),
                medium::tar::Kind::Folder => EntryKind::Folder,
                medium::tar::Kind::Special => EntryKind::Special,
            },
            mode: Some(entry.mode),
            path: entry.path,
        });
        let medium = Medium::Archive { bytes };
        Ok(Contents { path: path.into(), entries: entries.collect(), medium, problems: Vec::new() })
    }

    fn folder(path: &Path) -> std::result::Result<Contents, String> {
        let (mut entries, mut problems) = (Vec::new(), Vec::new());
        // Links are not followed: nothing outside of the folder is part of the pack.
        let walk = WalkDir::new(path).min_depth(1).max_depth(MAX_READ_DEPTH).follow_links(false).sort_by_file_name();
        for found in walk {
            if entries.len() == MAX_ENTRIES {
                return Err(format!("has more than {MAX_ENTRIES} files and folders: it is no extracted pack"));
            }
            let found = match found {
                Ok(found) => found,
                Err(e) => {
                    problems.push(e.to_string());
                    continue;
                }
            };
            let relative = found.path().strip_prefix(path).unwrap_or(found.path());
            let Some(name) = relative.to_str() else {
                problems.push(format!("{} is no name in UTF-8", relative.display()));
                continue;
            };
            let kind = match found.file_type() {
                kind if kind.is_dir() => EntryKind::Folder,
                kind if kind.is_file() => match Source::open(found.path()) {
                    Ok(source) => EntryKind::File(source),
                    Err(e) => {
                        problems.push(format!("{name} cannot be read: {e}"));
                        continue;
                    }
                },
                _ => EntryKind::Special,
            };
            let mode = found.metadata().ok().map(|metadata| metadata.mode() & 0o7777);
            entries.push(Entry { path: name.into(), kind, mode });
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Contents { path: path.into(), medium: Medium::Folder, entries, problems })
    }

    /// The path that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What carries the pack.
    pub fn medium(&self) -> &Medium {
        &self.medium
    }

    /// Every file and folder but the root, by path.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What of the medium could not be read.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// The entry of this very path.
    pub fn entry(&self, path: &str) -> Option<&Entry> {
        let index = self.entries.binary_search_by(|entry| entry.path.as_str().cmp(path)).ok()?;
        self.entries.get(index)
    }

    /// The whole content of a small file; none if there is no such file.
    ///
    /// # Errors
    /// It cannot be read, or is too large to be what it should be: to follow its name.
    pub fn small(&self, path: &str) -> std::result::Result<Option<Vec<u8>>, String> {
        let Some(source) = self.entry(path).and_then(Entry::source) else { return Ok(None) };
        if source.length() > MAX_SMALL_FILE {
            return Err(format!("has {} bytes; at most {MAX_SMALL_FILE} are read", source.length()));
        }
        let mut bytes = Vec::new();
        source.read_from(0).read_to_end(&mut bytes).map_err(|e| format!("cannot be read: {e}"))?;
        Ok(Some(bytes))
    }

    /// Every file whose name ends with `.rpm`, with its headers or why they cannot be read, in the order of their paths.
    pub fn packages(&self) -> Vec<(&Entry, std::result::Result<Rpm, String>)> {
        let mut left = MAX_HEADERS;
        let files = self.entries.iter().filter_map(|entry| Some((entry, entry.source()?)));
        let files = files.filter(|(entry, _)| entry.path.ends_with(".rpm")).enumerate();
        let read = files.map(|(index, (entry, source))| {
            if index >= MAX_PACKAGES || left == 0 {
                let limit = format!("at most {MAX_PACKAGES} packages, with {MAX_HEADERS} bytes of headers, are read");
                return (entry, Err(format!("is not looked at: {limit}")));
            }
            let rpm = Rpm::read(source.clone()).map_err(|e| e.problem().to_owned());
            if let Ok(rpm) = &rpm {
                left = left.saturating_sub(rpm.memory());
            }
            (entry, rpm)
        });
        read.collect()
    }
}

/// Whether a file begins as gzip's do (RFC 1952).
fn is_gzip(path: &Path) -> bool {
    let mut magic = [0; 2];
    fs::File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok_and(|()| magic == [0x1f, 0x8b])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_read_without_following_links() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("Packages")).unwrap();
        fs::write(folder.path().join("update.xml"), "<update/>").unwrap();
        std::os::unix::fs::symlink("/etc", folder.path().join("Packages/link")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("a.rpm")).unwrap();
        let contents = Contents::open(folder.path()).unwrap();
        let paths: Vec<&str> = contents.entries().iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(paths, ["Packages", "Packages/link", "a.rpm", "update.xml"]);
        assert_eq!(contents.small("update.xml").unwrap().unwrap(), b"<update/>");
        assert_eq!(contents.small("a.rpm").unwrap(), None);
        assert!(contents.packages().is_empty());
    }

    #[test]
    fn what_is_no_pack_is_an_error_with_its_reason() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Contents::open(file.path()).unwrap_err().to_string();
        assert!(error.contains("not an ISO 9660 image"), "{error}");
        assert!(Contents::open(Path::new("/nonexistent")).unwrap_err().to_string().contains("No such file"));
    }
}
