//! `operator_bench`: how long `xscontainer status` and `ps` take beside a running monitor with many VMs, and beside the
//! program's bare start in the same run. `cargo xtask bench-operator` runs it.
//!
//! Some VMs have real sshd in front of replayed engines, the others are registered and do not answer.

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use lab::guests::Vm;
use lab::guests::replay::Replay;
use lab::monitor::Monitor;
use lab::pool::Pool;
use lab::programs;

/// Measures `xscontainer status` and `ps`.
#[derive(Parser)]
struct Arguments {
    /// Runs of each
    #[arg(long, default_value_t = 100)]
    times: usize,
    /// VMs
    #[arg(long, default_value_t = 200)]
    vms: usize,
    /// Of them, those that answer
    #[arg(long, default_value_t = 20)]
    answering: usize,
    /// Containers of each that answers
    #[arg(long, default_value_t = 20)]
    containers: usize,
}

fn main() {
    let Arguments { times, vms, answering, containers } = Arguments::parse();
    let (pool, replay) = (Pool::new(), Replay::start());
    let guests: Vec<Vm> = (0..answering)
        .map(|number| {
            let guest = pool.network.vm(&format!("web-{number}")).ssh_light().replay(&replay, containers);
            pool.prepared(guest)
        })
        .collect();
    for guest in &guests {
        pool.register(guest);
    }
    for number in answering..vms {
        let address = format!("198.18.{}.{}", 200 + number / 200, number % 200 + 1);
        pool.add_vm(&format!("silent-{number}"), &[("0/ip", &address)], &[]);
    }
    let monitor = Monitor::start(&pool.xapi);
    let command = |arguments: &[&str]| {
        let mut command = Command::new(programs::agent());
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        command
    };
    let socket = monitor.agent_socket();
    let asking = |name: &str| {
        let mut asking = command(&[name, "--agent-socket"]);
        asking.arg(&socket);
        asking
    };
    let end = Instant::now() + Duration::from_secs(120);
    let rows = loop {
        let seen = lines(&mut asking("ps"));
        if seen > answering * containers {
            break seen - 1;
        }
        assert!(Instant::now() < end, "only {seen} lines");
        thread::sleep(Duration::from_millis(200));
    };
    println!("{vms} VMs, {rows} containers; medians of {times}");
    let start = median(times, || command(&["--version"]));
    println!("{:<24} {:>8.2} ms", "start alone (--version)", start);
    for name in ["status", "ps"] {
        let took = median(times, || asking(name));
        println!("{name:<24} {took:>8.2} ms  {:>6.2} times the start alone", took / start);
    }
}

fn lines(command: &mut Command) -> usize {
    let output = command.output().unwrap_or_else(|error| panic!("it cannot be run: {error}"));
    output.stdout.iter().filter(|byte| **byte == b'\n').count()
}

/// Milliseconds from the start of the program to the end of its output.
fn median(times: usize, mut command: impl FnMut() -> Command) -> f64 {
    let mut took: Vec<f64> = (0..times)
        .map(|_| {
            let mut command = command();
            let begun = Instant::now();
            let output = command.output().unwrap_or_else(|error| panic!("it cannot be run: {error}"));
            assert!(output.status.success(), "{}", output.status);
            begun.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    took.sort_by(f64::total_cmp);
    took[times / 2]
}
