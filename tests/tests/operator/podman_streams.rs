//! The same with podman's service in the guest.

use lab::guests::Vm;

use crate::lab::{Lab, Piped, said};

fn run(guest: &Vm, name: &str, options: &[&str], script: &str) {
    let usual = ["create", "--network", "none", "--name", name];
    guest.docker(&[&usual[..], options, &["localhost/lab/busybox:1", "sh", "-c", script]].concat());
    guest.docker(&["start", name]);
}

fn pod() -> (Lab, Vm) {
    let lab = Lab::new();
    let guest = lab.prepared(lab.network.vm("pod").ssh().podman());
    lab.register(&guest);
    (lab, guest)
}

#[test]
fn logs_of_podman() {
    let (lab, guest) = pod();
    run(&guest, "plain", &[], "echo out; echo err >&2");
    run(&guest, "tty", &["--tty"], "echo out; echo err >&2");
    run(&guest, "long", &[], "echo first; sleep 2; echo last");
    for name in ["plain", "tty"] {
        guest.docker(&["wait", name]);
        for options in [&[][..], &["--tail", "1"], &["--since", "1h"], &["--until", "1h"]] {
            let ours = lab.output("logs", &[options, &[&format!("pod/{name}")]].concat());
            let theirs = guest.docker_command().arg("logs").args(options).arg(name).output().unwrap();
            assert_eq!(said(&ours), said(&theirs), "{name} {options:?}");
        }
    }
    let (stdout, stderr, code) = said(&lab.output("logs", &["-f", "pod/long"]));
    assert_eq!((&*stdout, code), ("first\nlast\n", Some(0)), "{stderr}");
}

#[test]
fn commands_in_podman() {
    let (lab, guest) = pod();
    run(&guest, "c", &[], "sleep 1000");
    let (stdout, stderr, code) = said(&lab.output("exec", &["pod/c", "sh", "-c", "echo out; echo err >&2; exit 3"]));
    assert_eq!((&*stdout, &*stderr, code), ("out\n", "err\n", Some(3)));
    let echoed = lab.in_shell("echo input | x exec -i pod/c cat");
    assert_eq!(said(&echoed), ("input\n".to_owned(), String::new(), Some(0)));
    let (_, stderr, code) = said(&lab.output("exec", &["pod/c", "nosuch"]));
    assert!(matches!(code, Some(125..=127)), "{code:?} {stderr}");
    let mut terminal = lab.at_terminal("exec", &["-it", "pod/c", "sh"]);
    terminal.expect("# ");
    terminal.send_line("until [ \"$(busybox stty size)\" = '24 80' ]; do sleep 0.05; done; echo si''zed");
    terminal.expect("sized\n");
    terminal.send_line("exit 4");
    assert_eq!(terminal.finish().code, Some(4));
}

#[test]
fn attaching_to_podman() {
    let (lab, guest) = pod();
    run(&guest, "c", &["--interactive", "--tty"], "exec sh");
    let mut terminal = lab.at_terminal("attach", &["pod/c"]);
    terminal.send_line("echo $((40 + 2))");
    terminal.expect("42\n");
    terminal.send("\x10\x11");
    assert_eq!(terminal.finish().code, Some(0));
    let mut terminal = lab.at_terminal("attach", &["pod/c"]);
    terminal.send_line("exit 9");
    assert_eq!(terminal.finish().code, Some(9));
}

#[test]
fn events_of_podman() {
    let (lab, guest) = pod();
    run(&guest, "c", &[], "sleep 1000");
    let mut events = Piped::start(lab.command("events", &["pod", "--filter", "container=c", "--since", "1h"]));
    events.read_until(" start ");
    guest.docker(&["kill", "c"]);
    events.read_until(" kill ");
    let _ = events.child.kill();
    events.finish();
}
