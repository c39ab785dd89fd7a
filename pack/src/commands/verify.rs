//! `cargo xtask verify ISO`: whether a host will take a finished pack.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::dom0::UpdateInfo;
use crate::dom0::capture::Capture;
use crate::image::PackImage;
use crate::rpm::Source;
use crate::spec::Released;
use crate::verify::{GivenKey, Policy, ShippedKey};
use crate::{Class, Error};
use anyhow::Context;
use tempfile::NamedTempFile;

use super::proof::{Proof, Stage, tell_unproven};
use super::signer::rpm_keys;
use super::terminal::{self, Terminal};
use super::{interrupt, now, print};
use clap::Args;

/// Check a finished pack as everything does that reads it, and rehearse it on captured hosts.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 no rule is broken, 1 failed otherwise, 2 wrong usage, 3 spec/, 4 --previous is no pack, \
    7 cannot write, 8 the rehearsal could not go on, 9 a rule is broken, 10 a captured host, 11 scripts not proven, \
    130 interrupted"
)]
pub struct Verify {
    /// The image
    #[arg(value_name = "ISO")]
    pub iso: PathBuf,
    /// The public key that hosts trust [default: the file beside the image that it names]
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// The public key of somebody else who signed packages in it, which hosts trust too; may be given several times
    #[arg(long = "rpm-key", value_name = "FILE")]
    pub rpm_keys: Vec<PathBuf>,
    /// Hold it to these rules [default: xscontainer for this project's own pack, general for any other]
    #[arg(long, value_enum)]
    pub rules: Option<RuleSet>,
    /// Rehearse on this captured host; may be given several times [default: 8.1.0, 8.2.0, 8.2.1, 8.3.0]
    #[arg(long = "host", value_name = "FILE")]
    pub hosts: Vec<PathBuf>,
    /// Rehearse the upgrade from this earlier release [default: from a stand-in]
    #[arg(long, value_name = "ISO")]
    pub previous: Option<PathBuf>,
    /// Only read the image
    #[arg(long, conflicts_with_all = ["hosts", "previous"])]
    pub no_rehearsal: bool,
    /// Show every check with what was seen
    #[arg(long)]
    pub all: bool,
    /// Write everything to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Print broken rules only
    #[arg(short, long)]
    pub quiet: bool,
    /// Print everything as JSON on standard output
    #[arg(long)]
    pub json: bool,
}

/// Rules that a pack is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum RuleSet {
    /// Those of any pack
    General,
    /// Those of any pack, and the policy of this project's
    Xscontainer,
}

/// Runs the command; its exit code. A pack must be above what was `released`.
///
/// # Errors
/// The image, the key or a capture cannot be read; the rehearsal could not go on.
pub fn run(flags: &Verify, released: Option<&Released>) -> anyhow::Result<u8> {
    interrupt::watch()?;
    let terminal = Terminal::new(flags.quiet || flags.json);
    Source::open(&flags.iso)
        .map_err(|e| Error::payload(&flags.iso, format!("cannot be read: {e}"), "Give the path of an ISO image"))?;
    // Tried first: nobody wants to wait for a rehearsal to learn that its result has no place.
    let report_file = flags.report.as_deref().map(Output::create).transpose()?;
    let said = said_by(&flags.iso);
    let key = key(flags, said.as_ref())?;
    let policy = Policy {
        xscontainer: match flags.rules {
            Some(rules) => rules == RuleSet::Xscontainer,
            None => said.as_ref().is_some_and(|info| info.label == "xscontainer"),
        },
        key: key.as_ref().map(|(name, armored)| GivenKey { file_name: name, armored }),
        shipped_key: if flags.key.is_none() { ShippedKey::Beside } else { ShippedKey::Unknown },
        released,
        rpm_keys: &rpm_keys(&flags.rpm_keys)?,
        now: now(),
        ..Policy::default()
    };
    let hosts = hosts(&flags.hosts)?;
    let stage = Stage { hosts: &hosts, previous: flags.previous.as_deref() };
    let proof = Proof::of(&flags.iso, &policy, (!flags.no_rehearsal).then_some(&stage), &terminal)?;
    terminal.finish();
    let report = proof.report();
    if let Some(file) = report_file {
        file.write(&format!("{:#}\n", report.to_json()))?;
    }
    match (flags.json, flags.quiet) {
        (true, _) => print(&format!("{:#}\n", report.to_json()))?,
        (false, true) => {}
        (false, false) => print(&text(flags, &proof))?,
    }
    if !report.passed() {
        eprint!("{}", report.failures_text());
        eprintln!("\n{}", report.verdict_text());
        return Ok(Class::Readback.exit_code());
    }
    Ok(tell_unproven(&proof))
}

/// A file that gets its content at the end, or nothing.
struct Output {
    path: PathBuf,
    file: NamedTempFile,
}

impl Output {
    fn create(path: &Path) -> crate::Result<Output> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let permissions = Permissions::from_mode(0o644);
        let file = tempfile::Builder::new().prefix(".report-").permissions(permissions).tempfile_in(folder);
        let file = file.map_err(|e| Output::failed(path, &e))?;
        Ok(Output { path: path.into(), file })
    }

    fn write(mut self, text: &str) -> crate::Result<()> {
        self.file.write_all(text.as_bytes()).map_err(|e| Output::failed(&self.path, &e))?;
        self.file.persist(&self.path).map(drop).map_err(|e| Output::failed(&self.path, &e.error))
    }

    fn failed(path: &Path, cause: &io::Error) -> Error {
        Error::unwritable(path, cause, "Give --report a file in a folder that exists and is writable")
    }
}

/// The captures that were named, or those that come with this program.
fn hosts(files: &[PathBuf]) -> crate::Result<Vec<Capture>> {
    match files {
        [] => Ok(Capture::built_in()),
        files => files.iter().map(|file| Capture::read(file)).collect(),
    }
}

/// What the image says of itself, if it can be read at all: whether that is right is for the checks to say.
fn said_by(iso: &Path) -> Option<UpdateInfo> {
    UpdateInfo::of(&PackImage::open(iso).ok()?)
}

/// Name and content of the public key that was given, or of one that lies beside the image under the name in its metadata.
fn key(flags: &Verify, said: Option<&UpdateInfo>) -> anyhow::Result<Option<(String, Vec<u8>)>> {
    let beside = || {
        let file = flags.iso.with_file_name(said?.key.as_deref().filter(|name| !name.is_empty())?);
        file.is_file().then_some(file)
    };
    let Some(file) = flags.key.clone().or_else(beside) else { return Ok(None) };
    let armored = fs::read(&file).with_context(|| format!("{}: the key cannot be read", file.display()))?;
    // On a host the file has the name in the metadata, whatever it is called here.
    let name = said.and_then(|info| info.key.clone()).unwrap_or_default();
    Ok(Some((name, armored)))
}

fn text(flags: &Verify, proof: &Proof) -> String {
    let report = proof.report();
    let mut text = format!("\n{}\n", flags.iso.display());
    let verification = &proof.verification;
    for (name, said) in
        [("label", &verification.label), ("version", &verification.version), ("uuid", &verification.uuid)]
    {
        if let Some(said) = said {
            text += &format!("  {name:<10} {}\n", said.escape_debug());
        }
    }
    if flags.all {
        text += &format!("\n{}", report.details_text());
    }
    text += &format!("\n{}", report.checks_text());
    if let Some(rehearsal) = &proof.rehearsal {
        text += &format!(
            "\n{}\n{}\n{}",
            rehearsal.hosts_text(),
            rehearsal.landings_text(&terminal::size),
            rehearsal.scripts_text()
        );
    }
    let not_checked = report.not_checked_text();
    if !not_checked.is_empty() {
        text += &format!("\n{not_checked}");
    }
    if report.passed() {
        text += &format!("\n{}\n", report.verdict_text());
    }
    text
}
