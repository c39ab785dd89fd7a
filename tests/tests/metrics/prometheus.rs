//! The file for node-exporter, as Prometheus' own client reads it.

use lab::guests::Replay;
use serde_json::Value;

use crate::lab::{Lab, SOON, read_with};

/// The value of a series of the container `c0`.
fn value(file: &Value, name: &str) -> Option<f64> {
    let samples = file["samples"].as_array()?;
    let of = |sample: &&Value| sample["name"] == name && sample["labels"]["container"] == "c0";
    samples.iter().find(of)?["value"].as_f64()
}

#[test]
fn prometheus_own_client_reads_the_file_whatever_a_vm_is_called() {
    let lab = Lab::new();
    let replay = Replay::start();
    let guest = lab.pool.prepared(lab.pool.network.vm("web").ssh().replay(&replay, 3));
    guest.replayed().load("c0", 50.0, 5 << 20);
    // XAPI has no control characters but these.
    let odd = "a\"} 1\n\\\t é";
    let vm = lab.pool.add_vm(odd, &[("0/ip", &guest.address().to_string())], &[]);
    let uuid = lab.uuid(&vm);
    let monitor = lab.monitor();
    let path = lab.prometheus_file();
    lab.rrdd.wait("a file with figures", SOON, |_| {
        std::fs::read_to_string(&path).ok()?.contains("xscontainer_memory_bytes{").then_some(())
    });
    let file = read_with("read_prometheus.py", &path);
    let families = file["families"].as_object().unwrap();
    let kinds = [
        ("xscontainer_containers_running", "gauge"),
        ("xscontainer_cpu_seconds", "counter"),
        ("xscontainer_memory_bytes", "gauge"),
        ("xscontainer_network_receive_bytes", "counter"),
        ("xscontainer_processes", "gauge"),
    ];
    for (name, kind) in kinds {
        assert_eq!(families[name], kind, "{name}");
    }
    assert_eq!(value(&file, "xscontainer_memory_bytes"), Some(f64::from(5 << 20)));
    let samples = file["samples"].as_array().unwrap();
    assert!(samples.iter().all(|sample| sample["labels"]["vm"] == uuid.as_str()));
    assert!(samples.iter().all(|sample| sample["labels"]["vm_name"] == "a\"} 1\n\\\u{fffd} é"), "{file}");
    let running = samples.iter().find(|sample| sample["name"] == "xscontainer_containers_running").unwrap();
    assert_eq!(running["value"], 3.0);

    // Counters count.
    let before = value(&file, "xscontainer_cpu_seconds_total").unwrap();
    lab.rrdd.wait("a later file", SOON, |_| {
        let text = std::fs::read_to_string(&path).ok()?;
        let line =
            text.lines().find(|line| line.starts_with("xscontainer_cpu_seconds_total{") && line.contains("\"c0\""))?;
        line.rsplit(' ').next()?.parse::<f64>().ok().filter(|seconds| *seconds > before + 1.0).map(drop)
    });
    drop(monitor);
}
