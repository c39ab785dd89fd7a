//! Scripts of a pack, run in a host's root and kept there.
//!
//! A script is root in namespaces of its own (user_namespaces(7)), made by util-linux's `unshare`: it sees the root
//! folder, the build machine's programs read-only, no network and no process but its own, and keeps only the
//! capabilities that root needs over its own files. Where this program runs as root, scripts run as another user of the
//! build machine. Programs that only a host has are answered by the caller ([`Commands`]). Time, output, processes,
//! memory of each process and size of each file are bounded. Must not know what scripts are for.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rand::Rng;
use rand::distributions::Alphanumeric;

use super::root::Root;

mod attend;
mod call;
mod machine;
mod stage;

use attend::Started;
pub use call::{Commands, Reply};
use machine::Machine;

/// The search path that rpm 4.11 gives to scriptlets: `lib/rpmscript.c`, `SCRIPT_PATH`.
pub const PATH: &str = "/sbin:/bin:/usr/sbin:/usr/bin:/usr/X11R6/bin";
/// How much of a script's output is kept, in bytes.
pub const MAX_OUTPUT: usize = 64 * 1024;
/// The longest file that a script may write, in blocks of 512 bytes: 64 MiB.
const FILE_BLOCKS: u32 = 131_072;

/// A script and how to run it.
#[derive(Debug, Clone)]
pub struct Script<'a> {
    /// The program that reads it, and that program's arguments. Empty if the body is a program itself.
    pub interpreter: &'a [String],
    pub body: Body<'a>,
    /// What follows the body on the command line. Not given without a body, as by rpm 4.11 (`lib/rpmscript.c`,
    /// `runExtScript`).
    pub arguments: &'a [String],
    /// Besides [`PATH`], which it may replace.
    pub environment: &'a [(String, String)],
    pub time_limit: Duration,
}

/// What is run.
#[derive(Debug, Clone, Copy)]
pub enum Body<'a> {
    /// A text that is put into a file of `/var/tmp` and removed afterwards, as rpm does.
    Text(&'a [u8]),
    /// A file in the root.
    Path(&'a str),
    /// Nothing but the interpreter: `%post -p /sbin/ldconfig`.
    None,
}

/// A script that was run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    pub end: End,
    /// The beginning of what it wrote to standard output and standard error.
    pub output: Vec<u8>,
    /// Whether it wrote more than [`MAX_OUTPUT`].
    pub cut: bool,
}

/// How a script ended. Whatever it left running was killed with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// With this exit code, at most 128.
    Exited(i32),
    /// By a signal; a greater exit code is read as one, as shells write it.
    Killed(i32),
    /// It was killed at its time limit.
    TimedOut,
    /// It was killed because it asked for something in a way that the programs of a host do not.
    Garbled(&'static str),
}

/// Whether scripts can be confined on this machine.
///
/// # Errors
/// Why not, and what can be done about it.
pub fn available() -> Result<(), String> {
    confinement().map(drop)
}

/// Gives a host's root the programs that every host has. Each of `commands`, absolute paths, becomes a program that asks
/// [`Commands`]. What is there already stays. Of all this only links, empty folders and empty files are on disk.
///
/// # Errors
/// Those of writing, and `Unsupported` if scripts cannot be confined here.
pub fn furnish(root: &Root, commands: &[&str]) -> io::Result<()> {
    stage::furnish(&confinement().map_err(unsupported)?.machine, root, commands)
}

/// Runs a script in a root that was furnished.
///
/// # Errors
/// What keeps scripts from being run at all; how the script itself fails is no error.
pub fn run(root: &Root, script: &Script, commands: &mut dyn Commands) -> io::Result<Ran> {
    confinement().map_err(unsupported)?.run(root, script, commands)
}

fn unsupported(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, reason)
}

/// How this machine confines scripts.
#[derive(Debug)]
struct Confinement {
    machine: Machine,
    /// Whether the kernel lets us mount /proc; some containers do not.
    with_proc: bool,
    processes: u32,
}

/// Found out once, by trying it.
fn confinement() -> Result<&'static Confinement, String> {
    static FOUND: OnceLock<Result<Confinement, String>> = OnceLock::new();
    FOUND.get_or_init(Confinement::find).as_ref().map_err(Clone::clone)
}

impl Confinement {
    fn find() -> Result<Confinement, String> {
        let mut found = Confinement { machine: Machine::look()?, with_proc: true, processes: process_limit() };
        found.attempt().or_else(|_| {
            found.with_proc = false;
            found.attempt()
        })?;
        Ok(found)
    }

    fn attempt(&self) -> Result<(), String> {
        let run = || {
            let root = Root::create(&std::env::temp_dir())?;
            stage::furnish(&self.machine, &root, &[])?;
            let interpreter = ["/bin/sh".to_owned()];
            let script = Script {
                interpreter: &interpreter,
                body: Body::Text(b"exit 42"),
                arguments: &[],
                environment: &[],
                time_limit: Duration::from_secs(20),
            };
            self.run(&root, &script, &mut NoCommands)
        };
        match run() {
            Ok(Ran { end: End::Exited(42), .. }) => Ok(()),
            Ok(ran) => Err(format!("a trial ended with {:?}: {}", ran.end, String::from_utf8_lossy(&ran.output))),
            Err(e) => Err(format!("{e}{}", advice())),
        }
    }

    fn run(&self, root: &Root, script: &Script, commands: &mut dyn Commands) -> io::Result<Ran> {
        let mut command: Vec<OsString> = script.interpreter.iter().map(OsString::from).collect();
        let temporary = match script.body {
            Body::Text(text) => Some(write_body(root, text)?),
            Body::Path(_) | Body::None => None,
        };
        match (&temporary, script.body) {
            (Some(path), _) => command.push(path.into()),
            (None, Body::Path(path)) => command.push(path.into()),
            (None, _) => {}
        }
        if !matches!(script.body, Body::None) {
            command.extend(script.arguments.iter().map(OsString::from));
        }
        let ran = self.start(root, &command, script.environment).and_then(|started| {
            let ends = Instant::now() + script.time_limit;
            started.attend(ends, commands)
        });
        if let Some(path) = temporary {
            // The script may have removed it, or made it impossible.
            let _ = root.remove(path);
        }
        ran
    }

    fn start(&self, root: &Root, command: &[OsString], environment: &[(String, String)]) -> io::Result<Started> {
        let (socket, theirs) = UnixStream::pair()?;
        let (output, their_output) = io::pipe()?;
        let (closing, needs_bash) = inherited()?;
        let shell = match (needs_bash, self.machine.bash()) {
            (false, _) => vec![self.machine.tool("sh").into()],
            // In POSIX mode its limits are in the units of other shells.
            (true, Some(bash)) => vec![bash.into(), OsString::from("--posix")],
            (true, None) => return Err(io::Error::other("this program was given open files: close all above 9")),
        };
        let mut confined = Command::new(self.machine.tool("setpriv"));
        if let Some(owner) = root.owner() {
            confined.arg(format!("--reuid={owner}")).arg(format!("--regid={owner}")).arg("--clear-groups");
        }
        // Nothing may outlive this program either.
        confined.arg("--pdeathsig=KILL").arg(self.machine.tool("unshare"));
        confined.args(["--user", "--map-root-user", "--mount", "--net", "--pid", "--ipc", "--uts"]);
        confined.args(["--fork", "--kill-child"]).args(shell).arg("-c").arg(closing + include_str!("confine/setup.sh"));
        confined.arg("setup").arg(self.machine.tool("mount")).arg(self.machine.tool("pivot_root"));
        confined.arg(FILE_BLOCKS.to_string()).arg(self.processes.to_string());
        confined.arg(stage::mounts_to_lock(&self.machine)).args(command);
        let libraries = self.machine.libraries.iter().map(|folder| stage::inside(folder));
        let libraries = std::env::join_paths(libraries).map_err(io::Error::other)?;
        confined.env_clear().env("PATH", PATH).envs(environment.iter().map(|(name, value)| (name, value)));
        confined.env("LD_LIBRARY_PATH", libraries).current_dir(root.home_path());
        confined.stdin(self.mount_table()?).stdout(OwnedFd::from(theirs)).stderr(their_output);
        // A group of its own, so that `kill 0` in a script does not reach this program.
        let child = confined.process_group(0).spawn()?;
        socket.set_nonblocking(true)?;
        Ok(Started::new(child, socket, output))
    }

    /// The mount table as a file without a name: mount(8) reads none from a pipe.
    fn mount_table(&self) -> io::Result<Stdio> {
        let mut file = File::from(rustix::fs::memfd_create("mounts", rustix::fs::MemfdFlags::CLOEXEC)?);
        file.write_all(stage::mounts(&self.machine, self.with_proc).as_bytes())?;
        Ok(file.into())
    }
}

/// Writes a script's text as rpm 4.11 does (`rpmio/rpmfileutil.c`, `rpmMkTemp`); returns its path.
fn write_body(root: &Root, text: &[u8]) -> io::Result<PathBuf> {
    loop {
        let letters = rand::thread_rng().sample_iter(Alphanumeric).take(6).map(char::from);
        let path = PathBuf::from(format!("/var/tmp/rpm-tmp.{}", letters.collect::<String>()));
        if root.look(&path)?.is_none() {
            root.make_parents(&path)?;
            root.write(&path, 0o700, &mut &*text)?;
            return Ok(path);
        }
    }
}

/// Shell commands that close the open files that this program was started with: they would lead a script out. Also whether
/// only bash can close them. The standard library opens no file so that it is passed on.
fn inherited() -> io::Result<(String, bool)> {
    let mut closing = String::new();
    let mut needs_bash = false;
    for entry in fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        let Some(number) = name.to_str().and_then(|name| name.parse::<u32>().ok()).filter(|number| *number > 2) else {
            continue;
        };
        // The folder that is being read is among them, and other threads close theirs.
        let Ok(info) = fs::read_to_string(format!("/proc/self/fdinfo/{number}")) else { continue };
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok()).unwrap_or(0);
        if flags & rustix::fs::OFlags::CLOEXEC.bits() == 0 {
            closing += &format!("exec {number}<&-\n");
            needs_bash |= number > 9;
        }
    }
    Ok((closing, needs_bash))
}

/// How many processes a script may have. Before Linux 5.14 the limit counts everything that the user runs.
fn process_limit() -> u32 {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version >= (5, 14) { 512 } else { 4096 }
}

/// What may keep user namespaces from being made.
fn advice() -> &'static str {
    let reads = |path: &str, value: &str| fs::read_to_string(path).is_ok_and(|text| text.trim() == value);
    if reads("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") {
        return "; `sysctl kernel.apparmor_restrict_unprivileged_userns=0` permits user namespaces";
    }
    if reads("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        return "; `sysctl kernel.unprivileged_userns_clone=1` permits user namespaces";
    }
    if reads("/proc/sys/user/max_user_namespaces", "0") {
        return "; `sysctl user.max_user_namespaces=1000` permits user namespaces";
    }
    "; in a container, permit user namespaces and mounts"
}

struct NoCommands;

impl Commands for NoCommands {
    fn call(&mut self, _: &str, _: &[OsString]) -> Reply {
        Reply { code: 127, ..Reply::default() }
    }
}
