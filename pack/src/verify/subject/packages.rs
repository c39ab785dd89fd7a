//! The packages on an image, by their own account, and what became of their bytes.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use medium::iso9660::Entry;

use super::digests::{self, Digests, Place};
use crate::Error;
use crate::build::Progress;
use crate::image::PackImage;
use crate::rpm::package::{FileKind, Package as Facts};
use crate::rpm::{Rpm, header_is_whole, payload};
use crate::verify::Obstacle;

/// Most bytes that a package may unpack to and still be looked into: companions of packs are a few kilobytes.
const MAX_UNPACKED: u64 = 1 << 20;

/// A file whose name ends with `.rpm`.
pub(in crate::verify) struct OnImage<'a> {
    pub(in crate::verify) entry: &'a Entry,
    /// The package, or why its headers cannot be read.
    pub(in crate::verify) package: Result<Package<'a>, String>,
    /// SHA-256 of the whole file in hexadecimal digits.
    pub(in crate::verify) sha256: Result<String, Obstacle>,
}

/// A package whose headers can be read.
pub(in crate::verify) struct Package<'a> {
    pub(in crate::verify) path: &'a str,
    pub(in crate::verify) rpm: Rpm,
    pub(in crate::verify) facts: Facts,
    /// Whether the digests that are stated of the main header are its.
    header_is_whole: bool,
    /// What of it is not as its headers say.
    damage: Result<Option<String>, Obstacle>,
    contents: OnceCell<Result<Contents, String>>,
}

type Contents = BTreeMap<String, Vec<u8>>;

/// Reads and hashes every package of an image.
pub(super) fn read<'a>(image: &'a PackImage, progress: &dyn Progress) -> Vec<OnImage<'a>> {
    let found = image.packages();
    let sources: Vec<_> = found.iter().map(|(entry, _)| image.source(entry)).collect();
    let mut seen = BTreeSet::new();
    let mut bytes = 0_u64;
    let mut jobs = Vec::new();
    for ((entry, rpm), source) in found.iter().zip(&sources) {
        if seen.insert(place(entry)) {
            bytes += u64::from(entry.bytes);
            let offsets = rpm.as_ref().ok().map(|rpm| (rpm.header_offset(), rpm.payload_offset()));
            jobs.push(digests::Package { place: place(entry), source, offsets });
        }
    }
    progress.step("digest rpms");
    let done = match bytes > image.length() {
        // Files may share their content, but no sound image lets them overlap; hashing that could take for ever.
        true => Err(Obstacle::charged("rpm-digests", "the packages overlap on the image")),
        false => {
            digests::all(&jobs, progress).ok_or_else(|| Obstacle::Unknown("was stopped before it was looked at".into()))
        }
    };
    progress.made(&format!("{} packages", found.len()));
    found.into_iter().map(|(entry, rpm)| OnImage::new(entry, rpm, &done)).collect()
}

fn place(entry: &Entry) -> Place {
    (entry.sector, entry.bytes)
}

impl<'a> OnImage<'a> {
    fn new(
        entry: &'a Entry,
        rpm: Result<Rpm, String>,
        done: &Result<BTreeMap<Place, Result<Digests, String>>, Obstacle>,
    ) -> OnImage<'a> {
        let digests = done.as_ref().map_err(Obstacle::clone).and_then(|done| match done.get(&place(entry)) {
            Some(Ok(digests)) => Ok(digests),
            Some(Err(problem)) => Err(Obstacle::charged("rpm-digests", format!("{} {problem}", entry.path))),
            None => Err(Obstacle::Unknown("was not looked at".into())),
        });
        let package = rpm.and_then(|rpm| {
            let damage = digests.as_ref().map_err(Obstacle::clone).map(|digests| {
                let payload = digests.payload.as_ref()?;
                payload.check(&rpm).err().map(|e| e.problem().to_owned())
            });
            Ok(Package {
                path: &entry.path,
                facts: Facts::of(&rpm)?,
                header_is_whole: header_is_whole(&rpm),
                rpm,
                damage,
                contents: OnceCell::new(),
            })
        });
        OnImage { entry, package, sha256: digests.map(|digests| digests.whole_sha256.clone()) }
    }
}

impl Package<'_> {
    /// What of it is not as its headers say.
    pub(in crate::verify) fn damage(&self) -> Result<Option<&str>, Obstacle> {
        self.damage.as_ref().map(Option::as_deref).map_err(Obstacle::clone)
    }

    /// The regular files in its payload by absolute path, if it is a small package.
    pub(in crate::verify) fn contents(&self) -> Result<&Contents, Obstacle> {
        if let Some(damage) = self.damage()? {
            return Err(Obstacle::charged("rpm-digests", format!("{} {damage}", self.path)));
        }
        if self.rpm.archive_size() > MAX_UNPACKED {
            return Err(Obstacle::Unknown(format!("{} unpacks to more than {MAX_UNPACKED} bytes", self.path)));
        }
        if !payload::can_be_read(&self.rpm) {
            let compressor = self.rpm.payload_compressor();
            let problem = format!("{} is compressed with {compressor}, which nothing here unpacks", self.path);
            return Err(Obstacle::Unknown(problem));
        }
        let contents =
            self.contents.get_or_init(|| contents(&self.rpm, &self.facts).map_err(|e| e.problem().to_owned()));
        contents.as_ref().map_err(|problem| Obstacle::charged("rpm-digests", format!("{} {problem}", self.path)))
    }
}

/// The regular files of a package's payload by absolute path.
fn contents(rpm: &Rpm, facts: &Facts) -> crate::Result<Contents> {
    let mut files = Contents::new();
    payload::read(rpm, MAX_UNPACKED, &mut |member, reader| {
        let mut content = Vec::new();
        reader.read_to_end(&mut content).map_err(|e| Error::output(Path::new("memory"), &e))?;
        for index in member.links.iter().chain([&member.index]) {
            match facts.files.get(*index) {
                Some(file) if matches!(file.kind, FileKind::Regular { .. }) => {
                    files.insert(file.path.clone(), content.clone());
                }
                _ => {}
            }
        }
        Ok(())
    })?;
    Ok(files)
}

/// The packages, if the headers of all can be read and are as they were built.
pub(super) fn whole<'s, 'a>(found: &'s [OnImage<'a>]) -> Result<Vec<&'s Package<'a>>, Obstacle> {
    let unreadable: Vec<String> = found
        .iter()
        .filter_map(|file| file.package.as_ref().err().map(|problem| format!("{} {problem}", file.entry.path)))
        .collect();
    if !unreadable.is_empty() {
        return Err(Obstacle::Charged { check: "rpm-headers", problems: unreadable });
    }
    let packages: Vec<&Package<'_>> = found.iter().filter_map(|file| file.package.as_ref().ok()).collect();
    match packages.iter().find(|package| !package.header_is_whole) {
        Some(package) => {
            Err(Obstacle::charged("rpm-digests", format!("{} has a header that was changed", package.path)))
        }
        None => Ok(packages),
    }
}
