//! `plugin_bench`: how long a call of XAPI's plugin takes, from the start of its program to its end as XAPI sees it, with
//! the monitor and without. `cargo xtask bench-plugin` runs it.
//!
//! One VM with real sshd and dockerd. "engine" is what the engine itself takes for the same request.

use std::os::unix::fs::PermissionsExt as _;
use std::thread;
use std::time::Instant;

use clap::Parser;
use lab::guests::Vm;
use lab::monitor::Monitor;
use lab::plugin::Plugin;
use lab::pool::Pool;
use lab::tools::succeed;
use lab::xapi::Ref;

/// Measures `xscontainer plugin`.
#[derive(Parser)]
struct Arguments {
    /// Calls of each kind
    #[arg(long, default_value_t = 40)]
    calls: usize,
    /// Calls at the same moment, in the last row
    #[arg(long, default_value_t = 50)]
    at_once: usize,
}

fn main() {
    let Arguments { calls, at_once } = Arguments::parse();
    let pool = Pool::new();
    let guest = pool.prepared(pool.network.vm("web").ssh().dockerd());
    for name in ["one", "two"] {
        guest.run(name, &["sleep", "100000"]);
    }
    let vm = pool.register(&guest);
    let uuid = pool.xapi.get(&vm, "uuid").ok().and_then(|uuid| uuid.text().map(str::to_owned)).unwrap_or_default();
    println!("{:<34} {:>8} {:>8} {:>9}", "call", "p50 ms", "p95 ms", "engine ms");

    let (host, reference) = (pool.xapi.host(), reference());
    pool.xapi.install_plugin(&host, "reference", &reference);
    row("a shell script that does nothing", calls, None, || {
        let result = pool.xapi.call_plugin(&host, "reference", "nothing", &[]);
        assert_eq!(result.as_deref(), Ok("True"));
    });
    let alone = Plugin::install(&pool.xapi, None);
    row("no such function", calls, None, || drop(alone.call(&pool.xapi, "nothing", &[])));
    let top = engine_time(&guest, "GET", &["/containers/one/top"], calls);
    let pause = engine_time(&guest, "POST", &["/containers/one/pause", "/containers/one/unpause"], calls);
    let both = |plugin: &Plugin, name: &str| {
        let call = |function: &str, key: &str| {
            let result = plugin.call(&pool.xapi, function, &[("vmuuid", &uuid), (key, "one")]);
            result.unwrap_or_else(|failure| panic!("{function}: {failure}"));
        };
        row(&format!("get_top, {name}"), calls, Some(top), || call("get_top", "object"));
        let mut paused = false;
        row(&format!("pause and unpause, {name}"), calls, Some(pause), || {
            call(if paused { "unpause" } else { "pause" }, "container");
            paused = !paused;
        });
        if paused {
            call("unpause", "container");
        }
    };
    both(&alone, "without the monitor");

    let monitor = Monitor::start(&pool.xapi);
    let plugin = Plugin::install(&pool.xapi, Some(&monitor));
    until_seen(&pool, &vm, &monitor);
    both(&plugin, "with the monitor");

    let sr = pool.xapi.add_sr("local", &[&pool.xapi.host()]);
    let sr = pool.xapi.get(&sr, "uuid").ok().and_then(|uuid| uuid.text().map(str::to_owned)).unwrap_or_default();
    let halted = pool.xapi.add_vm("new", [("power_state", "Halted".into()), ("resident_on", Ref::null().into())]);
    let halted = halted.and_then(|vm| pool.xapi.get(&vm, "uuid")).ok();
    let halted = halted.and_then(|uuid| uuid.text().map(str::to_owned)).unwrap_or_default();
    row("create_config_drive", calls, None, || {
        let arguments = [("vmuuid", halted.as_str()), ("sruuid", &sr), ("configuration", "#cloud-config")];
        let result = plugin.call(&pool.xapi, "create_config_drive", &arguments);
        result.unwrap_or_else(|failure| panic!("create_config_drive: {failure}"));
    });

    let call = || {
        let begun = Instant::now();
        let result = plugin.call(&pool.xapi, "get_top", &[("vmuuid", &uuid), ("object", "two")]);
        result.unwrap_or_else(|failure| panic!("get_top: {failure}"));
        milliseconds(begun)
    };
    let times = thread::scope(|scope| {
        let calls: Vec<_> = (0..at_once).map(|_| scope.spawn(call)).collect();
        calls.into_iter().map(|call| call.join().unwrap_or(f64::NAN)).collect()
    });
    print(&format!("get_top, {at_once} at once"), times, Some(top));
    drop(monitor);
}

/// What XAPI and a shell cost by themselves.
fn reference() -> tempfile::TempPath {
    let answer = "<methodResponse><params><param><value><struct><member><name>Status</name><value>Success</value></member>\
        <member><name>Value</name><value>True</value></member></struct></value></param></params></methodResponse>";
    let script = tempfile::NamedTempFile::new().unwrap_or_else(|error| panic!("no temporary file: {error}"));
    let made = std::fs::write(script.path(), format!("#!/bin/sh\necho '{answer}'\n"));
    let mode = std::fs::set_permissions(script.path(), std::fs::Permissions::from_mode(0o755));
    made.and(mode).unwrap_or_else(|error| panic!("cannot write the script: {error}"));
    script.into_temp_path()
}

/// Calls, one after the other.
fn row(name: &str, calls: usize, engine: Option<f64>, mut call: impl FnMut()) {
    let times = (0..calls).map(|_| {
        let begun = Instant::now();
        call();
        milliseconds(begun)
    });
    print(name, times.collect(), engine);
}

fn print(name: &str, mut times: Vec<f64>, engine: Option<f64>) {
    times.sort_by(f64::total_cmp);
    let [p50, p95] = [50, 95].map(|share| times[(times.len() * share / 100).min(times.len() - 1)]);
    let engine = engine.map_or_else(|| "-".to_owned(), |engine| format!("{engine:.1}"));
    println!("{name:<34} {p50:>8.1} {p95:>8.1} {engine:>9}");
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

/// What the engine itself takes for these requests in turn: the middle of some tries, milliseconds.
fn engine_time(guest: &Vm, verb: &str, paths: &[&str], tries: usize) -> f64 {
    let mut times: Vec<f64> = (0..tries.next_multiple_of(paths.len()))
        .map(|n| {
            let mut curl = lab::tools::command("curl", ["-sf", "-o", "/dev/null", "-w", "%{time_total}", "-X", verb]);
            curl.arg("--unix-socket").arg(guest.socket()).arg(format!("http://docker{}", paths[n % paths.len()]));
            succeed(&mut curl).trim().parse::<f64>().unwrap_or(f64::NAN) * 1000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn until_seen(pool: &Pool, vm: &Ref, monitor: &Monitor) {
    let seen = pool.xapi.block_until("a first view", std::time::Duration::from_secs(60), |state| {
        state.entry(vm, "other_config", "docker_version").map(drop)
    });
    seen.unwrap_or_else(|error| panic!("{error}\n{}", monitor.lines().join("\n")));
}
