//! A host's root folder with an RPM database, on which real rpm and dnf do what XAPI has yum do.
//!
//! The release package is a stand-in with the Provides of xcp-ng-release; `systemctl` is one that writes down its calls.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rpm::{BuildConfig, Dependency, FileMode, FileOptions, PackageBuilder};

use crate::tools::{command, fail, outcome, succeed};

/// Folders that every host has and that matter here.
const FOLDERS: [&str; 18] = [
    "bin",
    "dev",
    "etc/logrotate.d",
    "etc/pki/rpm-gpg",
    // Of the host's package filesystem.
    "usr/share/man/man5",
    "usr/share/man/man8",
    "etc/xapi.d/plugins",
    "etc/xensource/bugtool",
    "proc",
    "run",
    "tmp",
    "usr/bin",
    "usr/lib/systemd/system",
    "usr/lib/systemd/system-preset",
    "usr/share/doc",
    "var/lib/rpm",
    "var/log",
    "var/update/applied",
];

/// A root folder of a host.
pub struct Root {
    folder: tempfile::TempDir,
}

impl Root {
    /// A root of a release such as `8.2.1`, with a shell and an empty RPM database but for the release package.
    ///
    /// # Panics
    /// If rpm fails.
    pub fn of_release(product_version: &str) -> Root {
        let root = Root { folder: tempfile::tempdir().expect("a folder") };
        for folder in FOLDERS {
            fs::create_dir_all(root.path().join(folder)).expect("made");
        }
        fs::copy("/bin/busybox", root.path().join("bin/busybox")).expect("busybox-static is installed");
        for applet in ["sh", "mkdir", "rm", "rmdir", "printf", "basename", "dirname", "id", "cat"] {
            std::os::unix::fs::symlink("busybox", root.path().join("bin").join(applet)).expect("linked");
        }
        succeed(root.rpm().arg("--initdb"));
        let package = root.path().join("tmp/release.rpm");
        fs::write(&package, release_package(product_version)).expect("written");
        succeed(root.rpm().args(["-i", "--nodeps"]).arg(&package));
        fs::remove_file(package).expect("removed");
        root
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Makes it look like a running host whose XAPI is up: from now on calls of `systemctl` are written down.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn run_systemd(&self) {
        fs::create_dir_all(self.path().join("run/systemd/system")).expect("made");
        self.add_program("systemctl", "echo \"$*\" >> /systemctl.log\n");
    }

    /// A program in the root: a shell script with this text.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn add_program(&self, name: &str, script: &str) {
        let program = self.path().join("bin").join(name);
        fs::write(&program, format!("#!/bin/sh\n{script}")).expect("written");
        fs::set_permissions(program, Permissions::from_mode(0o755)).expect("set");
    }

    /// The calls of `systemctl` since the last look.
    pub fn systemctl_calls(&self) -> Vec<String> {
        let log = self.path().join("systemctl.log");
        let calls = fs::read_to_string(&log).unwrap_or_default().lines().map(str::to_owned).collect();
        let _ = fs::remove_file(log);
        calls
    }

    /// `rpm --root`.
    pub fn rpm(&self) -> Command {
        let mut rpm = command("rpm", ["--root"]);
        rpm.arg(self.path());
        rpm
    }

    /// Runs a command in the root, as a chroot.
    pub fn chroot(&self, arguments: &[&str]) -> Command {
        let mut chroot = command("chroot", [self.path()]);
        chroot.args(arguments).env_clear().env("PATH", "/usr/sbin:/sbin:/bin:/usr/bin");
        chroot
    }

    /// Names and versions of the installed packages of a pack.
    ///
    /// # Panics
    /// If rpm fails.
    pub fn installed(&self) -> Vec<String> {
        let all = succeed(self.rpm().args(["-qa", "--qf", "%{NAME}-%{VERSION}\\n"]));
        let mut ours: Vec<String> =
            all.lines().filter(|name| name.contains("xscontainer")).map(str::to_owned).collect();
        ours.sort();
        ours
    }

    /// Every path in the root but those that rpm and dnf make for themselves.
    ///
    /// # Panics
    /// If it cannot be listed.
    pub fn files(&self) -> Vec<String> {
        let script = "find . -path ./root -prune -o -path ./dev -prune -o -path ./tmp -prune -o -path ./var/lib/dnf -prune -o -path ./etc/dnf -prune -o -path ./var/tmp -prune -o -print | LC_ALL=C sort";
        succeed(Command::new("sh").args(["-c", script]).current_dir(self.path())).lines().map(str::to_owned).collect()
    }

    /// Makes the host trust a key for packages, as `import-update-key` does.
    ///
    /// # Panics
    /// If it cannot be copied.
    pub fn trust(&self, key: &Path) {
        let name = key.file_name().expect("a file");
        fs::copy(key, self.path().join("etc/pki/rpm-gpg").join(name)).expect("copied");
    }

    /// Installs or upgrades with dnf from a repository, with the configuration that XAPI writes for a pack
    /// (xen-api, `ocaml/xapi/xapi_pool_update.ml`).
    pub fn dnf(&self, repository: &Repository, arguments: &[&str]) -> Dnf {
        let conf = self.path().join("tmp/yum.conf");
        let text = format!(
            "[main]\nkeepcache=0\nreposdir=/dev/null\ngpgcheck=1\nrepo_gpgcheck=1\ninstallonlypkgs=\n\
             [xscontainer]\nname=xscontainer\nbaseurl={}\ngpgkey=file://{}/etc/pki/rpm-gpg/RPM-GPG-KEY-xscontainer\n",
            repository.url,
            self.path().display()
        );
        fs::write(&conf, text).expect("written");
        let mut dnf = command(
            "dnf",
            ["-y", "--noplugins", "--releasever=7", "--forcearch=x86_64", "--setopt=reposdir=/dev/null"],
        );
        for (option, folder) in [("cachedir", "tmp/cache"), ("logdir", "tmp"), ("persistdir", "tmp/persist")] {
            dnf.arg(format!("--setopt={option}={}", self.path().join(folder).display()));
        }
        dnf.arg(format!("--installroot={}", self.path().display())).arg("-c").arg(conf);
        let mut clean = command("dnf", dnf.get_args());
        succeed(clean.args(["clean", "all"]));
        dnf.args(arguments);
        Dnf(dnf)
    }
}

/// A call of dnf.
pub struct Dnf(Command);

impl Dnf {
    /// It must succeed; what it said.
    pub fn succeed(mut self) -> String {
        succeed(&mut self.0)
    }

    /// It must fail; what it said.
    pub fn fail(mut self) -> String {
        fail(&mut self.0)
    }
}

/// A pack's content, served over HTTP as XAPI serves it.
pub struct Repository {
    url: String,
    server: Child,
}

impl Repository {
    /// Serves a folder on a free port of the loopback address.
    ///
    /// # Panics
    /// If the server does not start.
    pub fn serve(folder: &Path) -> Repository {
        use std::io::{BufRead, BufReader};
        let mut server = command("python3", ["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory"])
            .arg(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("python3 is installed");
        let mut line = String::new();
        let stdout = server.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("the server says its port");
        let port = line.split_whitespace().nth(5).expect("Serving HTTP on 127.0.0.1 port N").to_owned();
        Repository { url: format!("http://127.0.0.1:{port}"), server }
    }
}

impl Drop for Repository {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// What release packages of hosts provide (xcp-ng-rpms/xcp-ng-release, `xcp-ng-release.spec`).
fn release_package(product_version: &str) -> Vec<u8> {
    let mut builder =
        PackageBuilder::new("xcp-ng-release", product_version, "GPLv2", "noarch", "Stand-in of a release package");
    builder.using_config(BuildConfig::v4().compression(rpm::CompressionType::Gzip).source_date(1_700_000_000_u32));
    for (name, version) in [("product-version", product_version), ("platform-name", "XCP"), ("xs-presets", "1.3")] {
        builder.provides(Dependency::eq(name, version));
    }
    builder.provides(Dependency::any("/bin/sh"));
    builder
        .with_file_contents(product_version, FileOptions::new("/etc/xcp-ng-release").mode(FileMode::regular(0o644)))
        .expect("a file");
    let mut bytes = Vec::new();
    builder.build().expect("built").write(&mut bytes).expect("written");
    bytes
}

/// A home of GnuPG that trusts one key as `import-update-key` makes a host trust it.
pub struct Keyring {
    home: tempfile::TempDir,
}

impl Keyring {
    /// A fresh home; `trusted` as the documented commands by hand make it.
    ///
    /// # Panics
    /// If gpg fails.
    pub fn new(key: &Path, fingerprint: &str, trusted: bool) -> Keyring {
        let keyring = Keyring { home: tempfile::tempdir().expect("a folder") };
        fs::set_permissions(keyring.home.path(), Permissions::from_mode(0o700)).expect("set");
        succeed(keyring.gpg().arg("--import").arg(key));
        if trusted {
            let line = format!(
                "echo {fingerprint}:6: | gpg --homedir {} --batch --import-ownertrust",
                keyring.home.path().display()
            );
            succeed(&mut command("sh", ["-c", &line]));
        }
        keyring
    }

    fn gpg(&self) -> Command {
        let mut gpg = command("gpg", ["--batch", "--homedir"]);
        gpg.arg(self.home.path());
        gpg
    }

    /// The status lines of `gpg --verify` as XAPI reads them (xen-api, `ocaml/xapi/gpg.ml`), and whether it ended with 0.
    pub fn verify(&self, signature: &Path, file: &Path) -> (bool, String) {
        let said = outcome(self.gpg().args(["--status-fd", "1", "--verify"]).arg(signature).arg(file));
        (said.success, said.text)
    }
}

impl Drop for Keyring {
    fn drop(&mut self) {
        let _ = outcome(command("gpgconf", ["--homedir"]).arg(self.home.path()).args(["--kill", "all"]));
    }
}
