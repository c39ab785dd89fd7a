//! `cargo xtask test`: sets up the real tools, then runs every check and test.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, fs};

use anyhow::{Context, bail};
use xshell::{Shell, cmd};

use crate::flags::{Pack, Test};
use crate::tools::{DENY, GENERATE_RPM};
use crate::{commit, debian, pack_command, root, suppack_rpm, test_programs};
use pack::commands::interrupt;
use pack::commands::terminal::Terminal;
use pack::spec::Released;

/// What the scenarios run, beside what a Debian system always has.
const PACKAGES: [&str; 29] = [
    "bash-completion",
    "bsdutils",
    "chromium",
    "cloud-init",
    "cpio",
    "createrepo-c",
    "debootstrap",
    "dnf",
    "faketime",
    "genisoimage",
    "git",
    "gnupg",
    "iptables",
    "libarchive-tools",
    "libc6-dev",
    "mandoc",
    "mono-mcs",
    "mount",
    "nftables",
    "nodejs",
    "npm",
    "python3",
    "python3-venv",
    "rpm",
    "systemd",
    "time",
    "ufw",
    "xorriso",
    "zstd",
];

/// What simulated VMs are made of.
pub(crate) const LAB_PACKAGES: [&str; 13] = [
    "busybox-static",
    "conmon",
    "curl",
    "docker.io",
    "e2fsprogs",
    "iproute2",
    "iputils-ping",
    "ncat",
    "openssh-client",
    "openssh-server",
    "openssl",
    "podman",
    "runc",
];

/// Clients of XAPI by others, with which the simulated XAPI is kept honest.
const XENAPI: &str = "XenAPI==26.21.1";

/// Prometheus' own client, which reads the file for node-exporter.
const PROMETHEUS: &str = "prometheus_client==0.26.0";

/// The official schemas of CycloneDX, and a reader of them.
const CYCLONEDX: &str = "cyclonedx-python-lib[json-validation]==11.12.0";

/// A step may take so long; together they stay below an hour on two cores, from a clean checkout.
const BUDGET: [(&str, u64); 6] =
    [("install", 5), ("checks", 6), ("dependencies", 7), ("pack", 5), ("tests", 33), ("documentation", 3)];

/// Runs the command.
pub(crate) fn run(flags: &Test) -> anyhow::Result<()> {
    interrupt::watch()?;
    if !rustix::process::geteuid().is_root() {
        bail!(
            "the tests must run as root: they install Debian packages, mount file systems and change the root folder. \
             Run them in a container or virtual machine of their own; `cargo test` runs those that need nothing"
        );
    }
    let root = root();
    let terminal = Terminal::new(false);
    let sh = Shell::new()?;
    sh.change_dir(&root);

    let install = Step::begin("install");
    debian::install(&[&PACKAGES[..], &LAB_PACKAGES].concat(), flags.no_install)?;
    let clients = install_clients(&sh, &root)?;
    install.end()?;

    let checks = Step::begin("checks");
    check_style(&sh)?;
    checks.end()?;

    let dependencies = Step::begin("dependencies");
    let deny = DENY.program(&root, &terminal)?;
    cmd!(sh, "{deny} check bans licenses sources").quiet().run().context("cargo deny found fault with a dependency")?;
    dependencies.end()?;

    let pack = Step::begin("pack");
    let iso = make_pack(&root)?;
    let suppack_rpm = make_suppack(&root, &terminal)?;
    pack.end()?;

    let tests = Step::begin("tests");
    let variables = [
        ("LAB_ISO", iso),
        ("LAB_XTASK", env::current_exe()?),
        ("LAB_SUPPACK_RPM", suppack_rpm),
        ("LAB_SUPPACK", root.join("target/debug/suppack")),
        ("LAB_PROGRAM", root.join("target/x86_64-unknown-linux-gnu/dom0/xscontainer")),
        ("LAB_GENERATE_RPM", GENERATE_RPM.program(&root, &terminal)?),
        ("LAB_PYTHON", clients.python),
        ("LAB_NODE_MODULES", clients.node_modules),
    ];
    test_programs::run(&root, &variables)?;
    tests.end()?;

    let documentation = Step::begin("documentation");
    sh.set_var("RUSTDOCFLAGS", "-D warnings");
    cmd!(sh, "cargo doc --workspace --no-deps --quiet").quiet().run()?;
    documentation.end()?;
    eprintln!("\nAll checks and tests passed.");
    Ok(())
}

struct Step {
    name: &'static str,
    since: Instant,
}

impl Step {
    fn begin(name: &'static str) -> Step {
        eprintln!("\n== {name}");
        Step { name, since: Instant::now() }
    }

    /// Ends the step; one that took longer than its share is told, because the whole must stay below an hour.
    fn end(self) -> anyhow::Result<()> {
        let took = self.since.elapsed();
        let minutes = BUDGET.iter().find(|(name, _)| *name == self.name).context("every step has a budget")?.1;
        eprintln!("== {} took {:.0} s of {minutes} min", self.name, took.as_secs_f64());
        if took > Duration::from_secs(60 * minutes) {
            eprintln!("== {} was slower than it should be; the whole may exceed an hour", self.name);
        }
        Ok(())
    }
}

/// Format and lints, where the toolchain has the components for them.
fn check_style(sh: &Shell) -> anyhow::Result<()> {
    match cmd!(sh, "cargo fmt --version").quiet().ignore_stderr().ignore_stdout().run() {
        Ok(()) => cmd!(sh, "cargo fmt --all --check").quiet().run().context("run `cargo fmt --all`")?,
        Err(_) => eprintln!("rustfmt is not installed: format not checked (rustup component add rustfmt)"),
    }
    match cmd!(sh, "cargo clippy --version").quiet().ignore_stderr().ignore_stdout().run() {
        Ok(()) => cmd!(sh, "cargo clippy --workspace --all-targets --features lab/lab --quiet -- -D warnings")
            .quiet()
            .run()?,
        Err(_) => eprintln!("clippy is not installed: lints not checked (rustup component add clippy)"),
    }
    Ok(())
}

/// The main command, as a user would run it, on this tree; the path of its ISO.
fn make_pack(root: &Path) -> anyhow::Result<PathBuf> {
    let output = root.join("target/test/pack");
    if output.exists() {
        fs::remove_dir_all(&output)?;
    }
    let flags = Pack { output: Some(output.clone()), allow_dirty: true, ..Pack::default() };
    pack_command::run(&flags)?;
    let files = fs::read_dir(&output)?.collect::<Result<Vec<_>, _>>()?;
    // The one of the newer format: the other's name ends with -legacy.iso.
    let is_image = |path: &PathBuf| {
        path.extension().is_some_and(|e| e == "iso")
            && !path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("-legacy"))
    };
    let iso = files.into_iter().map(|file| file.path()).find(is_image);
    iso.with_context(|| format!("no ISO in {}", output.display()))
}

/// The program for pack authors, and its RPM, of this tree; the path of the RPM.
fn make_suppack(root: &Path, terminal: &Terminal) -> anyhow::Result<PathBuf> {
    let source = commit::source(root, &Released::read(&root.join("spec"))?, true)?;
    Ok(suppack_rpm::build(root, &source, terminal)?)
}

struct Clients {
    python: PathBuf,
    node_modules: PathBuf,
}

/// Installs the clients of others below `target/lab`.
fn install_clients(sh: &Shell, root: &Path) -> anyhow::Result<Clients> {
    let lab = root.join("target/lab");
    let venv = lab.join("venv");
    let python = venv.join("bin/python");
    if !python.exists() {
        cmd!(sh, "python3 -m venv {venv}").quiet().run()?;
    }
    cmd!(sh, "{python} -m pip install --quiet --disable-pip-version-check {XENAPI} {PROMETHEUS} {CYCLONEDX}")
        .quiet()
        .run()?;
    for file in ["package.json", "package-lock.json"] {
        fs::copy(root.join("tests/clients").join(file), lab.join(file))?;
    }
    let _in_lab = sh.push_dir(&lab);
    cmd!(sh, "npm ci --silent --no-audit --no-fund --ignore-scripts").quiet().run()?;
    Ok(Clients { python, node_modules: lab.join("node_modules") })
}
