//! VMs, servers and engines that vanish in the middle: one clear line, the right exit code, in bounded time.

use std::time::Duration;

use lab::guests::Vm;

use crate::lab::{Lab, Piped, run, said};

/// Longer than the 10 s after which a link is dead.
const NOTICED: Duration = Duration::from_secs(25);

#[track_caller]
fn vanishes(what: impl Fn(&Vm), words: &str) {
    for (command, arguments, wanted) in [
        ("logs", &["-f", "web/box"][..], 4),
        ("attach", &["web/box"], 4),
        ("exec", &["-i", "web/box", "sh", "-c", "echo tick; cat"], 125),
        ("events", &["web", "--since", "1h"], 4),
    ] {
        let (lab, guest, _vm) = Lab::web();
        run(&guest, "box", &[], "while :; do echo tick; sleep 0.1; done");
        let mut stream = Piped::start(lab.command(command, arguments));
        stream.read_until(if command == "events" { " start " } else { "tick\n" });
        what(&guest);
        let (_, stderr, code) = said(&stream.finish_within(NOTICED));
        assert_eq!(code, Some(wanted), "{command}: {stderr}");
        assert!(stderr.contains(words), "{command}: {stderr}");
        assert!(stderr.lines().count() <= 2, "{command}: {stderr}");
    }
}

#[test]
fn a_server_that_ends_is_told() {
    vanishes(Vm::end_ssh_sessions, "the connection to");
}

#[test]
fn a_vm_that_falls_silent_is_told() {
    vanishes(Vm::drop_packets, "the connection to");
}

#[test]
fn an_engine_that_ends_is_told() {
    vanishes(Vm::kill_engine, "the engine");
}

#[test]
fn the_terminal_is_given_back_when_the_vm_is_lost() {
    let (lab, guest, _vm) = Lab::web();
    run(&guest, "box", &[], "sleep 1000");
    let mut terminal = lab.at_terminal("exec", &["-it", "web/box", "sh"]);
    terminal.expect("# ");
    guest.end_ssh_sessions();
    let ended = terminal.finish();
    assert_eq!((ended.code, ended.echoing), (Some(125), true), "{}", ended.text);
    assert!(ended.text.contains("what became of the command is not known: "), "{}", ended.text);
}
