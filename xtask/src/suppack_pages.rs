//! Manual pages and completions of `suppack`, made of its one argument definition: nothing of them is committed.

use std::fmt::Write as _;
use std::io;

use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;
use pack::commands::Suppack;

/// Command lines for the pages of commands: what for, and the line.
const EXAMPLES: [(&str, &str, &str); 9] = [
    (
        "build-supplemental-pack",
        "Build a pack for XenServer 7.0:",
        "suppack build-supplemental-pack --output out --vendor-code acme --vendor-name Acme --label tool --text Tools \
         --version 1.0 tool-1.0-1.x86_64.rpm",
    ),
    ("inspect", "Show what is in a pack:", "suppack inspect xscontainer-11.0.0.iso"),
    ("verify", "Check a pack, and rehearse it on the hosts that come with this program:", "suppack verify pack.iso"),
    (
        "verify",
        "Only read it, and keep everything that was found:",
        "suppack verify pack.iso --no-rehearsal --report report.json",
    ),
    ("verify", "Rehearse it on a host of your own:", "suppack verify pack.iso --host host.tar.gz"),
    (
        "capture-host",
        "Write down a host that ssh reaches, to rehearse packs on it:",
        "suppack capture-host root@HOST --output host.tar.gz",
    ),
    ("install", "On a host, check a pack and install it:", "suppack install pack.iso"),
    ("list", "On a host, list its packs:", "suppack list"),
    ("remove", "On a host, remove a pack:", "suppack remove xscontainer"),
];

/// What manual pages are pages of.
#[derive(Clone, Copy)]
pub(crate) struct Edition<'a> {
    pub(crate) version: &'a str,
    /// Seconds since 1970.
    pub(crate) time: u32,
}

/// The manual pages, by file name.
///
/// # Errors
/// Never: they are written to memory.
pub(crate) fn pages(edition: Edition<'_>) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut root = Suppack::command().disable_help_subcommand(true);
    root.build();
    let mut pages = Vec::new();
    add(&root, edition, &mut pages)?;
    Ok(pages)
}

fn add(command: &Command, edition: Edition<'_>, pages: &mut Vec<(String, Vec<u8>)>) -> io::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    pages.push((format!("{name}.1"), page(command, &name, edition)?));
    let shown = command.get_subcommands().filter(|command| !command.is_hide_set());
    shown.into_iter().try_for_each(|command| add(command, edition, pages))
}

fn page(command: &Command, name: &str, edition: Edition<'_>) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    let source = format!("suppack {}", edition.version);
    let date =
        chrono::DateTime::from_timestamp(edition.time.into(), 0).unwrap_or_default().format("%Y-%m-%d").to_string();
    let man = Man::new(command.clone()).title(name.to_uppercase()).section("1").date(date).source(source).manual("");
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(&mut page)?;
    }
    let with_commands = command.get_subcommands().any(|command| !command.is_hide_set());
    if with_commands {
        man.render_subcommands_section(&mut page)?;
    }
    // clap_mangen breaks lines around blank ones, which need no break, and names subcommands' pages by another section.
    let mut page = String::from_utf8_lossy(&page).replace(".br\n\n.br\n", ".sp\n");
    let after = command.get_after_long_help().or_else(|| command.get_after_help());
    for paragraph in after.map(ToString::to_string).unwrap_or_default().split("\n\n") {
        page += &section(paragraph);
    }
    page += &examples(name);
    if name != "suppack" {
        page += ".SH \"SEE ALSO\"\n.BR suppack (1)\n";
    }
    Ok(page.into_bytes())
}

/// A paragraph of the text after a command's help: exit codes as a list, any other with its heading.
fn section(paragraph: &str) -> String {
    let paragraph = paragraph.trim();
    if paragraph.is_empty() {
        return String::new();
    }
    if let Some(codes) = paragraph.strip_prefix("Exit codes:") {
        let mut text = ".SH \"EXIT STATUS\"\n".to_owned();
        let codes = codes.split_whitespace().collect::<Vec<_>>().join(" ");
        for code in codes.trim_end_matches('.').split(", ") {
            let _ = match code.split_once(' ').filter(|(number, _)| number.bytes().all(|byte| byte.is_ascii_digit())) {
                Some((number, meaning)) => writeln!(text, ".TP\n.B {number}\n{}", escaped(meaning)),
                // A meaning with a comma in it goes on.
                None => writeln!(text, "{}", escaped(code)),
            };
        }
        return text;
    }
    match paragraph.split_once('\n').filter(|(heading, _)| heading.ends_with(':')) {
        Some((heading, rest)) => {
            format!(".SH \"{}\"\n.nf\n{}\n.fi\n", escaped(&heading.trim_end_matches(':').to_uppercase()), lines(rest))
        }
        None => format!(".SH NOTES\n{}\n", lines(paragraph)),
    }
}

fn examples(name: &str) -> String {
    let mut text = String::new();
    for (_, purpose, line) in EXAMPLES.iter().filter(|(command, ..)| name.strip_prefix("suppack-") == Some(command)) {
        let heading = if text.is_empty() { ".SH EXAMPLES\n" } else { ".PP\n" };
        let _ = write!(text, "{heading}{}\n.PP\n.RS 4\n.nf\n{}\n.fi\n.RE\n", lines(purpose), lines(line));
    }
    text
}

fn lines(text: &str) -> String {
    text.lines().map(escaped).collect::<Vec<_>>().join("\n")
}

fn escaped(line: &str) -> String {
    let line = line.replace('\\', "\\e").replace('-', "\\-");
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
}

/// The completions: absolute path, and content.
pub(crate) fn completions() -> Vec<(&'static str, Vec<u8>)> {
    let of = |shell| {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Suppack::command(), "suppack", &mut script);
        script
    };
    vec![
        ("/usr/share/bash-completion/completions/suppack", of(Shell::Bash)),
        ("/usr/share/zsh/site-functions/_suppack", of(Shell::Zsh)),
        ("/usr/share/fish/vendor_completions.d/suppack.fish", of(Shell::Fish)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_is_a_command_line_that_is_understood() {
        for (command, _, line) in EXAMPLES {
            let words: Vec<&str> = line.split_whitespace().collect();
            let found = Suppack::command().try_get_matches_from(&words).unwrap_or_else(|e| panic!("{line}: {e}"));
            assert_eq!(found.subcommand_name(), Some(command), "{line}");
        }
    }

    #[test]
    fn every_command_has_a_page_and_each_exit_code_a_line() {
        let pages = pages(Edition { version: "1.0", time: 0 }).unwrap();
        for command in Suppack::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            let name = format!("suppack-{}.1", command.get_name());
            assert!(pages.iter().any(|(page, _)| *page == name), "{name}");
        }
        let text = section("Exit codes: 0 no rule is broken, 4 none, or\n  not one, 130 interrupted");
        assert_eq!(
            text,
            ".SH \"EXIT STATUS\"\n.TP\n.B 0\nno rule is broken\n.TP\n.B 4\nnone\nor not one\n.TP\n.B 130\ninterrupted\n"
        );
    }
}
