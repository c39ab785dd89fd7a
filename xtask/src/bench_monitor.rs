//! `cargo xtask bench-monitor`: how soon a change in a VM's engine stands in XAPI, and what that costs.
//!
//! The program as it lands in dom0, against real sshd and dockerd; the lab's program `monitor_bench` measures.

use anyhow::bail;

use crate::flags::{BenchMonitor, Pack};
use crate::test_command::LAB_PACKAGES;
use crate::{debian, interrupt, pack_command, root, tools};

/// Runs the command.
pub(crate) fn run(flags: &BenchMonitor) -> anyhow::Result<()> {
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
    let mut bench = std::process::Command::new(root.join("target/debug/monitor_bench"));
    bench.env("LAB_PROGRAM", root.join("target/x86_64-unknown-linux-gnu/dom0/xscontainer"));
    bench.args(["--beside-hostile", "10"]);
    bench.args(["--vms", &flags.vms, "--real", &flags.real, "--seconds", &flags.seconds.to_string()]);
    if !interrupt::run(&mut bench)?.success() {
        bail!("the benchmark failed; see above");
    }
    Ok(())
}
