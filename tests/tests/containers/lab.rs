//! A simulated pool whose VMs are simulated guests with real sshd and engines. Must not know what scenarios assert.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use lab::guests::Vm;
use lab::monitor::Monitor;
use lab::pool::Pool;
use lab::xapi::{Ref, State};
use quick_xml::Reader;
use quick_xml::events::Event;

/// Longer than anything takes that does not wait for a time limit of the program's.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Longer than the 10 s after which a link is dead, and the 10 s after which its view is taken away.
pub(crate) const WIPED: Duration = Duration::from_secs(35);

/// Longer than the two minutes after which a message tells.
pub(crate) const TOLD: Duration = Duration::from_secs(170);

/// A pool, and what scenarios do with it.
pub(crate) struct Lab(Pool);

impl Deref for Lab {
    type Target = Pool;

    fn deref(&self) -> &Pool {
        &self.0
    }
}

impl DerefMut for Lab {
    fn deref_mut(&mut self) -> &mut Pool {
        &mut self.0
    }
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self(Pool::new())
    }

    /// A guest with sshd and dockerd that lets the pool in.
    pub(crate) fn guest(&self, name: &str) -> Vm {
        self.prepared(self.network.vm(name).ssh().dockerd())
    }

    /// Lets the pool into a guest that turned it away.
    pub(crate) fn prepared_again(&self, guest: &Vm) {
        guest.authorize(self.public_key());
    }

    /// A registered VM at the guest's address that runs on another host.
    pub(crate) fn register_on(&self, guest: &Vm, name: &str, host: &Ref) -> Ref {
        let vm = self.add_vm(name, &[("0/ipv6/0", &guest.ipv6().to_string())], &[]);
        self.xapi.set(&vm, "resident_on", host).unwrap();
        vm
    }

    /// The program on the pool's coordinator.
    pub(crate) fn monitor(&self) -> Monitor {
        Monitor::start(&self.xapi)
    }

    pub(crate) fn entry(&self, vm: &Ref, key: &str) -> Option<String> {
        self.xapi.look(|state| state.entry(vm, "other_config", key))
    }

    pub(crate) fn uuid(&self, object: &Ref) -> String {
        self.xapi.get(object, "uuid").unwrap().text().unwrap().to_owned()
    }

    /// Waits until the VM shows exactly these containers: name and status.
    #[track_caller]
    pub(crate) fn shows(&self, monitor: &Monitor, vm: &Ref, wanted: &[(&str, &str)]) {
        self.shows_within(SOON, monitor, vm, wanted);
    }

    #[track_caller]
    pub(crate) fn shows_within(&self, deadline: Duration, monitor: &Monitor, vm: &Ref, wanted: &[(&str, &str)]) {
        let wanted: BTreeMap<String, String> =
            wanted.iter().map(|(name, status)| ((*name).to_owned(), (*status).to_owned())).collect();
        let reached = self.xapi.block_until(&format!("{wanted:?}"), deadline, |state| {
            (shown(state, vm).as_ref() == Some(&wanted)).then_some(())
        });
        if let Err(error) = reached {
            let now = self.xapi.look(|state| shown(state, vm));
            panic!("{error}; shown now: {now:?}\n{}", monitor.lines().join("\n"));
        }
    }

    /// Waits until the VM shows nothing of containers.
    #[track_caller]
    pub(crate) fn shows_nothing(&self, deadline: Duration, monitor: &Monitor, vm: &Ref) {
        self.reached("no view is left", deadline, monitor, |state| {
            ["docker_ps", "docker_info", "docker_version"]
                .iter()
                .all(|key| state.entry(vm, "other_config", key).is_none())
        });
    }

    #[track_caller]
    pub(crate) fn reached(&self, what: &str, deadline: Duration, monitor: &Monitor, check: impl Fn(&State) -> bool) {
        let reached = self.xapi.block_until(what, deadline, |state| check(state).then_some(()));
        if let Err(error) = reached {
            panic!("{error}\n{}", monitor.lines().join("\n"));
        }
    }

    /// Holds if nothing is written to the VM that makes its list of containers go away, while `what` is done.
    pub(crate) fn list_stays(&self, vm: &Ref, what: impl FnOnce()) {
        let complete = self.xapi.block_until("the view is complete", SOON, |state| {
            state.entry(vm, "other_config", "docker_version").map(drop)
        });
        complete.unwrap();
        let before = self.xapi.look(|state| state.calls("VM.remove_from_other_config"));
        what();
        let after = self.xapi.look(|state| state.calls("VM.remove_from_other_config"));
        assert!(self.entry(vm, "docker_ps").is_some());
        assert_eq!(before, after, "the view was written or taken away");
    }

    /// The messages about a VM: name and body.
    pub(crate) fn messages(&self, vm: &Ref) -> Vec<(String, String)> {
        let uuid = self.uuid(vm);
        self.xapi.look(|state| messages(state, &uuid))
    }
}

/// The containers that a VM shows, by the rules of clients that take every `entry`; none without a list.
pub(crate) fn shown(state: &State, vm: &Ref) -> Option<BTreeMap<String, String>> {
    let document = state.entry(vm, "other_config", "docker_ps")?;
    let mut reader = Reader::from_str(&document);
    let (mut shown, mut element, mut name) = (BTreeMap::new(), String::new(), String::new());
    loop {
        match reader.read_event().unwrap() {
            Event::Start(tag) => element = tag.name().as_ref().to_owned(),
            Event::Text(text) if element == "names" => name = text.xml10_content().into_owned(),
            Event::Text(text) if element == "status" => {
                shown.insert(name.clone(), text.xml10_content().into_owned());
            }
            Event::Eof => return Some(shown),
            _ => {}
        }
    }
}

pub(crate) fn messages(state: &State, uuid: &str) -> Vec<(String, String)> {
    let text = |message: &Ref, field: &str| state.get(message, field).unwrap().text().unwrap_or_default().to_owned();
    let about = |message: &Ref| text(message, "obj_uuid") == uuid;
    let all = state.database.refs("message").into_iter().filter(about);
    all.map(|message| (text(&message, "name"), text(&message, "body"))).collect()
}
