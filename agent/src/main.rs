//! The program `xscontainer`: reads the command line and runs the command.

mod commands;

use std::io::Write as _;
use std::process::ExitCode;

use agent::engine::Action;
use clap::{Parser, Subcommand};
use commands::{
    act, attach, complete, config, doctor, events, exec, key, log_level, logs, look, monitor, operator, plugin,
    prepare_vm, stats,
};

const AFTER_HELP: &str = "\
Examples:
  xscontainer status                 which VMs are seen, and what is wrong with the others
  xscontainer prepare-vm -v VM       let this pool into a VM
  xscontainer ps                     the containers of this host's VMs
  xscontainer logs -f CONTAINER      as with docker: by name, or the first digits of the id
  xscontainer exec -it VM/CONTAINER sh
                                     with the VM where several have such a container
  xscontainer doctor VM              every step from this host to the VM's engine";

#[derive(Parser)]
#[command(name = "xscontainer", version = agent::VERSION, about = "Container management in dom0")]
#[command(arg_required_else_help = true, max_term_width = 100, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// How things stand with the VMs of this host, and what is wrong with those that are not reached.
    #[command(after_help = operator::EXIT_CODES)]
    Status(look::Status),

    /// List containers: of all VMs of this host, or of one VM.
    #[command(after_help = operator::EXIT_CODES, visible_alias = "ls")]
    Ps(look::Ps),

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

    /// Everything that the engine knows of a container, as JSON.
    #[command(after_help = operator::EXIT_CODES)]
    Inspect(look::OfContainer),

    /// The processes that run in a container.
    #[command(after_help = operator::EXIT_CODES)]
    Top(look::OfContainer),

    /// Show what containers use: CPU, memory, network, block devices, processes.
    #[command(after_help = stats::AFTER_HELP, after_long_help = stats::AFTER_HELP.to_owned() + "\n\n" + operator::EXIT_CODES)]
    Stats(stats::Stats),

    /// Start containers.
    #[command(after_help = operator::EXIT_CODES)]
    Start(act::Options),

    /// Stop containers: each is asked to end, and killed if it does not in the time that it was created with, 10 s if none.
    #[command(after_help = operator::EXIT_CODES)]
    Stop(act::Options),

    /// Stop containers and start them again.
    #[command(after_help = operator::EXIT_CODES)]
    Restart(act::Options),

    /// Freeze the processes in containers.
    #[command(after_help = operator::EXIT_CODES)]
    Pause(act::Options),

    /// Let the processes in paused containers go on.
    #[command(after_help = operator::EXIT_CODES)]
    Unpause(act::Options),

    /// Prepare a VM for container management, look why it does not work, or take it out again.
    ///
    /// Over SSH the pool's public key is put into an account of the VM, which is asked for its password once. What fails, is
    /// declined or interrupted on the way is taken back. xscontainer-prepare-vm is this command
    /// with its log in /var/log/xscontainer.log.
    #[command(after_help = prepare_vm::AFTER_HELP)]
    PrepareVm(prepare_vm::Options),

    /// What is wrong with this host, or with the path to a VM's engine, and what to do about it.
    ///
    /// Examines this host check by check: packages and packs, XAPI, the service, the plugin, the pool's key, disks, memory,
    /// the clock. With a VM walks the path to its engine as well. Changes nothing.
    #[command(after_help = doctor::AFTER_HELP)]
    Doctor(doctor::Options),

    /// The key by which the hosts of the pool log in to VMs.
    #[command(subcommand)]
    Key(key::Command),

    /// The settings in /etc/xscontainer/config.toml.
    #[command(subcommand)]
    Config(config::Command),

    /// How much the running monitor logs: printed, or changed, for a while or until it ends.
    #[command(after_help = log_level::AFTER_HELP)]
    LogLevel(log_level::Options),

    /// Print what makes a shell complete the words of this command.
    Completion {
        /// The shell
        shell: complete::Shell,
    },

    /// Keep the containers of this host's VMs visible in XenCenter and Xen Orchestra.
    ///
    /// A VM is watched while it is registered (other_config key xscontainer-monitor is True), runs on this host and its
    /// guest tools have reported. It is reached over SSH (port 22) or, if its key xscontainer-mode is tls, over TLS (port
    /// 2376). Runs in the foreground until SIGTERM or SIGINT; SIGHUP reopens the log file and
    /// reads the settings again. If XAPI or a VM is not available it is tried again until it is.
    #[command(after_help = monitor::AFTER_HELP)]
    Monitor(monitor::Options),

    /// Carry out one call of the XAPI plugin xscontainer.
    ///
    /// XAPI runs this through /etc/xapi.d/plugins/xscontainer, with the call as an XML-RPC document, and reads the answer
    /// from standard output. People call `xe host-call-plugin plugin=xscontainer` instead.
    #[command(after_help = plugin::AFTER_HELP, override_usage = "xscontainer plugin [OPTIONS] <CALL>")]
    Plugin(plugin::Options),

    /// The words that may stand at the end of a command line; for the script that completion prints.
    #[command(hide = true)]
    Complete(complete::Options),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Status(options) => look::status(&options),
        Command::Doctor(options) => doctor::run(&options),
        Command::Ps(options) => look::ps(&options),
        Command::Inspect(options) => look::inspect(&options),
        Command::Top(options) => look::top(&options),
        Command::Stats(options) => stats::run(&options),
        Command::Start(options) => act::run(Action::Start, &options),
        Command::Stop(options) => act::run(Action::Stop, &options),
        Command::Restart(options) => act::run(Action::Restart, &options),
        Command::Pause(options) => act::run(Action::Pause, &options),
        Command::Unpause(options) => act::run(Action::Unpause, &options),
        Command::Monitor(options) => monitor::run(options).map(|()| ExitCode::SUCCESS),
        Command::Plugin(options) => plugin::run(options).map(|()| ExitCode::SUCCESS),
        Command::PrepareVm(options) => prepare_vm::run(options),
        Command::Logs(options) => logs::run(options),
        Command::Exec(options) => exec::run(options),
        Command::Attach(options) => attach::run(options),
        Command::Events(options) => events::run(options),
        Command::Key(command) => key::run(command),
        Command::Config(command) => config::run(&command),
        Command::LogLevel(options) => log_level::run(options),
        Command::Completion { shell } => complete::script(shell),
        Command::Complete(options) => complete::run(&options),
    };
    done.unwrap_or_else(|error| {
        // Not eprintln!, which panics when standard error is closed.
        let _ = std::io::stderr().write_fmt(format_args!("xscontainer: {error:#}\n"));
        ExitCode::FAILURE
    })
}
