//! The follower against a scripted XAPI. Time is simulated: it jumps forward whenever everybody waits.

use tokio::time::timeout;

use super::super::backoff::FIRST_PAUSE;
use super::super::events::State;
use super::super::script::{
    Answer, Request, Server, added, batch, batch_value, event, failure, http, record, success, success_body, vm_record,
};
use super::*;

const NOTHING_ELSE: fn(&Request) -> Option<Answer> = |_| None;

fn follower(server: &Server) -> Follower {
    Follower::new(&server.socket(), HostUuid::parse("0a1b2c3d-1111-2222-3333-444455556666").unwrap())
}

fn vm(number: u32) -> VmRef {
    VmRef::new(&format!("OpaqueRef:vm-{number}")).unwrap()
}

fn metrics(number: u32) -> VmGuestMetricsRef {
    VmGuestMetricsRef::new(&format!("OpaqueRef:metrics-{number}")).unwrap()
}

/// The next update, within simulated time that all pauses together stay under.
async fn next(follower: &mut Follower) -> Update {
    timeout(Duration::from_secs(900), follower.next()).await.expect("an update in time")
}

fn numbers(state: &State) -> Vec<u32> {
    (0..10).filter(|number| state.vms.contains_key(&vm(*number))).collect()
}

/// The tokens that `event.from` was called with.
fn tokens(server: &Server) -> Vec<String> {
    server.calls("event.from").into_iter().map(|request| request.params[3].clone()).collect()
}

fn first_snapshot() -> Answer {
    batch("1,0", &[added(1), added(2)].concat())
}

#[tokio::test(start_paused = true)]
async fn the_first_update_is_the_whole_pool() {
    let server = Server::xapi(vec![first_snapshot()], NOTHING_ELSE);
    let mut follower = follower(&server);
    assert_eq!(next(&mut follower).await, Update::Snapshot);
    assert_eq!(numbers(follower.state()), [1, 2]);
    assert_eq!(follower.state().guest_metrics[&metrics(1)].networks["0/ip"], "127.0.0.1");
    assert_eq!(follower.host().unwrap().as_str(), "OpaqueRef:here");
    let other_config = &follower.state().vms[&vm(1)].other_config;
    assert_eq!(other_config.keys().collect::<Vec<_>>(), ["xscontainer-monitor"]);
}

#[tokio::test(start_paused = true)]
async fn the_calls_are_those_that_xapi_knows_on_one_connection() {
    let server = Server::xapi(vec![first_snapshot(), batch("2,0", &added(3))], NOTHING_ELSE);
    let mut follower = follower(&server);
    next(&mut follower).await;
    next(&mut follower).await;
    follower.close().await;
    let requests = server.requests();
    let calls: Vec<_> = requests.iter().map(|r| (r.connection, r.method.as_str(), r.params.join(" "))).collect();
    assert_eq!(
        calls,
        [
            (0, "session.login_with_password", "root  1.0 xscontainer".to_owned()),
            (0, "host.get_by_uuid", "OpaqueRef:session-1 0a1b2c3d-1111-2222-3333-444455556666".to_owned()),
            (0, "pool.get_all", "OpaqueRef:session-1".to_owned()),
            (0, "pool.get_master", "OpaqueRef:session-1 OpaqueRef:pool".to_owned()),
            (0, "event.from", "OpaqueRef:session-1 vm vm_guest_metrics  30.0".to_owned()),
            (0, "event.from", "OpaqueRef:session-1 vm vm_guest_metrics 1,0 30.0".to_owned()),
            (0, "session.logout", "OpaqueRef:session-1".to_owned()),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_record_that_makes_no_sense_is_passed_over_and_the_others_count() {
    let events = [&[event("vm", "add", "OpaqueRef:vm-9", &vm_record(9, &[("uuid", "x")]))], &added(2)[..]].concat();
    let server = Server::xapi(vec![batch("1,0", &events)], NOTHING_ELSE);
    let mut follower = follower(&server);
    assert_eq!(next(&mut follower).await, Update::Snapshot);
    assert_eq!(numbers(follower.state()), [2]);
}

#[tokio::test(start_paused = true)]
async fn the_coordinator_is_the_pools_master() {
    for (master, expected) in [("OpaqueRef:here", true), ("OpaqueRef:there", false)] {
        let server = Server::xapi(vec![first_snapshot()], move |request| {
            (request.method == "pool.get_master").then(|| success(master))
        });
        let mut follower = follower(&server);
        next(&mut follower).await;
        assert_eq!(follower.is_coordinator(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn changes_and_removals_are_reported_object_by_object() {
    let moved = vm_record(1, &[("resident_on", "OpaqueRef:there")]);
    let server = Server::xapi(
        vec![
            first_snapshot(),
            batch("2,0", &[event("vm", "mod", "OpaqueRef:vm-1", &moved)]),
            batch("3,0", &[event("vm_guest_metrics", "del", "OpaqueRef:metrics-2", "")]),
            batch("4,0", &[event("vm", "del", "OpaqueRef:vm-2", ""), event("vm", "del", "OpaqueRef:never-seen", "")]),
            batch("5,0", &added(3)[1..]),
        ],
        NOTHING_ELSE,
    );
    let mut follower = follower(&server);
    next(&mut follower).await;
    assert_eq!(next(&mut follower).await, Update::Changed(vec![Change::Vm(vm(1))]));
    assert_eq!(follower.state().vms[&vm(1)].resident_on, HostRef::new("OpaqueRef:there"));
    assert_eq!(next(&mut follower).await, Update::Changed(vec![Change::GuestMetricsRemoved(metrics(2))]));
    assert_eq!(next(&mut follower).await, Update::Changed(vec![Change::VmRemoved(vm(2))]));
    assert_eq!(next(&mut follower).await, Update::Changed(vec![Change::GuestMetrics(metrics(3))]));
    assert_eq!(numbers(follower.state()), [1]);
    assert_eq!(tokens(&server)[..5], ["", "1,0", "2,0", "3,0", "4,0"]);
}

#[tokio::test(start_paused = true)]
async fn events_without_news_are_not_reported() {
    let unimportant = vm_record(1, &[("memory_static_max", "1")]);
    let foreign = event("pool", "mod", "OpaqueRef:pool", "<struct/>");
    let server = Server::xapi(
        vec![
            first_snapshot(),
            batch("2,0", &[event("vm", "mod", "OpaqueRef:vm-1", &unimportant), foreign]),
            batch("3,0", &added(3)[..1]),
        ],
        NOTHING_ELSE,
    );
    let mut follower = follower(&server);
    next(&mut follower).await;
    assert_eq!(next(&mut follower).await, Update::Changed(vec![Change::Vm(vm(3))]));
}

#[tokio::test(start_paused = true)]
async fn a_missing_snapshot_is_fetched() {
    let server = Server::xapi(
        vec![
            first_snapshot(),
            batch("2,0", &[event("vm", "mod", "OpaqueRef:vm-1", ""), event("vm", "add", "OpaqueRef:vm-4", "")]),
        ],
        |request| match request.method.as_str() {
            "VM.get_record" if request.params[1] == "OpaqueRef:vm-1" => {
                Some(success(&vm_record(1, &[("name_label", "fetched")])))
            }
            "VM.get_record" => Some(failure(&["HANDLE_INVALID", "VM", "OpaqueRef:vm-4"])),
            _ => None,
        },
    );
    let mut follower = follower(&server);
    next(&mut follower).await;
    assert_eq!(next(&mut follower).await, Update::Changed(vec![Change::Vm(vm(1))]));
    assert_eq!(follower.state().vms[&vm(1)].name_label, "fetched");
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_gone_when_its_snapshot_is_fetched_is_removed() {
    let stale = [event("vm", "mod", "OpaqueRef:vm-1", ""), event("vm_guest_metrics", "mod", "OpaqueRef:metrics-1", "")];
    let server = Server::xapi(vec![first_snapshot(), batch("2,0", &stale)], |request| {
        request.method.ends_with("get_record").then(|| failure(&["HANDLE_INVALID", "VM", "x"]))
    });
    let mut follower = follower(&server);
    next(&mut follower).await;
    let expected = vec![Change::VmRemoved(vm(1)), Change::GuestMetricsRemoved(metrics(1))];
    assert_eq!(next(&mut follower).await, Update::Changed(expected));
}

/// What may happen to a waiting `event.from`, or instead of its answer.
fn accidents() -> Vec<(&'static str, Answer)> {
    let after_a_while = |answer| Answer::After(Duration::from_secs(10), Box::new(answer));
    let full = http(&success_body(&batch_value("2,0", &added(3))), "keep-alive");
    let half = full[..full.len() / 2].to_vec();
    vec![
        ("EOF while waiting", after_a_while(Answer::Close)),
        ("EOF at once", Answer::Close),
        ("EOF in the answer", Answer::Raw(half.clone())),
        ("a stall in the answer", Answer::Stall(half)),
        ("a stall in the header", Answer::Stall(b"HTTP/1.1 200 OK\r\nConte".to_vec())),
        ("no answer", Answer::Hang),
        ("not HTTP", Answer::Raw(b"\0\0\0hello".to_vec())),
        ("HTTP 500", Answer::Raw(b"HTTP/1.1 500 Internal Error\r\nConnection: close\r\n\r\n<html>".to_vec())),
        ("not XML", Answer::Body("hello".into())),
        ("HTML", Answer::Body("<html><body/></html>".into())),
        ("not UTF-8", Answer::Raw([&b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n<value>\xff\xfe..."[..]].concat())),
        ("an empty body", Answer::Body(String::new())),
        ("another result", success("OpaqueRef:1")),
        ("no token", success(&record(&[("events", "<array><data/></array>")]))),
        ("a null reference", batch("2,0", &[event("vm", "del", "OpaqueRef:NULL", "")])),
        ("fault", Answer::Body("<methodResponse><fault><value><struct/></value></fault></methodResponse>".into())),
        ("session lost while waiting", after_a_while(failure(&["SESSION_INVALID", "OpaqueRef:session-1"]))),
        ("booting", failure(&["HOST_STILL_BOOTING"])),
        ("bad token", failure(&["EVENT_FROM_TOKEN_PARSE_FAILURE", "1,0"])),
        ("internal error", failure(&["INTERNAL_ERROR", "Not_found"])),
    ]
}

#[tokio::test(start_paused = true)]
async fn after_any_accident_the_pool_is_read_anew_and_what_is_not_in_it_is_gone() {
    for (name, accident) in accidents() {
        let server =
            Server::xapi(vec![first_snapshot(), accident, batch("9,0", &[added(2), added(3)].concat())], NOTHING_ELSE);
        let mut follower = follower(&server);
        next(&mut follower).await;
        assert_eq!(next(&mut follower).await, Update::Snapshot, "{name}");
        assert_eq!(numbers(follower.state()), [2, 3], "{name}");
        assert!(!follower.state().guest_metrics.contains_key(&metrics(1)), "{name}");
        assert_eq!(tokens(&server)[..3], ["", "1,0", ""], "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_accident_at_login_or_at_the_look_up_of_the_host_is_retried() {
    for method in ["session.login_with_password", "host.get_by_uuid"] {
        for (name, accident) in accidents() {
            let mut accident = Some(accident);
            let first = move |request: &Request| if request.method == method { accident.take() } else { None };
            let server = Server::xapi(vec![first_snapshot()], first);
            let mut follower = follower(&server);
            // The answers of event.from are no accidents here, but results of another type.
            assert_eq!(next(&mut follower).await, Update::Snapshot, "{method}: {name}");
            assert_eq!(numbers(follower.state()), [1, 2], "{method}: {name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_xapi_forgot_is_replaced_and_one_that_it_knows_is_kept() {
    for (accident, logins) in [(failure(&["SESSION_INVALID", "OpaqueRef:session-1"]), 2), (Answer::Close, 1)] {
        let server = Server::xapi(vec![first_snapshot(), accident, first_snapshot()], NOTHING_ELSE);
        let mut follower = follower(&server);
        next(&mut follower).await;
        next(&mut follower).await;
        assert_eq!(server.calls("session.login_with_password").len(), logins);
        assert_eq!(server.calls("host.get_by_uuid").len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_restarted_xapi_that_forgot_the_session_is_not_waited_for() {
    let mut lookups = 0;
    let server = Server::xapi(vec![first_snapshot(), Answer::Close, first_snapshot()], move |request| {
        lookups += u32::from(request.method == "host.get_by_uuid");
        (request.method == "host.get_by_uuid" && lookups == 2)
            .then(|| failure(&["SESSION_INVALID", "OpaqueRef:session-1"]))
    });
    let mut follower = follower(&server);
    next(&mut follower).await;
    let began = Instant::now();
    assert_eq!(next(&mut follower).await, Update::Snapshot);
    assert!(began.elapsed() < FIRST_PAUSE / 2, "{:?}", began.elapsed());
    assert_eq!(server.calls("session.login_with_password").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_xapi_that_knows_no_session_is_asked_less_and_less() {
    let server = Server::xapi(vec![], |request| {
        (request.method == "host.get_by_uuid").then(|| failure(&["SESSION_INVALID", "OpaqueRef:session"]))
    });
    let mut follower = follower(&server);
    assert!(timeout(Duration::from_secs(600), follower.next()).await.is_err());
    let logins = server.calls("session.login_with_password").len();
    assert!((30..=150).contains(&logins), "{logins}");
}

#[tokio::test(start_paused = true)]
async fn xapi_may_be_absent_at_first_and_while_it_restarts() {
    let server = Server::xapi(vec![], NOTHING_ELSE);
    let mut follower = follower(&server);
    let socket = server.socket();
    let away = socket.with_extension("away");
    std::fs::rename(&socket, &away).unwrap();
    assert!(timeout(Duration::from_secs(120), follower.next()).await.is_err());
    assert_eq!(server.requests().len(), 0);

    std::fs::remove_file(&away).unwrap();
    drop(server);
    let folder = tempfile::tempdir().unwrap();
    let mut follower = Follower::new(&folder.path().join("xapi"), follower.host_uuid.clone());
    assert!(timeout(Duration::from_secs(120), follower.next()).await.is_err());
    let later = Server::xapi(vec![first_snapshot()], NOTHING_ELSE);
    std::os::unix::fs::symlink(later.socket(), folder.path().join("xapi")).unwrap();
    assert_eq!(next(&mut follower).await, Update::Snapshot);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_closed_between_two_polls_starts_everything_over() {
    let server = Server::xapi(
        vec![Answer::BodyThenClose(success_body(&batch_value("1,0", &added(1)))), batch("7,0", &added(2))],
        NOTHING_ELSE,
    );
    let mut follower = follower(&server);
    next(&mut follower).await;
    assert_eq!(next(&mut follower).await, Update::Snapshot);
    assert_eq!(numbers(follower.state()), [2]);
    assert_eq!(tokens(&server)[..2], ["", ""]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_closed_before_a_record_was_fetched_starts_everything_over() {
    let stale = batch_value("2,0", &[event("vm", "mod", "OpaqueRef:vm-1", "")]);
    let server = Server::xapi(
        vec![first_snapshot(), Answer::BodyThenClose(success_body(&stale)), batch("7,0", &added(2))],
        |request| (request.method == "VM.get_record").then(|| success(&vm_record(1, &[("name_label", "other")]))),
    );
    let mut follower = follower(&server);
    next(&mut follower).await;
    assert_eq!(next(&mut follower).await, Update::Snapshot);
    assert_eq!(tokens(&server)[..3], ["", "1,0", ""]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_announces_each_close_is_followed_without_starting_over() {
    let last = |token: &str, events: &[String]| Answer::LastBody(success_body(&batch_value(token, events)));
    let server =
        Server::xapi(vec![last("1,0", &added(1)), last("2,0", &added(2)), last("3,0", &added(3))], NOTHING_ELSE);
    let mut follower = follower(&server);
    next(&mut follower).await;
    next(&mut follower).await;
    next(&mut follower).await;
    assert_eq!(tokens(&server)[..3], ["", "1,0", "2,0"]);
}

/// How many calls of `event.from` reach a server within ten simulated minutes.
async fn polls_in_ten_minutes(answer: Answer) -> usize {
    let server = Server::xapi(vec![answer; 10_000], NOTHING_ELSE);
    let mut follower = follower(&server);
    let following = async {
        loop {
            follower.next().await;
        }
    };
    assert!(timeout(Duration::from_secs(600), following).await.is_err());
    server.calls("event.from").len()
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_waits_is_not_asked_in_a_busy_loop() {
    let polls = polls_in_ten_minutes(batch("1,0", &[])).await;
    assert!((100..=610).contains(&polls), "{polls}");
    let polls = polls_in_ten_minutes(first_snapshot()).await;
    assert!((100..=610).contains(&polls), "{polls}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_always_fails_is_asked_less_and_less() {
    for (name, accident) in accidents() {
        let polls = polls_in_ten_minutes(accident).await;
        assert!((1..=75).contains(&polls), "{name}: {polls}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_fails_after_each_snapshot_is_asked_less_and_less() {
    let pairs = (0..100).flat_map(|_| [first_snapshot(), Answer::Close]).collect();
    let server = Server::xapi(pairs, NOTHING_ELSE);
    let mut follower = follower(&server);
    for _ in 0..20 {
        next(&mut follower).await;
    }
    let snapshots: Vec<Instant> =
        server.calls("event.from").iter().filter(|call| call.params[3].is_empty()).map(|call| call.at).collect();
    assert!(snapshots[1] - snapshots[0] < Duration::from_secs(1));
    assert!(snapshots[19] - snapshots[18] >= Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_changes_is_asked_for_at_intervals() {
    let batches = (2..100).map(|n| {
        batch(
            &format!("{n},0"),
            &[event("vm", "mod", "OpaqueRef:vm-1", &vm_record(1, &[("name_label", &n.to_string())]))],
        )
    });
    let server = Server::xapi(std::iter::once(first_snapshot()).chain(batches).collect(), NOTHING_ELSE);
    let mut follower = follower(&server);
    let began = Instant::now();
    for _ in 1..100 {
        next(&mut follower).await;
    }
    assert!(began.elapsed() >= POLL_INTERVAL * 97, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_xapi_forgot_is_found_by_its_count_but_not_looked_for_all_the_time() {
    let counted = |token: &str| {
        success(&record(&[
            ("events", "<array><data/></array>"),
            ("valid_ref_counts", &record(&[("vm", "<i4>1</i4>"), ("vm_guest_metrics", "<i4>1</i4>")])),
            ("token", token),
        ]))
    };
    let server = Server::xapi(
        vec![
            first_snapshot(),
            counted("2,0"),
            first_snapshot(),
            counted("4,0"),
            counted("5,0"),
            batch("6,0", &added(3)),
        ],
        NOTHING_ELSE,
    );
    let mut follower = follower(&server);
    for _ in 0..3 {
        next(&mut follower).await;
    }
    assert_eq!(tokens(&server)[..6], ["", "1,0", "", "1,0", "4,0", "5,0"]);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_wait_does_not_lose_a_change() {
    let late = Answer::After(Duration::from_secs(5), Box::new(batch("2,0", &added(3))));
    let server = Server::xapi(vec![first_snapshot(), late, batch("3,0", &[added(1), added(3)].concat())], NOTHING_ELSE);
    let mut follower = follower(&server);
    next(&mut follower).await;
    assert!(timeout(Duration::from_secs(1), follower.next()).await.is_err());
    assert_eq!(next(&mut follower).await, Update::Snapshot);
    assert_eq!(numbers(follower.state()), [1, 3]);
}

#[tokio::test(start_paused = true)]
async fn logging_out_is_bounded_in_time() {
    let server =
        Server::xapi(vec![first_snapshot()], |request| (request.method == "session.logout").then_some(Answer::Hang));
    let mut follower = follower(&server);
    next(&mut follower).await;
    let began = Instant::now();
    follower.close().await;
    assert!(began.elapsed() <= Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(server.calls("session.logout").len(), 1);
}
