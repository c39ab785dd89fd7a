//! The documents that say what is in a pack and where it comes from, held to others' words: the official schema, cargo, rpm,
//! sha256sum. And the package of `suppack`, read by rpm, mandoc and shells.
#![expect(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it should be")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use lab::tools::{command, content_of, outcome, stdout_of, succeed};
use lab::{packs, programs};
use serde_json::Value;

/// The content of the pack of this tree.
static TREE: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    packs::extract(&programs::iso(), folder.path());
    folder
});

fn beside(suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}.{suffix}", programs::iso().display()))
}

fn json(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// SHA-256 by path below a folder, as sha256sum tells it.
fn digests(folder: &Path) -> BTreeMap<String, String> {
    let lines = content_of(folder);
    let pairs = lines.iter().map(|line| line.split_once("  ./").unwrap());
    pairs.map(|(digest, path)| (path.to_owned(), digest.to_owned())).collect()
}

fn sha256(file: &Path) -> String {
    stdout_of(command("sha256sum", ["--binary"]).arg(file)).split_whitespace().next().unwrap().to_owned()
}

/// What the official schema of CycloneDX 1.6, strictly read, says of documents.
fn validate(files: &[&Path]) -> lab::tools::Said {
    const SCRIPT: &str = "
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
validator = JsonStrictValidator(SchemaVersion.V1_6)
for name in sys.argv[1:]:
    error = validator.validate_str(open(name, encoding='utf-8').read())
    if error:
        sys.exit(f'{name}: {error}')
";
    outcome(Command::new(programs::python()).args(["-c", SCRIPT]).args(files))
}

#[test]
fn the_bill_of_materials_keeps_to_the_official_schema() {
    let (inside, beside) = (TREE.path().join("sbom.cdx.json"), beside("cdx.json"));
    let said = validate(&[&inside, &beside]);
    assert!(said.success, "{}", said.text);
    // The validator is no yes-man.
    let broken = TREE.path().with_extension("broken.json");
    fs::write(&broken, fs::read_to_string(&inside).unwrap().replacen("\"SHA-256\"", "\"SHA-25\"", 1)).unwrap();
    let said = validate(&[&broken]);
    fs::remove_file(&broken).unwrap();
    assert!(!said.success && said.text.contains("SHA-25"), "{}", said.text);
    assert_eq!(json(&beside)["metadata"]["component"]["hashes"][0]["content"], sha256(&programs::iso()));
    assert_ne!(json(&beside)["serialNumber"], json(&inside)["serialNumber"]);
}

fn components(bom: &Value, kind: &str) -> Vec<Value> {
    let all = bom["components"].as_array().unwrap().iter();
    all.filter(|component| component["purl"].as_str().unwrap().starts_with(kind)).cloned().collect()
}

#[test]
fn packages_are_what_rpm_says_of_them() {
    let bom = json(&TREE.path().join("sbom.cdx.json"));
    let digests = digests(TREE.path());
    let files: Vec<&String> = digests.keys().filter(|path| path.starts_with("Packages/")).collect();
    let components = components(&bom, "pkg:rpm/");
    assert_eq!(components.len(), files.len());
    for path in files {
        let query = "%{NAME}\n%{VERSION}-%{RELEASE}\n%{ARCH}\n%{LICENSE}\n%{VENDOR}\n";
        let said = stdout_of(command("rpm", ["-qp", "--nosignature", "--qf", query]).arg(TREE.path().join(path)));
        let [name, version, arch, licence, vendor] = said.lines().collect::<Vec<_>>()[..] else { panic!("{said}") };
        let component = components.iter().find(|component| component["name"] == name).unwrap();
        assert_eq!(component["version"], version);
        assert_eq!(component["licenses"][0]["expression"], licence);
        assert_eq!(component["supplier"]["name"], vendor);
        assert_eq!(component["hashes"][0]["content"].as_str(), Some(digests[path].as_str()));
        let purl = format!("pkg:rpm/{name}@{version}?arch={arch}");
        assert_eq!(component["purl"].as_str(), Some(purl.as_str()));
    }
    // update-xscontainer needs both others.
    let update = components.iter().find(|component| component["name"] == "update-xscontainer").unwrap();
    let dependencies = bom["dependencies"].as_array().unwrap();
    let needs = dependencies.iter().find(|dependency| dependency["ref"] == update["bom-ref"]).unwrap();
    assert_eq!(needs["dependsOn"].as_array().unwrap().len(), 2, "{needs:#}");
}

/// Crates that the agent reaches by dependencies of which something may be in the program, by name and version, as `cargo
/// metadata` tells it: features of the whole workspace together, so some are too many.
fn reachable() -> BTreeSet<(String, String)> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(packs::workspace()).args(["metadata", "--locked", "--format-version", "1"]);
    cargo.args(["--filter-platform", "x86_64-unknown-linux-gnu"]);
    let metadata: Value = serde_json::from_str(&stdout_of(&mut cargo)).unwrap();
    let nodes: BTreeMap<String, Value> =
        metadata["resolve"]["nodes"].as_array().unwrap().iter().map(|node| (text(&node["id"]), node.clone())).collect();
    let packages: BTreeMap<String, &Value> =
        metadata["packages"].as_array().unwrap().iter().map(|package| (text(&package["id"]), package)).collect();
    let agent = packages.iter().find(|(_, package)| package["name"] == "agent").unwrap().0.clone();
    let (mut seen, mut waiting) = (BTreeSet::new(), vec![agent]);
    while let Some(id) = waiting.pop() {
        if !seen.insert(id.clone()) {
            continue;
        }
        let deps = nodes[&id]["deps"].as_array().unwrap().iter();
        let normal = deps.filter(|dep| dep["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"].is_null()));
        waiting.extend(normal.map(|dep| text(&dep["pkg"])));
    }
    seen.iter().map(|id| (text(&packages[id]["name"]), text(&packages[id]["version"]))).collect()
}

#[test]
fn crates_are_those_of_the_program_and_no_others() {
    let bom = json(&TREE.path().join("sbom.cdx.json"));
    let named = |component: &Value| (text(&component["name"]), text(&component["version"]));
    let crates: BTreeSet<_> = components(&bom, "pkg:cargo/").iter().map(named).collect();
    let reachable = reachable();
    let strangers: Vec<_> = crates.difference(&reachable).collect();
    assert!(strangers.is_empty(), "{strangers:?}");
    assert!(!crates.iter().any(|(name, _)| ["proptest", "clap_derive", "serde_derive"].contains(&name.as_str())));

    // The program names the sources of what can panic in it: each of those crates is told of.
    let program = String::from_utf8_lossy(&fs::read(programs::agent()).unwrap()).into_owned();
    let mut in_program = BTreeSet::new();
    for path in program.split("/cargo/registry/src/").skip(1) {
        let folder = path.split('/').nth(1).unwrap_or_default();
        let at = folder
            .match_indices('-')
            .map(|(at, _)| at)
            .find(|at| folder[at + 1..].starts_with(|c: char| c.is_ascii_digit()));
        let Some(at) = at else { continue };
        in_program.insert((folder[..at].to_owned(), folder[at + 1..].to_owned()));
    }
    assert!(in_program.len() > 20, "{in_program:?}");
    let missing: Vec<_> = in_program.difference(&crates).collect();
    assert!(missing.is_empty(), "{missing:?}");
    // Their archives' digests are those of Cargo.lock.
    let lock = fs::read_to_string(packs::workspace().join("Cargo.lock")).unwrap();
    for component in components(&bom, "pkg:cargo/") {
        let digest = text(&component["hashes"][0]["content"]);
        assert!(lock.contains(&format!("checksum = \"{digest}\"")), "{component:#}");
    }
    for name in ["glibc", "rust-std", "libgcc"] {
        let found = components(&bom, "pkg:generic/").into_iter().find(|component| component["name"] == name).unwrap();
        assert!(text(&found["version"]).starts_with(|c: char| c.is_ascii_digit()), "{found:#}");
    }
}

#[test]
fn provenance_names_every_file_by_its_digest() {
    let (inside, beside) = (json(&TREE.path().join("provenance.json")), json(&beside("provenance.json")));
    let subjects = |statement: &Value| -> BTreeMap<String, String> {
        let subjects = statement["subject"].as_array().unwrap().iter();
        subjects.map(|subject| (text(&subject["name"]), text(&subject["digest"]["sha256"]))).collect()
    };
    let mut expected = digests(TREE.path());
    expected.remove("provenance.json").unwrap();
    assert_eq!(subjects(&inside), expected);
    let iso = programs::iso();
    expected.insert(iso.file_name().unwrap().to_str().unwrap().into(), sha256(&iso));
    assert_eq!(subjects(&beside), expected);
    assert_eq!(inside["predicate"], beside["predicate"]);

    assert_eq!(inside["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(inside["predicateType"], "https://slsa.dev/provenance/v1");
    let materials = inside["predicate"]["buildDefinition"]["resolvedDependencies"].as_array().unwrap();
    let material = |name: &str| {
        let found = materials.iter().find(|material| material["uri"] == name || material["name"] == name);
        found.unwrap_or_else(|| panic!("{name}"))["digest"].clone()
    };
    let mut head = command("git", ["-c", "safe.directory=*", "rev-parse", "HEAD"]);
    let head = stdout_of(head.current_dir(packs::workspace()));
    assert_eq!(material("urn:xscontainer:source")["gitCommit"], head.trim());
    assert_eq!(material("Cargo.lock")["sha256"], sha256(&packs::workspace().join("Cargo.lock")));
    let libc = stdout_of(&mut command("cc", ["-print-file-name=libc.a"]));
    assert_eq!(material("libc.a")["sha256"], sha256(Path::new(libc.trim())));
    let rustc = stdout_of(command("rustc", ["--version"]).current_dir(packs::workspace()));
    assert_eq!(inside["predicate"]["runDetails"]["builder"]["version"]["rustc"], rustc.trim());
}

#[test]
fn every_part_is_in_the_list_of_licences() {
    let (bom, list) = (json(&TREE.path().join("sbom.cdx.json")), TREE.path().join("LICENSES.txt"));
    let list = fs::read_to_string(list).unwrap();
    for component in ["pkg:cargo/", "pkg:generic/"].iter().flat_map(|kind| components(&bom, kind)) {
        let line = format!("  {} {} ", text(&component["name"]), text(&component["version"]));
        assert!(list.lines().any(|found| found.starts_with(&line)), "{line}");
        assert!(component["licenses"][0]["expression"].is_string(), "{component:#}");
    }
    for begin in ["Permission is hereby granted, free of charge", "GNU LESSER GENERAL PUBLIC LICENSE"] {
        assert!(list.contains(begin), "{begin}");
    }
}

/// The package of `suppack`, unpacked.
static SUPPACK: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let mut unpack = command("sh", ["-c", "rpm2cpio \"$0\" | cpio -idm --quiet --no-absolute-filenames"]);
    succeed(unpack.arg(programs::suppack_rpm()).current_dir(folder.path()));
    folder
});

#[test]
fn the_package_of_suppack_has_one_static_program_and_needs_nothing() {
    let rpm = programs::suppack_rpm();
    let query = |arguments: &[&str]| stdout_of(command("rpm", ["-qp"]).args(arguments).arg(&rpm));
    let listed = query(&["--qf", "[%{FILEMODES:perms} %{FILEUSERNAME} %{FILENAMES} %{FILELINKTOS}\n]"]);
    for line in [
        "-rwxr-xr-x root /usr/bin/suppack ",
        "lrwxrwxrwx root /usr/bin/build-update suppack",
        "lrwxrwxrwx root /usr/bin/build-supplemental-pack suppack",
        "-rw-r--r-- root /usr/share/man/man1/suppack.1 ",
        "-rw-r--r-- root /usr/share/man/man1/suppack-verify.1 ",
        "-rw-r--r-- root /usr/share/bash-completion/completions/suppack ",
        "-rw-r--r-- root /usr/share/doc/suppack/LICENSE ",
    ] {
        assert!(listed.lines().any(|found| found == line), "{line:?}: {listed}");
    }
    assert!(query(&["--requires"]).lines().all(|line| line.starts_with("rpmlib(")), "{}", query(&["--requires"]));
    let program = SUPPACK.path().join("usr/bin/suppack");
    let version = query(&["--qf", "%{VERSION}"]);
    assert_eq!(stdout_of(Command::new(&program).arg("--version")).trim(), format!("suppack {version}"));
    let linked = outcome(&mut command("ldd", [&program]));
    assert!(
        linked.text.contains("not a dynamic executable") || linked.text.contains("statically linked"),
        "{}",
        linked.text
    );
    // It works: also where there is no other file at all.
    let empty = tempfile::tempdir().unwrap();
    fs::copy(&program, empty.path().join("suppack")).unwrap();
    fs::copy(programs::iso(), empty.path().join("pack.iso")).unwrap();
    let key = "RPM-GPG-KEY-xscontainer";
    fs::copy(programs::iso().with_file_name(key), empty.path().join(key)).unwrap();
    let said = outcome(command("chroot", [empty.path()]).args(["/suppack", "verify", "/pack.iso", "--no-rehearsal"]));
    assert!(said.success, "{}", said.text);
}

#[test]
fn manual_pages_are_without_fault_and_have_what_a_page_has() {
    let folder = SUPPACK.path().join("usr/share/man/man1");
    let pages: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|page| page.unwrap().path()).collect();
    assert!(pages.len() > 3, "{pages:?}");
    succeed(command("mandoc", ["-T", "lint", "-W", "warning"]).args(&pages));
    let page = stdout_of(command("mandoc", ["-T", "utf8"]).arg(folder.join("suppack-verify.1")));
    // Bold letters are printed twice, one over the other.
    let page = page.chars().fold(String::new(), |mut text, letter| {
        match letter {
            '\u{8}' => drop(text.pop()),
            letter => text.push(letter),
        }
        text
    });
    for word in ["EXIT", "EXAMPLES", "no rule is broken", "suppack verify pack.iso"] {
        assert!(page.contains(word), "{word}: {page}");
    }
}

#[test]
fn shells_complete_commands() {
    let script = SUPPACK.path().join("usr/share/bash-completion/completions/suppack");
    let complete = "source \"$0\"; f=$(complete -p suppack); f=${f#*-F }; COMP_WORDS=(suppack ver) COMP_CWORD=1; \
        ${f%% *} suppack ver suppack; printf '%s\\n' \"${COMPREPLY[@]}\"";
    assert_eq!(stdout_of(command("bash", ["-c", complete]).arg(script)).trim(), "verify");
    let scripts = [("zsh", "zsh/site-functions/_suppack"), ("fish", "fish/vendor_completions.d/suppack.fish")];
    for (shell, script) in scripts {
        let script = SUPPACK.path().join("usr/share").join(script);
        assert!(script.is_file(), "{}", script.display());
        // Only where the shell is there.
        if Command::new(shell).arg("--version").output().is_ok() {
            succeed(command(shell, ["-n"]).arg(script));
        }
    }
}
