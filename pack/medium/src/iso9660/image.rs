//! Opens an image that nobody vouches for, and reads the contents of its files.
//!
//! Knows the volume; what directories say is `walk`'s. Every claim of the image is checked against its real length
//! before it is acted on.

use std::io::{self, Read, Seek, SeekFrom};

use thiserror::Error;

use super::{
    Entry, Kind, MAX_CONTINUATIONS, Naming, SECTOR,
    descriptor::{self, Facts, Found},
    directory::{self, Extent},
    susp::Attributes,
    walk,
};

/// Most volume descriptors that are looked at; images have three or four.
const MAX_DESCRIPTORS: u32 = 64;

/// Why an image, or something on it, cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Reading failed.
    #[error("cannot read sector {sector} of the image")]
    Io {
        /// First of the sectors that were being read.
        sector: u64,
        /// Why.
        source: io::Error,
    },
    /// There is no ISO 9660 volume.
    #[error("not an ISO 9660 image: sectors from 16 on have no primary volume descriptor; is it another file?")]
    NotAnImage,
    /// The image ends before its own end.
    #[error("the image says that it has {expected} bytes and has {actual}: it was cut off, fetch it again")]
    Truncated {
        /// Bytes that it should have.
        expected: u64,
        /// Bytes that it has.
        actual: u64,
    },
    /// A volume descriptor is wrong.
    #[error("the volume descriptor in sector {sector} of the image {reason}: the image is damaged or unsupported")]
    Descriptor {
        /// Where.
        sector: u32,
        /// What is wrong.
        reason: &'static str,
    },
    /// The image has no such names.
    #[error("the image has no {0} names: read it by others")]
    NoSuchNaming(Naming),
    /// Something in a directory is wrong.
    #[error(
        "directory {directory:?} of the image {reason} (sector {sector}): the image is damaged, hostile or unsupported"
    )]
    Directory {
        /// Path of the directory, empty for the root.
        directory: String,
        /// Where.
        sector: u32,
        /// What is wrong.
        reason: &'static str,
    },
    /// Something is said to be where the image has nothing.
    #[error(
        "{path:?} is said to have {bytes} bytes from sector {sector} on, but the image has {sectors} sectors: it is damaged or hostile"
    )]
    Outside {
        /// What is said to be there.
        path: String,
        /// First sector.
        sector: u32,
        /// Length.
        bytes: u32,
        /// Sectors of the image.
        sectors: u32,
    },
    /// The image has more of something than this reader takes.
    #[error("the image has more than {limit} {what}: refused, no image of ours comes near that")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// Two entries of a directory have one name.
    #[error("the image has two entries {path:?}: readers disagree which of them counts, so neither is read")]
    Duplicate {
        /// Path of both.
        path: String,
    },
    /// There is no content to read.
    #[error("{path:?} on the image is {kind}: only regular files have content")]
    NotAFile {
        /// The path.
        path: String,
        /// What it is.
        kind: Kind,
    },
}

/// An opened image.
#[derive(Debug)]
pub struct Image<R> {
    source: Source<R>,
    facts: Facts,
    joliet: Option<Extent>,
    /// Bytes to skip in every system use area, if there is Rock Ridge.
    rock_ridge: Option<usize>,
}

impl<R: Read + Seek> Image<R> {
    /// Opens an image that begins with the first byte of `reader`.
    ///
    /// # Errors
    /// `reader` cannot be read, is no ISO 9660 image, is shorter than it says, or is wrong about its root.
    pub fn open(mut reader: R) -> Result<Self, ReadError> {
        let actual = reader.seek(SeekFrom::End(0)).map_err(|source| ReadError::Io { sector: 0, source })?;
        let whole = u32::try_from(actual / SECTOR as u64).unwrap_or(u32::MAX);
        let mut source = Source { reader, sectors: whole };

        let mut primary: Option<Facts> = None;
        let mut joliet = None;
        for sector in descriptor::FIRST..descriptor::FIRST + MAX_DESCRIPTORS {
            if sector >= whole {
                if primary.is_none() {
                    return Err(ReadError::NotAnImage);
                }
                break;
            }
            match descriptor::read(&source.sector(sector)?) {
                Ok(Found::Primary(facts)) => _ = primary.get_or_insert(facts),
                Ok(Found::Joliet(root)) => _ = joliet.get_or_insert(root),
                Ok(Found::Other) => {}
                Ok(Found::Terminator) => break,
                Err(_) if sector == descriptor::FIRST => return Err(ReadError::NotAnImage),
                Err(reason) => return Err(ReadError::Descriptor { sector, reason }),
            }
        }
        let facts = primary.ok_or(ReadError::NotAnImage)?;
        let expected = u64::from(facts.sectors) * SECTOR as u64;
        if expected > actual {
            return Err(ReadError::Truncated { expected, actual });
        }
        source.sectors = facts.sectors;
        let rock_ridge = source.rock_ridge(facts.root)?;
        Ok(Self { source, facts, joliet, rock_ridge })
    }

    /// Volume identifier, the label. What is not printable ASCII is replaced, in this and the other texts.
    #[must_use]
    pub fn volume_id(&self) -> &str {
        &self.facts.id
    }

    /// Application identifier.
    #[must_use]
    pub fn application_id(&self) -> &str {
        &self.facts.application
    }

    /// Publisher identifier.
    #[must_use]
    pub fn publisher_id(&self) -> &str {
        &self.facts.publisher
    }

    /// Whether there is a Joliet hierarchy.
    #[must_use]
    pub fn has_joliet(&self) -> bool {
        self.joliet.is_some()
    }

    /// Whether the primary hierarchy has Rock Ridge names.
    #[must_use]
    pub fn has_rock_ridge(&self) -> bool {
        self.rock_ridge.is_some()
    }

    /// Bytes in the image, by its own account. The file may have more.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        u64::from(self.facts.sectors) * SECTOR as u64
    }

    /// Lists everything but the root, sorted by path. Paths are relative and have `/` between components that are never
    /// empty, `.` or `..` and have no slash, backslash or control character in them; no two paths are equal. Content
    /// is within the image. Several files may share one content (hard links), so what they have together can exceed
    /// the image: bound what you extract.
    ///
    /// # Errors
    /// The image has no such names, a directory is wrong, or there is more of something than its `MAX_` limit.
    pub fn entries(&mut self, naming: Naming) -> Result<Vec<Entry>, ReadError> {
        let absent = ReadError::NoSuchNaming(naming);
        match naming {
            Naming::Plain => walk::entries(&mut self.source, self.facts.root, naming, 0),
            Naming::RockRidge => {
                let skip = self.rock_ridge.ok_or(absent)?;
                walk::entries(&mut self.source, self.facts.root, naming, skip)
            }
            Naming::Joliet => walk::entries(&mut self.source, self.joliet.ok_or(absent)?, naming, 0),
        }
    }

    /// The content of a file, from its beginning.
    ///
    /// # Errors
    /// The entry is not a regular file, lies outside this image, or the image cannot be positioned.
    pub fn read(&mut self, entry: &Entry) -> Result<Content<'_, R>, ReadError> {
        if entry.kind != Kind::File {
            return Err(ReadError::NotAFile { path: entry.path.clone(), kind: entry.kind });
        }
        self.source.check(Extent { first: entry.sector, bytes: entry.bytes }, || entry.path.clone())?;
        self.source.seek(entry.sector, 0)?;
        Ok(Content { reader: &mut self.source.reader, left: entry.bytes.into() })
    }
}

/// The content of a file on an image: never more bytes than its entry says, and an error if there are fewer.
#[derive(Debug)]
pub struct Content<'a, R> {
    reader: &'a mut R,
    left: u64,
}

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Below the buffer's length, so it fits.
        let wanted = self.left.min(buffer.len() as u64) as usize;
        if wanted == 0 {
            return Ok(0);
        }
        let read = self.reader.read(&mut buffer[..wanted])?;
        if read == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the image ends within this file"));
        }
        self.left -= read as u64;
        Ok(read)
    }
}

/// An image as sectors.
#[derive(Debug)]
pub(super) struct Source<R> {
    reader: R,
    sectors: u32,
}

impl<R: Read + Seek> Source<R> {
    /// Refuses what is not within the image. Nothing is everywhere.
    pub(super) fn check(&self, extent: Extent, path: impl FnOnce() -> String) -> Result<(), ReadError> {
        if extent.bytes > 0 && extent.end() > self.sectors.into() {
            let Extent { first: sector, bytes } = extent;
            return Err(ReadError::Outside { path: path(), sector, bytes, sectors: self.sectors });
        }
        Ok(())
    }

    /// Reads a sector of which the caller knows that it is within the image.
    pub(super) fn sector(&mut self, sector: u32) -> Result<[u8; SECTOR], ReadError> {
        let mut bytes = [0; SECTOR];
        self.read_exact(sector, 0, &mut bytes)?;
        Ok(bytes)
    }

    /// Reads the entries of a record, with what continues them. `spend` is told how much is read besides.
    pub(super) fn attributes(
        &mut self,
        inline: &[u8],
        fault: &impl Fn(&'static str) -> ReadError,
        mut spend: impl FnMut(usize) -> Result<(), ReadError>,
    ) -> Result<Attributes, ReadError> {
        let mut attributes = Attributes::default();
        let mut next = attributes.absorb(inline).map_err(fault)?;
        for _ in 0..MAX_CONTINUATIONS {
            let Some(area) = next else {
                return Ok(attributes);
            };
            if area.sector >= self.sectors {
                return Err(fault("has a continuation outside the image"));
            }
            let length = area.bytes as usize;
            spend(length)?;
            let mut sector = [0; SECTOR];
            // Within a sector, or it would have been refused.
            let bytes = &mut sector[..length];
            self.read_exact(area.sector, area.offset, bytes)?;
            next = attributes.absorb(bytes).map_err(fault)?;
        }
        match next {
            None => Ok(attributes),
            Some(_) => Err(fault("has a system use area that is continued without end")),
        }
    }

    /// What the root says of Rock Ridge (SUSP 5.3, 5.5): how much to skip in other records, if it is there at all.
    fn rock_ridge(&mut self, root: Extent) -> Result<Option<usize>, ReadError> {
        self.check(root, String::new)?;
        if root.bytes == 0 {
            return Ok(None);
        }
        let fault = |reason| ReadError::Directory { directory: String::new(), sector: root.first, reason };
        let sector = self.sector(root.first)?;
        let Some(record) = directory::records(&sector).next() else {
            return Ok(None);
        };
        let system_use = record.map_err(fault)?.system_use;
        if !system_use.starts_with(b"SP") {
            return Ok(None);
        }
        let attributes = self.attributes(system_use, &fault, |_| Ok(()))?;
        // Linux asks for no announcement, and some writers make none.
        let announced = attributes.rock_ridge || attributes.mode.is_some();
        Ok(attributes.skip.filter(|_| announced).map(usize::from))
    }

    fn seek(&mut self, sector: u32, offset: u32) -> Result<(), ReadError> {
        let position = u64::from(sector) * SECTOR as u64 + u64::from(offset);
        let seek = self.reader.seek(SeekFrom::Start(position));
        seek.map(drop).map_err(|source| ReadError::Io { sector: sector.into(), source })
    }

    fn read_exact(&mut self, sector: u32, offset: u32, bytes: &mut [u8]) -> Result<(), ReadError> {
        self.seek(sector, offset)?;
        self.reader.read_exact(bytes).map_err(|source| ReadError::Io { sector: sector.into(), source })
    }
}
