//! What the operator's commands have in common: where things are, what they print, and how they end.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use agent::config::{self, Config, Read};
use agent::guest::ssh;
use agent::inventory::DEFAULT_INVENTORY;
use agent::lending;
use agent::log::Log;
use agent::operator::screen::{self, Screen};
use agent::operator::{Dom0, Problem};
use agent::xapi::DEFAULT_SOCKET;
use clap::Args;
use serde_json::Value;
use tracing::level_filters::LevelFilter;

use super::ascii;
use super::prepare_vm::is_utf8;

pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    failed otherwise, the reason is on standard error
  2    wrong usage
  3    no such VM or container, or the name may mean several
  4    the VM cannot be reached
  5    the monitor of this host is needed and does not answer
  8    XAPI does not do what is needed
  141  whoever read the output has gone";

/// Where things are, and how results are printed.
#[derive(Args)]
pub(crate) struct Common {
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) place: OperatorsPlace,
}

/// Where things are.
#[derive(Args)]
pub(crate) struct OperatorsPlace {
    /// Settings; see xscontainer.toml(5)
    #[arg(long, value_name = "PATH", default_value = config::DEFAULT_FILE, hide_short_help = true)]
    pub(crate) config: PathBuf,

    /// XAPI's local unix socket
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET, hide_short_help = true)]
    socket: PathBuf,

    /// File with the uuid of this host (INSTALLATION_UUID)
    #[arg(long, value_name = "PATH", default_value = DEFAULT_INVENTORY, hide_short_help = true)]
    inventory: PathBuf,

    /// The monitor's unix socket
    #[arg(long, value_name = "PATH", default_value = lending::DEFAULT_SOCKET, hide_short_help = true)]
    agent_socket: PathBuf,

    /// Say on standard error what is done on the way
    #[arg(long, hide_short_help = true)]
    verbose: bool,
}

impl OperatorsPlace {
    /// Begins to log to standard error; where everything is.
    pub(crate) fn begin(&self) -> anyhow::Result<Dom0> {
        let level = if self.verbose { LevelFilter::DEBUG } else { LevelFilter::ERROR };
        Log::new(None).install(level)?;
        let Read { config, faults, .. } = Config::read(&self.config);
        for fault in faults {
            tracing::warn!(%fault, "a setting is wrong; the usual one holds");
        }
        ssh::allow_sha1(config.sha1);
        let Self { socket, inventory, agent_socket, .. } = self;
        Ok(Dom0 {
            socket: socket.clone(),
            inventory: inventory.clone(),
            agent_socket: agent_socket.clone(),
            rules: config.monitor.reach,
        })
    }
}

/// Standard output as a screen.
pub(crate) fn screen() -> Screen {
    Screen::of_stdout(is_utf8())
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Prints `text`; the exit code.
pub(crate) fn print(text: &str) -> ExitCode {
    match screen::write(text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&Problem::Io("cannot write to standard output".to_owned(), error), false),
    }
}

/// Prints a value in one line; the exit code.
pub(crate) fn print_value(value: &Value) -> ExitCode {
    print(&format!("{}\n", ascii(value)))
}

/// Tells a problem, on standard output too if JSON is wanted there; the exit code.
pub(crate) fn fail(problem: &Problem, json: bool) -> ExitCode {
    if problem.is_closed_pipe() {
        return ExitCode::from(problem.exit_code());
    }
    let shown = Screen { width: None, colours: false, unicode: is_utf8() };
    let remedy = problem.remedy();
    let mut stderr = io::stderr().lock();
    let _ = writeln!(stderr, "xscontainer: {}", shown.line(&problem.to_string()));
    if let Some(remedy) = &remedy {
        let _ = writeln!(stderr, "  {}", shown.line(remedy));
    }
    if json {
        let _ = print_value(&serde_json::json!({"error": problem.to_string(), "remedy": remedy}));
    }
    ExitCode::from(problem.exit_code())
}
