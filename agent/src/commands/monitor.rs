//! `xscontainer monitor`: the service, until a signal ends it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use agent::config::{Changed, Config};
use agent::guest::ssh;
use agent::inventory;
use agent::lending::{self, server::Server};
use agent::log::Log;
use agent::metrics::{self, Metrics};
use agent::monitor::board::Board;
use agent::monitor::{Monitor, tell::Teller};
use agent::quote::quoted;
use agent::service::Service;
use agent::xapi::HostUuid;
use anyhow::Context as _;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::place::{AgentSocket, Place, event_loop};

pub(crate) const AFTER_HELP: &str = "\
Exit codes:
  0    ended by SIGTERM or SIGINT; what was shown of containers is taken away first
  1    could not start; the reason is on standard error
  2    wrong usage
  101  internal error; the reason is in the log

Files:
  /opt/xensource/packages/files/xscontainer/devlogging_enabled
       if it exists at the start, --verbose is implied";

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    place: Place,

    #[command(flatten)]
    meeting: AgentSocket,

    /// Folder in which xcp-rrdd finds what containers use
    #[arg(long, value_name = "PATH", default_value = metrics::DEFAULT_RRD_FOLDER)]
    rrd_folder: PathBuf,

    /// xcp-rrdd's unix socket
    #[arg(long, value_name = "PATH", default_value = metrics::DEFAULT_RRDD_SOCKET)]
    rrdd_socket: PathBuf,
}

impl Options {
    /// `settings`, but for where things are.
    fn metrics(&self, settings: &metrics::Settings) -> metrics::Settings {
        let (rrd_folder, rrdd_socket) = (self.rrd_folder.clone(), self.rrdd_socket.clone());
        metrics::Settings { rrd_folder, rrdd_socket, ..settings.clone() }
    }
}

pub(crate) fn run(options: Options) -> anyhow::Result<()> {
    let place = &options.place;
    let (log, config) = place.begin(None)?;
    let started = start(&log, &options, config);
    if let (Err(error), true) = (&started, place.log_file.is_some()) {
        tracing::error!("cannot start: {error:#}");
    }
    started
}

fn start(log: &Log, options: &Options, config: Config) -> anyhow::Result<()> {
    let host_uuid = inventory::host_uuid(&options.place.inventory)?;
    let until_signal = run_until_signal(log, options, config, host_uuid);
    event_loop()?.block_on(until_signal).context("cannot listen for signals")
}

async fn run_until_signal(
    log: &Log,
    options: &Options,
    mut config: Config,
    host_uuid: HostUuid,
) -> std::io::Result<()> {
    let place = &options.place;
    let socket = &place.socket;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let version = agent::VERSION;
    tracing::info!(version, host = %host_uuid, socket = %quoted(&socket.to_string_lossy()), "monitor started");

    let (settings, told) = watch::channel(config.monitor);
    let mut monitor = Monitor::new(socket, host_uuid, told);
    let board = monitor.board();
    let lends = lend(&options.meeting.agent_socket, monitor.desk(), Arc::new(monitor.teller(log)));
    let mut metrics = Metrics::new(options.metrics(&config.metrics), monitor.desk(), names(&board));
    let service = Service::from_environment();
    let mut beat = service.heartbeat();
    service.ready();
    let ended_by = {
        let mut running = std::pin::pin!(monitor.run());
        let mut measuring = std::pin::pin!(metrics.run());
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
                    if let Some(now) = reload(&place.config, &config) {
                        // Else what was asked for at run time, or by the switch, stays.
                        if now.level != config.level {
                            log.set_usual_level(now.level);
                        }
                        ssh::allow_sha1(now.sha1);
                        settings.send_replace(now.monitor);
                        config = now;
                    }
                }
                () = beat.next() => service.alive(&board.count().to_string()),
                never = &mut running => match never {},
                never = log.keep_time() => match never {},
                never = &mut lending => match never {},
                never = &mut measuring => match never {},
            }
        }
    };
    service.stopping();
    drop(lends);
    metrics.close().await;
    monitor.close().await;
    tracing::info!(signal = ended_by, "monitor ended");
    Ok(())
}

/// The settings, if they are others now and nothing is wrong with them.
fn reload(file: &Path, before: &Config) -> Option<Config> {
    let read = Config::read(file);
    if let Some(first) = read.faults.first() {
        let faults = read.faults.len();
        tracing::error!(faults, %first, "settings not taken, the old ones stay; see xscontainer config check");
        return None;
    }
    for Changed { key, before, now, restart } in read.config.changes(before) {
        match restart {
            false => tracing::info!(key, before, now, "setting changed"),
            true => tracing::warn!(key, before, now, "setting changed; it holds after a restart of the service"),
        }
    }
    Some(read.config)
}

/// What VMs are called, for those who know them by their uuids.
fn names(board: &Board) -> metrics::Names {
    let board = board.clone();
    Arc::new(move |vm| board.name_of(vm))
}

/// Without this socket everything works; other programs then log in to guests by themselves.
fn lend(socket: &Path, desk: lending::Desk, teller: Arc<Teller>) -> Option<Server> {
    Server::bind(socket, desk, teller)
        .inspect_err(|error| {
            let socket = socket.to_string_lossy();
            tracing::warn!(socket = %quoted(&socket), %error, "cannot lend connections to other programs");
        })
        .ok()
}
