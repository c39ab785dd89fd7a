//! `cargo xtask pack --reproduce ISO`: the same commit built again by the same pipeline, which signs with what the image
//! has, and both compared byte by byte.
//!
//! The image's own statement says which commit that was. Nobody has to believe it: it only says what to try.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pack::commands::terminal::Terminal;
use pack::commands::{interrupt, now, print};
use pack::dom0::UpdateInfo;
use pack::image::PackImage;
use pack::openpgp::{Certificate, Signer as _};
use pack::spec::{PackSpec, PackVersion, Released};
use pack::supply::{self, Recorded, TakenSignatures};
use pack::{Class, Error, Result};
use serde_json::json;

use crate::commit::{self, Source};
use crate::flags::Pack;
use crate::pack_command::Tree;
use crate::root;
use crate::supply::{BUILD_TYPE, SOURCE, Toolchain, said};

/// What decides how a pack is built from what is in its tree.
const BUILDER: [&str; 6] = ["pack", "xtask", "Cargo.toml", "Cargo.lock", "rust-toolchain.toml", ".cargo"];

/// Runs the command; its exit code.
pub(crate) fn run(flags: &Pack, iso: &Path) -> Result<u8> {
    let terminal = Terminal::new(flags.quiet || flags.json);
    let root = root();
    let unfit = |problem: String| Error::payload(iso, problem, "Give a pack as `cargo xtask pack` wrote it");
    let image = PackImage::open(iso).map_err(unfit)?;
    let recorded = Recorded::of(&image).map_err(unfit)?;
    let commit = reproducible(&recorded, flags).map_err(|(problem, remedy)| Error::payload(iso, problem, remedy))?;
    let signatures = TakenSignatures::of(&image, certificate(&image, flags)?)?;
    if flags.rpm.is_empty() {
        check_toolchain(&root, &recorded)?;
    }
    interrupt::watch()?;

    let folder = tempfile::tempdir().map_err(|e| Error::output(&std::env::temp_dir(), &e))?;
    let tree = folder.path().join("tree");
    terminal.step_of_program("check out", &format!("commit {commit}"));
    check_out(&root, commit, &tree)?;
    if !is_built_from(&root, commit)? {
        return by_its_own_builder(&tree, iso, flags);
    }
    let spec = PackSpec::read(&tree.join("spec"))?;
    let released = Released::read(&tree.join("spec"))?;
    // A tag that was set later would give another version.
    let version = PackVersion::new(recorded.parameters.get("version").map_or("", String::as_str))?;
    let source = Source { version, ..commit::source(&tree, &released, false)? };
    let output = folder.path().join("out");
    let built = Tree { root: &tree, spec: &spec, released: &released, source: &source };
    let (draft, _) = built.build(&root, &flags.rpm, &signatures, &output, &terminal)?;
    terminal.step_of_program("compare", "both images");
    let again = PackImage::open(draft.path())
        .map_err(|problem| Error::output(draft.path(), &std::io::Error::other(problem)))?;
    let difference = supply::difference(&image, &again).map_err(|e| unfit(format!("cannot be read: {e}")))?;
    let sha256 = supply::sha256(image.whole().read_from(0)).map_err(|e| unfit(format!("cannot be read: {e}")))?;
    terminal.detail("every byte");
    terminal.finish();

    let key = signatures.certificate().fingerprint();
    if flags.json {
        let same = difference.is_none();
        let found = json!({ "same": same, "sha256": sha256, "commit": commit, "key": key, "difference": difference });
        print(&format!("{found:#}\n"))?;
    } else if difference.is_none() && !flags.quiet {
        print(&format!(
            "\nThe same bytes: commit {commit}, built again, gives this image.\n  sha256     {sha256}\n  signed by  {key}\n"
        ))?;
    }
    match difference {
        None => Ok(0),
        Some(difference) => {
            eprintln!(
                "error: {}: is not what commit {commit} gives here. First difference: {difference}",
                iso.display()
            );
            Ok(Class::Readback.exit_code())
        }
    }
}

/// The commit of an image that can be built again; else why not, and what to do.
fn reproducible<'a>(recorded: &'a Recorded, flags: &Pack) -> std::result::Result<&'a str, (String, &'static str)> {
    const REMEDY: &str = "Reproduce a pack that `cargo xtask pack` built from a commit";
    if recorded.build_type != BUILD_TYPE {
        return Err((
            format!("says that it was built in the way {:?}, not {BUILD_TYPE:?}", recorded.build_type),
            REMEDY,
        ));
    }
    let commit = recorded.digest(SOURCE, "gitCommit").unwrap_or_default();
    if !matches!(commit.len(), 40 | 64) || !commit.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(("does not say from which commit it was built".into(), REMEDY));
    }
    match recorded.surroundings.get("tree").map(String::as_str) {
        Some("clean") => {}
        _ => {
            let problem =
                format!("was built from commit {} with uncommitted changes, which nobody else has", &commit[..10]);
            return Err((problem, REMEDY));
        }
    }
    // The compiler is recorded only where something was compiled.
    match (recorded.builder_versions.contains_key("rustc"), flags.rpm.is_empty()) {
        (true, false) => Err(("carries the agent, built from the source".into(), "Leave out --rpm")),
        (false, true) => Err(("carries ready RPMs".into(), "Give the same ones with --rpm")),
        _ => Ok(commit),
    }
}

/// The public key: the file that was given, or the one beside the image. As of the time of the signature: a key that has
/// expired since still signed what it signed.
fn certificate(image: &PackImage, flags: &Pack) -> Result<Certificate> {
    let named = || Some(image.path().with_file_name(UpdateInfo::of(image)?.key.filter(|name| !name.contains('/'))?));
    let Some(file) = flags.key.key.clone().or_else(named) else {
        return Err(Error::key(
            "of the image",
            "is not named by it: it has no update.xml that can be read",
            "Give it with --key",
        ));
    };
    let name = file.display().to_string();
    let armored = fs::read_to_string(&file).map_err(|e| {
        Error::key(&name, format!("cannot be read: {e}"), "Lay the public key beside the image, or name it with --key")
    })?;
    let asc = image.file("update.xml.asc").and_then(|entry| image.content(entry).ok());
    let signed = asc.and_then(|asc| pack::openpgp::Signature::parse(&asc)?.created());
    Certificate::parse(&armored, &name, signed.map_or_else(now, u64::from))
}

/// Refuses to try with another compiler, linker or C library: other bytes would say nothing.
fn check_toolchain(root: &Path, recorded: &Recorded) -> Result<()> {
    let here = Toolchain::look(root)?;
    for (program, version) in &here.versions {
        let there = recorded.builder_versions.get(program).map_or("", String::as_str);
        if there != version {
            return Err(Error::tool(
                program,
                format!("is {version:?}, and the pack was built with {there:?}"),
                "Build where the same one is installed: rust-toolchain.toml names Rust's, Debian 12 has the others",
            ));
        }
    }
    let libc = supply::sha256(fs::File::open(&here.libc).map_err(|e| Error::output(&here.libc, &e))?)
        .map_err(|e| Error::output(&here.libc, &e))?;
    match recorded.digest("libc.a", "sha256") {
        Some(there) if there != libc => Err(Error::tool(
            here.libc.display(),
            "is not the C library that the pack was built with",
            "Install the version of libc6-dev that LICENSES.txt of the pack names as glibc",
        )),
        _ => Ok(()),
    }
}

/// A clone of the workspace at a commit: a clone, so that this repository is left alone whatever happens.
fn check_out(root: &Path, commit: &str, tree: &Path) -> Result<()> {
    let mut clone = git();
    clone.args(["clone", "--quiet", "--no-checkout"]).arg(root).arg(tree);
    said(&mut clone, "git clone")?;
    let mut checkout = git();
    checkout.arg("-C").arg(tree).args(["checkout", "--quiet", "--detach", commit]);
    said(&mut checkout, "git checkout").map(drop).map_err(|e| {
        Error::version(
            format!("of commit {commit}"),
            format!("is not in this repository: {}", e.problem()),
            "Fetch it (git fetch --all --tags), and try again",
        )
    })
}

fn git() -> Command {
    let mut git = Command::new("git");
    git.args(["-c", "safe.directory=*", "-c", "core.autocrlf=false", "-c", "advice.detachedHead=false"]);
    git
}

/// Whether this program was built from what that commit has for a builder.
fn is_built_from(root: &Path, commit: &str) -> Result<bool> {
    let mut diff = git();
    diff.arg("-C").arg(root).args(["diff", "--name-only", commit, "--"]).args(BUILDER);
    Ok(said(&mut diff, "git diff")?.trim().is_empty())
}

/// Lets the builder of the commit do it: another one may make other bytes of the same input.
fn by_its_own_builder(tree: &Path, iso: &Path, flags: &Pack) -> Result<u8> {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut own = Command::new("cargo");
    // The toolchain of the commit, not the one that runs this.
    for name in ["CARGO", "CARGO_MANIFEST_DIR", "RUSTC", "RUSTUP_TOOLCHAIN", "CARGO_TARGET_DIR"] {
        own.env_remove(name);
    }
    own.current_dir(tree).args(["run", "--quiet", "--locked", "--package", "xtask", "--", "pack", "--reproduce"]);
    own.arg(absolute(iso));
    let key: Option<&PathBuf> = flags.key.key.as_ref();
    own.args(key.into_iter().flat_map(|key| [PathBuf::from("--key"), absolute(key)]));
    own.args(flags.rpm.iter().flat_map(|rpm| [PathBuf::from("--rpm"), absolute(rpm)]));
    own.args(
        ["--quiet", "--json"].into_iter().zip([flags.quiet, flags.json]).filter(|(_, on)| *on).map(|(flag, _)| flag),
    );
    let status = interrupt::run(&mut own).map_err(|e| {
        Error::tool("cargo", format!("cannot be run: {e}"), "The commit has another builder, which cargo has to build")
    })?;
    match status.code() {
        Some(code) => Ok(u8::try_from(code).unwrap_or(1)),
        None => Err(Error::tool("cargo run", format!("ended with {status}"), "Run the command again")),
    }
}
