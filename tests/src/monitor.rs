//! The program `xscontainer monitor` as a child process, known by its log, its exit code and its memory alone.
//!
//! Must not know the agent's library: what is read here is what an administrator can read.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::programs;
use crate::tools::succeed;
use crate::xapi::{Ref, Xapi};

/// Longer than anything takes that is noticed by an event, and shorter than the 30 s after which the program asks
/// XAPI again by itself.
pub const DEADLINE: Duration = Duration::from_secs(20);

const AGENT_SOCKET: &str = "agent.sock";

const SETTINGS: &str = "config.toml";

/// Between two looks at a condition.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// A running `xscontainer monitor`; it is killed when this is dropped.
pub struct Monitor {
    child: Child,
    /// Holds inventory, log and what was said on standard error.
    directory: TempDir,
    log: PathBuf,
}

/// What the program is sent.
#[derive(Clone, Copy, Debug)]
pub enum Signal {
    /// End.
    Term,
    /// End, as Ctrl-C says it.
    Int,
    /// Open the log again, and read the settings again.
    Hup,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Term => "TERM",
            Self::Int => "INT",
            Self::Hup => "HUP",
        }
    }
}

/// What a line of the log says about a VM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The VM's uuid.
    pub uuid: String,
    /// Its name, as the log has it between the quotes.
    pub name: String,
    /// Why it is no longer watched; none if it is watched from now on.
    pub stopped: Option<String>,
}

impl Entry {
    fn read(line: &str) -> Option<Self> {
        let (before, rest) = line.split_once("watching VM uuid=")?;
        let (uuid, rest) = rest.split_once(" name=")?;
        let (name, stopped) = match before.ends_with("no longer ") {
            // From the right: a name may hold anything.
            true => rest.rsplit_once(" reason=").map(|(name, reason)| (name, Some(reason.to_owned())))?,
            false => (rest, None),
        };
        let name = name.strip_prefix('"')?.strip_suffix('"')?;
        Some(Self { uuid: uuid.to_owned(), name: name.to_owned(), stopped })
    }
}

impl Monitor {
    /// Starts it for the pool coordinator of `xapi`, whether or not that is being served.
    ///
    /// # Panics
    /// If the program cannot be run.
    #[must_use]
    pub fn start(xapi: &Xapi) -> Self {
        Self::start_on(xapi, &xapi.host())
    }

    /// Starts it for any host of the pool.
    ///
    /// # Panics
    /// If the program cannot be run.
    #[must_use]
    pub fn start_on(xapi: &Xapi, host: &Ref) -> Self {
        Self::start_with(xapi, host, None, None, &[])
    }

    /// Starts it for the pool coordinator, with these settings, and these options beside.
    ///
    /// # Panics
    /// If the program cannot be run.
    #[must_use]
    pub fn start_set_with(xapi: &Xapi, settings: &str, options: &[&OsStr]) -> Self {
        Self::start_with(xapi, &xapi.host(), Some(settings), None, options)
    }

    /// Starts it for the pool coordinator, with these settings.
    ///
    /// # Panics
    /// If the program cannot be run.
    #[must_use]
    pub fn start_set(xapi: &Xapi, settings: &str) -> Self {
        Self::start_with(xapi, &xapi.host(), Some(settings), None, &[])
    }

    /// Starts it for the pool coordinator, with its log in this file.
    ///
    /// # Panics
    /// If the program cannot be run.
    #[must_use]
    pub fn start_logging_to(xapi: &Xapi, log: &Path) -> Self {
        Self::start_with(xapi, &xapi.host(), None, Some(log), &[])
    }

    fn start_with(xapi: &Xapi, host: &Ref, settings: Option<&str>, log: Option<&Path>, options: &[&OsStr]) -> Self {
        let uuid = xapi.get(host, "uuid");
        let uuid = uuid.ok().and_then(|uuid| uuid.text().map(str::to_owned));
        let uuid = uuid.unwrap_or_else(|| panic!("the simulated pool has no such host"));
        let directory = tempfile::tempdir().unwrap_or_else(|e| panic!("no temporary directory: {e}"));
        let inventory = directory.path().join("inventory");
        write(&inventory, &format!("PRODUCT_BRAND='XCP-ng'\nINSTALLATION_UUID='{uuid}'\n"));
        let log = log.map_or_else(|| directory.path().join("log"), Path::to_owned);
        if let Some(settings) = settings {
            write(&directory.path().join(SETTINGS), settings);
        }
        let errors = directory.path().join("stderr");
        let errors = File::create(&errors).unwrap_or_else(|e| panic!("{}: {e}", errors.display()));
        let program = programs::agent();
        let child = Command::new(&program)
            .arg("monitor")
            .arg("--socket")
            .arg(xapi.socket())
            .arg("--inventory")
            .arg(&inventory)
            .arg("--agent-socket")
            .arg(directory.path().join(AGENT_SOCKET))
            .arg("--config")
            .arg(directory.path().join(SETTINGS))
            .arg("--log-file")
            .arg(&log)
            .args(if options.is_empty() { own_metrics(directory.path()) } else { Vec::new() })
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .unwrap_or_else(|e| panic!("{} cannot be run: {e}", program.display()));
        Self { child, directory, log }
    }

    /// Where it logs to.
    #[must_use]
    pub fn log_file(&self) -> PathBuf {
        self.log.clone()
    }

    /// Changes its settings, which it takes when it is told to by [`Signal::Hup`].
    ///
    /// # Panics
    /// If they cannot be written.
    pub fn set(&self, settings: &str) {
        write(&self.directory.path().join(SETTINGS), settings);
    }

    /// Where it lends its connections.
    #[must_use]
    pub fn agent_socket(&self) -> PathBuf {
        self.directory.path().join(AGENT_SOCKET)
    }

    /// The log so far, whole lines only.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        whole_lines(&self.log_file())
    }

    /// What the log says about VMs, in order.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.lines().iter().filter_map(|line| Entry::read(line)).collect()
    }

    /// The VMs that are watched according to the log: names by uuid.
    #[must_use]
    pub fn watched(&self) -> BTreeMap<String, String> {
        let mut watched = BTreeMap::new();
        for Entry { uuid, name, stopped } in self.entries() {
            match stopped {
                None => watched.insert(uuid, name),
                Some(_) => watched.remove(&uuid),
            };
        }
        watched
    }

    /// Waits until exactly the VMs of these names are watched.
    ///
    /// # Panics
    /// If that does not happen within [`DEADLINE`], or the program ends.
    #[track_caller]
    pub fn wait_until_watched(&mut self, names: &[&str]) {
        let mut wanted = names.to_vec();
        wanted.sort_unstable();
        self.wait(&format!("exactly {wanted:?} are watched"), |monitor| {
            let watched = monitor.watched();
            let mut names: Vec<&str> = watched.values().map(String::as_str).collect();
            names.sort_unstable();
            (names == wanted).then_some(())
        });
    }

    /// Waits for a line with `text` in it; gives the first.
    ///
    /// # Panics
    /// If there is none within [`DEADLINE`], or the program ends.
    #[track_caller]
    pub fn wait_for_line(&mut self, text: &str) -> String {
        self.wait(&format!("a line with {text:?}"), |monitor| {
            monitor.lines().into_iter().find(|line| line.contains(text))
        })
    }

    /// Waits until `look` finds something.
    ///
    /// # Panics
    /// If it finds nothing within [`DEADLINE`], or the program ends.
    #[track_caller]
    pub fn wait<T>(&mut self, what: &str, mut look: impl FnMut(&Self) -> Option<T>) -> T {
        let end = Instant::now() + DEADLINE;
        loop {
            // Asked first: what was logged before the end counts.
            let ended = self.status();
            if let Some(found) = look(self) {
                return found;
            }
            if let Some(status) = ended {
                panic!("the program ended ({status}) before: {what}\n{}", self.account());
            }
            if Instant::now() >= end {
                panic!("not within {DEADLINE:?}: {what}\n{}", self.account());
            }
            thread::sleep(LOOK_INTERVAL);
        }
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// If there is no shell.
    pub fn signal(&self, signal: Signal) {
        // Not yet waited for, so the id is still its own.
        succeed(Command::new("sh").args(["-c", "kill -s \"$0\" \"$1\"", signal.name(), &self.child.id().to_string()]));
    }

    /// Sends it `signal`, after which it must end with exit code 0; gives the log.
    ///
    /// # Panics
    /// If it does not end within [`DEADLINE`], or otherwise.
    #[track_caller]
    pub fn end_by(mut self, signal: Signal) -> Vec<String> {
        self.signal(signal);
        let end = Instant::now() + DEADLINE;
        let status = loop {
            match self.status() {
                Some(status) => break status,
                None if Instant::now() >= end => {
                    panic!("no end within {DEADLINE:?} after {signal:?}\n{}", self.account())
                }
                None => thread::sleep(LOOK_INTERVAL),
            }
        };
        assert_eq!(status.code(), Some(0), "{status} after {signal:?}\n{}", self.account());
        self.lines()
    }

    /// Ends it as systemd does.
    ///
    /// # Panics
    /// As [`Monitor::end_by`].
    #[track_caller]
    pub fn stop(self) -> Vec<String> {
        self.end_by(Signal::Term)
    }

    /// The most memory it ever had, KiB: `VmHWM` of proc(5).
    ///
    /// # Panics
    /// If it has ended.
    #[must_use]
    pub fn peak_memory_kib(&self) -> u64 {
        self.status_kib("VmHWM:")
    }

    /// The memory it has, KiB: `VmRSS` of proc(5).
    ///
    /// # Panics
    /// If it has ended.
    #[must_use]
    pub fn memory_kib(&self) -> u64 {
        self.status_kib("VmRSS:")
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn status_kib(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let found = status.lines().find_map(|line| line.strip_prefix(name)?.strip_suffix("kB")?.trim().parse().ok());
        found.unwrap_or_else(|| panic!("no {name} Has the program ended?\n{}", self.account()))
    }

    fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap_or_else(|e| panic!("cannot wait for the program: {e}"))
    }

    /// Everything that it said.
    fn account(&self) -> String {
        let errors = fs::read_to_string(self.directory.path().join("stderr")).unwrap_or_default();
        format!("log:\n{}\nstandard error:\n{errors}", self.lines().join("\n"))
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        // Either fails only when it has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines of a file that are finished; none if there is no such file.
#[must_use]
pub fn whole_lines(file: &Path) -> Vec<String> {
    let bytes = fs::read(file).unwrap_or_default();
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    String::from_utf8_lossy(&bytes[..whole]).lines().map(str::to_owned).collect()
}

/// A page of its own, which nobody reads: on a machine with a toolstack there is another one.
fn own_metrics(directory: &Path) -> Vec<OsString> {
    let at = |name: &str| directory.join(name).into_os_string();
    vec!["--rrd-folder".into(), at("metrics"), "--rrdd-socket".into(), at("xcp-rrdd")]
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|e| panic!("cannot write {}: {e}", path.display()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_looks_like_a_reason_is_read_as_a_name() {
        let line = r#"2026-01-01T00:00:00Z  INFO no longer watching VM uuid=1 name="x reason=y" reason=migrated away"#;
        let entry = Entry { uuid: "1".into(), name: "x reason=y".into(), stopped: Some("migrated away".into()) };
        assert_eq!(Entry::read(line), Some(entry));
    }

    #[test]
    fn an_unfinished_line_is_not_a_line_yet() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("log");
        fs::write(&file, "a\nb").unwrap();
        assert_eq!(whole_lines(&file), ["a"]);
    }
}
