//! A simulated dom0: this machine's own root folder with the pack's packages installed by the real rpm, seen by nobody else and
//! gone afterwards. What runs in it finds XAPI's socket, the inventory and the service where a host has them.
//!
//! Must not know the agent, but for the names of its files. `systemctl` is a script which knows the one service; `xe` is
//! `tests/clients/xe.py`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::programs;
use crate::tools::{Said, outcome, succeed};
use crate::xapi::{Ref, Value, Xapi};

/// How long the mounts may take, and the service to start or end.
const DEADLINE: Duration = Duration::from_secs(20);

/// Makes the root below `$0`, with XAPI's socket `$1`, and keeps it until it is killed.
const MOUNT: &str = "\
set -e
mount --make-rprivate /
mount -t tmpfs lab $0
mkdir $0/upper $0/work $0/root
mount -t overlay lab -o lowerdir=/,upperdir=$0/upper,workdir=$0/work $0/root
for folder in dev proc sys tmp; do mount --rbind /$folder $0/root/$folder; done
mount -t tmpfs lab $0/root/run
mkdir -p $0/root/var/lib/xcp
touch $0/root/var/lib/xcp/xapi
mount --bind $1 $0/root/var/lib/xcp/xapi
touch $0/ready
exec sleep infinity
";

/// What the service manager says and does of the one service, which is started by `systemctl start`.
const SYSTEMCTL: &str = r#"#!/bin/sh
pid=/run/xscontainer-monitor.pid
alive() { [ -s $pid ] && kill -0 "$(cat $pid)" 2>/dev/null; }
verb=
for word; do case $word in -*) ;; *) verb=$word; break ;; esac; done
case $verb in
start)
    alive && exit 0
    mkdir -p -m 0700 /run/xscontainer
    setsid /usr/bin/xscontainer monitor --log-file /var/log/xscontainer.log </dev/null >/dev/null 2>/run/stderr &
    echo $! > $pid ;;
stop) alive || exit 0; kill -TERM "$(cat $pid)"; while alive; do sleep 0.05; done; rm $pid ;;
reload) alive || exit 1; kill -HUP "$(cat $pid)" ;;
status) alive && { echo 'Active: active (running)'; exit 0; }; echo 'Active: inactive (dead)'; exit 3 ;;
is-active) alive && { echo active; exit 0; }; echo inactive; exit 3 ;;
is-enabled) echo enabled ;;
show)
    echo LoadState=loaded; echo UnitFileState=enabled; echo Result=success; echo MemoryLimit=67108864
    if alive; then echo ActiveState=active; echo SubState=running; echo "MainPID=$(cat $pid)"
    else echo ActiveState=inactive; echo SubState=dead; echo MainPID=0; fi ;;
*) exit 0 ;;
esac
"#;

/// A running dom0; everything in it ends when this is dropped.
pub struct Dom0 {
    holder: Child,
    folder: TempDir,
}

impl Dom0 {
    /// The dom0 of the host `host`, whose XAPI is `xapi`, with the files that the pack brings. The service is not started.
    ///
    /// # Panics
    /// If it cannot be made, which only root can.
    #[must_use]
    pub fn new(xapi: &Xapi, host: &Ref) -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|e| panic!("no temporary directory: {e}"));
        let holder = Command::new("unshare")
            .args(["--mount", "--", "sh", "-c", MOUNT])
            .arg(folder.path())
            .arg(xapi.socket())
            .stdin(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("unshare cannot be run: {e}"));
        let dom0 = Self { holder, folder };
        let end = Instant::now() + DEADLINE;
        // The folder's own mounts are in the other namespace.
        while !dom0.inside(Path::new("/")).join("etc").exists() || !dom0.seen("../ready").exists() {
            assert!(Instant::now() < end, "no simulated dom0 within {DEADLINE:?}; are the tests run as root?");
            thread::sleep(Duration::from_millis(10));
        }
        dom0.install(xapi, host);
        dom0
    }

    fn install(&self, xapi: &Xapi, host: &Ref) {
        let disc = self.inside(Path::new("/root/disc"));
        fs::create_dir_all(&disc).unwrap_or_else(|e| panic!("{}: {e}", disc.display()));
        succeed(Command::new("bsdtar").arg("-xf").arg(programs::iso()).arg("-C").arg(&disc));
        // Scriptlets would start the service before everything is in its place.
        self.must("rpm --initdb && find /root/disc -name '*.rpm' -exec rpm -i --nodeps --noscripts --nosignature {} +");
        let version = self.must("rpm -q --qf '%{VERSION}' xscontainer");
        self.add_pack(xapi, host, version.trim());
        self.put("/usr/bin/systemctl", SYSTEMCTL, 0o755);
        let xe = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/xe.py");
        let xe = fs::read_to_string(xe).unwrap_or_else(|e| panic!("clients/xe.py: {e}"));
        self.put("/usr/bin/xe", &format!("#!/usr/bin/env python3\n{xe}"), 0o755);
        let uuid = xapi.get(host, "uuid").ok().and_then(|uuid| uuid.text().map(str::to_owned));
        let uuid = uuid.unwrap_or_else(|| panic!("the simulated pool has no such host"));
        self.put("/etc/xensource-inventory", &format!("PRODUCT_BRAND='XCP-ng'\nINSTALLATION_UUID='{uuid}'\n"), 0o644);
        self.put("/var/log/xscontainer.log", "", 0o640);
        // XAPI runs its plugins outside; the script enters.
        let plugin = self.folder.path().join("plugin");
        let enter = format!(
            "#!/bin/sh\nexec nsenter --mount=/proc/{}/ns/mnt chroot {} /etc/xapi.d/plugins/xscontainer \"$@\"\n",
            self.pid(),
            self.folder.path().join("root").display()
        );
        fs::write(&plugin, enter).unwrap_or_else(|e| panic!("{}: {e}", plugin.display()));
        let mode = fs::set_permissions(&plugin, fs::Permissions::from_mode(0o755));
        mode.unwrap_or_else(|e| panic!("{}: {e}", plugin.display()));
        xapi.install_plugin(host, "xscontainer", &plugin);
    }

    /// Lets XAPI know the pack as applied to the host, as `xe update-apply` does.
    fn add_pack(&self, xapi: &Xapi, host: &Ref, version: &str) {
        let fields = [
            ("name_label", Value::from("xscontainer")),
            ("version", Value::from(version)),
            ("hosts", Value::set([host.as_str()])),
        ];
        xapi.add("pool_update", fields).unwrap_or_else(|failure| panic!("no pool_update: {failure}"));
    }

    /// The process that holds the mounts.
    fn pid(&self) -> u32 {
        self.holder.id()
    }

    /// A file of the dom0 as the machine sees it.
    #[must_use]
    pub fn inside(&self, path: &Path) -> PathBuf {
        let path = path.strip_prefix("/").unwrap_or(path);
        self.seen("").join(path)
    }

    fn seen(&self, name: &str) -> PathBuf {
        let root = self.folder.path().join("root").join(name);
        PathBuf::from(format!("/proc/{}/root{}", self.pid(), root.display()))
    }

    /// Writes a file.
    ///
    /// # Panics
    /// If that fails.
    pub fn put(&self, path: &str, text: &str, mode: u32) {
        let file = self.inside(Path::new(path));
        // In place of a link that leads out.
        let _ = fs::remove_file(&file);
        fs::write(&file, text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        self.set_mode(path, mode);
    }

    fn set_mode(&self, path: &str, mode: u32) {
        let file = self.inside(Path::new(path));
        let set = fs::set_permissions(&file, fs::Permissions::from_mode(mode));
        set.unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    }

    /// A file's text; empty if there is none.
    #[must_use]
    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.inside(Path::new(path))).unwrap_or_default()
    }

    /// A shell script, to be run by root.
    #[must_use]
    pub fn shell(&self, script: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--mount=/proc/{}/ns/mnt", self.pid())).arg("chroot").arg(self.folder.path().join("root"));
        command.args(["env", "-u", "SSH_AUTH_SOCK", "HOME=/root", "LC_ALL=C.UTF-8", "TERM=xterm"]);
        command.args(["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "bash", "-c"]);
        command.arg(format!("cd /root\n{script}"));
        command
    }

    /// Runs a shell script as root, whatever comes of it.
    #[must_use]
    pub fn run(&self, script: &str) -> Said {
        outcome(&mut self.shell(script))
    }

    /// Runs a shell script that must succeed; what it said.
    ///
    /// # Panics
    /// If it fails.
    #[track_caller]
    pub fn must(&self, script: &str) -> String {
        let said = self.run(script);
        assert!(said.success, "{script}: exit code {:?}\n{}", said.code, said.text);
        said.text
    }

    /// Starts the service, and waits until it listens.
    ///
    /// # Panics
    /// If it does not.
    pub fn start_service(&self) {
        self.must("systemctl start xscontainer-monitor");
        let end = Instant::now() + DEADLINE;
        while !self.inside(Path::new("/run/xscontainer/agent.sock")).exists() {
            assert!(Instant::now() < end, "no service within {DEADLINE:?}: {}", self.read("/run/stderr"));
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Dom0 {
    fn drop(&mut self) {
        let _ = self.run("systemctl stop xscontainer-monitor");
        // Either fails only when it has ended already. The mounts go with the namespace.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
