//! `xscontainer completion bash` and what its script calls: which words may stand where the cursor is.
//!
//! The commands are those of the one definition. Names of VMs and containers come from the monitor, within a moment or not
//! at all. They are foreign: whatever a terminal would obey is left out, everything else is quoted for the shell.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use agent::lending::client;
use agent::lending::standing::List;
use clap::{Arg, Args, Command, CommandFactory as _, ValueEnum};
use tokio::time::timeout;

use super::line::{Word, words};
use super::place::{AgentSocket, event_loop};
use crate::Cli;

/// How long the monitor may take: somebody has pressed Tab.
const LIMIT: Duration = Duration::from_millis(200);

/// Names that are offered at a time.
const MOST: usize = 1000;

/// What the script takes for a request for names of files.
const FILES: &str = "/files";

/// For bash 4.2 and later, with the package bash-completion or without it.
const BASH: &str = include_str!("../../../spec/dom0/usr/share/bash-completion/completions/xscontainer");

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Shell {
    Bash,
}

#[derive(Args)]
pub(crate) struct Options {
    /// The command line up to the cursor
    line: String,

    #[command(flatten)]
    meeting: AgentSocket,
}

/// Prints the script.
pub(crate) fn script(shell: Shell) -> anyhow::Result<ExitCode> {
    match shell {
        Shell::Bash => write!(std::io::stdout(), "{BASH}")?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints what may stand at the end of the line.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let (before, word) = words(&options.line);
    let wanted = wanted(&before, &word.text);
    let candidates = match wanted {
        Wanted::Nothing => Vec::new(),
        Wanted::Files => vec![FILES.to_owned()],
        Wanted::OneOf(words) => offered(words, &word),
        Wanted::Vm | Wanted::Container => {
            let lists = client::lists(&options.meeting.agent_socket, None);
            let lists = event_loop()?.block_on(async { timeout(LIMIT, lists).await });
            let lists = lists.ok().and_then(Result::ok).unwrap_or_default();
            offered(names(&lists, &wanted, &word.text), &word)
        }
    };
    let mut output = std::io::stdout().lock();
    candidates.iter().try_for_each(|candidate| writeln!(output, "{candidate}"))?;
    Ok(ExitCode::SUCCESS)
}

/// What may stand somewhere.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Nothing,
    Files,
    OneOf(Vec<String>),
    Vm,
    Container,
}

/// What may stand after the words `before`, the program's name first, if `word` is there already.
fn wanted(before: &[String], word: &str) -> Wanted {
    let mut root = Cli::command();
    root.build();
    let mut command = &root;
    let mut words = before.iter().map(String::as_str);
    // The command that has a name of its own.
    if words.next().is_some_and(|program| program.ends_with("xscontainer-prepare-vm")) {
        command = command.find_subcommand("prepare-vm").unwrap_or(command);
    }
    let (mut value_of, mut positionals, mut only_positionals): (Option<&Arg>, usize, bool) = (None, 0, false);
    for word in words {
        if value_of.take().is_some() {
            continue;
        }
        match word {
            "--" if !only_positionals => only_positionals = true,
            option if option.len() > 1 && option.starts_with('-') && !only_positionals => {
                value_of = option_of(command, option).filter(|option| takes_word(option));
            }
            word => match command.find_subcommand(word).filter(|_| positionals == 0) {
                Some(subcommand) => command = subcommand,
                None => positionals += 1,
            },
        }
    }
    if let Some(option) = value_of {
        return value(option);
    }
    if word.starts_with('-') && !only_positionals {
        let shown = command.get_arguments().filter(|argument| !argument.is_hide_set());
        return Wanted::OneOf(shown.filter_map(|argument| Some(format!("--{}", argument.get_long()?))).collect());
    }
    let subcommands = command.get_subcommands().filter(|command| !command.is_hide_set());
    let subcommands: Vec<String> = subcommands.map(|command| command.get_name().to_owned()).collect();
    if positionals == 0 && !subcommands.is_empty() {
        return Wanted::OneOf(subcommands);
    }
    let all: Vec<&Arg> = command.get_positionals().collect();
    let last = all.last().filter(|last| last.get_num_args().is_some_and(|number| number.max_values() > 1)).copied();
    // What runs in the container, after its name, is not ours.
    match all.get(positionals).copied().or(last) {
        Some(argument) if argument.get_value_names().is_some_and(|names| names.len() > 1) && positionals > 0 => {
            Wanted::Nothing
        }
        Some(argument) => value(argument),
        None => Wanted::Nothing,
    }
}

fn option_of<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|argument| match word.strip_prefix("--") {
        Some(long) => argument.get_long_and_visible_aliases().is_some_and(|names| names.contains(&long)),
        // Of several short ones together the last may take a value.
        None => argument.get_short().is_some_and(|short| word.ends_with(short)),
    })
}

/// Whether the next word is its value.
fn takes_word(option: &Arg) -> bool {
    option.get_action().takes_values() && !option.is_require_equals_set()
}

fn value(argument: &Arg) -> Wanted {
    let words: Vec<String> = argument.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    if !words.is_empty() {
        return Wanted::OneOf(words);
    }
    match argument.get_value_names().and_then(|names| names.first()).map(clap::builder::Str::as_str) {
        Some("[VM/]CONTAINER") => Wanted::Container,
        Some("VM" | "VM[/CONTAINER]") => Wanted::Vm,
        Some("PATH" | "FILE") => Wanted::Files,
        _ => Wanted::Nothing,
    }
}

/// Names of VMs, or of containers with their VMs'. A VM whose name another one has goes by its uuid. Containers without
/// their VMs' names are for those who began to write that.
fn names(lists: &[List], wanted: &Wanted, word: &str) -> Vec<String> {
    let vm = |list: &List| match lists.iter().filter(|other| other.name == list.name).count() {
        1 => list.name.clone(),
        _ => list.vm.clone(),
    };
    if *wanted == Wanted::Vm {
        return lists.iter().map(vm).collect();
    }
    let rows = || lists.iter().flat_map(|list| list.rows.iter().flatten().map(move |row| (list, &row.name)));
    let whole: Vec<String> = rows().map(|(list, name)| format!("{}/{name}", vm(list))).collect();
    match whole.iter().any(|name| name.starts_with(word)) {
        true => whole,
        false => rows().map(|(_, name)| name.clone()).collect(),
    }
}

/// Those of `names` that go on from `word`, as the shell is to put them in its place.
fn offered(names: Vec<String>, word: &Word) -> Vec<String> {
    let harmless = |name: &String| !name.is_empty() && name.chars().all(is_harmless);
    let fitting = names.into_iter().filter(|name| name.starts_with(&word.text)).filter(harmless);
    let mut offered: Vec<String> = fitting.filter_map(|name| word.replaced_by(&name)).collect();
    offered.sort();
    offered.dedup();
    offered.truncate(MOST);
    offered
}

/// Whether a character shows itself and does nothing else: what Rust would write as an escape may do more. The monitor tells
/// U+FFFD in the place of such characters; a name with it is not the VM's.
fn is_harmless(c: char) -> bool {
    matches!(c, '"' | '\'' | '\\') || c.escape_debug().len() == 1 && c != char::REPLACEMENT_CHARACTER
}

#[cfg(test)]
mod tests {
    use agent::lending::standing::Row;

    use super::*;

    fn at(line: &str) -> Wanted {
        let (before, word) = words(line);
        wanted(&before, &word.text)
    }

    fn has(wanted: Wanted, word: &str) -> bool {
        matches!(wanted, Wanted::OneOf(words) if words.iter().any(|known| known == word))
    }

    #[test]
    fn commands_options_values_names_and_files_are_wanted_where_they_belong() {
        assert!(has(at("xscontainer "), "status") && has(at("xscontainer key "), "rotate"));
        assert!(!has(at("xscontainer "), "complete"), "it is not for people");
        assert!(has(at("xscontainer prepare-vm --"), "--mode") && has(at("xscontainer-prepare-vm --"), "--mode"));
        assert!(has(at("xscontainer prepare-vm --mode "), "tls") && has(at("xscontainer log-level "), "debug"));
        for line in ["xscontainer prepare-vm -v ", "xscontainer prepare-vm --vm ", "xscontainer-prepare-vm --yes -v "] {
            assert_eq!(at(line), Wanted::Vm, "{line}");
        }
        for line in [
            "xscontainer logs ",
            "xscontainer logs -f ",
            "xscontainer stop a ",
            "xscontainer logs --tail 5 w",
            "xscontainer exec ",
        ] {
            assert_eq!(at(line), Wanted::Container, "{line}");
        }
        for line in ["xscontainer config check ", "xscontainer ps --agent-socket "] {
            assert_eq!(at(line), Wanted::Files, "{line}");
        }
        for line in ["xscontainer logs --tail ", "xscontainer logs a ", "xscontainer exec web/nginx "] {
            assert_eq!(at(line), Wanted::Nothing, "{line}");
        }
    }

    fn list(vm: &str, name: &str, containers: &[&str]) -> List {
        let row = |name: &&str| Row {
            id: String::new(),
            name: (*name).to_owned(),
            image: String::new(),
            command: String::new(),
            status: String::new(),
            created: 0,
            ports: String::new(),
        };
        List { vm: vm.into(), name: name.into(), rows: Some(containers.iter().map(row).collect()) }
    }

    #[track_caller]
    fn offers(line: &str, expected: &[&str]) {
        let lists = [
            list("u1", "web", &["nginx", "db"]),
            list("u2", "my vm", &["app"]),
            list("u3", "two", &["x"]),
            list("u4", "two", &["x"]),
            list("u5", "evil\u{1b}[2J", &["y"]),
            list("u6", "turned\u{202e}", &["z"]),
            list("u9", "turned\u{fffd}", &["z"]),
            list("u7", "$(reboot);*", &["w"]),
            list("u8", "a:b", &["c"]),
        ];
        let (before, word) = words(line);
        let wanted = wanted(&before, &word.text);
        assert_eq!(offered(names(&lists, &wanted, &word.text), &word), expected, "{line}");
    }

    #[test]
    fn names_are_quoted_as_they_were_begun_and_what_a_terminal_obeys_is_left_out() {
        let all = ["\\$\\(reboot\\)\\;\\*/w", "a:b/c", "my\\ vm/app", "u3/x", "u4/x", "web/db", "web/nginx"];
        offers("xscontainer logs ", &all);
        offers("xscontainer logs web/", &["web/db", "web/nginx"]);
        offers("xscontainer logs my", &["my\\ vm/app"]);
        offers("xscontainer logs my\\ v", &["my\\ vm/app"]);
        offers("xscontainer logs \"my v", &["my vm/app"]);
        offers("xscontainer logs '$(", &["$(reboot);*/w"]);
        offers("xscontainer logs \"$(", &["\\$(reboot);*/w"]);
        offers("xscontainer logs ngi", &["nginx"]);
        // Of a word with a colon, bash replaces what is behind it.
        offers("xscontainer logs a:", &["b/c"]);
        offers("xscontainer prepare-vm -v my", &["my\\ vm"]);
        offers("xscontainer prepare-vm -v nothing", &[]);
    }
}
