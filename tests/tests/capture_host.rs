//! `pack/hosts/capture.sh` on a root with an RPM database, and `cargo xtask capture-host`, which brings it to a host.
#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it should be")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use lab::packs;
use lab::programs;
use lab::root::Root;
use lab::tools::{command, outcome, stdout_of, succeed};
use pack::dom0::capture::{Capture, GroupMode, InstalledPackage, PackageManager};
use pack::dom0::package::{Config, Dependency, FileKind};

const STAMP: &str = "0b1b4d4e-66b7-4d8b-9a3c-7a1e7f1c1f10";

/// Words that only this host has, and that no capture may have.
const SECRETS: [&str; 4] = ["secret-uuid", "10.1.2.3", "somehost.example.org", "hunter2"];

/// A host: packages by rpmbuild, and what else a capture takes along.
static HOST: LazyLock<Root> = LazyLock::new(|| {
    let root = Root::of_release("8.2.1");
    let folder = tempfile::tempdir().unwrap();
    let specfile = folder.path().join("captured.spec");
    fs::write(&specfile, include_str!("captured.spec")).unwrap();
    let topdir = format!("_topdir {}", folder.path().display());
    succeed(command("rpmbuild", ["-bb", "--define", &topdir, "--define", "_binary_payload w9.gzdio"]).arg(&specfile));
    let rpms = folder.path().join("RPMS/noarch");
    succeed(
        root.rpm()
            .args(["-i", "--nodeps"])
            .args([rpms.join("captured-1.2-4.el7.noarch.rpm"), rpms.join("bare-7-4.el7.noarch.rpm")]),
    );
    succeed(root.rpm().arg("--import").arg(packs::key_file("rsa4096-public")));

    let write = |path: &str, text: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(
        "etc/xensource-inventory",
        "PRODUCT_BRAND='XCP-ng'\nPRODUCT_VERSION='8.2.1'\nINSTALLATION_UUID='secret-uuid'\nMANAGEMENT_INTERFACE='xenbr0'\n\
         PLATFORM_VERSION='3.2.1'\nBUILD_NUMBER='release/yangtze/master/58'\nCURRENT_INTERFACES='10.1.2.3'\n",
    );
    write("etc/hostname", "somehost.example.org\n");
    write("etc/xensource/ptoken", "hunter2\n");
    write("opt/xensource/bin/xapi", "installonlypkgs=\n");
    root.add_program("yum", "");
    fs::rename(root.path().join("bin/yum"), root.path().join("usr/bin/yum")).unwrap();
    write(&format!("var/update/applied/{STAMP}"), "<update uuid='x'/>\n");
    write("var/update/applied/notes", "hunter2\n");
    write("usr/lib/systemd/system-preset/89-default.preset", "disable a.service\n");
    write("etc/systemd/system-preset/89-default.preset", "enable a.service\n");
    write("usr/lib/systemd/system-preset/90-masked.preset", "enable *\n");
    symlink("/dev/null", root.path().join("etc/systemd/system-preset/90-masked.preset")).unwrap();
    let format = "%{SHA1HEADER}-%{NAME}-%{VERSION}-%{RELEASE}-%{ARCH}";
    let id = stdout_of(root.rpm().args(["-q", "--qf", format, "captured"]));
    write(&format!("var/lib/yum/yumdb/c/{id}/group_member"), "update");
    write("var/lib/yum/yumdb/g/0123-gone-1-1-noarch/group_member", "update");
    root
});

fn script() -> PathBuf {
    packs::workspace().join("pack/hosts/capture.sh")
}

/// The script on that host, run by a shell.
fn run(shell: &str) -> Command {
    let mut run = command(shell, [script()]);
    run.env("CAPTURE_ROOT", HOST.path());
    run
}

fn capture_by(shell: &str) -> (Vec<u8>, Capture) {
    let said = outcome(&mut run(shell));
    assert!(said.success, "{}", said.text);
    let capture = Capture::parse("captured", &said.stdout[..]).unwrap();
    (said.stdout, capture)
}

fn installed<'c>(capture: &'c Capture, name: &str) -> &'c InstalledPackage {
    capture.packages.iter().find(|installed| installed.package.name == name).unwrap()
}

#[test]
fn a_capture_says_what_rpm_says_of_every_package() {
    for shell in ["dash", "bash"] {
        let (_, capture) = capture_by(shell);
        let all = stdout_of(HOST.rpm().args(["-qa", "--qf", "%{NAME}\\n"]));
        let mut names: Vec<&str> = all.lines().filter(|name| *name != "gpg-pubkey").collect();
        let mut captured: Vec<&str> = capture.packages.iter().map(|p| p.package.name.as_str()).collect();
        names.sort_unstable();
        captured.sort_unstable();
        assert_eq!(captured, names);
        assert!(capture.complete);
        for InstalledPackage { package, files_known, .. } in &capture.packages {
            let ask = |option: &str| {
                let mut lines: Vec<String> =
                    stdout_of(HOST.rpm().args(["-q", option, &package.name])).lines().map(str::to_owned).collect();
                lines.sort();
                lines
            };
            let shown = |list: &[Dependency]| {
                let mut lines: Vec<String> = list.iter().map(ToString::to_string).collect();
                lines.sort();
                lines
            };
            assert_eq!(shown(&package.provides), ask("--provides"));
            assert_eq!(shown(&package.requires), ask("--requires"));
            assert_eq!(shown(&package.conflicts), ask("--conflicts"));
            assert_eq!(shown(&package.obsoletes), ask("--obsoletes"));
            let nevra = stdout_of(HOST.rpm().args(["-q", "--qf", "%{NEVRA}", &package.name]));
            assert_eq!(package.to_string(), nevra);
            assert!(files_known);
            let dump = ask("--dump");
            let dump: Vec<&str> = dump.iter().map(String::as_str).filter(|line| line.starts_with('/')).collect();
            let mut files: Vec<String> = package.files.iter().map(|file| dumped(package, &file.path)).collect();
            files.sort();
            assert_eq!(files, dump.iter().map(|line| without_time(line)).collect::<Vec<_>>());
        }
    }
}

/// A line of `rpm --dump` without the time of the file: path, size, digest, mode, owner, group, configuration or not,
/// documentation or not (not captured), device, target.
fn without_time(line: &str) -> String {
    let fields: Vec<&str> = line.rsplitn(11, ' ').collect();
    let [target, _device, _doc, config, group, owner, mode, digest, _time, size, path] = fields[..] else {
        panic!("{line}");
    };
    let digest = digest.trim_start_matches('0');
    // The size of a folder or a ghost says nothing.
    let size = if mode.starts_with("010") && !digest.is_empty() { size } else { "" };
    [path, size, digest, mode, owner, group, config, target].join(" ")
}

/// A captured file in that form.
fn dumped(package: &pack::dom0::package::Package, path: &str) -> String {
    let file = package.files.iter().find(|file| file.path == path).unwrap();
    let (size, digest, target) = match &file.kind {
        FileKind::Regular { size, digest } => (size.to_string(), digest.clone().unwrap_or_default(), "X"),
        FileKind::Link(target) => (String::new(), String::new(), target.as_str()),
        _ => (String::new(), String::new(), "X"),
    };
    let config = if file.config == Config::No { "0" } else { "1" };
    let mode = format!("0{:o}", file.mode);
    [path, &size, digest.trim_start_matches('0'), &mode, &file.user, &file.group, config, target].join(" ")
}

#[test]
fn a_capture_tells_apart_files_that_upgrades_treat_differently() {
    let (_, capture) = capture_by("dash");
    let package = &installed(&capture, "captured").package;
    let of = |path: &str| package.files.iter().find(|file| file.path == path).unwrap();
    assert_eq!(of("/etc/captured/kept.conf").config, Config::NoReplace);
    assert_eq!(of("/etc/captured/replaced.conf").config, Config::Replace);
    assert_eq!(of("/etc/captured/Főtanúsítvány with spaces.pem").config, Config::No);
    assert_eq!(of("/var/log/captured.log").kind, FileKind::Ghost);
    assert_eq!(of("/usr/bin/captured-link").kind, FileKind::Link("captured".into()));
    assert_eq!((of("/usr/bin/captured").mode, of("/etc/captured").mode), (0o104_711, 0o040_700));
    assert_eq!((of("/usr/bin/captured").user.as_str(), of("/usr/bin/captured").group.as_str()), ("daemon", "mail"));
    assert_eq!(installed(&capture, "bare").package.files, []);
}

#[test]
fn a_capture_has_what_xapi_and_systemd_go_by() {
    let (_, capture) = capture_by("bash");
    assert_eq!((capture.name.as_str(), capture.product.as_str()), ("8.2.1", "XCP-ng 8.2.1"));
    assert_eq!((capture.package_manager, capture.group_mode), (PackageManager::Yum, GroupMode::Objects));
    assert!(capture.free_bytes.is_some_and(|bytes| bytes > 0));
    assert_eq!(
        capture.inventory.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>(),
        [
            "BUILD_NUMBER=release/yangtze/master/58",
            "PLATFORM_VERSION=3.2.1",
            "PRODUCT_BRAND=XCP-ng",
            "PRODUCT_VERSION=8.2.1"
        ]
    );
    assert_eq!(capture.applied.keys().map(ToString::to_string).collect::<Vec<_>>(), [STAMP]);
    assert_eq!(capture.applied.values().next().unwrap(), b"<update uuid='x'/>\n");
    let presets: Vec<_> = capture.presets.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(presets, [("89-default.preset", "enable a.service\n"), ("90-masked.preset", "")]);
    assert!(capture.presets_complete);
    assert_eq!(installed(&capture, "captured").group_member.as_deref(), Some("update"));
    assert_eq!(installed(&capture, "bare").group_member, None);
}

#[test]
fn a_capture_has_nothing_that_tells_who_the_host_is() {
    let (bytes, _) = capture_by("dash");
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("host.tar.gz"), bytes).unwrap();
    let text = succeed(command("tar", ["-xzOf", "host.tar.gz"]).current_dir(folder.path()));
    assert!(text.contains("PRODUCT_VERSION"));
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret}");
    }
    let listed = succeed(command("tar", ["-tvzf", "host.tar.gz"]).current_dir(folder.path()));
    assert!(listed.lines().all(|line| line.contains(" 0/0 ") && line.contains("1970-01-01")), "{listed}");
}

#[test]
fn a_capture_changes_nothing_on_the_host() {
    let before = HOST.files();
    capture_by("dash");
    assert_eq!(HOST.files(), before);
}

#[test]
fn a_capture_can_go_to_a_file_and_leaves_no_temporary_one() {
    let folder = tempfile::tempdir().unwrap();
    let temporary = folder.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    succeed(run("dash").arg("host.tar.gz").current_dir(folder.path()).env("TMPDIR", &temporary));
    assert!(Capture::read(&folder.path().join("host.tar.gz")).is_ok());
    assert_eq!(names(folder.path()), ["host.tar.gz", "tmp"]);
    assert_eq!(names(&temporary), Vec::<String>::new());
}

#[test]
fn a_newer_xapi_treats_groups_as_lists() {
    let root = Root::of_release("8.3.0");
    fs::create_dir_all(root.path().join("opt/xensource/bin")).unwrap();
    fs::write(root.path().join("opt/xensource/bin/xapi"), b"\0\x7fgroup_command=compat\0").unwrap();
    fs::write(root.path().join("etc/xensource-inventory"), "PRODUCT_VERSION='8.3.0'\n").unwrap();
    let manager = |name: &str| {
        let program = root.path().join("usr/bin").join(name);
        fs::write(&program, "").unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        let said = outcome(command("dash", [script()]).env("CAPTURE_ROOT", root.path()));
        let capture = Capture::parse("x", &said.stdout[..]).unwrap_or_else(|e| panic!("{e}: {}", said.text));
        (capture.package_manager, capture.group_mode)
    };
    assert_eq!(manager("yum"), (PackageManager::Yum, GroupMode::Compat));
    assert_eq!(manager("dnf"), (PackageManager::Dnf, GroupMode::Compat));
}

#[test]
fn what_is_no_host_is_refused_in_words() {
    let root = Root::of_release("8.2.1");
    let refused = |named: &str| {
        let said = outcome(command("dash", [script()]).env("CAPTURE_ROOT", root.path()));
        assert_eq!(said.code, Some(1), "{}", said.text);
        assert!(said.stdout.is_empty());
        assert!(said.text.contains(named), "{named}: {}", said.text);
    };
    refused("xensource-inventory");
    fs::write(root.path().join("etc/xensource-inventory"), "BUILD_NUMBER='1'\n").unwrap();
    refused("no PRODUCT_VERSION");
    fs::write(root.path().join("etc/xensource-inventory"), "PRODUCT_VERSION='8.2.1'\n").unwrap();
    refused("neither yum nor dnf");
}

#[test]
fn a_script_that_arrives_in_part_does_nothing() {
    let script = fs::read(script()).unwrap();
    let end = script.windows(4).rposition(|bytes| bytes == b"main").unwrap();
    for length in [end, script.len() / 2] {
        let folder = tempfile::tempdir().unwrap();
        let part = folder.path().join("part");
        fs::write(&part, &script[..length]).unwrap();
        let output = Command::new("dash")
            .arg("-s")
            .stdin(fs::File::open(part).unwrap())
            .env("CAPTURE_ROOT", HOST.path())
            .stderr(Stdio::null())
            .output()
            .unwrap();
        assert!(output.stdout.is_empty());
    }
}

/// `cargo xtask capture-host` with a stand-in of ssh, which runs commands here.
struct OverSsh {
    folder: tempfile::TempDir,
}

impl OverSsh {
    /// The stand-in runs `$command`, what it was given, by this shell text.
    fn that(runs: &str) -> OverSsh {
        let folder = tempfile::tempdir().unwrap();
        let (bin, work) = (folder.path().join("bin"), folder.path().join("work"));
        fs::create_dir(&bin).unwrap();
        fs::create_dir(work).unwrap();
        let script = format!("#!/bin/sh\necho \"$*\" >'{}/log'\ncommand=$4\n{runs}\n", folder.path().display());
        fs::write(bin.join("ssh"), script).unwrap();
        fs::set_permissions(bin.join("ssh"), Permissions::from_mode(0o755)).unwrap();
        OverSsh { folder }
    }

    /// The command, in an empty folder.
    fn xtask(&self, arguments: &[&str]) -> Command {
        let mut xtask = Command::new(programs::xtask());
        xtask.arg("capture-host");
        let path = format!("{}:{}", self.folder.path().join("bin").display(), std::env::var("PATH").unwrap());
        xtask.args(arguments).current_dir(self.work()).env("PATH", path).env("CAPTURE_ROOT", HOST.path());
        xtask
    }

    fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// How ssh was called.
    fn log(&self) -> Option<String> {
        fs::read_to_string(self.folder.path().join("log")).ok()
    }

    /// It fails with a code and a message that names these, and leaves nothing.
    fn refuses(&self, arguments: &[&str], code: i32, named: &[&str]) {
        let said = outcome(&mut self.xtask(arguments));
        assert_eq!(said.code, Some(code), "{}", said.text);
        let error = said.text.lines().find(|line| line.starts_with("error: ")).unwrap_or(&said.text);
        for name in named {
            assert!(error.contains(name), "{name}: {}", said.text);
        }
        assert_eq!(names(&self.work()), Vec::<String>::new());
    }
}

const RUN_IT: &str = "exec sh -c \"$command\"";

#[test]
fn a_host_is_captured_over_ssh() {
    let over_ssh = OverSsh::that(RUN_IT);
    let said = outcome(&mut over_ssh.xtask(&["root@host-1"]));
    assert!(said.success, "{}", said.text);
    assert_eq!(over_ssh.log().unwrap(), "-T -- root@host-1 sh -s\n");
    assert_eq!(names(&over_ssh.work()), ["host-1.tar.gz"]);
    let capture = Capture::read(&over_ssh.work().join("host-1.tar.gz")).unwrap();
    assert_eq!(installed(&capture, "captured").package.to_string(), "captured-3:1.2-4.el7.noarch");
    assert!(said.text.contains("host-1.tar.gz: XCP-ng 8.2.1, captured on a host at "), "{}", said.text);
    let elsewhere = over_ssh.folder.path().join("elsewhere.tar.gz");
    succeed(over_ssh.xtask(&["host-1", "--output"]).arg(&elsewhere));
    assert!(Capture::read(&elsewhere).is_ok());
}

#[test]
fn the_name_of_a_host_cannot_lead_to_another_folder() {
    let over_ssh = OverSsh::that(RUN_IT);
    succeed(&mut over_ssh.xtask(&["root@../[fe80::1]"]));
    assert_eq!(names(&over_ssh.work()), ["..__fe80__1_.tar.gz"]);
}

#[test]
fn an_ssh_that_fails_leaves_nothing_and_names_the_way_by_hand() {
    let over_ssh = OverSsh::that("echo 'no route to host' >&2; exit 255");
    over_ssh.refuses(&["nowhere"], 8, &["ssh nowhere", "--print-script"]);
}

#[test]
fn a_script_that_fails_on_the_host_is_told_from_an_ssh_that_fails() {
    let over_ssh = OverSsh::that("CAPTURE_ROOT=/nowhere; export CAPTURE_ROOT; exec sh -c \"$command\"");
    over_ssh.refuses(&["other"], 8, &["the capture of other", "exit status: 1"]);
}

#[test]
fn what_a_login_prints_is_not_taken_for_a_capture() {
    let over_ssh = OverSsh::that("echo Welcome; exec sh -c \"$command\"");
    over_ssh.refuses(&["chatty"], 10, &["what chatty sent", "\"Welcome\"", "ssh chatty true"]);
}

#[test]
fn a_capture_that_arrives_in_part_is_not_kept() {
    let over_ssh = OverSsh::that("sh -c \"$command\" | head -c 300");
    over_ssh.refuses(&["host"], 10, &["what host sent", "damaged"]);
    let over_ssh = OverSsh::that("exit 0");
    over_ssh.refuses(&["host"], 10, &["what host sent", "begins with \"\""]);
}

#[test]
fn a_failure_leaves_an_older_capture_as_it_is() {
    let over_ssh = OverSsh::that("exit 255");
    fs::write(over_ssh.work().join("host.tar.gz"), "older").unwrap();
    assert!(!outcome(&mut over_ssh.xtask(&["host"])).success);
    assert_eq!(names(&over_ssh.work()), ["host.tar.gz"]);
    assert_eq!(fs::read(over_ssh.work().join("host.tar.gz")).unwrap(), b"older");
}

#[test]
fn a_file_that_cannot_be_written_is_noticed_before_ssh_asks_for_anything() {
    let over_ssh = OverSsh::that(RUN_IT);
    over_ssh.refuses(&["host", "--output", "/proc/nothing/host.tar.gz"], 7, &["/proc"]);
    over_ssh.refuses(&["host", "--output", "/tmp"], 7, &["/tmp"]);
    assert_eq!(over_ssh.log(), None);
}

#[test]
fn an_interrupted_capture_leaves_nothing() {
    let over_ssh = OverSsh::that("exec sleep 600");
    let mut xtask = over_ssh.xtask(&["host"]).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while over_ssh.log().is_none() {
        assert!(Instant::now() < deadline, "ssh is not called");
        std::thread::yield_now();
    }
    succeed(&mut command("kill", ["-INT", &xtask.id().to_string()]));
    assert_eq!(xtask.wait().unwrap().code(), Some(130));
    assert_eq!(names(&over_ssh.work()), Vec::<String>::new());
}

#[test]
fn the_script_can_be_carried_by_hand() {
    let over_ssh = OverSsh::that("exit 255");
    assert_eq!(outcome(&mut over_ssh.xtask(&["--print-script"])).stdout, fs::read(script()).unwrap());
    let usage = outcome(&mut over_ssh.xtask(&[]));
    assert_eq!(usage.code, Some(2), "{}", usage.text);
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
