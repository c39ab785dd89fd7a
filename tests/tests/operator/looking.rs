//! `status`, `ps`, `inspect`, `top` and `stats`: what is shown, in a pipe, at terminals of any width, and when the monitor is
//! down, hangs or is another one.

use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use lab::monitor::Monitor;
use lab::terminal::Terminal;
use lab::tools::succeed;
use serde_json::Value;

use crate::lab::{Lab, Piped, SOON, run, said};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A VM with two containers, and the monitor that sees them.
fn two() -> (Lab, lab::guests::Vm, lab::xapi::Ref, Monitor) {
    let (lab, guest, vm) = Lab::web();
    run(&guest, "one", &["--label", "x=\u{1b}[2J"], "exec sleep 100000");
    run(&guest, "two", &[], "exit 3");
    let monitor = lab.monitor_that_sees("web", &["one", "two"]);
    (lab, guest, vm, monitor)
}

fn id(guest: &lab::guests::Vm, name: &str) -> String {
    guest.docker(&["inspect", "--format", "{{.Id}}", name]).trim().to_owned()
}

/// A command as it is typed in a shell.
fn in_shell(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let quoted: Vec<String> = words.map(|word| format!("'{}'", word.to_string_lossy())).collect();
    quoted.join(" ")
}

#[test]
fn status_says_what_is_seen_and_what_is_wrong_with_its_remedy() {
    let (lab, _guest, vm, monitor) = two();
    lab.add_vm("far away", &[("0/ip", "198.18.255.254")], &[]);
    lab.add_vm("not asked", &[("0/ip", "198.18.255.253")], &[("xscontainer-monitor", "False")]);
    let end = Instant::now() + 2 * SOON;
    let all = loop {
        let (text, ..) = lab.ask(&monitor, "status", &["--json"]);
        let all = json(&text);
        let lost = all["vms"].as_array().unwrap().iter().any(|vm| vm["name"] == "far away" && !vm["trouble"].is_null());
        let live =
            all["vms"].as_array().unwrap().iter().any(|vm| vm["name"] == "web" && vm["containers"]["stopped"] == 1);
        if lost && live {
            break all;
        }
        assert!(Instant::now() < end, "{all}");
    };
    let of = |name: &str| all["vms"].as_array().unwrap().iter().find(|vm| vm["name"] == name).unwrap();
    let web = of("web");
    assert_eq!(web["uuid"], lab.xapi.get(&vm, "uuid").unwrap().text().unwrap());
    assert_eq!((&web["state"], &web["containers"]["up"]), (&Value::from("live"), &Value::from(1)));
    assert!(web["engine"].as_str().unwrap().starts_with("Docker "), "{web}");
    assert_eq!(
        (of("far away")["state"].as_str(), of("not asked")["state"].as_str()),
        (Some("not-reached"), Some("not-registered"))
    );

    let (text, stderr, code) = lab.ask(&monitor, "status", &[]);
    assert_eq!((&*stderr, code), ("", Some(0)));
    assert!(text.contains("\nweb       live") && text.contains("1/0/1"), "{text}");
    assert!(text.contains("\nfar away: ") && !text.contains("not asked"), "{text}");
    let remedy = of("far away")["trouble"]["remedy"].as_str().unwrap();
    assert!(text.contains(remedy), "{text}");
    assert!(lab.ask(&monitor, "status", &["--all"]).0.contains("not asked"));
}

#[test]
fn ps_has_what_docker_has() {
    let (lab, guest, _vm, monitor) = two();
    let (ids, _, code) = lab.ask(&monitor, "ps", &["--quiet"]);
    let theirs = guest.docker(&["ps", "--all", "--quiet", "--no-trunc"]);
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!((sorted(&ids), code), (sorted(&theirs), Some(0)));
    let up = lab.ask(&monitor, "ps", &["--running", "-q"]).0;
    assert_eq!(up.trim(), id(&guest, "one"));

    let (text, ..) = lab.ask(&monitor, "ps", &["web"]);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("VM   CONTAINER ID  NAME  STATUS      IMAGE"), "{text}");
    assert!(lines[1].starts_with(&format!("web  {}  one   Up ", &id(&guest, "one")[..12])), "{text}");
    assert!(lines[2].contains("  two   Exited (3)  "), "{text}");
    // The VM alone, without the monitor.
    let (alone, ..) = said(&lab.command("ps", &["--agent-socket", "/nowhere", "web"]).output().unwrap());
    assert_eq!(sorted(&alone).len(), 3, "{alone}");
}

#[test]
fn a_table_fits_the_terminal_and_has_colours_there_alone() {
    let (lab, _guest, _vm, monitor) = two();
    for columns in [20, 40, 80, 200] {
        let mut terminal = Terminal::start_sized(lab.asking(&monitor, "ps", &[]), columns, 24);
        terminal.expect("two");
        let ended = terminal.finish();
        assert_eq!(ended.code, Some(0));
        let widest = ended.screen.lines().map(|line| line.chars().count()).max().unwrap_or_default();
        assert!(widest <= usize::from(columns), "{columns}: {}", ended.screen);
        // Nothing was broken in two: there are as many lines as there are rows and titles.
        assert_eq!(
            ended.screen.lines().filter(|line| !line.trim().is_empty()).count(),
            3,
            "{columns}:\n{}",
            ended.screen
        );
    }
    let at_terminal = |no_color: &str| {
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--command", &in_shell(&lab.asking(&monitor, "ps", &[])), "/dev/null"]);
        script.env("TERM", "xterm").env("NO_COLOR", no_color).stdin(Stdio::null());
        said(&script.output().unwrap()).0
    };
    assert!(at_terminal("").contains("\u{1b}[32mUp"), "{:?}", at_terminal(""));
    assert!(!at_terminal("1").contains('\u{1b}'), "{:?}", at_terminal("1"));
    assert!(!lab.ask(&monitor, "ps", &[]).0.contains('\u{1b}'));
}

#[test]
fn a_pipe_closed_by_head_ends_it_without_a_word() {
    let (lab, _guest, _vm, monitor) = two();
    let mut status = Command::new("bash");
    let script = format!("{} | true; echo ${{PIPESTATUS[0]}}", in_shell(&lab.asking(&monitor, "ps", &[])));
    // It may have written everything before the reader goes.
    let codes: Vec<String> = (0..20)
        .map(|_| {
            let (text, stderr, _) = said(&status.args(["-c", &script]).stdin(Stdio::null()).output().unwrap());
            assert_eq!(stderr, "");
            status = Command::new("bash");
            text.trim().to_owned()
        })
        .collect();
    assert!(codes.iter().all(|code| code == "0" || code == "141"), "{codes:?}");
}

#[test]
fn a_container_is_looked_into_as_by_docker() {
    let (lab, guest, _vm, monitor) = two();
    let (text, stderr, code) = lab.ask(&monitor, "inspect", &[&id(&guest, "one")[..6]]);
    assert_eq!((&*stderr, code), ("", Some(0)));
    assert!(!text.contains('\u{1b}'));
    let ours = json(&text);
    let theirs = json(&guest.docker(&["inspect", "one"]));
    for member in ["Id", "Name", "Created", "Path", "Args", "Image"] {
        assert_eq!(ours[0][member], theirs[0][member], "{member}");
    }
    assert_eq!(ours[0]["Config"]["Labels"]["x"], "\u{1b}[2J");
    let (text, _, code) = lab.ask(&monitor, "top", &["web/one"]);
    assert_eq!(code, Some(0));
    assert!(text.lines().next().unwrap().contains("PID") && text.contains("sleep 100000"), "{text}");
    let (_, stderr, code) = lab.ask(&monitor, "top", &["web/two"]);
    assert_eq!(code, Some(1), "{stderr}");
}

#[test]
fn what_containers_use_is_what_docker_says() {
    let (lab, guest, _vm, monitor) = two();
    run(&guest, "busy", &["--cpus", "0.5"], "while true; do :; done");
    let (_, stderr, code) = lab.ask(&monitor, "stats", &["--no-stream", "web/nobody"]);
    assert_eq!(code, Some(3), "{stderr}");
    let (text, stderr, code) = lab.ask(&monitor, "stats", &["--no-stream", "--json", "web/busy"]);
    assert_eq!((&*stderr, code), ("", Some(0)));
    let cpu = json(&text)[0]["cpu_percent"].as_f64().unwrap();
    assert!((20.0..80.0).contains(&cpu), "{text}");
    assert_eq!(json(&text)[0]["pids"], 1);
    let mut live = Piped::start(lab.asking(&monitor, "stats", &["--json"]));
    let (first, second) = (json(&live.read_until("\n")), json(&live.read_until("\n")));
    assert_eq!((first.as_array().unwrap().len(), second.as_array().unwrap().len()), (2, 2), "those that run");
    live.child.kill().unwrap();
    live.child.wait().unwrap();
}

#[test]
fn a_monitor_that_is_down_or_hangs_is_told_in_time() {
    let (lab, _guest, _vm, monitor) = two();
    for (command, arguments) in [("status", &[][..]), ("ps", &[]), ("top", &["one"]), ("stats", &["--no-stream"])] {
        let (stdout, stderr, code) =
            said(&lab.command(command, &[&["--agent-socket", "/nowhere"], arguments].concat()).output().unwrap());
        assert_eq!((&*stdout, code), ("", Some(5)), "{command}: {stderr}");
        assert!(stderr.contains("the monitor of this host does not answer") && stderr.contains("doctor"), "{stderr}");
    }
    succeed(Command::new("kill").args(["-STOP", &monitor.id().to_string()]));
    let hung = Piped::start(lab.asking(&monitor, "status", &[])).finish();
    succeed(Command::new("kill").args(["-CONT", &monitor.id().to_string()]));
    assert_eq!(hung.status.code(), Some(5), "{}", String::from_utf8_lossy(&hung.stderr));
    // What names its VM needs no monitor.
    let (text, ..) = said(&lab.command("top", &["--agent-socket", "/nowhere", "web/one"]).output().unwrap());
    assert!(text.contains("sleep 100000"), "{text}");
}

#[test]
fn a_monitor_of_another_version_is_told_from_one_that_is_down() {
    use std::io::{Read as _, Write as _};
    let lab = Lab::new();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("agent.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let answers = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut length = [0; 4];
        stream.read_exact(&mut length).unwrap();
        let mut question = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut question).unwrap();
        assert!(json(std::str::from_utf8(&question).unwrap())["version"].is_string());
        let answer = br#"{"not-lent":"the monitor is of version 99.0.0"}"#;
        stream.write_all(&[&u32::try_from(answer.len()).unwrap().to_be_bytes()[..], answer].concat()).unwrap();
    });
    let socket = socket.to_str().unwrap();
    let (_, stderr, code) = said(&lab.command("status", &["--agent-socket", socket]).output().unwrap());
    answers.join().unwrap();
    assert_eq!(code, Some(5));
    assert!(stderr.contains("of version 99.0.0"), "{stderr}");
}

#[test]
fn a_name_that_several_have_is_explained() {
    let (lab, guest, _vm) = Lab::web();
    run(&guest, "same", &[], "exec sleep 100000");
    let other = lab.prepared(lab.network.vm("other").ssh().dockerd());
    lab.register(&other);
    run(&other, "same", &[], "exec sleep 100000");
    let monitor = lab.monitor_that_sees("web", &["same"]);
    let end = Instant::now() + SOON;
    while lab.ask(&monitor, "ps", &["-q"]).0.lines().count() < 2 {
        assert!(Instant::now() < end, "the other VM is not seen");
    }
    let (stdout, stderr, code) = lab.ask(&monitor, "stop", &["same"]);
    assert_eq!((&*stdout, code), ("", Some(3)));
    assert!(stderr.contains("may mean 2 containers: other/same (") && stderr.contains("web/same ("), "{stderr}");
    assert_eq!(guest.docker(&["inspect", "--format", "{{.State.Status}}", "same"]).trim(), "running");
    assert_eq!(lab.ask(&monitor, "stop", &["other/same"]).2, Some(0));
    assert_eq!(other.docker(&["inspect", "--format", "{{.State.Status}}", "same"]).trim(), "exited");
    assert_eq!(guest.docker(&["inspect", "--format", "{{.State.Status}}", "same"]).trim(), "running");
}
