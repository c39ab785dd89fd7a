//! What is in a guest's folders, to be compared file by file: what was there before, and what is there afterwards.
//!
//! Must not know what files mean.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::vm::Vm;

/// Files up to this size are also compared line by line, if they are text.
const LONGEST_TEXT: u64 = 64 << 10;

/// Files by their paths in the guest. Times are not kept: two snapshots are the same if nobody could tell the
/// difference but by a clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot(BTreeMap<String, Entry>);

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    mode: u32,
    /// The ids of user and group.
    owner: (u32, u32),
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Folder,
    /// Its size in bytes, the SHA-256 of its content, and the content itself if it is a short text.
    File {
        size: u64,
        hash: String,
        text: Option<String>,
    },
    /// Where it leads.
    Link(String),
    /// A socket, pipe or device.
    Special(&'static str),
}

impl Vm {
    /// Every file at and below these paths, as the guest sees them, what is mounted included: type, mode, owner, size,
    /// content, and where links lead. A path that is not there has no entry.
    ///
    /// # Panics
    /// If one cannot be read.
    #[must_use]
    pub fn snapshot_files(&self, paths: &[&str]) -> Snapshot {
        let mut entries = BTreeMap::new();
        for path in paths {
            walk(&self.inside(path), path.trim_end_matches('/'), &mut entries);
        }
        Snapshot(entries)
    }
}

impl Snapshot {
    /// What differs in a later one, in lines that begin with `+` for what came, `-` for what went and `~` for what is
    /// another; none if nothing does.
    #[must_use]
    pub fn changes(&self, later: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        let paths: std::collections::BTreeSet<&String> = self.0.keys().chain(later.0.keys()).collect();
        for path in paths {
            match (self.0.get(path), later.0.get(path)) {
                (Some(before), Some(after)) => changes.extend(before.changes(after, path)),
                (Some(before), None) => changes.push(format!("- {path}: {before}")),
                (None, Some(after)) => changes.push(format!("+ {path}: {after}")),
                (None, None) => {}
            }
        }
        changes
    }

    /// Holds if a later one is the same.
    ///
    /// # Panics
    /// If it is not; the message lists what differs.
    #[track_caller]
    pub fn assert_same(&self, later: &Self) {
        let changes = self.changes(later);
        assert!(changes.is_empty(), "files of the guest are not as they were:\n{}", changes.join("\n"));
    }
}

/// One line for each file: its path and what there is.
impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(path, entry)| writeln!(f, "{path}: {entry}"))
    }
}

impl Entry {
    fn changes(&self, after: &Self, path: &str) -> Vec<String> {
        let mut changes = Vec::new();
        if self == after {
            return changes;
        }
        changes.push(format!("~ {path}: {self} → {after}"));
        if let (Kind::File { text: Some(before), .. }, Kind::File { text: Some(after), .. }) = (&self.kind, &after.kind)
        {
            let lacks = |text: &str, line: &str| !text.split_inclusive('\n').any(|other| other == line);
            let gone = before.split_inclusive('\n').filter(|line| lacks(after, line));
            let new = after.split_inclusive('\n').filter(|line| lacks(before, line));
            changes.extend(gone.map(|line| format!("    - {line:?}")).chain(new.map(|line| format!("    + {line:?}"))));
        }
        changes
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mode, owner: (user, group), kind } = self;
        match kind {
            Kind::Folder => write!(f, "folder {mode:o} {user}:{group}"),
            Kind::File { size, hash, .. } => write!(f, "file {mode:o} {user}:{group} {size} bytes {}", &hash[..12]),
            Kind::Link(target) => write!(f, "link {user}:{group} to {target}"),
            Kind::Special(what) => write!(f, "{what} {mode:o} {user}:{group}"),
        }
    }
}

/// Takes down a file, and what is below it. No link is followed.
fn walk(real: &Path, shown: &str, entries: &mut BTreeMap<String, Entry>) {
    let Ok(metadata) = fs::symlink_metadata(real) else { return };
    let owner = (metadata.uid(), metadata.gid());
    entries.insert(shown.to_owned(), Entry { mode: metadata.mode() & 0o7777, owner, kind: kind(real, &metadata) });
    if metadata.is_dir() {
        let below = fs::read_dir(real).unwrap_or_else(|e| panic!("{shown}: {e}"));
        for entry in below.flatten() {
            walk(&entry.path(), &format!("{shown}/{}", entry.file_name().to_string_lossy()), entries);
        }
    }
}

fn kind(real: &Path, metadata: &Metadata) -> Kind {
    let kind = metadata.file_type();
    if kind.is_dir() {
        return Kind::Folder;
    }
    if kind.is_symlink() {
        let target = fs::read_link(real).unwrap_or_else(|e| panic!("{}: {e}", real.display()));
        return Kind::Link(target.to_string_lossy().into_owned());
    }
    if kind.is_file() {
        let content = fs::read(real).unwrap_or_else(|e| panic!("{}: {e}", real.display()));
        let size = content.len() as u64;
        let hash = format!("{:x}", Sha256::digest(&content));
        let text = (size <= LONGEST_TEXT).then(|| String::from_utf8(content).ok()).flatten();
        return Kind::File { size, hash, text };
    }
    Kind::Special(if kind.is_socket() {
        "socket"
    } else if kind.is_fifo() {
        "pipe"
    } else {
        "device"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(folder: &Path) -> Snapshot {
        let mut entries = BTreeMap::new();
        walk(folder, "/f", &mut entries);
        Snapshot(entries)
    }

    #[test]
    fn differences_are_told_one_by_one_with_their_lines() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        fs::write(file("keys"), "one\ntwo").unwrap();
        fs::write(file("old"), "").unwrap();
        std::os::unix::fs::symlink("keys", file("link")).unwrap();
        let before = snapshot(folder.path());
        before.assert_same(&snapshot(folder.path()));
        fs::write(file("keys"), "one\ntwo\nthree\n").unwrap();
        fs::remove_file(file("old")).unwrap();
        fs::create_dir(file("new")).unwrap();
        fs::remove_file(file("link")).unwrap();
        std::os::unix::fs::symlink("new", file("link")).unwrap();
        let changes = before.changes(&snapshot(folder.path()));
        let starts = ["~ /f/keys: file 644", "    - \"two\"", "    + \"two\\n\"", "    + \"three\\n\""];
        let starts = starts.iter().chain(&["~ /f/link: link", "+ /f/new: folder 755", "- /f/old: file 644"]);
        for (change, start) in changes.iter().zip(starts.clone()) {
            assert!(change.starts_with(start), "{changes:#?}");
        }
        assert_eq!(changes.len(), starts.count(), "{changes:#?}");
    }
}
