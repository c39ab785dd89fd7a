//! `xscontainer config`: the settings checked and shown.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use agent::config::{self, Config, Read, table, text};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::ascii;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Say what is wrong in the file.
    #[command(after_help = AFTER_HELP)]
    Check(Options),

    /// Print what holds for each key, and whether the file says so.
    ///
    /// A monitor that runs has taken it at its start, or at the last systemctl reload xscontainer-monitor.
    #[command(after_help = AFTER_HELP)]
    Show(Options),
}

const AFTER_HELP: &str = "\
Exit codes:
  0    nothing is wrong in the file, or there is none
  1    something is wrong; it is on standard error
  2    wrong usage";

#[derive(Args)]
pub(crate) struct Options {
    /// The file
    #[arg(value_name = "FILE", default_value = config::DEFAULT_FILE)]
    file: PathBuf,

    /// Print the result as JSON on standard output
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: &Command) -> anyhow::Result<ExitCode> {
    let (Command::Check(options) | Command::Show(options)) = command;
    let read = Config::read(&options.file);
    for fault in &read.faults {
        let _ = writeln!(std::io::stderr(), "{fault}");
    }
    let mut output = std::io::stdout();
    match command {
        _ if options.json => writeln!(output, "{}", ascii(&value(&read)))?,
        Command::Show(_) => write!(output, "{}", text::effective(&read))?,
        Command::Check(_) if !read.faults.is_empty() => {}
        Command::Check(_) if options.file.exists() => {
            writeln!(output, "{}: nothing is wrong, {} keys are set", options.file.display(), read.lines.len())?;
        }
        Command::Check(_) => {
            writeln!(output, "{}: there is no such file; everything is as usual", options.file.display())?;
        }
    }
    Ok(if read.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn value(read: &Read) -> Value {
    let (mut now, mut usual) = (read.config.clone(), Config::default());
    let keys = table::all().map(|(section, key)| {
        let name = format!("{}.{}", section.name, key.name);
        let (line, value, usual) = (read.lines.get(&name), key.slot(&mut now).shown(), key.slot(&mut usual).shown());
        json!({"key": name, "value": value, "usual": usual, "line": line})
    });
    let faults = read.faults.iter().map(|fault| json!({"line": fault.line, "what": fault.what}));
    json!({"keys": keys.collect::<Vec<_>>(), "faults": faults.collect::<Vec<_>>()})
}
