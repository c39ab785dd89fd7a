//! The settings of `/etc/xscontainer/config.toml`: taken at the start and on SIGHUP, right or wrong.

use std::fs;
use std::process::Command;

use lab::monitor::{Monitor, Signal};
use lab::programs;
use lab::tools::{Said, command, outcome, succeed};

use crate::lab::Lab;

/// By the usual settings people are told of a VM that cannot be reached after two minutes, later than anything waits here.
const TOLD_AT_ONCE: &str = "[monitor]\ntold-after = \"1 s\"\n";

fn started(lab: &Lab, settings: &str) -> Monitor {
    let mut monitor = Monitor::start_set(&lab.xapi, settings);
    monitor.wait_for_line("snapshot of the pool complete");
    monitor
}

#[track_caller]
fn wait_until_told(lab: &Lab) {
    lab.reached("people are told of the VM", |state| state.calls("message.create") > 0);
}

#[test]
fn a_setting_holds_from_sighup_on_and_the_log_has_both_values() {
    let lab = Lab::start();
    let mut monitor = started(&lab, "");
    monitor.set(TOLD_AT_ONCE);
    monitor.signal(Signal::Hup);
    let line = monitor.wait_for_line("setting changed");
    let values = r#"key="monitor.told-after" before="\"2 min\"" now="\"1 s\"""#;
    assert!(line.contains(values), "{line}");
    // Without an address that may be used it cannot be reached.
    lab.vm("web", &[]);
    wait_until_told(&lab);
    // Nothing is said of what did not change.
    monitor.signal(Signal::Hup);
    monitor.wait("the log is reopened twice", |monitor| {
        (monitor.lines().iter().filter(|line| line.contains("log reopened")).count() == 2).then_some(())
    });
    let log = monitor.stop();
    assert_eq!(log.iter().filter(|line| line.contains("setting changed")).count(), 1, "{log:#?}");
}

#[test]
fn a_file_with_a_fault_changes_nothing_on_sighup() {
    let lab = Lab::start();
    let mut monitor = started(&lab, TOLD_AT_ONCE);
    monitor.set("[monitor]\ntold-after = \"1 h\"\nlist-intervall = \"2 s\"\n");
    monitor.signal(Signal::Hup);
    let line = monitor.wait_for_line("settings not taken, the old ones stay");
    assert!(line.contains("ERROR") && line.contains("config.toml:3"), "{line}");
    assert!(line.contains("there is no key list-intervall below [monitor]; did you mean list-interval?"), "{line}");
    lab.vm("web", &[]);
    wait_until_told(&lab);
    let log = monitor.stop();
    assert_eq!(log.iter().filter(|line| line.contains("ERROR")).count(), 1, "{log:#?}");
}

#[test]
fn at_the_start_a_key_at_fault_is_told_and_the_others_count() {
    let lab = Lab::start();
    let mut monitor = started(&lab, &format!("{TOLD_AT_ONCE}wiped-after = 5\n"));
    let line = monitor.wait_for_line("a setting is wrong; the usual one holds");
    assert!(line.contains("config.toml:3: monitor.wiped-after: 5 has no unit"), "{line}");
    lab.vm("web", &[]);
    wait_until_told(&lab);
}

#[test]
fn without_messages_the_log_alone_tells() {
    let lab = Lab::start();
    let mut monitor = started(&lab, &format!("{TOLD_AT_ONCE}messages = false\n"));
    lab.vm("silent", &[]);
    monitor.wait_for_line("cannot see the VM's containers");
    // Asked for messages of an earlier time, when it is time to tell.
    lab.reached("it is time to tell", |state| state.calls("message.get") > 0);
    lab.wait_until_it_waits();
    assert_eq!(lab.calls("message.create"), 0);
}

#[test]
fn the_level_of_the_log_changes_on_sighup() {
    let lab = Lab::start();
    let mut monitor = Monitor::start_set(&lab.xapi, "[log]\nlevel = \"warn\"\n");
    lab.wait_until_it_waits();
    monitor.set("[log]\nlevel = \"debug\"\n");
    monitor.signal(Signal::Hup);
    lab.vm("web", &[]);
    monitor.wait_for_line("DEBUG");
    assert!(!monitor.lines().iter().any(|line| line.contains("monitor started")), "{:#?}", monitor.lines());
}

#[test]
fn a_full_disk_does_not_stop_the_program_and_the_log_goes_on_by_itself_when_there_is_room() {
    let lab = Lab::start();
    let folder = tempfile::tempdir().unwrap();
    succeed(command("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(folder.path()));
    let _mounted = Mounted(folder.path().to_owned());
    let mut monitor = Monitor::start_logging_to(&lab.xapi, &folder.path().join("log"));
    monitor.wait_for_line("snapshot of the pool complete");
    let filler = folder.path().join("filler");
    // Ends with an error: there is no room for all of it.
    fs::write(&filler, vec![0; 1 << 20]).unwrap_err();
    // More lines than have room on the last page of the log.
    for number in 0..100 {
        lab.vm(&format!("unseen {number}"), &[]);
    }
    lab.wait_until_it_waits();
    fs::remove_file(&filler).unwrap();
    // Whenever it is tried again, somebody has something to say.
    let mut number = 0;
    let line = monitor.wait("the log goes on", |monitor| {
        number += 1;
        lab.vm(&format!("seen {number}"), &[]);
        std::thread::sleep(std::time::Duration::from_millis(200));
        monitor.lines().into_iter().find(|line| line.contains("lines are missing here"))
    });
    assert!(line.starts_with("xscontainer: "), "{line}");
    lab.vm("after", &[]);
    monitor.wait_for_line(r#"name="after""#);
    monitor.stop();
}

/// Unmounts what was mounted there.
struct Mounted(std::path::PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = outcome(command("umount", ["-l"]).arg(&self.0));
    }
}

fn log_level(monitor: &Monitor, arguments: &[&str]) -> Said {
    outcome(
        Command::new(programs::agent())
            .arg("log-level")
            .arg("--agent-socket")
            .arg(monitor.agent_socket())
            .args(arguments),
    )
}

#[test]
fn the_level_of_the_log_is_told_changed_and_goes_back_by_itself() {
    let lab = Lab::start();
    let mut monitor = started(&lab, "");
    assert_eq!(log_level(&monitor, &[]).text.trim(), "info");
    let said = log_level(&monitor, &["debug", "--for", "2s"]);
    assert!(
        said.code == Some(0) && said.text.starts_with("debug, for ") && said.text.trim().ends_with("then info"),
        "{}",
        said.text
    );
    monitor.wait_for_line("the log's level is changed on request");
    lab.vm("web", &[]);
    monitor.wait_for_line("DEBUG");
    // What reads the settings anew does not end it.
    monitor.signal(Signal::Hup);
    monitor.wait_for_line("the log has its usual level again");
    assert_eq!(log_level(&monitor, &["--json"]).text.trim(), r#"{"level":"info","then":null}"#);
    assert_eq!(log_level(&monitor, &["loud"]).code, Some(2));
    assert_eq!(log_level(&monitor, &["debug", "--for", "8d"]).code, Some(1));
    let socket = monitor.agent_socket();
    monitor.stop();
    let said = outcome(Command::new(programs::agent()).args(["log-level", "--agent-socket"]).arg(socket));
    assert_eq!((said.code, said.text.contains("the monitor cannot be asked")), (Some(1), true), "{}", said.text);
}

fn config(arguments: &[&str]) -> Said {
    outcome(Command::new(programs::agent()).arg("config").args(arguments))
}

#[test]
fn config_check_ends_with_0_for_what_is_right_and_with_1_and_every_fault_for_what_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    let path = file.to_str().unwrap();
    let said = config(&["check", path]);
    assert_eq!((said.code, said.text.contains("there is no such file")), (Some(0), true), "{}", said.text);
    fs::write(&file, TOLD_AT_ONCE).unwrap();
    let said = config(&["check", path]);
    assert_eq!((said.code, said.text.contains("nothing is wrong, 1 keys are set")), (Some(0), true), "{}", said.text);
    fs::write(&file, "[log]\nlevel = 1\ncolour = 2\n").unwrap();
    let said = config(&["check", path]);
    assert_eq!(said.code, Some(1), "{}", said.text);
    assert!(said.text.contains("config.toml:2: log.level") && said.text.contains("config.toml:3: "), "{}", said.text);
    let said = config(&["show", path]);
    assert_eq!(said.code, Some(1), "{}", said.text);
    assert!(said.text.contains("told-after = \"2 min\""), "{}", said.text);
}
