//! What the simulated XAPI does to its clients on demand: faults, restarts, lost sessions.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use super::raw::{DEADLINE, Lab, failure, post, text, value};
use lab::xapi::{Failure, Fault};

const GET_ALL: &str = "<methodCall><methodName>pool.get_all</methodName><params>SESSION</params></methodCall>";

/// A request for the pool with a session of `lab`.
fn request(lab: &Lab) -> String {
    post("/", &GET_ALL.replace("SESSION", &text(&lab.login("test"))))
}

#[test]
fn end_of_file_comes_without_a_reply() {
    let lab = Lab::start();
    let request = request(&lab);
    lab.xapi.fail_next(Fault::Eof);
    assert_eq!(lab.exchange(request.as_bytes()), b"");
    assert!(lab.exchange(request.as_bytes()).starts_with(b"HTTP/1.0 200"));
}

#[test]
fn a_truncated_reply_ends_before_its_length() {
    let lab = Lab::start();
    let request = request(&lab);
    let whole = lab.exchange(request.as_bytes());
    lab.xapi.fail_next(Fault::Truncated);
    let part = lab.exchange(request.as_bytes());
    assert!(!part.is_empty() && part.len() < whole.len() && whole.starts_with(&part));
}

#[test]
fn garbage_is_http_without_a_document() {
    let lab = Lab::start();
    let request = request(&lab);
    lab.xapi.fail_next(Fault::Garbage);
    let reply = String::from_utf8(lab.exchange(request.as_bytes())).unwrap();
    assert!(reply.starts_with("HTTP/1.0 200 OK") && !reply.contains("</methodResponse>"), "{reply}");
    lab.xapi.fail_next(Fault::NotHttp);
    assert!(!lab.exchange(request.as_bytes()).starts_with(b"HTTP"));
}

#[test]
fn http_500_and_api_failures_are_as_asked_for() {
    let lab = Lab::start();
    let session = text(&lab.login("test"));
    lab.xapi.fail_next(Fault::Http500);
    assert!(lab.exchange(post("/", &GET_ALL.replace("SESSION", &session)).as_bytes()).starts_with(b"HTTP/1.0 500"));
    lab.xapi.fail_next(Fault::StillBooting);
    assert_eq!(lab.call("pool.get_all", &session), failure(&["HOST_STILL_BOOTING"]));
    lab.xapi.fail_next_call("pool.get_all", Fault::Fails(Failure::new("CANNOT_CONTACT_HOST", &["h"])));
    assert!(lab.call("VM.get_all", &session).contains("Success"));
    assert_eq!(lab.call("pool_get_all", &session), failure(&["CANNOT_CONTACT_HOST", "h"]));
}

#[test]
fn a_hanging_call_ends_only_with_its_connection() {
    let lab = Lab::start();
    let request = request(&lab);
    lab.xapi.fail_next_call("pool.get_all", Fault::Hang);
    let mut stream = UnixStream::connect(lab.xapi.socket()).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let error = stream.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    lab.xapi.drop_connections();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

#[test]
fn slow_bytes_arrive_whole() {
    let lab = Lab::start();
    let request = request(&lab);
    let whole = lab.exchange(request.as_bytes());
    lab.xapi.fail_next(Fault::SlowBytes(Duration::from_millis(1)));
    let begin = Instant::now();
    assert_eq!(lab.exchange(request.as_bytes()), whole);
    assert!(begin.elapsed() >= Duration::from_millis(whole.len() as u64));
}

#[test]
fn empty_events_come_at_once_and_keep_the_token() {
    let lab = Lab::start();
    let session = text(&lab.login("test"));
    lab.xapi.fail_next(Fault::EmptyEventsAtOnce);
    let classes = "<param><value><array><data><value>*</value></data></array></value></param>";
    let timeout = "<param><value><double>30.0</double></value></param>";
    let reply = lab.call("event.from", &format!("{session}{classes}{}{timeout}", text("1,2")));
    assert!(reply.contains("<name>events</name><value><array><data></data></array></value>"), "{reply}");
    assert!(reply.contains("<name>token</name><value>1,2</value>"), "{reply}");
}

#[test]
fn a_restart_keeps_the_objects_and_loses_the_sessions() {
    let mut lab = Lab::start_with(lab::xapi::Config::with_tcp);
    let (session, vm) = (lab.login("test"), lab.xapi.add_vm("web", []).unwrap());
    let address = lab.xapi.address();
    let mut open = connect(&lab);
    lab.xapi.stop();
    assert_eq!(open.read(&mut [0]).unwrap(), 0);
    assert!(!lab.xapi.socket().exists());
    lab.xapi.restart().unwrap();
    assert_eq!(lab.xapi.address(), address);
    assert_eq!(lab.call("VM.get_all", &text(&session)), failure(&["SESSION_INVALID", &session]));
    let params = format!("{}{}", text(&lab.login("test")), text(vm.as_str()));
    assert_eq!(value(&lab.call("VM.get_name_label", &params)), "web");
}

#[test]
fn sessions_are_listed_by_originator_and_can_be_invalidated() {
    let lab = Lab::start();
    let (first, _other, second) = (lab.login("agent"), lab.login("other"), lab.login("agent"));
    let sessions = |lab: &Lab| lab.xapi.look(|state| state.sessions("agent")).iter().map(ToString::to_string).collect();
    let listed: Vec<String> = sessions(&lab);
    assert_eq!(listed, [first.clone(), second]);
    lab.xapi.invalidate_sessions();
    let listed: Vec<String> = sessions(&lab);
    assert!(listed.is_empty());
    assert_eq!(lab.call("VM.get_all", &text(&first)), failure(&["SESSION_INVALID", &first]));
}

#[test]
fn calls_are_counted_under_their_dotted_name() {
    let lab = Lab::start();
    let session = text(&lab.login("test"));
    lab.call("VM_get_all", &session);
    lab.call("VM.get_all", &session);
    let counters = lab.xapi.look(|state| state.counters.clone());
    assert_eq!(counters.calls("VM.get_all"), 2);
    assert_eq!(counters.calls("session.login_with_password"), 1);
    assert!(counters.bytes_in > 300 && counters.bytes_out > 300, "{counters:?}");
}

#[test]
fn a_wrong_password_is_refused_over_tcp_after_a_delay_and_let_in_on_the_socket() {
    let delay = Duration::from_millis(150);
    let lab = Lab::start_with(|config| lab::xapi::Config {
        password: Some("right".to_owned()),
        login_delay: delay,
        ..config.with_tcp()
    });
    let login = |password: &str| {
        let body = format!(
            "<methodCall><methodName>session.login_with_password</methodName><params>{}{}</params></methodCall>",
            text("root"),
            text(password)
        );
        let mut stream = std::net::TcpStream::connect(lab.xapi.address().unwrap()).unwrap();
        stream.write_all(post("/", &body).as_bytes()).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        reply
    };
    let begin = Instant::now();
    assert!(login("wrong").contains("SESSION_AUTHENTICATION_FAILED"));
    assert!(begin.elapsed() >= delay);
    assert!(login("right").contains("Success"));
    assert!(lab.login("test").starts_with("OpaqueRef:"));
}

#[test]
fn a_deadline_that_passes_says_what_was_waited_for() {
    let lab = Lab::start();
    let never = |_: &lab::xapi::State| None::<()>;
    let error = lab.xapi.block_until("the moon is blue", Duration::from_millis(10), never).unwrap_err();
    assert!(error.to_string().starts_with("the moon is blue did not happen within 10ms"), "{error}");
}

#[tokio::test]
async fn a_test_can_wait_for_a_state() {
    let lab = Lab::start();
    let reached = lab.xapi.wait_for("the VM is made", DEADLINE, |state| {
        state.database.find("VM", "name_label", &"web".into()).first().cloned()
    });
    let (vm, found) = tokio::join!(async { lab.xapi.add_vm("web", []).unwrap() }, reached);
    assert_eq!(found.unwrap(), vm);
}

#[test]
fn dropping_the_handle_ends_connections_and_removes_the_socket() {
    let lab = Lab::start();
    let socket = lab.xapi.socket().to_owned();
    let mut open = connect(&lab);
    drop(lab);
    assert_eq!(open.read(&mut [0]).unwrap(), 0);
    assert!(!socket.exists());
}

/// A connection that the simulator has accepted.
fn connect(lab: &Lab) -> UnixStream {
    let before = lab.xapi.look(|state| state.counters.connections);
    let stream = UnixStream::connect(lab.xapi.socket()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let accepted = |state: &lab::xapi::State| (state.counters.connections > before).then_some(());
    lab.xapi.block_until("the connection is accepted", DEADLINE, accepted).unwrap();
    stream
}
