//! The program `xscontainer`: reads the command line and runs the command.

mod commands;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use commands::{attach, events, exec, key, logs, monitor, plugin, prepare_vm};

#[derive(Parser)]
#[command(name = "xscontainer", version, about = "Container management in dom0")]
#[command(arg_required_else_help = true, max_term_width = 100)]
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
    #[command(after_help = monitor::AFTER_HELP)]
    Monitor(monitor::Options),

    /// Carry out one call of the XAPI plugin xscontainer.
    ///
    /// XAPI runs this through /etc/xapi.d/plugins/xscontainer, with the call as an XML-RPC document, and reads the answer
    /// from standard output. People call `xe host-call-plugin plugin=xscontainer` instead.
    #[command(after_help = plugin::AFTER_HELP, override_usage = "xscontainer plugin [OPTIONS] <CALL>")]
    Plugin(plugin::Options),

    /// Prepare a VM for container management, look why it does not work, or take it out again.
    ///
    /// Over SSH the pool's public key is put into an account of the VM, which is asked for its password once. What fails, is
    /// declined or interrupted on the way is taken back. xscontainer-prepare-vm is this command
    /// with its log in /var/log/xscontainer.log.
    #[command(after_help = prepare_vm::AFTER_HELP)]
    PrepareVm(prepare_vm::Options),

    /// Print what a container in a VM has printed.
    #[command(after_help = logs::AFTER_HELP)]
    Logs(logs::Options),

    /// Run a command in a container in a VM.
    #[command(after_help = exec::AFTER_HELP, override_usage = exec::USAGE)]
    Exec(exec::Options),

    /// Attach the terminal to a container in a VM.
    #[command(after_help = attach::AFTER_HELP)]
    Attach(attach::Options),

    /// Print what happens to the containers of a VM.
    #[command(after_help = events::AFTER_HELP)]
    Events(events::Options),

    /// The key by which the hosts of the pool log in to VMs.
    #[command(subcommand)]
    Key(key::Command),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Monitor(options) => monitor::run(options).map(|()| ExitCode::SUCCESS),
        Command::Plugin(options) => plugin::run(options).map(|()| ExitCode::SUCCESS),
        Command::PrepareVm(options) => prepare_vm::run(options),
        Command::Logs(options) => logs::run(options),
        Command::Exec(options) => exec::run(options),
        Command::Attach(options) => attach::run(options),
        Command::Events(options) => events::run(options),
        Command::Key(command) => key::run(command),
    };
    done.unwrap_or_else(|error| {
        // Not eprintln!, which panics when standard error is closed.
        let _ = std::io::stderr().write_fmt(format_args!("xscontainer: {error:#}\n"));
        ExitCode::FAILURE
    })
}
