//! `suppack extract PACK`: what is in a pack, as files.

use std::path::{Path, PathBuf};

use clap::Args;

use super::terminal::{Terminal, size};
use super::{interrupt, print};
use crate::contents::Contents;
use crate::extract::{self, Request};

/// Extract a pack into a new folder.
#[derive(Debug, Args)]
#[command(
    after_help = "The folder appears when all of it is there; nothing is ever overwritten. Links and devices of the pack \
    are left out, setuid and the like are dropped.\n\n\
    Exit codes: 0 extracted, 2 wrong usage, 4 the pack or a package in it, 7 cannot write, 130 interrupted"
)]
pub struct Extract {
    /// An ISO image, or the folder into which one was extracted
    #[arg(value_name = "PACK")]
    pub pack: PathBuf,
    /// Extract only these files and folders of the pack [default: everything]
    #[arg(value_name = "FILE")]
    pub files: Vec<String>,
    /// The folder to make [default: the pack's name without .iso, in the current folder]
    #[arg(short, long, value_name = "FOLDER")]
    pub output: Option<PathBuf>,
    /// Unpack packages, too: the files of NAME.rpm into NAME.files/ beside it
    #[arg(long)]
    pub rpm_content: bool,
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
}

/// Runs the command.
///
/// # Errors
/// [`crate::Error`] of the pack or the folder.
pub fn run(flags: &Extract) -> anyhow::Result<()> {
    interrupt::watch()?;
    let contents = Contents::open(&flags.pack)?;
    let folder = flags.output.clone().unwrap_or_else(|| default_folder(&flags.pack));
    let terminal = Terminal::new(flags.quiet);
    let request = Request { contents: &contents, folder: &folder, only: &flags.files, rpm_content: flags.rpm_content };
    let done = extract::extract(&request, &terminal)?;
    terminal.finish();
    for note in &done.notes {
        eprintln!("note: {}", crate::printable::line(note, 400));
    }
    Ok(print(&format!("{}: {} files, {}\n", folder.display(), done.files, size(done.bytes)))?)
}

fn default_folder(pack: &Path) -> PathBuf {
    let name = pack.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match name.strip_suffix(".iso").or_else(|| name.strip_suffix(".tar.gz")) {
        Some(stem) if !stem.is_empty() => stem.into(),
        _ => format!("{name}.extracted").into(),
    }
}
