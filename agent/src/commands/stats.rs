//! `xscontainer stats`: its options and what it prints.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::Arc;

use agent::guest::Connection;
use agent::lending::client as monitor;
use agent::operator::ask::{self, Pool};
use agent::operator::find::Named;
use agent::operator::stats::{INTERVAL, Reader, Row, Wanted, table};
use agent::operator::{Dom0, Problem};
use agent::xapi::VmUuid;
use clap::Args;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::operator::{Common, fail, print, print_value, screen};
use super::place::event_loop;

pub(crate) const AFTER_HELP: &str = "\
CPU % is of one processor, and of all of them in a VM with Windows. Memory is without what the kernel can drop at once.

With --json every look is one line: a list of objects with vm_name, container, cpu_percent, memory_bytes, memory_limit_bytes,
memory_percent, network_received_bytes, network_sent_bytes, block_read_bytes, block_written_bytes and pids; what is not known
is null. A container without figures has an error instead.";

#[derive(Args)]
pub(crate) struct Stats {
    /// By name or the first digits of the id; with the VM's name or uuid before it if several have it [default: all that run
    /// in this host's VMs]
    #[arg(value_name = "[VM/]CONTAINER")]
    containers: Vec<String>,

    /// Print one look and end; without it, look again every second until Ctrl-C
    #[arg(long)]
    no_stream: bool,

    #[command(flatten)]
    common: Common,
}

/// A VM that is read, and the way to it, which must last as long.
struct Source {
    reader: Reader,
    _connection: Connection,
}

pub(crate) fn run(options: &Stats) -> anyhow::Result<ExitCode> {
    let dom0 = options.common.place.begin()?;
    let json = options.common.json;
    event_loop()?.block_on(async {
        let wanted = match wanted(&dom0, &options.containers).await {
            Ok(wanted) => wanted,
            Err(problem) => return Ok(fail(&problem, json)),
        };
        let (mut sources, mut ended) = match reach(&dom0, wanted).await {
            Ok(reached) => reached,
            Err(problem) => return Ok(fail(&problem, json)),
        };
        // The first look is what the CPU of the second is reckoned from.
        let mut looks = 0;
        loop {
            let next = Instant::now() + INTERVAL;
            let (rows, left, problems) = look(sources).await;
            sources = left;
            for problem in problems {
                ended = fail(&problem, false);
            }
            looks += 1;
            if looks > 1 || sources.is_empty() {
                let is_last = options.no_stream || sources.is_empty();
                let printed = show(&rows, json, !options.no_stream);
                if printed != ExitCode::SUCCESS {
                    return Ok(printed);
                }
                if is_last {
                    return Ok(ended);
                }
            }
            sleep_until(next).await;
        }
    })
}

/// Whose figures are wanted of which VMs.
async fn wanted(dom0: &Dom0, containers: &[String]) -> Result<BTreeMap<VmUuid, Wanted>, Problem> {
    if containers.is_empty() {
        let lists = monitor::lists(&dom0.agent_socket, None).await.map_err(Problem::NoMonitor)?;
        let seen = lists.iter().filter(|list| list.rows.is_some());
        return Ok(seen.filter_map(|list| Some((VmUuid::parse(&list.vm)?, Wanted::Running))).collect());
    }
    let mut wanted = BTreeMap::new();
    for text in containers {
        let target = ask::target(dom0, &Named::read(text)?).await?;
        let of_vm = wanted.entry(target.vm).or_insert_with(|| Wanted::These(Vec::new()));
        if let Wanted::These(these) = of_vm {
            these.push((target.container, target.name));
        }
    }
    Ok(wanted)
}

/// Logs in to all VMs at a time. One that cannot be reached is told of, and the exit code says so in the end.
async fn reach(dom0: &Dom0, wanted: BTreeMap<VmUuid, Wanted>) -> Result<(Vec<Source>, ExitCode), Problem> {
    let pool = Arc::new(Pool::read(dom0).await?);
    let mut reaching = JoinSet::new();
    for (vm, wanted) in wanted {
        let pool = Arc::clone(&pool);
        reaching.spawn(async move {
            let (reference, record) = pool.vm(&vm)?;
            let reached = pool.reach(reference, record).await?;
            let reader = Reader::new(record.name_label.clone(), reached.engine, wanted);
            Ok::<_, Problem>(Source { reader, _connection: reached.connection })
        });
    }
    let (mut sources, mut ended) = (Vec::new(), ExitCode::SUCCESS);
    while let Some(reached) = reaching.join_next().await {
        match reached {
            Ok(Ok(source)) => sources.push(source),
            Ok(Err(problem)) => ended = fail(&problem, false),
            // A panic was told of.
            Err(_) => ended = ExitCode::FAILURE,
        }
    }
    if let Some(pool) = Arc::into_inner(pool) {
        pool.close().await;
    }
    Ok((sources, ended))
}

/// One look at all VMs: the rows in order, the VMs that are left, and what became of the others.
async fn look(sources: Vec<Source>) -> (Vec<Row>, Vec<Source>, Vec<Problem>) {
    let mut looking = JoinSet::new();
    for mut source in sources {
        looking.spawn(async move {
            let rows = source.reader.read().await;
            (rows, source)
        });
    }
    let (mut rows, mut left, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(looked) = looking.join_next().await {
        match looked {
            Ok((Ok(of_vm), source)) => {
                rows.extend(of_vm);
                left.push(source);
            }
            Ok((Err(error), _)) => problems.push(Problem::Refused(error.into())),
            Err(_) => {}
        }
    }
    rows.sort_by(|one, other| (&one.vm, &one.container).cmp(&(&other.vm, &other.container)));
    (rows, left, problems)
}

/// Prints the rows; `anew` if they are to stand where those before stood.
fn show(rows: &[Row], json: bool, anew: bool) -> ExitCode {
    if json {
        return print_value(&Value::Array(rows.iter().map(Row::json).collect()));
    }
    let table = table(rows, &screen());
    match anew && std::io::stdout().is_terminal() {
        // From the upper left corner, each line to its end, and nothing of before below (ECMA-48: CUP, EL, ED).
        true => print(&format!("\u{1b}[H{}\u{1b}[J", table.replace('\n', "\u{1b}[K\n"))),
        false => print(&table),
    }
}
