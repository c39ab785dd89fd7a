//! Empties a folder of whatever a hostile script left in it: folders that nobody may enter, or nested too deep to walk.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Mode};
use rustix::io::Errno;

use super::list::names;
use super::{FOLDER, is_folder};

/// Removes everything in a folder. Nothing else may be at work in it.
///
/// # Errors
/// Those of removing.
pub(super) fn clear(top: &OwnedFd) -> io::Result<()> {
    let mut moved = 0_u64;
    loop {
        let names = all_names(top)?;
        if names.is_empty() {
            return Ok(());
        }
        for name in names {
            remove(top, &name, &mut moved)?;
        }
    }
}

/// Removes a file; or a folder, whose own folders are moved up to the top first, so that depth costs nothing.
fn remove(top: &OwnedFd, name: &OsStr, moved: &mut u64) -> io::Result<()> {
    if !is_folder(&rustix::fs::statat(top, name, AtFlags::SYMLINK_NOFOLLOW)?) {
        return Ok(rustix::fs::unlinkat(top, name, AtFlags::empty())?);
    }
    let folder = open(top, name)?;
    for inner in all_names(&folder)? {
        if !is_folder(&rustix::fs::statat(&folder, &inner, AtFlags::SYMLINK_NOFOLLOW)?) {
            rustix::fs::unlinkat(&folder, &inner, AtFlags::empty())?;
            continue;
        }
        // To be moved a folder must be writable itself: its ".." changes.
        drop(open(&folder, &inner)?);
        loop {
            *moved += 1;
            let free = OsString::from(format!("moved-{moved}"));
            match rustix::fs::renameat(&folder, &inner, top, &free) {
                // A pack may have had the same idea of a name.
                Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
                done => break done?,
            }
        }
    }
    Ok(rustix::fs::unlinkat(top, name, AtFlags::REMOVEDIR)?)
}

/// Opens a folder after making it the owner's to read and change.
fn open(parent: &OwnedFd, name: &OsStr) -> io::Result<OwnedFd> {
    rustix::fs::chmodat(parent, name, Mode::RWXU, AtFlags::empty())?;
    Ok(rustix::fs::openat(parent, name, FOLDER, Mode::empty())?)
}

fn all_names(folder: &OwnedFd) -> io::Result<Vec<OsString>> {
    Ok(names(folder, usize::MAX)?.unwrap_or_default())
}
