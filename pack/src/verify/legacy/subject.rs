//! What the checks look at: a pack of the older format, read once. Judges nothing.

use std::collections::BTreeMap;
use std::path::Path;

use md5::{Digest, Md5};

use crate::build::{Progress, Watched};
use crate::contents::{Contents, Entry};
use crate::digest;
use crate::image::PackImage;
use crate::legacy::{Listed, Repository, packages, repository};
use crate::rpm::Rpm;
use crate::verify::{Obstacle, Policy};

/// A pack as it was found.
pub(super) struct Subject<'a> {
    pub(super) policy: &'a Policy<'a>,
    pub(super) contents: &'a Contents,
    /// Of an image, with both hierarchies of names.
    pub(super) image: Option<PackImage>,
    repository: Result<Repository, Obstacle>,
    packages: Result<Vec<Listed>, Obstacle>,
    /// The headers of every file whose name ends with `.rpm`, or why they cannot be read.
    rpms: BTreeMap<&'a str, Result<Rpm, String>>,
    /// MD5 of every file that is listed and there.
    sums: BTreeMap<&'a str, Result<String, String>>,
}

impl<'a> Subject<'a> {
    pub(super) fn read(contents: &'a Contents, policy: &'a Policy<'a>, progress: &dyn Progress) -> Subject<'a> {
        let repository = required(contents, repository::FILE, "legacy-repository")
            .and_then(|bytes| charge("legacy-repository", repository::FILE, Repository::read(&bytes)));
        let packages = required(contents, packages::FILE, "legacy-packages")
            .and_then(|bytes| charge("legacy-packages", packages::FILE, packages::read(&bytes)));
        let image = contents.path().is_file().then(|| PackImage::open(contents.path()).ok()).flatten();
        progress.made(&format!("{} files", contents.entries().len()));
        progress.step("digest packages");
        let rpms = contents.packages().into_iter().map(|(entry, rpm)| (entry.path.as_str(), rpm)).collect();
        let listed: Vec<&Entry> =
            packages.iter().flatten().filter_map(|package| contents.entry(&package.file)).collect();
        let total = listed.iter().map(|entry| entry.bytes()).sum();
        let sums = digest::in_parallel(&listed, |entry| {
            let source = entry.source()?;
            let md5 = digest::of::<Md5>(Watched::new(source.read_from(0), total, progress));
            Some(md5.map(|md5| digest::hex(&md5.finalize())).map_err(|e| format!("cannot be read: {e}")))
        });
        let sums = listed.iter().zip(sums).filter_map(|(entry, sum)| Some((entry.path.as_str(), sum?))).collect();
        progress.made("MD5");
        Subject { policy, contents, image, repository, packages, rpms, sums }
    }

    /// What `XS-REPOSITORY` says.
    pub(super) fn repository(&self) -> Result<&Repository, Obstacle> {
        self.repository.as_ref().map_err(Obstacle::clone)
    }

    /// What `XS-PACKAGES` lists.
    pub(super) fn listed(&self) -> Result<&[Listed], Obstacle> {
        self.packages.as_deref().map_err(Obstacle::clone)
    }

    /// MD5 of a listed file.
    pub(super) fn sum(&self, file: &str) -> Option<&Result<String, String>> {
        self.sums.get(file)
    }

    /// Names of the RPM files on the medium.
    pub(super) fn rpm_files(&self) -> impl Iterator<Item = &str> {
        self.rpms.keys().copied()
    }

    /// The listed RPMs with their headers. What is missing or unreadable, other checks report.
    pub(super) fn rpms(&self) -> Result<Vec<(&Listed, &Rpm)>, Obstacle> {
        let mut rpms = Vec::new();
        for package in self.listed()?.iter().filter(|package| package.is_rpm()) {
            match self.rpms.get(package.file.as_str()) {
                Some(Ok(rpm)) => rpms.push((package, rpm)),
                Some(Err(problem)) => {
                    return Err(Obstacle::charged("legacy-rpm", format!("{} {problem}", package.file)));
                }
                None => return Err(Obstacle::charged("legacy-files", format!("{} is not there", package.file))),
            }
        }
        Ok(rpms)
    }

    /// The name that the pack will have.
    pub(super) fn name(&self) -> String {
        let path = self.policy.name.map_or(self.contents.path(), Path::new);
        path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

fn required(contents: &Contents, file: &str, check: &'static str) -> Result<Vec<u8>, Obstacle> {
    match contents.small(file) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(Obstacle::charged(check, format!("{file} is not there"))),
        Err(problem) => Err(Obstacle::charged(check, format!("{file} {problem}"))),
    }
}

fn charge<T>(check: &'static str, file: &str, read: Result<T, String>) -> Result<T, Obstacle> {
    read.map_err(|problem| Obstacle::charged(check, format!("{file} {problem}")))
}
