//! The key that a developer's packs are signed with when no other is given: made once, kept for that user.

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use zeroize::Zeroizing;

use super::{NewKey, SoftwareKey, generate};
use crate::{Error, Result};

/// Reads the development key of a folder, or makes it: RSA-4096, one primary key that signs, without passphrase,
/// readable by the user only. `made` is called before the seconds that making takes.
///
/// # Errors
/// [`Error`] of class `Key` if the file is readable for others or not a key, of class `Output` if it cannot be written.
pub fn development_key(folder: &Path, now: u64, made: &mut dyn FnMut(&Path)) -> Result<SoftwareKey> {
    let path = folder.join("development-key.asc");
    if !path.exists() {
        made(&path);
        create(folder, &path, now).map_err(|e| Error::output(&path, &e))?;
    }
    let name = path.display().to_string();
    let unreadable = |e: io::Error| {
        Error::key(&name, format!("cannot be read: {e}"), "Make it readable for you, or remove it to get a new one")
    };
    let mode = fs::metadata(&path).map_err(unreadable)?.mode();
    if mode & 0o077 != 0 {
        return Err(Error::key(
            &name,
            format!("has mode {:o}, so others can read it", mode & 0o777),
            format!("Run: chmod 600 {name}"),
        ));
    }
    let armored = Zeroizing::new(fs::read_to_string(&path).map_err(unreadable)?);
    SoftwareKey::parse(&armored, &name, now, &mut || {
        Err(Error::key(
            &name,
            "is locked with a passphrase, which a development key never is",
            "Give your own key with --key FILE",
        ))
    })
}

fn create(folder: &Path, path: &Path, now: u64) -> io::Result<()> {
    let user_id = "xscontainer development key (not for release)";
    let new = NewKey { user_id, now, expires_days: None, passphrase: None };
    let armored = generate(&new).map_err(io::Error::other)?;
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // Mode 0600 from the start; and if two builds race, the first key stays.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(armored.as_bytes())?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Err(e) if e.error.kind() != io::ErrorKind::AlreadyExists => Err(e.error),
        _ => Ok(()),
    }
}
