//! By what a pack is known to be the same: digests of the image, and of what is on it.

use std::io;

use sha2::{Digest, Sha256};

use crate::digest::{hex, in_parallel, sha256_hex};
use crate::image::PackImage;
use crate::rpm::Source;

/// Digests of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// SHA-256 of the whole image.
    pub sha256: String,
    /// SHA-256 of the list of its files with their SHA-256, as `sha256sum` prints it, sorted by path.
    pub content_sha256: String,
    /// The files of that list.
    pub files: usize,
}

impl Fingerprint {
    /// Reads all of an image, twice.
    ///
    /// # Errors
    /// It cannot be read, or files overlap on it, so that reading them all could take for ever.
    pub fn of(image: &PackImage) -> io::Result<Fingerprint> {
        let mut files: Vec<_> = image.files().collect();
        files.sort_by(|a, b| a.path.as_bytes().cmp(b.path.as_bytes()));
        let bytes = files.iter().map(|entry| u64::from(entry.bytes)).fold(0, u64::saturating_add);
        if bytes > image.length() {
            return Err(io::Error::other("files overlap on the image"));
        }
        let mut sources: Vec<Source> = vec![Source::open(image.path())?];
        sources.extend(files.iter().map(|entry| image.source(entry)));
        let digests: Vec<String> =
            in_parallel(&sources, |source| sha256_hex(source.read_from(0))).into_iter().collect::<io::Result<_>>()?;
        let (whole, digests) = digests.split_first().expect("the image itself is the first");
        let mut list = Sha256::new();
        for (entry, digest) in files.iter().zip(digests) {
            list.update(line(&entry.path, digest));
        }
        Ok(Fingerprint { sha256: whole.clone(), content_sha256: hex(&list.finalize()), files: files.len() })
    }
}

/// A line of `sha256sum` (GNU coreutils, `src/cksum.c`): names with some characters are escaped, which a backslash before
/// the line says.
fn line(path: &str, digest: &str) -> String {
    let escaped = path.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
    let mark = if escaped == path { "" } else { "\\" };
    format!("{mark}{digest}  ./{escaped}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_sha256sum() {
        assert_eq!(line("a b", "00"), "00  ./a b\n");
        assert_eq!(line("a\nb\\", "00"), "\\00  ./a\\nb\\\\\n");
    }
}
