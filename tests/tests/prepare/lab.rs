//! A pool with fresh guests, and the command at a terminal or in a script. Must not know what scenarios assert.

use std::io::Write as _;
use std::ops::Deref;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use lab::guests::Vm;
use lab::guests::replay::Replay;
use lab::guests::ssh_variants::PAM;
use lab::pool::Pool;
use lab::programs;
use lab::terminal::Terminal;
use lab::tools::Said;
use lab::xapi::{Ref, Value};

/// The password of every account.
pub(crate) const PASSWORD: &str = "correct horse";

/// The entries that a VM has before anybody prepares it.
const UNTOUCHED: [(&str, &str); 1] = [("mac_seed", "1")];

/// A pool, and what scenarios do with it.
pub(crate) struct Lab {
    pub(crate) pool: Pool,
    replay: Replay,
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
        std::fs::write(directory.path().join("inventory"), format!("INSTALLATION_UUID='{uuid}'\n")).unwrap();
        Self { pool, replay: Replay::start(), directory }
    }

    /// A guest as a cloud image of Debian leaves it: an account with a password and without `~/.ssh`, Docker, and an SSH
    /// server with PAM.
    pub(crate) fn fresh(&self, name: &str) -> Vm {
        let guest = self.network.vm(name).ssh_with(PAM).dockerd();
        Self::made_fresh(guest)
    }

    /// The same with an engine that gives recorded answers, and another `sshd_config`.
    pub(crate) fn fresh_light(&self, name: &str, lines: &[&str]) -> Vm {
        Self::made_fresh(self.network.vm(name).ssh_with(lines).replay(&self.replay, 1))
    }

    fn made_fresh(guest: Vm) -> Vm {
        guest.remove_ssh_folder("core");
        guest.set_password("core", PASSWORD);
        guest
    }

    /// A running VM at the guest's address that nobody has prepared.
    pub(crate) fn vm(&self, guest: &Vm) -> Ref {
        let vm = self.register(guest);
        self.xapi.set(&vm, "other_config", Value::map(UNTOUCHED)).unwrap();
        vm
    }

    pub(crate) fn uuid(&self, object: &Ref) -> String {
        self.xapi.get(object, "uuid").unwrap().text().unwrap().to_owned()
    }

    pub(crate) fn entry(&self, vm: &Ref, key: &str) -> Option<String> {
        self.xapi.look(|state| state.entry(vm, "other_config", key))
    }

    /// Everything in the VM's `other_config` but the documents.
    pub(crate) fn entries(&self, vm: &Ref) -> Vec<(String, String)> {
        let mut all = self.all_entries(vm);
        all.retain(|(key, _)| !key.starts_with("docker_"));
        all
    }

    /// Everything in an object's `other_config`.
    pub(crate) fn all_entries(&self, object: &Ref) -> Vec<(String, String)> {
        let Value::Struct(members) = self.xapi.get(object, "other_config").unwrap() else { panic!("no map") };
        members.into_iter().map(|(key, value)| (key, value.text().unwrap().to_owned())).collect()
    }

    /// Whether nothing of ours is in the VM's `other_config`.
    pub(crate) fn is_untouched(&self, vm: &Ref) -> bool {
        let untouched = UNTOUCHED.map(|(key, text)| (key.to_owned(), text.to_owned()));
        self.entries(vm) == untouched
    }

    /// The command as it is installed, but for its paths.
    pub(crate) fn command(&self, command: &str, arguments: &[&str]) -> Command {
        let mut program = Command::new(programs::agent());
        program.args(command.split(' ')).arg("--socket").arg(self.xapi.socket());
        program.arg("--inventory").arg(self.inventory()).arg("--log-file").arg(self.log());
        program.args(arguments).env_remove("SSH_AUTH_SOCK").env("LC_ALL", "C.UTF-8");
        program
    }

    pub(crate) fn inventory(&self) -> PathBuf {
        self.directory.path().join("inventory")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    /// `xscontainer-prepare-vm` at a terminal.
    pub(crate) fn at_terminal(&self, vm: &Ref, arguments: &[&str]) -> Terminal {
        let uuid = self.uuid(vm);
        Terminal::start(self.command("prepare-vm", &[&["-v", &uuid], arguments].concat()))
    }

    /// `xscontainer-prepare-vm` in a script, with this on its standard input.
    pub(crate) fn in_script(&self, vm: &Ref, arguments: &[&str], input: &str) -> Said {
        let uuid = self.uuid(vm);
        run(self.command("prepare-vm", &[&["-v", &uuid], arguments].concat()), input)
    }

    /// Prepares it for `core` in a script, which must succeed.
    #[track_caller]
    pub(crate) fn prepared_by_script(&self, vm: &Ref) -> Said {
        let said = self.in_script(vm, &["-u", "core", "--yes", "--password-stdin"], &format!("{PASSWORD}\n"));
        assert_eq!(said.code, Some(0), "{}", said.text);
        said
    }

    /// Lets the VM show an empty list, as if its host's monitor had seen it.
    pub(crate) fn pretend_to_show(&self, vm: &Ref) {
        let empty = "<?xml version=\"1.0\" ?><docker_ps/>";
        self.xapi.set_entry(vm, "other_config", "docker_ps", empty).unwrap();
    }
}

/// Runs a command with this on its standard input, whatever comes of it.
pub(crate) fn run(mut command: Command, input: &str) -> Said {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It may end without reading.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Said { success: output.status.success(), code: output.status.code(), text, stdout: output.stdout }
}
