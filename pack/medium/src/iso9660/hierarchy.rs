//! One of the two hierarchies of directories on an image: its directories, their path table, their places.
//!
//! Everything here follows from names alone, so it can be planned before any content is known. Must not know what is
//! in files, nor where the other hierarchy is.

use super::{
    SECTOR, UnixSeconds,
    directory::{self, Extent, PARENT, Record, SELF},
    names::{self, Joliet},
    sectors,
    susp::{self, Area, Posix},
    tree::{Node, Tree},
};

/// Which names the hierarchy has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// d-characters, with Rock Ridge in the system use areas.
    Primary,
    /// UCS-2, nothing else.
    Joliet,
}

/// A hierarchy of which sizes are known.
#[derive(Debug)]
pub(super) struct Hierarchy {
    style: Style,
    /// In the order of the path table (ECMA-119 6.9.1): level by level, then by parent, then by identifier.
    directories: Vec<Directory>,
    /// Index into `directories` for each directory of the tree.
    indexes: Vec<usize>,
    continuation_sector: u32,
    continuation_bytes: usize,
}

#[derive(Debug)]
struct Directory {
    /// Which directory of the tree this is.
    of_tree: usize,
    identifier: Vec<u8>,
    children: Vec<Child>,
    extent: Extent,
}

#[derive(Debug)]
struct Child {
    /// Index into the directory's children in the tree.
    of_tree: usize,
    identifier: Vec<u8>,
    /// Offset in the continuation area, and bytes there.
    continuation: Option<(usize, usize)>,
}

/// Byte order of a path table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByteOrder {
    /// Type L.
    Little,
    /// Type M.
    Big,
}

impl Hierarchy {
    /// Finds names and sizes; places come with [`Hierarchy::settle`].
    pub(super) fn plan(tree: &Tree, style: Style) -> Self {
        let mut hierarchy = Self {
            style,
            directories: vec![Directory::of(0, SELF.to_vec())],
            indexes: vec![0; tree.directory_count()],
            continuation_sector: 0,
            continuation_bytes: 0,
        };
        let mut next = 0;
        while next < hierarchy.directories.len() {
            hierarchy.plan_directory(tree, next);
            next += 1;
        }
        hierarchy
    }

    fn plan_directory(&mut self, tree: &Tree, index: usize) {
        let of_tree = self.directories[index].of_tree;
        let (itself, parent) = match self.style {
            Style::Joliet => (0, 0),
            Style::Primary if index == 0 => (susp::ROOT_ITSELF, susp::UNNAMED),
            Style::Primary => (susp::UNNAMED, susp::UNNAMED),
        };
        let mut bytes = directory::length(1, itself) + directory::length(1, parent);
        let mut children = Vec::new();
        for (position, identifier) in identifiers(tree, of_tree, self.style) {
            let child = &tree.children(of_tree)[position];
            if let Node::Directory(inner) = child.node {
                self.indexes[inner] = self.directories.len();
                self.directories.push(Directory::of(inner, identifier.clone()));
            }
            let mut inline = 0;
            let mut continuation = None;
            if self.style == Style::Primary {
                let lengths = susp::lengths(&child.name, identifier.len());
                inline = lengths.inline;
                if lengths.continued > 0 {
                    let offset = directory::place(self.continuation_bytes, lengths.continued);
                    self.continuation_bytes = offset + lengths.continued;
                    continuation = Some((offset, lengths.continued));
                }
            }
            let length = directory::length(identifier.len(), inline);
            bytes = directory::place(bytes, length) + length;
            children.push(Child { of_tree: position, identifier, continuation });
        }
        let directory = &mut self.directories[index];
        directory.children = children;
        // Below 2^32: at most MAX_ENTRIES records of 254 bytes.
        directory.extent.bytes = bytes.next_multiple_of(SECTOR) as u32;
    }

    /// Gives every directory its place, from sector `first` on; returns the first sector that is left.
    pub(super) fn settle(&mut self, first: u32) -> u32 {
        let mut next = first;
        for directory in &mut self.directories {
            directory.extent.first = next;
            next += directory.extent.bytes / SECTOR as u32;
        }
        self.continuation_sector = next;
        next + sectors(self.continuation_bytes as u64) as u32
    }

    /// Number of directories; a directory's index is below it.
    pub(super) fn len(&self) -> usize {
        self.directories.len()
    }

    /// The root's record as volume descriptors have it, without system use area.
    pub(super) fn root_record(&self, modified: UnixSeconds) -> Vec<u8> {
        Record { identifier: SELF, directory: true, extent: self.directories[0].extent, modified, system_use: &[] }
            .encode()
    }

    /// The path table (ECMA-119 9.4).
    pub(super) fn path_table(&self, tree: &Tree, order: ByteOrder) -> Vec<u8> {
        let mut table = Vec::new();
        for Directory { of_tree, identifier, extent, .. } in &self.directories {
            // Both fit: MAX_ENTRIES directories, and identifiers that fit a record.
            let parent = (self.indexes[tree.parent(*of_tree)] + 1) as u16;
            table.extend([identifier.len() as u8, 0]);
            match order {
                ByteOrder::Little => table.extend(extent.first.to_le_bytes().into_iter().chain(parent.to_le_bytes())),
                ByteOrder::Big => table.extend(extent.first.to_be_bytes().into_iter().chain(parent.to_be_bytes())),
            }
            table.extend(identifier);
            table.resize(table.len().next_multiple_of(2), 0);
        }
        table
    }

    /// All sectors of the directory with this index. `files` has the place of every file of the tree. What does not
    /// fit is appended to `continuations`, which every directory in turn must have been given.
    pub(super) fn directory(
        &self,
        index: usize,
        tree: &Tree,
        files: &[Extent],
        modified: UnixSeconds,
        continuations: &mut Vec<u8>,
    ) -> Vec<u8> {
        let Directory { of_tree, children, extent, .. } = &self.directories[index];
        let parent = tree.parent(*of_tree);
        let of_directory = |directory| Posix { mode: susp::S_IFDIR | 0o755, links: tree.links(directory), modified };
        let (itself_use, parent_use) = match self.style {
            Style::Joliet => (Vec::new(), Vec::new()),
            Style::Primary if index == 0 => (susp::root_itself(of_directory(0)), susp::unnamed(of_directory(0))),
            Style::Primary => (susp::unnamed(of_directory(*of_tree)), susp::unnamed(of_directory(parent))),
        };

        let mut block = Vec::with_capacity(extent.bytes as usize);
        let parent_extent = self.directories[self.indexes[parent]].extent;
        for (identifier, extent, system_use) in [(SELF, *extent, itself_use), (PARENT, parent_extent, parent_use)] {
            let record = Record { identifier, directory: true, extent, modified, system_use: &system_use };
            directory::append(&mut block, &record.encode());
        }
        for planned in children {
            let child = &tree.children(*of_tree)[planned.of_tree];
            let (directory, extent, posix) = match child.node {
                Node::Directory(inner) => (true, self.directories[self.indexes[inner]].extent, of_directory(inner)),
                Node::File(file) => {
                    let mode = susp::S_IFREG | tree.files()[file].mode;
                    (false, files[file], Posix { mode, links: 1, modified })
                }
            };
            let mut system_use = Vec::new();
            if self.style == Style::Primary {
                let area = planned.continuation.map(|(offset, bytes)| self.area(offset, bytes));
                let (inline, continued) = susp::named(&child.name, posix, area);
                system_use = inline;
                if let Some((offset, _)) = planned.continuation {
                    continuations.resize(offset, 0);
                    continuations.extend(continued);
                }
            }
            let record =
                Record { identifier: &planned.identifier, directory, extent, modified, system_use: &system_use };
            directory::append(&mut block, &record.encode());
        }
        block.resize(extent.bytes as usize, 0);
        block
    }

    fn area(&self, offset: usize, bytes: usize) -> Area {
        // Below 2^32 like the directories themselves.
        Area {
            sector: self.continuation_sector + (offset / SECTOR) as u32,
            offset: (offset % SECTOR) as u32,
            bytes: bytes as u32,
        }
    }
}

impl Directory {
    fn of(of_tree: usize, identifier: Vec<u8>) -> Self {
        Self { of_tree, identifier, children: Vec::new(), extent: Extent { first: 0, bytes: 0 } }
    }
}

/// Identifiers of what is in the directory, in the order of its records, with its place among the tree's children.
fn identifiers(tree: &Tree, directory: usize, style: Style) -> Vec<(usize, Vec<u8>)> {
    let children = tree.children(directory);
    let is_directory = |place: usize| matches!(children[place].node, Node::Directory(_));
    match style {
        Style::Primary => {
            let mapped =
                names::primary(children.iter().enumerate().map(|(at, child)| (child.name.as_str(), is_directory(at))));
            let mut order: Vec<usize> = (0..children.len()).collect();
            order.sort_by_key(|&at| &mapped[at]);
            order.into_iter().map(|at| (at, mapped[at].identifier(is_directory(at)))).collect()
        }
        Style::Joliet => {
            let mut order: Vec<_> = children
                .iter()
                .enumerate()
                .map(|(at, child)| (Joliet::new(&child.name, is_directory(at)), at))
                .collect();
            order.sort();
            order.into_iter().map(|(joliet, at)| (at, joliet.into_identifier())).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(paths: &[&str], style: Style) -> (Tree, Hierarchy) {
        let tree = Tree::new(paths.iter().map(|path| (*path, 0o644))).unwrap();
        let mut hierarchy = Hierarchy::plan(&tree, style);
        hierarchy.settle(100);
        (tree, hierarchy)
    }

    /// Offsets and order: ECMA-119 9.4 and 6.9.1.
    #[test]
    fn the_path_table_lists_level_by_level_and_by_parent() {
        let (tree, hierarchy) = settled(&["b/x/f", "a/y/f", "a/z/f", "c"], Style::Primary);
        let record = |identifier: &[u8], sector: u8, parent: u8| {
            let mut record = vec![identifier.len() as u8, 0, sector, 0, 0, 0, parent, 0];
            record.extend(identifier);
            record.resize(record.len().next_multiple_of(2), 0);
            record
        };
        let expected = [
            record(&[0], 100, 1),
            record(b"A", 101, 1),
            record(b"B", 102, 1),
            record(b"Y", 103, 2),
            record(b"Z", 104, 2),
            record(b"X", 105, 3),
        ];
        assert_eq!(hierarchy.path_table(&tree, ByteOrder::Little), expected.concat());
    }

    #[test]
    fn the_big_endian_path_table_says_the_same() {
        let (tree, hierarchy) = settled(&["d/f"], Style::Joliet);
        assert_eq!(
            hierarchy.path_table(&tree, ByteOrder::Big),
            [&b"\x01\0\0\0\0\x64\0\x01\0\0"[..], b"\x02\0\0\0\0\x65\0\x01\0d"].concat()
        );
    }

    #[test]
    fn the_size_that_was_planned_is_the_size_that_is_written() {
        let names: Vec<String> = (0..300).map(|n| format!("d{}/{}{n}", n % 7, "€".repeat(n % 80))).collect();
        for style in [Style::Primary, Style::Joliet] {
            let tree = Tree::new(names.iter().map(|name| (name.as_str(), 0o644))).unwrap();
            let mut hierarchy = Hierarchy::plan(&tree, style);
            let end = hierarchy.settle(0) as usize * SECTOR;
            let files = vec![Extent { first: 9, bytes: 9 }; names.len()];
            let modified = UnixSeconds::new(0).unwrap();
            let mut image = Vec::new();
            let mut continuations = Vec::new();
            for index in 0..hierarchy.len() {
                assert_eq!(image.len(), hierarchy.directories[index].extent.first as usize * SECTOR);
                image.extend(hierarchy.directory(index, &tree, &files, modified, &mut continuations));
            }
            assert_eq!(continuations.len(), hierarchy.continuation_bytes);
            assert_eq!(image.len() + continuations.len().next_multiple_of(SECTOR), end);
            assert_eq!(style == Style::Primary, !continuations.is_empty());
        }
    }

    #[test]
    fn each_hierarchy_numbers_directories_in_its_own_order() {
        // As d-characters `_` comes after letters; in UCS-2 `+` comes before them.
        let (tree, primary) = settled(&["+/f", "a/f"], Style::Primary);
        let (_, joliet) = settled(&["+/f", "a/f"], Style::Joliet);
        let first = tree.children(0)[0].node;
        assert_eq!(first, Node::Directory(1));
        assert_eq!((primary.indexes[1], joliet.indexes[1]), (2, 1));
    }
}
