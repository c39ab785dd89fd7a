//! `start`, `stop`, `restart`, `pause` and `unpause`, through the monitor and without one.

use crate::lab::{Lab, run, said};

fn state(guest: &lab::guests::Vm, container: &str) -> String {
    guest.docker(&["inspect", "--format", "{{.State.Status}}", container]).trim().to_owned()
}

const STEPS: [(&str, &str); 5] =
    [("pause", "paused"), ("unpause", "running"), ("stop", "exited"), ("start", "running"), ("restart", "running")];

#[test]
fn what_is_done_is_seen_when_the_command_returns() {
    let (lab, guest, _vm) = Lab::web();
    run(&guest, "one", &[], "exec sleep 100000");
    let monitor = lab.monitor_that_sees("web", &["one"]);
    for (action, wanted) in STEPS {
        assert_eq!(lab.ask(&monitor, action, &["one"]), ("web/one\n".to_owned(), String::new(), Some(0)), "{action}");
        assert_eq!(state(&guest, "one"), wanted, "{action}");
        let shown = lab.ask(&monitor, "ps", &[]).0;
        let status = match wanted {
            "paused" => "Up (Paused)",
            "running" => "  Up  ",
            _ => "Exited (137)",
        };
        assert!(shown.contains(status), "{action}: {shown}");
    }
}

#[test]
fn without_a_monitor_the_vm_has_to_be_named() {
    let (lab, guest, _vm) = Lab::web();
    run(&guest, "one", &[], "exec sleep 100000");
    for (action, wanted) in STEPS {
        let output = lab.command(action, &["--agent-socket", "/nowhere", "web/one"]).output().unwrap();
        assert_eq!(said(&output), ("web/one\n".to_owned(), String::new(), Some(0)), "{action}");
        assert_eq!(state(&guest, "one"), wanted, "{action}");
    }
    let output = lab.command("stop", &["--agent-socket", "/nowhere", "one"]).output().unwrap();
    assert_eq!(said(&output).2, Some(5));
}

#[test]
fn of_several_all_are_tried_and_a_failure_is_told_and_counts() {
    let (lab, guest, _vm) = Lab::web();
    run(&guest, "one", &[], "exec sleep 100000");
    run(&guest, "two", &[], "exec sleep 100000");
    let monitor = lab.monitor_that_sees("web", &["one", "two"]);
    let (stdout, stderr, code) = lab.ask(&monitor, "stop", &["one", "nobody", "web/two"]);
    assert_eq!((&*stdout, code), ("web/one\nweb/two\n", Some(3)), "{stderr}");
    assert!(stderr.contains("\"nobody\""), "{stderr}");
    // As with docker, what is so already is done.
    assert_eq!(lab.ask(&monitor, "stop", &["one"]), ("web/one\n".to_owned(), String::new(), Some(0)));
    let (stdout, stderr, code) = lab.ask(&monitor, "pause", &["--json", "one"]);
    assert_eq!(code, Some(1), "{stderr}");
    let value: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert!(value["error"].as_str().unwrap().contains("is not running"), "{stdout}");
}
