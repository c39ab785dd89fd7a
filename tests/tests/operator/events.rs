//! `xscontainer events`: what `docker events` tells in the guest.

use std::time::Instant;

use lab::guests::Vm;

use crate::lab::{Lab, Piped, SOON, run, said, until_state};

#[test]
fn past_events_are_those_that_docker_tells() {
    let (lab, guest, _vm) = Lab::web();
    run(&guest, "one", &["--label", "odd=a\nb\u{1b}[2J"], "true");
    run(&guest, "two", &[], "true");
    until_state(&guest, "two", "exited");
    until_state(&guest, "one", "exited");
    // Events are told a moment after the state has changed.
    until_told(&guest, &["one", "two"], "die");
    for (ours, theirs) in [
        (&["web", "--format", "json"][..], &["--format", "{{json .}}"][..]),
        (&["web/one", "--format", "json"], &["--format", "{{json .}}", "--filter", "container=one"]),
        (&["web", "--filter", "event=die"], &["--filter", "event=die", "--filter", "container=two"]),
    ] {
        let range = ["--since", "1h", "--until", "0s"];
        let two = if theirs.len() == 4 && theirs[1] == "event=die" { &["--filter", "container=two"][..] } else { &[] };
        let output = lab.output("events", &[ours, &range[..], two].concat());
        let docker = guest.docker_command().arg("events").args(theirs).args(range).output().unwrap();
        assert!(!docker.stdout.is_empty());
        match theirs[0] {
            "--format" => {
                let parsed = |text: &[u8]| -> Vec<serde_json::Value> {
                    let text = std::str::from_utf8(text).unwrap();
                    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
                };
                // The client's own form leaves out what is empty.
                let essence = |event: &serde_json::Value| {
                    (event["Action"].clone(), event["Actor"].clone(), event["timeNano"].clone())
                };
                let (ours, theirs) = (parsed(&output.stdout), parsed(&docker.stdout));
                assert_eq!(
                    ours.iter().map(essence).collect::<Vec<_>>(),
                    theirs.iter().map(essence).collect::<Vec<_>>()
                );
            }
            _ => assert_eq!(said(&output), said(&docker)),
        }
    }
    let (words, ..) = said(&lab.output("events", &["web/one", "--since", "1h", "--until", "0s"]));
    assert!(words.contains("odd=a^Jb^[[2J"), "{words}");
}

/// Waits until the engine has told this event of each of the containers.
fn until_told(guest: &Vm, containers: &[&str], event: &str) {
    let end = Instant::now() + SOON;
    let range = ["events", "--since", "1h", "--until", "0s", "--filter"];
    let told = |name: &str| {
        let told = guest.docker_command().args(range).arg(format!("container={name}")).output().unwrap();
        String::from_utf8_lossy(&told.stdout).contains(&format!(" container {event} "))
    };
    while !containers.iter().all(|name| told(name)) {
        assert!(Instant::now() < end, "no event {event} of {containers:?}");
    }
}

#[test]
fn events_come_as_they_happen() {
    let (lab, guest, _vm) = Lab::web();
    run(&guest, "box", &[], "sleep 1000");
    let mut events = Piped::start(lab.command("events", &["-f", "web/box", "--since", "1h"]));
    assert!(events.read_until("\n").contains(" container create "));
    assert!(events.read_until("\n").contains(" container start "));
    guest.docker(&["pause", "box"]);
    assert!(events.read_until("\n").contains(" container pause "));
    guest.docker(&["unpause", "box"]);
    assert!(events.read_until("\n").contains(" container unpause "));
    guest.stop_engine();
    events.read_until("container die");
    let (_, stderr, code) = said(&events.finish());
    assert_eq!(code, Some(4), "{stderr}");
    assert!(stderr.contains("the engine closed the connection"), "{stderr}");
}
