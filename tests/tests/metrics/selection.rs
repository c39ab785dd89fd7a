//! Graphs are few, of those that use most, and a name never passes silently from one container to another.

use std::thread;
use std::time::Duration;

use lab::guests::Replay;

use crate::lab::{Lab, SOON, read_with};

#[test]
fn of_five_hundred_containers_five_have_graphs_and_the_rest_is_summed_up() {
    let lab = Lab::new();
    let replay = Replay::start();
    let guest = lab.pool.prepared(lab.pool.network.vm("big").ssh().replay(&replay, 500));
    let engine = guest.replayed();
    for number in 0..500 {
        let (percent, memory) = if number % 100 == 7 { (20.0, 100 << 20) } else { (0.1, 1 << 20) };
        engine.load(&format!("c{number}"), percent, memory);
    }
    let vm = lab.uuid(&lab.pool.register(&guest));
    let monitor = lab.monitor();
    lab.rrdd.wait("graphs", 3 * SOON, |state| (state.recorded.get(&vm)?.len() > 5).then_some(()));
    lab.wait_for_value(&vm, "containers_other_cpu", |percent| percent > 0.0);
    lab.wait_for_looks(2);
    let mut names: Vec<String> = lab.recorded(&vm).into_keys().filter(|name| name.ends_with("_cpu")).collect();
    names.retain(|name| name.starts_with("container_"));
    let mut heavy: Vec<String> = (0..5).map(|number| format!("container_c{}_cpu", 100 * number + 7)).collect();
    heavy.sort();
    assert_eq!(names, heavy, "those that use most");
    let page = read_with("read_rrd_page.py", &lab.page());
    assert_eq!(page["sources"].as_array().unwrap().len(), 15);
    let value = |name: &str| lab.wait_for_value(&vm, name, |_| true);
    assert_eq!(value("containers_running"), 500.0);
    let mebibyte = f64::from(1 << 20);
    assert_eq!(value("containers_other_memory_used"), 495.0 * mebibyte);
    assert_eq!(value("containers_memory_used"), (495.0 + 500.0) * mebibyte);
    let others = value("containers_other_cpu");
    assert!((40.0..60.0).contains(&others), "{others}");
    let one = value("container_c7_cpu");
    assert!((18.0..22.0).contains(&one), "{one}");
    assert!(lab.rrdd.see(|state| state.bad.is_empty()));
    drop(monitor);
}

#[test]
fn a_name_that_another_container_takes_over_begins_with_a_gap_and_another_description() {
    let lab = Lab::new();
    let replay = Replay::start();
    let guest = lab.pool.prepared(lab.pool.network.vm("web").ssh().replay(&replay, 1));
    let engine = guest.replayed();
    engine.load("c0", 0.0, 5 << 20);
    let vm = lab.uuid(&lab.pool.register(&guest));
    let mut monitor = lab.monitor();
    let name = "container_c0_memory_used";
    lab.wait_for_value(&vm, name, |memory| memory == f64::from(5 << 20));
    let before = lab.recorded(&vm)[name].clone();
    engine.stop("c0");
    engine.destroy("c0");
    engine.create("c0");
    engine.load("c0", 0.0, 7 << 20);
    engine.start("c0");
    lab.wait_for_value(&vm, name, |memory| memory == f64::from(7 << 20));
    let after = lab.recorded(&vm)[name].clone();
    let of_first = after.values.iter().rposition(|value| *value == Some(f64::from(5 << 20))).unwrap();
    let of_second = after.values.iter().position(|value| *value == Some(f64::from(7 << 20))).unwrap();
    // Either there was a look at the gap, or one at a page without the name.
    let is_gap = after.values[of_first + 1..of_second].iter().all(Option::is_none);
    assert!(of_second > of_first && is_gap, "{:?}", after.values);
    assert_ne!(before.source.description, after.source.description);
    monitor.wait_for_line("a graph shows another container");
    drop(monitor);
}

#[test]
fn names_of_containers_that_come_and_go_are_given_up() {
    let lab = Lab::new();
    let replay = Replay::start();
    let guest = lab.pool.prepared(lab.pool.network.vm("ci").ssh().replay(&replay, 0));
    let engine = guest.replayed();
    let vm = lab.uuid(&lab.pool.register(&guest));
    let monitor = lab.monitor();
    lab.wait_for_value(&vm, "containers_running", |running| running == 0.0);
    // In each round five jobs, each of its own name.
    for round in 0..4 {
        for job in 0..5 {
            let name = format!("job-{round}-{job}");
            engine.create(&name);
            engine.load(&name, 1.0, 1 << 20);
            engine.start(&name);
        }
        lab.wait_for_value(&vm, &format!("container_job-{round}-4_memory_used"), |memory| memory > 0.0);
        for job in 0..5 {
            engine.stop(&format!("job-{round}-{job}"));
            engine.destroy(&format!("job-{round}-{job}"));
        }
        thread::sleep(Duration::from_millis(100));
    }
    lab.wait_for_value(&vm, "containers_running", |running| running == 0.0);
    let given_up = lab.rrdd.wait("history is given up", SOON, |state| {
        let names = state.recorded.get(&vm)?.keys().filter(|name| name.starts_with("container_job-")).count();
        (names <= 20).then_some(names)
    });
    assert_eq!(given_up, 20, "of ten containers history is kept");
    assert!(lab.recorded(&vm).contains_key("container_job-3-4_cpu"), "the youngest among them");
    drop(monitor);
}
