//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

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
    7 cannot write, 8 another program, 9 a rule is broken, 10 a captured host, 11 scripts not proven, 130 interrupted")]
pub(crate) struct Pack {
    /// Folder for the results [default: target/pack]
    #[arg(short, long, value_name = "FOLDER")]
    pub(crate) output: Option<PathBuf>,
    /// Sign with the armored secret key in this file [default: a development key, made at first use]
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Read the key's passphrase from the first line of this file [default: ask]
    #[arg(long, value_name = "FILE", requires = "key", conflicts_with_all = ["passphrase_env", "gpg_key"])]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Read the key's passphrase from the environment variable of this name
    #[arg(long, value_name = "NAME", requires = "key", conflicts_with = "gpg_key")]
    pub(crate) passphrase_env: Option<String>,
    /// Sign with this key through the gpg program: its agent, or a smart card
    #[arg(long, value_name = "ID", conflicts_with = "key")]
    pub(crate) gpg_key: Option<String>,
    /// Pack this ready RPM instead of building the agent's; may be given several times
    #[arg(long, value_name = "FILE")]
    pub(crate) rpm: Vec<PathBuf>,
    /// Build from a tree with uncommitted changes; the version says so
    #[arg(long)]
    pub(crate) allow_dirty: bool,
    /// Rehearse the upgrade from this earlier release [default: from a stand-in]
    #[arg(long, value_name = "ISO")]
    pub(crate) previous: Option<PathBuf>,
    /// Print errors only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Print the result as JSON on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

/// Check a finished pack as everything does that reads it, and rehearse it on captured hosts.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 no rule is broken, 1 failed otherwise, 2 wrong usage, 3 spec/, 4 --previous is no pack, \
    7 cannot write, 8 the rehearsal could not go on, 9 a rule is broken, 10 a captured host, 11 scripts not proven, \
    130 interrupted"
)]
pub(crate) struct Verify {
    /// The image
    #[arg(value_name = "ISO")]
    pub(crate) iso: PathBuf,
    /// The public key that hosts trust [default: the file beside the image that it names]
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Hold it to these rules [default: xscontainer for this project's own pack, general for any other]
    #[arg(long, value_enum)]
    pub(crate) rules: Option<RuleSet>,
    /// Rehearse on this captured host; may be given several times [default: 8.1.0, 8.2.0, 8.2.1, 8.3.0]
    #[arg(long = "host", value_name = "FILE")]
    pub(crate) hosts: Vec<PathBuf>,
    /// Rehearse the upgrade from this earlier release [default: from a stand-in]
    #[arg(long, value_name = "ISO")]
    pub(crate) previous: Option<PathBuf>,
    /// Only read the image
    #[arg(long, conflicts_with_all = ["hosts", "previous"])]
    pub(crate) no_rehearsal: bool,
    /// Show every check with what was seen
    #[arg(long)]
    pub(crate) all: bool,
    /// Write everything to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Print broken rules only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Print everything as JSON on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

/// Rules that a pack is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum RuleSet {
    /// Those of any pack
    General,
    /// Those of any pack, and the policy of this project's
    Xscontainer,
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

/// Capture a host over ssh for rehearsals: what is installed there. It changes nothing there.
#[derive(Debug, Args)]
#[command(
    after_help = "A capture has no passwords, keys, addresses or names of hosts. Where ssh does not lead, print the \
    script and run it on the host as root: sh capture.sh >host.tar.gz\n\n\
    Exit codes: 0 done, 1 failed, 2 wrong usage, 7 cannot write, 8 ssh or the host, 10 what the host sent, 130 interrupted"
)]
pub(crate) struct CaptureHost {
    /// Where ssh leads to, as root: user@host, or a name from ssh's configuration
    #[arg(required_unless_present = "print_script")]
    pub(crate) host: Option<String>,
    /// File for the capture [default: HOST.tar.gz]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Print the script that makes a capture, to carry it to a host by hand
    #[arg(long, conflicts_with_all = ["host", "output"])]
    pub(crate) print_script: bool,
}
