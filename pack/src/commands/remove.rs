//! `suppack remove LABEL|UUID`: takes a pack away from this host.

use std::time::Duration;

use clap::Args;

use super::consent::consent;
use super::{REMAINS, interrupt, print};
use crate::install::host::Host;
use crate::install::packages;
use crate::install::removal::{self, Removal, Script, remains};
use crate::install::state::State;
use crate::install::xe::Xe;
use crate::{Error, Result};

/// Remove a pack from this host, by the script that it ships or else by the default one
#[derive(Debug, Args)]
#[command(
    after_help = "It removes the pack's packages and its stamp, has XAPI forget it, and looks afterwards whether \
    anything is left. Works without XAPI, and says then what remains to be done. Other hosts of the pool keep the pack.\n\n\
    Exit codes: 0 nothing of it is left, 2 wrong usage, 8 nothing was removed, 12 there is no such pack, \
    13 something is left or remains to be done, 130 interrupted"
)]
pub struct Remove {
    /// Label or uuid of the pack, as `suppack list` shows it; for a pack of the older format, ORIGINATOR:NAME
    #[arg(value_name = "LABEL|UUID")]
    pub pack: String,
    /// Say what would be removed, and change nothing
    #[arg(long)]
    pub check: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Use the default script although the pack ships one
    #[arg(long)]
    pub default: bool,
    /// Remove kernel modules too, which the running kernel may need
    #[arg(long)]
    pub force: bool,
    /// How many seconds the script may take
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub time_limit: u64,
}

/// Runs the command; its exit code.
///
/// # Errors
/// There is no such pack, nobody can be asked, or a program failed.
pub fn run(flags: &Remove) -> anyhow::Result<u8> {
    interrupt::watch()?;
    let host = Host::this();
    let stop = &interrupt::interrupted;
    let xe = Xe::of(&host, stop);
    let state = State::of(&host, &xe, stop)?;
    if let Some(pack) = state.older.iter().find(|pack| pack.id == flags.pack) {
        println!("Will remove {} {}: {}", pack.id, pack.version, pack.packages.join(", "));
        if flags.check || !consent("Remove it?", flags.yes)? {
            return Ok(0);
        }
        return Ok(match removal::remove_older(&host, pack)? {
            None => said(0, &format!("{} is removed.", pack.id))?,
            Some(reason) => said(
                REMAINS,
                &format!(
                    "{} is removed, but XAPI could not be told: {reason}. Restart it: xe-toolstack-restart",
                    pack.id
                ),
            )?,
        });
    }
    let (label, uuid) = chosen(&state, &flags.pack)?;
    let removal = Removal::of(&host, &uuid, label.as_deref(), flags.default)?;
    let name = removal.label.clone().unwrap_or_else(|| "a pack without a name".into());
    print(&format!("{name} {uuid}\n"))?;
    match removal.packages.is_empty() {
        true => print("  packages   none is installed any more\n")?,
        false => print(&format!("  packages   {}; what others need stays\n", removal.packages.join(", ")))?,
    }
    let script = match removal.script {
        Script::Shipped => removal::shipped(&uuid),
        Script::Default => "the default one".into(),
    };
    print(&format!("  script     {script}, at most {} s\n", flags.time_limit))?;
    tell_others(&state, &uuid)?;
    if flags.check || !consent("Remove it?", flags.yes)? {
        return Ok(0);
    }
    let code = removal.run(&host, flags.force, Duration::from_secs(flags.time_limit))?;
    let state = State::of(&host, &xe, &|| false)?;
    let is_there = |name: &&String| packages::is_installed(&host, name, &|| false).unwrap_or(true);
    let mut still: Vec<String> = removal.packages.iter().filter(is_there).cloned().collect();
    let all = still.len() == removal.packages.len();
    if removal.is_default && code == Some(0) {
        // What it left, it left on purpose, and said so.
        still.clear();
    }
    let changed = !all || !state.packs.iter().any(|pack| pack.uuid == uuid);
    let left = remains(&state, &removal, &still);
    match (left.is_empty(), code) {
        (true, _) => said(0, &format!("{name} is removed; nothing of it is left on this host.")).map_err(Into::into),
        (false, Some(1)) if !changed => {
            Err(Error::tool(script, "removed nothing, for the reason above", "Do what it says, then run it again")
                .into())
        }
        (false, _) => {
            let mut text = format!("{name}: not everything is gone.\n");
            for (what, remedy) in left {
                text += &format!("  left       {what}\n  remedy     {remedy}\n");
            }
            said(REMAINS, text.trim_end()).map_err(Into::into)
        }
    }
}

fn said(code: u8, text: &str) -> Result<u8> {
    print(&format!("{text}\n"))?;
    Ok(code)
}

/// The one pack that is meant.
fn chosen(state: &State, wanted: &str) -> Result<(Option<String>, String)> {
    let mut found = state.find(wanted);
    match (found.pop(), found.as_slice()) {
        (Some(one), []) => Ok(one),
        (Some(one), others) => {
            let uuids: Vec<&str> = others.iter().chain([&one]).map(|(_, uuid)| uuid.as_str()).collect();
            Err(Error::host(wanted, format!("is the label of several packs: {}", uuids.join(", ")), "Give the uuid"))
        }
        (None, _) => Err(Error::host(
            wanted.escape_debug(),
            "is no pack that this host has",
            "`suppack list` shows them; give a label or uuid as it stands there",
        )),
    }
}

/// Names the other hosts that have it.
fn tell_others(state: &State, uuid: &str) -> Result<()> {
    let hosts = state.packs.iter().find(|pack| pack.uuid == uuid).and_then(|pack| pack.hosts.as_ref());
    let Some(hosts) = hosts.filter(|hosts| hosts.len() > 1) else { return Ok(()) };
    print(&format!("  hosts      {}; only this one is changed\n", hosts.join(", ")))
}
