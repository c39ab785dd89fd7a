//! The payload: the agent as one static program, packaged by `cargo generate-rpm`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pack::rpm::agent;
use pack::spec::PackSpec;
use pack::{Error, Result};

use crate::commit::Source;
use crate::tools;
use pack::commands::terminal::{self, Terminal};

/// The only target that every host runs.
pub(crate) const TARGET: &str = "x86_64-unknown-linux-gnu";
/// The profile in Cargo.toml for what lands in dom0.
pub(crate) const PROFILE: &str = "dom0";

/// Builds the RPM of the agent with this `cargo generate-rpm`; returns its path.
pub(crate) fn build(
    root: &Path,
    spec: &PackSpec,
    source: &Source,
    tool: &Path,
    terminal: &Terminal,
) -> Result<PathBuf> {
    let payload = spec.own_payload()?;
    let programs = build_programs(root, spec, source, terminal)?;

    terminal.step_of_program("package", "cargo generate-rpm");
    let folder = root.join("target/payload");
    let staged = folder.join("root");
    agent::stage(spec, &|name| programs.join(name), source.epoch.into(), &staged)?;
    let metadata = folder.join("generate-rpm.toml");
    fs::write(&metadata, agent::generate_rpm_metadata(payload, &source.version, &staged))
        .map_err(|e| Error::output(&metadata, &e))?;
    let rpm = folder.join(format!("{}-{}-{}.x86_64.rpm", payload.name, source.version, payload.release));
    let mut generate = Command::new(tool);
    generate.current_dir(root).args([
        "--package",
        "agent",
        "--target",
        TARGET,
        "--payload-compress",
        "gzip",
        "--auto-req",
        "no",
    ]);
    generate.arg("--source-date").arg(source.epoch.to_string());
    generate.arg("--metadata-overwrite").arg(&metadata).arg("--output").arg(&rpm);
    tools::run(&mut generate, "cargo generate-rpm", "Its message above says why")?;
    terminal.detail(format_args!("an RPM of {}, in target/payload", terminal::size(file_size(&rpm))));
    Ok(rpm)
}

/// Builds every program that the payload names; returns their folder.
fn build_programs(root: &Path, spec: &PackSpec, source: &Source, terminal: &Terminal) -> Result<PathBuf> {
    terminal.step_of_program("compile", "cargo build: the agent as one static program");
    cargo_build(root, "agent", source, terminal)?;
    let programs = root.join("target").join(TARGET).join(PROFILE);
    let mut built = Vec::new();
    for name in spec.own_payload()?.files.iter().filter_map(|file| file.built.as_deref()) {
        let program = programs.join(name);
        agent::check_static(&program)?;
        built.push(format!("{name}, static, {}", terminal::size(file_size(&program))));
    }
    terminal.detail(built.join("; "));
    Ok(programs)
}

/// Builds the static programs of a package of the workspace, in which no path of this machine is left.
pub(crate) fn cargo_build(root: &Path, package: &str, source: &Source, terminal: &Terminal) -> Result<()> {
    let mut build = tools::cargo(root);
    build.args(["build", "--locked", "--package", package, "--bins", "--profile", PROFILE, "--target", TARGET]);
    if terminal.is_quiet() {
        build.arg("--quiet");
    }
    fix_environment(&mut build);
    build.env("CARGO_ENCODED_RUSTFLAGS", rustc_flags(root).join("\u{1f}"));
    build.env("CARGO_TARGET_DIR", root.join("target"));
    build.env("XSCONTAINER_VERSION", source.version.as_str());
    tools::run(&mut build, "cargo build", "Its message above says why; gcc and libc6-dev must be installed")
}

/// Settings of the user that would change the program.
fn fix_environment(build: &mut Command) {
    for (name, _) in env::vars_os() {
        let shown = name.to_string_lossy();
        let changes_code =
            ["CARGO_PROFILE_", "CARGO_TARGET_", "CARGO_UNSTABLE_"].iter().any(|prefix| shown.starts_with(prefix))
                || ["RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_INCREMENTAL"].contains(&&*shown);
        if changes_code {
            build.env_remove(&name);
        }
    }
}

/// A static program in which no path of this machine is left.
fn rustc_flags(root: &Path) -> Vec<String> {
    let mut flags = vec!["-Ctarget-feature=+crt-static".to_owned()];
    let mut remap = |from: PathBuf, to: &str| {
        let canonical = fs::canonicalize(&from).unwrap_or_else(|_| from.clone());
        flags.push(format!("--remap-path-prefix={}={to}", from.display()));
        if canonical != from {
            flags.push(format!("--remap-path-prefix={}={to}", canonical.display()));
        }
    };
    let home = env::var_os("HOME").map(PathBuf::from);
    let in_home = |variable: &str, folder: &str| {
        env::var_os(variable).map(PathBuf::from).or_else(|| Some(home.as_ref()?.join(folder)))
    };
    if let Some(rustup) = in_home("RUSTUP_HOME", ".rustup") {
        remap(rustup, "/rustup");
    }
    if let Some(cargo) = in_home("CARGO_HOME", ".cargo") {
        remap(cargo, "/cargo");
    }
    // Last, so that it wins where a home lies in the workspace or the other way round.
    remap(root.to_path_buf(), "/xscontainer");
    flags
}

fn file_size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}
