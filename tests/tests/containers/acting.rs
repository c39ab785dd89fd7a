//! Containers are acted on and looked into through XAPI's plugin: over the monitor's connection, and without a monitor.

use lab::guests::Vm;
use lab::plugin::Plugin;
use lab::xapi::{Failure, Ref};

use crate::lab::{Lab, SOON, shown};

/// The state that the engine itself knows.
fn state(guest: &Vm, container: &str) -> String {
    guest.docker(&["inspect", "--format", "{{.State.Status}}", container]).trim().to_owned()
}

fn id(guest: &Vm, container: &str) -> String {
    guest.docker(&["inspect", "--format", "{{.Id}}", container]).trim().to_owned()
}

/// What a client sees of one container at this moment.
fn status(lab: &Lab, vm: &Ref, container: &str) -> Option<String> {
    lab.xapi.look(|state| shown(state, vm))?.remove(container)
}

fn act(lab: &Lab, plugin: &Plugin, vm: &Ref, action: &str, container: &str) -> Result<String, Failure> {
    plugin.call(&lab.xapi, action, &[("vmuuid", &lab.uuid(vm)), ("container", container)])
}

fn look(lab: &Lab, plugin: &Plugin, vm: &Ref, function: &str, container: &str) -> Result<String, Failure> {
    plugin.call(&lab.xapi, function, &[("vmuuid", &lab.uuid(vm)), ("object", container)])
}

fn done() -> Result<String, Failure> {
    Ok("True".to_owned())
}

/// The words of an exception in the plugin, its function and class checked.
#[track_caller]
fn exception(result: Result<String, Failure>, function: &str, class: &str) -> String {
    let failure = result.unwrap_err();
    assert_eq!(failure.code, "XENAPI_PLUGIN_FAILURE", "{failure}");
    assert_eq!(failure.params[..2], [function, class], "{failure}");
    failure.params[2].clone()
}

#[test]
fn what_is_done_is_seen_when_the_call_returns() {
    let lab = Lab::new();
    let guest = lab.guest("web");
    guest.run("Web_1", &["sleep", "1000"]);
    let vm = lab.register(&guest);
    let monitor = lab.monitor();
    lab.shows(&monitor, &vm, &[("Web_1", "Up")]);
    let plugin = Plugin::install(&lab.xapi, Some(&monitor));
    let short = id(&guest, "Web_1")[..10].to_owned();
    for (action, container, wanted) in [
        ("pause", short.as_str(), "Up (Paused)"),
        ("unpause", &short, "Up"),
        ("restart", "Web_1", "Up"),
        ("stop", &short, "Exited (137)"),
        ("start", &id(&guest, "Web_1"), "Up"),
    ] {
        assert_eq!(act(&lab, &plugin, &vm, action, container), done(), "{action}");
        assert_eq!(status(&lab, &vm, "Web_1").as_deref(), Some(wanted), "{action}");
    }
    let log = plugin.lines().join("\n");
    assert!(!log.contains("without the monitor"), "{log}");
    assert_eq!(lab.messages(&vm), []);
}

#[test]
fn without_a_monitor_everything_works_as_well() {
    let lab = Lab::new();
    let guest = lab.guest("web");
    guest.run("one", &["sleep", "1000"]);
    let vm = lab.register(&guest);
    let plugin = Plugin::install(&lab.xapi, None);
    for (action, wanted) in
        [("stop", "exited"), ("start", "running"), ("pause", "paused"), ("unpause", "running"), ("restart", "running")]
    {
        assert_eq!(act(&lab, &plugin, &vm, action, "one"), done(), "{action}");
        assert_eq!(state(&guest, "one"), wanted, "{action}");
    }
    assert!(look(&lab, &plugin, &vm, "get_top", "one").unwrap().contains("<CMD>sleep 1000</CMD>"));
    // Nobody would keep a view true.
    assert_eq!(lab.entry(&vm, "docker_ps"), None);
    // First contact, as the monitor has it.
    assert_eq!(lab.entry(&vm, "xscontainer-sshhostkey"), Some(guest.host_key_blob("ed25519")));
}

#[test]
fn a_container_is_looked_into_the_same_way_with_a_monitor_and_without() {
    let lab = Lab::new();
    let guest = lab.guest("web");
    let label = ["--label", "io.k8s:pod/name=<x> & y"];
    let usual = ["run", "-d", "--network", "none", "--name", "one"];
    guest.docker(&[&usual[..], &label, &["lab/busybox:1", "sleep", "1000"]].concat());
    let vm = lab.register(&guest);
    let alone = Plugin::install(&lab.xapi, None);
    let id = id(&guest, "one");
    let inspected = |plugin: &Plugin| look(&lab, plugin, &vm, "get_inspect", &id).unwrap();
    let without = inspected(&alone);
    let monitor = lab.monitor();
    lab.shows(&monitor, &vm, &[("one", "Up")]);
    let beside = Plugin::install(&lab.xapi, Some(&monitor));
    assert_eq!(inspected(&beside), without);
    assert_eq!(inspected(&beside), without, "a client rebuilds its tree when the document changes");
    assert!(without.starts_with(&format!("True<?xml version=\"1.0\" ?><docker_inspect><Id>{id}</Id>")), "{without}");
    let label = "<SPECIAL_XS_ENCODED_ELEMENT name=\"io.k8s:pod/name\">&lt;x> &amp; y</SPECIAL_XS_ENCODED_ELEMENT>";
    assert!(without.contains(label), "{without}");
    for plugin in [&alone, &beside] {
        is_top(&look(&lab, plugin, &vm, "get_top", "one").unwrap());
    }
}

/// Holds for a list of the one process `sleep 1000`.
#[track_caller]
fn is_top(document: &str) {
    assert!(document.starts_with("True<?xml version=\"1.0\" ?><docker_top><item><Process>"), "{document}");
    for start in ["<PID>", "<CMD>sleep 1000</CMD>", "<TIME>"] {
        assert_eq!(document.matches(start).count(), 1, "{document}");
    }
}

#[test]
fn what_an_engine_refuses_is_a_failure_and_a_message_on_the_vm() {
    let lab = Lab::new();
    let guest = lab.guest("web");
    guest.run("one", &["sleep", "1000"]);
    let vm = lab.register(&guest);
    let monitor = lab.monitor();
    lab.shows(&monitor, &vm, &[("one", "Up")]);
    for plugin in [Plugin::install(&lab.xapi, Some(&monitor)), Plugin::install(&lab.xapi, None)] {
        let before = lab.messages(&vm).len();
        for (action, container, wanted) in
            [("start", "one", "status 304"), ("unpause", "one", "status 500"), ("stop", "nobody", "status 404")]
        {
            let words = exception(act(&lab, &plugin, &vm, action, container), action, "XSContainerException");
            assert!(words.contains(wanted), "{words}");
            let body = format!("Cannot {action} the container {container}: {words}");
            assert!(lab.messages(&vm).contains(&("Container Management Error".to_owned(), body)), "{words}");
        }
        // Clients show these failures themselves.
        assert!(
            exception(look(&lab, &plugin, &vm, "get_top", "nobody"), "get_top", "XSContainerException").contains("404")
        );
        assert_eq!(lab.messages(&vm).len(), before + 3);
    }
}

#[test]
fn podman_is_acted_on_too() {
    let lab = Lab::new();
    let guest = lab.prepared(lab.network.vm("pod").ssh().podman());
    guest.run("one", &["sleep", "1000"]);
    let vm = lab.register(&guest);
    let monitor = lab.monitor();
    lab.shows(&monitor, &vm, &[("one", "Up")]);
    let plugin = Plugin::install(&lab.xapi, Some(&monitor));
    let top = look(&lab, &plugin, &vm, "get_top", "one").unwrap();
    assert!(top.contains("<CMD>sleep 1000</CMD>") && top.contains("<TIME>"), "{top}");
    assert!(look(&lab, &plugin, &vm, "get_inspect", "one").unwrap().starts_with("True<?xml"));
    assert_eq!(act(&lab, &plugin, &vm, "stop", "one"), done());
    assert_eq!(status(&lab, &vm, "one").map(|status| status.starts_with("Exited")), Some(true));
    assert_eq!(act(&lab, &plugin, &vm, "start", "one"), done());
    assert_eq!(status(&lab, &vm, "one").as_deref(), Some("Up"));
}

#[test]
fn fifty_calls_at_once_are_all_answered() {
    let lab = Lab::new();
    let guest = lab.guest("web");
    guest.run("one", &["sleep", "1000"]);
    let vm = lab.register(&guest);
    let monitor = lab.monitor();
    lab.shows(&monitor, &vm, &[("one", "Up")]);
    let plugin = Plugin::install(&lab.xapi, Some(&monitor));
    std::thread::scope(|scope| {
        let calls: Vec<_> = (0..50).map(|_| scope.spawn(|| look(&lab, &plugin, &vm, "get_top", "one"))).collect();
        for call in calls {
            is_top(&call.join().unwrap().unwrap());
        }
    });
    lab.reached("the monitor goes on", SOON, &monitor, |state| shown(state, &vm).is_some());
}

#[test]
fn a_vm_that_cannot_be_reached_is_explained() {
    let lab = Lab::new();
    let guest = lab.guest("web");
    let vm = lab.register(&guest);
    let plugin = Plugin::install(&lab.xapi, None);
    guest.deauthorize();
    let words = exception(act(&lab, &plugin, &vm, "start", "one"), "start", "AuthenticationException");
    assert!(words.contains("does not let user") && words.contains("xscontainer-prepare-vm"), "{words}");
    let mute = lab.add_vm("mute", &[], &[]);
    let words = exception(look(&lab, &plugin, &mute, "get_top", "one"), "get_top", "XSContainerException");
    assert!(words.contains("report no address"), "{words}");
    // The guard against addresses of others is the monitor's.
    let thief = lab.add_vm("thief", &[("0/ip", &guest.address().to_string())], &[]);
    let words = exception(look(&lab, &plugin, &thief, "get_top", "one"), "get_top", "XSContainerException");
    assert!(words.contains("reported by another running VM"), "{words}");
    for state in ["Halted", "Suspended", "Paused"] {
        lab.xapi.set(&vm, "power_state", state).unwrap();
        let failure = look(&lab, &plugin, &vm, "get_inspect", "one").unwrap_err();
        let reached = [failure.code.as_str(), &failure.params[1], &failure.params[2]];
        assert_eq!(reached, ["VM_BAD_POWER_STATE", "running", &state.to_lowercase()]);
    }
}
