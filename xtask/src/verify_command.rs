//! `cargo xtask verify ISO`: whether a host will take a finished pack.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use pack::dom0::capture::Capture;
use pack::spec::Released;
use pack::verify::{GivenKey, Policy};
use pack::{Class, Error};

use crate::flags::{RuleSet, Verify};
use crate::proof::{Proof, Stage};
use crate::terminal::{self, Terminal};
use crate::{commit, interrupt, pack_command, root};

/// Runs the command; its exit code.
pub(crate) fn run(flags: &Verify) -> anyhow::Result<u8> {
    interrupt::watch()?;
    let terminal = Terminal::new(flags.quiet || flags.json);
    let key = key(flags)?;
    let released = Released::read(&root().join("spec"))?;
    let policy = Policy {
        xscontainer: match flags.rules {
            Some(rules) => rules == RuleSet::Xscontainer,
            None => pack::verify::is_xscontainer(&flags.iso),
        },
        key: key.as_ref(),
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

/// The public key that was named, or one that lies beside the image.
fn key(flags: &Verify) -> anyhow::Result<Option<GivenKey>> {
    let file = match &flags.key {
        Some(file) => Some(file.clone()),
        None => key_beside(&flags.iso),
    };
    let read = |file: PathBuf| -> anyhow::Result<GivenKey> {
        let armored =
            fs::read_to_string(&file).with_context(|| format!("{}: the key cannot be read", file.display()))?;
        let name = file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Ok(GivenKey { armored, name })
    };
    file.map(read).transpose()
}

/// The file beside the image that its metadata names.
fn key_beside(iso: &Path) -> Option<PathBuf> {
    let name = pack::verify::key_name(iso)?;
    let file = iso.parent()?.join(name);
    file.is_file().then_some(file)
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
