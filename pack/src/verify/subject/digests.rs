//! Digests of everything large, made on all processors, told of to whoever watches.

use std::collections::BTreeMap;
use std::io::{self, Read};

use md5::Md5;
use sha2::{Digest, Sha256};

use crate::build::Progress;
use crate::digest;
use crate::rpm::PayloadDigests;

/// Where a package's content lies on the image: first sector and length in bytes. Equal places have equal content.
pub(super) type Place = (u32, u32);

/// Digests of a package.
#[derive(Debug, Clone)]
pub(super) struct Digests {
    /// SHA-256 of the whole file, in hexadecimal digits.
    pub(super) whole_sha256: String,
    /// What its headers state; `None` if they cannot be read.
    pub(super) payload: Option<PayloadDigests>,
}

/// A package to be hashed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Package<'a> {
    pub(super) place: Place,
    pub(super) source: &'a crate::rpm::Source,
    /// Where main header and payload begin, if its headers can be read.
    pub(super) offsets: Option<(u64, u64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    // The slowest first: then no processor is left with it at the end.
    ContentMd5,
    PayloadSha256,
    WholeSha256,
}

/// Hashes every package. `None` if it was told to stop.
pub(super) fn all(
    packages: &[Package<'_>],
    progress: &dyn Progress,
) -> Option<BTreeMap<Place, Result<Digests, String>>> {
    let mut jobs = Vec::new();
    for package in packages {
        if let Some((header, payload)) = package.offsets {
            jobs.push((package, Kind::ContentMd5, header));
            jobs.push((package, Kind::PayloadSha256, payload));
        }
        jobs.push((package, Kind::WholeSha256, 0));
    }
    let length = |(package, _, offset): &(&Package<'_>, Kind, u64)| package.source.length().saturating_sub(*offset);
    jobs.sort_by_key(|job| (job.1, u64::MAX - length(job)));
    let total = jobs.iter().map(length).fold(0, u64::saturating_add);
    let results = digest::in_parallel(&jobs, |(package, kind, offset)| {
        let stream = Watched { inner: package.source.read_from(*offset), total, progress };
        match kind {
            Kind::ContentMd5 => digest::of::<Md5>(stream).map(|md5| md5.finalize().to_vec()),
            Kind::PayloadSha256 | Kind::WholeSha256 => digest::of::<Sha256>(stream).map(|sha| sha.finalize().to_vec()),
        }
    });
    if progress.interrupted() {
        return None;
    }
    let mut done: BTreeMap<(Place, Kind), Result<Vec<u8>, String>> = BTreeMap::new();
    for ((package, kind, _), result) in jobs.iter().zip(results) {
        done.insert((package.place, *kind), result.map_err(|e| format!("cannot be read: {e}")));
    }
    let mut take = |place, kind| done.remove(&(place, kind)).unwrap_or_else(|| Ok(Vec::new()));
    let mut all = BTreeMap::new();
    for package in packages {
        let mut digests = || -> Result<Digests, String> {
            let whole_sha256 = digest::hex(&take(package.place, Kind::WholeSha256)?);
            let (md5, sha256) = (take(package.place, Kind::ContentMd5)?, take(package.place, Kind::PayloadSha256)?);
            let payload = match (md5.try_into(), sha256.try_into()) {
                (Ok(content_md5), Ok(payload_sha256)) => Some(PayloadDigests { content_md5, payload_sha256 }),
                _ => None,
            };
            Ok(Digests { whole_sha256, payload })
        };
        all.insert(package.place, digests());
    }
    Some(all)
}

/// A stream whose reader is told of its progress, and that ends with an error when it is to stop.
struct Watched<'a, R> {
    inner: R,
    total: u64,
    progress: &'a dyn Progress,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.progress.interrupted() {
            return Err(io::Error::other("interrupted"));
        }
        let length = self.inner.read(buffer)?;
        self.progress.advance(length as u64, self.total);
        Ok(length)
    }
}
