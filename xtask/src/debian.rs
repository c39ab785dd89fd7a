//! Debian packages that commands need: found, and installed if they are missing.

use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use pack::commands::interrupt;

/// Installs what is missing of some packages; with `only_check`, or without the right to, says how.
pub(crate) fn install(packages: &[&str], only_check: bool) -> anyhow::Result<()> {
    let missing: Vec<&str> = packages.iter().copied().filter(|package| !is_there(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let by_hand = format!("apt-get install --no-install-recommends {}", missing.join(" "));
    if only_check {
        bail!("Debian packages are missing. As root: {by_hand}");
    }
    let is_root = rustix::process::geteuid().is_root();
    eprintln!("installing {}", missing.join(" "));
    let apt = |arguments: &[&str]| -> anyhow::Result<()> {
        let mut apt = if is_root { Command::new("apt-get") } else { Command::new("sudo") };
        if !is_root {
            apt.args(["-n", "apt-get"]);
        }
        apt.args(["-qq", "-y", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0"]).args(arguments);
        apt.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null()).stdout(Stdio::null());
        let status = interrupt::run(&mut apt).with_context(|| format!("Debian packages are missing, and there is neither the right nor sudo to install them. As root: {by_hand}"))?;
        if !status.success() {
            bail!("apt-get {} failed with {status}. As root: {by_hand}", arguments[0]);
        }
        Ok(())
    };
    apt(&["update"])?;
    apt(&[&["install", "--no-install-recommends"], missing.as_slice()].concat())
}

/// Whether a package is installed; programs from elsewhere count as the package that would bring them.
fn is_there(package: &str) -> bool {
    let program = match package {
        "nodejs" => Some("node"),
        "npm" | "git" => Some(package),
        _ => None,
    };
    if let Some(program) = program {
        let runs = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if runs.is_ok_and(|status| status.success()) {
            return true;
        }
    }
    let query =
        Command::new("dpkg-query").args(["-W", "-f", "${db:Status-Status}", package]).stderr(Stdio::null()).output();
    query.is_ok_and(|output| output.stdout == b"installed")
}
