//! Packs of this project in several versions, built as `cargo xtask pack` builds them from the real spec, the real
//! program and the real `cargo generate-rpm`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pack::build::{Pack, Progress, Request, build};
use pack::openpgp::{Signer, SoftwareKey};
use pack::rpm::agent;
use pack::spec::{PackSpec, PackVersion, Released};

use crate::programs;
use crate::tools::{command, succeed};

/// 2025-01-01: the time that the lab's packs bear; after the test keys were made, and long past.
pub const EPOCH: u32 = 1_735_689_600;

/// The folder of the workspace.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").to_path_buf()
}

/// A file of the test keys.
pub fn key_file(name: &str) -> PathBuf {
    workspace().join("pack/testdata/keys").join(format!("{name}.asc"))
}

/// A key without passphrase.
///
/// # Panics
/// If it is not one of the test keys that hosts accept.
pub fn key(name: &str) -> SoftwareKey {
    let armored = fs::read_to_string(key_file(name)).expect("a committed file");
    SoftwareKey::parse(&armored, name, EPOCH.into(), &mut || panic!("{name} has no passphrase")).expect("a good key")
}

/// The spec of this project.
///
/// # Panics
/// If it is not valid.
pub fn spec() -> PackSpec {
    PackSpec::read(&workspace().join("spec")).expect("the project's spec is valid")
}

/// The agent's RPM in a version.
///
/// # Panics
/// If it cannot be made.
pub fn payload(version: &str, folder: &Path) -> PathBuf {
    let (spec, version) = (spec(), PackVersion::new(version).expect("a version"));
    let staged = folder.join("root");
    agent::stage(&spec, &|_| programs::agent(), EPOCH.into(), &staged).expect("staged");
    let metadata = folder.join("generate-rpm.toml");
    let own = spec.own_payload().expect("the project's own program");
    fs::write(&metadata, agent::generate_rpm_metadata(own, &version, &staged)).expect("written");
    let rpm = folder.join(format!("xscontainer-{version}-1.x86_64.rpm"));
    let mut generate = Command::new(programs::generate_rpm());
    generate.current_dir(workspace()).args(["--package", "agent", "--target", "x86_64-unknown-linux-gnu"]);
    generate.args(["--payload-compress", "gzip", "--auto-req", "no", "--source-date", &EPOCH.to_string()]);
    succeed(generate.arg("--metadata-overwrite").arg(metadata).arg("--output").arg(&rpm));
    rpm
}

/// Someone who lets a build run.
pub struct Unwatched;

impl Progress for Unwatched {
    fn step(&self, _: &str) {}
    fn made(&self, _: &str) {}
    fn advance(&self, _: u64, _: u64) {}
    fn interrupted(&self) -> bool {
        false
    }
}

/// A pack in a version, in a folder of its own, with its content extracted by xorriso.
pub struct BuiltPack {
    /// What the builder says of it.
    pub pack: Pack,
    /// Its content.
    pub tree: PathBuf,
    /// The folder that holds everything.
    pub folder: tempfile::TempDir,
}

/// Builds this project's pack.
///
/// # Panics
/// If that fails.
pub fn build_version(version: &str, signer: &dyn Signer) -> BuiltPack {
    let folder = tempfile::tempdir().expect("a folder");
    let payload = payload(version, folder.path());
    build_from(version, &[payload], signer, folder)
}

/// Builds a pack with this project's spec from ready RPMs.
///
/// # Panics
/// If that fails.
pub fn build_from(version: &str, payloads: &[PathBuf], signer: &dyn Signer, folder: tempfile::TempDir) -> BuiltPack {
    let request = Request {
        spec: &spec(),
        version: &PackVersion::new(version).expect("a version"),
        released: &Released::default(),
        payloads,
        signer,
        epoch: EPOCH,
        supply: None,
        output: &folder.path().join("out"),
    };
    let draft = build(&request, &Unwatched).expect("the pack is built");
    let pack = draft.publish("{}\n").expect("the files get their names");
    let tree = folder.path().join("tree");
    extract(&pack.iso.path, &tree);
    BuiltPack { pack, tree, folder }
}

/// Extracts an image by its Rock Ridge names.
///
/// # Panics
/// If xorriso finds fault with it.
pub fn extract(iso: &Path, folder: &Path) {
    let (iso, folder) = (iso.display().to_string(), folder.display().to_string());
    succeed(&mut command("xorriso", ["-osirrox", "on", "-indev", &iso, "-extract", "/", &folder]));
    succeed(&mut command("chmod", ["-R", "u+w", &folder]));
}
