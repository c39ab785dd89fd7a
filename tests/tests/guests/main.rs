//! The simulated VMs are what they claim to be: asked with the real ssh, curl and docker, and gone without a trace.

mod access;
mod accounts;
mod disk;
mod engines;
mod hostile;
mod lifetime;
mod network;
mod replay;
mod ssh_variants;
mod terminal;
mod tls;

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use lab::guests::Vm;
use lab::terminal::Terminal;
use lab::tools::{Said, command, outcome, stdout_of, succeed};

/// A key with which to log in.
struct Key {
    folder: tempfile::TempDir,
}

impl Key {
    fn new() -> Self {
        Self::of("ed25519")
    }

    /// Of a kind as `ssh-keygen -t` names it.
    fn of(kind: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let key = Self { folder };
        succeed(Command::new("ssh-keygen").args(["-q", "-t", kind, "-N", "", "-C", "key", "-f"]).arg(key.file()));
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
        self.ssh_as("core", vm)
    }

    fn ssh_as(&self, account: &str, vm: &Vm) -> Command {
        let mut ssh = command("ssh", ["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-i"]);
        ssh.arg(self.file()).args(["-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=2", "-l", account]);
        ssh.arg(vm.address().to_string());
        ssh
    }

    fn in_guest(&self, vm: &Vm, script: &str) -> Said {
        outcome(self.ssh(vm).arg(script))
    }
}

/// A person who logs in with the real ssh and no key, trusts any host, and has one thing run.
fn person(vm: &Vm, account: &str, script: &str) -> Terminal {
    let mut ssh =
        command("ssh", ["-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]);
    ssh.args(["-o", "PubkeyAuthentication=no", "-o", "ConnectTimeout=2", "-l", account]).arg(vm.address().to_string());
    ssh.env_remove("SSH_AUTH_SOCK").env_remove("SSH_ASKPASS").arg(script);
    Terminal::start(ssh)
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
