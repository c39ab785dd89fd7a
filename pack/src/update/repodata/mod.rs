//! The yum repository metadata in `repodata/`: what yum 3.4.3, dnf and the host installer read to find packages.
//!
//! Formats as `createrepo_c --simple-md-filenames --no-database` writes them; compressed with gzip and with SHA-256
//! checksums, because the host installer reads nothing else.

mod dependencies;
mod filelists;
mod other;
mod primary;
mod repomd;

use std::io::Write;

use flate2::{Compression, GzBuilder};
use sha2::{Digest, Sha256};

use crate::digest::hex;
use crate::rpm::Signed;

/// A signed package in the repository.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    pub package: &'a Signed,
    /// Path on the medium: `Packages/…`.
    pub path: String,
    /// SHA-256 of the whole signed package, in hexadecimal digits.
    pub sha256: String,
}

/// The files of `repodata/`, by name, except for the signature.
#[derive(Debug, Clone)]
pub struct Repodata {
    pub files: Vec<(&'static str, Vec<u8>)>,
}

impl Repodata {
    /// Names of the files, known before their content is.
    pub const NAMES: [&'static str; 6] =
        ["repomd.xml", "primary.xml.gz", "filelists.xml.gz", "other.xml.gz", "comps.xml", "comps.xml.gz"];

    /// `repomd.xml`, which is to be signed.
    pub fn repomd(&self) -> &[u8] {
        &self.files[0].1
    }
}

/// One file of metadata, before and after compression.
struct Metadata {
    kind: &'static str,
    name: &'static str,
    open: Vec<u8>,
    stored: Vec<u8>,
}

/// Writes the metadata of a repository; `epoch` (seconds since 1970) is its revision and every time in it.
pub fn repodata(entries: &[Entry<'_>], comps: &[u8], epoch: u32) -> Repodata {
    let metadata = [
        Metadata::gzip("primary", "primary.xml.gz", primary::primary(entries, epoch)),
        Metadata::gzip("filelists", "filelists.xml.gz", filelists::filelists(entries)),
        Metadata::gzip("other", "other.xml.gz", other::other(entries)),
        Metadata { kind: "group", name: "comps.xml", open: Vec::new(), stored: comps.to_vec() },
        // yum takes this one if both are there.
        Metadata::gzip("group_gz", "comps.xml.gz", comps.to_vec()),
    ];
    let repomd = repomd::repomd(&metadata, epoch);
    let rest = metadata.into_iter().map(|file| (file.name, file.stored));
    Repodata { files: std::iter::once(("repomd.xml", repomd)).chain(rest).collect() }
}

impl Metadata {
    fn gzip(kind: &'static str, name: &'static str, open: Vec<u8>) -> Metadata {
        // No time and no file name: the same content gives the same bytes.
        let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::new(9));
        let stored = encoder.write_all(&open).and_then(|()| encoder.finish()).expect("writing to memory cannot fail");
        Metadata { kind, name, open, stored }
    }

    fn checksum(bytes: &[u8]) -> String {
        hex(&Sha256::digest(bytes))
    }
}
