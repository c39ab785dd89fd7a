//! `event.from` and `event.inject` of the simulated XAPI, by literal requests.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::raw::{DEADLINE, Lab, failure, text, value};

/// The reply to `event.from`.
fn from(lab: &Lab, session: &str, class: &str, token: &str, timeout: &str) -> String {
    let classes = format!("<param><value><array><data><value>{class}</value></data></array></value></param>");
    let timeout = format!("<param><value><double>{timeout}</double></value></param>");
    lab.call("event.from", &format!("{}{classes}{}{timeout}", text(session), text(token)))
}

/// The value of the first member `name`, as XML.
fn member<'a>(xml: &'a str, name: &str) -> &'a str {
    let start = format!("<name>{name}</name><value>");
    let rest = xml.split_once(&start).unwrap_or_else(|| panic!("no {name} in {xml}")).1;
    rest.split_once("</value>").unwrap().0
}

/// The operations and references of all events, in order.
fn events(xml: &str) -> Vec<(String, String)> {
    let pieces = xml.split("<name>operation</name>").skip(1);
    pieces.map(|piece| (first_value(piece), first_value(piece.split_once("<name>ref</name>").unwrap().1))).collect()
}

fn first_value(xml: &str) -> String {
    xml.split_once("<value>").unwrap().1.split_once("</value>").unwrap().0.to_owned()
}

fn pair(operation: &str, object: &lab::xapi::Ref) -> (String, String) {
    (operation.to_owned(), object.to_string())
}

#[test]
fn the_empty_token_tells_every_object_with_its_record() {
    let lab = Lab::start();
    let (session, vm) = (lab.login("test"), lab.xapi.add_vm("web", []).unwrap());
    let reply = from(&lab, &session, &format!("VM/{vm}"), "", "0.0");
    assert_eq!(events(&reply), [pair("add", &vm)]);
    assert_eq!(member(&reply, "class"), "vm");
    assert_eq!(member(&reply, "timestamp"), "0.0");
    assert_eq!(member(&reply, "name_label"), "web");
    let token = member(&reply, "token");
    assert!(token.len() == 41 && token.as_bytes()[20] == b',', "{token}");
}

#[test]
fn valid_ref_counts_are_the_only_i4_and_count_every_table() {
    let lab = Lab::start();
    let session = lab.login("test");
    let reply = from(&lab, &session, "vm_guest_metrics", "", "0.0");
    assert_eq!(member(&reply, "events"), "<array><data></data></array>");
    assert_eq!(member(&reply, "host"), "<i4>1</i4>");
    assert_eq!(member(&reply, "session"), "<i4>1</i4>");
    assert_eq!(member(&reply, "vm_guest_metrics"), "<i4>0</i4>");
    assert!(!reply.contains("<name>message</name>"), "{reply}");
}

#[test]
fn changes_melt_and_come_as_add_then_mod_then_del() {
    let lab = Lab::start();
    let session = lab.login("test");
    let (old, gone) = (lab.xapi.add_vm("old", []).unwrap(), lab.xapi.add_vm("gone", []).unwrap());
    let first = from(&lab, &session, "vm", "", "0.0");
    lab.xapi.remove(&gone).unwrap();
    lab.xapi.set(&old, "name_label", "one").unwrap();
    lab.xapi.set(&old, "name_label", "two").unwrap();
    let brief = lab.xapi.add_vm("brief", []).unwrap();
    lab.xapi.remove(&brief).unwrap();
    let new = lab.xapi.add_vm("new", []).unwrap();
    lab.xapi.set(&new, "name_label", "newer").unwrap();
    let reply = from(&lab, &session, "vm", member(&first, "token"), "0.0");
    assert_eq!(events(&reply), [pair("add", &new), pair("mod", &old), pair("del", &gone)]);
    assert!(reply.contains("newer") && reply.contains("two") && !reply.contains("one</"), "{reply}");
    assert_eq!(reply.matches("<name>snapshot</name>").count(), 2);
}

#[test]
fn messages_come_first_and_without_a_record_when_they_go() {
    let lab = Lab::start();
    let (session, vm) = (lab.login("test"), lab.xapi.add_vm("web", []).unwrap());
    let first = from(&lab, &session, "*", "", "0.0");
    let uuid = lab.xapi.get(&vm, "uuid").unwrap();
    let params = [text(&session), text("N"), text("3"), text("VM"), text(uuid.text().unwrap()), text("b")].concat();
    lab.xapi.set(&vm, "name_label", "new").unwrap();
    let message = lab::xapi::Ref(value(&lab.call("message.create", &params)).to_owned());
    let second = from(&lab, &session, "*", member(&first, "token"), "0.0");
    assert_eq!(events(&second), [pair("add", &message), pair("mod", &vm)]);
    lab.xapi.remove(&message).unwrap();
    let third = from(&lab, &session, "*", member(&second, "token"), "0.0");
    assert_eq!(events(&third), [pair("del", &message)]);
    assert!(!third.contains("snapshot"));
}

#[test]
fn a_write_of_the_present_value_makes_no_event() {
    let lab = Lab::start();
    let (session, vm) = (lab.login("test"), lab.xapi.add_vm("web", []).unwrap());
    let token = member(&from(&lab, &session, "vm", "", "0.0"), "token").to_owned();
    let params = [text(&session), text(vm.as_str()), text("web")].concat();
    assert_eq!(value(&lab.call("VM.set_name_label", &params)), "");
    assert_eq!(events(&from(&lab, &session, "vm", &token, "0.0")), []);
}

#[test]
fn secrets_and_sessions_make_no_events() {
    let lab = Lab::start();
    let session = lab.login("test");
    lab.xapi.add("secret", [("value", "v".into())]).unwrap();
    let reply = from(&lab, &session, "*", "", "0.0");
    assert!(!reply.contains("<name>class</name><value>secret"), "{reply}");
    assert!(!reply.contains("<name>class</name><value>session"), "{reply}");
}

#[test]
fn an_unknown_class_never_matches() {
    let lab = Lab::start();
    let session = lab.login("test");
    assert_eq!(events(&from(&lab, &session, "unicorn", "", "0.0")), []);
}

#[test]
fn a_broken_token_is_refused() {
    let lab = Lab::start();
    let reply = from(&lab, &lab.login("test"), "vm", "rubbish", "0.0");
    assert_eq!(reply, failure(&["EVENT_FROM_TOKEN_PARSE_FAILURE", "rubbish"]));
}

#[test]
fn the_timeout_is_kept() {
    let lab = Lab::start();
    let session = lab.login("test");
    let token = member(&from(&lab, &session, "pool", "", "0.0"), "token").to_owned();
    let begin = Instant::now();
    assert_eq!(events(&from(&lab, &session, "pool", &token, "1.0")), []);
    let took = begin.elapsed();
    assert!((Duration::from_secs(1)..Duration::from_millis(2500)).contains(&took), "{took:?}");
}

#[test]
fn a_change_ends_the_wait_and_others_do_not() {
    let lab = Arc::new(Lab::start());
    let (session, vm) = (lab.login("test"), lab.xapi.add_vm("web", []).unwrap());
    let token = member(&from(&lab, &session, "vm", "", "0.0"), "token").to_owned();
    let waiter = thread::spawn({
        let lab = lab.clone();
        move || from(&lab, &session, "vm", &token, "30")
    });
    one_waits(&lab);
    let other = lab.xapi.pool();
    lab.xapi.set(&other, "name_label", "renamed").unwrap();
    lab.xapi.set(&vm, "name_label", "new").unwrap();
    assert_eq!(events(&waiter.join().unwrap()), [pair("mod", &vm)]);
}

#[test]
fn logging_out_fails_the_call_that_waits() {
    let lab = Arc::new(Lab::start());
    let session = lab.login("test");
    let token = member(&from(&lab, &session, "vm", "", "0.0"), "token").to_owned();
    let waiter = thread::spawn({
        let (lab, session) = (lab.clone(), session.clone());
        move || from(&lab, &session, "vm", &token, "30")
    });
    one_waits(&lab);
    assert_eq!(value(&lab.call("session.logout", &text(&session))), "");
    assert_eq!(waiter.join().unwrap(), failure(&["SESSION_INVALID", &session]));
}

#[test]
fn an_injected_event_comes_after_its_token() {
    let lab = Lab::start();
    let session = lab.login("test");
    let before = member(&from(&lab, &session, "pool", "", "0.0"), "token").to_owned();
    let pool = lab.xapi.pool();
    let params = [text(&session), text("pool"), text(pool.as_str())].concat();
    let token = value(&lab.call("event.inject", &params)).to_owned();
    let reply = from(&lab, &session, "pool", &token, "0.0");
    assert_eq!(events(&reply), [pair("mod", &pool)]);
    assert!(before <= token && token.as_str() < member(&reply, "token"));
}

/// Waits until a call of `event.from` has looked, found nothing and waits.
fn one_waits(lab: &Lab) {
    let waiting = |state: &lab::xapi::State| (state.waiting == 1).then_some(());
    lab.xapi.block_until("event.from waits", DEADLINE, waiting).unwrap();
}
