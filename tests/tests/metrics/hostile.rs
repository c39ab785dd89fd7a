//! A hostile engine costs its own graphs.

use lab::guests::{Misbehaviour, Replay};

use crate::lab::{Lab, read_with};

#[test]
fn figures_that_make_no_sense_are_harmless() {
    let lab = Lab::new();
    let replay = Replay::start();
    let guest = lab.pool.prepared(lab.pool.network.vm("odd").ssh().replay(&replay, 8));
    let engine = guest.replayed();
    let long = format!("{{\"x\":\"{}\"}}", "y".repeat(60_000));
    let deep = format!("{}{}", "{\"a\":".repeat(90), "{}") + &"}".repeat(90);
    let answers = [
        "{}",
        r#"{"cpu_stats":{"cpu_usage":{"total_usage":-1},"system_cpu_usage":1e300,"online_cpus":0},"memory_stats":{"usage":"NaN"}}"#,
        r#"{"cpu_stats":{"cpu_usage":{"total_usage":18446744073709551615}},"memory_stats":{"usage":1e308,"limit":-5}}"#,
        r#"{"cpu_stats":[],"memory_stats":"x","networks":{"a":null},"num_procs":1e9,"pids_stats":7}"#,
        &long,
        &deep,
    ];
    for (number, answer) in answers.iter().enumerate() {
        engine.say_stats(&format!("c{number}"), answer);
    }
    engine.load("c6", 10.0, 1 << 20);
    let vm = lab.uuid(&lab.pool.register(&guest));
    let monitor = lab.monitor();
    let percent = lab.wait_for_value(&vm, "container_c6_cpu", |percent| percent > 0.0);
    assert!((8.0..12.0).contains(&percent), "{percent}");
    lab.wait_for_looks(2);
    let page = read_with("read_rrd_page.py", &lab.page());
    for source in page["sources"].as_array().unwrap() {
        let value = source["value"].as_f64();
        assert!(value.is_none_or(|value| value >= 0.0 && value.is_finite()), "{source}");
    }
    assert!(lab.rrdd.see(|state| state.bad.is_empty()));
    drop(monitor);
}

#[test]
fn an_engine_that_answers_nonsense_or_nothing_does_not_disturb_others() {
    let lab = Lab::new();
    let replay = Replay::start();
    let guest = lab.pool.prepared(lab.pool.network.vm("good").ssh().replay(&replay, 2));
    guest.replayed().load("c1", 10.0, 1 << 20);
    let bad = lab.pool.prepared(lab.pool.network.vm("bad").ssh().replay(&replay, 2));
    bad.replayed().say_stats("c0", "not JSON");
    let worse = lab.pool.prepared(lab.pool.network.vm("worse").ssh_light());
    let worse = worse.hostile_at(Misbehaviour::MillionContainers, Misbehaviour::MillionContainers.place());
    let [vm, bad, _] = [&guest, &bad, &worse].map(|guest| lab.uuid(&lab.pool.register(guest)));
    let mut monitor = lab.monitor();
    lab.wait_for_value(&vm, "container_c1_cpu", |percent| percent > 0.0);
    monitor.wait_for_line("cannot see what the containers use");
    lab.wait_for_looks(4);
    let told = |line: &&String| line.contains("cannot see what the containers use") && line.contains(&bad);
    let lines = monitor.lines();
    assert_eq!(lines.iter().filter(told).count(), 1, "told once:\n{}", lines.join("\n"));
    let good = lab.recorded(&vm)["container_c1_memory_used"].clone();
    assert!(good.values.iter().flatten().count() >= 4, "{:?}", good.values);
    // What is not known is no number, and not old either.
    assert!(lab.rrdd.see(|state| state.value(&bad, "containers_cpu")).is_none());
}
