//! Where the bytes of a package are.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Bytes that can be read from any offset, by several threads at once.
#[derive(Debug, Clone)]
pub struct Source {
    name: PathBuf,
    /// Where it begins in `bytes`.
    start: u64,
    length: u64,
    bytes: Bytes,
    /// Length and time of change of the file, as of its opening.
    state: Option<(u64, SystemTime)>,
}

#[derive(Debug, Clone)]
enum Bytes {
    File(Arc<File>),
    Memory(Arc<[u8]>),
}

impl Source {
    /// Opens a file. It stays open, so that what was checked is what is read later.
    ///
    /// # Errors
    /// Those of opening it; a folder or device is refused.
    pub fn open(path: &Path) -> io::Result<Source> {
        // Looked at before it is opened: opening a pipe would wait for its other end.
        if !fs::metadata(path)?.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        Source::of_file(path, File::open(path)?)
    }

    /// An opened file, under a name for messages.
    ///
    /// # Errors
    /// Its length cannot be had.
    pub fn of_file(name: &Path, file: File) -> io::Result<Source> {
        let metadata = file.metadata()?;
        let length = metadata.len();
        let state = metadata.modified().ok().map(|changed| (length, changed));
        Ok(Source { name: name.into(), start: 0, length, bytes: Bytes::File(Arc::new(file)), state })
    }

    /// Bytes in memory, under a name for messages.
    pub fn memory(name: &str, bytes: Vec<u8>) -> Source {
        Source {
            name: name.into(),
            start: 0,
            length: bytes.len() as u64,
            bytes: Bytes::Memory(bytes.into()),
            state: None,
        }
    }

    /// A part of it under another name, cut off where the whole ends.
    pub fn part(&self, name: &str, offset: u64, length: u64) -> Source {
        let offset = offset.min(self.length);
        let (start, length) = (self.start + offset, length.min(self.length - offset));
        Source { name: name.into(), start, length, ..self.clone() }
    }

    /// The path, or the name that was given.
    pub fn name(&self) -> &Path {
        &self.name
    }

    /// Length in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether it still is as it was opened, by length and time of change: it is read several times, and what was checked
    /// must be what was written.
    pub fn is_unchanged(&self) -> bool {
        let Bytes::File(file) = &self.bytes else { return true };
        file.metadata().is_ok_and(|now| now.modified().ok().map(|changed| (now.len(), changed)) == self.state)
    }

    /// A reader of everything from an offset on.
    pub fn read_from(&self, offset: u64) -> SourceReader {
        SourceReader {
            bytes: self.bytes.clone(),
            position: self.start + offset.min(self.length),
            end: self.start + self.length,
        }
    }
}

/// Reads a [`Source`]; ends early with an error if a file has become shorter.
#[derive(Debug)]
pub struct SourceReader {
    bytes: Bytes,
    position: u64,
    end: u64,
}

impl Read for SourceReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.end.saturating_sub(self.position);
        let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if wanted == 0 {
            return Ok(0);
        }
        let got = match &self.bytes {
            Bytes::File(file) => file.read_at(&mut buffer[..wanted], self.position)?,
            Bytes::Memory(bytes) => {
                let start = usize::try_from(self.position).map_err(io::Error::other)?;
                buffer[..wanted].copy_from_slice(&bytes[start..start + wanted]);
                wanted
            }
        };
        if got == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter while it was read"));
        }
        self.position += got as u64;
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_that_is_written_to_after_it_was_opened_is_noticed() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"one").unwrap();
        let source = Source::open(file.path()).unwrap();
        assert!(source.is_unchanged());
        file.write_all(b"more").unwrap();
        assert!(!source.is_unchanged());
        assert!(Source::memory("name", vec![1]).is_unchanged());
    }
}
