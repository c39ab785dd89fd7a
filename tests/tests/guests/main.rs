//! The simulated VMs are what they claim to be: asked with the real ssh, curl and docker, and gone without a trace.

mod access;
mod engines;
mod hostile;
mod lifetime;
mod network;
mod replay;
mod tls;

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use lab::guests::Vm;
use lab::tools::{Said, command, outcome, stdout_of, succeed};

/// A key with which to log in.
struct Key {
    folder: tempfile::TempDir,
}

impl Key {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let key = Self { folder };
        succeed(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "key", "-f"]).arg(key.file()));
        key
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("key")
    }

    fn public(&self) -> String {
        fs::read_to_string(self.folder.path().join("key.pub")).expect("a public key")
    }

    /// The real ssh to a VM as `core`, which knows no hosts.
    fn ssh(&self, vm: &Vm) -> Command {
        let mut ssh = command("ssh", ["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-i"]);
        ssh.arg(self.file()).args(["-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=2", "-l", "core"]);
        ssh.arg(vm.address().to_string());
        ssh
    }

    fn in_guest(&self, vm: &Vm, script: &str) -> Said {
        outcome(self.ssh(vm).arg(script))
    }
}

/// A process that ends with the value.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.spawn().expect("it can be run"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// GET over the engine's socket; the body.
fn get(vm: &Vm, path: &str) -> String {
    stdout_of(command("curl", ["-s", "-m", "10", "--unix-socket"]).arg(vm.socket()).arg(format!("http://docker{path}")))
}

#[track_caller]
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "not within 20 s: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
