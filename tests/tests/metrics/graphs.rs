//! The graphs of real containers, and what becomes of them when this program or xcp-rrdd starts anew.

use std::collections::BTreeSet;

use lab::guests::{Replay, Vm};
use serde_json::Value;

use crate::lab::{Lab, SOON, read_with};

/// Of one processor, per cent, and bytes, as docker's own client has it.
fn docker_stats(guest: &Vm, container: &str) -> (f64, f64) {
    let said = guest.docker(&["stats", "--no-stream", "--format", "{{.CPUPerc}} {{.MemUsage}}", container]);
    let mut words = said.split_whitespace();
    let cpu = words.next().unwrap().trim_end_matches('%').parse().unwrap();
    let memory = words.next().unwrap();
    let digits = memory.trim_end_matches(char::is_alphabetic);
    let unit = match &memory[digits.len()..] {
        "B" => 1.0,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        other => panic!("{other}"),
    };
    (cpu, digits.parse::<f64>().unwrap() * unit)
}

#[test]
fn the_graphs_of_real_containers_show_what_docker_says() {
    let lab = Lab::new();
    let guest = lab.pool.prepared(lab.pool.network.vm("web").ssh().dockerd());
    guest.run("busy", &["sh", "-c", "while :; do :; done"]);
    guest.run("idle", &["sleep", "1000"]);
    let vm = lab.uuid(&lab.pool.register(&guest));
    let monitor = lab.monitor();
    lab.wait_for_value(&vm, "container_busy_cpu", |percent| percent > 5.0);
    lab.wait_for_value(&vm, "container_idle_cpu", |percent| percent < 5.0);
    // The load of this machine changes, so the middle of some looks counts.
    lab.wait_for_looks(2);
    let (cpu, _) = docker_stats(&guest, "busy");
    let seen: Vec<f64> = lab.recorded(&vm)["container_busy_cpu"].values.iter().copied().flatten().collect();
    let (least, most) = (seen.iter().copied().fold(f64::MAX, f64::min), seen.iter().copied().fold(0.0, f64::max));
    assert!(cpu > least / 2.0 && cpu < most * 2.0 + 20.0, "docker says {cpu} %, the graph had {seen:?}");
    let (_, memory) = docker_stats(&guest, "idle");
    let shown = lab.wait_for_value(&vm, "container_idle_memory_used", |_| true);
    assert!((shown - memory).abs() < 512.0 * 1024.0, "docker says {memory}, the graph {shown}");

    // What the document says of pages, by a reader that knows nothing else.
    let page = read_with("read_rrd_page.py", &lab.page());
    let sources = page["sources"].as_array().unwrap();
    let names: BTreeSet<&str> = sources.iter().map(|source| source["name"].as_str().unwrap()).collect();
    let wanted = [
        "container_busy_cpu",
        "container_busy_memory_used",
        "container_idle_cpu",
        "container_idle_memory_used",
        "containers_cpu",
        "containers_memory_used",
        "containers_other_cpu",
        "containers_other_memory_used",
        "containers_running",
    ];
    assert_eq!(names, wanted.into());
    let source = |name: &str| sources.iter().find(|source| source["name"] == name).unwrap();
    for (name, unit) in
        [("container_busy_cpu", "percent"), ("containers_memory_used", "B"), ("containers_running", "count")]
    {
        assert_eq!(source(name)["units"], unit, "{name}");
    }
    assert!(sources.iter().all(|source| source["owner"] == format!("vm {vm}") && source["default"] == "true"));
    assert_eq!(source("containers_running")["value"], 2.0);
    let number = |name: &str| source(name)["value"].as_f64().unwrap();
    let both = number("container_busy_memory_used") + number("container_idle_memory_used");
    assert_eq!(number("containers_memory_used"), both);
    assert!(number("container_idle_memory_used") > 4096.0 && number("container_idle_memory_used") < 64e6);

    guest.docker(&["rm", "--force", "busy"]);
    lab.wait_for_value(&vm, "containers_running", |running| running == 1.0);
    let left = read_with("read_rrd_page.py", &lab.page());
    let has_busy = |page: &Value| page["sources"].to_string().contains("container_busy_");
    assert!(has_busy(&page) && !has_busy(&left), "a container that is gone has no value any longer");
    drop(monitor);
}

#[test]
fn the_end_of_the_program_takes_the_page_away_and_the_next_one_goes_on_with_the_same_names() {
    let lab = Lab::new();
    let replay = Replay::start();
    let guest = lab.pool.prepared(lab.pool.network.vm("web").ssh().replay(&replay, 30));
    for number in 0..30 {
        guest.replayed().load(&format!("c{number}"), 1.0, 1 << 20);
    }
    let vm = lab.uuid(&lab.pool.register(&guest));
    let monitor = lab.monitor();
    lab.rrdd.wait("graphs", SOON, |state| (state.recorded.get(&vm)?.len() == 15).then_some(()));
    let before: Vec<String> = lab.recorded(&vm).into_keys().collect();
    assert!(lab.prometheus_file().exists());
    monitor.stop();
    assert!(!lab.page().exists() && !lab.prometheus_file().exists());
    assert!(lab.rrdd.see(|state| !state.knows("xscontainer")));

    // Others use more now, but no more than would take a place.
    let engine = guest.replayed();
    for number in 0..15 {
        engine.load(&format!("c{number}"), 1.2, 1 << 20);
    }
    let monitor = lab.monitor();
    lab.wait_for_looks(8);
    assert_eq!(lab.recorded(&vm).into_keys().collect::<Vec<_>>(), before);
    assert!(lab.rrdd.see(|state| state.bad.is_empty()), "{:?}", lab.rrdd.see(|state| state.bad.clone()));
    drop(monitor);
}

#[test]
fn an_xcp_rrdd_that_starts_anew_and_a_page_that_a_killed_program_left_are_coped_with() {
    let lab = Lab::new();
    let replay = Replay::start();
    let guest = lab.pool.prepared(lab.pool.network.vm("web").ssh().replay(&replay, 3));
    let vm = lab.uuid(&lab.pool.register(&guest));
    let mut monitor = lab.monitor();
    lab.wait_for_value(&vm, "containers_running", |running| running == 3.0);
    lab.rrdd.stop();
    monitor.wait_for_line("no graphs of containers until it answers");
    lab.rrdd.go();
    lab.wait_for_looks(2);
    // Killed: the page stays, and xcp-rrdd looks at it less and less often.
    drop(monitor);
    assert!(lab.page().exists());
    lab.rrdd.wait("a look at a page that nobody writes", SOON, |state| (!state.bad.is_empty()).then_some(()));
    let monitor = lab.monitor();
    lab.wait_for_looks(2);
    drop(monitor);
}
