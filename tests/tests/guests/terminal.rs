//! The terminal is one: it echoes or not, interrupts, has a size, and is the one that `/dev/tty` means.

use std::path::Path;
use std::time::Duration;

use lab::terminal::Terminal;
use lab::tools::command;

use crate::wait_until;

fn shell(script: &str) -> Terminal {
    Terminal::start(command("sh", ["-c", script]))
}

#[test]
fn what_is_typed_is_shown_and_read() {
    let mut terminal = Terminal::start(command("cat", [""; 0]));
    assert!(terminal.is_echoing());
    terminal.send_line("hello");
    assert_eq!(terminal.expect("hello\nhello\n"), "hello\nhello\n");
    terminal.press_ctrl_d();
    let ended = terminal.finish();
    assert_eq!((ended.code, ended.text.as_str()), (Some(0), "hello\nhello\n"));
}

#[test]
fn ctrl_c_interrupts() {
    let mut trapped = shell("trap 'echo caught; exit 7' INT; echo ready; while :; do sleep 0.1; done");
    trapped.expect("ready");
    trapped.press_ctrl_c();
    trapped.expect("caught");
    assert_eq!(trapped.finish().code, Some(7));
    let mut other = shell("echo ready; exec sleep 1000");
    other.expect("ready");
    other.press_ctrl_c();
    let ended = other.finish();
    assert_eq!((ended.code, ended.status.to_string().as_str()), (None, "signal: 2 (SIGINT)"));
}

#[test]
fn ctrl_c_interrupts_though_the_test_was_started_in_the_background() {
    let test = std::env::current_exe().unwrap();
    // A shell without job control lets its background jobs ignore SIGINT.
    let script = "\"$0\" --exact terminal::ctrl_c_interrupts & wait $!";
    let said = lab::tools::outcome(command("sh", ["-c", script]).arg(test));
    assert!(said.success && said.text.contains("1 passed"), "{}", said.text);
}

#[test]
fn folder_and_variables_are_the_commands() {
    let mut command = command("sh", ["-c", "pwd; echo $A.$TERM.$HOME.; exit 4"]);
    command.current_dir("/usr").env("A", "b c").env("TERM", "dumb").env_remove("HOME");
    let ended = Terminal::start(command).finish();
    assert_eq!((ended.code, ended.text.as_str()), (Some(4), "/usr\nb c.dumb..\n"));
    assert_eq!(Terminal::start(lab::tools::command("/nowhere", [""; 0])).finish().code, Some(127));
}

#[test]
fn dev_tty_is_this_terminal_whatever_standard_input_is() {
    let mut terminal =
        shell("exec </dev/null >/dev/null; printf 'Name: ' >/dev/tty; read n </dev/tty; echo \"<$n>\" >/dev/tty");
    terminal.expect("Name: ");
    terminal.send_line("Ada");
    assert_eq!(terminal.expect("<Ada>"), "Ada\n<Ada>");
    assert_eq!(terminal.finish().code, Some(0));
}

#[test]
fn a_password_is_not_shown_and_who_leaves_the_echo_off_is_seen() {
    let ask = "stty -echo; printf 'Password: '; read -r p; echo; printf 'length %s\\n' ${#p}";
    let mut good = shell(&format!("trap 'stty echo; exit 130' INT; {ask}; stty echo"));
    good.expect("Password: ");
    assert!(!good.is_echoing());
    good.send_line("geheim");
    good.expect("length 6");
    good.expect_echo(true);
    let ended = good.finish();
    assert!(!ended.text.contains("geheim") && ended.echoing, "{ended:?}");
    for (restore, echoing) in [("stty echo;", true), ("", false)] {
        let mut interrupted = shell(&format!("trap '{restore} exit 130' INT; {ask}"));
        interrupted.expect("Password: ");
        interrupted.press_ctrl_c();
        let ended = interrupted.finish();
        assert_eq!((ended.code, ended.echoing), (Some(130), echoing), "{restore}");
    }
}

#[test]
fn it_has_a_size_that_can_change() {
    let script = "trap 'stty size; exit' WINCH; stty size; while :; do sleep 0.1; done";
    let mut terminal = Terminal::start_sized(command("sh", ["-c", script]), 100, 30);
    terminal.expect("30 100\n");
    terminal.resize(40, 10);
    terminal.expect("10 40\n");
    assert_eq!(terminal.finish().code, Some(0));
}

#[test]
fn lines_that_are_printed_over_are_seen_once() {
    let ended = shell("printf '1 of 2\\r'; printf '\\033[K\\033[32m2 of 2\\033[0m\\n'; echo done").finish();
    assert_eq!(ended.screen, "2 of 2\ndone");
    assert_eq!(ended.text, "1 of 2\n2 of 2\ndone\n");
}

#[test]
fn dropping_kills_everything_at_the_terminal() {
    let mut terminal = shell("trap '' HUP INT TERM; sleep 1000 & echo \"pids $$ $!.\"; wait");
    terminal.expect("pids ");
    let ids = terminal.expect(".");
    drop(terminal);
    for id in ids.trim_end_matches('.').split(' ') {
        // A killed orphan is there until somebody takes note of its end.
        let path = format!("/proc/{id}/cmdline");
        wait_until("the process ended", || std::fs::read(Path::new(&path)).unwrap_or_default().is_empty());
    }
}

#[test]
#[should_panic(
    expected = "the program ended before: \"two\"\n-- printed, as expected:\none\n-- printed since then:\n\nthree"
)]
fn an_end_without_the_expected_text_tells_what_was_printed() {
    let mut terminal = shell("echo one; echo three");
    terminal.expect("one");
    terminal.expect("two");
}

#[test]
#[should_panic(expected = "not within 100ms: \"more\"\n-- printed, as expected:\n\n-- printed since then:\nready")]
fn a_deadline_that_passes_tells_what_was_printed() {
    let mut terminal = shell("printf ready; sleep 1000");
    wait_until("it is ready", || terminal.text() == "ready");
    terminal.expect_within(Duration::from_millis(100), "more");
}

#[test]
#[should_panic(expected = "a process of its is still there")]
fn a_process_that_is_left_behind_is_noticed() {
    let _ = shell("trap '' HUP; sleep 1000 & exit 0").finish_within(Duration::from_millis(500));
}
