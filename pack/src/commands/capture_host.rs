//! `cargo xtask capture-host`: brings the script that captures a host there and its result back.
//!
//! Orchestration only: what a capture is, `pack::dom0::capture` knows.

use std::fs::{File, Permissions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::dom0::capture::{Capture, SCRIPT};
use crate::{Error, Result, build};

use super::interrupt;
use super::print;
use super::terminal::{Terminal, size};
use clap::Args;

const BY_HAND: &str = "Try `ssh` by hand, or carry the script to the host: --print-script";

/// Capture a host over ssh for rehearsals: what is installed there. It changes nothing there.
#[derive(Debug, Args)]
#[command(
    after_help = "A capture has no passwords, keys, addresses or names of hosts. Where ssh does not lead, print the \
    script and run it on the host as root: sh capture.sh >host.tar.gz\n\n\
    Exit codes: 0 done, 1 failed, 2 wrong usage, 7 cannot write, 8 ssh or the host, 10 what the host sent, 130 interrupted"
)]
pub struct CaptureHost {
    /// Where ssh leads to, as root: user@host, or a name from ssh's configuration
    #[arg(required_unless_present = "print_script")]
    pub host: Option<String>,
    /// File for the capture [default: HOST.tar.gz]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Print the script that makes a capture, to carry it to a host by hand
    #[arg(long, conflicts_with_all = ["host", "output"])]
    pub print_script: bool,
}

/// Runs the command.
///
/// # Errors
/// What [`Error`] says of ssh, the host or the file.
pub fn run(flags: &CaptureHost) -> anyhow::Result<()> {
    let Some(host) = &flags.host else { return Ok(print(SCRIPT)?) };
    match capture(host, flags.output.as_deref()) {
        // Whatever failed, failed because of the signal.
        Err(_) if interrupt::interrupted() => Err(Error::interrupted().into()),
        result => Ok(result?),
    }
}

fn capture(host: &str, output: Option<&Path>) -> Result<()> {
    let output = output.map_or_else(|| default_output(host), Path::to_path_buf);
    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Nobody wants to give a password to learn that the folder is read-only.
    build::check_output(folder)?;
    let unwritable = |e: &io::Error| Error::output(&output, e);
    if output.is_dir() {
        return Err(unwritable(&io::ErrorKind::IsADirectory.into()));
    }
    interrupt::watch()?;
    let terminal = Terminal::new(false);
    terminal.step_of_program("capture", &format!("ssh {host}; it takes some seconds"));
    let partial = tempfile::Builder::new()
        .prefix(".capture-")
        .suffix(".partial")
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(folder)
        .map_err(|e| unwritable(&e))?;
    ask(host, partial.as_file().try_clone().map_err(|e| unwritable(&e))?)?;
    let capture = read_back(host, partial.reopen().map_err(|e| unwritable(&e))?)?;
    let bytes = partial.as_file().metadata().map_err(|e| unwritable(&e))?.len();
    partial.as_file().sync_all().map_err(|e| unwritable(&e))?;
    partial.persist(&output).map_err(|e| unwritable(&e.error))?;
    terminal.detail(format_args!("{} packages", capture.packages.len()));
    terminal.finish();
    print(&format!("{}: {}, {}, {}\n", output.display(), capture.product, capture.origin, size(bytes)))
}

/// The name of the host, in the current folder.
fn default_output(host: &str) -> PathBuf {
    let name = host.rsplit('@').next().unwrap_or(host);
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    PathBuf::from(format!("{}.tar.gz", name.chars().map(plain).collect::<String>()))
}

/// Has a shell on the host run the script; what it prints goes to a file.
fn ask(host: &str, answer: File) -> Result<()> {
    let script = || -> io::Result<File> {
        let mut file = tempfile::tempfile()?;
        file.write_all(SCRIPT.as_bytes())?;
        file.rewind()?;
        Ok(file)
    };
    let script = script().map_err(|e| Error::output(&std::env::temp_dir(), &e))?;
    let mut ssh = Command::new("ssh");
    // No terminal on the other side: it would change bytes.
    ssh.args(["-T", "--", host, "sh -s"]).stdin(Stdio::from(script)).stdout(Stdio::from(answer));
    let status = interrupt::run(&mut ssh)
        .map_err(|e| Error::tool("ssh", format!("cannot be run: {e}"), "Install OpenSSH's client"))?;
    match status.code() {
        Some(0) => Ok(()),
        // ssh(1), "EXIT STATUS".
        Some(255) => Err(Error::tool(format!("ssh {host}"), "failed, for the reason above", BY_HAND)),
        _ => Err(Error::tool(
            format!("the capture of {host}"),
            format!("failed there with {status}, for the reason above"),
            "See to that on the host, and try again",
        )),
    }
}

/// What arrived, as a rehearsal will read it.
fn read_back(host: &str, mut answer: File) -> Result<Capture> {
    let subject = format!("what {host} sent");
    let unreadable = |e: io::Error| Error::capture(&subject, format!("cannot be read back: {e}"), "Check the disk");
    let mut head = Vec::new();
    (&answer).take(80).read_to_end(&mut head).map_err(unreadable)?;
    answer.rewind().map_err(unreadable)?;
    if !head.starts_with(&[0x1f, 0x8b]) {
        let head = String::from_utf8_lossy(&head);
        return Err(Error::capture(
            &subject,
            format!("is no capture: it begins with {:?}", head.lines().next().unwrap_or_default()),
            format_args!("Nothing but the capture may be printed there: `ssh {host} true` must print nothing"),
        ));
    }
    Capture::parse(subject, answer)
}
