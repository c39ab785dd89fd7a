//! What a pack of this workspace is made of: crates, the toolchain and the static C library, as cargo and the compiler
//! tell it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pack::commands::terminal::Terminal;
use pack::rpm::Source as Bytes;
use pack::spec::PackSpec;
use pack::supply::{Compiled, Material, Origin, Parameter, Part, Supply, purl};
use pack::{Error, Result};
use serde_json::Value;

use crate::agent_rpm::TARGET;
use crate::commit::Source;
use crate::tools::{self, GENERATE_RPM};

/// The way of building, and this builder. Whoever changes what parameters mean changes the number.
pub(crate) const BUILD_TYPE: &str = "urn:xscontainer:cargo-xtask-pack:1";
const BUILDER: &str = "urn:xscontainer:cargo-xtask";
/// What the commit is called among the materials.
pub(crate) const SOURCE: &str = "urn:xscontainer:source";
/// The package that is built.
const PACKAGE: &str = "agent";

/// What is known of a pack that carries the agent, which was built just now.
pub(crate) fn of_tree(root: &Path, spec: &PackSpec, source: &Source, terminal: &Terminal) -> Result<Supply> {
    terminal.step_of_program("list parts", "cargo tree: what the agent is made of");
    let mut parts = crates(root)?;
    let mut roots: Vec<String> =
        parts.iter().filter(|part| part.name == PACKAGE).map(|part| part.purl.clone()).collect();
    let toolchain = Toolchain::look(root)?;
    let linked = toolchain.linked();
    roots.extend(linked.iter().map(|part| part.purl.clone()));
    parts.extend(linked);
    terminal.detail(format_args!("{} parts, with their licences", parts.len()));
    let mut origin = origin(source);
    origin.builder_versions.extend(toolchain.versions.clone());
    origin.builder_versions.insert("cargo-generate-rpm".into(), GENERATE_RPM.version.into());
    for name in ["Cargo.lock", "rust-toolchain.toml"] {
        origin.materials.push(file(name, &root.join(name))?);
    }
    origin.materials.push(file("libc.a", &toolchain.libc)?);
    Ok(Supply { compiled: vec![Compiled { package: spec.own_payload()?.name.clone(), roots, parts }], origin })
}

/// What is known of a pack that carries ready packages.
pub(crate) fn of_ready(source: &Source, rpms: &[PathBuf]) -> Result<Supply> {
    let mut origin = origin(source);
    let mut names = Vec::new();
    for path in rpms {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        origin.materials.push(file(&name, path)?);
        names.push(name);
    }
    names.sort();
    origin.materials.sort_by(|a, b| a.name.cmp(&b.name));
    origin.parameters.insert("rpm".into(), Parameter::Texts(names));
    Ok(Supply { compiled: Vec::new(), origin })
}

fn origin(source: &Source) -> Origin {
    let text = |text: &str| Parameter::Text(text.into());
    let commit = source.commit.iter();
    Origin {
        build_type: BUILD_TYPE.into(),
        builder: BUILDER.into(),
        builder_versions: BTreeMap::from([("xtask".into(), env!("CARGO_PKG_VERSION").into())]),
        parameters: BTreeMap::from([("version".into(), text(source.version.as_str()))]),
        surroundings: BTreeMap::from([("tree".into(), text(source.tree.as_str()))]),
        materials: commit
            .map(|hash| Material { name: SOURCE.into(), digest: ("gitCommit".into(), hash.clone()) })
            .collect(),
    }
}

fn file(name: &str, path: &Path) -> Result<Material> {
    let unreadable = |e: std::io::Error| {
        Error::payload(path, format!("cannot be read: {e}"), "The pack is made from it: check path and permissions")
    };
    let source = Bytes::open(path).map_err(unreadable)?;
    let digest = pack::supply::sha256(source.read_from(0)).map_err(unreadable)?;
    Ok(Material { name: name.into(), digest: ("sha256".into(), digest) })
}

/// The compilers, and what they link.
pub(crate) struct Toolchain {
    /// By the names of programs.
    pub(crate) versions: BTreeMap<String, String>,
    /// The static C library.
    pub(crate) libc: PathBuf,
    /// Where rustup put the toolchain.
    sysroot: PathBuf,
}

impl Toolchain {
    /// Asks the compilers of a workspace.
    pub(crate) fn look(root: &Path) -> Result<Toolchain> {
        let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
        let ask = |program: &str, arguments: &[&str]| {
            // Preloaded libraries that replace functions of libc can block the compiler, and its answers need none.
            said(Command::new(program).args(arguments).current_dir(root).env_remove("LD_PRELOAD"), program)
        };
        let first = |text: String| text.lines().next().unwrap_or_default().to_owned();
        let versions = BTreeMap::from([
            ("rustc".to_owned(), first(ask(&rustc, &["--version"])?)),
            ("cc".to_owned(), first(ask("cc", &["--version"])?)),
            ("ld".to_owned(), first(ask("ld", &["--version"])?)),
        ]);
        let libc = ask("cc", &["-print-file-name=libc.a"])?.trim_end().into();
        let sysroot = ask(&rustc, &["--print", "sysroot"])?.trim_end().into();
        Ok(Toolchain { versions, libc, sysroot })
    }

    /// What every static program has in it, beside its crates.
    fn linked(&self) -> [Part; 3] {
        let version = |program: &str, from: &dyn Fn(&str) -> Option<String>| {
            self.versions.get(program).and_then(|said| from(said)).unwrap_or_else(|| "unknown".into())
        };
        let rust = version("rustc", &|said| said.split_whitespace().nth(1).map(str::to_owned));
        let gcc = version("cc", &|said| said.split_whitespace().last().map(str::to_owned));
        let glibc =
            fs::read(&self.libc).ok().and_then(|bytes| glibc_version(&bytes)).unwrap_or_else(|| "unknown".into());
        let licences = self.sysroot.join("share/doc/rust/licenses");
        let part = |name: &str, version: String, licence: &str, repository: &str, texts: &[PathBuf]| Part {
            purl: purl::generic(name, &version),
            name: name.into(),
            version,
            licence: Some(licence.into()),
            sha256: None,
            repository: Some(repository.into()),
            uses: Vec::new(),
            texts: texts.iter().filter_map(|file| fs::read_to_string(file).ok()).collect(),
        };
        // Debian keeps these texts where every package can refer to them.
        let common = |name: &str| Path::new("/usr/share/common-licenses").join(name);
        [
            part(
                "rust-std",
                rust,
                "MIT OR Apache-2.0",
                "https://github.com/rust-lang/rust",
                &[licences.join("MIT.txt"), licences.join("Apache-2.0.txt")],
            ),
            part("glibc", glibc, "LGPL-2.1-or-later", "https://sourceware.org/git/glibc.git", &[common("LGPL-2.1")]),
            part(
                "libgcc",
                gcc,
                "GPL-3.0-or-later WITH GCC-exception-3.1",
                "https://gcc.gnu.org/git/gcc.git",
                &[common("GPL-3")],
            ),
        ]
    }
}

/// The version that the C library states of itself, as `ldd --version` shows it: `Debian GLIBC 2.36-9+deb12u13`.
fn glibc_version(library: &[u8]) -> Option<String> {
    const BEFORE: &[u8] = b"GNU C Library (";
    let at = library.windows(BEFORE.len()).position(|window| window == BEFORE)? + BEFORE.len();
    let end = library[at..].iter().take(80).position(|byte| *byte == b')')?;
    let version = String::from_utf8_lossy(&library[at..at + end]).into_owned();
    Some(version.split_whitespace().last().unwrap_or(&version).to_owned())
}

/// A crate by name and version.
type Id = (String, String);

/// The crates that are in the agent's program, with what each of them uses: not those that only run while it is compiled.
fn crates(root: &Path) -> Result<Vec<Part>> {
    let mut tree = tools::cargo(root);
    tree.args(["tree", "--quiet", "--locked", "--package", PACKAGE, "--target", TARGET]);
    tree.args(["--edges", "normal,no-proc-macro", "--prefix", "depth", "--format", "{p}"]);
    let uses = uses(&said(&mut tree, "cargo tree")?);
    let mut metadata = tools::cargo(root);
    metadata.args(["metadata", "--quiet", "--locked", "--format-version", "1", "--filter-platform", TARGET]);
    let metadata: Value = serde_json::from_str(&said(&mut metadata, "cargo metadata")?)
        .map_err(|e| Error::tool("cargo metadata", format!("did not answer in JSON: {e}"), "Report this"))?;
    let packages: BTreeMap<Id, &Value> = metadata["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|package| Some(((text(&package["name"])?, text(&package["version"])?), package)))
        .collect();
    let checksums = checksums(&root.join("Cargo.lock"))?;
    let purl = |id: &Id| match packages.get(id).is_some_and(|package| package["source"].is_null()) {
        true => purl::generic(&format!("xscontainer-{}", id.0), &id.1),
        false => purl::of_crate(&id.0, &id.1),
    };
    let parts = uses.iter().map(|(id, used)| {
        let package = packages.get(id).copied().unwrap_or(&Value::Null);
        let folder = text(&package["manifest_path"]).and_then(|path| Some(Path::new(&path).parent()?.to_owned()));
        // Crates of the workspace have one text together.
        let folder = if package["source"].is_null() { Some(root.to_owned()) } else { folder };
        Ok(Part {
            name: id.0.clone(),
            version: id.1.clone(),
            purl: purl(id),
            licence: text(&package["license"]),
            sha256: checksums.get(id).cloned(),
            repository: text(&package["repository"]),
            uses: used.iter().map(purl).collect(),
            texts: folder.map(|folder| licence_texts(&folder)).transpose()?.unwrap_or_default(),
        })
    });
    parts.collect()
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// What uses what, from `cargo tree --prefix depth --format {p}`: lines such as `2libc v0.2.191`.
fn uses(tree: &str) -> BTreeMap<Id, BTreeSet<Id>> {
    let mut uses: BTreeMap<Id, BTreeSet<Id>> = BTreeMap::new();
    let mut above: Vec<Id> = Vec::new();
    for line in tree.lines() {
        let name_at = line.find(|c: char| !c.is_ascii_digit()).unwrap_or(line.len());
        let (depth, rest) = line.split_at(name_at);
        let mut words = rest.split_whitespace();
        let (Ok(depth), Some(name), Some(version)) = (depth.parse::<usize>(), words.next(), words.next()) else {
            continue;
        };
        let id = (name.to_owned(), version.trim_start_matches('v').to_owned());
        above.truncate(depth);
        if let Some(user) = above.last() {
            uses.entry(user.clone()).or_default().insert(id.clone());
        }
        uses.entry(id.clone()).or_default();
        above.push(id);
    }
    uses
}

/// The SHA-256 of crates' archives.
fn checksums(lock: &Path) -> Result<BTreeMap<Id, String>> {
    let wrong = |problem: String| Error::spec(lock, problem, "`git checkout Cargo.lock` restores it");
    let lock = fs::read_to_string(lock).map_err(|e| wrong(format!("cannot be read: {e}")))?;
    let lock: toml::Table = toml::from_str(&lock).map_err(|e| wrong(e.message().to_owned()))?;
    let packages = lock.get("package").and_then(toml::Value::as_array).into_iter().flatten();
    let word = |package: &toml::Value, key: &str| package.get(key)?.as_str().map(str::to_owned);
    Ok(packages
        .filter_map(|package| Some(((word(package, "name")?, word(package, "version")?), word(package, "checksum")?)))
        .collect())
}

/// The files of a crate that hold its licences, in the order of their names.
fn licence_texts(folder: &Path) -> Result<Vec<String>> {
    let unreadable = |e: std::io::Error| {
        Error::tool("cargo", format!("left {}, which cannot be read: {e}", folder.display()), "Run `cargo fetch`")
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        let begins = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"];
        if path.is_file() && begins.iter().any(|begin| name.starts_with(begin)) {
            files.push(path);
        }
    }
    files.sort();
    files
        .iter()
        .map(|file| fs::read(file).map(|text| String::from_utf8_lossy(&text).into_owned()).map_err(unreadable))
        .collect()
}

/// The standard output of a program that must succeed.
pub(crate) fn said(command: &mut Command, name: &str) -> Result<String> {
    const REMEDY: &str = "Rust, gcc and libc6-dev must be installed";
    let output = command.output().map_err(|e| Error::tool(name, format!("cannot be run: {e}"), REMEDY))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => {
            let stderr = String::from_utf8_lossy(&output.stderr);
            let said = stderr.lines().find(|line| !line.trim().is_empty()).unwrap_or("no message").trim().to_owned();
            Err(Error::tool(name, format!("failed: {said}"), REMEDY))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_of_crates_is_read_with_what_was_told_before() {
        let tree = "0agent v1.0.0 (/a b/agent)\n1one v0.1.0\n2two v2.0.0+x\n1three v3.0.0\n2one v0.1.0 (*)\n";
        let id = |name: &str, version: &str| (name.to_owned(), version.to_owned());
        let uses = uses(tree);
        let used =
            |name: &str, version: &str| uses[&id(name, version)].iter().map(|id| id.0.as_str()).collect::<Vec<_>>();
        assert_eq!(used("agent", "1.0.0"), ["one", "three"]);
        assert_eq!(used("one", "0.1.0"), ["two"]);
        assert_eq!(used("three", "3.0.0"), ["one"]);
        assert_eq!(used("two", "2.0.0+x"), Vec::<&str>::new());
    }

    #[test]
    fn the_c_library_states_its_version() {
        let library = b"\0\0GNU C Library (Debian GLIBC 2.36-9+deb12u13) stable release version 2.36.\n";
        assert_eq!(glibc_version(library).as_deref(), Some("2.36-9+deb12u13"));
        assert_eq!(glibc_version(b"GNU C Library (without end"), None);
    }
}
