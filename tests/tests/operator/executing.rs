//! `xscontainer exec`: a shell at a terminal, and commands in pipes.

use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::thread;

use lab::terminal::Terminal;
use lab::tools::{command, succeed};
use sha2::{Digest as _, Sha256};

use crate::lab::{Lab, Piped, run, said, until_state};

fn sleeping() -> (Lab, lab::guests::Vm) {
    let (lab, guest, _vm) = Lab::web();
    run(&guest, "box", &[], "sleep 100000");
    (lab, guest)
}

/// What a shell in the container says to a line that is typed.
#[track_caller]
fn typed(terminal: &mut Terminal, line: &str, wanted: &str) {
    terminal.send_line(line);
    terminal.expect(&format!("{line}\n"));
    terminal.expect(&format!("{wanted}\n"));
    terminal.expect("# ");
}

#[test]
fn a_shell_at_a_terminal_is_as_if_it_were_here() {
    let (lab, guest) = sleeping();
    let mut terminal = lab.at_terminal("exec", &["-it", "web/box", "sh"]);
    terminal.expect("# ");
    assert!(!terminal.is_echoing(), "the container's terminal echoes");
    typed(&mut terminal, "busybox stty size", "24 80");
    terminal.resize(100, 30);
    // The shell there may be told a moment later.
    typed(&mut terminal, "until [ \"$(busybox stty size)\" = '30 100' ]; do sleep 0.05; done; echo wide", "wide");
    terminal.send_line("echo begun; sleep 4321");
    terminal.expect("begun\n");
    assert!(guest.docker(&["top", "box"]).contains("sleep 4321"));
    terminal.press_ctrl_c();
    terminal.expect("# ");
    assert!(!guest.docker(&["top", "box"]).contains("sleep 4321"), "Ctrl-C reaches the process");
    typed(&mut terminal, "busybox printf 'a\\033[31mb\\033[0m\\n'", "ab");
    terminal.send_line("exit 7");
    let ended = terminal.finish();
    assert_eq!((ended.code, ended.echoing), (Some(7), true), "{}", ended.text);
}

#[test]
fn the_detach_keys_leave_a_command_running() {
    let (lab, guest) = sleeping();
    for (options, keys, seconds) in
        [(&["-it"][..], "\x10\x11", "1111"), (&["-it", "--detach-keys", "ctrl-x,y"], "\x18y", "2222")]
    {
        let script = format!("echo begun; exec sleep {seconds}");
        let mut terminal = lab.at_terminal("exec", &[options, &["web/box", "sh", "-c", &script]].concat());
        terminal.expect("begun");
        terminal.send(keys);
        let ended = terminal.finish();
        assert_eq!((ended.code, ended.echoing), (Some(0), true), "{}", ended.text);
        assert!(guest.docker(&["top", "box"]).contains(&format!("sleep {seconds}")));
    }
}

#[test]
fn a_key_that_only_begins_the_detach_keys_reaches_the_command() {
    let (lab, _guest) = sleeping();
    let mut terminal = lab.at_terminal(
        "exec",
        &["-it", "web/box", "sh", "-c", "busybox stty raw -echo; echo begun; busybox head -c 3 | busybox od -An -tx1"],
    );
    terminal.expect("begun");
    terminal.send("\x10a\x11");
    terminal.expect("10 61 11");
    assert_eq!(terminal.finish().code, Some(0));
}

#[test]
fn a_signal_gives_the_terminal_back() {
    let (lab, _guest) = sleeping();
    for (signal, code) in [("TERM", 143), ("HUP", 129), ("INT", 130)] {
        let mut terminal = lab.at_terminal("exec", &["-it", "web/box", "sh"]);
        terminal.expect("# ");
        succeed(&mut command("kill", ["-s", signal, &lab.process("exec").to_string()]));
        let ended = terminal.finish();
        assert_eq!((ended.code, ended.echoing), (Some(code), true), "{signal}");
    }
}

#[test]
fn a_megabyte_goes_through_unchanged_and_ends() {
    let (lab, _guest) = sleeping();
    let bytes: Vec<u8> = {
        let mut random = fastrand::Rng::with_seed(7);
        (0..1 << 20).map(|_| random.u8(..)).collect()
    };
    let mut child = lab.command("exec", &["-i", "web/box", "sh", "-c", "cat; echo gone >&2; exit 3"]);
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let sent = bytes.clone();
    let writer = thread::spawn(move || stdin.write_all(&sent));
    let mut received = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut received).unwrap();
    writer.join().unwrap().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(Sha256::digest(&received), Sha256::digest(&bytes), "{} bytes", received.len());
    assert_eq!(said(&output), (String::new(), "gone\n".to_owned(), Some(3)));
}

#[test]
fn streams_are_told_apart_and_nothing_is_read_without_i() {
    let (lab, _guest) = sleeping();
    let line = "echo input | { x exec web/box sh -c 'echo out; echo err >&2; cat' 2>/dev/null; cat; }";
    assert_eq!(said(&lab.in_shell(line)), ("out\ninput\n".to_owned(), String::new(), Some(0)));
    let line = "echo input | x exec -i web/box cat";
    assert_eq!(said(&lab.in_shell(line)), ("input\n".to_owned(), String::new(), Some(0)));
    let line = "x exec web/box busybox yes | head -n 1; echo ${PIPESTATUS[0]}";
    assert_eq!(said(&lab.in_shell(line)), ("y\n141\n".to_owned(), String::new(), Some(0)));
}

#[test]
fn exit_codes_are_the_commands_own_or_dockers() {
    let (lab, guest) = sleeping();
    run(&guest, "ended", &[], "true");
    until_state(&guest, "ended", "exited");
    for (arguments, wanted, words) in [
        (&["web/box", "true"][..], 0, ""),
        (&["web/box", "false"], 1, ""),
        (&["web/box", "sh", "-c", "exit 42"], 42, ""),
        (&["web/box", "sh", "-c", "kill -9 $$"], 137, ""),
        (&["web/ended", "true"], 3, "is not running"),
        (&["web/nobody", "true"], 3, "No such container"),
        (&["nowhere/c", "true"], 3, "there is no VM"),
        (&["-it", "web/box", "true"], 2, "the input device is not a TTY"),
        (&["web/box"], 2, "COMMAND"),
        (&["--detach-keys", "ctrl-é", "web/box", "true"], 2, "is no key"),
    ] {
        let (stdout, stderr, code) = said(&lab.output("exec", arguments));
        assert_eq!(code, Some(wanted), "{arguments:?}: {stdout}{stderr}");
        assert!(format!("{stdout}{stderr}").contains(words), "{arguments:?}: {stdout}{stderr}");
    }
}

#[test]
fn what_cannot_be_run_ends_as_with_docker() {
    let (lab, guest) = sleeping();
    for command in ["-i", "nosuch", "/etc"] {
        let ours = said(&lab.output("exec", &["web/box", command]));
        let theirs = said(&guest.docker_command().args(["exec", "box", command]).output().unwrap());
        assert!(matches!(ours.2, Some(126 | 127)) && ours.0.contains(command), "{ours:?}");
        assert_eq!(ours, theirs);
    }
}

#[test]
fn how_it_runs_is_as_ordered() {
    let (lab, guest) = sleeping();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "# none\nA=file\n\nB=file\n").unwrap();
    let options =
        ["-u", "12:34", "-w", "/etc", "--env-file", file.path().to_str().unwrap(), "-e", "B=given", "-e", "C"];
    let script = "echo $(busybox id -u) $(busybox id -g) $PWD $A $B $C";
    let mut ordered = lab.command("exec", &[&options[..], &["web/box", "sh", "-c", script]].concat());
    let (stdout, stderr, code) = said(&ordered.env("C", "passed").output().unwrap());
    assert_eq!((&*stdout, code), ("12 34 /etc file given passed\n", Some(0)), "{stderr}");
    let capabilities = |options: &[&str]| {
        let arguments = [options, &["web/box", "busybox", "grep", "CapEff", "/proc/self/status"]].concat();
        said(&lab.output("exec", &arguments)).0
    };
    assert_ne!(capabilities(&["--privileged"]), capabilities(&[]));
    assert_eq!(said(&lab.output("exec", &["-d", "web/box", "sleep", "3333"])), (String::new(), String::new(), Some(0)));
    assert!(guest.docker(&["top", "box"]).contains("sleep 3333"));
}

#[test]
fn a_container_that_is_killed_ends_it() {
    let (lab, guest) = sleeping();
    let mut running = Piped::start(lab.command("exec", &["-i", "web/box", "sh", "-c", "echo begun; cat"]));
    running.read_until("begun\n");
    guest.docker(&["kill", "box"]);
    let (_, stderr, code) = said(&running.finish());
    assert_eq!((&*stderr, code), ("", Some(137)));
}

#[test]
fn escape_sequences_of_a_command_without_a_terminal_are_written_out_at_one() {
    let (lab, _guest) = sleeping();
    let mut terminal = lab.at_terminal("exec", &["web/box", "busybox", "printf", "a\\033]0;t\\007b\\n"]);
    terminal.expect("a^[]0;t^Gb\n");
    assert_eq!(terminal.finish().code, Some(0));
}
