//! Writes an image: places for everything that names decide are set aside first, contents are streamed after them, and
//! at the end the places are filled.
//!
//! Holds one buffer and where each file is; never a file's content.
//!
//! | sectors | |
//! |---|---|
//! | 0–15 | zeros (system area) |
//! | 16, 17, 18 | primary volume descriptor, Joliet volume descriptor, terminator |
//! | 19– | path tables: primary L and M, Joliet L and M |
//! | | primary directories, continuation areas of long names, Joliet directories |
//! | one | zeros, to which every empty file points: a place within the image that is no other file's, as xorriso does |
//! | the rest | contents, in the order of writing |

use std::io::{self, Read, Seek, SeekFrom, Write};

use thiserror::Error;

use super::{
    SECTOR, UnixSeconds, Volume, VolumeError,
    descriptor::{self, Places},
    directory::Extent,
    hierarchy::{ByteOrder, Hierarchy, Style},
    sectors,
    tree::Tree,
};

/// Longest file: sizes are recorded in 32 bits (ECMA-119 9.1.4), and not all readers put several extents together.
pub const MAX_FILE_BYTES: u64 = u32::MAX as u64;

/// Content is copied in pieces of this size, a multiple of a sector.
const BUFFER: usize = 256 * 1024;

/// Why an image could not be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// A text of the volume cannot be recorded.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// The output has bytes already, which would make a part of the image.
    #[error("the output already has {bytes} bytes: an image is written to an empty output, truncate it first")]
    NotEmpty {
        /// How many.
        bytes: u64,
    },
    /// The path is none of the tree's.
    #[error("{path:?} is not among the paths that the image was begun with: name every file when making the tree")]
    Unknown {
        /// The path.
        path: String,
    },
    /// The path was written before.
    #[error("{path:?} was written to the image before: write every path once")]
    Twice {
        /// The path.
        path: String,
    },
    /// A content is too long.
    #[error("{path:?} is larger than {limit} bytes, the most that a file on an ISO 9660 image can have: split it")]
    TooLarge {
        /// The path.
        path: String,
        /// The longest that is possible.
        limit: u64,
    },
    /// Sectors are numbered in 32 bits.
    #[error("the image is full: it cannot have more than 2^32 - 1 sectors; make two images")]
    Full,
    /// Some paths were never written.
    #[error("{path:?} (and {others} more) was never written to the image: write every path before finishing")]
    Missing {
        /// The first of them.
        path: String,
        /// How many besides it.
        others: usize,
    },
    /// A source could not be read.
    #[error("cannot read the content of {path:?} for the image")]
    Source {
        /// The file on the image.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The output could not be written.
    #[error("cannot write the image ({part})")]
    Output {
        /// What was being written.
        part: String,
        /// Why.
        source: io::Error,
    },
    /// An error before left the image incomplete.
    #[error("the image is incomplete after an earlier error: discard it and begin again")]
    Broken,
}

/// Writes an image to `W`, whose first byte becomes the first of the image.
///
/// Two writers that were given equal trees, volumes and contents in the same order write the same bytes.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    tree: Tree,
    texts: Texts,
    primary: Hierarchy,
    joliet: Hierarchy,
    path_tables: PathTables,
    /// Place of every file of the tree that has been written.
    files: Vec<Option<Extent>>,
    empty: u32,
    /// First sector that nothing is written to yet.
    next: u32,
    limit: u64,
    buffer: Vec<u8>,
    broken: bool,
}

/// [`Volume`], owned.
#[derive(Debug)]
struct Texts {
    id: String,
    application: String,
    publisher: String,
    modified: UnixSeconds,
}

/// First sectors of the path tables.
#[derive(Debug)]
struct PathTables {
    primary: [u32; 2],
    joliet: [u32; 2],
}

impl<W: Write + Seek> Writer<W> {
    /// Begins an image with the paths of `tree`. `out` must be empty.
    ///
    /// # Errors
    /// A text of `volume` cannot be recorded, `out` is not empty or cannot be positioned.
    pub fn new(mut out: W, volume: &Volume, tree: Tree) -> Result<Self, WriteError> {
        volume.check()?;
        let bytes = out.seek(SeekFrom::End(0)).map_err(|source| output("finding its end", source))?;
        if bytes > 0 {
            return Err(WriteError::NotEmpty { bytes });
        }

        let mut primary = Hierarchy::plan(&tree, Style::Primary);
        let mut joliet = Hierarchy::plan(&tree, Style::Joliet);
        let table_sectors = |hierarchy: &Hierarchy| {
            // Below 2^32: at most MAX_ENTRIES records of less than 256 bytes.
            sectors(hierarchy.path_table(&tree, ByteOrder::Little).len() as u64) as u32
        };
        let (of_primary, of_joliet) = (table_sectors(&primary), table_sectors(&joliet));
        let first = descriptor::FIRST + 3;
        let after_primary = first + 2 * of_primary;
        let path_tables =
            PathTables { primary: [first, first + of_primary], joliet: [after_primary, after_primary + of_joliet] };
        let empty = primary.settle(after_primary + 2 * of_joliet);
        let empty = joliet.settle(empty);

        Ok(Self {
            out,
            texts: Texts {
                id: volume.id.into(),
                application: volume.application.into(),
                publisher: volume.publisher.into(),
                modified: volume.modified,
            },
            primary,
            joliet,
            path_tables,
            files: vec![None; tree.files().len()],
            tree,
            empty,
            next: empty + 1,
            limit: MAX_FILE_BYTES,
            buffer: vec![0; BUFFER],
            broken: false,
        })
    }

    /// Writes the content of the file at `path`, all that `source` gives, and returns its length in bytes.
    ///
    /// # Errors
    /// The path is not the tree's or was written before; then nothing happened. The content is too long, or reading or
    /// writing failed; then the image cannot be completed.
    pub fn write(&mut self, path: &str, source: impl Read) -> Result<u64, WriteError> {
        if self.broken {
            return Err(WriteError::Broken);
        }
        let file = self.tree.find(path).ok_or_else(|| WriteError::Unknown { path: path.into() })?;
        if self.files[file].is_some() {
            return Err(WriteError::Twice { path: path.into() });
        }
        let bytes = self.copy(path, source).inspect_err(|_| self.broken = true)?;
        let first = if bytes == 0 { self.empty } else { self.next };
        self.files[file] = Some(Extent { first, bytes });
        // Checked piece by piece while copying.
        self.next += sectors(bytes.into()) as u32;
        Ok(bytes.into())
    }

    fn copy(&mut self, path: &str, mut source: impl Read) -> Result<u32, WriteError> {
        let output = |source| output(&format!("content of {path:?}"), source);
        self.out.seek(SeekFrom::Start(u64::from(self.next) * SECTOR as u64)).map_err(output)?;
        let mut total = 0;
        loop {
            let length = fill(&mut source, &mut self.buffer)
                .map_err(|source| WriteError::Source { path: path.into(), source })?;
            total += length as u64;
            if total > self.limit {
                return Err(WriteError::TooLarge { path: path.into(), limit: self.limit });
            }
            if u64::from(self.next) + sectors(total) > u64::from(u32::MAX) {
                return Err(WriteError::Full);
            }
            // Only the last piece can be short of a sector.
            let whole = length.next_multiple_of(SECTOR);
            self.buffer[length..whole].fill(0);
            self.out.write_all(&self.buffer[..whole]).map_err(output)?;
            if length < self.buffer.len() {
                // No more than `limit`, which is no more than 32 bits hold.
                return Ok(total as u32);
            }
        }
    }

    /// Completes the image and returns the output, flushed and positioned at its end.
    ///
    /// # Errors
    /// A path was never written, an earlier error left the image incomplete, or writing failed.
    pub fn finish(mut self) -> Result<W, WriteError> {
        if self.broken {
            return Err(WriteError::Broken);
        }
        let mut missing = self.tree.paths().zip(&self.files).filter(|(_, place)| place.is_none());
        if let Some((path, _)) = missing.next() {
            return Err(WriteError::Missing { path: path.into(), others: missing.count() });
        }
        drop(missing);
        let files: Vec<Extent> = self.files.iter().copied().flatten().collect();
        self.write_metadata(&files).map_err(|source| output("directories", source))?;
        let end = SeekFrom::Start(u64::from(self.next) * SECTOR as u64);
        self.out.seek(end).and_then(|_| self.out.flush()).map_err(|source| output("end", source))?;
        Ok(self.out)
    }

    /// Writes sectors 0 up to the first content, all of them.
    fn write_metadata(&mut self, files: &[Extent]) -> io::Result<()> {
        let Self { out, tree, texts, primary, joliet, path_tables, next, .. } = self;
        let Texts { id, application, publisher, modified } = &*texts;
        let volume = Volume { id, application, publisher, modified: *modified };
        let tables =
            |hierarchy: &Hierarchy| [ByteOrder::Little, ByteOrder::Big].map(|order| hierarchy.path_table(tree, order));
        let places = |hierarchy: &Hierarchy, table: &[u8], [l, m]: [u32; 2]| Places {
            sectors: *next,
            path_table_bytes: table.len() as u32,
            path_table_l: l,
            path_table_m: m,
            root: hierarchy.root_record(volume.modified),
        };
        let (of_primary, of_joliet) = (tables(primary), tables(joliet));

        out.rewind()?;
        out.write_all(&[0; descriptor::FIRST as usize * SECTOR])?;
        out.write_all(&descriptor::primary(&volume, &places(primary, &of_primary[0], path_tables.primary)))?;
        out.write_all(&descriptor::joliet(&volume, &places(joliet, &of_joliet[0], path_tables.joliet)))?;
        out.write_all(&descriptor::terminator())?;
        for mut table in of_primary.into_iter().chain(of_joliet) {
            table.resize(table.len().next_multiple_of(SECTOR), 0);
            out.write_all(&table)?;
        }
        for hierarchy in [primary, joliet] {
            let mut continuations = Vec::new();
            for index in 0..hierarchy.len() {
                out.write_all(&hierarchy.directory(index, tree, files, volume.modified, &mut continuations))?;
            }
            continuations.resize(continuations.len().next_multiple_of(SECTOR), 0);
            out.write_all(&continuations)?;
        }
        out.write_all(&[0; SECTOR])
    }
}

fn output(part: &str, source: io::Error) -> WriteError {
    WriteError::Output { part: part.into(), source }
}

/// Reads until the buffer is full or the source ends, so that pieces are whole sectors however the source is cut.
fn fill(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests;
