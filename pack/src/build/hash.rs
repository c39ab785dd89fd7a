//! Digests of packages, on all processors, and nothing read more often than it must be.

use std::io::{self, Read};

use md5::Md5;
use sha2::{Digest, Sha256};

use super::Progress;
use super::payload::{Watched, unreadable};
use crate::rpm::{PayloadDigests, Rpm, Signed};
use crate::{Result, digest};

/// A read brings so much to both digests: little enough to stay in the processor's cache.
const BUFFER: usize = 128 * 1024;

/// What one thread does: for a package that is a large part of the work one digest, else both in one reading.
#[derive(Clone, Copy)]
enum Job {
    ContentMd5,
    PayloadSha256,
    Both,
}

#[derive(Default)]
struct Done {
    content_md5: Option<[u8; 16]>,
    payload_sha256: Option<[u8; 32]>,
}

/// Hashes every package, two digests each, and refuses those that are not what they say of themselves.
pub(crate) fn payloads(rpms: &[Rpm], progress: &dyn Progress) -> Result<Vec<PayloadDigests>> {
    let all: u64 = rpms.iter().map(Rpm::content_length).sum();
    let mut jobs: Vec<(usize, Job)> = Vec::new();
    for (index, rpm) in rpms.iter().enumerate() {
        match rpm.content_length() > all / 8 {
            true => jobs.extend([(index, Job::ContentMd5), (index, Job::PayloadSha256)]),
            false => jobs.push((index, Job::Both)),
        }
    }
    // The longest first: then no processor is left with one at the end.
    jobs.sort_by_key(|(index, _)| u64::MAX - rpms[*index].content_length());
    let results = digest::in_parallel(&jobs, |(index, job)| {
        let rpm = &rpms[*index];
        let stream = |offset| Watched::new(rpm.source().read_from(offset), 2 * all, progress);
        let done = match job {
            Job::ContentMd5 => digest::of::<Md5>(stream(rpm.header_offset()))
                .map(|md5| Done { content_md5: Some(md5.finalize().into()), ..Done::default() }),
            Job::PayloadSha256 => digest::of::<Sha256>(stream(rpm.payload_offset()))
                .map(|sha256| Done { payload_sha256: Some(sha256.finalize().into()), ..Done::default() }),
            Job::Both => both(rpm, progress, 2 * all),
        };
        done.map_err(|e| unreadable(rpm, &e))
    });
    let mut found: Vec<Done> = rpms.iter().map(|_| Done::default()).collect();
    for ((index, _), result) in jobs.iter().zip(results) {
        let Done { content_md5, payload_sha256 } = result?;
        let of = &mut found[*index];
        of.content_md5 = of.content_md5.or(content_md5);
        of.payload_sha256 = of.payload_sha256.or(payload_sha256);
    }
    let digests = found.into_iter().zip(rpms).map(|(done, rpm)| {
        let digests = PayloadDigests {
            content_md5: done.content_md5.expect("every package has a job for it"),
            payload_sha256: done.payload_sha256.expect("every package has a job for it"),
        };
        digests.check(rpm).map(|()| digests)
    });
    digests.collect()
}

fn both(rpm: &Rpm, progress: &dyn Progress, total: u64) -> io::Result<Done> {
    let (mut md5, mut sha256) = (Md5::new_with_prefix(rpm.header()), Sha256::new());
    let mut stream = Watched::new(rpm.source().read_from(rpm.payload_offset()), total, progress);
    let mut buffer = vec![0; BUFFER];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => {
                md5.update(&buffer[..length]);
                sha256.update(&buffer[..length]);
                // The stream told of these bytes once; they count for both digests.
                progress.advance(length as u64, total);
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(Done { content_md5: Some(md5.finalize().into()), payload_sha256: Some(sha256.finalize().into()) })
}

/// The SHA-256 of every whole package as it will be on the image, in hexadecimal digits.
pub(crate) fn wholes(packages: &[Signed], total: u64, progress: &dyn Progress) -> Result<Vec<String>> {
    let hashed = digest::in_parallel(packages, |package| {
        let stream = Watched::new(package.reader(), total, progress);
        digest::sha256_hex(stream).map_err(|e| unreadable(&package.rpm, &e))
    });
    hashed.into_iter().collect()
}
