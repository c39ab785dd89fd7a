//! `suppack inspect PACK`: what a pack says of itself.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{now, print, terminal};
use crate::contents::Contents;
use crate::inspect::{self, Detail, Document, Inspection, Keys, Told};
use crate::openpgp::Certificate;
use crate::{Error, Result};

/// Most bytes of a file with a public key.
const MAX_KEY: u64 = 1 << 20;

/// Show what is in a pack: metadata, signatures, files, packages, scriptlets and dependencies.
#[derive(Debug, Args)]
#[command(
    after_help = "It reads headers and small files only, so that a pack of any size is shown at once, and judges nothing: \
    that is for `suppack verify`. What cannot be read is told in its place.\n\n\
    Exit codes: 0 shown, 2 wrong usage, 4 cannot be read at all, 6 the key, 7 cannot write"
)]
pub struct Inspect {
    /// An ISO image, or the folder into which one was extracted
    #[arg(value_name = "PACK")]
    pub pack: PathBuf,
    /// Try signatures with this public key; may be given several times [default: the file beside the pack that it names]
    #[arg(long = "key", value_name = "FILE")]
    pub keys: Vec<PathBuf>,
    /// Show the text of scriptlets
    #[arg(long)]
    pub scripts: bool,
    /// Show the files of packages, and long lists to their end
    #[arg(long)]
    pub files: bool,
    /// Print everything as JSON on standard output
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// [`Error`]: there is nothing to look into, or a given key is unfit.
pub fn run(flags: &Inspect) -> anyhow::Result<()> {
    let contents = Contents::open(&flags.pack)?;
    let inspection = look_into(&contents, &flags.keys)?;
    let detail = Detail { scripts: flags.scripts, files: flags.files };
    let text = match flags.json {
        true => format!("{:#}\n", serde_json::to_value(&inspection)?),
        false => inspect::text(&inspection, detail, &terminal::size),
    };
    Ok(print(&text)?)
}

/// Looks into a pack with the given keys, or the one beside it.
///
/// # Errors
/// [`Error`] of class `Key` for one that was given.
pub(super) fn look_into(contents: &Contents, given: &[PathBuf]) -> Result<Inspection> {
    let now = now();
    let mut keys = Keys { certificates: Vec::new(), now };
    for file in given {
        keys.certificates.push((name(file), certificate(file, now)?));
    }
    let mut unfit = None;
    if let (true, Some(file)) = (given.is_empty(), key_beside(contents)) {
        match certificate(&file, now) {
            Ok(key) => keys.certificates.push((name(&file), key)),
            Err(e) => unfit = Some(format!("the key beside it, {}, {}", name(&file), e.problem())),
        }
    }
    let mut inspection = inspect::inspect(contents, &keys);
    inspection.problems.extend(unfit);
    Ok(inspection)
}

fn name(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Reads a public key.
///
/// # Errors
/// [`Error`] of class `Key`.
pub(super) fn certificate(file: &Path, now: u64) -> Result<Certificate> {
    let name = file.display().to_string();
    let read = || -> std::io::Result<String> {
        let mut text = String::new();
        File::open(file)?.take(MAX_KEY).read_to_string(&mut text)?;
        Ok(text)
    };
    let text = read().map_err(|e| {
        Error::key(&name, format!("cannot be read: {e}"), "It must hold one public key in armor, as text")
    })?;
    Certificate::parse(&text, &name, now)
}

/// The file beside a pack that it names as its key.
pub(super) fn key_beside(contents: &Contents) -> Option<PathBuf> {
    let document: Told<Document> = inspect::document(contents)?;
    let name = document.known()?.attribute("key")?;
    // Only a name: it does not lead elsewhere.
    let name = Path::new(name).file_name().filter(|file| *file == name)?;
    let path = std::path::absolute(contents.path()).ok()?.with_file_name(name);
    path.is_file().then_some(path)
}
