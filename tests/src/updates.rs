//! A simulated dom0 with a toolstack that knows updates: this machine's own root folder, seen by nobody else and gone
//! afterwards, with an RPM database of its own, real rpm, dnf and gpg, and `tests/clients/xe_updates.py` for XAPI and `xe`.
//!
//! Must not know `suppack`.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rpm::{BuildConfig, CompressionType, Dependency, PackageBuilder};
use tempfile::TempDir;

use crate::tools::{Said, outcome};

/// How long the mounts may take.
const DEADLINE: Duration = Duration::from_secs(20);
/// The host that this is.
pub const THIS: &str = "0a51a6d4-8d56-4f8e-9a30-5f1a3f6c7b11";
/// Another host of its pool.
pub const OTHER: &str = "0a51a6d4-8d56-4f8e-9a30-5f1a3f6c7b22";

/// Makes the root below `$0`, and keeps it until it is killed.
const MOUNT: &str = "\
set -e
mount --make-rprivate /
mount -t tmpfs lab $0
mkdir $0/upper $0/work $0/root
mount -t overlay lab -o lowerdir=/,upperdir=$0/upper,workdir=$0/work $0/root
for folder in dev proc sys; do mount --rbind /$folder $0/root/$folder; done
for folder in run tmp; do mount -t tmpfs lab $0/root/$folder; done
touch $0/ready
exec sleep infinity
";

/// A dom0; everything in it ends when this is dropped.
pub struct UpdateHost {
    holder: Child,
    folder: TempDir,
}

impl UpdateHost {
    /// A host of a release such as `8.2.1`, in a pool of so many hosts, with no pack and a toolstack that is up.
    ///
    /// # Panics
    /// If it cannot be made, which only root can.
    #[must_use]
    pub fn of_release(product_version: &str, pool: usize) -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|e| panic!("no temporary directory: {e}"));
        let holder = Command::new("unshare")
            .args(["--mount", "--", "sh", "-c", MOUNT])
            .arg(folder.path())
            .stdin(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("unshare cannot be run: {e}"));
        let host = Self { holder, folder };
        let end = Instant::now() + DEADLINE;
        while !host.seen("../ready").exists() {
            assert!(Instant::now() < end, "no simulated dom0 within {DEADLINE:?}; are the tests run as root?");
            thread::sleep(Duration::from_millis(10));
        }
        host.furnish(product_version, pool);
        host
    }

    fn furnish(&self, product_version: &str, pool: usize) {
        let platform = product_version.replacen('8', "3", 1).replacen('7', "2", 1);
        let inventory = format!(
            "PRODUCT_BRAND='XCP-ng'\nPRODUCT_VERSION='{product_version}'\nPLATFORM_NAME='XCP'\n\
             PLATFORM_VERSION='{platform}'\nINSTALLATION_UUID='{THIS}'\n"
        );
        self.put("/etc/xensource-inventory", &inventory, 0o644);
        let xe = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/xe_updates.py");
        let xe = fs::read_to_string(xe).unwrap_or_else(|e| panic!("clients/xe_updates.py: {e}"));
        self.put("/usr/bin/xe", &format!("#!/usr/bin/env python3\n{xe}"), 0o755);
        let hosts = [(THIS, "first"), (OTHER, "second")];
        let hosts: Vec<String> = hosts
            .iter()
            .take(pool)
            .map(|(uuid, name)| format!(r#""{uuid}": {{"name": "{name}", "updates": []}}"#))
            .collect();
        let state = format!(r#"{{"this": "{THIS}", "updates": {{}}, "hosts": {{{}}}}}"#, hosts.join(", "));
        self.put("/var/lib/xcp/updates.json", &state, 0o644);
        let package = self.inside("/root/release.rpm");
        fs::write(&package, release_package(product_version)).unwrap_or_else(|e| panic!("{}: {e}", package.display()));
        self.must("rm -rf /var/lib/rpm; mkdir -p /var/lib/rpm /var/update/applied /etc/pki/rpm-gpg; rpm --initdb");
        self.must("rpm -i --nodeps /root/release.rpm");
    }

    /// A file of the dom0 as the machine sees it.
    #[must_use]
    pub fn inside(&self, path: &str) -> PathBuf {
        self.seen(path.trim_start_matches('/'))
    }

    fn seen(&self, name: &str) -> PathBuf {
        let root = self.folder.path().join("root").join(name);
        PathBuf::from(format!("/proc/{}/root{}", self.holder.id(), root.display()))
    }

    /// Writes a file.
    ///
    /// # Panics
    /// If that fails.
    pub fn put(&self, path: &str, text: &str, mode: u32) {
        self.bring(path, text.as_bytes(), mode);
    }

    /// Copies a file of the machine into the root's home; its path there.
    ///
    /// # Panics
    /// If that fails.
    pub fn copy(&self, file: &Path) -> String {
        let bytes = fs::read(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let name =
            file.file_name().map_or_else(|| panic!("{} is no file", file.display()), |name| name.to_string_lossy());
        let path = format!("/root/{name}");
        self.bring(&path, &bytes, 0o755);
        path
    }

    fn bring(&self, path: &str, bytes: &[u8], mode: u32) {
        let file = self.inside(path);
        let done = (|| {
            fs::create_dir_all(file.parent().unwrap_or(&file))?;
            // In place of a link that leads out.
            let _ = fs::remove_file(&file);
            fs::write(&file, bytes)?;
            fs::set_permissions(&file, Permissions::from_mode(mode))
        })();
        done.unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    }

    /// A shell script, to be run by root.
    #[must_use]
    pub fn shell(&self, script: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--mount=/proc/{}/ns/mnt", self.holder.id())).arg("chroot");
        command.arg(self.folder.path().join("root")).args(["env", "-i", "HOME=/root", "LC_ALL=C.UTF-8", "TERM=dumb"]);
        command.args(["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "sh", "-c"]).arg(format!("cd /root\n{script}"));
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
    pub fn must(&self, script: &str) -> String {
        let said = self.run(script);
        assert!(said.success, "{script} failed:\n{}", said.text);
        said.text
    }

    /// Has XAPI go down at a command of `xe`, `before` or `after` it did it.
    pub fn break_at(&self, command: &str, when: &str) {
        self.put("/run/xapi/faults", &format!("{command} {when}\n"), 0o644);
    }

    /// XAPI is down.
    pub fn stop_xapi(&self) {
        self.put("/run/xapi/down", "", 0o644);
    }

    /// XAPI starts again: it reads the stamps (xen-api, `ocaml/xapi/xapi_pool_update.ml`, `resync_host`).
    ///
    /// # Panics
    /// If it cannot.
    pub fn start_xapi(&self) {
        self.must(&format!("rm -rf /run/xapi; xe update-resync-host host-uuid={THIS}"));
    }

    /// Every pack's package that is installed, sorted.
    ///
    /// # Panics
    /// If rpm fails.
    #[must_use]
    pub fn packages(&self) -> Vec<String> {
        let all = self.must("rpm -qa --qf '%{NAME}-%{VERSION}\\n'");
        let ours = all.lines().filter(|name| !name.starts_with("xcp-ng-release") && !name.starts_with("gpg-pubkey"));
        let mut ours: Vec<String> = ours.map(str::to_owned).collect();
        ours.sort();
        ours
    }

    /// Stamps of applied packs.
    ///
    /// # Panics
    /// If they cannot be listed.
    #[must_use]
    pub fn stamps(&self) -> Vec<String> {
        self.must("ls /var/update/applied").lines().map(str::to_owned).collect()
    }

    /// Uuids of the updates that XAPI knows, and how many images it has.
    ///
    /// # Panics
    /// If XAPI is down.
    #[must_use]
    pub fn records(&self) -> (Vec<String>, usize) {
        let known = self.must("xe update-list params=uuid --minimal");
        let known = known.trim().split(',').filter(|uuid| !uuid.is_empty()).map(str::to_owned).collect();
        (known, self.must("ls /var/lib/xcp/images 2>/dev/null || :").lines().count())
    }
}

impl Drop for UpdateHost {
    fn drop(&mut self) {
        // Either fails only when it has ended already. The mounts go with the namespace.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// What release packages of hosts provide, and what packs ask of the packages around them.
fn release_package(product_version: &str) -> Vec<u8> {
    let mut builder =
        PackageBuilder::new("xcp-ng-release", product_version, "GPLv2", "noarch", "Stand-in of a release package");
    builder.using_config(BuildConfig::v4().compression(CompressionType::Gzip).source_date(1_700_000_000_u32));
    builder.vendor("XCP-ng");
    for (name, version) in [("product-version", product_version), ("bash", "4.2.46"), ("coreutils", "8.22")] {
        builder.provides(Dependency::eq(name, version));
    }
    for name in ["/bin/sh", "/bin/bash"] {
        builder.provides(Dependency::any(name));
    }
    let mut bytes = Vec::new();
    let built = builder.build().and_then(|package| package.write(&mut bytes));
    built.unwrap_or_else(|e| panic!("no release package: {e}"));
    bytes
}
