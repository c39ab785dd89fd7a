//! The files that a build leaves: under temporary names until all of them are right.

use std::fs::{self, File, Permissions};
use std::io::{self, Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::OutputFile;
use crate::openpgp::Certificate;
use crate::{Error, Result};

/// An image that is being written. Dropped without [`Output::publish`], it leaves nothing.
pub(super) struct Output {
    folder: PathBuf,
    /// The name it will have.
    path: PathBuf,
    image: NamedTempFile,
}

impl Output {
    pub(super) fn create(folder: &Path, name: &str) -> Result<Output> {
        fs::create_dir_all(folder).map_err(|e| Error::output(folder, &e))?;
        let image = temporary(folder).map_err(|e| Error::output(folder, &e))?;
        Ok(Output { folder: folder.into(), path: folder.join(name), image })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn file(&mut self) -> &mut File {
        self.image.as_file_mut()
    }

    /// A reader of everything written so far.
    pub(super) fn reader(&self) -> Result<File> {
        let open = || -> io::Result<File> {
            let mut file = self.image.reopen()?;
            file.rewind()?;
            Ok(file)
        };
        open().map_err(|e| Error::output(&self.path, &e))
    }

    pub(super) fn length(&self) -> Result<u64> {
        self.image.as_file().metadata().map(|m| m.len()).map_err(|e| Error::output(&self.path, &e))
    }

    /// The public key, under a temporary name, and the name it will have.
    pub(super) fn key_file(&self, name: &str, certificate: &Certificate) -> Result<(NamedTempFile, PathBuf)> {
        let path = self.folder.join(name);
        let file = small(&self.folder, &certificate.armored()).map_err(|e| Error::output(&path, &e))?;
        Ok((file, path))
    }

    /// Gives every file its name: the image last, so that an image never stands beside another's key or checksum.
    pub(super) fn publish(
        self,
        sha256: &str,
        key: (NamedTempFile, PathBuf),
    ) -> Result<(OutputFile, OutputFile, OutputFile)> {
        let Output { folder, path, image } = self;
        let checksum_path = PathBuf::from(format!("{}.sha256", path.display()));
        let name = path.file_name().expect("the image has a name").to_string_lossy();
        let checksum = small(&folder, &format!("{sha256}  {name}\n")).map_err(|e| Error::output(&checksum_path, &e))?;
        image.as_file().sync_all().map_err(|e| Error::output(&path, &e))?;
        let key = persist(key.0, key.1)?;
        let checksum = persist(checksum, checksum_path)?;
        let image = persist(image, path)?;
        Ok((image, checksum, key))
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

fn small(folder: &Path, content: &str) -> io::Result<NamedTempFile> {
    let mut file = temporary(folder)?;
    file.write_all(content.as_bytes())?;
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
