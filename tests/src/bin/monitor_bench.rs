//! `monitor_bench`: how soon a change in an engine stands in XAPI, and what that costs. `cargo xtask bench-monitor` runs
//! it.
//!
//! VMs have real sshd; up to ten have a real dockerd, beyond that the replay engine. Each has 20 containers and one event
//! a second, spread over the second; latency is from the engine's own time of the event to XAPI's having the list.

use std::collections::HashMap;
use std::fs;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;
use lab::guests::{Misbehaviour, Replay, Vm};
use lab::monitor::Monitor;
use lab::pool::Pool;
use lab::tools::succeed;
use lab::xapi::Ref;

/// Measures `xscontainer monitor`.
#[derive(Parser)]
struct Arguments {
    /// Numbers of VMs with the replay engine
    #[arg(long, value_delimiter = ',', default_value = "1,10,50,200")]
    vms: Vec<usize>,
    /// Numbers of VMs with a real dockerd, at most ten
    #[arg(long, value_delimiter = ',', default_value = "1,10")]
    real: Vec<usize>,
    /// Number of VMs with the replay engine in a last row, beside hostile ones
    #[arg(long)]
    beside_hostile: Option<usize>,
    /// How long events are sent, and how long it is idle, seconds each
    #[arg(long, default_value_t = 20)]
    seconds: u64,
}

/// Containers of each VM.
const CONTAINERS: usize = 20;

/// A second of a clock of `/proc`, in its ticks (proc(5), `sysconf(_SC_CLK_TCK)`).
const TICKS: f64 = 100.0;

fn main() {
    let arguments = Arguments::parse();
    let seconds = Duration::from_secs(arguments.seconds);
    println!(
        "{:<14} {:>7} {:>7} {:>7} {:>7} {:>7} {:>8} {:>8} {:>7} {:>7} {:>6} {:>8} {:>8}",
        "VMs",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "list ms",
        "unseen",
        "RSS MiB",
        "peak MiB",
        "agent %",
        "idle %",
        "sshd %",
        "calls/ev",
        "KiB/ev"
    );
    for count in arguments.real {
        run(count, Engines::Dockerd, &[], seconds);
    }
    for count in arguments.vms {
        run(count, Engines::Replayed(&Replay::start()), &[], seconds);
    }
    if let Some(count) = arguments.beside_hostile {
        run(count, Engines::Replayed(&Replay::start()), &HOSTILE, seconds);
    }
}

/// What the VMs that are measured have.
#[derive(Clone, Copy)]
enum Engines<'a> {
    Dockerd,
    Replayed(&'a Replay),
}

/// What guests beside them do, in the last row.
const HOSTILE: [Misbehaviour; 4] =
    [Misbehaviour::EventFlood, Misbehaviour::MillionContainers, Misbehaviour::EndlessEvent, Misbehaviour::EndlessBody];

/// One row.
fn run(count: usize, engines: Engines<'_>, hostile: &[Misbehaviour], seconds: Duration) {
    let pool = Pool::new();
    let beside = hostile.iter().enumerate().map(|(n, misbehaviour)| {
        let guest = pool.prepared(pool.network.vm(&format!("hostile{n}")).ssh_light());
        guest.hostile_at(*misbehaviour, misbehaviour.place())
    });
    let beside: Vec<Vm> = beside.collect();
    let guests: Vec<Vm> = (0..count)
        .map(|n| {
            let guest = pool.prepared(pool.network.vm(&format!("vm{n}")).ssh_light());
            match engines {
                Engines::Replayed(replay) => guest.replay(replay, CONTAINERS),
                Engines::Dockerd => guest.dockerd(),
            }
        })
        .collect();
    if let Engines::Dockerd = engines {
        for guest in &guests {
            (0..CONTAINERS)
                .for_each(|n| drop(guest.docker(&["create", "--name", &format!("c{n}"), "lab/busybox:1", "true"])));
        }
    }
    let vms: HashMap<String, usize> = guests.iter().enumerate().map(|(n, guest)| (pool.register(guest).0, n)).collect();
    for guest in &beside {
        pool.register(guest);
    }
    let monitor = Monitor::start(&pool.xapi);
    for vm in vms.keys() {
        let shown = pool.xapi.block_until("a first view", Duration::from_secs(300), |state| {
            state.entry(&Ref(vm.clone()), "other_config", "docker_version").map(drop)
        });
        shown.unwrap_or_else(|error| panic!("{error}\n{}", monitor.lines().join("\n")));
    }
    let list = list_time(&guests[0]);

    let idle = Usage::of(monitor.id());
    thread::sleep(seconds);
    let idle = Usage::of(monitor.id()).since(&idle, seconds);

    pool.xapi.take_added();
    let before = pool.xapi.look(|state| state.counters.clone());
    let (agent, sshd, begun) = (Usage::of(monitor.id()), sshd_usage(&guests), Instant::now());
    let ticks = match engines {
        Engines::Replayed(_) => tick_replayed(&guests, seconds),
        Engines::Dockerd => tick_real(&guests, seconds),
    };
    let took = begun.elapsed();
    let agent = Usage::of(monitor.id()).since(&agent, took);
    let sshd = sshd_usage(&guests).since(&sshd, took);
    // What is still on its way.
    thread::sleep(Duration::from_secs(2));
    let after = pool.xapi.look(|state| state.counters.clone());

    let mut latencies = Vec::new();
    let mut unseen = ticks.len();
    let mut open: Vec<HashMap<String, u64>> = vec![HashMap::new(); count];
    for (vm, name, at) in ticks {
        open[vm].insert(name, at);
    }
    for added in pool.xapi.take_added().iter().filter(|added| added.key == "docker_ps") {
        let Some(&vm) = vms.get(&added.object) else { continue };
        let at = u64::try_from(added.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()).unwrap_or(u64::MAX);
        open[vm].retain(|name, sent| {
            let here = added.value.contains(&format!("<names>{name}</names>"));
            if here {
                latencies.push(at.saturating_sub(*sent) as f64 / 1e6);
                unseen -= 1;
            }
            !here
        });
    }
    latencies.sort_by(f64::total_cmp);
    let percentile =
        |share: f64| latencies.get(((latencies.len() as f64 * share) as usize).min(latencies.len().max(1) - 1));
    let [p50, p95, p99] = [0.5, 0.95, 0.99].map(|share| percentile(share).copied().unwrap_or(f64::NAN));
    let calls: u64 = after.calls.values().sum::<u64>() - before.calls.values().sum::<u64>();
    let bytes = after.bytes_in + after.bytes_out - before.bytes_in - before.bytes_out;
    let events = (latencies.len() + unseen).max(1) as f64;
    let name = match engines {
        Engines::Dockerd => format!("{count} dockerd"),
        Engines::Replayed(_) if beside.is_empty() => format!("{count} replay"),
        Engines::Replayed(_) => format!("{count} + {} hostile", beside.len()),
    };
    println!(
        "{:<14} {p50:>7.1} {p95:>7.1} {p99:>7.1} {list:>7.1} {unseen:>7} {:>8.1} {:>8.1} {:>7.1} {:>7.2} {:>6.1} {:>8.1} {:>8.1}",
        name,
        monitor.memory_kib() as f64 / 1024.0,
        monitor.peak_memory_kib() as f64 / 1024.0,
        agent.share,
        idle.share,
        sshd.share,
        calls as f64 / events,
        bytes as f64 / 1024.0 / events,
    );
}

/// A change in a VM: which, the new name that shows it, and when.
type Change = (usize, String, u64);

fn tick_replayed(guests: &[Vm], seconds: Duration) -> Vec<Change> {
    let engines: Vec<_> = guests.iter().map(Vm::replayed).collect();
    for (n, engine) in engines.iter().enumerate() {
        engine.tick_every(1000, 1000 * n as u64 / engines.len() as u64);
    }
    thread::sleep(seconds);
    let stopped = engines.iter().enumerate().map(|(n, engine)| (n, engine.stop_ticks()));
    stopped.flat_map(|(n, ticks)| ticks.into_iter().map(move |tick| (n, tick.name, tick.nanoseconds))).collect()
}

/// Renames a container of each guest each second; the times are those of the engines' own events.
fn tick_real(guests: &[Vm], seconds: Duration) -> Vec<Change> {
    let begun = now().as_secs();
    let end = Instant::now() + seconds;
    let one = |n: usize, guest: &Vm| {
        let mut next = Instant::now() + Duration::from_millis(1000 * n as u64 / guests.len() as u64);
        for round in 0.. {
            thread::sleep(next.saturating_duration_since(Instant::now()));
            if Instant::now() >= end {
                break;
            }
            let name = if round == 0 { "c0".to_owned() } else { format!("tick-{}", round - 1) };
            ask(guest, &["-X", "POST"], &format!("/containers/{name}/rename?name=tick-{round}"));
            next += Duration::from_secs(1);
        }
        let until = now().as_secs() + 1;
        let events = ask(guest, &[], &format!("/events?since={begun}&until={until}"));
        let events = events.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let renames = events.filter(|event| event["Action"] == "rename");
        let change = |event: serde_json::Value| {
            let name = event["Actor"]["Attributes"]["name"].as_str()?.trim_start_matches('/').to_owned();
            Some((n, name, event["timeNano"].as_u64()?))
        };
        renames.filter_map(change).collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let threads: Vec<_> = guests.iter().enumerate().map(|(n, guest)| scope.spawn(move || one(n, guest))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    })
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// What curl says of a path of the guest's engine.
fn ask(guest: &Vm, options: &[&str], path: &str) -> String {
    let mut curl = lab::tools::command("curl", ["-sf", "--unix-socket"]);
    succeed(curl.arg(guest.socket()).args(options).arg(format!("http://docker{path}")))
}

/// What the engine itself takes for the list: the middle of some tries, in milliseconds.
fn list_time(guest: &Vm) -> f64 {
    let mut times: Vec<f64> = (0..11)
        .map(|_| {
            let socket = guest.socket();
            let mut curl =
                lab::tools::command("curl", ["-sf", "-o", "/dev/null", "-w", "%{time_total}", "--unix-socket"]);
            let said = succeed(curl.arg(socket).arg("http://docker/containers/json?all=1"));
            said.trim().parse::<f64>().unwrap_or(f64::NAN) * 1000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Time on processors.
struct Usage {
    ticks: u64,
}

struct Share {
    /// Of one core, per cent.
    share: f64,
}

impl Usage {
    fn of(process: u32) -> Self {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        // After the name, which may hold anything: fields 14 and 15 of proc(5).
        let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        let fields: Vec<u64> = rest.split(' ').map(|field| field.parse().unwrap_or(0)).collect();
        Self { ticks: fields.get(11).copied().unwrap_or(0) + fields.get(12).copied().unwrap_or(0) }
    }

    fn since(&self, before: &Self, time: Duration) -> Share {
        let seconds = self.ticks.saturating_sub(before.ticks) as f64 / TICKS;
        Share { share: 100.0 * seconds / time.as_secs_f64() }
    }
}

fn sshd_usage(guests: &[Vm]) -> Usage {
    let of_guest = |guest: &Vm| {
        let servers = guest.processes().into_iter().filter(|(_, name)| name.starts_with("sshd"));
        servers.map(|(process, _)| Usage::of(process).ticks).sum::<u64>()
    };
    Usage { ticks: guests.iter().map(of_guest).sum() }
}
