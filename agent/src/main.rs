//! The program `xscontainer`: reads the command line, sets up log, runtime and signals, runs the command.
//!
//! Must not know how anything is done.

use std::ffi::OsString;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use agent::config_drive;
use agent::inventory::{self, DEFAULT_INVENTORY};
use agent::lending::{self, server::Server};
use agent::log::Log;
use agent::monitor::Monitor;
use agent::plugin::{self, Dom0};
use agent::quote::quoted;
use agent::service::Service;
use agent::xapi::{DEFAULT_SOCKET, HostUuid};
use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tracing::level_filters::LevelFilter;

/// Switches debug messages on by being there; the original agent's switch.
const DEBUG_SWITCH: &str = "/opt/xensource/packages/files/xscontainer/devlogging_enabled";

/// Threads for work that takes long without waiting, such as making an RSA key. They end when idle.
const BLOCKING_THREADS: usize = 2;

#[derive(Parser)]
#[command(name = "xscontainer", version, about = "Container management in dom0", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Keep the containers of this host's VMs visible in XenCenter and Xen Orchestra.
    ///
    /// A VM is watched while it is registered (other_config key xscontainer-monitor is True), runs on this host and its
    /// guest tools have reported. It is reached over SSH (port 22) or, if its key xscontainer-mode is tls, over TLS (port
    /// 2376). Runs in the foreground until SIGTERM or SIGINT; SIGHUP reopens the log file. If XAPI or a VM is not
    /// available it is tried again until it is.
    #[command(after_help = MONITOR_AFTER_HELP)]
    Monitor(MonitorOptions),

    /// Carry out one call of the XAPI plugin xscontainer.
    ///
    /// XAPI runs this through /etc/xapi.d/plugins/xscontainer, with the call as an XML-RPC document, and reads the answer
    /// from standard output. People call `xe host-call-plugin plugin=xscontainer` instead.
    #[command(after_help = PLUGIN_AFTER_HELP, override_usage = "xscontainer plugin [OPTIONS] <CALL>")]
    Plugin(PluginOptions),
}

const MONITOR_AFTER_HELP: &str = "\
Exit codes:
  0    ended by SIGTERM or SIGINT; what was shown of containers is taken away first
  1    could not start; the reason is on standard error
  2    wrong usage
  101  internal error; the reason is in the log

Files:
  /opt/xensource/packages/files/xscontainer/devlogging_enabled
       if it exists at the start, --verbose is implied";

const PLUGIN_AFTER_HELP: &str = "\
Exit codes:
  0    the answer was printed; it says whether the call succeeded
  1    no answer was printed; the reason is on standard error
  2    wrong usage

Files:
  /opt/xensource/packages/files/xscontainer/devlogging_enabled
       if it exists, --verbose is implied";

/// What every command that runs in dom0 may be told.
#[derive(Args)]
struct Place {
    /// XAPI's local unix socket
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    socket: PathBuf,

    /// File with the uuid of this host (INSTALLATION_UUID)
    #[arg(long, value_name = "PATH", default_value = DEFAULT_INVENTORY)]
    inventory: PathBuf,

    /// The monitor's unix socket, over which it lends its connections to root's programs
    #[arg(long, value_name = "PATH", default_value = lending::DEFAULT_SOCKET)]
    agent_socket: PathBuf,

    /// Append the log to this file [default: standard error]
    #[arg(long, value_name = "PATH")]
    log_file: Option<PathBuf>,

    /// Log debug messages too
    #[arg(short, long)]
    verbose: bool,
}

#[derive(Args)]
struct MonitorOptions {
    #[command(flatten)]
    place: Place,
}

#[derive(Args)]
struct PluginOptions {
    #[command(flatten)]
    place: Place,

    /// Text for config drives that replaces the built-in one
    #[arg(long, value_name = "PATH", default_value = config_drive::default::OVERRIDE)]
    template: PathBuf,

    /// Folder with ISO images of guest tools, for config drives
    #[arg(long, value_name = "PATH", default_value = config_drive::tools::DEFAULT_FOLDER)]
    tools_folder: PathBuf,

    /// The call: an XML-RPC methodCall with a session's reference and the arguments
    // Any number of them, so that XAPI gets an answer to that as well.
    #[arg(value_name = "CALL")]
    call: Vec<OsString>,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Monitor(options) => run_monitor(options.place),
        Command::Plugin(options) => run_plugin(options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not eprintln!, which panics when standard error is closed.
            let _ = std::io::stderr().write_fmt(format_args!("xscontainer: {error:#}\n"));
            ExitCode::FAILURE
        }
    }
}

fn begin_log(place: &Place) -> anyhow::Result<Log> {
    let log = Log::new(place.log_file.clone());
    let debug = place.verbose || Path::new(DEBUG_SWITCH).exists();
    log.install(if debug { LevelFilter::DEBUG } else { LevelFilter::INFO })?;
    log_panics();
    Ok(log)
}

fn event_loop() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
        .context("cannot set up the event loop")
}

fn run_plugin(options: PluginOptions) -> anyhow::Result<()> {
    let _log = begin_log(&options.place)?;
    let Place { socket, inventory, agent_socket, .. } = options.place;
    let drives = config_drive::Places { template: options.template, tools_folder: options.tools_folder };
    let dom0 = Dom0 { socket, inventory, agent_socket, drives };
    let runtime = event_loop()?;
    // XAPI passes failures on only if the program ends well, so it does even after a panic, which is in the log.
    let answer = catch_unwind(AssertUnwindSafe(|| runtime.block_on(plugin::answer(&options.call, &dom0))));
    let answer = answer.unwrap_or_else(|_| plugin::internal_error());
    writeln!(std::io::stdout(), "{answer}").context("cannot print the answer")
}

fn run_monitor(place: Place) -> anyhow::Result<()> {
    let log = begin_log(&place)?;
    let started = start(&log, &place);
    if let (Err(error), true) = (&started, place.log_file.is_some()) {
        tracing::error!("cannot start: {error:#}");
    }
    started
}

fn start(log: &Log, place: &Place) -> anyhow::Result<()> {
    let host_uuid = inventory::host_uuid(&place.inventory)?;
    event_loop()?.block_on(run_until_signal(log, place, host_uuid)).context("cannot listen for signals")
}

async fn run_until_signal(log: &Log, place: &Place, host_uuid: HostUuid) -> std::io::Result<()> {
    let socket = &place.socket;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let version = agent::VERSION;
    tracing::info!(version, host = %host_uuid, socket = %quoted(&socket.to_string_lossy()), "monitor started");

    let mut monitor = Monitor::new(socket, host_uuid);
    let board = monitor.board();
    let lends = lend(&place.agent_socket, monitor.desk());
    let service = Service::from_environment();
    let mut beat = service.heartbeat();
    service.ready();
    let ended_by = {
        let mut running = std::pin::pin!(monitor.run());
        let mut lending = std::pin::pin!(async {
            match &lends {
                Some(server) => server.run().await,
                None => std::future::pending().await,
            }
        });
        loop {
            tokio::select! {
                biased;
                _ = terminate.recv() => break "SIGTERM",
                _ = interrupt.recv() => break "SIGINT",
                _ = hang_up.recv() => {
                    log.reopen();
                    tracing::info!("log reopened on SIGHUP");
                }
                () = beat.next() => service.alive(&board.count().to_string()),
                never = &mut running => match never {},
                never = &mut lending => match never {},
            }
        }
    };
    service.stopping();
    drop(lends);
    monitor.close().await;
    tracing::info!(signal = ended_by, "monitor ended");
    Ok(())
}

/// Without this socket everything works; other programs then log in to guests by themselves.
fn lend(socket: &Path, desk: lending::Desk) -> Option<Server> {
    Server::bind(socket, desk)
        .inspect_err(|error| {
            let socket = socket.to_string_lossy();
            tracing::warn!(socket = %quoted(&socket), %error, "cannot lend connections to other programs");
        })
        .ok()
}

/// A panic of what follows the pool ends the process, which the service manager starts again. One in a VM's task, to which
/// a guest may have found a way, ends that task alone.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("(no message)");
        tracing::error!(place, panic = %quoted(message), "internal error; please report it");
    }));
}
