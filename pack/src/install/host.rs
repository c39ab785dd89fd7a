//! A host, as far as installing packs concerns it: its folders, its inventory, and its programs with limits of time and
//! output.
//!
//! Must not know what packs are.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::spec::rpm_compare;

/// Most bytes of one stream of a program that are kept.
const MAX_OUTPUT: u64 = 8 << 20;
/// Inventories have about forty short lines.
const MAX_INVENTORY: u64 = 1 << 20;
/// How often a running program is looked at.
const TICK: Duration = Duration::from_millis(20);
/// What a program that was told to end has for tidying up.
const GRACE: Duration = Duration::from_secs(5);

/// A host.
#[derive(Debug, Clone)]
pub struct Host {
    root: PathBuf,
    /// The folder of `rpm`, `xe` and so on, where they are not in `PATH`.
    programs: Option<PathBuf>,
}

/// What a program said, made harmless for terminals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Why nothing came of a program.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    #[error("it is not on this host")]
    Missing,
    #[error("it cannot be run: {0}")]
    Failed(io::Error),
    #[error("it did not end within {} seconds", .0.as_secs())]
    Late(Duration),
    #[error("interrupted")]
    Interrupted,
}

/// Where the output of a program goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// To the caller.
    Kept,
    /// To the person at the terminal, as it comes.
    Shown,
    /// The same, and the person may answer on standard input.
    Dialogue,
}

impl Host {
    /// The host that this program runs on.
    pub fn this() -> Host {
        Host { root: PathBuf::from("/"), programs: None }
    }

    /// A host below a folder, whose programs are in another one.
    pub fn at(root: &Path, programs: &Path) -> Host {
        Host { root: root.into(), programs: Some(programs.into()) }
    }

    /// A file of the host, by its absolute path there.
    pub fn path(&self, absolute: &str) -> PathBuf {
        self.root.join(absolute.trim_start_matches('/'))
    }

    /// The content of a small file; `None` if there is none.
    ///
    /// # Errors
    /// It cannot be read, or has more than `most` bytes.
    pub fn read(&self, absolute: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        let file = match File::open(self.path(absolute)) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let mut bytes = Vec::new();
        file.take(most + 1).read_to_end(&mut bytes)?;
        match bytes.len() as u64 > most {
            true => Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {most} bytes"))),
            false => Ok(Some(bytes)),
        }
    }

    /// Names in a folder, in order; none if there is no such folder.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn names(&self, folder: &str) -> io::Result<Vec<String>> {
        let entries = match self.path(folder).read_dir() {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(e),
        };
        let name = |entry: io::Result<std::fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
        let mut names = entries.map(name).collect::<io::Result<Vec<String>>>()?;
        names.sort_unstable();
        Ok(names)
    }

    /// What the host says of itself; `None` if it is no host.
    ///
    /// # Errors
    /// The file is there, but cannot be read.
    pub fn inventory(&self) -> io::Result<Option<Inventory>> {
        let bytes = self.read("/etc/xensource-inventory", MAX_INVENTORY)?;
        Ok(bytes.map(|bytes| Inventory::parse(&String::from_utf8_lossy(&bytes))))
    }

    /// Bytes that are free for root in the file system of a folder.
    ///
    /// # Errors
    /// Those of statvfs(3).
    pub fn free_bytes(&self, folder: &str) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(self.path(folder))?;
        Ok(stat.f_frsize.saturating_mul(stat.f_bavail))
    }

    /// Runs one of the host's programs in the C locale, apart from the terminal's signals: Ctrl-C ends it only if `stop`
    /// says so.
    ///
    /// # Errors
    /// [`Trouble`]. An exit code is none.
    pub fn run(
        &self,
        program: &str,
        arguments: &[&str],
        output: Output,
        limit: Option<Duration>,
        stop: &dyn Fn() -> bool,
    ) -> Result<Said, Trouble> {
        let path = self.programs.as_ref().map_or_else(|| PathBuf::from(program), |folder| folder.join(program));
        let mut command = Command::new(path);
        command.args(arguments).env("LC_ALL", "C");
        self.run_command(command, output, limit, stop)
    }

    /// The same for a command that is ready.
    ///
    /// # Errors
    /// [`Trouble`]. An exit code is none.
    pub fn run_command(
        &self,
        mut command: Command,
        output: Output,
        limit: Option<Duration>,
        stop: &dyn Fn() -> bool,
    ) -> Result<Said, Trouble> {
        match output {
            Output::Kept => command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()),
            Output::Shown => command.stdin(Stdio::null()),
            // In the terminal's foreground group, whose signals it gets as well.
            Output::Dialogue => &mut command,
        };
        if output != Output::Dialogue {
            command.process_group(0);
        }
        let mut child = command.spawn().map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => Trouble::Missing,
            _ => Trouble::Failed(e),
        })?;
        let (stdout, stderr) = (child.stdout.take().map(collect), child.stderr.take().map(collect));
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw).filter(|_| output != Output::Dialogue);
        // Gone already, if it fails.
        let end = |signal| group.is_some_and(|group| kill_process_group(group, signal).is_ok());
        let started = Instant::now();
        let mut trouble: Option<(Trouble, Instant)> = None;
        let status: ExitStatus = loop {
            if let Some(status) = child.try_wait().map_err(Trouble::Failed)? {
                break status;
            }
            match &trouble {
                Some((_, since)) if since.elapsed() > GRACE => {
                    end(Signal::KILL);
                    drop(child.kill());
                }
                Some(_) => {}
                None => {
                    let late = limit.filter(|limit| started.elapsed() > *limit).map(Trouble::Late);
                    if let Some(found) = late.or_else(|| stop().then_some(Trouble::Interrupted)) {
                        end(Signal::TERM);
                        trouble = Some((found, Instant::now()));
                    }
                }
            }
            thread::sleep(TICK);
        };
        if let Some((trouble, _)) = trouble {
            end(Signal::KILL);
            return Err(trouble);
        }
        let text = |stream: Option<mpsc::Receiver<Vec<u8>>>| {
            // Something that it left behind may keep the pipe open.
            let bytes = stream.and_then(|stream| stream.recv_timeout(GRACE).ok()).unwrap_or_default();
            harmless(&String::from_utf8_lossy(&bytes))
        };
        Ok(Said { code: status.code(), stdout: text(stdout), stderr: text(stderr) })
    }
}

/// Reads a stream to its end and keeps the beginning.
fn collect(mut stream: impl Read + Send + 'static) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.by_ref().take(MAX_OUTPUT).read_to_end(&mut bytes);
        let _ = io::copy(&mut stream, &mut io::sink());
        let _ = sender.send(bytes);
    });
    receiver
}

/// Foreign text that may go to a terminal: lines, without control characters.
pub fn harmless(text: &str) -> String {
    text.chars()
        .filter(|c| *c != '\r')
        .map(|c| if c.is_control() && !"\n\t".contains(c) { '\u{fffd}' } else { c })
        .collect()
}

/// What `/etc/xensource-inventory` says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory(BTreeMap<String, String>);

impl Inventory {
    /// Reads `KEY='value'` lines as XAPI does (xen-api, `ocaml/xapi-inventory/inventory.ml`).
    pub fn parse(text: &str) -> Inventory {
        let entry = |line: &str| {
            let (key, value) = line.split_once('=')?;
            let value = value.trim();
            let value = value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).unwrap_or(value);
            Some((key.trim().to_owned(), harmless(value.trim())))
        };
        Inventory(text.lines().filter_map(entry).collect())
    }

    /// A value that is not empty.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The uuid by which XAPI knows the host.
    pub fn host_uuid(&self) -> Option<&str> {
        self.get("INSTALLATION_UUID")
    }

    /// Brand and version, for people.
    pub fn product(&self) -> String {
        let words = [self.get("PRODUCT_BRAND"), self.get("PRODUCT_VERSION")];
        let text = words.into_iter().flatten().collect::<Vec<_>>().join(" ");
        if text.is_empty() { "a host of unknown version".into() } else { text }
    }

    /// Whether it takes packs as updates, as XenServer 7.1 and later do: platform 2.1.1 (XenCenter,
    /// `XenModel/Utils/Helpers.cs`, `ElyOrGreater`).
    pub fn takes_updates(&self) -> bool {
        match (self.get("PLATFORM_VERSION"), self.get("PRODUCT_VERSION")) {
            (Some(platform), _) => rpm_compare(platform, "2.1.1").is_ge(),
            (None, Some(product)) => rpm_compare(product, "7.1").is_ge(),
            (None, None) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn never() -> bool {
        false
    }

    fn shell(script: &str, limit: Option<Duration>, stop: &dyn Fn() -> bool) -> Result<Said, Trouble> {
        Host::this().run("sh", &["-c", script], Output::Kept, limit, stop)
    }

    #[test]
    fn a_program_says_what_it_says_on_two_streams_and_with_its_exit_code() {
        let said = shell("echo out; printf 'err\\033[1m' >&2; exit 3", None, &never).unwrap();
        assert_eq!(said, Said { code: Some(3), stdout: "out\n".into(), stderr: "err\u{fffd}[1m".into() });
    }

    #[test]
    fn a_program_that_does_not_end_is_ended_with_its_children() {
        let late = shell("sleep 1000 & sleep 1000", Some(Duration::from_millis(50)), &never);
        assert!(matches!(late, Err(Trouble::Late(_))), "{late:?}");
        assert!(matches!(shell("sleep 1000", None, &|| true), Err(Trouble::Interrupted)));
    }

    #[test]
    fn a_program_that_is_not_there_is_told_apart() {
        let missing = Host::this().run("no-such-program", &[], Output::Kept, None, &never);
        assert!(matches!(missing, Err(Trouble::Missing)), "{missing:?}");
    }

    #[test]
    fn endless_output_costs_bounded_memory() {
        let said = shell("head -c 20000000 /dev/zero | tr '\\0' x", None, &never).unwrap();
        assert_eq!(said.stdout.len() as u64, MAX_OUTPUT);
    }

    #[test]
    fn the_inventory_tells_which_way_a_host_takes_packs() {
        let parse = |text: &str| Inventory::parse(text);
        let modern = parse("PRODUCT_BRAND='XCP-ng'\nPRODUCT_VERSION='8.2.1'\nPLATFORM_VERSION='3.2.1'\nX\n");
        assert_eq!((modern.product().as_str(), modern.takes_updates()), ("XCP-ng 8.2.1", true));
        assert_eq!(modern.host_uuid(), None);
        assert!(!parse("PRODUCT_VERSION='7.0.0'\nPLATFORM_VERSION='2.1.0'").takes_updates());
        assert!(parse("PRODUCT_VERSION='7.1.0'").takes_updates());
        assert!(!parse("PRODUCT_VERSION='6.5.0'").takes_updates());
    }
}
