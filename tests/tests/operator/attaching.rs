//! `xscontainer attach`: a container's own terminal, or its pipes.

use lab::tools::{command, succeed};

use crate::lab::{Lab, Piped, run, said, until_printed, until_state};

#[test]
fn a_terminal_is_attached_and_left_by_the_detach_keys() {
    let (lab, guest, _vm) = Lab::web();
    run(&guest, "box", &["--interactive", "--tty"], "exec sh");
    for keys in [None, Some("ctrl-a,z")] {
        let options = keys.map_or(vec![], |keys| vec!["--detach-keys", keys]);
        let mut terminal = lab.at_terminal("attach", &[&options[..], &["web/box"]].concat());
        terminal.expect_echo(false);
        terminal.send_line("echo $((40 + 2))");
        terminal.expect("42\n");
        terminal.expect("# ");
        terminal.send_line("until [ \"$(busybox stty size)\" = '24 80' ]; do sleep 0.05; done; echo si''zed");
        terminal.expect("sized\n");
        terminal.resize(90, 20);
        terminal.send_line("until [ \"$(busybox stty size)\" = '20 90' ]; do sleep 0.05; done; echo resi''zed");
        terminal.expect("resized\n");
        terminal.expect("# ");
        terminal.send(if keys.is_none() { "\x10\x11" } else { "\x01z" });
        let ended = terminal.finish();
        assert_eq!((ended.code, ended.echoing), (Some(0), true), "{}", ended.text);
        assert!(ended.text.ends_with("read escape sequence\n"), "{}", ended.text);
    }
    until_state(&guest, "box", "running");
    let mut terminal = lab.at_terminal("attach", &["web/box"]);
    terminal.send_line("exit 9");
    assert_eq!(terminal.finish().code, Some(9), "the container's own exit code");
    until_state(&guest, "box", "exited");
}

#[test]
fn both_streams_come_and_the_exit_code_is_the_containers_even_if_it_goes_by_itself() {
    let (lab, guest, _vm) = Lab::web();
    run(&guest, "box", &["--interactive", "--rm"], "read line; echo out $line; echo err $line >&2; exit 5");
    let mut attached = Piped::start(lab.command("attach", &["web/box"]));
    attached.write("word\n");
    // Docker closes the outputs of such a container for whoever closes its input.
    let _open = attached.child.stdin.take();
    assert_eq!(said(&attached.finish()), ("out word\n".to_owned(), "err word\n".to_owned(), Some(5)));
}

#[test]
fn signals_reach_a_container_without_a_terminal() {
    let (lab, guest, _vm) = Lab::web();
    let script = "trap 'echo got int' INT; trap 'echo got usr1' USR1; trap 'echo got term; exit 6' TERM; echo begun
        while :; do sleep 0.05; done";
    run(&guest, "box", &[], script);
    until_printed(&guest, "box", "begun");
    let mut terminal = lab.at_terminal("attach", &["web/box"]);
    // What it does not pass on would end it.
    let passed = |terminal: &mut lab::terminal::Terminal, send: &dyn Fn(&mut lab::terminal::Terminal), wanted: &str| {
        send(terminal);
        terminal.expect(wanted);
    };
    until_attached(&guest);
    passed(&mut terminal, &|terminal| terminal.press_ctrl_c(), "got int");
    let signal = |name: &'static str| {
        move |process: u32| drop(succeed(&mut command("kill", ["-s", name, &process.to_string()])))
    };
    passed(&mut terminal, &|_| signal("USR1")(lab.process("attach")), "got usr1");
    passed(&mut terminal, &|_| signal("TERM")(lab.process("attach")), "got term");
    assert_eq!(terminal.finish().code, Some(6));
}

/// Waits until the engine has told of an attachment.
fn until_attached(guest: &lab::guests::Vm) {
    let end = std::time::Instant::now() + crate::lab::SOON;
    while !guest.docker(&["events", "--since", "1h", "--until", "0s", "--filter", "event=attach"]).contains(" attach ")
    {
        assert!(std::time::Instant::now() < end, "nobody is attached");
    }
    // The signals are heard from before the request on.
}

#[test]
fn a_third_ctrl_c_ends_the_command_alone() {
    let (lab, guest, _vm) = Lab::web();
    run(&guest, "box", &[], "trap 'echo got int' INT; echo begun; while :; do sleep 0.05; done");
    until_printed(&guest, "box", "begun");
    let mut terminal = lab.at_terminal("attach", &["web/box"]);
    until_attached(&guest);
    for _ in 0..2 {
        terminal.press_ctrl_c();
        terminal.expect("got int");
    }
    terminal.press_ctrl_c();
    assert_eq!(terminal.finish().code, Some(130));
    until_state(&guest, "box", "running");
}

#[test]
fn without_sig_proxy_ctrl_c_ends_the_command_alone() {
    let (lab, guest, _vm) = Lab::web();
    run(&guest, "box", &[], "echo begun; while :; do echo tick; sleep 0.05; done");
    let mut terminal = lab.at_terminal("attach", &["--sig-proxy=false", "web/box"]);
    terminal.expect("tick");
    terminal.press_ctrl_c();
    assert_eq!(terminal.finish().status.to_string(), "signal: 2 (SIGINT)");
    until_state(&guest, "box", "running");
}

#[test]
fn without_stdin_it_only_shows() {
    let (lab, guest, _vm) = Lab::web();
    run(&guest, "box", &["--interactive", "--tty"], "while :; do echo tick; sleep 0.05; done");
    let mut attached = Piped::start(lab.command("attach", &["--no-stdin", "web/box"]));
    attached.read_until("tick\r\n");
    guest.docker(&["kill", "box"]);
    assert_eq!(attached.finish().status.code(), Some(137));
}

#[test]
fn what_cannot_be_attached_to_is_told() {
    let (lab, guest, _vm) = Lab::web();
    run(&guest, "ended", &[], "true");
    run(&guest, "paused", &[], "sleep 1000");
    run(&guest, "tty", &["--interactive", "--tty"], "sleep 1000");
    guest.docker(&["pause", "paused"]);
    until_state(&guest, "ended", "exited");
    for (name, code, words) in [
        ("ended", 3, "the container is not running"),
        ("paused", 3, "the container is paused"),
        ("tty", 2, "the input device is not a TTY"),
        ("nobody", 3, "No such container"),
    ] {
        let (_, stderr, ended) = said(&lab.output("attach", &[&format!("web/{name}")]));
        assert_eq!(ended, Some(code), "{stderr}");
        assert!(stderr.contains(words), "{stderr}");
    }
    guest.docker(&["unpause", "paused"]);
}
