//! The program as a process of dom0: its sessions, signals, log, memory and exit codes.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};

use lab::monitor::{DEADLINE, Signal, whole_lines};
use lab::programs;
use lab::tools::{Said, outcome, succeed};
use lab::xapi::{Fault, Value};

use crate::lab::Lab;

#[test]
fn one_session_and_one_connection_serve_for_events_and_one_of_each_for_calls() {
    let lab = Lab::start();
    let vm = lab.vm("web", &[]);
    let mut monitor = lab.monitor();
    let before = lab.calls("event.from");
    let renewals = 10;
    for _ in 0..renewals {
        lab.deregister(&vm);
        monitor.wait_until_watched(&[]);
        lab.register(&vm);
        monitor.wait_until_watched(&["web"]);
    }
    lab.reached("each change took a call", |state| state.calls("event.from") >= before + 2 * renewals);
    assert_eq!((lab.calls("session.login_with_password"), lab.sessions()), (2, 2));
    assert_eq!(lab.xapi.look(|state| state.counters.connections), 2);
}

#[test]
fn sigterm_and_sigint_log_out_and_end_with_0() {
    for (signal, name) in [(Signal::Term, "SIGTERM"), (Signal::Int, "SIGINT")] {
        let lab = Lab::start();
        let monitor = lab.monitor();
        assert_eq!(lab.sessions(), 1);
        let log = monitor.end_by(signal);
        assert_eq!(lab.sessions(), 0);
        let last = log.last().unwrap();
        assert!(last.contains("monitor ended") && last.contains(name), "{last}");
    }
}

#[test]
fn sigterm_ends_the_program_while_xapi_is_not_there() {
    let mut lab = Lab::start();
    let mut monitor = lab.monitor();
    lab.xapi.stop();
    monitor.wait_for_line("XAPI is not available");
    monitor.stop();
}

#[test]
fn sigterm_ends_the_program_while_xapi_does_not_answer() {
    let lab = Lab::start();
    let monitor = lab.monitor();
    lab.xapi.fail_next_call("event.from", Fault::Hang);
    lab.xapi.fail_next_call("session.logout", Fault::Hang);
    lab.vm("web", &[]);
    lab.reached("a call hangs", |state| state.faults.waiting() == 1);
    monitor.stop();
    assert_eq!(lab.calls("session.logout"), 2);
}

#[test]
fn after_a_log_rotation_and_sighup_a_new_file_is_written() {
    let lab = Lab::start();
    lab.vm("before", &[]);
    let mut monitor = lab.monitor();
    monitor.wait_until_watched(&["before"]);
    let (log, rotated) = (monitor.log_file(), monitor.log_file().with_extension("1"));
    fs::rename(&log, &rotated).unwrap();
    monitor.signal(Signal::Hup);
    monitor.wait_for_line("log reopened on SIGHUP");
    lab.vm("after", &[]);
    monitor.wait_for_line(r#"name="after""#);
    assert!(whole_lines(&rotated).iter().any(|line| line.contains(r#"name="before""#)));
    assert!(!whole_lines(&rotated).iter().any(|line| line.contains(r#"name="after""#)));
    monitor.stop();
}

/// The service manager's side of sd_notify(3).
#[test]
fn the_service_manager_is_told_of_readiness_life_and_the_end() {
    let lab = Lab::start();
    let directory = tempfile::tempdir().unwrap();
    let manager = UnixDatagram::bind(directory.path().join("notify")).unwrap();
    manager.set_read_timeout(Some(DEADLINE)).unwrap();
    let uuid = lab.xapi.get(&lab.xapi.host(), "uuid").unwrap();
    let inventory = directory.path().join("inventory");
    fs::write(&inventory, format!("INSTALLATION_UUID='{}'\n", uuid.text().unwrap())).unwrap();
    let mut program = Command::new(programs::agent());
    program.arg("monitor").arg("--socket").arg(lab.xapi.socket()).arg("--inventory").arg(&inventory);
    program.env("NOTIFY_SOCKET", directory.path().join("notify")).env("WATCHDOG_USEC", "200000");
    let mut child = program.stderr(Stdio::null()).spawn().unwrap();
    let told = || {
        let mut buffer = [0; 1000];
        let length = manager.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    assert_eq!(told().trim_end(), "READY=1");
    for _ in 0..3 {
        let alive = told();
        assert!(alive.contains("WATCHDOG=1") && alive.contains("STATUS=watching 0 VMs"), "{alive}");
    }
    succeed(Command::new("sh").args(["-c", "kill -s TERM \"$0\"", &child.id().to_string()]));
    while told().trim_end() != "STOPPING=1" {}
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_vm_name_cannot_forge_a_line_of_the_log_or_command_a_terminal() {
    let lab = Lab::start();
    // XAPI never sends ESC itself, which XML cannot carry: a terminal also obeys U+009B in place of ESC and `[`.
    lab.vm("x\"\nINFO watching VM\u{9b}2J", &[]);
    let monitor = lab.monitor();
    let lines: Vec<String> = monitor.stop().into_iter().filter(|line| line.contains("Z  INFO watching VM")).collect();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].ends_with(r#"name="x\"\nINFO watching VM\u{9b}2J""#), "{lines:#?}");
}

#[test]
fn two_thousand_vms_with_large_maps_fit_into_32_mib() {
    let lab = Lab::start();
    let view = "<docker_ps><item>".repeat(60);
    let keys = (0..20).map(|key| (format!("key-{key}"), Value::from(view.as_str())));
    let other_config = Value::map(keys.chain([("xscontainer-monitor".to_owned(), "True".into())]));
    for number in 0..2_000 {
        lab.vm(&format!("vm {number}"), &[("other_config", other_config.clone())]);
    }
    let mut monitor = lab.monitor();
    // The pool is read anew while what is known of it is still held.
    lab.xapi.drop_connections();
    monitor.wait_for_line("XAPI is available again");
    assert_eq!(monitor.watched().len(), 2_000);
    let peak = monitor.peak_memory_kib();
    assert!(peak < 32 * 1024, "{peak} KiB");
}

fn run(arguments: &[&str]) -> Said {
    outcome(Command::new(programs::agent()).args(arguments))
}

#[test]
fn without_the_hosts_inventory_it_ends_with_1_and_names_file_and_remedy() {
    let said = run(&["monitor", "--inventory", "/nowhere/inventory"]);
    assert_eq!(said.code, Some(1), "{}", said.text);
    for part in ["/nowhere/inventory", "No such file", "--inventory"] {
        assert!(said.text.contains(part), "{}", said.text);
    }
}

#[test]
fn wrong_usage_ends_with_2() {
    for arguments in [&["monitor", "--colour"][..], &["paint"], &["monitor", "extra"], &[]] {
        let said = run(arguments);
        assert_eq!(said.code, Some(2), "{arguments:?}: {}", said.text);
    }
}
