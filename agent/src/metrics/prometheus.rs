//! A file for node-exporter's textfile collector: Prometheus' text format 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>), complete at every moment.
//!
//! The collector takes files that end in `.prom`, and refuses timestamps and the same series twice
//! (<https://github.com/prometheus/node_exporter#textfile-collector>). Must not know where figures come from.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::engine::Stats;

/// Containers in a file; beyond that they are counted only. The file has at most some 14 MiB.
pub const MAX_CONTAINERS: usize = 5000;

/// Characters of a name.
const NAME_CHARACTERS: usize = 200;

/// A VM in the file.
#[derive(Clone, Debug)]
pub struct Vm {
    /// Its uuid.
    pub uuid: String,
    /// Its name. Foreign.
    pub name: String,
    /// How many of its containers run.
    pub running: usize,
    /// Those of which figures are known.
    pub containers: Vec<Container>,
}

/// A container in the file.
#[derive(Clone, Debug)]
pub struct Container {
    /// The engine's id.
    pub id: String,
    /// Its name. Foreign.
    pub name: String,
    /// What it used and uses.
    pub stats: Stats,
}

/// A metric of containers.
struct Metric {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    /// None where a container has no such figure.
    value: fn(&Stats) -> Option<f64>,
}

const METRICS: [Metric; 8] = [
    Metric {
        name: "xscontainer_cpu_seconds_total",
        kind: "counter",
        help: "Time on processors.",
        value: |stats| Some(stats.cpu.as_secs_f64()),
    },
    Metric {
        name: "xscontainer_memory_bytes",
        kind: "gauge",
        help: "Memory in use, without what the kernel can drop at once.",
        value: |stats| Some(stats.memory as f64),
    },
    Metric {
        name: "xscontainer_memory_limit_bytes",
        kind: "gauge",
        help: "Memory that may be used.",
        value: |stats| stats.memory_limit.map(|limit| limit as f64),
    },
    Metric {
        name: "xscontainer_network_receive_bytes_total",
        kind: "counter",
        help: "Received over networks.",
        value: |stats| Some(stats.received as f64),
    },
    Metric {
        name: "xscontainer_network_transmit_bytes_total",
        kind: "counter",
        help: "Sent over networks.",
        value: |stats| Some(stats.sent as f64),
    },
    Metric {
        name: "xscontainer_block_read_bytes_total",
        kind: "counter",
        help: "Read from block devices.",
        value: |stats| Some(stats.read as f64),
    },
    Metric {
        name: "xscontainer_block_written_bytes_total",
        kind: "counter",
        help: "Written to block devices.",
        value: |stats| Some(stats.written as f64),
    },
    Metric {
        name: "xscontainer_processes",
        kind: "gauge",
        help: "Processes and threads.",
        value: |stats| Some(stats.pids as f64),
    },
];

/// The text. No two VMs have the same uuid, nor two containers of a VM the same id.
#[must_use]
pub fn text(vms: &[Vm]) -> String {
    let mut text = String::new();
    head(&mut text, "xscontainer_containers_running", "gauge", "Containers that run in a VM.");
    for vm in vms {
        let _ = writeln!(text, "xscontainer_containers_running{{{}}} {}", of_vm(vm), vm.running);
    }
    let all = vms.iter().flat_map(|vm| vm.containers.iter().map(move |container| (vm, container)));
    let labelled: Vec<(String, &Stats)> = all
        .take(MAX_CONTAINERS)
        .map(|(vm, container)| {
            let (name, id) = (escaped(&container.name), escaped(&container.id));
            (format!("{},container=\"{name}\",id=\"{id}\"", of_vm(vm)), &container.stats)
        })
        .collect();
    for Metric { name, kind, help, value } in METRICS {
        head(&mut text, name, kind, help);
        for (labels, stats) in &labelled {
            if let Some(value) = value(stats) {
                let _ = writeln!(text, "{name}{{{labels}}} {value}");
            }
        }
    }
    text
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn of_vm(vm: &Vm) -> String {
    format!("vm=\"{}\",vm_name=\"{}\"", escaped(&vm.uuid), escaped(&vm.name))
}

/// A label's value: `\`, `"` and line breaks are escaped by the format; other control characters, which only harm, are
/// replaced.
fn escaped(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for c in value.chars().take(NAME_CHARACTERS) {
        match c {
            '\\' => escaped.push_str("\\\\"),
            '"' => escaped.push_str("\\\""),
            '\n' => escaped.push_str("\\n"),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Puts the text in place of the file before, in one step. Everybody may read it: the collector is not root.
///
/// # Errors
/// Those of the system; the file before stays then.
pub fn write(file: &Path, text: &str) -> io::Result<()> {
    // In the same folder, for the rename; the collector passes over it.
    let draft = draft(file);
    let _ = fs::remove_file(&draft);
    let mut open = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&draft)?;
    let written = open.write_all(text.as_bytes()).and_then(|()| fs::rename(&draft, file));
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written
}

fn draft(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    file.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn vm(name: &str, containers: &[&str]) -> Vm {
        let stats = Stats { cpu: Duration::from_millis(1500), memory: 7, ..Stats::default() };
        let container =
            |name: &&str| Container { id: "0123".to_owned(), name: (*name).to_owned(), stats: stats.clone() };
        Vm {
            uuid: "u".to_owned(),
            name: name.to_owned(),
            running: containers.len(),
            containers: containers.iter().map(container).collect(),
        }
    }

    #[test]
    fn names_cannot_break_out_of_their_quotes() {
        let text = text(&[vm("a\"} 1\n\\", &["x\u{1b}[2J\r"])]);
        let wanted = "xscontainer_cpu_seconds_total{vm=\"u\",vm_name=\"a\\\"} 1\\n\\\\\",container=\"x\u{fffd}[2J\u{fffd}\",id=\"0123\"} 1.5";
        assert!(text.lines().any(|line| line == wanted), "{text}");
        assert!(text.lines().all(|line| line.starts_with('#') || line.starts_with("xscontainer_")), "{text}");
    }

    #[test]
    fn a_figure_that_a_container_does_not_have_has_no_line() {
        let text = text(&[vm("a", &["x"])]);
        assert!(!text.contains("xscontainer_memory_limit_bytes{"), "{text}");
        assert!(text.contains("xscontainer_memory_bytes{"), "{text}");
    }

    #[test]
    fn the_number_and_length_of_lines_are_bounded() {
        let text = text(&[vm(&"n".repeat(100_000), &vec!["\\"; MAX_CONTAINERS + 1])]);
        assert_eq!(text.lines().filter(|line| line.starts_with("xscontainer_processes{")).count(), MAX_CONTAINERS);
        assert!(text.lines().all(|line| line.len() < 1000));
    }

    #[test]
    fn the_file_is_replaced_in_one_step_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.prom");
        write(&file, "old").unwrap();
        let before = fs::File::open(&file).unwrap();
        write(&file, "new").unwrap();
        assert_eq!(io::read_to_string(before).unwrap(), "old");
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(write(&folder.path().join("missing/x.prom"), "x").is_err());
    }
}
