//! The replay engine passes for a dockerd: with docker's own client, and beside a real one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;
use std::{env, fs, thread};

use lab::guests::{Network, Replay, Vm};
use lab::tools::{command, outcome};
use serde_json::Value;

use crate::{Running, get, wait_until};

/// Makes the real engine do everything that the replay engine can replay.
fn live_through_everything(vm: &Vm) {
    vm.run("running", &["sleep", "1000"]);
    vm.run("paused", &["sleep", "1000"]);
    for change in ["pause", "unpause", "pause"] {
        vm.docker(&[change, "paused"]);
    }
    vm.run("exited", &["false"]);
    vm.docker(&["wait", "exited"]);
    vm.docker(&["create", "--network", "none", "--name", "created", "lab/busybox:1", "sleep", "1"]);
    vm.run("gone", &["sleep", "1000"]);
    vm.docker(&["rename", "gone", "leaving"]);
    vm.docker(&["stop", "-t", "0", "leaving"]);
    vm.docker(&["start", "leaving"]);
    vm.docker(&["exec", "leaving", "true"]);
    vm.docker(&["top", "leaving"]);
    vm.docker(&["restart", "-t", "0", "leaving"]);
    vm.docker(&["kill", "leaving"]);
    vm.docker(&["wait", "leaving"]);
    vm.docker(&["rm", "leaving"]);
}

/// The same with the replay engine.
fn replay_everything(vm: &Vm) {
    let engine = vm.replayed();
    for name in ["paused", "exited", "gone"] {
        engine.create(name);
        engine.start(name);
    }
    engine.create("created");
    engine.pause("paused");
    engine.unpause("paused");
    engine.pause("paused");
    engine.stop("exited");
    engine.rename("gone", "leaving");
    engine.stop("leaving");
    act(vm, "POST", "/containers/leaving/start");
    act(vm, "GET", "/containers/leaving/top");
    act(vm, "POST", "/containers/leaving/restart");
    engine.stop("leaving");
    engine.destroy("leaving");
}

/// Every path of keys in a document, with the kind of value that is there.
fn shape(value: &Value, at: &str, shapes: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| shape(value, &format!("{at}/{key}"), shapes)),
        Value::Array(list) => list.iter().for_each(|value| shape(value, &format!("{at}/*"), shapes)),
        Value::String(_) => drop(shapes.insert(format!("{at} text"))),
        Value::Number(_) => drop(shapes.insert(format!("{at} number"))),
        Value::Bool(_) => drop(shapes.insert(format!("{at} switch"))),
        Value::Null => drop(shapes.insert(format!("{at} null"))),
    }
}

fn shapes<'a>(values: impl IntoIterator<Item = &'a Value>) -> BTreeSet<String> {
    let mut shapes = BTreeSet::new();
    values.into_iter().for_each(|value| shape(value, "", &mut shapes));
    shapes
}

fn events(vm: &Vm, since: &str) -> String {
    let until = vm.script("date +%s.%N");
    get(vm, &format!("/events?since={since}&until={}", until.trim()))
}

/// Shapes by type and action.
fn event_shapes(lines: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut all = BTreeMap::new();
    for line in lines.lines() {
        let event: Value = serde_json::from_str(line).expect("an event is JSON");
        all.entry(format!("{} {}", event["Type"], event["Action"])).or_insert_with(|| shapes([&event]));
    }
    all
}

/// Asks an engine to do something; its status, and its words with the id of the container's made its name.
fn act(vm: &Vm, method: &str, path: &str) -> String {
    let mut curl = command("curl", ["-s", "-m", "30", "-w", " %{http_code}", "-X", method, "--unix-socket"]);
    let said = outcome(curl.arg(vm.socket()).arg(format!("http://docker{path}"))).text;
    said.split(' ').map(|word| if word.len() == 64 { "ID" } else { word }).collect::<Vec<_>>().join(" ")
}

#[test]
fn what_is_done_to_a_container_ends_as_with_a_real_dockerd() {
    let (network, replay) = (Network::new(), Replay::start());
    let real = network.vm("real").dockerd();
    let replayed = network.vm("replayed").replay(&replay, 0);
    let id = real.run("web", &["sleep", "1000"]);
    replayed.replayed().create("web");
    replayed.replayed().start("web");
    assert_eq!(act(&real, "POST", &format!("/containers/{}/pause", &id[..10])), " 204", "a short id is enough");
    let other = get(&replayed, "/containers/web/json");
    let other = other.split('"').nth(3).unwrap();
    assert_eq!(act(&replayed, "POST", &format!("/containers/{}/pause", &other[..10])), " 204");
    let steps = [
        "pause", "start", "top", "unpause", "unpause", "start", "stop", "stop", "pause", "unpause", "top", "start",
        "pause", "restart", "top", "pause", "stop", "restart", "start", "nothing",
    ];
    for (at, verb) in steps.into_iter().enumerate() {
        let method = if verb == "top" { "GET" } else { "POST" };
        let ask = |vm: &Vm| act(vm, method, &format!("/v1.41/containers/web/{verb}"));
        let (theirs, ours) = (ask(&real), ask(&replayed));
        match verb == "top" && theirs.ends_with(" 200") {
            true => assert!(ours.ends_with(" 200"), "step {at}: {ours}"),
            false => assert_eq!(theirs, ours, "step {at}: {verb}"),
        }
        let state = |vm: &Vm| vm.docker(&["inspect", "--format", "{{.State.Status}} {{.State.Running}}", "web"]);
        assert_eq!(state(&real), state(&replayed), "step {at}: {verb}");
    }
    for path in ["/containers/nobody/stop", "/containers/nobody/start"] {
        assert_eq!(act(&real, "POST", path), act(&replayed, "POST", path));
    }
}

/// With `LAB_RECORD=1` in the environment, what the replay engine knows is recorded anew.
#[test]
fn like_a_real_dockerd() {
    let (network, replay) = (Network::new(), Replay::start());
    let real = network.vm("real").dockerd();
    let since = real.script("date +%s.%N").trim().to_owned();
    live_through_everything(&real);
    if env::var_os("LAB_RECORD").is_some() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/guests/replies");
        let lists = [("version.json", "/version"), ("info.json", "/info"), ("list.json", "/containers/json?all=1")];
        let one = [("inspect.json", "/containers/running/json"), ("top.json", "/containers/running/top")];
        let stats = [("stats.json", "/v1.41/containers/running/stats?stream=0&one-shot=1")];
        for (file, path) in lists.into_iter().chain(one).chain(stats) {
            fs::write(folder.join(file), get(&real, path)).unwrap();
        }
        fs::write(folder.join("events.jsonl"), events(&real, &since)).unwrap();
        panic!("recorded; run again without LAB_RECORD");
    }
    let replayed = network.vm("replayed").replay(&replay, 1);
    replay_everything(&replayed);

    let of_all = ["/version", "/info", "/v1.41/containers/json?all=1", "/containers/json", "/v1.18/containers/json"];
    let stats = "/v1.41/containers/paused/stats?stream=0&one-shot=1";
    let of_one = ["/containers/paused/json", "/containers/paused/top", stats];
    for path in of_all.into_iter().chain(of_one) {
        let read = |vm: &Vm| {
            let mut said: Value = serde_json::from_str(&get(vm, path)).unwrap();
            // They are about the machine that the tests run on.
            said.as_object_mut().map(|members| members.remove("Warnings"));
            said
        };
        let (real, replayed) = (read(&real), read(&replayed));
        assert_eq!(shapes([&real]), shapes([&replayed]), "{path}");
    }
    let states = |vm: &Vm| vm.docker(&["ps", "-a", "--format", "{{.State}} {{.Command}}"]).lines().count();
    assert_eq!(states(&real), states(&replayed));
    let (real_events, replayed_events) = (event_shapes(&events(&real, &since)), event_shapes(&events(&replayed, "1")));
    assert!(replayed_events.len() >= 11, "{:?}", replayed_events.keys());
    for (name, shape) in replayed_events {
        assert_eq!(real_events.get(&name), Some(&shape), "{name}");
    }
    for path in ["/_ping", "/version", "/containers/json?all=1", "/nothing", "/v1.99/version"] {
        let head = |vm: &Vm| {
            let mut curl = command("curl", ["-s", "-D", "-", "-o", "/dev/null", "--unix-socket"]);
            let said = outcome(curl.arg(vm.socket()).arg(format!("http://docker{path}"))).text;
            said.lines().next().unwrap_or_default().to_owned()
        };
        assert_eq!(head(&real), head(&replayed), "{path}");
    }
}

#[test]
fn dockers_client_sees_changes() {
    let (network, replay) = (Network::new(), Replay::start());
    let vm = network.vm("web").replay(&replay, 3);
    let engine = vm.replayed();
    let list = ["ps", "-a", "--format", "{{.Names}} {{.State}}"];
    assert_eq!(vm.docker(&list), "c2 running\nc1 running\nc0 running\n");
    let mut follow = vm.docker_command();
    follow.args(["events", "--format", "{{.Action}} {{.Actor.Attributes.name}}"]);
    let file = vm.file("/tmp/events");
    let _follow = Running::start(follow.stdin(Stdio::null()).stdout(fs::File::create(&file).unwrap()));
    wait_until("docker follows", || engine.subscribers() == 1);
    engine.pause("c1");
    engine.stop("c2");
    engine.rename("c0", "zero");
    engine.create("new");
    let expected = "pause c1\nkill c2\ndie c2\ndisconnect none\nstop c2\nrename zero\ncreate new\n";
    wait_until("docker saw the events", || fs::read_to_string(&file).unwrap() == expected);
    assert_eq!(vm.docker(&list), "new created\nc2 exited\nc1 paused\nzero running\n");
}

#[test]
fn bursts_and_ticks_are_counted() {
    let (network, replay) = (Network::new(), Replay::start());
    let vm = network.vm("web").replay(&replay, 20);
    let engine = vm.replayed();
    let since = format!("http://docker/events?since={}", vm.script("date +%s").trim());
    let mut follow = command("curl", ["-s", "-N", "--unix-socket"]);
    let file = vm.file("/tmp/events");
    let output = fs::File::create(&file).unwrap();
    let _follow = Running::start(follow.arg(vm.socket()).arg(since).stdout(output));
    wait_until("curl follows", || engine.subscribers() == 1);
    engine.burst(1000);
    let lines = || fs::read_to_string(&file).unwrap().lines().count();
    wait_until("all events of the burst came", || lines() == 1000);
    assert!(engine.containers().iter().all(|(_, state)| state == "running"), "each was toggled 50 times");
    engine.tick_every(10, 0);
    wait_until("ticks came", || lines() > 1005);
    let ticks = engine.stop_ticks();
    wait_until("all ticks came", || lines() == 1000 + ticks.len());
    let text = fs::read_to_string(&file).unwrap();
    assert!(ticks.iter().all(|tick| text.contains(&tick.name) && text.contains(&tick.nanoseconds.to_string())));
    assert_eq!(engine.requests().get("/events"), Some(&1));
    assert_eq!(engine.list_requests(), 0);
    get(&vm, "/v1.30/containers/json?all=1");
    assert_eq!(engine.list_requests(), 1);
}

#[test]
fn connections_are_kept_and_a_closed_engine_ends_them() {
    let (network, replay) = (Network::new(), Replay::start());
    let vm = network.vm("web").replay(&replay, 20);
    let url = |path: &str| format!("http://docker{path}");
    let mut curl =
        command("curl", ["-s", "-v", "-o", "/dev/null", "-o", "/dev/null", "-o", "/dev/null", "--unix-socket"]);
    let said = outcome(curl.arg(vm.socket()).args([url("/info"), url("/containers/json"), url("/_ping")]));
    assert_eq!(said.text.matches("Re-using existing connection").count(), 2, "{}", said.text);
    let mut follow = command("curl", ["-s", "-N", "-o", "/dev/null", "--unix-socket"]);
    let mut follow = Running::start(follow.arg(vm.socket()).arg(url("/events")));
    wait_until("curl follows", || vm.replayed().subscribers() == 1);
    vm.stop_engine();
    wait_until("curl is cut off", || follow.0.try_wait().unwrap().is_some());
    assert!(!outcome(vm.docker_command().arg("ps")).success);
    vm.start_engine();
    assert_eq!(vm.docker(&["ps", "-q"]).lines().count(), 20);
}

#[test]
fn many_vms_have_an_sshd_and_an_engine_each() {
    let (network, replay) = (Network::new(), Replay::start());
    let key = crate::Key::new();
    let start = |number: usize| {
        let vm = network.vm(&format!("vm{number}")).ssh_light().replay(&replay, number);
        vm.authorize(&key.public());
        vm
    };
    let vms: Vec<Vm> = thread::scope(|scope| {
        let threads: Vec<_> = (1..=24).map(|number| scope.spawn(move || start(number))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (number, vm) in (1..).zip(&vms) {
        assert_eq!(vm.docker(&["ps", "-q"]).lines().count(), number);
    }
    assert_eq!(key.in_guest(&vms[23], "hostname").stdout, b"vm24\n");
}
