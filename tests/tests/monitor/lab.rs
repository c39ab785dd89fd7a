//! A simulated pool and what scenarios do with it. Must not know what they assert.

use lab::monitor::{DEADLINE, Monitor};
use lab::xapi::{Config, Ref, State, Value, Xapi};

/// The originator under which the program's sessions are counted, as the original agent's were.
pub(crate) const ORIGINATOR: &str = "xscontainer";

/// A simulated XAPI on a socket in a directory that lives as long as it.
pub(crate) struct Lab {
    pub(crate) xapi: Xapi,
    _directory: tempfile::TempDir,
}

impl Lab {
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let xapi = Xapi::start(Config::at(&directory.path().join("xapi"))).unwrap();
        Self { xapi, _directory: directory }
    }

    /// A VM that is to be watched, but for `fields`.
    pub(crate) fn vm(&self, name: &str, fields: &[(&'static str, Value)]) -> Ref {
        let metrics = self.xapi.add("VM_guest_metrics", [("networks", Value::map([("0/ip", "127.0.0.1")]))]).unwrap();
        let usual = [("guest_metrics", metrics.into()), ("other_config", registered("True"))];
        self.xapi.add_vm(name, usual.into_iter().chain(fields.iter().cloned())).unwrap()
    }

    /// The program, when it has seen the pool as it is now and waits for what comes.
    #[track_caller]
    pub(crate) fn monitor(&self) -> Monitor {
        let mut monitor = Monitor::start(&self.xapi);
        monitor.wait_for_line("snapshot of the pool complete");
        self.wait_until_it_waits();
        monitor
    }

    #[track_caller]
    pub(crate) fn wait_until_it_waits(&self) {
        self.reached("the program waits for events", |state| state.waiting == 1);
    }

    /// Waits until the faults that were asked for have happened and the program waits for events again.
    #[track_caller]
    pub(crate) fn wait_until_it_is_over(&self) {
        self.reached("the faults are over", |state| state.faults.waiting() == 0 && state.waiting == 1);
    }

    #[track_caller]
    pub(crate) fn reached(&self, what: &str, check: impl Fn(&State) -> bool) {
        let reached = self.xapi.block_until(what, DEADLINE, |state| check(state).then_some(()));
        reached.unwrap_or_else(|error| panic!("{error}"));
    }

    pub(crate) fn calls(&self, method: &str) -> u64 {
        self.xapi.look(|state| state.calls(method))
    }

    /// The program's open sessions.
    pub(crate) fn sessions(&self) -> usize {
        self.xapi.look(|state| state.sessions(ORIGINATOR).len())
    }

    pub(crate) fn register(&self, vm: &Ref) {
        self.xapi.set_entry(vm, "other_config", "xscontainer-monitor", "True").unwrap();
    }

    pub(crate) fn deregister(&self, vm: &Ref) {
        self.xapi.remove_entry(vm, "other_config", "xscontainer-monitor").unwrap();
    }
}

/// An `other_config` with this value of the key by which VMs are registered.
pub(crate) fn registered(value: &str) -> Value {
    Value::map([("mac_seed", "1"), ("xscontainer-monitor", value)])
}
