//! Two hosts that begin alike: a root for real rpm, and one of the rehearsal. What is done to one is done to the other, and
//! afterwards they are compared.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use lab::root::Root;
use lab::tools::{command, outcome, stdout_of};
use pack::dom0::capture::{Capture, GroupMode, InstalledPackage, PackageManager};
use pack::dom0::package::{Config, FileKind, Package, PackagedFile};
use pack::dom0::{Entry, Kind, Trial};
use pack::rpm::{Rpm, Source};
use sha2::{Digest, Sha256};

use crate::packages::{self, TRACE};

/// These, and what is below, must be the same on both; the rehearsal gives its hosts more elsewhere. Traces are compared
/// by line.
const COMPARED: [&str; 2] = ["/etc/lab", "/opt"];
/// One of the host's own programs, which the rehearsal plays.
const OF_THE_HOST: &str = "/opt/xensource";

pub(crate) struct Twins {
    pub(crate) real: Root,
    pub(crate) rehearsed: Trial,
}

/// A host with nothing but the stand-in of a release's package.
pub(crate) fn bare_host(product_version: &str) -> Capture {
    let mut release = Package::new("xcp-ng-release", format!("{product_version}-1").parse().unwrap(), "noarch");
    for provided in [format!("product-version = {product_version}"), "/bin/sh".into()] {
        release.provides.push(provided.parse().unwrap());
    }
    release.files.push(PackagedFile {
        path: "/etc/xcp-ng-release".into(),
        mode: 0o100_644,
        user: "root".into(),
        group: "root".into(),
        kind: FileKind::Regular {
            size: product_version.len() as u64,
            digest: Some(format!("{:x}", Sha256::digest(product_version))),
        },
        config: Config::No,
    });
    Capture {
        name: product_version.into(),
        product: "a root of the lab".into(),
        origin: "lab::root".into(),
        packages: vec![InstalledPackage { package: release, files_known: true, group_member: None }],
        complete: true,
        package_manager: PackageManager::Dnf,
        group_mode: GroupMode::Compat,
        free_bytes: None,
        inventory: BTreeMap::new(),
        applied: BTreeMap::new(),
        presets: BTreeMap::new(),
        presets_complete: true,
    }
}

impl Twins {
    pub(crate) fn new() -> Twins {
        Twins::of_release("8.2.1")
    }

    pub(crate) fn of_release(product_version: &str) -> Twins {
        let real = Root::of_release(product_version);
        fs::create_dir(real.path().join("opt")).unwrap();
        Twins { real, rehearsed: Trial::on(&bare_host(product_version)).unwrap() }
    }

    /// Both install packages or upgrade to them, and must agree on whether that fails; whether it went well, and what real
    /// rpm said.
    pub(crate) fn install(&mut self, texts: &[&str]) -> (bool, String) {
        let (done, real, _) = self.try_install(texts);
        (done, real)
    }

    /// The same, and what the rehearsed package manager said.
    pub(crate) fn try_install(&mut self, texts: &[&str]) -> (bool, String, String) {
        let packages = packages::build(texts);
        let real = outcome(self.real.rpm().args(["-U", "--nosignature"]).args(&packages.files));
        let read = |file: &PathBuf| Rpm::read(Source::open(file).unwrap()).unwrap();
        let rpms: Vec<Rpm> = packages.files.iter().map(read).collect();
        let rehearsed = self.rehearsed.install(&rpms).unwrap();
        assert_eq!(rehearsed.is_ok(), real.success, "rpm: {}\nrehearsal: {rehearsed:?}", real.text);
        (real.success, real.text, rehearsed.err().unwrap_or_default())
    }

    /// Both install, well, and agree.
    pub(crate) fn take(&mut self, texts: &[&str]) {
        let (done, said) = self.install(texts);
        assert!(done, "{said}");
        self.agree();
    }

    /// Both erase, and must agree on whether that fails, and on what is left.
    pub(crate) fn erase(&mut self, names: &[&str]) -> bool {
        let real = outcome(self.real.rpm().arg("-e").args(names));
        let rehearsed = self.rehearsed.erase(names);
        assert_eq!(rehearsed.is_ok(), real.success, "rpm: {}\nrehearsal: {rehearsed:?}", real.text);
        self.agree();
        real.success
    }

    /// The administrator writes a file on both.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let real = self.real.path().join(&path[1..]);
        fs::create_dir_all(real.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&real);
        fs::write(&real, text).unwrap();
        fs::set_permissions(real, Permissions::from_mode(0o644)).unwrap();
        self.rehearsed.write(path, 0o644, text.as_bytes()).unwrap();
    }

    /// The administrator removes a file on both.
    pub(crate) fn remove(&self, path: &str) {
        fs::remove_file(self.real.path().join(&path[1..])).unwrap();
        self.rehearsed.remove(path).unwrap();
    }

    /// What scriptlets wrote down, on both.
    pub(crate) fn trace(&self) -> Vec<String> {
        let trace = self.rehearsed.read(TRACE).unwrap_or_default();
        String::from_utf8(trace).unwrap().lines().map(str::to_owned).collect()
    }

    /// What is compared of the rehearsed host, by path.
    pub(crate) fn paths(&self) -> Vec<String> {
        rehearsed_files(&self.rehearsed)
            .into_iter()
            .filter_map(|line| line.split(' ').next().map(str::to_owned))
            .collect()
    }

    /// Both must have the same files, packages, owners, and have run the same scriptlets.
    pub(crate) fn agree(&self) {
        let real = fs::read_to_string(self.real.path().join(&TRACE[1..])).unwrap_or_default();
        let real: Vec<String> = real.lines().map(as_4_11_counts).collect();
        assert_eq!(self.trace(), real, "scriptlets: rehearsed, then real");
        assert_eq!(rehearsed_files(&self.rehearsed), real_files(self.real.path()), "files: rehearsed, then real");
        assert_eq!(rehearsed_packages(&self.rehearsed), real_packages(&self.real), "packages: rehearsed, then real");
    }
}

/// A line of the trace with the argument that rpm 4.11 gives: 0 for the scriptlets around a transaction (`lib/psm.c`,
/// `rpmpsmRun`). Newer ones count packages for them as well.
pub(crate) fn as_4_11_counts(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let around = words.iter().position(|word| ["%pretrans", "%posttrans"].contains(word));
    let argument = around.map(|moment| moment + 1);
    let word = |(at, word): (usize, &&str)| if Some(at) == argument { "0".to_owned() } else { (*word).to_owned() };
    words.iter().enumerate().map(word).collect::<Vec<_>>().join(" ")
}

fn is_compared(path: &str) -> bool {
    let is_below =
        |folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    COMPARED.into_iter().any(is_below) && !is_below(OF_THE_HOST)
}

/// The rehearsal puts no setuid and setgid bits on disk, for they would be real: those are compared by header.
const PERMISSIONS: u32 = 0o1777;

/// `PATH MODE KIND`, for every file.
pub(crate) fn rehearsed_files(host: &Trial) -> Vec<String> {
    let line = |entry: Entry| {
        let kind = match entry.kind {
            Kind::File { size, sha256 } => format!("file of {size} bytes {}", sha256.unwrap()),
            Kind::Folder => "folder".into(),
            Kind::Link(target) => format!("link to {}", target.display()),
            Kind::Other => "something else".into(),
        };
        let path = entry.path.to_str().unwrap().to_owned();
        is_compared(&path).then(|| format!("{path} {:04o} {kind}", entry.mode & PERMISSIONS))
    };
    host.files().unwrap().into_iter().filter_map(line).collect()
}

/// The same of a real root.
pub(crate) fn real_files(root: &Path) -> Vec<String> {
    let format = "/%P\\t%m\\t%y\\t%s\\t%l\\n";
    let found = stdout_of(command("find", ["."]).current_dir(root).args(["-mindepth", "1", "-printf", format]));
    let mut files: Vec<(PathBuf, String)> = Vec::new();
    for line in found.lines() {
        let [path, mode, kind, size, target] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        if !is_compared(path) {
            continue;
        }
        let kind = match kind {
            "f" => {
                let digest = Sha256::digest(fs::read(root.join(&path[1..])).unwrap());
                format!("file of {size} bytes {digest:x}")
            }
            "d" => "folder".into(),
            "l" => format!("link to {target}"),
            _ => "something else".into(),
        };
        let mode = u32::from_str_radix(mode, 8).unwrap();
        files.push((path.into(), format!("{path} {:04o} {kind}", mode & PERMISSIONS)));
    }
    files.sort();
    files.into_iter().map(|(_, line)| line).collect()
}

/// `NAME-VERSION PATH MODE USER:GROUP`, for every file of every package.
fn rehearsed_packages(host: &Trial) -> Vec<String> {
    let mut lines = Vec::new();
    for package in host.packages().filter(|package| package.name != "xcp-ng-release") {
        let name = format!("{}-{}", package.name, package.evr.version);
        lines.push(name.clone());
        lines.extend(package.files.iter().map(|f| format!("{name} {} {:o} {}:{}", f.path, f.mode, f.user, f.group)));
    }
    lines.sort();
    lines
}

/// The same of a real root.
fn real_packages(root: &Root) -> Vec<String> {
    let format = "%{NAME}-%{VERSION}\\n[%{=NAME}-%{=VERSION} %{FILENAMES} %{FILEMODES:octal} \
                  %{FILEUSERNAME}:%{FILEGROUPNAME}\\n]";
    let all = stdout_of(root.rpm().args(["-qa", "--qf", format]));
    let ours = all.lines().filter(|line| !line.starts_with("xcp-ng-release") && !line.starts_with("gpg-pubkey"));
    let mut lines: Vec<String> = ours.map(str::to_owned).collect();
    lines.sort();
    lines
}
