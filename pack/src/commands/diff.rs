//! `suppack diff A B`: what the upgrade from one pack to another changes on a host.

use std::path::PathBuf;

use clap::Args;

use super::inspect::look_into;
use super::print;
use crate::compare;
use crate::contents::Contents;

/// Show what the upgrade from one pack to another changes on a host.
#[derive(Debug, Args)]
#[command(
    after_help = "It compares what headers say: metadata, requirements, packages, files by their digests, scriptlets that \
    will run in their order, and what becomes of configuration that an administrator changed.\n\n\
    Exit codes: 0 the same, 1 different, 2 wrong usage, 4 a pack cannot be read, 7 cannot write"
)]
pub struct Diff {
    /// The pack that hosts have: an ISO image, or the folder into which one was extracted
    #[arg(value_name = "A")]
    pub from: PathBuf,
    /// The pack that they are to get
    #[arg(value_name = "B")]
    pub to: PathBuf,
    /// Print everything as JSON on standard output
    #[arg(long)]
    pub json: bool,
}

/// Runs the command; its exit code.
///
/// # Errors
/// [`crate::Error`]: a pack cannot be read.
pub fn run(flags: &Diff) -> anyhow::Result<u8> {
    let (from, to) = (Contents::open(&flags.from)?, Contents::open(&flags.to)?);
    let (from, to) = (look_into(&from, &[])?, look_into(&to, &[])?);
    let comparison = compare::compare(&from, &to);
    let text = match flags.json {
        true => format!("{:#}\n", serde_json::json!(comparison)),
        false => compare::text(&from, &to, &comparison),
    };
    print(&text)?;
    Ok(u8::from(!comparison.same))
}
