//! The program `xscontainer`: reads the command line, sets up log, runtime and signals, runs the command.
//!
//! Must not know how anything is done.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use agent::inventory::{self, DEFAULT_INVENTORY};
use agent::log::Log;
use agent::monitor::Monitor;
use agent::quote::quoted;
use agent::service::Service;
use agent::xapi::{DEFAULT_SOCKET, HostUuid};
use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
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

#[derive(Args)]
struct MonitorOptions {
    /// XAPI's local unix socket
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    socket: PathBuf,

    /// File with the uuid of this host (INSTALLATION_UUID)
    #[arg(long, value_name = "PATH", default_value = DEFAULT_INVENTORY)]
    inventory: PathBuf,

    /// Append the log to this file [default: standard error]
    #[arg(long, value_name = "PATH")]
    log_file: Option<PathBuf>,

    /// Log debug messages too
    #[arg(short, long)]
    verbose: bool,
}

fn main() -> ExitCode {
    let Command::Monitor(options) = Cli::parse().command;
    match run_monitor(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not eprintln!, which panics when standard error is closed.
            let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("xscontainer: {error:#}\n"));
            ExitCode::FAILURE
        }
    }
}

fn run_monitor(options: MonitorOptions) -> anyhow::Result<()> {
    let to_file = options.log_file.is_some();
    let log = Log::new(options.log_file);
    let debug = options.verbose || Path::new(DEBUG_SWITCH).exists();
    log.install(if debug { LevelFilter::DEBUG } else { LevelFilter::INFO })?;
    log_panics();
    let started = start(&log, &options.socket, &options.inventory);
    if let (Err(error), true) = (&started, to_file) {
        tracing::error!("cannot start: {error:#}");
    }
    started
}

fn start(log: &Log, socket: &Path, inventory: &Path) -> anyhow::Result<()> {
    let host_uuid = inventory::host_uuid(inventory)?;
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
        .context("cannot set up the event loop")?
        .block_on(run_until_signal(log, socket, host_uuid))
        .context("cannot listen for signals")
}

async fn run_until_signal(log: &Log, socket: &Path, host_uuid: HostUuid) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let version = agent::VERSION;
    tracing::info!(version, host = %host_uuid, socket = %quoted(&socket.to_string_lossy()), "monitor started");

    let mut monitor = Monitor::new(socket, host_uuid);
    let board = monitor.board();
    let service = Service::from_environment();
    let mut beat = service.heartbeat();
    service.ready();
    let ended_by = {
        let mut running = std::pin::pin!(monitor.run());
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
            }
        }
    };
    service.stopping();
    monitor.close().await;
    tracing::info!(signal = ended_by, "monitor ended");
    Ok(())
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
