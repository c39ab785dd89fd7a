//! What the checks look at: a pack's image, parsed once.
//!
//! Holds facts and judges nothing; what cannot be read is kept as an [`Obstacle`] that names the check to report it.

mod digests;
mod packages;
mod repodata;

use std::collections::BTreeMap;
use std::path::Path;

use medium::iso9660::Entry;

use super::{Obstacle, Policy};
use crate::build::Progress;
use crate::generation::Generation;
use crate::image::PackImage;
use crate::openpgp::Certificate;
use crate::xml::{Document, Element};
pub(super) use packages::Package;
pub(super) use repodata::{Capability, Listed, PrimaryPackage};

/// Document, and the file that holds its signature.
pub(super) const UPDATE: &str = "update.xml";
pub(super) const UPDATE_SIGNATURE: &str = "update.xml.asc";
pub(super) const REPOMD: &str = "repodata/repomd.xml";
pub(super) const REPOMD_SIGNATURE: &str = "repodata/repomd.xml.asc";

/// A pack as it was found.
pub(super) struct Subject<'a> {
    pub(super) policy: &'a Policy<'a>,
    pub(super) image: &'a PackImage,
    files: BTreeMap<&'a str, &'a Entry>,
    /// The user's key, if there is one, or why it is unfit.
    key: Option<Result<Certificate, String>>,
    document: Result<Document, Obstacle>,
    repomd: Result<Vec<Listed>, Obstacle>,
    primary: Result<Vec<PrimaryPackage>, Obstacle>,
    packages: Vec<packages::OnImage<'a>>,
    /// The host generations to whose rules it is held.
    pub(super) generations: Vec<&'static Generation>,
}

impl<'a> Subject<'a> {
    /// Reads what is on an image.
    pub(super) fn read(image: &'a PackImage, policy: &'a Policy<'a>, progress: &dyn Progress) -> Subject<'a> {
        let mut subject = Subject {
            policy,
            image,
            files: image.files().map(|entry| (entry.path.as_str(), entry)).collect(),
            key: policy.key.map(|key| parse_key(key.armored, key.file_name, policy.now)),
            document: Err(Obstacle::Unknown(String::new())),
            repomd: Err(Obstacle::Unknown(String::new())),
            primary: Err(Obstacle::Unknown(String::new())),
            packages: Vec::new(),
            generations: Vec::new(),
        };
        subject.document = subject.required(UPDATE).and_then(|bytes| {
            Document::parse(&bytes).map_err(|problem| Obstacle::charged("xapi-document", format!("{UPDATE} {problem}")))
        });
        subject.repomd = repodata::listed(&subject);
        subject.primary = subject.repomd().and_then(repodata::primary);
        progress.made(&format!("{} files", subject.files.len()));
        subject.packages = packages::read(image, progress);
        subject
    }

    /// The regular file of this very path.
    pub(super) fn file(&self, path: &str) -> Option<&'a Entry> {
        self.files.get(path).copied()
    }

    /// Paths of all regular files.
    pub(super) fn paths(&self) -> impl Iterator<Item = &'a str> {
        self.files.keys().copied()
    }

    /// The content of one of the files that every pack has.
    pub(super) fn required(&self, path: &'static str) -> Result<Vec<u8>, Obstacle> {
        let entry = self.file(path).ok_or_else(|| Obstacle::charged("xapi-names", format!("{path} is not there")))?;
        self.image.content(entry).map_err(|problem| Obstacle::charged("xapi-names", format!("{path} {problem}")))
    }

    /// The root element of `update.xml`.
    pub(super) fn document(&self) -> Result<&Element, Obstacle> {
        self.document.as_ref().map(|document| &document.root).map_err(Obstacle::clone)
    }

    /// `update.xml` with what is around its root.
    pub(super) fn whole_document(&self) -> Result<&Document, Obstacle> {
        self.document.as_ref().map_err(Obstacle::clone)
    }

    /// What `repomd.xml` lists.
    pub(super) fn repomd(&self) -> Result<&[Listed], Obstacle> {
        self.repomd.as_deref().map_err(Obstacle::clone)
    }

    /// What `primary.xml` says of packages.
    pub(super) fn primary(&self) -> Result<&[PrimaryPackage], Obstacle> {
        self.primary.as_deref().map_err(Obstacle::clone)
    }

    /// Every file whose name ends with `.rpm`.
    pub(super) fn package_files(&self) -> &[packages::OnImage<'a>] {
        &self.packages
    }

    /// The packages on the image, if their headers can be read and are as they were built.
    pub(super) fn packages(&self) -> Result<Vec<&Package<'a>>, Obstacle> {
        packages::whole(&self.packages)
    }

    /// The user's key, if one was given and is fit.
    pub(super) fn key(&self) -> Result<Option<&Certificate>, Obstacle> {
        match &self.key {
            None => Ok(None),
            Some(Ok(key)) => Ok(Some(key)),
            Some(Err(problem)) => Err(Obstacle::charged("gpg-key", problem.clone())),
        }
    }
}

/// A public key in armor, if it is fit; else why not.
pub(super) fn parse_key(armored: &[u8], name: &str, now: u64) -> Result<Certificate, String> {
    let text = std::str::from_utf8(armored).map_err(|_| format!("{name} is not an armored OpenPGP public key"))?;
    Certificate::parse(text, name, now).map_err(|e| format!("{name} {}", e.problem()))
}

/// The last component of a path.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
