//! The plugin before engines that mean harm: the right failure each time, in bounded time, with and without a monitor.

use std::time::{Duration, Instant};

use lab::guests::Misbehaviour;
use lab::plugin::Plugin;
use lab::xapi::{Failure, Ref};

use crate::lab::Lab;

/// Where engines answer about one container.
const CONTAINERS: &str = "/containers/one/";

/// Longer than the limits of connecting, of a document and of an action that waits for nothing, one after the other.
const BOUND: Duration = Duration::from_secs(75);

fn calls(lab: &Lab, plugin: &Plugin, vm: &Ref) -> [(&'static str, Result<String, Failure>); 3] {
    let uuid = lab.uuid(vm);
    let call = |function, key| {
        let begun = Instant::now();
        let result = plugin.call(&lab.xapi, function, &[("vmuuid", uuid.as_str()), (key, "one")]);
        assert!(begun.elapsed() < BOUND, "{function}: {:?}", begun.elapsed());
        (function, result)
    };
    [call("get_inspect", "object"), call("get_top", "object"), call("start", "container")]
}

#[track_caller]
fn fails(misbehaviour: Misbehaviour, inspect: &str, top: &str, start: &str) {
    let lab = Lab::new();
    let guest = lab.prepared(lab.network.vm("bad").ssh().hostile_at(misbehaviour, CONTAINERS));
    let vm = lab.register(&guest);
    let plugin = Plugin::install(&lab.xapi, None);
    for ((function, result), wanted) in calls(&lab, &plugin, &vm).into_iter().zip([inspect, top, start]) {
        let Failure { code, params } = result.unwrap_err();
        let who = [code.as_str(), &params[0], &params[1]];
        assert_eq!(who, ["XENAPI_PLUGIN_FAILURE", function, "XSContainerException"], "{misbehaviour:?}");
        assert!(params[2].contains(wanted), "{misbehaviour:?}, {function}: {}", params[2]);
        // Foreign text is quoted and bounded, whatever it is.
        assert!(params[2].len() < 2_000 && !params[2].contains(['\u{1b}', '\n']), "{misbehaviour:?}: {}", params[2]);
    }
    let failed = plugin.lines().iter().filter(|line| line.contains("plugin call failed")).count();
    assert_eq!(failed, 3, "each is in the log: {:#?}", plugin.lines());
    assert_eq!(lab.messages(&vm).len(), 1, "what was to be done, and is not, is told on the VM");
}

#[test]
fn every_status_is_the_right_failure() {
    for status in [304, 404, 409, 500] {
        let wanted = format!("HTTP status {status}");
        fails(Misbehaviour::Status(status), &wanted, &wanted, &wanted);
    }
}

#[test]
fn nothing_is_a_failure_in_bounded_time() {
    fails(Misbehaviour::NeverAnswers, "did not answer", "did not answer", "did not answer");
}

#[test]
fn garbage_is_a_failure() {
    fails(Misbehaviour::NotHttp, "is not a container engine", "is not a container engine", "is not a container engine");
}

#[test]
fn ten_megabytes_are_too_much() {
    let lab = Lab::new();
    let guest = lab.prepared(lab.network.vm("bad").ssh().hostile_at(Misbehaviour::TenMegabytes, CONTAINERS));
    let vm = lab.register(&guest);
    let monitor = lab.monitor();
    lab.shows(&monitor, &vm, &[]);
    for plugin in [Plugin::install(&lab.xapi, None), Plugin::install(&lab.xapi, Some(&monitor))] {
        let [(_, inspect), (_, top), _] = calls(&lab, &plugin, &vm);
        for result in [inspect, top] {
            let failure = result.unwrap_err();
            assert!(failure.params[2].contains("too much"), "{failure}");
        }
    }
    assert!(monitor.peak_memory_kib() < 64 * 1024, "{} KiB", monitor.peak_memory_kib());
}
