//! The simulated VMs are what they claim to be: asked with the real ssh, curl and docker, and gone without a trace.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use lab::guests::{Network, Vm};
use lab::tools::{Said, command, outcome, stdout_of, succeed};

/// A key with which to log in.
struct Key {
    folder: tempfile::TempDir,
}

impl Key {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = Self { folder };
        succeed(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "key", "-f"]).arg(key.file()));
        key
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("key")
    }

    fn public(&self) -> String {
        fs::read_to_string(self.folder.path().join("key.pub")).unwrap()
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

#[test]
fn a_vm_lets_in_who_has_a_key() {
    let (network, key, other) = (Network::new(), Key::new(), Key::new());
    let vm = network.vm("web").ssh();
    vm.authorize(&key.public());
    let said = key.in_guest(&vm, "id -un; id -Gn; hostname");
    assert_eq!(String::from_utf8_lossy(&said.stdout), "core\ncore docker\nweb\n");
    assert!(!other.in_guest(&vm, "true").success);
}

#[test]
fn a_dockerd_runs_containers() {
    let network = Network::new();
    let vm = network.vm("web").dockerd();
    vm.run("one", &["sleep", "1000"]);
    assert_eq!(vm.docker(&["ps", "--format", "{{.Names}} {{.Image}} {{.State}}"]), "one lab/busybox:1 running\n");
    let socket = vm.socket();
    let list = stdout_of(command("curl", ["-s", "--unix-socket"]).arg(socket).arg("http://docker/containers/json"));
    assert!(list.contains("/one"), "{list}");
}
