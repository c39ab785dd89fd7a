//! The files that a build leaves: under temporary names until all of them are right.

use std::fs::{self, File, Permissions};
use std::io::{self, Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::{Found, OutputFile};
use crate::openpgp::Certificate;
use crate::{Error, Result};

/// What was found about the newest image in a folder.
const REPORT: &str = "report.json";
const PAGE: &str = "report.html";

/// Whether a folder, or the nearest one above it that exists, can be written; leaves nothing there.
///
/// # Errors
/// [`Error::output`].
pub fn check_output(folder: &Path) -> Result<()> {
    let existing = folder.ancestors().find(|path| path.as_os_str().is_empty() || path.exists());
    let existing = existing.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder_there = || match existing.is_dir() {
        true => temporary(existing).map(drop),
        false => Err(io::ErrorKind::NotADirectory.into()),
    };
    folder_there().map_err(|e| Error::output(existing, &e))
}

/// An image that is being written. Dropped without [`Output::publish`], it leaves nothing.
pub(crate) struct Output {
    folder: PathBuf,
    /// The name it will have.
    path: PathBuf,
    image: NamedTempFile,
}

impl Output {
    pub(crate) fn create(folder: &Path, name: &str) -> Result<Output> {
        fs::create_dir_all(folder).map_err(|e| Error::output(folder, &e))?;
        let image = temporary(folder).map_err(|e| Error::output(folder, &e))?;
        Ok(Output { folder: folder.into(), path: folder.join(name), image })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn temporary_path(&self) -> &Path {
        self.image.path()
    }

    /// Everything written so far is in the file.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.image.flush().map_err(|e| Error::output(&self.path, &e))
    }

    pub(crate) fn file(&mut self) -> &mut File {
        self.image.as_file_mut()
    }

    /// A reader of everything written so far.
    pub(crate) fn reader(&self) -> Result<File> {
        let open = || -> io::Result<File> {
            let mut file = self.image.reopen()?;
            file.rewind()?;
            Ok(file)
        };
        open().map_err(|e| Error::output(&self.path, &e))
    }

    pub(crate) fn length(&self) -> Result<u64> {
        self.image.as_file().metadata().map(|m| m.len()).map_err(|e| Error::output(&self.path, &e))
    }

    /// The public key, under a temporary name.
    pub(crate) fn key_file(&self, name: &str, certificate: &Certificate) -> Result<KeyFile> {
        let path = self.folder.join(name);
        let armored = certificate.armored();
        let replaces = fs::read(&path).is_ok_and(|other| other != armored.as_bytes());
        let file = small(&self.folder, armored.as_bytes()).map_err(|e| Error::output(&path, &e))?;
        Ok(KeyFile { file, path, replaces })
    }

    /// Gives every file its name: image, checksum, key, report, page, and files that are called as the image and something more.
    pub(crate) fn publish(
        self,
        sha256: &str,
        key: KeyFile,
        found: &Found<'_>,
        beside: Vec<(&str, Vec<u8>)>,
    ) -> Result<Published> {
        let Output { folder, path, image } = self;
        let checksum_path = PathBuf::from(format!("{}.sha256", path.display()));
        let name = path.file_name().expect("the image has a name").to_string_lossy();
        let checksum =
            small(&folder, format!("{sha256}  {name}\n").as_bytes()).map_err(|e| Error::output(&checksum_path, &e))?;
        let report_path = folder.join(REPORT);
        let report = small(&folder, found.json.as_bytes()).map_err(|e| Error::output(&report_path, &e))?;
        let page_path = folder.join(PAGE);
        let page = found.page.map(|page| small(&folder, page.as_bytes())).transpose();
        let page = page.map_err(|e| Error::output(&page_path, &e))?;
        let beside = beside.into_iter().map(|(suffix, content)| {
            let path = PathBuf::from(format!("{}.{suffix}", path.display()));
            small(&folder, &content).map_err(|e| Error::output(&path, &e)).map(|file| (path, file))
        });
        let beside = beside.collect::<Result<Vec<_>>>()?;
        // A rename onto a folder would fail half-way.
        let names = [&path, &checksum_path, &key.path, &report_path, &page_path].into_iter();
        if let Some(taken) = names.chain(beside.iter().map(|(path, _)| path)).find(|path| path.is_dir()) {
            return Err(Error::output(taken, &io::ErrorKind::IsADirectory.into()));
        }
        image.as_file().sync_all().map_err(|e| Error::output(&path, &e))?;
        // The image first: if even that fails, everything is as it was.
        let iso = persist(image, path)?;
        let checksum = persist(checksum, checksum_path)?;
        let key = persist(key.file, key.path)?;
        let report = persist(report, report_path)?;
        let page = page.map(|page| persist(page, page_path)).transpose()?;
        let beside = beside.into_iter().map(|(path, file)| persist(file, path)).collect::<Result<_>>()?;
        Ok(Published { iso, checksum, key, report, page, beside })
    }
}

/// The files that a build leaves.
pub(crate) struct Published {
    pub(crate) iso: OutputFile,
    pub(crate) checksum: OutputFile,
    pub(crate) key: OutputFile,
    pub(crate) report: OutputFile,
    pub(crate) page: Option<OutputFile>,
    pub(crate) beside: Vec<OutputFile>,
}

/// A public key that waits for its name.
pub(crate) struct KeyFile {
    file: NamedTempFile,
    path: PathBuf,
    /// Whether another key has that name.
    pub(crate) replaces: bool,
}

impl KeyFile {
    /// The name it will have, without folders.
    pub(crate) fn name(&self) -> &str {
        self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// Where it is for now.
    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }
}

/// A temporary file that will be readable for everyone, whatever the umask: packs are to be shared.
fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix(".pack-")
        .suffix(".partial")
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(folder)
}

fn small(folder: &Path, content: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = temporary(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn persist(file: NamedTempFile, path: PathBuf) -> Result<OutputFile> {
    let written = |file: &NamedTempFile| -> io::Result<u64> {
        file.as_file().set_permissions(Permissions::from_mode(0o644))?;
        Ok(file.as_file().metadata()?.len())
    };
    let size = written(&file).map_err(|e| Error::output(&path, &e))?;
    file.persist(&path).map_err(|e| Error::output(&path, &e.error))?;
    Ok(OutputFile { path, size })
}
