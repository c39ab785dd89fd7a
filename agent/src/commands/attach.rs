//! `xscontainer attach`: its options.

use std::process::ExitCode;

use agent::operator::stream::attach::{self, Wanted};
use agent::operator::stream::keys::DetachKeys;
use clap::{ArgAction, Args};

use super::operator::OperatorsPlace;
use super::target::{self, Found};

pub(crate) const AFTER_HELP: &str = "\
A container with a terminal gets yours: every key goes there, Ctrl-C and Ctrl-Z among them, and what
it prints reaches your terminal as it is, escape sequences too. Press the detach keys to leave it
running. Of a container without one, escape sequences are written out at a terminal, and signals
(Ctrl-C) are passed on; a third Ctrl-C ends this command alone.

Exit codes:
  0    left by the detach keys
  1    failed otherwise, the reason is on standard error
  2    wrong usage, or no terminal for a container that has one
  3    the VM or the container is not known, or does not run
  4    the VM cannot be reached, or was lost meanwhile
  8    XAPI does not do what is needed
  129, 130, 131, 143
       ended by a signal
  141  nobody reads the output any more
  any  the container ended, with this code";

#[derive(Args)]
pub(crate) struct Options {
    /// The VM, by name or uuid, and its container, by name or id
    #[arg(value_name = "[VM/]CONTAINER")]
    target: String,

    /// The keys that leave it: characters or ctrl-x, with commas between
    #[arg(long, value_name = "KEYS", default_value_t)]
    detach_keys: DetachKeys,

    /// Only show what it prints
    #[arg(long)]
    no_stdin: bool,

    /// Pass signals on to a container without a terminal
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_value = "true",
        default_missing_value = "true", action = ArgAction::Set, hide_possible_values = true)]
    sig_proxy: bool,

    #[command(flatten)]
    place: OperatorsPlace,
}

pub(crate) fn run(options: Options) -> anyhow::Result<ExitCode> {
    let Options { target, detach_keys, no_stdin, sig_proxy, place } = options;
    let wanted = Wanted { input: !no_stdin, pass_signals: sig_proxy, keys: detach_keys };
    target::run(&place, async |dom0| {
        let Found { way, engine, container } = target::container(dom0, &target).await?;
        Ok(attach::run(&way, engine, &container, &wanted, target::harmless()).await?)
    })
}
