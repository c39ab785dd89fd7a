//! A host on which nothing is wrong, its pool, and the command. Must not know what scenarios change.

use std::fs::{self, Permissions};
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use lab::guests::Vm;
use lab::monitor::Monitor;
use lab::plugin::Plugin;
use lab::pool::Pool;
use lab::programs;
use lab::root::Root;
use lab::tools::{Said, command, outcome, stdout_of, succeed};
use lab::xapi::{Ref, Value, Xapi};
use rpm::{BuildConfig, FileMode, FileOptions, PackageBuilder};
use serde_json::Value as Json;

/// The plugin's file as the pack has it.
pub(crate) const PLUGIN: &str = "etc/xapi.d/plugins/xscontainer";

/// Longer than the monitor takes to notice anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// The version of the program that is tried.
pub(crate) static VERSION: LazyLock<String> = LazyLock::new(|| {
    let said = stdout_of(Command::new(programs::agent()).arg("--version"));
    said.trim().strip_prefix("xscontainer ").unwrap().to_owned()
});

/// A host, and its pool.
pub(crate) struct Lab {
    pub(crate) pool: Pool,
    pub(crate) root: Root,
    /// The monitor that answers; none where another one does, or none.
    pub(crate) monitor: Option<Monitor>,
    pub(crate) agent_socket: PathBuf,
    /// XAPI's.
    pub(crate) socket: PathBuf,
    /// The program that is run as the command.
    pub(crate) program: PathBuf,
    /// What the command is run by, before its own name.
    pub(crate) inside: Vec<String>,
    _plugin: Plugin,
    folder: tempfile::TempDir,
}

impl Deref for Lab {
    type Target = Pool;

    fn deref(&self) -> &Pool {
        &self.pool
    }
}

impl DerefMut for Lab {
    fn deref_mut(&mut self) -> &mut Pool {
        &mut self.pool
    }
}

impl Lab {
    pub(crate) fn new() -> Self {
        let pool = Pool::new();
        let (root, folder) = (Root::of_release("8.2.1"), tempfile::tempdir().unwrap());
        fs::remove_dir(root.path().join("proc")).unwrap();
        std::os::unix::fs::symlink("/proc", root.path().join("proc")).unwrap();
        let monitor = Monitor::start(&pool.xapi);
        let plugin = Plugin::install(&pool.xapi, Some(&monitor));
        let host = pool.xapi.host();
        let lab = Self {
            agent_socket: monitor.agent_socket(),
            socket: pool.xapi.socket().to_owned(),
            monitor: Some(monitor),
            _plugin: plugin,
            program: programs::agent(),
            inside: Vec::new(),
            pool,
            root,
            folder,
        };
        lab.install(&VERSION);
        lab.add_pack(&VERSION, &host);
        lab.write("inventory", &format!("INSTALLATION_UUID='{}'\n", lab.uuid(&host)));
        fs::create_dir(lab.folder.path().join("bin")).unwrap();
        lab.add_program("rpm", &format!("exec /usr/bin/rpm --root {} \"$@\"", lab.root.path().display()));
        lab.unit(&[]);
        wait("the monitor answers", || lab.agent_socket.exists());
        lab
    }

    /// A program that was added.
    pub(crate) fn program_file(&self, name: &str) -> PathBuf {
        self.file("bin").join(name)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.file(name), text).unwrap();
    }

    /// A program of dom0: a shell script.
    pub(crate) fn add_program(&self, name: &str, script: &str) {
        let file = self.file("bin").join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(file, Permissions::from_mode(0o755)).unwrap();
    }

    /// A service manager that says of the unit what is usual, but for these properties.
    pub(crate) fn unit(&self, changes: &[(&str, &str)]) {
        let id = self.monitor.as_ref().map_or(0, Monitor::id).to_string();
        let usual = [
            ("LoadState", "loaded"),
            ("ActiveState", "active"),
            ("SubState", "running"),
            ("Result", "success"),
            ("UnitFileState", "enabled"),
            ("ActiveEnterTimestamp", "Sat 2026-11-28 10:00:00 UTC"),
            ("MainPID", id.as_str()),
            ("MemoryLimit", "268435456"),
        ];
        // The last one counts.
        let lines: Vec<String> = usual.iter().chain(changes).map(|(name, value)| format!("{name}={value}")).collect();
        self.add_program("systemctl", &format!("cat <<'END'\n{}\nEND", lines.join("\n")));
    }

    /// Installs the package in this version, with the plugin's file in it, by the real rpm.
    pub(crate) fn install(&self, version: &str) {
        let mut builder = PackageBuilder::new("xscontainer", version, "BSD", "noarch", "Stand-in of the package");
        builder.using_config(BuildConfig::v4().compression(rpm::CompressionType::Gzip).source_date(1_700_000_000_u32));
        let plugin = "#!/bin/sh\nexec /usr/bin/xscontainer plugin --log-file /var/log/xscontainer.log -- \"$@\"\n";
        let options = FileOptions::new(format!("/{PLUGIN}")).mode(FileMode::regular(0o755));
        builder.with_file_contents(plugin, options).unwrap();
        let mut bytes = Vec::new();
        builder.build().unwrap().write(&mut bytes).unwrap();
        let package = self.root.path().join("tmp/package.rpm");
        fs::write(&package, bytes).unwrap();
        succeed(self.root.rpm().args(["-U", "--force", "--nodeps"]).arg(&package));
        fs::remove_file(package).unwrap();
    }

    /// A pack that XAPI has as applied to this host.
    pub(crate) fn add_pack(&self, version: &str, host: &Ref) -> Ref {
        let fields = [
            ("name_label", Value::from("xscontainer")),
            ("version", version.into()),
            ("hosts", Value::set([host.as_str()])),
        ];
        self.xapi.add("pool_update", fields).unwrap()
    }

    pub(crate) fn uuid(&self, object: &Ref) -> String {
        self.xapi.get(object, "uuid").unwrap().text().unwrap().to_owned()
    }

    /// The uuid of a new secret.
    pub(crate) fn secret(&self, text: &str) -> String {
        self.uuid(&self.xapi.add("secret", [("value", Value::from(text))]).unwrap())
    }

    /// Which secret has a half of the pool's key.
    pub(crate) fn pool_secret(&self, half: &str) -> String {
        let (pool, key) = (self.xapi.pool(), format!("xscontainer-{half}-secret-uuid"));
        self.xapi.look(|state| state.entry(&pool, "other_config", &key)).unwrap()
    }

    pub(crate) fn inventory(&self) -> PathBuf {
        self.file("inventory")
    }

    pub(crate) fn set_entry(&self, object: &Ref, key: &str, value: &str) {
        self.xapi.set_entry(object, "other_config", key, value).unwrap();
    }

    /// A guest with sshd that lets the pool in.
    pub(crate) fn guest(&self) -> Vm {
        self.prepared(self.network.vm("web").ssh())
    }

    /// The command of the host.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let program = self.program.to_string_lossy().into_owned();
        let words: Vec<String> = self.inside.iter().cloned().chain([program]).collect();
        let mut command = command(&words[0], &words[1..]);
        command.args(arguments).arg("--socket").arg(&self.socket);
        command.arg("--config").arg(self.file("config.toml"));
        command.arg("--inventory").arg(self.file("inventory")).arg("--agent-socket").arg(&self.agent_socket);
        command.env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", self.file("bin").display()));
        command
    }

    pub(crate) fn doctor(&self, arguments: &[&str]) -> Said {
        let root = self.root.path().to_string_lossy().into_owned();
        outcome(&mut self.command(&[&["doctor", "--root", &root], arguments].concat()))
    }

    /// What it says to programs, with its exit code.
    #[track_caller]
    pub(crate) fn examined(&self, arguments: &[&str]) -> (Json, i32) {
        let said = self.doctor(&[&["--json"], arguments].concat());
        let value = serde_json::from_slice(&said.stdout);
        (value.unwrap_or_else(|error| panic!("{error}: {}", said.text)), said.code.unwrap())
    }

    /// Waits until the monitor says so of this host.
    pub(crate) fn wait_for_status(&self, what: &str, holds: impl Fn(&Json) -> bool) {
        wait(what, || {
            let said = outcome(&mut self.command(&["status", "--json"]));
            serde_json::from_slice(&said.stdout).is_ok_and(|status| holds(&status))
        });
    }
}

/// The names of what is wrong among checks or steps.
pub(crate) fn wrong(lines: &Json) -> Vec<String> {
    let ids = lines.as_array().unwrap().iter().filter_map(|line| line["id"].as_str());
    ids.map(str::to_owned).collect()
}

#[track_caller]
pub(crate) fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Another XAPI of nobody.
pub(crate) fn another_xapi(folder: &Path) -> Xapi {
    Xapi::start(lab::xapi::Config::at(&folder.join("other"))).unwrap()
}
