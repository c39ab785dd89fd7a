//! `cargo xtask bench-monitor`: how soon a change in a VM's engine stands in XAPI, and what that costs.
//! `cargo xtask bench-plugin`: how long calls of XAPI's plugin take.
//! `cargo xtask bench-operator`: how long `status` and `ps` take beside a monitor with many VMs.
//! `cargo xtask bench-streams`: what the way through dom0 adds to logs and commands.
//! `cargo xtask bench-metrics`: what the graphs of many containers cost.
//!
//! The program as it lands in dom0, against real sshd and dockerd; programs of the lab measure.

use anyhow::bail;

use crate::flags::{BenchMonitor, BenchOperator, BenchPlugin, BenchStreams, Pack};
use crate::test_command::LAB_PACKAGES;
use crate::{debian, pack_command, root, tools};
use pack::commands::interrupt;

/// Runs `bench-monitor`.
pub(crate) fn run_monitor(flags: &BenchMonitor) -> anyhow::Result<()> {
    let seconds = flags.seconds.to_string();
    let hostile = ["--beside-hostile", "10"];
    let counts = ["--vms", &flags.vms, "--real", &flags.real, "--seconds", &seconds];
    measure("monitor_bench", &[&hostile[..], &counts].concat())
}

/// Runs `bench-plugin`.
pub(crate) fn run_plugin(flags: &BenchPlugin) -> anyhow::Result<()> {
    measure("plugin_bench", &["--calls", &flags.calls.to_string()])
}

/// Runs `bench-operator`.
pub(crate) fn run_operator(flags: &BenchOperator) -> anyhow::Result<()> {
    measure("operator_bench", &["--times", &flags.times.to_string()])
}

/// Runs `bench-streams`.
pub(crate) fn run_streams(flags: &BenchStreams) -> anyhow::Result<()> {
    measure("stream_bench", &["--times", &flags.times.to_string()])
}

/// Runs `bench-metrics`.
pub(crate) fn run_metrics() -> anyhow::Result<()> {
    interrupt::watch()?;
    let mut bench = tools::cargo(&root());
    bench.args(["run", "--locked", "--quiet", "--profile", "dom0", "--package", "agent", "--example", "metrics_bench"]);
    if !interrupt::run(&mut bench)?.success() {
        bail!("the benchmark failed; see above");
    }
    Ok(())
}

/// Builds what is measured and the lab's `program`, and runs that.
fn measure(program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    interrupt::watch()?;
    if !rustix::process::geteuid().is_root() {
        bail!("the benchmark must run as root: it makes network namespaces with servers in them");
    }
    debian::install(&LAB_PACKAGES, false)?;
    let root = root();
    // Builds the program on its way.
    let output = root.join("target/bench/pack");
    pack_command::run(&Pack { output: Some(output), allow_dirty: true, quiet: true, ..Pack::default() })?;
    let mut build = tools::cargo(&root);
    build.args(["build", "--locked", "--package", "lab", "--features", "lab", "--bins", "--quiet"]);
    if !interrupt::run(&mut build)?.success() {
        bail!("the lab cannot be built; see above");
    }
    let mut bench = std::process::Command::new(root.join("target/debug").join(program));
    bench.env("LAB_PROGRAM", root.join("target/x86_64-unknown-linux-gnu/dom0/xscontainer")).args(arguments);
    if !interrupt::run(&mut bench)?.success() {
        bail!("the benchmark failed; see above");
    }
    Ok(())
}
