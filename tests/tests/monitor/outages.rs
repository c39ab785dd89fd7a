//! XAPI comes and goes.

use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use lab::monitor::{DEADLINE, Monitor};
use lab::xapi::{Fault, Value};

use crate::lab::{Lab, ORIGINATOR};

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
    // One for the events, before and after; one for calls about the VMs that are not watched any more, which may come late.
    lab.reached("the session for calls", |state| state.sessions(ORIGINATOR).len() == 2);
    assert_eq!(lab.calls("session.login_with_password"), 3);
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
