//! What the graphs of many containers cost: `cargo xtask bench-metrics` runs it.
//!
//! An hour of rounds, one after the other without waiting: figures of every container are taken over, graphs chosen, the page
//! written. Every minute some containers go and others come, so that the page's metadata is written anew. Time is that of the
//! processor, against the five seconds that a round has; asking engines is not in it.

use std::fs;
use std::time::Duration;

use agent::engine::{Container, Containers, Stats};
use agent::metrics::Settings;
use agent::metrics::page::Page;
use agent::metrics::prometheus;
use agent::metrics::vm::{Shown, VmUsage};
use agent::xapi::VmUuid;
use anyhow::Context as _;
use tokio::time::Instant;

const ROUND: Duration = Duration::from_secs(5);
const ROUNDS: u32 = 720;
const VMS: usize = 200;
const CONTAINERS: usize = 20;

fn main() -> anyhow::Result<()> {
    let settings = Settings::default();
    let folder = std::env::temp_dir().join(format!("metrics-bench-{}", std::process::id()));
    let mut page = Page::create(&folder, "xscontainer", 1.0)?;
    let mut vms: Vec<(VmUuid, VmUsage)> = Vec::new();
    for number in 0..VMS {
        let uuid = VmUuid::parse(&format!("00000000-0000-0000-0000-{number:012}")).context("a uuid")?;
        vms.push((uuid, VmUsage::new(&settings, [])));
    }
    let begun = Instant::now();
    let (mut taken, mut shown_in, mut written_in, mut text_in) = (0, 0, 0, 0);
    let mut sources = 0;
    for round in 0..ROUNDS {
        let now = begun + ROUND * round;
        let start = processor_time()?;
        for (number, (_, usage)) in vms.iter_mut().enumerate() {
            if round % 12 == 0 {
                usage.listed(&containers(number, round / 12), now);
            }
            for name in usage.turn() {
                usage.answered(name.as_str(), Some(stats(name.as_str(), round)), now);
            }
        }
        let took = processor_time()?;
        let shown: Vec<(VmUuid, Shown)> = vms.iter_mut().map(|(uuid, usage)| (uuid.clone(), usage.show(now))).collect();
        let chosen = processor_time()?;
        page.write(f64::from(round), &shown)?;
        let written = processor_time()?;
        taken += took - start;
        shown_in += chosen - took;
        written_in += written - chosen;
        sources = shown.iter().map(|(_, shown)| shown.values.len()).sum();
        if round % 3 == 0 {
            let before = processor_time()?;
            let of_vm = |(uuid, usage): &(VmUuid, VmUsage)| prometheus::Vm {
                uuid: uuid.to_string(),
                name: "bench".to_owned(),
                running: usage.running().unwrap_or(0),
                containers: usage
                    .readings(now)
                    .map(|(id, name, stats)| prometheus::Container {
                        id: id.to_owned(),
                        name: name.to_owned(),
                        stats: stats.clone(),
                    })
                    .collect(),
            };
            let all: Vec<prometheus::Vm> = vms.iter().map(of_vm).collect();
            prometheus::write(&folder.join("bench.prom"), &prometheus::text(&all))?;
            text_in += processor_time()? - before;
        }
    }
    let share =
        |nanoseconds: u64| 100.0 * Duration::from_nanos(nanoseconds).as_secs_f64() / (ROUND * ROUNDS).as_secs_f64();
    println!(
        "{} containers in {VMS} VMs, {sources} data sources, {ROUNDS} rounds; of one processor:",
        VMS * CONTAINERS
    );
    for (what, time) in [
        ("figures taken over", taken),
        ("graphs chosen", shown_in),
        ("page written", written_in),
        ("those together", taken + shown_in + written_in),
        ("Prometheus' file, if wanted", text_in),
    ] {
        println!("  {what:<30} {:>8.4} %", share(time));
    }
    fs::remove_dir_all(&folder)?;
    Ok(())
}

/// Each minute one of twenty is another one.
fn containers(vm: usize, minute: u32) -> Containers {
    let one = |number: usize| {
        let life = (minute as usize + number) / CONTAINERS;
        Container {
            id: format!("{vm:08x}{number:08x}{life:08x}"),
            name: format!("service-{number}-{life}"),
            image: String::new(),
            command: String::new(),
            created: 0,
            status: String::new(),
            state: "running".to_owned(),
            ports: Vec::new(),
        }
    };
    Containers { list: (0..CONTAINERS).map(one).collect(), beyond_limit: 0, unreadable: 0 }
}

/// Figures that go up and down, differently for each container.
fn stats(id: &str, round: u32) -> Stats {
    let seed = id.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let wave = (seed.wrapping_add(u64::from(round)) % 97) * (1 << 20);
    Stats {
        cpu: Duration::from_millis(u64::from(round) * (seed % 4000)),
        machine: ROUND * round * 4,
        cpus: Some(4),
        memory: wave,
        memory_limit: Some(1 << 30),
        ..Stats::default()
    }
}

/// Of this process so far, in nanoseconds (Documentation/scheduler/sched-stats.rst of Linux).
fn processor_time() -> anyhow::Result<u64> {
    let said = fs::read_to_string("/proc/self/schedstat")?;
    said.split_whitespace()
        .next()
        .and_then(|first| first.parse().ok())
        .with_context(|| format!("schedstat says {said:?}"))
}
