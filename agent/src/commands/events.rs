//! `xscontainer events`: its options.

use std::collections::BTreeMap;
use std::process::ExitCode;

use agent::engine::event_lines::Wanted;
use agent::engine::logs::Moment;
use agent::operator::Problem;
use agent::operator::find::Named;
use agent::operator::stream::events::{self, Form};
use clap::{Args, ValueEnum};

use super::logs::moment;
use super::operator::OperatorsPlace;
use super::target;

pub(crate) const AFTER_HELP: &str = "\
Examples:
  xscontainer events web
  xscontainer events web/nginx --since 1h --until 0s
  xscontainer events web --filter event=die --format json

Labels and names are foreign text: at a terminal what it would obey is written out (^[[31m). With
--format json files and pipes get every byte as the engine sent it.

Exit codes:
  0    everything up to --until was printed
  1    failed otherwise, the reason is on standard error
  2    wrong usage
  3    the VM is not known, or does not run
  4    the VM cannot be reached, or was lost meanwhile
  8    XAPI does not do what is needed
  141  nobody reads the output any more";

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Each event as the engine's JSON, one a line
    Json,
}

#[derive(Args)]
pub(crate) struct Options {
    /// The VM, by name or uuid; with a container's name or id, only what happens to that
    #[arg(value_name = "VM[/CONTAINER]")]
    target: String,

    /// Go on until --until, or for ever: as it does anyway
    #[arg(short, long)]
    follow: bool,

    /// Also what happened after this time: 2013-01-02T13:23:37Z, or how long ago, as 42m
    #[arg(long, value_name = "T", value_parser = moment)]
    since: Option<Moment>,

    /// Nothing after this time; 0s is the second that has begun, as with docker
    #[arg(long, value_name = "T", value_parser = moment)]
    until: Option<Moment>,

    /// Only what fits, such as event=die or label=key=text
    #[arg(long = "filter", value_name = "KEY=TEXT", value_parser = filter)]
    filters: Vec<(String, String)>,

    /// How events are written [default: in words]
    #[arg(long, value_enum)]
    format: Option<Format>,

    #[command(flatten)]
    place: OperatorsPlace,
}

fn filter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, text)) if !key.is_empty() => Ok((key.trim().to_ascii_lowercase(), text.trim().to_owned())),
        _ => Err("give KEY=TEXT".to_owned()),
    }
}

pub(crate) fn run(options: Options) -> anyhow::Result<ExitCode> {
    let Options { target, follow: _, since, until, filters, format, place } = options;
    let mut by_key: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, text) in filters {
        by_key.entry(key).or_default().push(text);
    }
    let mut wanted = Wanted { since, until, filters: by_key };
    let form = if format.is_some() { Form::Json } else { Form::Words };
    target::run(&place, async |dom0| {
        // A VM's name may have slashes too.
        let (way, engine) = match target::vm(dom0, &target).await {
            Err(Problem::NoVm(_)) if target.contains('/') => {
                let Named { vm, container } = Named::read(&target)?;
                wanted.filters.entry("container".to_owned()).or_default().push(container.to_string());
                target::vm(dom0, vm.as_deref().unwrap_or_default()).await?
            }
            found => found?,
        };
        Ok(events::run(&way, engine, &wanted, form, target::harmless()).await?)
    })
}
