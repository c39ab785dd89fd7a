//! A simulated pool with a simulated xcp-rrdd. Must not know what scenarios assert.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lab::monitor::Monitor;
use lab::pool::Pool;
use lab::rrdd::{Record, Rrdd};
use lab::tools::{command, stdout_of};
use lab::xapi::Ref;
use serde_json::Value;

/// Longer than two looks of xcp-rrdd, and two readings of an engine before them, take.
pub(crate) const SOON: Duration = Duration::from_secs(45);

/// A pool, and an xcp-rrdd for its host.
pub(crate) struct Lab {
    pub(crate) pool: Pool,
    pub(crate) rrdd: Rrdd,
    directory: tempfile::TempDir,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { pool: Pool::new(), rrdd: Rrdd::start(directory.path()), directory }
    }

    /// The program on the pool's coordinator.
    pub(crate) fn monitor(&self) -> Monitor {
        let (folder, socket, file) = (self.rrdd.folder(), self.rrdd.socket(), self.prometheus_file());
        let options = [OsStr::new("--rrd-folder"), folder.as_os_str(), OsStr::new("--rrdd-socket"), socket.as_os_str()];
        let settings = format!("[metrics]\nprometheus-file = \"{}\"\n", file.display());
        Monitor::start_set_with(&self.pool.xapi, &settings, &options)
    }

    pub(crate) fn prometheus_file(&self) -> PathBuf {
        self.directory.path().join("containers.prom")
    }

    pub(crate) fn page(&self) -> PathBuf {
        self.rrdd.folder().join("xscontainer")
    }

    pub(crate) fn uuid(&self, vm: &Ref) -> String {
        self.pool.xapi.get(vm, "uuid").unwrap().text().unwrap().to_owned()
    }

    /// What is on record of a VM, by the data sources' names.
    pub(crate) fn recorded(&self, vm: &str) -> BTreeMap<String, Record> {
        self.rrdd.see(|state| state.recorded.get(vm).cloned().unwrap_or_default())
    }

    /// Waits until the last value of a data source is one that is wanted.
    #[track_caller]
    pub(crate) fn wait_for_value(&self, vm: &str, name: &str, wanted: impl Fn(f64) -> bool) -> f64 {
        self.rrdd.wait(name, SOON, |state| state.value(vm, name).filter(|value| wanted(*value)))
    }

    /// Waits for so many more good looks.
    #[track_caller]
    pub(crate) fn wait_for_looks(&self, count: u64) {
        let before = self.rrdd.see(|state| state.looks);
        self.rrdd.wait("good looks", SOON, |state| (state.looks >= before + count).then_some(()));
    }
}

/// What a script below `tests/clients` says of a file.
pub(crate) fn read_with(script: &str, file: &Path) -> Value {
    let python = std::env::var_os("LAB_PYTHON").map_or_else(
        || {
            let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/lab/venv/bin/python");
            if venv.exists() { venv } else { "python3".into() }
        },
        PathBuf::from,
    );
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(script);
    let said = stdout_of(command(&python.to_string_lossy(), [script.as_os_str()]).arg(file));
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
}
