//! `cargo xtask verify ISO`: whether a host will take a finished pack.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::dom0::UpdateInfo;
use crate::generation::listed;
use crate::image::PackImage;
use crate::rpm::Source;
use crate::spec::Released;
use crate::verify::{GivenKey, Policy, ShippedKey};
use crate::{Class, Error};
use anyhow::Context;

use super::hosts::Hosts;
use super::page::{self, About, Output};
use super::proof::{Proof, Stage, tell_unproven};
use super::signer::rpm_keys;
use super::terminal::{self, Terminal};
use super::{interrupt, now, print};
use clap::Args;

/// Check a finished pack as everything does that reads it, and rehearse it on captured hosts.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 no rule is broken, 1 failed otherwise, 2 wrong usage, 3 spec/, 4 --previous is no pack, \
    7 cannot write, 8 the rehearsal could not go on, 9 a rule is broken, 10 a captured host or an unknown name, 11 scripts not proven, \
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
    /// Hold it to the rules of this host, and rehearse on it: a generation such as 8.2.1, or a captured host's file; may be
    /// given several times [default: the rules of all that the pack's own requirements claim, rehearsed on 8.1.0, 8.2.0,
    /// 8.2.1, 8.3.0]
    #[arg(long = "host", value_name = "NAME|FILE")]
    pub hosts: Vec<OsString>,
    /// Rehearse the upgrade from this earlier release [default: from a stand-in]
    #[arg(long, value_name = "ISO")]
    pub previous: Option<PathBuf>,
    /// Only read the image
    #[arg(long, conflicts_with = "previous")]
    pub no_rehearsal: bool,
    /// Show every check with what was seen
    #[arg(long)]
    pub all: bool,
    /// Write everything to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Write everything to this file, as a page for browsers
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
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
    if !flags.iso.is_dir() {
        let remedy = "Give the path of an ISO image; of a pack for 7.0 and before also an archive or a folder";
        Source::open(&flags.iso).map_err(|e| Error::payload(&flags.iso, format!("cannot be read: {e}"), remedy))?;
    }
    // Tried first: nobody wants to wait for a rehearsal to learn that its result has no place.
    let report_file = flags.report.as_deref().map(|path| Output::create(path, "--report")).transpose()?;
    let html_file = flags.html.as_deref().map(|path| Output::create(path, "--html")).transpose()?;
    let hosts = Hosts::named(&flags.hosts)?;
    let said = said_by(&flags.iso);
    let key = key(&flags.iso, flags.key.as_deref(), said.as_ref())?;
    let policy = Policy {
        xscontainer: match flags.rules {
            Some(rules) => rules == RuleSet::Xscontainer,
            None => said.as_ref().is_some_and(|info| info.label == "xscontainer"),
        },
        key: key.as_ref().map(|(name, armored)| GivenKey { file_name: name, armored }),
        shipped_key: if flags.key.is_none() { ShippedKey::Beside } else { ShippedKey::Unknown },
        released,
        rpm_keys: &rpm_keys(&flags.rpm_keys)?,
        generations: &hosts.generations,
        now: now(),
        ..Policy::default()
    };
    let stage = Stage { hosts: &hosts.captures, previous: flags.previous.as_deref(), scenarios: &[] };
    let rehearses = !flags.no_rehearsal && !hosts.captures.is_empty();
    let proof = Proof::of(&flags.iso, &policy, rehearses.then_some(&stage), &terminal)?;
    terminal.finish();
    let report = proof.report();
    if let Some(file) = report_file {
        file.write(&format!("{:#}\n", report.to_json()))?;
    }
    if let Some(file) = html_file {
        let about = About {
            iso: &flags.iso,
            name: None,
            key: key.as_ref().map(|(name, armored)| (name.as_str(), armored.as_slice())),
            previous: flags.previous.as_deref(),
            hosts: &hosts.captures,
        };
        file.write(&page::page(&about, &proof)?)?;
    }
    if !flags.no_rehearsal && !hosts.not_rehearsed.is_empty() {
        terminal.note(format_args!(
            "not rehearsed, as there is no capture of it: {}",
            listed(hosts.not_rehearsed.iter().copied())
        ));
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

/// What the image says of itself, if it can be read at all: whether that is right is for the checks to say.
pub(super) fn said_by(iso: &Path) -> Option<UpdateInfo> {
    UpdateInfo::of(&PackImage::open(iso).ok()?)
}

/// Name and content of the public key that was given, or of one that lies beside the image under the name in its metadata.
pub(super) fn key(
    iso: &Path,
    given: Option<&Path>,
    said: Option<&UpdateInfo>,
) -> anyhow::Result<Option<(String, Vec<u8>)>> {
    let beside = || {
        let file = iso.with_file_name(said?.key.as_deref().filter(|name| !name.is_empty())?);
        file.is_file().then_some(file)
    };
    let Some(file) = given.map(Path::to_path_buf).or_else(beside) else { return Ok(None) };
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
    let answers = report.answers_text();
    if !answers.is_empty() {
        text += &format!("\n{answers}");
    }
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
