//! `xscontainer logs` prints what `docker logs` prints in the guest.

use std::fs::File;
use std::process::Stdio;

use lab::terminal::Terminal;

use crate::lab::{Lab, MEMORY_BOUND_KIB, Piped, SOON, drain, run, said, text, until_printed, until_state};

/// Prints three lines to each stream, with the times between them told apart.
const PRINTS: &str =
    "for n in 1 2 3; do echo out $n; sleep 0.3; echo err $n >&2; sleep 0.3; done; echo end; sleep 1000";

#[test]
fn a_log_is_what_docker_prints_in_the_guest_for_the_same_options() {
    let (lab, guest, _vm) = Lab::web();
    run(&guest, "plain", &[], PRINTS);
    run(&guest, "tty", &["--tty"], PRINTS);
    for name in ["plain", "tty"] {
        until_printed(&guest, name, "end");
        let stamped = guest.docker(&["logs", "--timestamps", name]);
        let second = stamped.lines().find(|line| line.contains("out 2")).unwrap().split(' ').next().unwrap().to_owned();
        for options in [
            &[][..],
            &["--tail", "2"],
            &["-n", "0"],
            &["--tail", "all"],
            &["--tail", "-1"],
            &["--timestamps"],
            &["-t", "--tail", "3"],
            &["--since", &second],
            &["--until", &second],
            &["--since", "1h"],
            &["--until", "1h"],
            &["--since", "0", "--until", &second, "--timestamps"],
        ] {
            let target = format!("web/{name}");
            let ours = lab.output("logs", &[options, &[&target]].concat());
            let theirs = guest.docker_command().arg("logs").args(options).arg(name).output().unwrap();
            assert_eq!(said(&ours), said(&theirs), "{name} {options:?}");
        }
    }
    let (stdout, stderr, _) = said(&lab.output("logs", &["web/plain"]));
    assert_eq!((&*stdout, &*stderr), ("out 1\nout 2\nout 3\nend\n", "err 1\nerr 2\nerr 3\n"));
}

#[test]
fn a_log_is_followed_until_the_container_ends() {
    let (lab, guest, vm) = Lab::web();
    run(&guest, "box", &["--interactive"], "echo first; read line; echo second $line; read line");
    let id = guest.docker(&["inspect", "--format", "{{.Id}}", "box"]);
    let target = format!("{}/{}", lab.xapi.get(&vm, "uuid").unwrap().text().unwrap(), &id[..12]);
    let mut follows = Piped::start(lab.command("logs", &["-f", &target]));
    assert_eq!(follows.read_until("\n"), "first\n");
    let mut attached = guest.docker_command();
    let mut attached = Piped::start({
        attached.args(["attach", "box"]);
        attached
    });
    attached.write("line\n");
    assert_eq!(follows.read_until("\n"), "second line\n");
    attached.write("\n");
    assert_eq!(said(&follows.finish()), (String::new(), String::new(), Some(0)));
    attached.finish();
}

#[test]
fn a_reader_that_has_enough_ends_it_quietly() {
    let (lab, guest, _vm) = Lab::web();
    run(&guest, "silent", &[], "echo first; sleep 1000");
    run(&guest, "loud", &[], "exec busybox yes");
    for name in ["silent", "loud"] {
        until_printed(&guest, name, if name == "silent" { "first" } else { "y" });
        let line = format!("x logs -f web/{name} | head -n 1; echo ${{PIPESTATUS[0]}}");
        let first = if name == "silent" { "first" } else { "y" };
        assert_eq!(said(&lab.in_shell(&line)), (format!("{first}\n141\n"), String::new(), Some(0)), "{name}");
        guest.docker(&["kill", name]);
    }
}

#[test]
fn a_full_disk_is_told() {
    let (lab, guest, _vm) = Lab::web();
    run(&guest, "box", &[], "echo first; sleep 1000");
    until_printed(&guest, "box", "first");
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = lab.command("logs", &["-f", "web/box"]).stdin(Stdio::null()).stdout(full).output().unwrap();
    let (_, stderr, code) = said(&output);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("cannot write the output: No space left on device"), "{stderr}");
}

/// How often the piece is in the line of 11 MB.
const PIECES: usize = 500_000;

#[test]
fn a_line_of_ten_megabytes_is_intact_in_a_pipe_harmless_at_a_terminal_and_never_in_memory() {
    let (lab, guest, _vm) = Lab::web();
    // 22 bytes each: a title, a cleared screen. ASCII, because Docker cuts long lines anywhere, and replaces what it has cut.
    let piece = r"\033]0;owned\007\033[2Jabcdefgh";
    let script =
        format!("busybox yes \"$(busybox printf '{piece}')\" | busybox head -n {PIECES} | busybox tr -d '\\n'");
    run(&guest, "box", &[], &script);
    until_state(&guest, "box", "exited");
    let theirs = guest.docker_command().args(["logs", "box"]).output().unwrap().stdout;
    assert_eq!(theirs.len(), PIECES * 22);
    let (ours, peak, code) = drain(&mut lab.command("logs", &["web/box"]));
    assert_eq!(code, Some(0));
    assert!(ours == theirs, "{} bytes of {}", ours.len(), theirs.len());
    assert!(peak < MEMORY_BOUND_KIB, "{peak} KiB");

    let mut terminal = Terminal::start_sized(lab.command("logs", &["web/box"]), 20, 10);
    terminal.expect_within(SOON, "^[]0;owned^G^[[2J");
    let ended = terminal.finish_within(6 * SOON);
    assert_eq!(ended.code, Some(0));
    assert_eq!(ended.text, "^[]0;owned^G^[[2Jabcdefgh".repeat(PIECES), "every piece is written out");
    assert!(ended.screen.lines().all(|line| line.chars().count() <= 20));
}

#[test]
fn what_is_not_there_is_told_apart() {
    let (lab, _guest, vm) = Lab::web();
    for (target, wanted) in [
        ("web/nobody", "No such container: nobody"),
        ("nowhere/c", "there is no VM with the name or uuid \"nowhere\""),
        ("web/a b", "\"a b\" cannot be a container"),
    ] {
        let (stdout, stderr, code) = said(&lab.output("logs", &[target]));
        assert_eq!((&*stdout, code), ("", Some(3)), "{stderr}");
        assert!(stderr.contains(wanted), "{stderr}");
    }
    lab.xapi.set(&vm, "power_state", "Halted").unwrap();
    let (_, stderr, code) = said(&lab.output("logs", &["web/box"]));
    assert_eq!(
        (&*stderr, code),
        ("xscontainer: the VM \"web\" does not run, it is halted\n  Start the VM.\n", Some(3))
    );
    let (_, stderr, code) = said(&lab.output("logs", &["--since", "yesterday", "web/box"]));
    assert_eq!(code, Some(2));
    assert!(stderr.contains("is no time"), "{stderr}");
}

#[test]
fn a_reader_that_pauses_for_long_gets_all_of_it() {
    let (lab, guest, _vm) = Lab::web();
    run(&guest, "box", &[], "busybox seq 1 200000; echo end");
    until_state(&guest, "box", "exited");
    // Longer than the 10 s after which a link is dead that says nothing.
    let output = lab.in_shell("x logs web/box | { sleep 13; cksum; }; echo ${PIPESTATUS[0]}");
    let theirs = guest.docker_command().args(["logs", "box"]).output().unwrap().stdout;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &theirs).unwrap();
    let sum = std::process::Command::new("cksum").stdin(File::open(file.path()).unwrap()).output().unwrap();
    assert_eq!(text(&output.stdout), format!("{}0\n", text(&sum.stdout)), "{}", text(&output.stderr));
}
