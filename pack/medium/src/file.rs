//! A file for a medium, and what can go wrong between its source and there.

use std::io::{self, Read, Write};

use thiserror::Error;

/// A file for a medium: every writer takes a list of them.
pub struct File<'a> {
    /// Path from the root, components separated by `/`.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// Length in bytes.
    pub bytes: u64,
    /// Its content from the beginning, as often as it is asked for.
    pub content: Box<dyn Fn() -> Box<dyn Read + 'a> + 'a>,
}

/// Why files could not be put onto a medium.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The medium cannot have such a path.
    #[error("path {path:?} cannot be written: it is not a plain relative path, or is there twice")]
    Path {
        /// The path.
        path: String,
    },
    /// A source could not be read.
    #[error("cannot read the content of {path:?}")]
    Source {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A source is longer or shorter than it was said to be.
    #[error("the content of {path:?} does not have the {bytes} bytes that it was said to have: it was changed")]
    Length {
        /// The file.
        path: String,
        /// What was said.
        bytes: u64,
    },
    /// The output could not be written.
    #[error("cannot write {path:?}")]
    Output {
        /// The file on the medium.
        path: String,
        /// Why.
        source: io::Error,
    },
}

/// Whether every component of a path is a name.
pub(crate) fn is_plain(path: &str) -> bool {
    !path.is_empty()
        && !path.contains(|c: char| c.is_control() || c == '\\')
        && path.split('/').all(|name| !matches!(name, "" | "." | ".."))
}

impl File<'_> {
    /// Copies the content: no byte more and none less than was said.
    pub(crate) fn copy_to(&self, out: &mut dyn Write) -> Result<(), CopyError> {
        let mut content = (self.content)();
        let mut buffer = vec![0; 256 * 1024];
        let mut left = self.bytes;
        loop {
            let length = match content.read(&mut buffer) {
                Ok(length) => length,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(CopyError::Source { path: self.path.clone(), source }),
            };
            let changed = || CopyError::Length { path: self.path.clone(), bytes: self.bytes };
            if length == 0 {
                return if left == 0 { Ok(()) } else { Err(changed()) };
            }
            left = left.checked_sub(length as u64).ok_or_else(changed)?;
            let written = out.write_all(&buffer[..length]);
            written.map_err(|source| CopyError::Output { path: self.path.clone(), source })?;
        }
    }
}

/// Refuses paths that are not plain, or there twice.
pub(crate) fn check_paths(files: &[File<'_>]) -> Result<(), CopyError> {
    let mut seen = std::collections::BTreeSet::new();
    match files.iter().find(|file| !is_plain(&file.path) || !seen.insert(file.path.as_str())) {
        Some(file) => Err(CopyError::Path { path: file.path.clone() }),
        None => Ok(()),
    }
}
