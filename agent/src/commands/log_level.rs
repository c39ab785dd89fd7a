//! `xscontainer log-level`: how much the running monitor logs.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use agent::config::value;
use agent::lending::client;
use agent::lending::wire::LevelChange;
use clap::Args;
use serde_json::json;

use super::ascii;
use super::place::{AgentSocket, event_loop};

pub(crate) const AFTER_HELP: &str = "\
Examples:
  xscontainer log-level                     what it is, and until when
  xscontainer log-level debug --for 10m     debug for ten minutes, then as before
  xscontainer log-level info                until the service ends, or the settings change

Exit codes:
  0    the level is printed
  1    the monitor cannot be asked; the reason is on standard error
  2    wrong usage";

#[derive(Args)]
pub(crate) struct Options {
    /// From which level on lines are logged from now on
    #[arg(value_name = "LEVEL", value_parser = ["error", "warn", "info", "debug", "trace"])]
    level: Option<String>,

    /// Go back to the usual level after so long, such as 90s, 10m or 2h
    #[arg(long = "for", value_name = "TIME", value_parser = time, requires = "level")]
    lasting: Option<Duration>,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    meeting: AgentSocket,
}

fn time(text: &str) -> Result<Duration, String> {
    value::time(text)
        .filter(|time| time.as_secs() > 0)
        .ok_or_else(|| "a time is a number and one of s, m, h, d, such as 10m".to_owned())
}

pub(crate) fn run(options: Options) -> anyhow::Result<ExitCode> {
    let seconds = options.lasting.map(|time| time.as_secs());
    let change = options.level.map(|level| LevelChange { level, seconds });
    let now = event_loop()?.block_on(client::log_level(&options.meeting.agent_socket, change))?;
    let mut output = std::io::stdout();
    match (&now.until, options.json) {
        (until, true) => {
            let then = until.as_ref().map(|(seconds, level)| json!({"seconds": seconds, "level": level}));
            writeln!(output, "{}", ascii(&json!({"level": now.level, "then": then})))?;
        }
        (Some((seconds, then)), false) => writeln!(output, "{}, for {seconds} s more, then {then}", now.level)?,
        (None, false) => writeln!(output, "{}", now.level)?,
    }
    Ok(ExitCode::SUCCESS)
}
