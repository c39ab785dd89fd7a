//! `suppack list`: the packs that this host has.

use std::fmt::Write;

use clap::Args;
use serde_json::json;

use super::terminal::size;
use super::{interrupt, print};
use crate::install::host::Host;
use crate::install::state::{Leftover, Pack, State};
use crate::install::xe::Xe;

/// List the packs on this host, and what is left over of others
#[derive(Debug, Args)]
#[command(after_help = "Works without XAPI; then it does not say which hosts of the pool have a pack.\n\n\
    Exit codes: 0 done, 2 wrong usage, 8 rpm failed or this is no host, 130 interrupted")]
pub struct List {
    /// Print everything as JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// What [`State::of`] says.
pub fn run(flags: &List) -> anyhow::Result<()> {
    interrupt::watch()?;
    let host = Host::this();
    let xe = Xe::of(&host, &interrupt::interrupted);
    let state = State::of(&host, &xe, &interrupt::interrupted)?;
    match flags.json {
        true => print(&format!("{:#}\n", json!({ "format": 1, "host": state })))?,
        false => print(&text(&state))?,
    }
    Ok(())
}

fn text(state: &State) -> String {
    let mut text = String::new();
    if state.packs.is_empty() && state.older.is_empty() {
        text += "No pack is installed.\n";
    }
    for pack in &state.packs {
        add_pack(&mut text, pack);
    }
    for pack in &state.older {
        let build = pack.build.as_ref().map_or(String::new(), |build| format!(" build {build}"));
        let _ = writeln!(text, "{} {}{build}", pack.id, pack.version);
        field(&mut text, "format", "of XenServer 7.0 and before");
        field(&mut text, "size", &size(pack.size));
        field(&mut text, "packages", &pack.packages.join(", "));
        field(&mut text, "needed by", &pack.needed_by.join(", "));
        field(&mut text, "PROBLEM", pack.problem.as_deref().unwrap_or_default());
    }
    if !state.leftovers.is_empty() {
        text += "\nLeft over, or elsewhere:\n";
    }
    for Leftover { label, uuid, what, remedy } in &state.leftovers {
        let name = [label.as_deref(), uuid.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let _ = writeln!(text, "{name}");
        field(&mut text, "found", what);
        field(&mut text, "remedy", remedy);
    }
    if let Some(reason) = &state.xapi_unknown {
        let _ = writeln!(text, "\nWhich hosts have them is not known: {reason}");
    }
    text
}

fn add_pack(text: &mut String, pack: &Pack) {
    let _ = writeln!(text, "{} {}", pack.label, pack.version);
    field(text, "uuid", &pack.uuid);
    field(text, "size", &size(pack.installation_size));
    field(text, "packages", &pack.packages.as_deref().unwrap_or_default().join(", "));
    field(text, "hosts", &pack.hosts.as_deref().unwrap_or_default().join(", "));
    field(text, "part of", pack.rolled_up_by.as_deref().unwrap_or_default());
    field(text, "pending", &pack.pending.join(", "));
    for problem in &pack.problems {
        field(text, "PROBLEM", problem);
    }
}

/// A line of a pack, if there is anything to say, broken between words at 80 columns.
fn field(text: &mut String, name: &str, value: &str) {
    let mut line = format!("  {name:<10}");
    let mut fresh = true;
    for word in value.split_whitespace() {
        if !fresh && line.chars().count() + 1 + word.chars().count() > 80 {
            let _ = writeln!(text, "{line}");
            line = format!("  {:<10}", "");
        }
        let _ = write!(line, " {word}");
        fresh = false;
    }
    if !fresh {
        let _ = writeln!(text, "{line}");
    }
}
