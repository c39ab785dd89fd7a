//! Packages from a few words, built by `rpmbuild`: all of a set in one go.
//!
//! Words: `NAME VERSION` begins a package; then, a line each: a tag of the spec (`Requires: b`), a file (below), `traced`
//! (every scriptlet writes down that it runs), or more for a scriptlet (`%pre exit 1`).
//!
//! Files: `file`, `config`, `noreplace`, `ghost` and `ghostconfig` with `MODE PATH TEXT`, `dir` and `ghostdir` with `MODE
//! PATH`, `link` and `configlink` with `PATH TARGET`, `same PATH OTHER` for one more name of a file. The mode may have a
//! user and a group: `0640,daemon,bin`.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use lab::packs::EPOCH;
use lab::tools::{command, stdout_of, succeed};

/// Where traced scriptlets write.
pub(crate) const TRACE: &str = "/var/log/trace";

/// Names of all scriptlets, as a spec has them.
const MOMENTS: [&str; 6] = ["%pretrans", "%pre", "%post", "%preun", "%postun", "%posttrans"];

/// Built packages.
pub(crate) struct Packages {
    pub(crate) files: Vec<PathBuf>,
    _folder: tempfile::TempDir,
}

/// Builds packages, unless that was done before.
pub(crate) fn build(texts: &[&str]) -> Arc<Packages> {
    type Built = HashMap<String, Arc<OnceLock<Arc<Packages>>>>;
    static BUILT: LazyLock<Mutex<Built>> = LazyLock::new(Mutex::default);
    let cell = Arc::clone(BUILT.lock().unwrap().entry(texts.join("\n")).or_default());
    Arc::clone(cell.get_or_init(|| Arc::new(rpmbuild(&spec(texts)))))
}

fn rpmbuild(spec: &str) -> Packages {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("packages.spec");
    fs::write(&file, spec).unwrap();
    let mut build = command("rpmbuild", ["-bb", "--quiet", "--define"]);
    build.env("SOURCE_DATE_EPOCH", EPOCH.to_string()).arg(format!("_topdir {}", folder.path().display()));
    // What EL 7 writes by default, where today's default is another.
    for define in [
        "_binary_payload w9.gzdio",
        "_binary_filedigest_algorithm 8",
        "_build_id_links none",
        "__os_install_post %{nil}",
    ] {
        build.args(["--define", define]);
    }
    succeed(build.arg(&file));
    let found = stdout_of(command("find", [folder.path().join("RPMS")]).args(["-name", "*.rpm"]));
    let mut files: Vec<PathBuf> = found.lines().map(PathBuf::from).collect();
    files.sort();
    Packages { files, _folder: folder }
}

/// A spec with a package in it for each text.
fn spec(texts: &[&str]) -> String {
    let mut install = String::new();
    let mut sections = String::new();
    for text in texts {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let (name, version) = lines.next().unwrap().split_once(' ').unwrap();
        let mut tags = format!("Version: {version}\nRelease: 1\nSummary: {name}\n");
        let mut files = String::new();
        let mut scripts: BTreeMap<&str, String> = BTreeMap::new();
        for line in lines {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            if word == "traced" {
                for moment in MOMENTS {
                    *scripts.entry(moment).or_default() += &format!("echo \"{name} %{moment} $1\" >> {TRACE}\n");
                }
            } else if word.starts_with('%') {
                *scripts.entry(word).or_default() += &format!("{rest}\n");
            } else if word.ends_with(':') {
                tags += &format!("{line}\n");
            } else {
                file(word, rest, &mut install, &mut files);
            }
        }
        write!(sections, "%package -n {name}\n{tags}%description -n {name}\n-\n%files -n {name}\n{files}").unwrap();
        for (moment, body) in scripts {
            write!(sections, "{moment} -n {name}\n{body}").unwrap();
        }
    }
    format!(
        "Name: lab\nVersion: 1\nRelease: 1\nSummary: -\nLicense: MIT\nBuildArch: noarch\nAutoReqProv: no\n\
         %description\n-\n%install\nset -e\n{install}{sections}"
    )
}

/// What makes a file in the build root, and its line in the list of files.
fn file(word: &str, rest: &str, install: &mut String, files: &mut String) {
    let (first, rest) = rest.split_once(' ').unwrap();
    if ["link", "configlink", "same"].contains(&word) {
        let make = if word == "same" { format!("ln %{{buildroot}}{rest}") } else { format!("ln -sfn {rest}") };
        let flag = if word == "configlink" { "%config " } else { "" };
        write!(install, "mkdir -p $(dirname %{{buildroot}}{first})\n{make} %{{buildroot}}{first}\n").unwrap();
        writeln!(files, "{flag}{first}").unwrap();
        return;
    }
    let (path, text) = rest.split_once(' ').unwrap_or((rest, ""));
    let mut owner = first.split(',');
    let mode = owner.next().unwrap();
    let (user, group) = (owner.next().unwrap_or("root"), owner.next().unwrap_or("root"));
    let flag = match word {
        "file" => "",
        "config" => "%config ",
        "noreplace" => "%config(noreplace) ",
        "ghost" => "%ghost ",
        "ghostconfig" => "%ghost %config ",
        "dir" => "%dir ",
        "ghostdir" => "%ghost %dir ",
        other => panic!("{other}?"),
    };
    let make = match word {
        "dir" | "ghostdir" => format!("mkdir -p %{{buildroot}}{path}"),
        _ => format!("printf '%s\\n' '{text}' > %{{buildroot}}{path}"),
    };
    write!(install, "mkdir -p $(dirname %{{buildroot}}{path})\n{make}\n").unwrap();
    writeln!(files, "%attr({mode},{user},{group}) {flag}{path}").unwrap();
}
