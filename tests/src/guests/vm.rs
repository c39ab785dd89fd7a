//! A simulated VM: namespaces, an address, and what runs in it.
//!
//! Must not know how sshd or an engine is started: see `sshd` and `engine`.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tempfile::TempDir;

use super::engine::Engine;
use super::network::Namespace;
use super::shell::{Shell, quote};
use super::{accounts, files, wait_until};
use crate::tools::command;

/// A simulated VM. Everything in it ends when it is dropped.
pub struct Vm {
    name: String,
    network: Arc<Namespace>,
    /// The first process of the guest; dropped before the folder that it uses.
    shell: Shell,
    engine: Mutex<Engine>,
    /// Which address of the network; 0 while it has none.
    host: AtomicU32,
    loses_packets: AtomicBool,
    /// Lines that come first in `sshd_config`, so that they win.
    pub(super) sshd_config: Mutex<String>,
    folder: TempDir,
}

impl Vm {
    pub(super) fn new(network: &Arc<Namespace>, name: &str) -> Self {
        let folder = tempfile::Builder::new().prefix(&format!("lab-{name}-")).tempdir();
        let folder = folder.unwrap_or_else(|e| panic!("no temporary folder: {e}"));
        files::make(folder.path());
        accounts::make(folder.path());
        let mut inside = command("nsenter", [format!("--net=/proc/{}/ns/net", network.holder())]);
        inside.args(["unshare", "--mount", "--propagation", "private", "--uts", "--ipc"]);
        inside.args(["--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc", "bash"]);
        let shell = Shell::start(&mut inside);
        // The folder is seen no longer from inside once /tmp is the guest's own, so /tmp comes last.
        let mut mounts = String::new();
        for (own, path) in files::OWN.iter().rev().filter(|(own, _)| *own != "tmp") {
            mounts.push_str(&format!("mount --bind {} {path}\n", quote(&folder.path().join(own).to_string_lossy())));
        }
        mounts.push_str(&format!("mount --bind {} /tmp\n", quote(&folder.path().join("tmp").to_string_lossy())));
        mounts.push_str(&format!("echo {} > /proc/sys/kernel/hostname", quote(name)));
        shell.run(&mounts);
        shell.at_the_end(&last_words(&unique(folder.path())));
        let vm = Self {
            name: name.to_owned(),
            network: Arc::clone(network),
            shell,
            engine: Mutex::new(Engine::None),
            host: AtomicU32::new(0),
            loses_packets: AtomicBool::new(false),
            sshd_config: Mutex::new(String::new()),
            folder,
        };
        vm.take_address();
        vm
    }

    /// What it was named.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its IPv4 address.
    ///
    /// # Panics
    /// If it is unplugged.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        IpAddr::V4(self.v4())
    }

    /// Its IPv6 address, a unique local one.
    ///
    /// # Panics
    /// If it is unplugged.
    #[must_use]
    pub fn ipv6(&self) -> Ipv6Addr {
        self.network.address6(self.host())
    }

    pub(super) fn v4(&self) -> Ipv4Addr {
        self.network.address(self.host())
    }

    fn host(&self) -> u32 {
        let host = self.host.load(Ordering::Relaxed);
        assert!(host != 0, "{} is unplugged", self.name);
        host
    }

    fn take_address(&self) {
        let host = self.network.take_host();
        self.network.add_address(host);
        self.host.store(host, Ordering::Relaxed);
    }

    /// Takes its addresses away, as if it were halted: nobody answers there any more.
    pub fn unplug(&self) {
        self.pass_packets();
        assert!(self.network.remove_address(self.host()), "{}'s addresses are not removed", self.name);
        self.host.store(0, Ordering::Relaxed);
    }

    /// Gives it other addresses than any VM of the network ever had; sshd, if it runs, is started anew for them.
    /// Nobody answers at the old ones.
    pub fn change_address(&self) {
        if self.host.load(Ordering::Relaxed) != 0 {
            self.unplug();
        }
        let had_sshd = self.has_process("sshd");
        self.take_address();
        if had_sshd {
            self.stop_ssh();
            self.start_ssh();
        }
    }

    /// Loses every packet to and from it, with no word to either side, as a broken network does.
    pub fn drop_packets(&self) {
        if !self.loses_packets.swap(true, Ordering::Relaxed) {
            self.network.lose(self.host());
        }
    }

    /// Lets packets through again.
    pub fn pass_packets(&self) {
        if self.loses_packets.swap(false, Ordering::Relaxed) {
            assert!(self.network.pass(self.host()), "{} does not get its packets again", self.name);
        }
    }

    /// Stops every process in it where it is, as a paused VM; connections stay.
    pub fn freeze(&self) {
        self.signal("STOP", "");
    }

    /// Lets every process go on.
    pub fn thaw(&self) {
        self.signal("CONT", "");
    }

    /// Runs a shell script in it as root; what it said.
    ///
    /// # Panics
    /// If it fails.
    #[track_caller]
    pub fn script(&self, script: &str) -> String {
        self.shell.run(script)
    }

    /// The ids of its processes as the machine sees them, those of containers among them, with their names.
    #[must_use]
    pub fn processes(&self) -> Vec<(u32, String)> {
        let first = self.first_process();
        let Ok(space) = fs::read_link(format!("/proc/{first}/ns/pid")) else { return Vec::new() };
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let read = |id: u32, file: &str| fs::read_to_string(format!("/proc/{id}/{file}")).unwrap_or_default();
        // Containers have process namespaces of their own, in cgroups of the guest's.
        let cgroup = format!(":/{}/", self.unique());
        let inside = |id: &u32| {
            fs::read_link(format!("/proc/{id}/ns/pid")).is_ok_and(|other| other == space)
                || read(*id, "cgroup").contains(&cgroup)
        };
        ids.filter(inside).map(|id| (id, read(id, "comm").trim().to_owned())).collect()
    }

    /// The id of the guest's first process: the only child of `unshare`.
    fn first_process(&self) -> u32 {
        let parent = self.shell.id();
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
        children.trim().parse().unwrap_or_else(|_| panic!("process {parent} has no only child: {children:?}"))
    }

    /// Its folder, in which its own folders are.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file of the guest, as the machine sees it: below /etc, /home, /root, /run, /tmp, /var/lib or /var/log. What is
    /// mounted inside of the guest is not seen there.
    ///
    /// # Panics
    /// For any other path.
    #[must_use]
    pub fn file(&self, path: &str) -> PathBuf {
        let own = files::OWN.iter().find_map(|(own, folder)| Some((own, path.strip_prefix(folder)?)));
        let (own, rest) = own.unwrap_or_else(|| panic!("{path} is not in a folder of the guest's own"));
        self.folder().join(own).join(rest.trim_start_matches('/'))
    }

    /// A path of the guest with everything that is mounted there. Of links only what they say is right: followed, they
    /// lead into the machine's own files.
    pub(super) fn inside(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.first_process()))
    }

    pub(super) fn engine(&self) -> std::sync::MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A word that no other VM of the machine has.
    pub(super) fn unique(&self) -> String {
        unique(self.folder())
    }

    /// Sends a signal to each process of these names, words of a pattern as `sshd|ncat`; to all with an empty one.
    pub(super) fn signal(&self, signal: &str, names: &str) {
        let names = if names.is_empty() { "*" } else { names };
        // The guest's own /proc shows its own processes only.
        self.shell.run(&format!(
            "for process in /proc/[0-9]*; do
                 id=${{process#/proc/}}
                 {{ read -r name < $process/comm; }} 2>/dev/null || continue
                 [ $id = 1 ] || [ $id = $BASHPID ] || case $name in
                     {names}) kill -{signal} $id 2>/dev/null || :;;
                 esac
             done"
        ));
    }

    /// Whether a process of one of these names runs.
    pub(super) fn has_process(&self, names: &str) -> bool {
        let script = format!(
            "for process in /proc/[0-9]*; do
                 {{ read -r name < $process/comm; }} 2>/dev/null || continue
                 case $name in {names}) exit 0;; esac
             done
             exit 1"
        );
        self.shell.attempt(&script).0
    }

    /// Kills each process of these names, and waits until they are gone.
    pub(super) fn kill(&self, names: &str) {
        self.signal("KILL", names);
        wait_until(|| format!("{names} in {} ended", self.name), || !self.has_process(names));
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        // Nothing here may panic: it may be a panic by which it is dropped.
        let host = *self.host.get_mut();
        if *self.loses_packets.get_mut() {
            self.network.pass(host);
        }
        if host != 0 {
            self.network.remove_address(host);
        }
    }
}

/// What the first process does at its end: everything else is killed, and the cgroups of containers are removed. A
/// paused container is in a frozen cgroup of version 1, where not even SIGKILL ends it; and a cgroup is busy for a
/// moment after its last process.
fn last_words(cgroup: &str) -> String {
    format!(
        "shopt -s globstar nullglob
         for state in /sys/fs/cgroup/freezer/{cgroup}/**/freezer.state; do echo THAWED > $state; done
         kill -KILL -1
         for attempt in {{1..200}}; do
             trees=$(echo /sys/fs/cgroup/{{,*/}}{cgroup}*/)
             [ \"$trees\" ] || break
             find $trees -depth -type d -exec rmdir {{}} +
             read -rt 0.02 <> <(:)
         done"
    )
}

fn unique(folder: &Path) -> String {
    let name = folder.file_name().expect("a folder has a name");
    name.to_string_lossy().replace(|other: char| !other.is_ascii_alphanumeric() && other != '-', "")
}
