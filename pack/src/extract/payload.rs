//! The files of a package, below a folder. Links come last, and none lies below another, so that nothing is ever written
//! through one.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::{Problem, write};
use crate::build::Progress;
use crate::rpm::package::{FileKind, Package};
use crate::rpm::{Rpm, payload};
use crate::{Error, Result};

/// Most bytes that one package may unpack to.
const MAX_UNPACKED: u64 = 64 << 30;

/// Unpacks a package; what was left out or changed, each to follow the folder's name.
pub(super) fn unpack(
    rpm: &Rpm,
    folder: &Path,
    folders: &mut Vec<(PathBuf, u32)>,
    progress: &dyn Progress,
) -> Result<Vec<String>> {
    let facts = Package::of(rpm).map_err(|problem| refused(rpm, &problem))?;
    if let Some(path) = below_a_link(&facts) {
        return Err(refused(rpm, &format!("its file {path:?} lies below one of its links")));
    }
    let (mut notes, mut links) = (Vec::new(), Vec::new());
    payload::read(rpm, MAX_UNPACKED, &mut |member, reader| {
        let Some(file) = facts.files.get(member.index) else { return Ok(()) };
        let path = below(rpm, folder, &file.path)?;
        match &file.kind {
            FileKind::Directory => {
                fs::create_dir_all(&path).map_err(|e| failed(rpm, &file.path, &e))?;
                folders.push((path, file.mode));
            }
            FileKind::Regular { size, .. } => {
                if file.mode & 0o7000 != 0 {
                    notes.push(format!("{} has mode {:04o}: without its special bits", file.path, file.mode & 0o7777));
                }
                write(&path, file.mode, reader, progress, *size).map_err(|problem| match problem {
                    Problem::Output(e) => failed(rpm, &file.path, &e),
                    Problem::Source(e) => refused(rpm, &format!("{} cannot be read: {e}", file.path)),
                })?;
                for other in member.links.iter().filter_map(|index| facts.files.get(*index)) {
                    let link = below(rpm, folder, &other.path)?;
                    let made =
                        link.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::hard_link(&path, &link));
                    made.map_err(|e| failed(rpm, &other.path, &e))?;
                }
            }
            FileKind::Link(target) => links.push((path, file.path.clone(), target.clone())),
            FileKind::Special => notes.push(format!("{} is a device or the like: left out", file.path)),
            FileKind::Ghost => {}
        }
        Ok(())
    })?;
    for (path, name, target) in links {
        let made = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| symlink(&target, &path));
        made.map_err(|e| failed(rpm, &name, &e))?;
    }
    Ok(notes)
}

/// A file that would land wherever a link of the same package leads.
fn below_a_link(package: &Package) -> Option<&str> {
    let parts = |path: &str| path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let links: BTreeSet<Vec<String>> = package
        .files
        .iter()
        .filter(|file| matches!(file.kind, FileKind::Link(_)))
        .map(|file| parts(&file.path))
        .collect();
    let lies_below = |path: &str| {
        let parts = parts(path);
        (1..parts.len()).any(|length| links.contains(&parts[..length]))
    };
    package.files.iter().map(|file| file.path.as_str()).find(|path| lies_below(path))
}

/// Where a file of a package goes.
fn below(rpm: &Rpm, folder: &Path, path: &str) -> Result<PathBuf> {
    let mut place = folder.to_path_buf();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        if part == "." || part == ".." || part.contains('\0') {
            return Err(refused(rpm, &format!("its file {path:?} leads elsewhere")));
        }
        place.push(part);
    }
    match place == folder {
        true => Ok(place.join(".")),
        false => Ok(place),
    }
}

/// Names that exclude each other are the package's fault, all else is the disk's.
fn failed(rpm: &Rpm, path: &str, e: &io::Error) -> Error {
    use io::ErrorKind::{AlreadyExists, InvalidInput, IsADirectory, NotADirectory};
    match e.kind() {
        AlreadyExists | IsADirectory | NotADirectory | InvalidInput => {
            refused(rpm, &format!("its file {path:?} cannot be beside its others: {e}"))
        }
        _ => Error::output(Path::new(path), e),
    }
}

fn refused(rpm: &Rpm, problem: &str) -> Error {
    Error::payload(rpm.source().name(), format!("cannot be unpacked: {problem}"), "Extract without --rpm-content")
}
