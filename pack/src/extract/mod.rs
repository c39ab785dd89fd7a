//! What is in a pack, as files: into a new folder that appears when all of it is there.
//!
//! Nothing lands outside of that folder, whatever names a pack has; no file gets more rights than permissions for owner,
//! group and others. Must not know what the files mean.

mod payload;

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use tempfile::TempDir;

use crate::build::Progress;
use crate::contents::{Contents, Entry, EntryKind, Medium};
use crate::rpm::Rpm;
use crate::{Error, Result};

/// Bytes that are copied at once.
const BUFFER: usize = 256 * 1024;

/// What is to be extracted, and where to.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub contents: &'a Contents,
    /// The folder that is to be made.
    pub folder: &'a Path,
    /// Paths in the pack; a folder stands for all that is in it. None for everything.
    pub only: &'a [String],
    /// Whether the files of packages are extracted, too.
    pub rpm_content: bool,
}

/// What was extracted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extracted {
    pub files: usize,
    pub bytes: u64,
    /// Packages whose files were extracted.
    pub packages: usize,
    /// What was left out or changed.
    pub notes: Vec<String>,
}

/// Extracts a pack.
///
/// # Errors
/// [`Error`] of class `Output` if the folder is there or cannot be written, of class `Payload` if something in the pack
/// cannot be what it is said to be. Nothing is left behind.
pub fn extract(request: &Request<'_>, progress: &dyn Progress) -> Result<Extracted> {
    let result = whole(request, progress);
    match progress.interrupted() && result.is_err() {
        true => Err(Error::interrupted()),
        false => result,
    }
}

fn whole(request: &Request<'_>, progress: &dyn Progress) -> Result<Extracted> {
    let Request { contents, folder, .. } = *request;
    let failed = |e: &io::Error| Error::output(folder, e);
    if folder.symlink_metadata().is_ok() {
        return Err(failed(&io::ErrorKind::AlreadyExists.into()));
    }
    let entries = selected(request)?;
    let total = total(contents, &entries)?;
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let partial = tempfile::Builder::new().prefix(".extract-").tempdir_in(parent).map_err(|e| failed(&e))?;
    let mut writer = Writer { root: &partial, folders: Vec::new(), done: Extracted::default(), progress, total };

    progress.step("extract files");
    for entry in &entries {
        writer.entry(entry)?;
    }
    progress.made(&format!("{} files", writer.done.files));
    if request.rpm_content {
        progress.step("unpack rpms");
        for entry in entries.iter().filter(|entry| entry.path.ends_with(".rpm")) {
            writer.package(entry)?;
        }
        progress.made(&format!("{} packages", writer.done.packages));
    }
    let Writer { folders, done, .. } = writer;
    restore(&folders).map_err(|e| failed(&e))?;
    fs::set_permissions(partial.path(), Permissions::from_mode(0o755)).map_err(|e| failed(&e))?;
    // Never onto something that came to be there meanwhile.
    renameat_with(CWD, partial.path(), CWD, folder, RenameFlags::NOREPLACE).map_err(|e| failed(&e.into()))?;
    let _ = partial.keep();
    Ok(done)
}

/// The entries that are asked for.
fn selected<'a>(request: &Request<'a>) -> Result<Vec<&'a Entry>> {
    let entries = request.contents.entries();
    let within =
        |path: &str, asked: &str| path.strip_prefix(asked).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let asked: Vec<&str> = request.only.iter().map(|path| path.trim_matches('/')).collect();
    for path in &asked {
        if !entries.iter().any(|entry| within(&entry.path, path)) {
            return Err(Error::payload(
                request.contents.path(),
                format!("has no file or folder {path:?}"),
                "`suppack inspect` shows what it has",
            ));
        }
    }
    let wanted = |entry: &&Entry| asked.is_empty() || asked.iter().any(|path| within(&entry.path, path));
    Ok(entries.iter().filter(wanted).collect())
}

/// Bytes of all files together: no more than the image has, or few bytes could fill a disk.
fn total(contents: &Contents, entries: &[&Entry]) -> Result<u64> {
    let total = entries.iter().map(|entry| entry.bytes()).fold(0, u64::saturating_add);
    match contents.medium() {
        Medium::Image { bytes, .. } if total > *bytes => Err(Error::payload(
            contents.path(),
            format!("has {bytes} bytes, but {total} in its files: they overlap"),
            "Name the files that you want",
        )),
        _ => Ok(total),
    }
}

/// Writes below a folder that nobody else knows.
struct Writer<'a> {
    root: &'a TempDir,
    /// Folders, and the permissions that they get in the end.
    folders: Vec<(PathBuf, u32)>,
    done: Extracted,
    progress: &'a dyn Progress,
    total: u64,
}

impl Writer<'_> {
    fn entry(&mut self, entry: &Entry) -> Result<()> {
        let path = self.root.path().join(&entry.path);
        match &entry.kind {
            EntryKind::Special => self.done.notes.push(format!("{} is neither file nor folder: left out", entry.path)),
            EntryKind::Folder => {
                fs::create_dir_all(&path).map_err(|e| Error::output(Path::new(&entry.path), &e))?;
                self.folders.push((path, entry.mode.unwrap_or(0o755)));
            }
            EntryKind::File(source) => {
                let mode = entry.mode.unwrap_or(0o644);
                if mode & 0o7000 != 0 {
                    self.done
                        .notes
                        .push(format!("{} has mode {mode:04o}: extracted without its special bits", entry.path));
                }
                let mut reader = source.read_from(0);
                self.done.bytes += write(&path, mode, &mut reader, self.progress, self.total)
                    .map_err(|problem| problem.about(Path::new(&entry.path)))?;
                self.done.files += 1;
            }
        }
        Ok(())
    }

    /// The files of a package, in a folder beside it.
    fn package(&mut self, entry: &Entry) -> Result<()> {
        let Some(source) = entry.source() else { return Ok(()) };
        let rpm = Rpm::read(source.clone())?;
        let name = format!("{}.files", entry.path.trim_end_matches(".rpm"));
        let folder = self.root.path().join(&name);
        fs::create_dir(&folder).map_err(|e| Error::output(Path::new(&name), &e))?;
        self.folders.push((folder.clone(), 0o755));
        let notes = payload::unpack(&rpm, &folder, &mut self.folders, self.progress)?;
        self.done.notes.extend(notes.into_iter().map(|note| format!("{name}{note}")));
        self.done.packages += 1;
        Ok(())
    }
}

/// Why a file could not be written: its source, or its destination.
enum Problem {
    Source(io::Error),
    Output(io::Error),
}

impl Problem {
    fn about(self, name: &Path) -> Error {
        match self {
            Problem::Output(e) => Error::output(name, &e),
            Problem::Source(e) => {
                Error::payload(name, format!("cannot be read: {e}"), "Copy or download the pack again")
            }
        }
    }
}

/// Writes a new file; bytes written.
fn write(
    path: &Path,
    mode: u32,
    source: &mut dyn Read,
    progress: &dyn Progress,
    total: u64,
) -> std::result::Result<u64, Problem> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(Problem::Output)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(Problem::Output)?;
    let written = copy(source, &mut file, progress, total)?;
    file.set_permissions(Permissions::from_mode(mode & 0o777)).map_err(Problem::Output)?;
    Ok(written)
}

fn copy(
    source: &mut dyn Read,
    file: &mut File,
    progress: &dyn Progress,
    total: u64,
) -> std::result::Result<u64, Problem> {
    let (mut buffer, mut written) = (vec![0; BUFFER], 0);
    loop {
        if progress.interrupted() {
            return Err(Problem::Output(io::Error::other("interrupted")));
        }
        let length = match source.read(&mut buffer) {
            Ok(0) => return Ok(written),
            Ok(length) => length,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(Problem::Source(e)),
        };
        file.write_all(buffer.get(..length).unwrap_or_default()).map_err(Problem::Output)?;
        written += length as u64;
        progress.advance(length as u64, total);
    }
}

/// Gives folders their permissions, the innermost first: afterwards they may be closed. Their owner can always enter.
fn restore(folders: &[(PathBuf, u32)]) -> io::Result<()> {
    let mut folders: Vec<_> = folders.iter().collect();
    folders.sort_by(|a, b| b.0.cmp(&a.0));
    folders
        .into_iter()
        .try_for_each(|(path, mode)| fs::set_permissions(path, Permissions::from_mode(mode & 0o777 | 0o700)))
}

#[cfg(test)]
mod tests;
