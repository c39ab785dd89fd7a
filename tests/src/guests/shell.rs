//! A shell inside of namespaces, which runs scripts one after the other and takes everything with it when it ends.
//!
//! Must not know what the scripts do.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::PATIENCE;

/// Begins the line that ends a script's output.
const MARK: &str = "-- lab: the script ended with ";

/// A bash that reads from a pipe. When the test's end of the pipe is closed, by dropping this or by the end of the
/// test program, it ends; where it is the first process of a process namespace, the kernel then ends all others.
pub(super) struct Shell {
    session: Mutex<Session>,
}

struct Session {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Shell {
    /// Starts a bash by a command that ends in `bash`.
    pub(super) fn start(command: &mut Command) -> Self {
        let mut child = command
            .args(["--noprofile", "--norc"])
            .env_clear()
            .envs([("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("HOME", "/root"), ("LC_ALL", "C"), ("TMPDIR", "/tmp")])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{command:?} cannot be run: {e}"));
        let input = child.stdin.take();
        let output = child.stdout.take().expect("piped");
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let mut output = BufReader::new(output);
            let mut line = Vec::new();
            while output.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
                line.clear();
            }
        });
        let shell = Self { session: Mutex::new(Session { child, input, lines }) };
        shell.run("true");
        shell
    }

    /// The id of the process that was started; its namespaces of mounts and network are the shell's.
    pub(super) fn id(&self) -> u32 {
        self.lock().child.id()
    }

    /// Runs a script that must succeed, stopping at the first command that fails; what it said.
    ///
    /// # Panics
    /// If it fails, or takes longer than [`PATIENCE`].
    #[track_caller]
    pub(super) fn run(&self, script: &str) -> String {
        match self.attempt(script) {
            (true, said) => said,
            (false, said) => panic!("failed in a namespace: {script}\n{said}"),
        }
    }

    /// Has a script run when this is dropped, or the test program ends; what it says is lost.
    pub(super) fn at_the_end(&self, script: &str) {
        let session = &mut *self.lock();
        let input = session.input.as_mut().expect("open until dropped");
        let line = format!("trap {} EXIT\n", quote(&format!("{{ {script}\n}} </dev/null >/dev/null 2>&1")));
        input.write_all(line.as_bytes()).unwrap_or_else(|e| panic!("the shell of a namespace is gone: {e}"));
    }

    /// Runs a script; whether it succeeded, and what it said.
    ///
    /// # Panics
    /// If it takes longer than [`PATIENCE`].
    #[track_caller]
    pub(super) fn attempt(&self, script: &str) -> (bool, String) {
        let session = &mut *self.lock();
        // A subshell, so that no script can change or end the shell itself.
        let line = format!("( set -e; eval {} ) </dev/null 2>&1; echo \"{MARK}$?\"\n", quote(script));
        let input = session.input.as_mut().expect("open until dropped");
        input.write_all(line.as_bytes()).unwrap_or_else(|e| panic!("the shell of a namespace is gone: {e}"));
        let mut said = String::new();
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = session.lines.recv_timeout(left).unwrap_or_else(|e| panic!("{e} in: {script}\n{said}"));
            // The output before it may lack its last newline.
            if let Some((before, status)) = line.split_once(MARK) {
                said.push_str(before);
                return (status.trim() == "0", said);
            }
            said.push_str(&line);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        drop(self.input.take());
        let end = Instant::now() + Duration::from_secs(10);
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() >= end {
                // Its child is killed with it (unshare --kill-child).
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}

/// A text as one word of the shell.
pub(super) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_stops_at_its_first_failure() {
        let shell = Shell::start(&mut Command::new("bash"));
        assert_eq!(shell.attempt("echo a; false; echo b"), (false, "a\n".to_owned()));
    }

    #[test]
    fn a_script_that_cannot_be_read_leaves_the_shell_usable() {
        let shell = Shell::start(&mut Command::new("bash"));
        assert!(!shell.attempt("if '").0);
        assert_eq!(shell.run("exit 0"), "");
        assert_eq!(shell.run("printf \"it's\""), "it's");
    }
}
