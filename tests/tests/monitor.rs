//! The program `xscontainer monitor` against the simulated XAPI: who is watched, and what it lives through.
//!
//! Wherever a time is asserted it is a least time, counted from before it began: a slow machine cannot break it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed, in its helper functions too")]

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use lab::monitor::{DEADLINE, Monitor, Signal, whole_lines};
use lab::programs;
use lab::tools::{Said, outcome};
use lab::xapi::{Config, Failure, Fault, Ref, State, Value, Xapi};

/// The originator under which the program's sessions are counted, as the original agent's were.
const ORIGINATOR: &str = "xscontainer";

/// A simulated XAPI on a socket in a directory that lives as long as it.
struct Lab {
    xapi: Xapi,
    _directory: tempfile::TempDir,
}

impl Lab {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let xapi = Xapi::start(Config::at(&directory.path().join("xapi"))).unwrap();
        Self { xapi, _directory: directory }
    }

    /// A VM that is to be watched, but for `fields`.
    fn vm(&self, name: &str, fields: &[(&'static str, Value)]) -> Ref {
        let metrics = self.xapi.add("VM_guest_metrics", [("networks", Value::map([("0/ip", "10.0.0.7")]))]).unwrap();
        let usual = [("guest_metrics", metrics.into()), ("other_config", registered("True"))];
        self.xapi.add_vm(name, usual.into_iter().chain(fields.iter().cloned())).unwrap()
    }

    /// The program, when it has seen the pool as it is now and waits for what comes.
    #[track_caller]
    fn monitor(&self) -> Monitor {
        let mut monitor = Monitor::start(&self.xapi);
        monitor.wait_for_line("snapshot of the pool complete");
        self.wait_until_it_waits();
        monitor
    }

    #[track_caller]
    fn wait_until_it_waits(&self) {
        self.reached("the program waits for events", |state| state.waiting == 1);
    }

    /// Waits until the faults that were asked for have happened and the program waits for events again.
    #[track_caller]
    fn wait_until_it_is_over(&self) {
        self.reached("the faults are over", |state| state.faults.waiting() == 0 && state.waiting == 1);
    }

    #[track_caller]
    fn reached(&self, what: &str, check: impl Fn(&State) -> bool) {
        let reached = self.xapi.block_until(what, DEADLINE, |state| check(state).then_some(()));
        reached.unwrap_or_else(|error| panic!("{error}"));
    }

    fn calls(&self, method: &str) -> u64 {
        self.xapi.look(|state| state.calls(method))
    }

    /// The program's open sessions.
    fn sessions(&self) -> usize {
        self.xapi.look(|state| state.sessions(ORIGINATOR).len())
    }

    fn register(&self, vm: &Ref) {
        self.xapi.set_entry(vm, "other_config", "xscontainer-monitor", "True").unwrap();
    }

    fn deregister(&self, vm: &Ref) {
        self.xapi.remove_entry(vm, "other_config", "xscontainer-monitor").unwrap();
    }
}

/// An `other_config` with this value of the key by which VMs are registered.
fn registered(value: &str) -> Value {
    Value::map([("mac_seed", "1"), ("xscontainer-monitor", value)])
}

// Who is watched

#[test]
fn a_vm_that_is_there_at_the_start_is_watched() {
    let lab = Lab::start();
    lab.vm("web", &[]);
    lab.monitor().wait_until_watched(&["web"]);
}

#[test]
fn a_vm_is_watched_once_it_is_registered() {
    let lab = Lab::start();
    let vm = lab.vm("web", &[("other_config", Value::map([("mac_seed", "1")]))]);
    let mut monitor = lab.monitor();
    assert_eq!(monitor.entries(), []);
    lab.register(&vm);
    monitor.wait_until_watched(&["web"]);
}

#[test]
fn a_vm_is_watched_once_it_is_started() {
    let lab = Lab::start();
    let vm = lab.vm("web", &[("power_state", "Halted".into()), ("resident_on", Ref::null().into())]);
    let mut monitor = lab.monitor();
    assert_eq!(monitor.entries(), []);
    lab.xapi.set(&vm, "resident_on", lab.xapi.host()).unwrap();
    lab.xapi.set(&vm, "power_state", "Running").unwrap();
    monitor.wait_until_watched(&["web"]);
}

#[test]
fn a_vm_is_watched_once_its_tools_report() {
    let lab = Lab::start();
    let vm = lab.vm("web", &[("guest_metrics", Ref::null().into())]);
    let mut monitor = lab.monitor();
    assert_eq!(monitor.entries(), []);
    lab.xapi.add_guest_metrics(&vm, &[("0/ip", "10.0.0.7")]).unwrap();
    monitor.wait_until_watched(&["web"]);
}

#[test]
fn what_only_resembles_a_registered_vm_that_runs_here_is_never_watched() {
    let lab = Lab::start();
    let other = lab.xapi.new_host("host-2", "192.0.2.2").unwrap();
    let unfit: [(&str, Vec<(&str, Value)>); 9] = [
        ("another dom0", vec![("is_control_domain", true.into())]),
        ("template", vec![("is_a_template", true.into())]),
        ("snapshot", vec![("is_a_snapshot", true.into())]),
        ("halted", vec![("power_state", "Halted".into()), ("resident_on", Ref::null().into())]),
        ("suspended", vec![("power_state", "Suspended".into()), ("resident_on", Ref::null().into())]),
        ("paused", vec![("power_state", "Paused".into())]),
        ("of another host", vec![("resident_on", other.into())]),
        ("switched off", vec![("other_config", registered("False"))]),
        ("without a report", vec![("guest_metrics", Ref::null().into())]),
    ];
    for (name, fields) in &unfit {
        lab.vm(&format!("{name} at the start"), fields);
    }
    let dom0 = lab.xapi.look(|state| state.database.find("VM", "is_control_domain", &true.into())).remove(0);
    lab.register(&dom0);
    let mut monitor = lab.monitor();
    for (name, fields) in &unfit {
        lab.vm(&format!("{name} later"), fields);
    }
    // Made last: whoever hears of it has heard of the others.
    lab.vm("web", &[]);
    monitor.wait_until_watched(&["web"]);
    assert_eq!(monitor.entries().len(), 1, "{:#?}", monitor.lines());
}

// Who is no longer watched

/// Watches a VM, changes it, and gives the reason with which it leaves.
#[track_caller]
fn reason_after(change: impl FnOnce(&Lab, &Ref)) -> String {
    let lab = Lab::start();
    let vm = lab.vm("web", &[]);
    lab.vm("other", &[]);
    let mut monitor = lab.monitor();
    monitor.wait_until_watched(&["other", "web"]);
    change(&lab, &vm);
    monitor.wait_until_watched(&["other"]);
    monitor.entries().into_iter().find_map(|entry| entry.stopped).unwrap()
}

#[test]
fn a_vm_that_halts_is_no_longer_watched() {
    let reason = reason_after(|lab, vm| {
        lab.xapi.set(vm, "power_state", "Halted").unwrap();
        lab.xapi.set(vm, "resident_on", Ref::null()).unwrap();
    });
    assert_eq!(reason, "halted");
}

#[test]
fn a_vm_that_is_deregistered_is_no_longer_watched() {
    assert_eq!(reason_after(Lab::deregister), "deregistered");
}

#[test]
fn a_vm_that_migrates_to_another_host_is_no_longer_watched() {
    let reason = reason_after(|lab, vm| {
        let other = lab.xapi.new_host("host-2", "192.0.2.2").unwrap();
        lab.xapi.set(vm, "resident_on", other).unwrap();
    });
    assert_eq!(reason, "migrated away");
}

#[test]
fn a_vm_that_is_destroyed_is_no_longer_watched() {
    assert_eq!(reason_after(|lab, vm| lab.xapi.remove(vm).unwrap()), "destroyed");
}

#[test]
fn a_vm_that_migrates_away_and_back_is_watched_again() {
    let lab = Lab::start();
    let other = lab.xapi.new_host("host-2", "192.0.2.2").unwrap();
    let vm = lab.vm("web", &[]);
    let mut monitor = lab.monitor();
    lab.xapi.set(&vm, "resident_on", other).unwrap();
    monitor.wait_until_watched(&[]);
    lab.xapi.set(&vm, "resident_on", lab.xapi.host()).unwrap();
    monitor.wait_until_watched(&["web"]);
}

// XAPI comes and goes

#[test]
fn changes_made_while_xapi_restarted_are_noticed_and_no_vm_is_lost() {
    let mut lab = Lab::start();
    let unregistered = ("other_config", Value::map([("mac_seed", "1")]));
    let (_stays, leaves, vanishes) = (lab.vm("stays", &[]), lab.vm("leaves", &[]), lab.vm("vanishes", &[]));
    let comes = lab.vm("comes", &[unregistered]);
    let mut monitor = lab.monitor();
    monitor.wait_until_watched(&["leaves", "stays", "vanishes"]);
    lab.xapi.stop();
    monitor.wait_for_line("XAPI is not available");
    lab.deregister(&leaves);
    lab.xapi.remove(&vanishes).unwrap();
    lab.register(&comes);
    lab.vm("is new", &[]);
    lab.xapi.restart().unwrap();
    monitor.wait_until_watched(&["comes", "is new", "stays"]);
    let mut stops: Vec<(String, String)> =
        monitor.entries().into_iter().filter_map(|entry| Some((entry.name, entry.stopped?))).collect();
    stops.sort_unstable();
    let expected = [("leaves", "deregistered"), ("vanishes", "destroyed")];
    assert_eq!(stops, expected.map(|(name, reason)| (name.to_owned(), reason.to_owned())));
    assert_eq!(lab.sessions(), 1);
}

/// Listens in XAPI's place, hangs up on whoever comes, and says when somebody did.
fn hang_up_on_everyone(socket: &Path) -> mpsc::Receiver<()> {
    let listener = UnixListener::bind(socket).unwrap();
    let (came, comings) = mpsc::channel();
    // Ends with the process that runs the tests, or when nobody counts any more.
    thread::spawn(move || listener.incoming().map_while(Result::ok).try_for_each(|_| came.send(())));
    comings
}

#[test]
fn xapi_is_tried_less_and_less_often_while_it_hangs_up() {
    let mut lab = Lab::start();
    let _monitor = lab.monitor();
    let began = Instant::now();
    lab.xapi.stop();
    let comings = hang_up_on_everyone(lab.xapi.socket());
    for _ in 0..4 {
        comings.recv_timeout(DEADLINE).unwrap();
    }
    // Pauses of 1, 2 and 4 s lie between four tries, each shortened by up to half.
    assert!(began.elapsed() >= Duration::from_millis(3500), "{:?}", began.elapsed());
}

#[test]
fn xapi_may_appear_after_the_program() {
    let mut lab = Lab::start();
    lab.vm("web", &[]);
    lab.xapi.stop();
    let mut monitor = Monitor::start(&lab.xapi);
    let line = monitor.wait_for_line("XAPI is not available");
    assert!(line.contains("is the toolstack running"), "{line}");
    lab.xapi.restart().unwrap();
    monitor.wait_until_watched(&["web"]);
    monitor.wait_for_line("XAPI is available again");
}

// Trouble in the middle of a wait or of an answer

/// Lets `trouble` happen to the program while it waits for events; it must log in `logins` times in all, miss nothing
/// and forget nothing.
#[track_caller]
fn lives_through(logins: u64, trouble: impl FnOnce(&Lab)) {
    let lab = Lab::start();
    lab.vm("before", &[]);
    let mut monitor = lab.monitor();
    trouble(&lab);
    lab.vm("after", &[]);
    monitor.wait_until_watched(&["after", "before"]);
    monitor.wait_for_line("XAPI is available again");
    assert_eq!(monitor.entries().len(), 2, "{:#?}", monitor.lines());
    assert_eq!((lab.calls("session.login_with_password"), lab.sessions()), (logins, 1));
}

#[test]
fn a_session_that_ends_in_the_middle_of_a_wait_is_replaced() {
    lives_through(2, |lab| lab.xapi.invalidate_sessions());
}

#[test]
fn a_connection_that_is_cut_in_the_middle_of_a_wait_is_replaced_and_the_session_kept() {
    lives_through(1, |lab| lab.xapi.drop_connections());
}

/// Lets a fault happen to the next two calls of `event.from`.
#[track_caller]
fn lives_through_twice(fault: &Fault) {
    lives_through(1, |lab| {
        for _ in 0..2 {
            lab.xapi.fail_next_call("event.from", fault.clone());
        }
        // Ends the call that waits at present.
        lab.vm("halted", &[("power_state", "Halted".into())]);
        lab.wait_until_it_is_over();
    });
}

#[test]
fn answers_that_are_garbage_are_lived_through() {
    lives_through_twice(&Fault::Garbage);
}

#[test]
fn answers_that_are_not_http_are_lived_through() {
    lives_through_twice(&Fault::NotHttp);
}

#[test]
fn answers_that_break_off_are_lived_through() {
    lives_through_twice(&Fault::Truncated);
}

#[test]
fn connections_that_end_without_an_answer_are_lived_through() {
    lives_through_twice(&Fault::Eof);
}

#[test]
fn http_status_500_is_lived_through() {
    lives_through_twice(&Fault::Http500);
}

#[test]
fn an_internal_error_of_xapi_is_lived_through() {
    lives_through_twice(&Fault::Fails(Failure::internal("Not_found")));
}

#[test]
fn a_xapi_that_still_boots_is_waited_for() {
    let lab = Lab::start();
    lab.vm("web", &[]);
    for _ in 0..2 {
        lab.xapi.fail_next_call("session.login_with_password", Fault::StillBooting);
    }
    let mut monitor = lab.monitor();
    monitor.wait_until_watched(&["web"]);
    let line = monitor.wait_for_line("XAPI is not available");
    assert!(line.contains("HOST_STILL_BOOTING"), "{line}");
}

#[test]
fn answers_that_come_byte_by_byte_are_waited_for() {
    let lab = Lab::start();
    let (first, second) = (lab.vm("first", &[]), lab.vm("second", &[]));
    let slow = Fault::SlowBytes(Duration::from_millis(1));
    lab.xapi.fail_next_call("session.login_with_password", slow.clone());
    let mut monitor = lab.monitor();
    lab.xapi.fail_next_call("event.from", slow);
    // Ends the call that waits at present. Removals make short answers.
    lab.xapi.remove(&first).unwrap();
    lab.wait_until_it_is_over();
    lab.xapi.remove(&second).unwrap();
    monitor.wait_until_watched(&[]);
    assert!(!monitor.lines().iter().any(|line| line.contains("XAPI is not available")), "{:#?}", monitor.lines());
}

#[test]
fn a_xapi_that_does_not_wait_for_events_is_asked_once_a_second() {
    let lab = Lab::start();
    let mut monitor = lab.monitor();
    let empty = 3;
    for _ in 0..empty {
        lab.xapi.fail_next(Fault::EmptyEventsAtOnce);
    }
    let began = Instant::now();
    lab.vm("web", &[]);
    lab.wait_until_it_is_over();
    assert!(began.elapsed() >= Duration::from_secs(empty), "{:?}", began.elapsed());
    monitor.wait_until_watched(&["web"]);
    assert!(!monitor.lines().iter().any(|line| line.contains("XAPI is not available")), "{:#?}", monitor.lines());
}

// Sessions and signals

#[test]
fn one_session_and_one_connection_serve_for_all_calls() {
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
    assert!(lab.calls("event.from") >= before + 2 * renewals);
    assert_eq!((lab.calls("session.login_with_password"), lab.sessions()), (1, 1));
    assert_eq!(lab.xapi.look(|state| state.counters.connections), 1);
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
    assert_eq!(lab.calls("session.logout"), 1);
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

// What foreign text and sizes do

#[test]
fn a_vm_name_cannot_forge_a_line_of_the_log_or_command_a_terminal() {
    let lab = Lab::start();
    // XAPI never sends ESC itself, which XML cannot carry: a terminal also obeys U+009B in its place.
    lab.vm("x\"\nINFO watching VM\u{9b}2J\r", &[]);
    let monitor = lab.monitor();
    let lines: Vec<String> = monitor.stop().into_iter().filter(|line| line.contains("watching VM")).collect();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].ends_with(r#"name="x\"\nINFO watching VM\u{9b}2J\r""#), "{lines:#?}");
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

// What is wrong with the call

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
