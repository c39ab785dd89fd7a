//! Payload RPMs: read, and held to the hosts' rules.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rpm::PackageMetadata;

use super::Progress;
use crate::rpm::{Rpm, Source, el7};
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
    let mut payloads = digest::in_parallel(files, |file| open(file)).into_iter().collect::<Result<Vec<Rpm>>>()?;
    let own = ["update", "control"].map(|kind| format!("{kind}-{}", spec.label));
    let mut seen: HashMap<&str, &Rpm> = HashMap::new();
    for rpm in &payloads {
        let (file, name) = (rpm.source().name(), rpm.name());
        if own.iter().any(|own| own == name) {
            return Err(Error::payload(
                file,
                format!("has the name {name}, which the builder gives to a package of its own"),
                "Leave it out, or rename it",
            ));
        }
        if let Some(twin) = seen.insert(name, rpm) {
            return Err(Error::payload(
                file,
                format!("is a second package {name} (the first is {})", twin.source().name().display()),
                "Give each package once: a host installs one version of it",
            ));
        }
    }
    payloads.sort_by_cached_key(Rpm::file_name);
    Ok(payloads)
}

/// The newest build time that packages state, in seconds since 1970: the time of a pack that depends on no clock.
///
/// # Errors
/// [`Error`] of class `Payload` if one cannot be read.
pub fn newest_build_time(files: &[PathBuf]) -> Result<u32> {
    let time = |file: &PathBuf| open(file).map(|rpm| rpm.metadata().get_build_time().unwrap_or(0));
    let times = digest::in_parallel(files, time).into_iter().collect::<Result<Vec<u64>>>()?;
    Ok(times.into_iter().filter_map(|time| u32::try_from(time).ok()).max().unwrap_or(0))
}

fn open(file: &Path) -> Result<Rpm> {
    let source = Source::open(file)
        .map_err(|e| Error::payload(file, format!("cannot be read: {e}"), "Check the path and its permissions"))?;
    let rpm = Rpm::read(source)?;
    el7::check(&rpm)?;
    Ok(rpm)
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

pub(super) fn unreadable(rpm: &Rpm, error: &io::Error) -> Error {
    Error::payload(
        rpm.source().name(),
        format!("cannot be read: {error}"),
        "Check the disk, and leave the file alone during a build",
    )
}

/// A stream whose reader is told of its progress, and that ends with an error when the user stops the build.
pub(crate) struct Watched<'a, R> {
    inner: R,
    total: u64,
    progress: &'a dyn Progress,
}

impl<'a, R> Watched<'a, R> {
    pub(crate) fn new(inner: R, total: u64, progress: &'a dyn Progress) -> Watched<'a, R> {
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
