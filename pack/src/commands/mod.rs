//! Command lines, terminals and exit codes: of `suppack`, and what `cargo xtask` shares with it.
//!
//! One file a command, with its options. Must not know how anything is done: that is for the other rooms.

pub mod build;
pub mod build_supplemental_pack;
pub mod build_update;
pub mod capture_host;
pub mod consent;
pub mod diff;
pub mod extract;
pub mod group_file;
pub mod hosts;
pub mod inspect;
pub mod install;
pub mod interrupt;
pub mod key;
pub mod list;
pub mod page;
pub mod proof;
pub mod publish;
pub mod remove;
pub mod resign;
pub mod signer;
pub mod simulate;
pub mod terminal;
pub mod verify;

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Parser, Subcommand};

use crate::{Error, Result};

/// Build, look into, prove, sign, compare and install supplemental packs for XenServer, Citrix Hypervisor and XCP-ng.
#[derive(Debug, Parser)]
#[command(name = "suppack", version = VERSION, arg_required_else_help = true, max_term_width = 100)]
pub struct Suppack {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Build(build::Build),
    BuildUpdate(build_update::BuildUpdate),
    GroupFile(group_file::GroupFile),
    BuildSupplementalPack(Box<build_supplemental_pack::BuildSupplementalPack>),
    Inspect(inspect::Inspect),
    Extract(extract::Extract),
    Resign(resign::Resign),
    Diff(diff::Diff),
    Key(key::Key),
    Verify(verify::Verify),
    Simulate(simulate::Simulate),
    CaptureHost(capture_host::CaptureHost),
    Install(install::Install),
    List(list::List),
    Remove(remove::Remove),
}

/// Something was done on a host, and something remains to be done.
pub const REMAINS: u8 = 13;

/// The version of this program: that of its package, else this workspace's.
pub const VERSION: &str = match option_env!("XSCONTAINER_VERSION") {
    Some(version) => version,
    None => env!("CARGO_PKG_VERSION"),
};

/// Runs `suppack`.
pub fn main() -> ExitCode {
    exit(match Suppack::parse_from(arguments(env::args_os().collect())).command {
        Command::Build(flags) => build::run(&flags),
        Command::BuildUpdate(flags) => build_update::run(&flags),
        Command::GroupFile(flags) => group_file::run(&flags).map(|()| 0),
        Command::BuildSupplementalPack(flags) => build_supplemental_pack::run(&flags),
        Command::Inspect(flags) => inspect::run(&flags).map(|()| 0),
        Command::Extract(flags) => extract::run(&flags).map(|()| 0),
        Command::Resign(flags) => resign::run(&flags).map(|()| 0),
        Command::Diff(flags) => diff::run(&flags),
        Command::Key(flags) => key::run(&flags).map(|()| 0),
        Command::Verify(flags) => verify::run(&flags, None),
        Command::Simulate(flags) => simulate::run(&flags),
        Command::CaptureHost(flags) => capture_host::run(&flags).map(|()| 0),
        Command::Install(flags) => install::run(&flags),
        Command::List(flags) => list::run(&flags).map(|()| 0),
        Command::Remove(flags) => remove::run(&flags),
    })
}

/// Commands that the program is also called by: those of the DDK.
const HISTORICAL: [&str; 2] = ["build-update", "build-supplemental-pack"];

/// The command line, with the command in it that the program's own name stands for.
fn arguments(mut given: Vec<OsString>) -> Vec<OsString> {
    let called = given.first().and_then(|program| Path::new(program).file_name()?.to_str());
    let called = called.map(|name| name.trim_end_matches(".sh").trim_end_matches(".py"));
    if let Some(command) = HISTORICAL.into_iter().find(|command| Some(*command) == called) {
        given.splice(..1, ["suppack".into(), command.into()]);
    }
    given
}

/// The exit code of a command, whose error is told.
pub fn exit(result: anyhow::Result<u8>) -> ExitCode {
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(error.downcast_ref::<Error>().map_or(1, |error| error.class().exit_code()))
        }
    }
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// Prints the result. A reader that has gone away wanted no more of it.
///
/// # Errors
/// [`Error`] of class `Output`.
pub fn print(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(Error::output(Path::new("standard output"), &e)),
        _ => Ok(()),
    }
}
