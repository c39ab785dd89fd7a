//! XAPI is there, and what it answers is wrong, late, or broken off.

use std::time::{Duration, Instant};

use lab::xapi::{Failure, Fault};

use crate::lab::Lab;

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
    lives_through(1, |lab| {
        lab.xapi.fail_next_call("event.from", Fault::Truncated);
        // Ends the call that waits at present; the next one breaks off when there is something to tell.
        lab.vm("halted", &[("power_state", "Halted".into())]);
        lab.reached("the fault has its call", |state| state.faults.waiting() == 0);
    });
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
