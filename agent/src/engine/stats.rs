//! What a container uses at one moment: `GET /containers/ID/stats`, read into the few figures used.
//!
//! Figures are those from which `docker stats` makes what it shows (docker/cli, `cli/command/container/stats_helpers.go`):
//! of Linux with cgroups v1 and v2, of Windows, and of Podman's service. Must not know what is made of them.

use std::time::Duration;

use serde::Deserialize;

use super::lenient::{List, Members, Object, Text};
use super::{ApiVersion, ContainerName, Engine, Error};

/// Bytes of one answer; real ones have 2 to 5 KiB, and 12 bytes more for each processor with cgroups v1.
pub const MAX_STATS: usize = 64 * 1024;

/// The request behind [`Engine::stats`], as errors name it.
const STATS: &str = "the request for what the container uses";

/// The first API that answers at once (`one-shot`): Docker 20.10. Older engines wait for a second reading first.
const ONE_SHOT: ApiVersion = ApiVersion(1, 41);

/// No machine has more processors; what says otherwise is not believed.
const MAX_CPUS: u64 = 4096;

/// What a container has used so far, and has now. Counters are of the container's life and may be anything: who compares two
/// readings must expect them to fall.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Time on processors.
    pub cpu: Duration,
    /// Time of all processors of the machine together, busy or not; zero if the engine does not say it, as on Windows.
    pub machine: Duration,
    /// Processors of the machine; none if the engine does not say it.
    pub cpus: Option<u32>,
    /// Whether it is a container of Windows.
    pub is_windows: bool,
    /// Bytes in use without what the kernel can drop at once; on Windows, of the private working set.
    pub memory: u64,
    /// Bytes it may use; none without a limit, as on Windows.
    pub memory_limit: Option<u64>,
    /// Bytes received over all networks.
    pub received: u64,
    /// Bytes sent over all networks.
    pub sent: u64,
    /// Bytes read from block devices.
    pub read: u64,
    /// Bytes written to block devices.
    pub written: u64,
    /// Processes and threads; 0 on Windows.
    pub pids: u64,
}

/// A number as a text: engines may send any.
type Number = Text<24>;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Raw {
    cpu_stats: Object<RawCpu>,
    memory_stats: Object<RawMemory>,
    networks: Members<Object<RawNetwork>, 64>,
    /// Before API 1.21.
    network: Object<RawNetwork>,
    blkio_stats: Object<RawBlock>,
    storage_stats: Object<RawStorage>,
    pids_stats: Object<RawPids>,
    num_procs: Number,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawCpu {
    cpu_usage: Object<RawCpuUsage>,
    system_cpu_usage: Number,
    online_cpus: Number,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawCpuUsage {
    total_usage: Number,
    percpu_usage: List<Number, 4096>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawMemory {
    usage: Number,
    limit: Number,
    stats: Object<RawMemoryParts>,
    privateworkingset: Number,
    commitbytes: Number,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawMemoryParts {
    total_inactive_file: Number,
    inactive_file: Number,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawNetwork {
    rx_bytes: Number,
    tx_bytes: Number,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawBlock {
    io_service_bytes_recursive: List<Object<RawTransfer>, 1024>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawTransfer {
    op: Text<16>,
    value: Number,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawStorage {
    read_size_bytes: Number,
    write_size_bytes: Number,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawPids {
    current: Number,
}

impl Engine {
    /// What a container has used so far. Takes a second or two before API 1.41.
    ///
    /// ```no_run
    /// # async fn example(engine: &mut agent::engine::Engine) -> Result<(), agent::engine::Error> {
    /// use agent::engine::ContainerName;
    /// let web = ContainerName::parse("web").expect("a name");
    /// println!("{} bytes", engine.stats(&web).await?.memory);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error`]; [`Error::Status`] with 404 if there is none of this name. For one that does not run Docker's figures are
    /// zero, and Podman refuses.
    pub async fn stats(&mut self, container: &ContainerName) -> Result<Stats, Error> {
        let one_shot = if self.api_version() < ONE_SHOT { "" } else { "&one-shot=1" };
        let rest = format!("/containers/{container}/stats?stream=0{one_shot}");
        let text = self.object(&rest, STATS, MAX_STATS).await?;
        Stats::read(&text).ok_or_else(|| Error::NotAnEngine { what: STATS, cause: "the answer is not JSON".to_owned() })
    }
}

impl Stats {
    /// From one JSON object, whatever is in it.
    fn read(text: &str) -> Option<Self> {
        let raw: Raw = serde_json::from_str(text).ok()?;
        let cpu = raw.cpu_stats.0.unwrap_or_default();
        let usage = cpu.cpu_usage.0.unwrap_or_default();
        let memory = raw.memory_stats.0.unwrap_or_default();
        let storage = raw.storage_stats.0.unwrap_or_default();
        let processors = number(&raw.num_procs);
        // Engines on Linux say 0 here (moby, api/types/container/stats.go).
        let is_windows = processors > 0;
        let cpus = [processors, number(&cpu.online_cpus), usage.percpu_usage.0.len() as u64];
        let cpus =
            cpus.into_iter().find(|count| (1..=MAX_CPUS).contains(count)).and_then(|count| u32::try_from(count).ok());
        let total = number(&usage.total_usage);
        let networks = raw.networks.0.into_iter().chain([raw.network]).filter_map(|network| network.0);
        let (received, sent) = networks.fold((0, 0), |(received, sent), network| {
            (add(received, number(&network.rx_bytes)), add(sent, number(&network.tx_bytes)))
        });
        let (read, written) = match is_windows {
            true => (number(&storage.read_size_bytes), number(&storage.write_size_bytes)),
            false => transferred(raw.blkio_stats.0.unwrap_or_default()),
        };
        Some(Self {
            // Windows counts in 100 ns.
            cpu: Duration::from_nanos(if is_windows { total.saturating_mul(100) } else { total }),
            machine: Duration::from_nanos(if is_windows { 0 } else { number(&cpu.system_cpu_usage) }),
            cpus,
            is_windows,
            memory: if is_windows { windows_memory(&memory) } else { memory_without_cache(&memory) },
            memory_limit: Some(number(&memory.limit)).filter(|limit| *limit > 0),
            received,
            sent,
            read,
            written,
            pids: number(&raw.pids_stats.0.unwrap_or_default().current),
        })
    }
}

/// What is in use less the inactive page cache, of which cgroups v1 and v2 have different names.
fn memory_without_cache(memory: &RawMemory) -> u64 {
    let usage = number(&memory.usage);
    let Some(parts) = &memory.stats.0 else { return usage };
    let inactive = [&parts.total_inactive_file, &parts.inactive_file].into_iter().find(|part| part.0.is_some());
    match inactive.map(number) {
        Some(inactive) if inactive < usage => usage - inactive,
        _ => usage,
    }
}

fn windows_memory(memory: &RawMemory) -> u64 {
    match &memory.privateworkingset.0 {
        Some(_) => number(&memory.privateworkingset),
        None => number(&memory.commitbytes),
    }
}

/// What was read and written; cgroups v1 call it `Read` and `Write`, v2 `read` and `write`.
fn transferred(block: RawBlock) -> (u64, u64) {
    let entries = block.io_service_bytes_recursive.0.into_iter().filter_map(|entry| entry.0);
    entries.fold((0, 0), |(read, written), entry| {
        let value = number(&entry.value);
        match entry.op.0.as_deref().and_then(|op| op.bytes().next()) {
            Some(b'r' | b'R') => (add(read, value), written),
            Some(b'w' | b'W') => (read, add(written, value)),
            _ => (read, written),
        }
    })
}

/// A whole number that is not negative; what is none is 0. Fractions are cut off.
fn number(text: &Number) -> u64 {
    let Some(text) = &text.0 else { return 0 };
    // As casts go: NaN and what is negative become 0, what is too large the largest.
    text.parse().unwrap_or_else(|_| text.parse::<f64>().map_or(0, |float| float as u64))
}

fn add(sum: u64, more: u64) -> u64 {
    sum.saturating_add(more)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: &Value) -> Stats {
        Stats::read(&value.to_string()).unwrap()
    }

    #[test]
    fn dockers_figures_with_cgroups_v2() {
        let stats = read(&json!({
            "read": "2026-01-01T00:00:00Z", "num_procs": 0, "storage_stats": {},
            "cpu_stats": {"cpu_usage": {"total_usage": 5_000_000_000_u64}, "system_cpu_usage": 80_000_000_000_u64,
                "online_cpus": 4},
            "memory_stats": {"usage": 1000, "limit": 4000, "stats": {"inactive_file": 300, "active_file": 1}},
            "networks": {"eth0": {"rx_bytes": 10, "tx_bytes": 20}, "eth1": {"rx_bytes": 1, "tx_bytes": 2}},
            "blkio_stats": {"io_service_bytes_recursive": [
                {"major": 8, "minor": 0, "op": "read", "value": 7}, {"op": "write", "value": 8}, {"op": "read", "value": 1}]},
            "pids_stats": {"current": 3, "limit": 100},
        }));
        let wanted = Stats {
            cpu: Duration::from_secs(5),
            machine: Duration::from_secs(80),
            cpus: Some(4),
            is_windows: false,
            memory: 700,
            memory_limit: Some(4000),
            received: 11,
            sent: 22,
            read: 8,
            written: 8,
            pids: 3,
        };
        assert_eq!(stats, wanted);
    }

    #[test]
    fn dockers_figures_with_cgroups_v1() {
        let stats = read(&json!({
            "cpu_stats": {"cpu_usage": {"total_usage": 5, "percpu_usage": [2, 3]}, "system_cpu_usage": 80},
            "memory_stats": {"usage": 1000, "stats": {"inactive_file": 10, "total_inactive_file": 400}},
            "network": {"rx_bytes": 10, "tx_bytes": 20},
            "blkio_stats": {"io_service_bytes_recursive": [{"op": "Read", "value": 7}, {"op": "Write", "value": 8},
                {"op": "Sync", "value": 9}, {"op": "Total", "value": 15}]},
        }));
        assert_eq!((stats.cpus, stats.memory, stats.memory_limit), (Some(2), 600, None));
        assert_eq!((stats.received, stats.sent, stats.read, stats.written), (10, 20, 7, 8));
    }

    #[test]
    fn figures_of_windows() {
        let stats = read(&json!({
            "num_procs": 8, "cpu_stats": {"cpu_usage": {"total_usage": 10_000_000}},
            "memory_stats": {"commitbytes": 99, "commitpeakbytes": 100, "privateworkingset": 55},
            "storage_stats": {"read_size_bytes": 5, "write_size_bytes": 6}, "blkio_stats": null,
        }));
        assert!(stats.is_windows);
        assert_eq!((stats.cpu, stats.machine, stats.cpus), (Duration::from_secs(1), Duration::ZERO, Some(8)));
        assert_eq!((stats.memory, stats.read, stats.written), (55, 5, 6));
        let older = read(&json!({"num_procs": 8, "memory_stats": {"commitbytes": 99}}));
        assert_eq!(older.memory, 99);
    }

    #[test]
    fn cache_that_is_more_than_all_is_not_taken_off() {
        let of = |inactive: Value| {
            read(&json!({"memory_stats": {"usage": 10, "stats": {"inactive_file": inactive}}})).memory
        };
        assert_eq!([of(json!(10)), of(json!(11)), of(json!(9)), of(json!(null))], [10, 10, 1, 10]);
    }

    #[test]
    fn what_makes_no_sense_is_harmless() {
        assert_eq!(read(&json!({})), Stats::default());
        let odd = read(&json!({
            "cpu_stats": {"cpu_usage": {"total_usage": -5, "percpu_usage": "x"}, "system_cpu_usage": 1e300, "online_cpus": 1e9},
            "memory_stats": {"usage": "18446744073709551616", "limit": -1, "stats": []},
            "networks": {"a": {"rx_bytes": u64::MAX, "tx_bytes": "NaN"}, "b": {"rx_bytes": u64::MAX}, "c": 7},
            "blkio_stats": {"io_service_bytes_recursive": [null, 1, {"op": 5, "value": 1}, {"op": "", "value": 1}]},
            "pids_stats": "many", "num_procs": {},
        }));
        assert_eq!((odd.cpu, odd.cpus, odd.memory), (Duration::ZERO, None, u64::MAX));
        assert_eq!((odd.memory_limit, odd.received, odd.sent), (None, u64::MAX, 0));
        assert_eq!((odd.read, odd.written, odd.pids), (0, 0, 0));
        assert_eq!(Stats::read("[]"), Some(Stats::default()));
        assert_eq!(Stats::read("7"), None);
    }
}
