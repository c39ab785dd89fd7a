//! The forms of a finished pack and the sums beside them: under temporary names until all of them are right.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use medium::iso9660::{Tree, UnixSeconds, Volume, WriteError, Writer};
use medium::{CopyError, File, folder, tar};
use tempfile::{NamedTempFile, TempDir};

use super::{Request, metadata_md5};
use crate::build::{OutputFile, Progress, Watched};
use crate::spec::{LegacySpec, OutputKind};
use crate::{Error, Result, digest};

/// Every file of a pack.
pub(super) type Content<'a> = Vec<File<'a>>;

/// The results of a build under temporary names. Dropped without [`Draft::publish`], they leave nothing.
pub struct Draft {
    files: Vec<(PathBuf, NamedTempFile)>,
    folder: Option<(PathBuf, TempDir)>,
    /// Sums, and what belongs beside the results.
    beside: Vec<(PathBuf, NamedTempFile)>,
}

impl Draft {
    /// Every form of the pack: the name that it will have, and where it is for now.
    pub fn results(&self) -> impl Iterator<Item = (&Path, &Path)> {
        let files = self.files.iter().map(|(name, file)| (name.as_path(), file.path()));
        files.chain(self.folder.iter().map(|(name, folder)| (name.as_path(), folder.path())))
    }

    /// Gives every file its final name. A folder's size is that of the files in it.
    ///
    /// # Errors
    /// [`Error`] of class `Output`.
    pub fn publish(self) -> Result<Vec<OutputFile>> {
        let Draft { files, folder, beside } = self;
        let names = files.iter().chain(&beside).map(|(name, _)| name);
        // A rename onto a folder would fail half-way.
        if let Some(taken) = names.into_iter().find(|name| name.is_dir()) {
            return Err(Error::output(taken, &io::ErrorKind::IsADirectory.into()));
        }
        let mut written = Vec::new();
        if let Some((name, temporary)) = folder {
            check_free(&name)?;
            let size = size_of(temporary.path()).map_err(|e| Error::output(&name, &e))?;
            fs::set_permissions(temporary.path(), Permissions::from_mode(0o755))
                .and_then(|()| fs::rename(temporary.path(), &name))
                .map_err(|e| Error::output(&name, &e))?;
            // It has gone from there.
            let _ = temporary.keep();
            written.push(OutputFile { path: name, size });
        }
        for (name, file) in files.into_iter().chain(beside) {
            let failed = |e: io::Error| Error::output(&name, &e);
            file.as_file().sync_all().map_err(failed)?;
            let size = file.as_file().metadata().map_err(failed)?.len();
            file.persist(&name).map_err(|e| failed(e.error))?;
            written.push(OutputFile { path: name, size });
        }
        Ok(written)
    }
}

/// A folder takes the place of an empty one only: nobody's files are mixed with a pack's.
fn check_free(name: &Path) -> Result<()> {
    match fs::read_dir(name).map(Iterator::count) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(0) => Ok(()),
        Ok(_) => Err(Error::output(name, &io::ErrorKind::AlreadyExists.into())),
        Err(e) => Err(Error::output(name, &e)),
    }
}

fn size_of(folder: &Path) -> io::Result<u64> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.metadata()?.len())).sum()
}

/// Writes every form that the request names.
pub(super) fn write(
    request: &Request<'_>,
    content: &Content<'_>,
    [repository, packages]: &[Vec<u8>; 2],
    progress: &dyn Progress,
) -> Result<Draft> {
    let Request { output, name, epoch, .. } = *request;
    fs::create_dir_all(output).map_err(|e| Error::output(output, &e))?;
    let modified = UnixSeconds::new(epoch.into()).expect("32 bits of seconds end in 2106, which ISO 9660 can say");
    let mut draft = Draft { files: Vec::new(), folder: None, beside: Vec::new() };
    let file = |end: &str| output.join(format!("{name}{end}"));
    for kind in request.outputs {
        match kind {
            OutputKind::Iso => continue,
            OutputKind::LegacyIso => {
                progress.step("write image");
                let path = file(".iso");
                let mut image = temporary(output).map_err(|e| Error::output(&path, &e))?;
                write_image(request.spec, image.as_file_mut(), &path, content, modified)?;
                draft.files.push((path, image));
            }
            OutputKind::LegacyTar => {
                progress.step("write archive");
                let path = file(".tar.gz");
                let mut archive = temporary(output).map_err(|e| Error::output(&path, &e))?;
                tar::write(archive.as_file_mut(), content, modified).map_err(|e| copy_failed(&path, e))?;
                draft.files.push((path, archive));
            }
            OutputKind::LegacyFolder => {
                progress.step("write folder");
                let path = output.join(name);
                check_free(&path)?;
                let temporary = tempfile::Builder::new().prefix(".pack-").suffix(".partial").tempdir_in(output);
                let temporary = temporary.map_err(|e| Error::output(&path, &e))?;
                folder::write(temporary.path(), content).map_err(|e| copy_failed(&path, e))?;
                draft.folder = Some((path, temporary));
            }
        }
        progress.made(&format!("{} files", content.len()));
    }
    progress.step("checksum");
    for (path, file) in &mut draft.files {
        let failed = |e: io::Error| Error::output(path, &e);
        file.flush().map_err(failed)?;
        let (length, reader) = (file.as_file().metadata().map_err(failed)?.len(), file.reopen().map_err(failed)?);
        let md5 = digest::of::<Md5>(Watched::new(reader, length, progress)).map_err(failed)?;
        let shown = path.file_name().unwrap_or_default().to_string_lossy();
        let line = format!("{}  {shown}\n", digest::hex(&md5.finalize()));
        let beside = PathBuf::from(format!("{}.md5", path.display()));
        draft.beside.push((beside.clone(), small(output, &line).map_err(|e| Error::output(&beside, &e))?));
    }
    let path = file(".metadata.md5");
    let line = format!("{}\n", metadata_md5(repository, packages));
    draft.beside.push((path.clone(), small(output, &line).map_err(|e| Error::output(&path, &e))?));
    progress.made("MD5 of what is on the disk, and of the metadata");
    Ok(draft)
}

fn write_image(
    spec: &LegacySpec,
    out: &mut fs::File,
    path: &Path,
    content: &Content<'_>,
    modified: UnixSeconds,
) -> Result<()> {
    let tree = Tree::new(content.iter().map(|file| (file.path.as_str(), file.mode))).map_err(|e| {
        let problem = format!("cannot hold these file names: {e}");
        Error::payload(path, problem, "Rename the packages")
    })?;
    let (id, application) = (volume_text(&spec.description, 32), volume_text(&spec.vendor, 128));
    let volume = Volume { id: &id, application: &application, publisher: "", modified };
    let failed = |e: WriteError| match e {
        WriteError::Output { source, .. } => Error::output(path, &source),
        WriteError::Source { path, source } => unreadable(&path, &source.to_string()),
        WriteError::TooLarge { path, limit } => {
            let problem = format!("is larger than {limit} bytes, the most for a file on an ISO 9660 image");
            Error::payload(Path::new(&path), problem, "Split it, or build a .tar.gz")
        }
        other => Error::output(path, &io::Error::other(other)),
    };
    let mut image = Writer::new(out, &volume, tree).map_err(failed)?;
    for file in content {
        image.write(&file.path, (file.content)()).map_err(failed)?;
    }
    image.finish().map(drop).map_err(failed)
}

/// What a volume descriptor can say of a text: printable ASCII without what file systems mean something by.
fn volume_text(text: &str, most: usize) -> String {
    let plain = text.chars().map(|c| match c {
        ' '..='~' if !r#"*/:;?\""#.contains(c) => c,
        _ => '_',
    });
    let text: String = plain.take(most).collect();
    let text = text.trim().trim_start_matches('_');
    if text.is_empty() { "pack".to_owned() } else { text.to_owned() }
}

fn copy_failed(path: &Path, error: CopyError) -> Error {
    match error {
        CopyError::Output { source, .. } => Error::output(path, &source),
        CopyError::Source { path, source } => unreadable(&path, &source.to_string()),
        CopyError::Length { path, .. } => unreadable(&path, "it was changed meanwhile"),
        other => Error::output(path, &io::Error::other(other)),
    }
}

fn unreadable(path: &str, problem: &str) -> Error {
    let remedy = "Leave the packages alone during a build";
    Error::payload(Path::new(path), format!("cannot be read: {problem}"), remedy)
}

/// A temporary file that will be readable for everyone, whatever the umask: packs are to be shared.
fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    let file = tempfile::Builder::new().prefix(".pack-").suffix(".partial").tempfile_in(folder)?;
    file.as_file().set_permissions(Permissions::from_mode(0o644))?;
    Ok(file)
}

fn small(folder: &Path, content: &str) -> io::Result<NamedTempFile> {
    let mut file = temporary(folder)?;
    file.write_all(content.as_bytes())?;
    Ok(file)
}
