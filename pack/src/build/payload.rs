//! Payload RPMs: read, held to the hosts' rules, and hashed.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::PathBuf;

use md5::Md5;
use rpm::PackageMetadata;
use sha2::{Digest, Sha256};

use super::Progress;
use crate::rpm::{PayloadDigests, Rpm, Source, el7};
use crate::spec::PackSpec;
use crate::{Error, Result, digest};

/// Reads the headers of every payload, in the order of their file names on the medium.
pub(super) fn read(spec: &PackSpec, files: &[PathBuf]) -> Result<Vec<Rpm>> {
    if files.is_empty() {
        return Err(Error::payload(
            &spec.file,
            "no payload was given",
            "Name RPM files in pack.rpms, or give them with --rpm",
        ));
    }
    let mut payloads: Vec<Rpm> = Vec::new();
    for file in files {
        let source = Source::open(file)
            .map_err(|e| Error::payload(file, format!("cannot be read: {e}"), "Check the path and its permissions"))?;
        let rpm = Rpm::read(source)?;
        el7::check(&rpm)?;
        if ["update", "control"].iter().any(|kind| rpm.name() == format!("{kind}-{}", spec.label)) {
            return Err(Error::payload(
                file,
                format!("has the name {}, which the builder gives to a package of its own", rpm.name()),
                "Leave it out, or rename it",
            ));
        }
        if let Some(twin) = payloads.iter().find(|other| other.name() == rpm.name()) {
            return Err(Error::payload(
                file,
                format!("is a second package {} (the first is {})", rpm.name(), twin.source().name().display()),
                "Give each package once: a host installs one version of it",
            ));
        }
        payloads.push(rpm);
    }
    payloads.sort_by_key(Rpm::file_name);
    Ok(payloads)
}

/// Vendor and licence of the packages with the pack's metadata: as the spec says, else what all payloads agree in, and the
/// licences of all of them.
pub(super) fn answered_for(spec: &PackSpec, payloads: &[Rpm]) -> (Option<String>, String) {
    if let Some(own) = &spec.payload {
        return (Some(own.vendor.clone()), own.license.clone());
    }
    let said = |tag: fn(&PackageMetadata) -> std::result::Result<&str, rpm::Error>| -> BTreeSet<&str> {
        payloads.iter().map(|rpm| tag(rpm.metadata()).unwrap_or_default()).collect()
    };
    let vendors: Vec<&str> = said(PackageMetadata::get_vendor).into_iter().collect();
    let common = match vendors.as_slice() {
        [only] if !only.is_empty() => Some((*only).to_owned()),
        _ => None,
    };
    let licences: Vec<&str> =
        said(PackageMetadata::get_license).into_iter().filter(|license| !license.is_empty()).collect();
    let license = spec.license.clone().unwrap_or_else(|| licences.join(" and "));
    (spec.vendor.clone().or(common), license)
}

#[derive(Clone, Copy)]
enum Job<'a> {
    ContentMd5(&'a Rpm),
    PayloadSha256(&'a Rpm),
}

enum Done {
    ContentMd5([u8; 16]),
    PayloadSha256([u8; 32]),
}

/// Hashes every payload, two digests each, on all processors.
pub(super) fn digests(rpms: &[Rpm], progress: &dyn Progress) -> Result<Vec<PayloadDigests>> {
    let jobs: Vec<Job<'_>> = rpms.iter().flat_map(|rpm| [Job::ContentMd5(rpm), Job::PayloadSha256(rpm)]).collect();
    let total = rpms.iter().map(|rpm| 2 * rpm.content_length()).sum();
    let results = digest::in_parallel(&jobs, |job| match job {
        Job::ContentMd5(rpm) => {
            let stream = Watched::new(rpm.source().read_from(rpm.header_offset()), total, progress);
            digest::of::<Md5>(stream)
                .map(|md5| Done::ContentMd5(md5.finalize().into()))
                .map_err(|e| unreadable(rpm, &e))
        }
        Job::PayloadSha256(rpm) => {
            let stream = Watched::new(rpm.source().read_from(rpm.payload_offset()), total, progress);
            digest::of::<Sha256>(stream)
                .map(|sha| Done::PayloadSha256(sha.finalize().into()))
                .map_err(|e| unreadable(rpm, &e))
        }
    });
    let results = results.into_iter().collect::<Result<Vec<_>>>()?;
    let digests: Vec<PayloadDigests> = results
        .chunks_exact(2)
        .map(|pair| match pair {
            [Done::ContentMd5(content_md5), Done::PayloadSha256(payload_sha256)] => {
                PayloadDigests { content_md5: *content_md5, payload_sha256: *payload_sha256 }
            }
            _ => unreachable!("jobs come in these pairs, and results in their order"),
        })
        .collect();
    rpms.iter().zip(&digests).try_for_each(|(rpm, digests)| digests.check(rpm))?;
    Ok(digests)
}

pub(super) fn unreadable(rpm: &Rpm, error: &io::Error) -> Error {
    Error::payload(
        rpm.source().name(),
        format!("cannot be read: {error}"),
        "Check the disk, and leave the file alone during a build",
    )
}

/// A stream whose reader is told of its progress, and that ends with an error when the user stops the build.
pub(super) struct Watched<'a, R> {
    inner: R,
    total: u64,
    progress: &'a dyn Progress,
}

impl<'a, R> Watched<'a, R> {
    pub(super) fn new(inner: R, total: u64, progress: &'a dyn Progress) -> Watched<'a, R> {
        Watched { inner, total, progress }
    }
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
