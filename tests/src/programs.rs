//! Where the programs are that scenarios run: `cargo xtask test` builds them and says so in the environment.

use std::env;
use std::path::{Path, PathBuf};

/// The agent as it lands in dom0: `LAB_PROGRAM`.
pub fn agent() -> PathBuf {
    find("LAB_PROGRAM", "target/x86_64-unknown-linux-gnu/dom0/xscontainer")
}

/// `cargo-generate-rpm`: `LAB_GENERATE_RPM`.
pub fn generate_rpm() -> PathBuf {
    find("LAB_GENERATE_RPM", "target/tools/bin/cargo-generate-rpm")
}

/// `cargo xtask` itself: `LAB_XTASK`.
pub fn xtask() -> PathBuf {
    find("LAB_XTASK", "target/debug/xtask")
}

/// `suppack`: `LAB_SUPPACK`.
pub fn suppack() -> PathBuf {
    find("LAB_SUPPACK", "target/debug/suppack")
}

/// The ISO that `cargo xtask pack` made of this tree, with its key beside it: `LAB_ISO`.
///
/// # Panics
/// If nobody made it.
pub fn iso() -> PathBuf {
    let iso = env::var_os("LAB_ISO").map(PathBuf::from);
    iso.expect("LAB_ISO names the ISO; run `cargo xtask test`")
}

/// The RPM of `suppack`: `LAB_SUPPACK_RPM`.
///
/// # Panics
/// If nobody made it.
pub fn suppack_rpm() -> PathBuf {
    let rpm = env::var_os("LAB_SUPPACK_RPM").map(PathBuf::from);
    rpm.expect("LAB_SUPPACK_RPM names the RPM; run `cargo xtask test`")
}

/// The Python of the lab, with the clients of others: `LAB_PYTHON`.
///
/// # Panics
/// If it is not there.
pub fn python() -> PathBuf {
    find("LAB_PYTHON", "target/lab/venv/bin/python")
}

fn find(variable: &str, default: &str) -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let program = env::var_os(variable).map_or_else(|| workspace.join(default), PathBuf::from);
    assert!(program.exists(), "{} does not exist; run `cargo xtask test`, which builds it", program.display());
    program
}
