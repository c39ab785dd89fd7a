//! `stream_bench`: what the way through dom0 adds to streams, measured beside Docker's own client at the engine's socket in
//! the same run. `cargo xtask bench-streams` runs it.
//!
//! One VM with real sshd and dockerd.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use lab::guests::{IMAGE, Vm};
use lab::pool::Pool;
use lab::programs;

/// Measures `xscontainer logs` and `exec`.
#[derive(Parser)]
struct Arguments {
    /// Lines, echoes and starts of each kind
    #[arg(long, default_value_t = 100)]
    times: usize,
    /// MiB of the log that is read as a whole
    #[arg(long, default_value_t = 64)]
    mebibytes: usize,
}

fn main() {
    let Arguments { times, mebibytes } = Arguments::parse();
    let pool = Pool::new();
    let guest = pool.prepared(pool.network.vm("web").ssh().dockerd());
    pool.register(&guest);
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary folder: {error}"));
    let inventory = folder.path().join("inventory");
    let uuid = pool.xapi.get(&pool.xapi.host(), "uuid").ok().and_then(|uuid| uuid.text().map(str::to_owned));
    std::fs::write(&inventory, format!("INSTALLATION_UUID='{}'\n", uuid.unwrap_or_default()))
        .unwrap_or_else(|error| panic!("no inventory: {error}"));
    let ours = |command: &str, arguments: &[&str]| {
        let mut program = Command::new(programs::agent());
        program.arg(command).arg("--socket").arg(pool.xapi.socket()).arg("--inventory").arg(&inventory).args(arguments);
        program
    };
    let theirs = |arguments: &[&str]| {
        let mut docker = guest.docker_command();
        docker.args(arguments);
        docker
    };
    println!("{:<34} {:>10} {:>10} {:>12}", "median", "docker", "xscontainer", "difference");

    run(&guest, "prints", "n=0; while :; do n=$((n + 1)); echo line $n; sleep 0.02; done");
    let later = follow(
        theirs(&["logs", "-f", "--tail", "0", "prints"]),
        ours("logs", &["-f", "--tail", "0", "web/prints"]),
        times,
    );
    println!("{:<34} {:>10} {:>10} {:>9.2} ms", "a line of logs -f arrives later by", "", "", median(later));
    guest.docker(&["kill", "prints"]);

    run(&guest, "waits", "sleep 100000");
    let echoes = |command: Command| {
        let mut echo = Echo::start(command);
        (0..times).map(|_| echo.once()).collect::<Vec<_>>()
    };
    row(
        "an echo of exec -i",
        echoes(theirs(&["exec", "-i", "waits", "cat"])),
        echoes(ours("exec", &["-i", "web/waits", "cat"])),
    );
    let starts =
        |command: &dyn Fn() -> Command| (0..times.div_ceil(5)).map(|_| whole(&mut command()).0).collect::<Vec<_>>();
    row(
        "exec true, from start to end",
        starts(&|| theirs(&["exec", "waits", "true"])),
        starts(&|| ours("exec", &["web/waits", "true"])),
    );

    let size = mebibytes << 20;
    run(&guest, "printed", &format!("busybox yes 0123456789abcdef0123456789abcdef | busybox head -c {size}"));
    guest.docker(&["wait", "printed"]);
    let rate = |command: &dyn Fn() -> Command| {
        let (milliseconds, bytes) = whole(&mut command());
        assert_eq!(bytes, size, "all of it was read");
        mebibytes as f64 / milliseconds * 1000.0
    };
    let (docker, xscontainer) = (rate(&|| theirs(&["logs", "printed"])), rate(&|| ours("logs", &["web/printed"])));
    let name = format!("logs of {mebibytes} MiB");
    println!("{name:<34} {docker:>5.0} MiB/s {xscontainer:>5.0} MiB/s {:>8.2} times", xscontainer / docker);
}

fn row(name: &str, docker: Vec<f64>, xscontainer: Vec<f64>) {
    let (docker, xscontainer) = (median(docker), median(xscontainer));
    println!("{name:<34} {docker:>7.2} ms {xscontainer:>7.2} ms {:>9.2} ms", xscontainer - docker);
}

fn run(guest: &Vm, name: &str, script: &str) {
    let usual =
        ["run", "--detach", "--network", "none", "--stop-timeout", "0", "--name", name, IMAGE, "sh", "-c", script];
    guest.docker(&usual);
}

/// How much later than from one program each line comes from another, milliseconds.
fn follow(one: Command, other: Command, lines: usize) -> Vec<f64> {
    let (sender, receiver) = mpsc::channel();
    let children = [one, other].map(|mut command| {
        let mut child = spawn(&mut command);
        let stdout = child.stdout.take().expect("piped");
        let sender = sender.clone();
        let which = command.get_program() == programs::agent();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send((which, line, Instant::now())).is_err() {
                    return;
                }
            }
        });
        child
    });
    let (mut seen, mut later) = (std::collections::BTreeMap::new(), Vec::new());
    while later.len() < lines {
        let (is_ours, line, at) =
            receiver.recv_timeout(Duration::from_secs(60)).unwrap_or_else(|error| panic!("no more lines: {error}"));
        match seen.remove(&line) {
            None => drop(seen.insert(line, (is_ours, at))),
            Some((_, before)) => {
                let distance = at.duration_since(before).as_secs_f64() * 1000.0;
                later.push(if is_ours { distance } else { -distance });
            }
        }
    }
    for mut child in children {
        let _ = child.kill();
        let _ = child.wait();
    }
    later
}

/// A program that sends back what it gets.
struct Echo {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Echo {
    fn start(mut command: Command) -> Self {
        let mut child = spawn(&mut command);
        let (stdin, stdout) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let mut echo = Self { child, stdin, stdout: BufReader::new(stdout) };
        echo.once();
        echo
    }

    /// How long one takes, milliseconds.
    fn once(&mut self) -> f64 {
        let begun = Instant::now();
        let mut line = String::new();
        let echoed = self.stdin.write_all(b"echo\n").and_then(|()| self.stdout.read_line(&mut line));
        assert!(echoed.is_ok() && line == "echo\n", "{echoed:?} {line:?}");
        begun.elapsed().as_secs_f64() * 1000.0
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How long a program takes, milliseconds, and how many bytes it prints.
fn whole(command: &mut Command) -> (f64, usize) {
    let begun = Instant::now();
    let mut child = spawn(command);
    drop(child.stdin.take());
    let (mut stdout, mut piece, mut bytes) = (child.stdout.take().expect("piped"), vec![0; 64 * 1024], 0);
    while let Ok(length @ 1..) = stdout.read(&mut piece) {
        bytes += length;
    }
    let status = child.wait();
    assert!(status.is_ok_and(|status| status.success()), "{command:?} failed");
    (begun.elapsed().as_secs_f64() * 1000.0, bytes)
}

fn spawn(command: &mut Command) -> Child {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?} cannot be run: {error}"))
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
