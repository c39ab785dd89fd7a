//! Files in a folder.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::file::{CopyError, File, check_paths};

/// Writes files into a folder, which must be empty. Permissions do not depend on the umask.
///
/// # Errors
/// A path that leads elsewhere, a source that cannot be read or was changed, or an output that cannot be written.
pub fn write(folder: &Path, files: &[File<'_>]) -> Result<(), CopyError> {
    check_paths(files)?;
    for file in files {
        let failed = |source: io::Error| CopyError::Output { path: file.path.clone(), source };
        let path = folder.join(&file.path);
        for parent in file.path.match_indices('/').map(|(end, _)| &file.path[..end]) {
            let parent = folder.join(parent);
            if !parent.is_dir() {
                fs::create_dir(&parent).map_err(failed)?;
                fs::set_permissions(&parent, fs::Permissions::from_mode(0o755)).map_err(failed)?;
            }
        }
        let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
        file.copy_to(&mut out)?;
        out.flush().and_then(|()| out.set_permissions(fs::Permissions::from_mode(file.mode))).map_err(failed)?;
        out.sync_all().map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, bytes: u64) -> File<'static> {
        File { path: path.into(), mode: 0o755, bytes, content: Box::new(|| Box::new(&b"#!/bin/sh\n"[..])) }
    }

    #[test]
    fn files_get_their_content_and_permissions() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &[file("a/b/install", 10)]).unwrap();
        let path = folder.path().join("a/b/install");
        assert_eq!(fs::read(&path).unwrap(), b"#!/bin/sh\n");
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o7777, 0o755);
    }

    #[test]
    fn nothing_is_written_outside_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["../a", "/a", "a//b", "a/./b", "", "a\nb"] {
            assert!(matches!(write(folder.path(), &[file(path, 10)]), Err(CopyError::Path { .. })), "{path:?}");
        }
        let twice = [file("a", 10), file("a", 10)];
        assert!(matches!(write(folder.path(), &twice), Err(CopyError::Path { .. })));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_source_that_changed_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(write(folder.path(), &[file("short", 11)]), Err(CopyError::Length { .. })));
        assert!(matches!(write(folder.path(), &[file("long", 9)]), Err(CopyError::Length { .. })));
    }
}
