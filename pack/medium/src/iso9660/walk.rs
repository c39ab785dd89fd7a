//! Lists a hierarchy of directories that may lie: bounded in time and memory whatever they say.
//!
//! Knows directories and limits; must not know volume descriptors.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    io::{Read, Seek},
};

use super::{
    MAX_ENTRIES, MAX_PATH_BYTES, ReadError, SECTOR, UnixSeconds,
    directory::{self, Extent, PARENT, Record, SELF},
    image::Source,
    names, sectors,
    susp::{Attributes, S_IFDIR, S_IFMT, S_IFREG},
};

/// Most levels of directories that are read: deeper than ECMA-119's eight, as some writers go.
pub const MAX_READ_DEPTH: usize = 32;
/// Most bytes that all directories of a hierarchy may have together. Each of [`MAX_ENTRIES`] directories takes a sector
/// at least, which makes 128 MiB.
pub const MAX_DIRECTORY_BYTES: usize = 256 << 20;
/// Most bytes of Rock Ridge that are read outside directories.
pub const MAX_CONTINUATION_BYTES: usize = 32 << 20;
/// Most continuations of one record.
pub const MAX_CONTINUATIONS: usize = 16;

/// Which of its names an image is read by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Naming {
    /// The names as they were, in the primary hierarchy: what Linux uses.
    RockRidge,
    /// The names as they were, in a hierarchy of their own: what Windows and DiscUtils use.
    Joliet,
    /// Capitals, digits and underscores, at most 30 of them: what every reader can use.
    Plain,
}

impl fmt::Display for Naming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RockRidge => "Rock Ridge",
            Self::Joliet => "Joliet",
            Self::Plain => "plain",
        })
    }
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// Something else that Rock Ridge knows: symbolic link, device, socket, pipe.
    Special,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "a regular file",
            Self::Directory => "a directory",
            Self::Special => "a symbolic link or a device",
        })
    }
}

/// A file or directory on an image.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Path from the root, components separated by `/`.
    pub path: String,
    /// What it is.
    pub kind: Kind,
    /// Length in bytes; that of a directory is the length of its records.
    pub bytes: u32,
    /// First sector of its content; means nothing if there are no bytes.
    pub sector: u32,
    /// Type and permissions as in `st_mode`, with Rock Ridge only.
    pub mode: Option<u32>,
    /// When it was modified, unless that is not said, no date, or before 1970.
    pub modified: Option<UnixSeconds>,
}

impl Entry {
    /// Whether it is a directory.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        self.kind == Kind::Directory
    }

    /// Whether it is a regular file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.kind == Kind::File
    }
}

/// Lists what is below `root`, by `naming`; `skip` bytes of every system use area are none of Rock Ridge's.
pub(super) fn entries<R: Read + Seek>(
    source: &mut Source<R>,
    root: Extent,
    naming: Naming,
    skip: usize,
) -> Result<Vec<Entry>, ReadError> {
    let mut walk = Walk {
        naming,
        skip,
        found: Vec::new(),
        waiting: VecDeque::from([Directory { path: String::new(), depth: 0, extent: root }]),
        claimed: BTreeMap::new(),
        path_bytes: 0,
        directory_bytes: 0,
        continuation_bytes: 0,
    };
    while let Some(directory) = walk.waiting.pop_front() {
        walk.directory(source, &directory)?;
    }
    walk.found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(walk.found)
}

struct Walk {
    naming: Naming,
    skip: usize,
    found: Vec<Entry>,
    waiting: VecDeque<Directory>,
    /// First sector of every directory so far → one past its last. No two overlap, so no directory is within itself.
    claimed: BTreeMap<u32, u64>,
    path_bytes: usize,
    directory_bytes: usize,
    continuation_bytes: usize,
}

struct Directory {
    path: String,
    depth: usize,
    extent: Extent,
}

impl Walk {
    fn directory<R: Read + Seek>(&mut self, source: &mut Source<R>, directory: &Directory) -> Result<(), ReadError> {
        let Directory { path, extent, .. } = directory;
        let fault_at = |sector, reason| ReadError::Directory { directory: path.clone(), sector, reason };
        source.check(*extent, || path.clone())?;
        self.claim(*extent).map_err(|reason| fault_at(extent.first, reason))?;
        spend(&mut self.directory_bytes, extent.bytes as usize, MAX_DIRECTORY_BYTES, "bytes of directories")?;

        let mut names = BTreeSet::new();
        let mut position = 0_usize;
        for index in 0..sectors(extent.bytes.into()) as u32 {
            let sector = extent.first + index;
            let fault = |reason| fault_at(sector, reason);
            let bytes = source.sector(sector)?;
            let left = extent.bytes as usize - index as usize * SECTOR;
            for record in directory::records(&bytes[..left.min(SECTOR)]) {
                let record = record.map_err(fault)?;
                position += 1;
                // A directory begins with itself and its parent (ECMA-119 6.8.2.2), and only begins with them.
                match position {
                    1 if record.identifier == SELF => continue,
                    2 if record.identifier == PARENT => continue,
                    1 | 2 => return Err(fault("does not begin with itself and its parent")),
                    _ => {}
                }
                let (name, attributes) = self.named(source, &record, &fault)?;
                let entry = self.entry(directory, &name, &record, attributes).map_err(fault)?;
                source.check(record.extent, || entry.path.clone())?;
                if !names.insert(name) {
                    return Err(ReadError::Duplicate { path: entry.path });
                }
                self.keep(directory.depth, entry, record.extent)?;
            }
        }
        if position < 2 {
            return Err(fault_at(extent.first, "does not begin with itself and its parent"));
        }
        Ok(())
    }

    fn claim(&mut self, extent: Extent) -> Result<(), &'static str> {
        if extent.bytes == 0 {
            return Err("has no sectors");
        }
        let before = self.claimed.range(..=extent.first).next_back().map_or(0, |(_, end)| *end);
        let after = self.claimed.range(extent.first..).next().map_or(u64::MAX, |(first, _)| (*first).into());
        if before > extent.first.into() || after < extent.end() {
            return Err("shares sectors with another directory or is within itself");
        }
        self.claimed.insert(extent.first, extent.end());
        Ok(())
    }

    fn named<R: Read + Seek>(
        &mut self,
        source: &mut Source<R>,
        record: &Record<Option<UnixSeconds>>,
        fault: &impl Fn(&'static str) -> ReadError,
    ) -> Result<(String, Attributes), ReadError> {
        let Record { identifier, directory, .. } = *record;
        let mut attributes = Attributes::default();
        let name = match self.naming {
            Naming::Plain => names::read_primary(identifier, directory),
            Naming::Joliet => names::read_joliet(identifier, directory),
            Naming::RockRidge => {
                let inline = record.system_use.get(self.skip..).unwrap_or_default();
                attributes = source.attributes(inline, fault, |bytes| {
                    spend(
                        &mut self.continuation_bytes,
                        bytes,
                        MAX_CONTINUATION_BYTES,
                        "bytes of Rock Ridge continuations",
                    )
                })?;
                match &attributes.name {
                    Some(name) => names::read_rock_ridge(name),
                    // As Linux does (fs/isofs/dir.c).
                    None => names::read_primary(identifier, directory),
                }
            }
        };
        Ok((name.map_err(fault)?, attributes))
    }

    fn entry(
        &self,
        directory: &Directory,
        name: &str,
        record: &Record<Option<UnixSeconds>>,
        attributes: Attributes,
    ) -> Result<Entry, &'static str> {
        // Linux believes the mode, others the record: no room for two opinions.
        let kind = match (record.directory, attributes.mode.map(|mode| mode & S_IFMT)) {
            (true, None | Some(S_IFDIR)) => Kind::Directory,
            (true, Some(_)) => return Err("has a directory that is none by its Rock Ridge mode"),
            (false, Some(S_IFDIR)) => {
                return Err("has a file that is a directory by its Rock Ridge mode");
            }
            (false, None | Some(S_IFREG)) => Kind::File,
            (false, Some(_)) => Kind::Special,
        };
        let path = if directory.path.is_empty() { name.to_owned() } else { format!("{}/{name}", directory.path) };
        Ok(Entry {
            path,
            kind,
            bytes: record.extent.bytes,
            sector: record.extent.first,
            mode: attributes.mode,
            modified: attributes.modified.or(record.modified),
        })
    }

    fn keep(&mut self, depth: usize, entry: Entry, extent: Extent) -> Result<(), ReadError> {
        if self.found.len() == MAX_ENTRIES {
            return Err(ReadError::TooMuch { what: "files and directories", limit: MAX_ENTRIES });
        }
        spend(&mut self.path_bytes, entry.path.len(), MAX_PATH_BYTES, "bytes of paths")?;
        if entry.is_dir() {
            let depth = depth + 1;
            if depth > MAX_READ_DEPTH {
                return Err(ReadError::TooMuch { what: "levels of directories", limit: MAX_READ_DEPTH });
            }
            self.waiting.push_back(Directory { path: entry.path.clone(), depth, extent });
        }
        self.found.push(entry);
        Ok(())
    }
}

fn spend(spent: &mut usize, amount: usize, limit: usize, what: &'static str) -> Result<(), ReadError> {
    *spent = spent.saturating_add(amount);
    if *spent > limit { Err(ReadError::TooMuch { what, limit }) } else { Ok(()) }
}
