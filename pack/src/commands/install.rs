//! `suppack install ISO`: installs a pack on this host, or on its pool.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::consent::consent;
use super::terminal::Terminal;
use super::{REMAINS, interrupt, now, print};
use crate::dom0::UpdateInfo;
use crate::image::PackImage;
use crate::install::applying::{self, Applied, Done, Request};
use crate::install::fitness::{Finding, Fitness, Verdict, fitness};
use crate::install::host::{Host, Inventory};
use crate::install::older_installer::{self, Ended};
use crate::install::state::State;
use crate::install::trust;
use crate::install::xe::Xe;
use crate::report::Report;
use crate::verify::{self, GivenKey, Policy, Verification};
use crate::{Error, Result};

/// Install a pack on this host, after the checks of `suppack verify` against this very host
#[derive(Debug, Args)]
#[command(
    after_help = "On 7.1 and later XAPI does it: upload, precheck, apply. What was uploaded and not applied is cleaned \
    up. Before 7.1 the pack's own installer is run. If XAPI is down, nothing is changed.\n\n\
    Exit codes: 0 installed, or installed already; 2 wrong usage; 4 no pack; 6 the key; 8 a program failed; \
    9 a rule is broken; 12 the host refuses it, or XAPI is down, and nothing is changed; \
    13 something remains to be done; 130 interrupted"
)]
pub struct Install {
    /// The image
    #[arg(value_name = "ISO")]
    pub iso: PathBuf,
    /// Say what would happen, and change nothing
    #[arg(long)]
    pub check: bool,
    /// Install on every host of the pool, one after the other [default: on this host alone]
    #[arg(long)]
    pub pool: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Make this host trust the public key in this file, after showing its fingerprint
    #[arg(long, value_name = "FILE")]
    pub trust_key: Option<PathBuf>,
    /// Storage repository for the image while it is applied [default: the pool's default]
    #[arg(long, value_name = "UUID")]
    pub sr: Option<String>,
    /// Go on although rules of `suppack verify` are broken: the host itself decides
    #[arg(long)]
    pub ignore_rules: bool,
    /// Run an older pack's own installer without prompts
    #[arg(long)]
    pub batch: bool,
    /// Print what --check found as JSON
    #[arg(long, requires = "check")]
    pub json: bool,
}

/// Runs the command; its exit code.
///
/// # Errors
/// The pack, its key or the host is not fit for it, or XAPI refuses.
pub fn run(flags: &Install) -> anyhow::Result<u8> {
    interrupt::watch()?;
    let terminal = Terminal::new(flags.json);
    let host = Host::this();
    let inventory = host.inventory().ok().flatten().ok_or_else(|| {
        Error::host(
            "this machine",
            "has no /etc/xensource-inventory",
            "Run it on a XenServer, Citrix Hypervisor or XCP-ng host, as root",
        )
    })?;
    let image = PackImage::open(&flags.iso)
        .map_err(|problem| Error::payload(&flags.iso, problem, "Give the ISO image of a pack"))?;
    if older_installer::is_older(&image) {
        return Ok(install_older(flags, &host, &inventory, &image)?);
    }
    let info = UpdateInfo::of(&image).ok_or_else(|| {
        Error::payload(&flags.iso, "has no update.xml that can be read", "Give the ISO image of a pack")
    })?;
    let key_name = info.key.clone().unwrap_or_default();
    let verification = verified(flags, &host, &key_name, &terminal)?;
    terminal.finish();
    let xe = Xe::of(&host, &interrupt::interrupted);
    let state = State::of(&host, &xe, &interrupt::interrupted)?;
    if let Some(file) = &flags.trust_key
        && !trust_key(flags, &host, file, &key_name)?
    {
        return Ok(0);
    }
    let fitness = fitness(&host, &inventory, &state, &image, &info)?;
    if flags.json {
        let report = Report { verification: &verification, rehearsal: None };
        print(&format!("{:#}\n", json!({ "format": 1, "pack": report.to_json(), "host": fitness })))?;
    } else {
        print(&text(&info, &fitness))?;
    }
    // With --check nothing was done about the key that was given.
    let will_be_trusted = |finding: &&Finding| flags.check && flags.trust_key.is_some() && finding.check == "key";
    if let Some(first) = fitness.bad().find(|finding| !will_be_trusted(finding)) {
        return Err(Error::host(&info.label, &first.found, "What to do about it stands above").into());
    }
    if fitness.installed && !flags.pool {
        return Ok(told(flags.json, 0, &format!("{} {} is installed already.", info.label, info.version))?);
    }
    if let Some(reason) = state.xapi_unknown {
        let remedy = "Start it, xe-toolstack-restart, wait half a minute, and run the same command again";
        return Err(
            Error::host(&info.label, format!("was not installed, and nothing was changed: {reason}"), remedy).into()
        );
    }
    if flags.check {
        return Ok(told(flags.json, 0, &format!("{} {} can be installed.", info.label, info.version))?);
    }
    let place = if flags.pool { "every host of the pool" } else { "this host" };
    if !consent(&format!("Install {} {} on {place}?", info.label, info.version), flags.yes)? {
        return Ok(0);
    }
    let uuid = inventory.host_uuid().ok_or_else(|| {
        Error::host("/etc/xensource-inventory", "has no INSTALLATION_UUID", "Restore it from a backup")
    })?;
    let request = Request { iso: &flags.iso, info: &info, host: uuid, pool: flags.pool, storage: flags.sr.as_deref() };
    let done = applying::apply(&host, &xe, request, &terminal);
    terminal.finish();
    Ok(match done {
        Ok(Done::AlreadyThere) => told(false, 0, &format!("{} {} is installed already.", info.label, info.version))?,
        Ok(Done::Applied(applied)) => tell_applied(&info, &applied)?,
        Err(halt) if halt.remains.is_empty() => return Err(halt.error.into()),
        Err(halt) => {
            eprintln!("error: {}", halt.error);
            told(false, REMAINS, &remaining(&halt.remains))?
        }
    })
}

/// The checks of `suppack verify`, with the key that was given or that the host has.
fn verified(flags: &Install, host: &Host, key_name: &str, terminal: &Terminal) -> Result<Verification> {
    let armored = match &flags.trust_key {
        Some(file) => Some(trust::read_key(file, now())?.armored().into_bytes()),
        None => trust::installed_key(host, key_name),
    };
    let key = armored.as_deref().map(|armored| GivenKey { file_name: key_name, armored });
    let policy = Policy { key, now: now(), ..Policy::default() };
    let verification = verify::verify(&flags.iso, &policy, terminal);
    if interrupt::interrupted() {
        return Err(Error::interrupted());
    }
    if verification.passed() || flags.ignore_rules {
        return Ok(verification);
    }
    let report = Report { verification: &verification, rehearsal: None };
    eprint!("{}", report.failures_text());
    Err(Error::refused_image(&flags.iso, report.broken_rules()))
}

/// Shows a key, and has the host trust it; whether the person agreed.
fn trust_key(flags: &Install, host: &Host, file: &Path, key_name: &str) -> Result<bool> {
    let certificate = trust::read_key(file, now())?;
    let fingerprint: Vec<String> =
        certificate.fingerprint().as_bytes().chunks(4).map(|four| String::from_utf8_lossy(four).into_owned()).collect();
    eprintln!("{}: {}\n  fingerprint {}", file.display(), certificate.user_id().escape_debug(), fingerprint.join(" "));
    if flags.check {
        return Ok(true);
    }
    if !consent("Compare it with what the vendor publishes. Shall this host trust all that this key signs?", flags.yes)?
    {
        return Ok(false);
    }
    trust::trust(host, &certificate, key_name)?;
    Ok(true)
}

fn install_older(flags: &Install, host: &Host, inventory: &Inventory, image: &PackImage) -> Result<u8> {
    if inventory.takes_updates() {
        return Err(Error::host(
            flags.iso.display(),
            format!("is a pack for XenServer 7.0 and before, and this is {}", inventory.product()),
            "Get the pack in the format of 7.1 and later",
        ));
    }
    if flags.check {
        return told(false, 0, "The pack's own installer would be run; it checks the host itself.");
    }
    if !consent("Run the pack's own installer as root?", flags.yes)? {
        return Ok(0);
    }
    Ok(match older_installer::install(host, image, flags.batch)? {
        Ended::Installed => told(false, 0, "Installed.")?,
        Ended::AlreadyThere => told(false, 0, "It is installed already.")?,
    })
}

fn told(quiet: bool, code: u8, text: &str) -> Result<u8> {
    if !quiet {
        print(&format!("{}\n", text.trim_end()))?;
    }
    Ok(code)
}

fn text(info: &UpdateInfo, fitness: &Fitness) -> String {
    let mut text =
        format!("\n{} {}, {}\n", info.label.escape_debug(), info.version.escape_debug(), info.uuid.escape_debug());
    for Finding { check, verdict, found, remedy } in &fitness.findings {
        let word = match verdict {
            Verdict::Good => "ok",
            Verdict::Bad => "NO",
            Verdict::Open => "?",
        };
        let _ = writeln!(text, "  {word:<3} {check:<13} {found}");
        for line in remedy.lines() {
            let _ = writeln!(text, "  {:<17} {line}", "");
        }
    }
    for line in &fitness.plan {
        let _ = writeln!(text, "      {line}");
    }
    text
}

fn remaining(commands: &[String]) -> String {
    let lines: String = commands.iter().map(|command| format!("  {command}\n")).collect();
    format!("What remains to be done:\n{lines}")
}

fn tell_applied(info: &UpdateInfo, applied: &Applied) -> Result<u8> {
    let mut text = format!("{} {} is installed.\n", info.label, info.version);
    for word in &applied.guidance {
        text += match word.as_str() {
            "restartHost" => "To take effect: restart the host.\n",
            "restartXAPI" => "To take effect: xe-toolstack-restart\n",
            "restartHVM" => "To take effect: restart the VMs with full virtualisation.\n",
            "restartPV" => "To take effect: restart the paravirtualised VMs.\n",
            _ => "",
        };
    }
    if !applied.lacking.is_empty() {
        let _ = writeln!(text, "Not on these hosts of the pool: {}.", applied.lacking.join(", "));
    }
    if applied.remains.is_empty() {
        return told(false, 0, &text);
    }
    text += &remaining(&applied.remains);
    told(false, REMAINS, &text)
}
