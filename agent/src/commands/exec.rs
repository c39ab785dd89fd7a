//! `xscontainer exec`: its options.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use agent::engine::exec::Order;
use agent::operator::stream::exec;
use agent::operator::stream::keys::DetachKeys;
use anyhow::Context as _;
use clap::Args;

use super::operator::OperatorsPlace;
use super::target::{self, Found};

pub(crate) const USAGE: &str = "xscontainer exec [OPTIONS] [VM/]CONTAINER COMMAND [ARGUMENT]...";

pub(crate) const AFTER_HELP: &str = "\
Examples:
  xscontainer exec -it web/nginx sh
  xscontainer exec web/nginx nginx -t
  tar c site | xscontainer exec -i web/nginx tar x -C /srv

With -t the command has your terminal: every key goes there, Ctrl-C and Ctrl-Z among them, and what
it prints reaches your terminal as it is, escape sequences too. Without -t they are written out at a
terminal, and Ctrl-C ends this program alone, not the command.

Exit codes:
  any  the command's own, if it was started; 137: it was killed
  0    also: left by the detach keys, or started with -d
  1    failed otherwise, the reason is on standard error
  2    wrong usage, or -it without a terminal
  3    the VM or the container is not known, or does not run
  4    the VM cannot be reached
  8    XAPI does not do what is needed
  125  the engine refuses, or was lost while the command ran
  126  the command cannot be run
  127  there is no such command; some engines say 126 then too
  129, 130, 131, 143
       ended by a signal
  141  nobody reads the output any more";

#[derive(Args)]
pub(crate) struct Options {
    /// Pass standard input on to the command
    #[arg(short, long)]
    interactive: bool,

    /// Give the command a terminal
    #[arg(short, long)]
    tty: bool,

    /// Only start it
    #[arg(short, long)]
    detach: bool,

    /// The keys that leave it: characters or ctrl-x, with commas between
    #[arg(long, value_name = "KEYS", default_value_t)]
    detach_keys: DetachKeys,

    /// As this user: NAME or UID, with :GROUP
    #[arg(short, long, value_name = "USER")]
    user: Option<String>,

    /// In this folder of the container
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<String>,

    /// With this variable; NAME alone passes on the one of that name
    #[arg(short, long, value_name = "NAME=TEXT")]
    env: Vec<String>,

    /// With the variables in this file, one a line
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,

    /// With all privileges
    #[arg(long)]
    privileged: bool,

    #[command(flatten)]
    place: OperatorsPlace,

    /// The VM, by name or uuid, and its container, by name or id; and what to run there
    // One list: whatever follows the container is the command's, as it is with Docker.
    #[arg(value_names = ["[VM/]CONTAINER", "COMMAND"], num_args = 2.., required = true, trailing_var_arg = true)]
    target_and_command: Vec<String>,
}

pub(crate) fn run(options: Options) -> anyhow::Result<ExitCode> {
    let mut words = options.target_and_command.into_iter();
    let target = words.next().unwrap_or_default();
    let order = Order {
        command: words.collect(),
        input: options.interactive,
        tty: options.tty,
        detached: options.detach,
        user: options.user,
        folder: options.workdir,
        environment: variables(&options.env_file, options.env)?,
        privileged: options.privileged,
        ..Order::default()
    };
    let (keys, place) = (options.detach_keys, options.place);
    target::run(&place, async |dom0| {
        let Found { way, engine, container } = target::container(dom0, &target).await?;
        Ok(exec::run(&way, engine, &container, order, &keys, target::harmless()).await?)
    })
}

/// Those of files first, so that others win.
fn variables(files: &[PathBuf], given: Vec<String>) -> anyhow::Result<Vec<String>> {
    let mut all = Vec::new();
    for file in files {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let lines = text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#'));
        all.extend(lines.map(str::to_owned));
    }
    all.extend(given);
    Ok(all.into_iter().map(with_text).collect())
}

fn with_text(variable: String) -> String {
    match env::var(&variable) {
        Ok(text) if !variable.contains('=') => format!("{variable}={text}"),
        _ => variable,
    }
}
