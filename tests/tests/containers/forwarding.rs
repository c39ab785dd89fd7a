//! Calls that arrive at one host and are for another.

use lab::monitor::Monitor;
use lab::plugin::Plugin;
use lab::xapi::{Failure, Ref};

use crate::lab::{Lab, SOON, shown};

/// A pool of two hosts, each with a plugin; a VM runs on the second.
struct Two {
    lab: Lab,
    there: Ref,
    vm: Ref,
    /// On the coordinator.
    here_plugin: Plugin,
    there_plugin: Plugin,
    monitor: Monitor,
    _guest: lab::guests::Vm,
}

impl Two {
    fn new() -> Self {
        let lab = Lab::new();
        let guest = lab.guest("web");
        guest.run("one", &["sleep", "1000"]);
        let there = lab.xapi.new_host("host-2", "192.0.2.2").unwrap();
        let socket = lab.xapi.serve_host(&there).unwrap();
        let vm = lab.register(&guest);
        lab.xapi.set(&vm, "resident_on", &there).unwrap();
        let monitor = Monitor::start_on(&lab.xapi, &there);
        lab.shows(&monitor, &vm, &[("one", "Up")]);
        let here_plugin = Plugin::install(&lab.xapi, None);
        let there_plugin = Plugin::install_on(&lab.xapi, &there, &socket, Some(&monitor));
        Self { lab, there, vm, here_plugin, there_plugin, monitor, _guest: guest }
    }

    /// Calls a function on the coordinator, as XenCenter does.
    fn call(&self, function: &str, arguments: &[(&str, &str)]) -> Result<String, Failure> {
        let uuid = self.lab.uuid(&self.vm);
        let arguments: Vec<(&str, &str)> = [("vmuuid", uuid.as_str())].iter().chain(arguments).copied().collect();
        self.here_plugin.call(&self.lab.xapi, function, &arguments)
    }
}

#[test]
fn the_host_that_a_vm_runs_on_does_it() {
    let two = Two::new();
    assert_eq!(two.call("stop", &[("container", "one")]), Ok("True".to_owned()));
    let status = two.lab.xapi.look(|state| shown(state, &two.vm)).unwrap().remove("one");
    assert_eq!(status.as_deref(), Some("Exited (137)"));
    assert!(two.here_plugin.lines().iter().any(|line| line.contains("plugin call forwarded")));
    assert!(two.there_plugin.lines().iter().any(|line| line.contains("container acted on")));
    // Once, with nothing of the way in it.
    assert!(two.call("get_inspect", &[("object", "one")]).unwrap().starts_with("True<?xml"));
}

#[test]
fn a_failure_there_comes_back_as_it_is_and_is_told_once() {
    let two = Two::new();
    let failure = two.call("start", &[("container", "nobody")]).unwrap_err();
    assert_eq!(failure.params[..2], ["start", "XSContainerException"]);
    let direct =
        two.there_plugin.call(&two.lab.xapi, "start", &[("vmuuid", &two.lab.uuid(&two.vm)), ("container", "nobody")]);
    assert_eq!(direct, Err(failure));
    assert_eq!(two.lab.messages(&two.vm).len(), 2, "one for each call");
}

#[test]
fn a_dead_host_is_told() {
    let two = Two::new();
    two.lab.xapi.set_offline(&two.there);
    let failure = two.call("stop", &[("container", "one")]).unwrap_err();
    assert_eq!((failure.code.as_str(), failure.params), ("HOST_OFFLINE", vec![two.there.to_string()]));
    let messages = two.lab.messages(&two.vm);
    assert!(
        matches!(&messages[..], [(name, body)] if name == "Container Management Error" && body.contains("HOST_OFFLINE"))
    );
    // What concerns XAPI alone needs no other host.
    assert_eq!(two.call("deregister", &[]), Ok("True".to_owned()));
}

#[test]
fn a_call_goes_from_host_to_host_once() {
    let two = Two::new();
    let before = two.there_plugin.lines().len();
    let forwarded = [("container", "one"), ("xscontainer-forwarded", "true")];
    assert_eq!(two.call("pause", &forwarded), Ok("True".to_owned()));
    assert_eq!(two.there_plugin.lines().len(), before);
    two.lab.reached("its monitor sees it", SOON, &two.monitor, |state| {
        shown(state, &two.vm).is_some_and(|shown| shown["one"] == "Up (Paused)")
    });
}
