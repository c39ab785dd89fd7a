//! The page about a pack, from what a command has at hand.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::now;
use super::proof::Proof;
use crate::contents::Contents;
use crate::dom0::capture::Capture;
use crate::fingerprint::Fingerprint;
use crate::image::PackImage;
use crate::inspect::{self, Inspection, Keys};
use crate::openpgp::Certificate;
use crate::report::html::{self, Page};
use crate::{Error, Result};

/// What a page is about, beside the proof.
pub struct About<'a> {
    pub iso: &'a Path,
    /// The name that the image will have, where it is not the one it has now.
    pub name: Option<&'a str>,
    /// Name on hosts and content of the key that signed it.
    pub key: Option<(&'a str, &'a [u8])>,
    pub previous: Option<&'a Path>,
    pub hosts: &'a [Capture],
}

/// The page about a pack that was proved.
///
/// # Errors
/// [`Error`] of class `Payload`: the image, or that of the release before, cannot be read any more.
pub fn page(about: &About<'_>, proof: &Proof) -> Result<String> {
    let now = now();
    let key = about.key.and_then(|(name, armored)| {
        let armored = std::str::from_utf8(armored).ok()?;
        Some((name, Certificate::parse(armored, name, now).ok()?))
    });
    let certificates = key.iter().map(|(name, certificate)| ((*name).to_owned(), certificate.clone())).collect();
    let keys = Keys { certificates, now };
    let inspection = inspected(about.iso, &keys);
    let previous = about.previous.map(|path| inspected(path, &keys)).transpose()?;
    // Also what is no pack has a page that says so.
    let inspection = match (inspection, proof.report().passed()) {
        (Ok(inspection), _) => inspection,
        (Err(_), false) => Inspection::unreadable(about.iso),
        (Err(e), true) => return Err(e),
    };
    let fingerprint = PackImage::open(about.iso).ok().and_then(|image| Fingerprint::of(&image).ok());
    let file_name = about.iso.file_name().unwrap_or_default().to_string_lossy();
    Ok(html::page(&Page {
        name: about.name.unwrap_or(&file_name),
        report: proof.report(),
        inspection: &inspection,
        key: key.as_ref().map(|(name, certificate)| (*name, certificate)),
        fingerprint: fingerprint.as_ref(),
        previous: previous.as_ref(),
        hosts: about.hosts,
    }))
}

fn inspected(path: &Path, keys: &Keys) -> Result<Inspection> {
    Ok(inspect::inspect(&Contents::open(path)?, keys))
}

/// A file that gets its content at the end, or nothing.
pub struct Output {
    path: PathBuf,
    option: &'static str,
    file: NamedTempFile,
}

impl Output {
    /// Tries whether a file can be written, which `option` named; it is not there yet.
    ///
    /// # Errors
    /// [`Error`] of class `Output`.
    pub fn create(path: &Path, option: &'static str) -> Result<Output> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let permissions = Permissions::from_mode(0o644);
        let file = tempfile::Builder::new().prefix(".report-").permissions(permissions).tempfile_in(folder);
        let file = file.map_err(|e| Output::failed(path, option, &e))?;
        Ok(Output { path: path.into(), option, file })
    }

    /// Writes the file and gives it its name.
    ///
    /// # Errors
    /// [`Error`] of class `Output`.
    pub fn write(mut self, text: &str) -> Result<()> {
        self.file.write_all(text.as_bytes()).map_err(|e| Output::failed(&self.path, self.option, &e))?;
        self.file.persist(&self.path).map(drop).map_err(|e| Output::failed(&self.path, self.option, &e.error))
    }

    fn failed(path: &Path, option: &str, cause: &io::Error) -> Error {
        Error::unwritable(path, cause, format_args!("Give {option} a file in a folder that exists and is writable"))
    }
}
