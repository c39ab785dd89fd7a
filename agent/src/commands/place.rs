//! Options that every command has, and what all of them need: log and event loop.

use std::path::{Path, PathBuf};

use agent::config::{self, Config, Read};
use agent::guest::ssh;
use agent::inventory::DEFAULT_INVENTORY;
use agent::lending;
use agent::log::Log;
use agent::quote::quoted;
use agent::xapi::DEFAULT_SOCKET;
use anyhow::Context as _;
use clap::Args;
use tokio::runtime::Runtime;
use tracing::level_filters::LevelFilter;

/// Switches debug messages on by being there; the original agent's switch.
const DEBUG_SWITCH: &str = "/opt/xensource/packages/files/xscontainer/devlogging_enabled";

/// Threads for work that takes long without waiting, such as making an RSA key. They end when idle.
const BLOCKING_THREADS: usize = 2;

/// What every command that runs in dom0 may be told.
#[derive(Args)]
pub(crate) struct Place {
    /// XAPI's local unix socket
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    pub(crate) socket: PathBuf,

    /// File with the uuid of this host (INSTALLATION_UUID)
    #[arg(long, value_name = "PATH", default_value = DEFAULT_INVENTORY)]
    pub(crate) inventory: PathBuf,

    /// Append the log to this file [default: standard error]
    #[arg(long, value_name = "PATH", overrides_with = "log_file")]
    pub(crate) log_file: Option<PathBuf>,

    /// Log debug messages too
    #[arg(long)]
    pub(crate) verbose: bool,

    /// Settings; see xscontainer.toml(5)
    #[arg(long, value_name = "PATH", default_value = config::DEFAULT_FILE)]
    pub(crate) config: PathBuf,
}

/// Where monitor and plugin meet.
#[derive(Args)]
pub(crate) struct AgentSocket {
    /// The monitor's unix socket, over which it lends its connections to root's programs
    #[arg(long, value_name = "PATH", default_value = lending::DEFAULT_SOCKET)]
    pub(crate) agent_socket: PathBuf,
}

impl Place {
    /// Reads the settings, begins to log, from `usual` on or from the level that they name, and tells what is wrong with
    /// them.
    pub(crate) fn begin(&self, usual: Option<LevelFilter>) -> anyhow::Result<(Log, Config)> {
        let Read { config, faults, .. } = Config::read(&self.config);
        let log = self.begin_log(usual.unwrap_or(config.level))?;
        for fault in faults {
            tracing::error!(%fault, "a setting is wrong; the usual one holds");
        }
        ssh::allow_sha1(config.sha1);
        Ok((log, config))
    }

    /// Begins to log, from `usual` on unless debug messages are wanted.
    pub(crate) fn begin_log(&self, usual: LevelFilter) -> anyhow::Result<Log> {
        let log = Log::new(self.log_file.clone());
        let debug = self.verbose || Path::new(DEBUG_SWITCH).exists();
        log.install(if debug { LevelFilter::DEBUG } else { usual })?;
        log_panics();
        Ok(log)
    }
}

/// An event loop on this thread.
pub(crate) fn event_loop() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
        .context("cannot set up the event loop")
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
