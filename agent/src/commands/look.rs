//! `xscontainer status`, `ps`, `inspect` and `top`: their options and what they print.

use std::process::ExitCode;

use agent::lending::Ask;
use agent::lending::client as monitor;
use agent::operator::find::Named;
use agent::operator::ps::{self, Which};
use agent::operator::screen::Screen;
use agent::operator::table::{Cell, Column, lines};
use agent::operator::{Problem, ask, pool, status};
use clap::Args;
use serde_json::Value;

use super::operator::{Common, fail, now, print, print_value, screen};
use super::place::event_loop;

#[derive(Args)]
pub(crate) struct Status {
    /// Every host of the pool, not only this one
    #[arg(long)]
    pool: bool,

    /// VMs that are not registered too
    #[arg(short, long)]
    all: bool,

    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
pub(crate) struct Ps {
    /// Only of this VM, by name or uuid
    vm: Option<String>,

    /// Only containers that run, paused or not; without it, those that have ended too
    #[arg(short, long)]
    running: bool,

    /// As without --running; docker's switch
    #[arg(short, long, conflicts_with = "running")]
    all: bool,

    /// Only whole ids, one in a line
    #[arg(short, long, conflicts_with = "json")]
    quiet: bool,

    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
pub(crate) struct OfContainer {
    /// By name or the first digits of its id; with its VM's name or uuid before it if several have it
    #[arg(value_name = "[VM/]CONTAINER")]
    container: String,

    #[command(flatten)]
    common: Common,
}

pub(crate) fn status(options: &Status) -> anyhow::Result<ExitCode> {
    let dom0 = options.common.place.begin()?;
    let json = options.common.json;
    event_loop()?.block_on(async {
        if options.pool {
            return Ok(match pool::standings(&dom0).await {
                Ok(hosts) if json => print_value(&status::pool_value(&hosts)),
                Ok(hosts) => print(&status::pool_text(&hosts, options.all, now(), &screen())),
                Err(problem) => fail(&problem, json),
            });
        }
        Ok(match monitor::standing(&dom0.agent_socket).await.map_err(Problem::NoMonitor) {
            Ok(standing) if json => print_value(&status::value(&standing)),
            Ok(standing) => print(&status::text(&standing, options.all, now(), &screen())),
            Err(problem) => fail(&problem, json),
        })
    })
}

pub(crate) fn ps(options: &Ps) -> anyhow::Result<ExitCode> {
    let dom0 = options.common.place.begin()?;
    let json = options.common.json;
    let which = if options.running { Which::Up } else { Which::All };
    event_loop()?.block_on(async {
        Ok(match ask::lists(&dom0, options.vm.as_deref()).await {
            Ok(lists) if json => print_value(&ps::value(&lists, which)),
            Ok(lists) if options.quiet => print(&ps::ids(&lists, which)),
            Ok(lists) => print(&ps::text(&lists, which, now(), &screen())),
            Err(problem) => fail(&problem, json),
        })
    })
}

pub(crate) fn inspect(options: &OfContainer) -> anyhow::Result<ExitCode> {
    let one_line = options.common.json;
    document(options, Ask::Inspect, |json, _| {
        // As docker prints it: a list, for people to read and for jq.
        let list = Value::Array(vec![serde_json::from_str(json).ok()?]);
        let text = if one_line { list.to_string() } else { serde_json::to_string_pretty(&list).ok()? };
        Some(super::ascii_text(&text) + "\n")
    })
}

pub(crate) fn top(options: &OfContainer) -> anyhow::Result<ExitCode> {
    let as_json = options.common.json;
    document(options, Ask::Top, |json, screen| {
        let value: Value = serde_json::from_str(json).ok()?;
        if as_json {
            return Some(super::ascii(&value) + "\n");
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let titles: Vec<String> = value["Titles"].as_array()?.iter().take(MAX_COLUMNS).map(text).collect();
        let rows = value["Processes"].as_array().map(Vec::as_slice).unwrap_or_default();
        let rows = rows.iter().filter_map(Value::as_array);
        let cell = |row: &Vec<Value>, at: usize| row.get(at).map(text).unwrap_or_default();
        let rows: Vec<Vec<String>> = std::iter::once(titles.clone())
            .chain(rows.map(|row| (0..titles.len()).map(|at| cell(row, at)).collect()))
            .collect();
        Some(columns(&rows, screen))
    })
}

/// Columns of a list of processes.
const MAX_COLUMNS: usize = 32;

/// Rows whose first one has the titles, which are the engine's.
fn columns(rows: &[Vec<String>], screen: &Screen) -> String {
    let count = rows.first().map_or(0, Vec::len);
    let columns = vec![Column::stays("", 1); count];
    let rows: Vec<Vec<Cell>> = rows.iter().map(|row| row.iter().map(|text| text.as_str().into()).collect()).collect();
    // Without a line of titles of its own.
    lines(&columns, &rows, screen).split_once('\n').map(|(_, rest)| rest.to_owned()).unwrap_or_default()
}

fn document(
    options: &OfContainer,
    ask: impl FnOnce(agent::engine::ContainerName) -> Ask,
    shown: impl FnOnce(&str, &Screen) -> Option<String>,
) -> anyhow::Result<ExitCode> {
    let dom0 = options.common.place.begin()?;
    let json = options.common.json;
    event_loop()?.block_on(async {
        let asked = async {
            let target = ask::target(&dom0, &Named::read(&options.container)?).await?;
            ask::ask(&dom0, &target.vm, &ask(target.container)).await
        };
        let document = match asked.await {
            Ok(document) => document,
            Err(problem) => return Ok(fail(&problem, json)),
        };
        let odd = || {
            let cause = std::io::Error::from(std::io::ErrorKind::InvalidData);
            Problem::Io("the engine's answer makes no sense".to_owned(), cause)
        };
        let text = shown(&document, &screen());
        Ok(text.map_or_else(|| fail(&odd(), json), |text| print(&text)))
    })
}
