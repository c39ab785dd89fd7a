//! A pool with guests that it may enter, and the program at a terminal or in a pipe. Must not know what scenarios assert.

use std::fs;
use std::io::{Read as _, Write as _};
use std::ops::Deref;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use lab::guests::{IMAGE, Vm};
use lab::monitor::Monitor;
use lab::pool::Pool;
use lab::programs;
use lab::terminal::Terminal;
use lab::xapi::Ref;

/// Longer than anything takes that does not wait for a time limit of the program's.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A pool, and what scenarios do with it.
pub(crate) struct Lab {
    pool: Pool,
    directory: tempfile::TempDir,
}

impl Deref for Lab {
    type Target = Pool;

    fn deref(&self) -> &Pool {
        &self.pool
    }
}

impl Lab {
    pub(crate) fn new() -> Self {
        let pool = Pool::new();
        let directory = tempfile::tempdir().unwrap();
        let uuid = pool.xapi.get(&pool.xapi.host(), "uuid").unwrap().text().unwrap().to_owned();
        fs::write(directory.path().join("inventory"), format!("INSTALLATION_UUID='{uuid}'\n")).unwrap();
        Self { pool, directory }
    }

    /// A registered VM `web` with sshd and dockerd.
    pub(crate) fn web() -> (Self, Vm, Ref) {
        let lab = Self::new();
        let guest = lab.prepared(lab.network.vm("web").ssh().dockerd());
        let vm = lab.register(&guest);
        (lab, guest, vm)
    }

    /// A command of the program, as it is installed but for its paths.
    pub(crate) fn command(&self, command: &str, arguments: &[&str]) -> Command {
        let mut program = Command::new(programs::agent());
        program.arg(command).arg("--socket").arg(self.xapi.socket());
        program.arg("--inventory").arg(self.directory.path().join("inventory"));
        program.args(arguments).env("LC_ALL", "C.UTF-8");
        program
    }

    /// A command that asks this monitor.
    pub(crate) fn asking(&self, monitor: &Monitor, command: &str, arguments: &[&str]) -> Command {
        let mut program = self.command(command, &[]);
        program.arg("--agent-socket").arg(monitor.agent_socket()).args(arguments);
        program
    }

    /// What such a command says in a script: standard output, standard error, exit code.
    pub(crate) fn ask(&self, monitor: &Monitor, command: &str, arguments: &[&str]) -> (String, String, Option<i32>) {
        said(&self.asking(monitor, command, arguments).stdin(Stdio::null()).output().unwrap())
    }

    /// A monitor which sees exactly these containers of `vm`.
    pub(crate) fn monitor_that_sees(&self, vm: &str, containers: &[&str]) -> Monitor {
        let monitor = Monitor::start(&self.xapi);
        let end = Instant::now() + SOON;
        loop {
            let (seen, stderr, _) = self.ask(&monitor, "ps", &["--json"]);
            let seen: serde_json::Value = serde_json::from_str(&seen).unwrap_or_default();
            let rows = seen["containers"].as_array().cloned().unwrap_or_default();
            let names: Vec<&str> =
                rows.iter().filter(|row| row["vm_name"] == vm).filter_map(|row| row["name"].as_str()).collect();
            if names == containers {
                return monitor;
            }
            assert!(Instant::now() < end, "{names:?} are seen\n{stderr}\n{}", monitor.lines().join("\n"));
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until `look` finds something.
    #[track_caller]
    pub(crate) fn wait<T>(&self, mut look: impl FnMut() -> Option<T>) -> T {
        let end = Instant::now() + SOON;
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(Instant::now() < end, "not within {SOON:?}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// At a terminal.
    pub(crate) fn at_terminal(&self, command: &str, arguments: &[&str]) -> Terminal {
        Terminal::start(self.command(command, arguments))
    }

    /// In a script, with nothing on its standard input.
    pub(crate) fn output(&self, command: &str, arguments: &[&str]) -> Output {
        self.command(command, arguments).stdin(Stdio::null()).output().unwrap()
    }

    /// As a line of a shell, in which `x` is the program.
    pub(crate) fn in_shell(&self, line: &str) -> Output {
        // Its options come after the command's name.
        let script = format!(
            "x() {{ local command=$1; shift; {} $command --socket {} --inventory {} \"$@\"; }}\n{line}",
            programs::agent().display(),
            self.xapi.socket().display(),
            self.directory.path().join("inventory").display()
        );
        let mut shell = Command::new("bash");
        shell.args(["-c", &script]).env("LC_ALL", "C.UTF-8").stdin(Stdio::null()).output().unwrap()
    }

    /// The id of the process that runs this command of the program.
    pub(crate) fn process(&self, command: &str) -> u32 {
        let start = format!("{}\0{command}\0--socket\0{}\0", programs::agent().display(), self.xapi.socket().display());
        let all = fs::read_dir("/proc").unwrap().flatten();
        let mut ids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let is_it =
            |id: &u32| fs::read(format!("/proc/{id}/cmdline")).is_ok_and(|line| line.starts_with(start.as_bytes()));
        ids.find(is_it).unwrap()
    }
}

/// A container in the background, with additional options.
pub(crate) fn run(guest: &Vm, name: &str, options: &[&str], script: &str) {
    let usual = ["run", "--detach", "--network", "none", "--stop-timeout", "0", "--name", name];
    guest.docker(&[&usual[..], options, &[IMAGE, "sh", "-c", script]].concat());
}

/// Waits until a container has printed this.
pub(crate) fn until_printed(guest: &Vm, name: &str, text: &str) {
    let end = Instant::now() + SOON;
    loop {
        let output = guest.docker_command().args(["logs", name]).output().unwrap();
        let printed = [output.stdout, output.stderr].concat();
        if String::from_utf8_lossy(&printed).contains(text) {
            return;
        }
        assert!(Instant::now() < end, "{name} does not print {text:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until a container is in this state.
pub(crate) fn until_state(guest: &Vm, name: &str, state: &str) {
    let end = Instant::now() + SOON;
    while guest.docker(&["inspect", "--format", "{{.State.Status}}", name]).trim() != state {
        assert!(Instant::now() < end, "{name} is not {state}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A program with pipes.
pub(crate) struct Piped {
    pub(crate) child: Child,
}

impl Piped {
    pub(crate) fn start(mut command: Command) -> Self {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Self { child }
    }

    /// Reads standard output until this text.
    #[track_caller]
    pub(crate) fn read_until(&mut self, text: &str) -> String {
        let mut read = Vec::new();
        let mut byte = [0];
        while !read.ends_with(text.as_bytes()) {
            let length = self.child.stdout.as_mut().unwrap().read(&mut byte).unwrap();
            assert_eq!(length, 1, "ended after {:?}", String::from_utf8_lossy(&read));
            read.push(byte[0]);
        }
        String::from_utf8(read).unwrap()
    }

    pub(crate) fn write(&mut self, text: &str) {
        self.child.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Its end, which must come soon.
    #[track_caller]
    pub(crate) fn finish(self) -> Output {
        self.finish_within(SOON)
    }

    #[track_caller]
    pub(crate) fn finish_within(mut self, limit: Duration) -> Output {
        drop(self.child.stdin.take());
        let (mut stdout, mut stderr) = (self.child.stdout.take().unwrap(), self.child.stderr.take().unwrap());
        let reader = thread::spawn(move || {
            let mut all = Vec::new();
            stderr.read_to_end(&mut all).map(|_| all)
        });
        let printed = thread::spawn(move || {
            let mut all = Vec::new();
            stdout.read_to_end(&mut all).map(|_| all)
        });
        let end = Instant::now() + limit;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() >= end {
                self.child.kill().unwrap();
                panic!("no end within {limit:?}: {}", String::from_utf8_lossy(&reader.join().unwrap().unwrap()));
            }
            thread::sleep(Duration::from_millis(5));
        };
        Output { status, stdout: printed.join().unwrap().unwrap(), stderr: reader.join().unwrap().unwrap() }
    }
}

/// The most memory that a process had so far, KiB: `VmHWM`, proc(5). None once it has ended.
pub(crate) fn peak_memory_kib(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.trim().parse().ok())
}

/// The most memory that the program may have while anything streams through it. It has 10 MiB when it is idle, as built
/// for tests.
pub(crate) const MEMORY_BOUND_KIB: u64 = 32 * 1024;

/// Reads a program's output to its end; how long it was, and the most memory that the program had.
pub(crate) fn drain(command: &mut Command) -> (Vec<u8>, u64, Option<i32>) {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let (mut all, mut peak, mut piece) = (Vec::new(), 0, vec![0; 64 * 1024]);
    while let length @ 1.. = stdout.read(&mut piece).unwrap() {
        all.extend_from_slice(&piece[..length]);
        peak = peak.max(peak_memory_kib(child.id()).unwrap_or_default());
    }
    (all, peak, child.wait().unwrap().code())
}

#[track_caller]
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Standard output, standard error and exit code as texts.
pub(crate) fn said(output: &Output) -> (String, String, Option<i32>) {
    (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
        output.status.code(),
    )
}
