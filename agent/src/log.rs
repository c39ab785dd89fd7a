//! Where log lines go: standard error, or a file that can be reopened after it was rotated away.
//!
//! Knows nothing of what is logged. A log that cannot be written must not stop the program: lines then go to
//! standard error, and it says so there once.

use std::fmt::Arguments;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

/// The mode that a log file is created with: root writes, the group of root reads.
pub const FILE_MODE: u32 = 0o640;

/// The destination of all log lines; clones share it.
#[derive(Clone, Debug)]
pub struct Log {
    path: Option<PathBuf>,
    /// `None`: standard error, because no file was asked for or because it cannot be written.
    file: Arc<Mutex<Option<File>>>,
}

impl Log {
    /// A log to the file at `path`, or to standard error.
    #[must_use]
    pub fn new(path: Option<PathBuf>) -> Self {
        let log = Self { path, file: Arc::default() };
        log.reopen();
        log
    }

    /// Opens the file again, by its name; on trouble goes on with standard error. Without a file does nothing.
    pub fn reopen(&self) {
        let Some(path) = &self.path else { return };
        let opened = open(path);
        if let Err(error) = &opened {
            complain(format_args!("cannot open the log file {}: {error}", path.display()));
        }
        *self.lock() = opened.ok();
    }

    /// Makes this the destination of everything logged in the program, from `level` up.
    ///
    /// # Errors
    /// If that was done before.
    pub fn install(&self, level: LevelFilter) -> Result<(), tracing::subscriber::SetGlobalDefaultError> {
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_ansi(false)
            .with_target(false)
            .with_writer(self.clone())
            .finish();
        tracing::subscriber::set_global_default(subscriber)
    }

    fn lock(&self) -> MutexGuard<'_, Option<File>> {
        // A panic while it was held leaves a file or none: either is good.
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never fails: there is nobody left to tell.
    fn write_line(&self, line: &[u8]) {
        let mut file = self.lock();
        if let (Some(open), Some(path)) = (&mut *file, &self.path) {
            match open.write_all(line) {
                Ok(()) => return,
                Err(error) => {
                    *file = None;
                    complain(format_args!("cannot write the log file {}: {error}", path.display()));
                }
            }
        }
        let _ = io::stderr().lock().write_all(line);
    }
}

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.write_line(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Log;

    fn make_writer(&'a self) -> Log {
        self.clone()
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(path)
}

fn complain(what: Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "xscontainer: {what}; logging to standard error until SIGHUP");
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn lines(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn lines_are_appended_to_a_file_that_only_root_and_its_group_can_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        for line in ["a\n", "b\n"] {
            Log::new(Some(path.clone())).write_all(line.as_bytes()).unwrap();
        }
        assert_eq!(lines(&path), "a\nb\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o137, 0);
    }

    #[test]
    fn after_a_rotation_lines_go_to_the_new_file() {
        let folder = tempfile::tempdir().unwrap();
        let (path, old) = (folder.path().join("log"), folder.path().join("log.1"));
        let mut log = Log::new(Some(path.clone()));
        log.write_all(b"a\n").unwrap();
        fs::rename(&path, &old).unwrap();
        log.write_all(b"b\n").unwrap();
        log.reopen();
        log.write_all(b"c\n").unwrap();
        assert_eq!((lines(&old).as_str(), lines(&path).as_str()), ("a\nb\n", "c\n"));
    }

    #[test]
    fn a_file_that_cannot_be_written_does_not_stop_the_writer_and_is_used_again_once_it_can() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing").join("log");
        let mut log = Log::new(Some(path.clone()));
        log.write_all(b"a\n").unwrap();
        fs::create_dir(path.parent().unwrap()).unwrap();
        log.reopen();
        log.write_all(b"b\n").unwrap();
        assert_eq!(lines(&path), "b\n");
    }

    #[test]
    fn a_full_disk_does_not_stop_the_writer() {
        let mut log = Log::new(Some("/dev/full".into()));
        log.write_all(b"a\n").unwrap();
        assert!(log.lock().is_none());
    }
}
