//! `suppack simulate PACK`: what a pack does on hosts, played without one.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::hosts::Hosts;
use super::page::{self, About, Output};
use super::proof::{Proof, Stage, tell_unproven};
use super::terminal::{self, Terminal};
use super::{interrupt, now, print};
use crate::check::Outcome;
use crate::dom0::{Rehearsal, Scenario};
use crate::generation::listed;
use crate::report::Report;
use crate::rpm::Source;
use crate::verify::Policy;
use crate::{Class, Error};

/// Play what a pack does on hosts: which files land, which scripts run and what they call, and the errors that XAPI gives.
///
/// Scripts run confined on this machine, on a copy of what is known of the host; nothing of this machine is changed. The
/// installation is always played, because everything else begins with it.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 every host that takes it is left as it should be, 1 failed otherwise, 2 wrong usage, \
    4 no pack, 7 cannot write, 8 the rehearsal could not go on, 9 something goes wrong or every host refuses, 10 a captured \
    host or an unknown name, 11 scripts not proven, 130 interrupted"
)]
pub struct Simulate {
    /// The image
    #[arg(value_name = "PACK")]
    pub pack: PathBuf,
    /// On this host: a generation such as 8.2.1, or a captured host's file; may be given several times [default: 8.1.0,
    /// 8.2.0, 8.2.1, 8.3.0]
    #[arg(long = "host", value_name = "NAME|FILE")]
    pub hosts: Vec<OsString>,
    /// On the host whose root file system is in this folder, or that was captured to this file; may be given several times
    #[arg(long = "root", value_name = "FOLDER|FILE")]
    pub roots: Vec<PathBuf>,
    /// Play only this, after the installation; may be given several times [default: all]
    #[arg(long = "scenario", value_name = "NAME", value_parser = scenario)]
    pub scenarios: Vec<Scenario>,
    /// Upgrade from this earlier release [default: from a stand-in]
    #[arg(long, value_name = "ISO")]
    pub previous: Option<PathBuf>,
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

fn scenario(name: &str) -> Result<Scenario, String> {
    Scenario::ALL.into_iter().find(|scenario| scenario.id() == name).ok_or_else(|| {
        let known: Vec<&str> = Scenario::ALL.into_iter().map(Scenario::id).collect();
        format!("known are {}", known.join(", "))
    })
}

/// Runs the command; its exit code.
///
/// # Errors
/// The image or a host cannot be read; the rehearsal could not go on.
pub fn run(flags: &Simulate) -> anyhow::Result<u8> {
    interrupt::watch()?;
    let terminal = Terminal::new(flags.quiet || flags.json);
    Source::open(&flags.pack)
        .map_err(|e| Error::payload(&flags.pack, format!("cannot be read: {e}"), "Give the path of an ISO image"))?;
    let html = flags.html.as_deref().map(|path| Output::create(path, "--html")).transpose()?;
    let mut hosts = match (flags.hosts.is_empty(), flags.roots.is_empty()) {
        (true, false) => Hosts { generations: Vec::new(), captures: Vec::new(), not_rehearsed: Vec::new() },
        _ => Hosts::named(&flags.hosts)?,
    };
    for root in &flags.roots {
        hosts.add_root(root)?;
    }
    if !hosts.not_rehearsed.is_empty() {
        let names = listed(hosts.not_rehearsed.iter().copied());
        let remedy = "Capture such a host (suppack capture-host) and give the file; `suppack verify` knows its rules";
        return Err(Error::capture(names, "comes with no capture to play on", remedy).into());
    }
    let policy = Policy { generations: &hosts.generations, now: now(), ..Policy::default() };
    let stage = Stage { hosts: &hosts.captures, previous: flags.previous.as_deref(), scenarios: &flags.scenarios };
    let proof = Proof::simulated(&flags.pack, &policy, &stage, &terminal)?;
    terminal.finish();
    let report = proof.report();
    if let Some(html) = html {
        let (iso, previous) = (flags.pack.as_path(), flags.previous.as_deref());
        html.write(&page::page(&About { iso, name: None, key: None, previous, hosts: &hosts.captures }, &proof)?)?;
    }
    let Some(rehearsal) = &proof.rehearsal else {
        eprint!("{}", report.failures_text());
        return Ok(Class::Readback.exit_code());
    };
    match (flags.json, flags.quiet) {
        (true, _) => print(&format!("{:#}\n", report.to_json()))?,
        (false, true) => {}
        (false, false) => print(&text(&report, rehearsal))?,
    }
    if proof.verification.failed().next().is_some() {
        let broken = proof.verification.failed().count();
        terminal.note(format_args!("{broken} rules are broken, so a host may refuse it before: suppack verify"));
    }
    if rehearsal.verdicts.iter().any(|verdict| matches!(verdict.outcome, Outcome::Failed(_))) {
        eprint!("{}", report.rehearsal_failures_text());
        return Ok(Class::Readback.exit_code());
    }
    Ok(tell_unproven(&proof))
}

fn text(report: &Report<'_>, rehearsal: &Rehearsal) -> String {
    let mut text = format!("\n{}\n{}", rehearsal.hosts_text(), rehearsal.refusals_text());
    text += &format!("\n{}", rehearsal.landings_text(&terminal::size));
    for host in rehearsal.hosts.iter().filter(|host| host.has_runs()) {
        text += &format!("\n{}", host.scripts_text());
    }
    let not_checked = report.rehearsal_not_checked_text();
    if !not_checked.is_empty() {
        text += &format!("\n{not_checked}");
    }
    text
}
