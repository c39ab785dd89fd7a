//! What is on an image: paths and modes, checked so that every reader can express all of them.
//!
//! Knows names; must not know contents or where anything is recorded.

use std::collections::BTreeMap;

use thiserror::Error;

use super::{MAX_ENTRIES, MAX_PATH_BYTES, names};

/// Most components of a path: a hierarchy has eight levels and the root is the first (ECMA-119 6.8.2.1), so seven
/// directories and a file.
pub const MAX_DEPTH: usize = 8;

/// Why a set of paths cannot be an image.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TreeError {
    /// A component of a path cannot be written.
    #[error("path {path:?} cannot be on an image: the name {name:?} {reason}; rename it")]
    Name {
        /// The whole path.
        path: String,
        /// The component.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The path begins with a slash.
    #[error("path {path:?} is absolute: paths on an image begin at its root, leave the first slash out")]
    Absolute {
        /// The path.
        path: String,
    },
    /// The path is too deep.
    #[error("path {path:?} has {depth} components, ISO 9660 has room for {MAX_DEPTH}: move the file up")]
    Depth {
        /// The path.
        path: String,
        /// How many it has.
        depth: usize,
    },
    /// Two paths differ in nothing, or in the case of letters only.
    #[error(
        "path {path:?} clashes with {other:?}: Joliet readers ignore the case of letters, so two names in a directory \
         must differ in more than that; rename one"
    )]
    Clash {
        /// The later of the two.
        path: String,
        /// The earlier, up to and with the component that clashes.
        other: String,
    },
    /// The path names a file where another has a directory.
    #[error("{path:?} is both a file and a directory: rename one")]
    FileAndDirectory {
        /// The path of both.
        path: String,
    },
    /// The mode has bits besides permissions.
    #[error("mode {mode:o} of {path:?} has more than permission bits (7777): every path names a regular file")]
    Mode {
        /// The path.
        path: String,
        /// The mode.
        mode: u32,
    },
    /// There are too many files and directories.
    #[error("there are more than {MAX_ENTRIES} files and directories: an image cannot number more, make two")]
    TooMany,
    /// The paths are too long together.
    #[error("the paths have more than {MAX_PATH_BYTES} bytes together: shorten them or make two images")]
    TooLong,
}

/// The paths of an image: files with their permission bits, and the directories that these imply (mode 0755).
///
/// The order in which paths are given has no effect.
#[derive(Debug, Clone)]
pub struct Tree {
    /// The root is the first.
    directories: Vec<Directory>,
    /// Sorted by path.
    files: Vec<File>,
}

#[derive(Debug, Clone)]
struct Directory {
    parent: usize,
    /// Sorted by name.
    children: Vec<Child>,
}

#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) path: String,
    pub(super) mode: u32,
}

/// A name in a directory.
#[derive(Debug, Clone)]
pub(super) struct Child {
    pub(super) name: String,
    pub(super) node: Node,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    /// Index for [`Tree::children`].
    Directory(usize),
    /// Index into [`Tree::files`].
    File(usize),
}

impl Tree {
    /// Checks `files`, each a path with `/` between its components and the permission bits of the file.
    ///
    /// # Errors
    /// A path that not all readers can express, that clashes with another, or too many of them: see [`TreeError`].
    pub fn new<P: Into<String>>(files: impl IntoIterator<Item = (P, u32)>) -> Result<Self, TreeError> {
        let mut sorted = Vec::new();
        let mut path_bytes = 0;
        for (path, mode) in files {
            let path: String = path.into();
            path_bytes += path.len();
            if sorted.len() == MAX_ENTRIES {
                return Err(TreeError::TooMany);
            }
            if path_bytes > MAX_PATH_BYTES {
                return Err(TreeError::TooLong);
            }
            sorted.push(File { path, mode });
        }
        sorted.sort_by(|a, b| a.path.cmp(&b.path));

        let mut tree = Self { directories: vec![Directory { parent: 0, children: Vec::new() }], files: Vec::new() };
        let mut taken = BTreeMap::new();
        for file in sorted {
            tree.add(file, &mut taken, &mut path_bytes)?;
        }
        for directory in &mut tree.directories {
            directory.children.sort_by(|a, b| a.name.cmp(&b.name));
        }
        Ok(tree)
    }

    /// `taken` has every name so far: directory and folded name → place among its children.
    fn add(
        &mut self,
        file: File,
        taken: &mut BTreeMap<(usize, String), usize>,
        path_bytes: &mut usize,
    ) -> Result<(), TreeError> {
        let File { path, mode } = file;
        if path.starts_with('/') {
            return Err(TreeError::Absolute { path });
        }
        if mode & !0o7777 != 0 {
            return Err(TreeError::Mode { path, mode });
        }
        let depth = path.split('/').count();
        if depth > MAX_DEPTH {
            return Err(TreeError::Depth { path, depth });
        }
        let mut directory = 0;
        let mut end = 0;
        for (level, name) in path.split('/').enumerate() {
            end += name.len() + usize::from(level > 0);
            let so_far = &path[..end];
            if let Some(reason) = names::unwritable(name) {
                return Err(TreeError::Name { name: name.into(), path, reason });
            }
            let last = level + 1 == depth;
            let key = (directory, names::case_folded(name));
            if let Some(&place) = taken.get(&key) {
                let other = &self.directories[directory].children[place];
                match other.node {
                    _ if other.name != name => {
                        let other = format!("{}{}", &so_far[..so_far.len() - name.len()], other.name);
                        return Err(TreeError::Clash { path, other });
                    }
                    Node::Directory(inner) if !last => directory = inner,
                    Node::File(_) if last => {
                        return Err(TreeError::Clash { other: so_far.into(), path });
                    }
                    _ => {
                        return Err(TreeError::FileAndDirectory { path: so_far.into() });
                    }
                }
                continue;
            }
            if self.directories.len() + self.files.len() > MAX_ENTRIES {
                return Err(TreeError::TooMany);
            }
            let node = if last {
                self.files.push(File { path: path.clone(), mode });
                Node::File(self.files.len() - 1)
            } else {
                *path_bytes += so_far.len();
                if *path_bytes > MAX_PATH_BYTES {
                    return Err(TreeError::TooLong);
                }
                self.directories.push(Directory { parent: directory, children: Vec::new() });
                Node::Directory(self.directories.len() - 1)
            };
            let children = &mut self.directories[directory].children;
            taken.insert(key, children.len());
            children.push(Child { name: name.into(), node });
            if let Node::Directory(inner) = node {
                directory = inner;
            }
        }
        Ok(())
    }

    /// Paths of all files, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|file| file.path.as_str())
    }

    pub(super) fn files(&self) -> &[File] {
        &self.files
    }

    pub(super) fn directory_count(&self) -> usize {
        self.directories.len()
    }

    /// What is in the directory, sorted by name.
    pub(super) fn children(&self, directory: usize) -> &[Child] {
        &self.directories[directory].children
    }

    /// The root is its own parent.
    pub(super) fn parent(&self, directory: usize) -> usize {
        self.directories[directory].parent
    }

    /// Links to the directory: its name, its own `.`, and one `..` for each directory in it.
    pub(super) fn links(&self, directory: usize) -> u32 {
        let inner = self.children(directory).iter().filter(|child| matches!(child.node, Node::Directory(_))).count();
        // At most MAX_ENTRIES.
        2 + inner as u32
    }

    /// Index of the file with this path.
    pub(super) fn find(&self, path: &str) -> Option<usize> {
        self.files.binary_search_by(|file| file.path.as_str().cmp(path)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(paths: &[&str]) -> TreeError {
        Tree::new(paths.iter().map(|path| (*path, 0o644))).unwrap_err()
    }

    #[test]
    fn directories_follow_from_the_paths() {
        let tree = Tree::new([("b/c/d", 0o600), ("a", 0o644), ("b/e", 0o644)]).unwrap();
        assert_eq!(tree.paths().collect::<Vec<_>>(), ["a", "b/c/d", "b/e"]);
        assert_eq!(tree.directory_count(), 3);
        assert_eq!((tree.links(0), tree.links(1), tree.links(2)), (3, 3, 2));
        assert_eq!(tree.find("b/e"), Some(2));
        assert_eq!(tree.find("b"), None);
    }

    #[test]
    fn paths_that_are_not_plain_and_relative_are_refused() {
        assert_eq!(refused(&["/a"]), TreeError::Absolute { path: "/a".into() });
        for path in ["", "a//b", "a/", "./a", "a/../b", "a\nb", "a\0b", "a/b:c"] {
            assert!(matches!(refused(&[path]), TreeError::Name { .. }), "{path:?}");
        }
    }

    #[test]
    fn the_message_names_path_and_name_and_reason() {
        assert_eq!(
            refused(&["Packages/a?.rpm"]).to_string(),
            "path \"Packages/a?.rpm\" cannot be on an image: the name \"a?.rpm\" has the character '?', which Joliet \
             forbids; rename it"
        );
    }

    #[test]
    fn eight_components_are_the_limit() {
        assert!(Tree::new([("1/2/3/4/5/6/7/f", 0o644)]).is_ok());
        assert_eq!(refused(&["1/2/3/4/5/6/7/8/f"]), TreeError::Depth { path: "1/2/3/4/5/6/7/8/f".into(), depth: 9 });
    }

    #[test]
    fn names_that_differ_in_case_only_clash() {
        for (paths, path, other) in [
            (["a/x", "a/x"], "a/x", "a/x"),
            (["a/X", "a/x"], "a/x", "a/X"),
            (["A/x", "a/y"], "a/y", "A"),
            (["É", "é"], "é", "É"),
        ] {
            assert_eq!(refused(&paths), TreeError::Clash { path: path.into(), other: other.into() });
        }
    }

    #[test]
    fn a_file_cannot_be_a_directory_too() {
        assert_eq!(refused(&["a", "a/b"]), TreeError::FileAndDirectory { path: "a".into() });
        assert_eq!(refused(&["a/b/c", "a/b"]), TreeError::FileAndDirectory { path: "a/b".into() });
    }

    #[test]
    fn a_mode_has_permission_bits_only() {
        assert_eq!(Tree::new([("a", 0o100_644)]).unwrap_err(), TreeError::Mode { path: "a".into(), mode: 0o100_644 });
    }

    #[test]
    fn more_entries_than_a_path_table_can_number_are_refused() {
        let files = |count: usize| (0..count).map(|n| (format!("{n}"), 0o644));
        assert!(Tree::new(files(MAX_ENTRIES)).is_ok());
        assert_eq!(Tree::new(files(MAX_ENTRIES + 1)).unwrap_err(), TreeError::TooMany);
        let with_directories = (0..MAX_ENTRIES / 2 + 1).map(|n| (format!("{n}/f"), 0o644));
        assert_eq!(Tree::new(with_directories).unwrap_err(), TreeError::TooMany);
    }

    #[test]
    fn longer_paths_than_a_reader_takes_are_refused_with_their_directories() {
        let deep = |n: usize| format!("{n:0100}/{}f", format!("{}/", "€".repeat(83)).repeat(6));
        let files = || (0..8000).map(|n| (deep(n), 0o644));
        assert!(files().map(|(path, _)| path.len()).sum::<usize>() < MAX_PATH_BYTES);
        assert_eq!(Tree::new(files()).unwrap_err(), TreeError::TooLong);
        assert!(Tree::new(files().take(1000)).is_ok());
    }
}
