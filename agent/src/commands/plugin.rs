//! `xscontainer plugin`: one call of XAPI's plugin.

use std::ffi::OsString;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use agent::config_drive;
use agent::plugin::{self, Dom0};
use anyhow::Context as _;
use clap::Args;

use super::place::{AgentSocket, Place, event_loop};

pub(crate) const AFTER_HELP: &str = "\
Exit codes:
  0    the answer was printed; it says whether the call succeeded
  1    no answer was printed; the reason is on standard error
  2    wrong usage

Files:
  /opt/xensource/packages/files/xscontainer/devlogging_enabled
       if it exists, --verbose is implied";

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    place: Place,

    #[command(flatten)]
    meeting: AgentSocket,

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

pub(crate) fn run(options: Options) -> anyhow::Result<()> {
    let (_log, config) = options.place.begin(None)?;
    let Place { socket, inventory, .. } = options.place;
    let AgentSocket { agent_socket } = options.meeting;
    let drives = config_drive::Places { template: options.template, tools_folder: options.tools_folder };
    let dom0 = Dom0 {
        socket,
        inventory,
        agent_socket,
        drives,
        rules: config.monitor.reach,
        messages: config.monitor.messages,
    };
    let runtime = event_loop()?;
    // XAPI passes failures on only if the program ends well, so it does even after a panic, which is in the log.
    let answer = catch_unwind(AssertUnwindSafe(|| runtime.block_on(plugin::answer(&options.call, &dom0))));
    let answer = answer.unwrap_or_else(|_| plugin::internal_error());
    writeln!(std::io::stdout(), "{answer}").context("cannot print the answer")
}
