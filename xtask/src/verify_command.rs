//! `cargo xtask verify ISO`: whether a host will take a finished pack.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use pack::dom0::UpdateInfo;
use pack::dom0::capture::Capture;
use pack::image::PackImage;
use pack::spec::Released;
use pack::verify::{GivenKey, Policy, ShippedKey};
use pack::{Class, Error};

use crate::flags::{RuleSet, Verify};
use crate::proof::{Proof, Stage};
use crate::terminal::{self, Terminal};
use crate::{commit, interrupt, pack_command, root};

/// Runs the command; its exit code.
pub(crate) fn run(flags: &Verify) -> anyhow::Result<u8> {
    interrupt::watch()?;
    let terminal = Terminal::new(flags.quiet || flags.json);
    let said = said_by(&flags.iso);
    let key = key(flags, said.as_ref())?;
    let released = Released::read(&root().join("spec"))?;
    let policy = Policy {
        xscontainer: match flags.rules {
            Some(rules) => rules == RuleSet::Xscontainer,
            None => said.as_ref().is_some_and(|info| info.label == "xscontainer"),
        },
        key: key.as_ref().map(|(name, armored)| GivenKey { file_name: name, armored }),
        shipped_key: if flags.key.is_none() { ShippedKey::Beside } else { ShippedKey::Unknown },
        released: Some(&released),
        name: None,
        now: commit::now(),
    };
    let hosts = hosts(&flags.hosts)?;
    let stage = Stage { hosts: &hosts, previous: flags.previous.as_deref() };
    let proof = Proof::of(&flags.iso, &policy, (!flags.no_rehearsal).then_some(&stage), &terminal)?;
    terminal.finish();
    let report = proof.report();
    if let Some(file) = &flags.report {
        let text = format!("{:#}\n", report.to_json());
        fs::write(file, text).map_err(|e| Error::output(file, &e))?;
    }
    match (flags.json, flags.quiet) {
        (true, _) => pack_command::print(&format!("{:#}\n", report.to_json()))?,
        (false, true) => {}
        (false, false) => pack_command::print(&text(flags, &proof))?,
    }
    if !report.passed() {
        eprint!("{}", report.failures_text());
        eprintln!(
            "\n{} breaks {} of the rules above: a host would refuse it, or do nothing",
            flags.iso.display(),
            report.failures().count()
        );
        return Ok(Class::Readback.exit_code());
    }
    Ok(pack_command::tell_unproven(&proof))
}

/// The captures that were named, or those that come with this program.
fn hosts(files: &[PathBuf]) -> pack::Result<Vec<Capture>> {
    match files {
        [] => Ok(Capture::built_in()),
        files => files.iter().map(|file| Capture::read(file)).collect(),
    }
}

/// What the image says of itself, if it can be read at all: whether that is right is for the checks to say.
fn said_by(iso: &Path) -> Option<UpdateInfo> {
    let image = PackImage::open(iso).ok()?;
    let document = image.content(image.file("update.xml")?).ok()?;
    UpdateInfo::parse(&document).ok()
}

/// Name and content of the public key that was given, or of one that lies beside the image under the name in its metadata.
fn key(flags: &Verify, said: Option<&UpdateInfo>) -> anyhow::Result<Option<(String, Vec<u8>)>> {
    let beside = || {
        let file = flags.iso.with_file_name(said?.key.as_deref().filter(|name| !name.is_empty())?);
        file.is_file().then_some(file)
    };
    let Some(file) = flags.key.clone().or_else(beside) else { return Ok(None) };
    let armored = fs::read(&file).with_context(|| format!("{}: the key cannot be read", file.display()))?;
    let name = file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    Ok(Some((name, armored)))
}

fn text(flags: &Verify, proof: &Proof) -> String {
    let report = proof.report();
    let mut text = format!("\n{}\n", flags.iso.display());
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
    text
}
