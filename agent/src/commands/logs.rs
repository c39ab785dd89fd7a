//! `xscontainer logs`: its options.

use std::process::ExitCode;

use agent::engine::logs::{Moment, Wanted};
use agent::operator::stream::{logs, times};
use clap::Args;

use super::operator::OperatorsPlace;
use super::target::{self, Found};

pub(crate) const AFTER_HELP: &str = "\
Examples:
  xscontainer logs -f web/nginx
  xscontainer logs --tail 100 --timestamps web/nginx
  xscontainer logs --since 10m web/nginx | grep error

What the container printed to its standard error goes to standard error. At a terminal escape
sequences and control characters are written out (^[[31m); files and pipes get every byte as it is.

Exit codes:
  0    all of it was printed; with -f: the container ended
  1    failed otherwise, the reason is on standard error
  2    wrong usage
  3    the VM or the container is not known, or the VM does not run
  4    the VM cannot be reached, or was lost while the log came
  8    XAPI does not do what is needed
  141  nobody reads the output any more, as in `xscontainer logs web/nginx | head`";

#[derive(Args)]
pub(crate) struct Options {
    /// The VM, by name or uuid, and its container, by name or id
    #[arg(value_name = "[VM/]CONTAINER")]
    target: String,

    /// Go on printing until the container ends
    #[arg(short, long)]
    follow: bool,

    /// Lines to print from the end of the log
    #[arg(short = 'n', long, value_name = "N", default_value = "all", value_parser = tail, allow_hyphen_values = true)]
    tail: Tail,

    /// Nothing before this time: 2013-01-02T13:23:37Z, or how long ago, as 42m
    #[arg(long, value_name = "T", value_parser = moment)]
    since: Option<Moment>,

    /// Nothing after this time
    #[arg(long, value_name = "T", value_parser = moment)]
    until: Option<Moment>,

    /// Begin every line with its time
    #[arg(short, long)]
    timestamps: bool,

    #[command(flatten)]
    place: OperatorsPlace,
}

#[derive(Clone, Copy)]
struct Tail(Option<u64>);

/// As Docker has it, all of it is also what cannot be a number of lines.
fn tail(text: &str) -> Result<Tail, String> {
    match text {
        "all" => Ok(Tail(None)),
        negative if negative.starts_with('-') && negative[1..].parse::<u64>().is_ok() => Ok(Tail(None)),
        number => {
            number.parse().map(|lines| Tail(Some(lines))).map_err(|_| "give a number of lines, or all".to_owned())
        }
    }
}

pub(super) fn moment(text: &str) -> Result<Moment, String> {
    times::read(text, std::time::SystemTime::now().into()).map_err(|bad| bad.to_string())
}

pub(crate) fn run(options: Options) -> anyhow::Result<ExitCode> {
    let Options { target, follow, tail, since, until, timestamps, place } = options;
    let wanted = Wanted { follow, timestamps, tail: tail.0, since, until };
    target::run(&place, async |dom0| {
        let Found { way, engine, container } = target::container(dom0, &target).await?;
        Ok(logs::run(&way, engine, &container, &wanted, target::harmless()).await?)
    })
}
