//! Programs that commands need and install by themselves, in `target/tools`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pack::{Error, Result};

use pack::commands::interrupt;
use pack::commands::terminal::Terminal;

/// A program from crates.io at the one version that is used.
pub(crate) struct Tool {
    name: &'static str,
    pub(crate) version: &'static str,
    /// A tool that runs for seconds need not be optimised for minutes.
    opt_level: &'static str,
}

/// Makes the payload's RPM.
pub(crate) const GENERATE_RPM: Tool = Tool { name: "cargo-generate-rpm", version: "0.21.1", opt_level: "1" };

/// Checks licences, sources and duplicates of dependencies.
pub(crate) const DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2", opt_level: "0" };

impl Tool {
    /// The program: a matching one on the path or from before, else installed now.
    pub(crate) fn program(&self, root: &Path, terminal: &Terminal) -> Result<PathBuf> {
        let folder = root.join("target/tools");
        let own = folder.join("bin").join(self.name);
        if let Some(found) = [own.clone(), self.name.into()].into_iter().find(|program| self.is_version_of(program)) {
            return Ok(found);
        }
        terminal.step_of_program(
            "tool",
            &format!("cargo install {} {}, once; it takes some minutes", self.name, self.version),
        );
        let mut install = cargo(root);
        install.args(["install", self.name, "--version", self.version, "--locked", "--force", "--root"]).arg(&folder);
        install.env("CARGO_TARGET_DIR", root.join("target/tools/build"));
        install
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", self.opt_level)
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
        if terminal.is_quiet() {
            install.arg("--quiet");
        }
        run(&mut install, &format!("cargo install {}", self.name), "crates.io must be reachable the first time")?;
        Ok(own)
    }

    fn is_version_of(&self, program: &Path) -> bool {
        let output = Command::new(program).arg("--version").stderr(Stdio::null()).output();
        output.is_ok_and(|output| {
            String::from_utf8_lossy(&output.stdout).split_whitespace().any(|word| word == self.version)
        })
    }
}

/// `cargo`, the one that runs this.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    command
}

/// Runs a program that shows its own progress and errors.
pub(crate) fn run(command: &mut Command, name: &str, remedy: &str) -> Result<()> {
    // Standard output is for our own result.
    command.stdin(Stdio::null()).stdout(Stdio::from(std::io::stderr()));
    let status = interrupt::run(command).map_err(|e| Error::tool(name, format!("cannot be run: {e}"), remedy))?;
    match status.success() {
        true => Ok(()),
        false if interrupt::interrupted() => Err(Error::interrupted()),
        false => Err(Error::tool(name, format!("failed with {status}"), remedy)),
    }
}
