//! Tab pressed in a real bash.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use lab::monitor::Monitor;
use lab::programs;
use lab::terminal::Terminal;
use lab::tools::command;

use crate::lab::Lab;

/// What the package brings for bash-completion.
fn delivered() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/dom0/usr/share/bash-completion")
}

/// A bash whose `xscontainer` asks the monitor behind `socket`.
fn bash(folder: &Path, socket: &Path) -> Terminal {
    let program = folder.join("xscontainer");
    let real = programs::agent().canonicalize().unwrap();
    let text = format!(
        "#!/bin/sh\n[ \"$1\" = complete ] || exec {real} \"$@\"\nshift\nexec {real} complete --agent-socket {socket} \"$@\"\n",
        real = real.display(),
        socket = socket.display()
    );
    fs::write(&program, text).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut bash = command("bash", ["--norc", "--noprofile", "-i"]);
    bash.env("PATH", format!("{}:/usr/bin:/bin", folder.display())).env("PS1", "ready> ").env("INPUTRC", "/dev/null");
    bash.env("BASH_COMPLETION_USER_DIR", delivered()).env("LC_ALL", "C.UTF-8").current_dir(folder);
    let mut terminal = Terminal::start_sized(bash, 160, 24);
    terminal.expect("ready> ");
    terminal
}

/// Types a line, presses Tab and waits for what it becomes; then throws the line away.
#[track_caller]
fn completes(terminal: &mut Terminal, typed: &str, becomes: &str) {
    terminal.send(format!("{typed}\t"));
    terminal.expect(becomes);
    throw_away(terminal);
}

/// Throws the line away that is being written: Ctrl-U, then Enter for the next prompt.
#[track_caller]
fn throw_away(terminal: &mut Terminal) {
    terminal.send("\u{15}\r");
    terminal.expect("ready> ");
}

#[track_caller]
fn knows_commands_and_names(terminal: &mut Terminal) {
    completes(terminal, "xscontainer statu", "xscontainer status ");
    completes(terminal, "xscontainer key rot", "xscontainer key rotate ");
    completes(terminal, "xscontainer prepare-vm --mode t", "--mode tls ");
    completes(terminal, "xscontainer prepare-vm -v my", r"-v my\ vm ");
    completes(terminal, "xscontainer prepare-vm -v \"my", "-v \"my vm\" ");
    completes(terminal, "xscontainer prepare-vm -v 'my", "-v 'my vm' ");
    completes(terminal, "xscontainer prepare-vm -v a:", "-v a:b ");
    completes(terminal, "xscontainer-prepare-vm -v doll", r"-v doll\$\(touch\ x\)\* ");
    completes(terminal, "xscontainer config check file-of", "file-of-mine ");
}

fn monitor(lab: &Lab) -> Monitor {
    for name in ["my vm", "a:b", "doll$(touch x)*", "turned\u{202e}"] {
        lab.vm(name, &[]);
    }
    let mut monitor = lab.monitor();
    monitor.wait_for_line("name=\"my vm\"");
    monitor
}

#[test]
fn tab_completes_commands_and_the_names_of_vms_without_bash_completion() {
    let (lab, folder) = (Lab::start(), tempfile::tempdir().unwrap());
    let monitor = monitor(&lab);
    fs::write(folder.path().join("file-of-mine"), "").unwrap();
    let mut terminal = bash(folder.path(), &monitor.agent_socket());
    terminal.send_line("source <(xscontainer completion bash)");
    terminal.expect("ready> ");
    knows_commands_and_names(&mut terminal);
    // What a terminal would obey is not offered.
    terminal.send("xscontainer prepare-vm -v turn\tX");
    terminal.expect("-v turnX");
    assert!(!folder.path().join("x").exists(), "a name was run");
}

#[test]
fn tab_completes_with_bash_completion_by_the_files_of_the_package() {
    let (lab, folder) = (Lab::start(), tempfile::tempdir().unwrap());
    let monitor = monitor(&lab);
    fs::write(folder.path().join("file-of-mine"), "").unwrap();
    let mut terminal = bash(folder.path(), &monitor.agent_socket());
    terminal.send_line("source /usr/share/bash-completion/bash_completion");
    terminal.expect("ready> ");
    knows_commands_and_names(&mut terminal);
}

#[test]
fn without_a_monitor_tab_offers_nothing_and_says_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut terminal = bash(folder.path(), &folder.path().join("nobody"));
    terminal.send_line("source <(xscontainer completion bash)");
    terminal.expect("ready> ");
    terminal.send("xscontainer prepare-vm -v my\tX");
    terminal.expect("-v myX");
    throw_away(&mut terminal);
    completes(&mut terminal, "xscontainer statu", "xscontainer status ");
}
