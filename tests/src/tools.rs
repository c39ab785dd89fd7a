//! Real programs, run and held to their word.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What a program said, and how it ended.
#[derive(Debug)]
pub struct Said {
    /// Whether it ended with 0.
    pub success: bool,
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Standard output, then standard error.
    pub text: String,
    /// Standard output as bytes.
    pub stdout: Vec<u8>,
}

/// Runs a command in the C locale, whatever comes of it.
///
/// # Panics
/// If it cannot be run at all.
pub fn outcome(command: &mut Command) -> Said {
    let output: Output = command
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|e| panic!("{command:?} cannot be run: {e}; `cargo xtask test` installs what is missing"));
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Said { success: output.status.success(), code: output.status.code(), text, stdout: output.stdout }
}

/// Runs a command that must succeed; what it said.
///
/// # Panics
/// If it fails.
pub fn succeed(command: &mut Command) -> String {
    let said = outcome(command);
    assert!(said.success, "{command:?} failed:\n{}", said.text);
    said.text
}

/// Runs a command that must succeed; its standard output alone.
///
/// # Panics
/// If it fails.
pub fn stdout_of(command: &mut Command) -> String {
    let said = outcome(command);
    assert!(said.success, "{command:?} failed:\n{}", said.text);
    String::from_utf8_lossy(&said.stdout).into_owned()
}

/// Runs a command that must fail; what it said.
///
/// # Panics
/// If it succeeds.
pub fn fail(command: &mut Command) -> String {
    let said = outcome(command);
    assert!(!said.success, "{command:?} should have failed:\n{}", said.text);
    said.text
}

/// A command with arguments of one kind.
pub fn command<S: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// Every file below a folder with its content's SHA-256, as sha256sum gives it, sorted.
pub fn content_of(folder: &Path) -> Vec<String> {
    let script = "find . -type f -print0 | LC_ALL=C sort -z | xargs -0 -r sha256sum";
    succeed(Command::new("sh").args(["-c", script]).current_dir(folder)).lines().map(str::to_owned).collect()
}
