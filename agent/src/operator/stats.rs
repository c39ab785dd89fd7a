//! What containers use now, as `docker stats` shows it. Must not know how VMs are found and reached.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::screen::Screen;
use super::size::{binary, decimal};
use super::table::{Cell, Column, lines};
use crate::engine::{self, ContainerName, Engine, Stats};
use crate::metrics::usage::{Reading, cpu_percent, memory_percent};

/// Columns of a table of [`Row`]s.
const COLUMNS: [Column; 8] = [
    Column::stays("VM", 6),
    Column::stays("NAME", 8),
    Column::stays("CPU %", 7),
    Column::stays("MEM USAGE / LIMIT", 17),
    Column::goes("MEM %", 3, 6),
    Column::goes("NET I/O", 1, 12),
    Column::goes("BLOCK I/O", 2, 12),
    Column::goes("PIDS", 4, 4),
];

/// What is read is looked at again after this time, as `docker stats` does.
pub const INTERVAL: Duration = Duration::from_secs(1);

/// How long one look at a VM may take.
const LOOK_LIMIT: Duration = Duration::from_secs(60);

/// Whose figures are wanted.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// Those of every container that runs.
    Running,
    /// Those of these containers: names or ids, and what to call them.
    These(Vec<(ContainerName, String)>),
}

/// Reads the containers of one VM again and again.
#[derive(Debug)]
pub struct Reader {
    vm: String,
    engine: Engine,
    wanted: Wanted,
    /// The readings before, by name or id.
    before: BTreeMap<ContainerName, Reading>,
}

/// A container's figures at a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The VM's name. Foreign.
    pub vm: String,
    /// The container's name. Foreign.
    pub container: String,
    /// What it uses; else why that is not known, in the engine's words. Foreign.
    pub figures: Result<Figures, String>,
}

/// What a container uses.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// Per cent, 100 is one processor; none at the first look.
    pub cpu_percent: Option<f64>,
    /// Everything else.
    pub stats: Stats,
}

impl Reader {
    /// Of the VM that people call `vm`.
    #[must_use]
    pub fn new(vm: String, engine: Engine, wanted: Wanted) -> Self {
        Self { vm, engine, wanted, before: BTreeMap::new() }
    }

    /// One look, which is all that is needed for everything but CPU: that is of the time since the look before.
    ///
    /// # Errors
    /// [`engine::Error`]; the engine is of no use then.
    pub async fn read(&mut self) -> Result<Vec<Row>, engine::Error> {
        let what = "the question what containers use";
        timeout(LOOK_LIMIT, self.look()).await.map_err(|_| engine::Error::Slow { what, limit: LOOK_LIMIT })?
    }

    async fn look(&mut self) -> Result<Vec<Row>, engine::Error> {
        let whom: Vec<(ContainerName, String)> = match &self.wanted {
            Wanted::These(containers) => containers.clone(),
            Wanted::Running => {
                let list = self.engine.running_containers().await?.list;
                list.into_iter().filter_map(|one| Some((ContainerName::parse(&one.id)?, one.name))).collect()
            }
        };
        let mut rows = Vec::new();
        let mut now = BTreeMap::new();
        for (key, container) in whom {
            let figures = match self.engine.stats(&key).await {
                Ok(stats) => {
                    let reading = Reading { stats: stats.clone(), at: Instant::now() };
                    let cpu_percent = self.before.get(&key).and_then(|before| cpu_percent(before, &reading));
                    now.insert(key, reading);
                    Ok(Figures { cpu_percent, stats })
                }
                Err(engine::Error::Status { message, .. }) => Err(message),
                Err(error) => return Err(error),
            };
            rows.push(Row { vm: self.vm.clone(), container, figures });
        }
        self.before = now;
        Ok(rows)
    }
}

/// The rows as a table.
#[must_use]
pub fn table(rows: &[Row], screen: &Screen) -> String {
    let cells: Vec<Vec<Cell>> = rows.iter().map(|row| row.cells().map(Cell::from).into()).collect();
    lines(&COLUMNS, &cells, screen)
}

impl Row {
    fn cells(&self) -> [String; 8] {
        let unknown = || "--".to_owned();
        let of = |a: String, b: String| format!("{a} / {b}");
        let percent = |value: Option<f64>| value.map_or_else(unknown, |value| format!("{value:.2}%"));
        let rest = match &self.figures {
            Err(_) => std::array::from_fn(|_| unknown()),
            Ok(Figures { cpu_percent, stats }) => [
                percent(*cpu_percent),
                of(binary(stats.memory), stats.memory_limit.map_or_else(unknown, binary)),
                percent(memory_percent(stats)),
                of(decimal(stats.received), decimal(stats.sent)),
                of(decimal(stats.read), decimal(stats.written)),
                stats.pids.to_string(),
            ],
        };
        let [cpu, memory, memory_percent, network, block, pids] = rest;
        [self.vm.clone(), self.container.clone(), cpu, memory, memory_percent, network, block, pids]
    }

    /// For programs: bytes, per cent, and `null` for what is not known.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut row = json!({ "vm_name": self.vm, "container": self.container });
        let more = match &self.figures {
            Err(reason) => json!({ "error": reason }),
            Ok(Figures { cpu_percent, stats }) => json!({
                "cpu_percent": cpu_percent,
                "memory_bytes": stats.memory,
                "memory_limit_bytes": stats.memory_limit,
                "memory_percent": memory_percent(stats),
                "network_received_bytes": stats.received,
                "network_sent_bytes": stats.sent,
                "block_read_bytes": stats.read,
                "block_written_bytes": stats.written,
                "pids": stats.pids,
            }),
        };
        if let (Value::Object(row), Value::Object(more)) = (&mut row, more) {
            row.extend(more);
        }
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(figures: Result<Figures, String>) -> Row {
        Row { vm: "build".to_owned(), container: "web".to_owned(), figures }
    }

    #[test]
    fn figures_are_shown_as_docker_does() {
        let stats = Stats {
            memory: 7 << 20,
            memory_limit: Some(2 << 30),
            received: 1_260,
            sent: 0,
            read: 12_300_000,
            written: 999,
            pids: 3,
            ..Stats::default()
        };
        let cells = row(Ok(Figures { cpu_percent: Some(0.071), stats })).cells();
        let wanted = ["build", "web", "0.07%", "7MiB / 2GiB", "0.34%", "1.26kB / 0B", "12.3MB / 999B", "3"];
        assert_eq!(cells, wanted);
    }

    #[test]
    fn what_is_not_known_is_not_made_up() {
        let first = row(Ok(Figures { cpu_percent: None, stats: Stats::default() }));
        assert_eq!(first.cells()[2..5], ["--", "0B / --", "--"]);
        assert_eq!(first.json()["cpu_percent"], Value::Null);
        let none = row(Err("No such container: web".to_owned()));
        assert!(none.cells()[2..].iter().all(|cell| cell == "--"));
        let wanted = json!({"vm_name": "build", "container": "web", "error": "No such container: web"});
        assert_eq!(none.json(), wanted);
    }
}
