//! Where log lines go: standard error, or a file that can be reopened after it was rotated away; and from which level on.
//!
//! Knows nothing of what is logged. A log that cannot be written must not stop the program: lines then go to
//! standard error, it says so there once, and the file is tried again now and then. The file says what it misses.

mod level;

use std::convert::Infallible;
use std::fmt::Arguments;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;

use level::Levels;
pub use level::{LEVELS, LONGEST_PASSING, Level, level_of};

/// The mode that a log file is created with: root writes, the group of root reads.
pub const FILE_MODE: u32 = 0o640;

/// After so long a file that could not be written is tried again, when there is something to write.
pub const RETRY_INTERVAL: Duration = Duration::from_secs(10);

/// The destination of all log lines; clones share it.
#[derive(Clone, Debug)]
pub struct Log {
    path: Option<PathBuf>,
    output: Arc<Mutex<Output>>,
    levels: Arc<Levels>,
}

/// What lines go to.
#[derive(Debug, Default)]
struct Output {
    /// `None`: standard error, because no file was asked for or because it cannot be written.
    file: Option<File>,
    /// The trouble with the file, while there is one.
    trouble: Option<Trouble>,
}

/// What the file misses.
#[derive(Debug)]
struct Trouble {
    /// When it is tried again.
    retry_at: Instant,
    /// Lines that went to standard error.
    missed: u64,
    /// Whether a part of a line may stand at the end of the file.
    torn: bool,
}

impl Log {
    /// A log to the file at `path`, or to standard error.
    #[must_use]
    pub fn new(path: Option<PathBuf>) -> Self {
        let log = Self { path, output: Arc::default(), levels: Arc::new(Levels::new()) };
        log.reopen();
        log
    }

    /// Opens the file again, by its name; on trouble goes on with standard error. Without a file does nothing.
    pub fn reopen(&self) {
        let Some(path) = &self.path else { return };
        let mut output = self.lock();
        match open(path) {
            Ok(file) => {
                output.file = Some(file);
                output.trouble.iter_mut().for_each(|trouble| trouble.retry_at = Instant::now());
            }
            Err(error) => output.failed(false, format_args!("open the log file {}: {error}", path.display())),
        }
    }

    /// Makes this the destination of everything logged in the program, from `level` up.
    ///
    /// # Errors
    /// If that was done before.
    pub fn install(&self, level: LevelFilter) -> Result<(), tracing::subscriber::SetGlobalDefaultError> {
        let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_target(false).with_writer(self.clone());
        let subscriber = tracing_subscriber::registry().with(self.levels.filter(level)).with(lines);
        tracing::subscriber::set_global_default(subscriber)
    }

    /// Logs from another level on: for so long, or for good. For a while needs [`Log::keep_time`] to go round.
    pub fn set_level(&self, level: LevelFilter, lasting: Option<Duration>) {
        self.levels.set(level, lasting);
    }

    /// Makes another level the usual one, without ending one that was set for a while.
    pub fn set_usual_level(&self, level: LevelFilter) {
        self.levels.set_usual(level);
    }

    /// From which level on lines are logged.
    #[must_use]
    pub fn level(&self) -> Level {
        self.levels.get()
    }

    /// Ends levels that were set for a while, in time. Runs for ever.
    pub async fn keep_time(&self) -> Infallible {
        self.levels.keep_time().await
    }

    fn lock(&self) -> MutexGuard<'_, Output> {
        // A panic while it was held leaves a file or none: either is good.
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never fails: there is nobody left to tell.
    fn write_line(&self, line: &[u8]) {
        let mut output = self.lock();
        let is_written = self.path.as_ref().is_some_and(|path| output.write(path, line, Instant::now()));
        if !is_written {
            let _ = io::stderr().lock().write_all(line);
        }
    }
}

impl Output {
    /// Writes a line into the file; false if that is not possible at present.
    fn write(&mut self, path: &Path, line: &[u8], now: Instant) -> bool {
        if let Some(trouble) = &mut self.trouble {
            if now < trouble.retry_at {
                trouble.missed += 1;
                return false;
            }
            if self.file.is_none() {
                self.file = open(path).ok();
            }
        }
        let missing = self.trouble.as_ref().map(Trouble::line).unwrap_or_default();
        let written = match &mut self.file {
            Some(file) => file.write_all(&[missing.as_bytes(), line].concat()),
            None => Err(io::ErrorKind::NotFound.into()),
        };
        match written {
            Ok(()) => self.trouble = None,
            Err(error) => {
                self.failed(true, format_args!("write the log file {}: {error}", path.display()));
                self.trouble.iter_mut().for_each(|trouble| trouble.missed += 1);
            }
        }
        self.trouble.is_none()
    }

    fn failed(&mut self, torn: bool, what: Arguments<'_>) {
        let retry_at = Instant::now() + RETRY_INTERVAL;
        self.file = None;
        match &mut self.trouble {
            Some(trouble) => (trouble.retry_at, trouble.torn) = (retry_at, trouble.torn || torn),
            None => {
                self.trouble = Some(Trouble { retry_at, missed: 0, torn });
                let _ = writeln!(
                    io::stderr().lock(),
                    "xscontainer: cannot {what}; logging to standard error until that works"
                );
            }
        }
    }
}

impl Trouble {
    /// What the file is told when it can be written again.
    fn line(&self) -> String {
        let end = if self.torn { "\n" } else { "" };
        match self.missed {
            0 => end.to_owned(),
            missed => format!("{end}xscontainer: {missed} lines are missing here; they went to standard error\n"),
        }
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
    fn a_file_that_cannot_be_written_is_used_again_by_itself_and_told_what_it_misses() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing").join("log");
        let log = Log::new(Some(path.clone()));
        log.clone().write_all(b"a\n").unwrap();
        fs::create_dir(path.parent().unwrap()).unwrap();
        // Not at every line: they may be many.
        log.clone().write_all(b"b\n").unwrap();
        assert!(!path.exists());
        let later = Instant::now() + RETRY_INTERVAL;
        assert!(log.lock().write(&path, b"c\n", later));
        assert!(log.lock().write(&path, b"d\n", later));
        assert_eq!(lines(&path), "xscontainer: 2 lines are missing here; they went to standard error\nc\nd\n");
    }

    #[test]
    fn reopening_does_not_wait_for_the_next_try() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing").join("log");
        let mut log = Log::new(Some(path.clone()));
        fs::create_dir(path.parent().unwrap()).unwrap();
        log.reopen();
        log.write_all(b"b\n").unwrap();
        assert_eq!(lines(&path), "b\n");
    }

    #[test]
    fn a_full_disk_does_not_stop_the_writer() {
        let mut log = Log::new(Some("/dev/full".into()));
        log.write_all(b"a\n").unwrap();
        log.write_all(b"b\n").unwrap();
        assert_eq!(log.lock().trouble.as_ref().map(|trouble| (trouble.missed, trouble.torn)), Some((2, true)));
    }
}
