//! What is in a root: one entry per name, in an order that two listings can be compared in.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::{FOLDER, PERMISSIONS, Root, is_folder};
use crate::digest;

/// Something in a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Absolute, as the host would name it.
    pub path: PathBuf,
    pub kind: Kind,
    /// Permissions as they are on disk, without the type.
    pub mode: u32,
}

/// What it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A regular file: its length in bytes and its SHA-256 in hexadecimal digits, where that was asked for and could be
    /// had.
    File {
        size: u64,
        sha256: Option<String>,
    },
    Folder,
    /// A symbolic link and its target.
    Link(PathBuf),
    /// A pipe, a socket or a device.
    Other,
}

/// How much a listing may take: a script may have left any amount of anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub entries: usize,
    /// Folders within folders.
    pub depth: usize,
    /// Bytes to digest, of all files together. What does not fit has no digest.
    pub digested: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { entries: 100_000, depth: 100, digested: 1 << 30 }
    }
}

impl Entry {
    /// From what stat(2) says; without digest.
    pub(super) fn of(parent: &OwnedFd, name: &OsStr, path: PathBuf, stat: &Stat) -> io::Result<Entry> {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::File { size: u64::try_from(stat.st_size).unwrap_or(0), sha256: None },
            FileType::Directory => Kind::Folder,
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(parent, name, Vec::new())?;
                Kind::Link(OsString::from_vec(target.into_bytes()).into())
            }
            _ => Kind::Other,
        };
        Ok(Entry { path, kind, mode: stat.st_mode & (PERMISSIONS | 0o6000) })
    }
}

pub(super) fn list(root: &Root, limits: &Limits) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut left_to_digest = limits.digested;
    let mut folders = vec![PathBuf::from("/")];
    while let Some(folder) = folders.pop() {
        if folder.components().count() > limits.depth {
            return Err(too_much(format!("folders are nested more than {} deep", limits.depth)));
        }
        let parent = root.open(&folder, FOLDER)?;
        let names = names(&parent, limits.entries - entries.len())?;
        let names = names.ok_or_else(|| too_much(format!("there are more than {} files", limits.entries)))?;
        for name in names {
            let stat = rustix::fs::statat(&parent, &name, AtFlags::SYMLINK_NOFOLLOW)?;
            let mut entry = Entry::of(&parent, &name, folder.join(&name), &stat)?;
            if let Kind::File { size, sha256 } = &mut entry.kind
                && *size <= left_to_digest
            {
                left_to_digest -= *size;
                *sha256 = sha256_of(&parent, &name, *size)?;
            }
            if is_folder(&stat) {
                folders.push(entry.path.clone());
            }
            entries.push(entry);
        }
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

fn too_much(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, what)
}

/// The names in a folder; none if there are more than `limit`.
pub(super) fn names(folder: &OwnedFd, limit: usize) -> io::Result<Option<Vec<OsString>>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let name = entry?.file_name().to_bytes().to_owned();
        if name == b"." || name == b".." {
            continue;
        }
        if names.len() == limit {
            return Ok(None);
        }
        names.push(OsString::from_vec(name));
    }
    Ok(Some(names))
}

/// None for a file whose mode keeps even its owner from reading it.
fn sha256_of(parent: &OwnedFd, name: &OsStr, size: u64) -> io::Result<Option<String>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match rustix::fs::openat(parent, name, flags, Mode::empty()) {
        Ok(file) => digest::sha256_hex(File::from(file).take(size)).map(Some),
        Err(Errno::ACCESS) => Ok(None),
        Err(e) => Err(e.into()),
    }
}
