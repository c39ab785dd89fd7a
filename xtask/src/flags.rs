//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use pack::commands::capture_host::CaptureHost;
use pack::commands::signer::SigningKey;
use pack::commands::verify::Verify;

/// The project's commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", arg_required_else_help = true)]
pub(crate) struct Xtask {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Pack(Pack),
    Verify(Verify),
    Suppack(SuppackRpm),
    Test(Test),
    Bench(Bench),
    BenchMonitor(BenchMonitor),
    BenchPlugin(BenchPlugin),
    BenchStreams(BenchStreams),
    BenchOperator(BenchOperator),
    /// Measure what the graphs of 4,000 containers cost beside asking their engines.
    BenchMetrics,
    CaptureHost(CaptureHost),
}

/// Build the agent and the signed supplemental pack that carries it: target/pack/xscontainer-VERSION.iso.
#[derive(Debug, Default, Args)]
#[command(after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 spec/, 4 an RPM, 5 the version, 6 the key, \
    7 cannot write, 8 another program, 9 a rule is broken or --reproduce gave other bytes, 10 a captured host, 11 scripts not proven, 130 interrupted")]
pub(crate) struct Pack {
    /// Folder for the results [default: target/pack]
    #[arg(short, long, value_name = "FOLDER")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) key: SigningKey,
    /// Pack this ready RPM instead of building the agent's; may be given several times
    #[arg(long, value_name = "FILE")]
    pub(crate) rpm: Vec<PathBuf>,
    /// Build from a tree with uncommitted changes; the version says so
    #[arg(long)]
    pub(crate) allow_dirty: bool,
    /// Rehearse the upgrade from this earlier release [default: from a stand-in]
    #[arg(long, value_name = "ISO")]
    pub(crate) previous: Option<PathBuf>,
    /// Build this image again from the commit that it records, with its signatures, and compare the bytes; its public key
    /// is --key or lies beside it, and nothing is written
    #[arg(long, value_name = "ISO", conflicts_with_all = ["output", "gpg_key", "allow_dirty", "previous"])]
    pub(crate) reproduce: Option<PathBuf>,
    /// Print errors only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Print the result as JSON on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

/// Build suppack as one static program, and its RPM with manual pages and completions: target/suppack.
#[derive(Debug, Default, Args)]
pub(crate) struct SuppackRpm {
    /// Build from a tree with uncommitted changes; the version says so
    #[arg(long)]
    pub(crate) allow_dirty: bool,
    /// Print errors only
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Set up what the tests need, then run all of them.
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Do not install Debian packages; fail if some are missing
    #[arg(long)]
    pub(crate) no_install: bool,
}

/// Measure the builder against the tools that it replaces, in the same run.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Size of the large payload, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    pub(crate) size: u64,
}

/// Measure the monitor against real sshd and engines: how soon a change stands in XAPI, and what it costs. As root.
#[derive(Debug, Args)]
pub(crate) struct BenchMonitor {
    /// Numbers of VMs whose engines are played by the replay engine
    #[arg(long, value_name = "LIST", default_value = "1,10,50,200")]
    pub(crate) vms: String,
    /// Numbers of VMs with a dockerd of their own, at most ten
    #[arg(long, value_name = "LIST", default_value = "1,10")]
    pub(crate) real: String,
    /// How long events are sent, and before that none, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    pub(crate) seconds: u64,
}

/// Measure calls of XAPI's plugin against real sshd and dockerd, with the monitor and without. As root.
#[derive(Debug, Args)]
pub(crate) struct BenchPlugin {
    /// Calls of each kind
    #[arg(long, value_name = "NUMBER", default_value_t = 40)]
    pub(crate) calls: usize,
}

/// Measure streams of containers through dom0 beside Docker's own client at the engine's socket. As root.
#[derive(Debug, Args)]
pub(crate) struct BenchStreams {
    /// Lines, echoes and starts of each kind
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    pub(crate) times: usize,
}

/// Measure xscontainer status and ps beside a monitor with 200 VMs. As root.
#[derive(Debug, Args)]
pub(crate) struct BenchOperator {
    /// Runs of each
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    pub(crate) times: usize,
}
