//! `cargo xtask …`: the project's commands. Orchestration only: what a pack is, `pack` knows.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage; `cargo xtask pack` has more (README.md, "Exit codes").

mod agent_rpm;
mod bench;
mod bench_agent;
mod commit;
mod debian;
mod flags;
mod pack_command;
mod reproduce;
mod suppack_pages;
mod suppack_rpm;
mod supply;
mod test_command;
mod test_programs;
mod tools;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use pack::commands;
use pack::spec::Released;

fn main() -> ExitCode {
    let result = match flags::Xtask::parse().command {
        flags::Command::Pack(flags) => pack_command::run(&flags),
        flags::Command::Verify(flags) => verify(&flags),
        flags::Command::Suppack(flags) => suppack_rpm::run(&flags).map(|()| 0),
        flags::Command::Test(flags) => test_command::run(&flags).map(|()| 0),
        flags::Command::Bench(flags) => bench::run(&flags).map(|()| 0),
        flags::Command::BenchMonitor(flags) => bench_agent::run_monitor(&flags).map(|()| 0),
        flags::Command::BenchPlugin(flags) => bench_agent::run_plugin(&flags).map(|()| 0),
        flags::Command::BenchOperator(flags) => bench_agent::run_operator(&flags).map(|()| 0),
        flags::Command::BenchStreams(flags) => bench_agent::run_streams(&flags).map(|()| 0),
        flags::Command::BenchMetrics => bench_agent::run_metrics().map(|()| 0),
        flags::Command::CaptureHost(flags) => commands::capture_host::run(&flags).map(|()| 0),
    };
    commands::exit(result)
}

/// Held to the releases of this project as well.
fn verify(flags: &commands::verify::Verify) -> anyhow::Result<u8> {
    commands::verify::run(flags, Some(&Released::read(&root().join("spec"))?))
}

/// The root of the workspace: of the one that cargo runs this for, else of the one that it was compiled in.
fn root() -> PathBuf {
    let manifest =
        std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest.parent().map_or_else(PathBuf::new, Path::to_path_buf)
}
