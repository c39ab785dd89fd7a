//! What people read of the table: the file as it is delivered, what holds at present, and the manual page.

use std::fmt::Write as _;

use super::read::Read;
use super::table::{Key, SECTIONS};
use super::{Config, DEFAULT_FILE};

/// Columns of the file.
const WIDTH: usize = 100;

/// Paragraphs, each in one line; lines that begin with a blank are laid out already.
const HEAD: &str = "\
xscontainer: limits, intervals and switches of the agent in dom0. Every key stands here at its usual value, switched off by \
the # before it; remove that to set it. The manual page xscontainer.toml(5) is the same for reading.

Times are written as a number and ms, s, min, h or d (\"90 s\"), sizes with B, KiB or MiB. After a change:

\x20 xscontainer config check                says what is wrong
\x20 systemctl reload xscontainer-monitor    lets the monitor take it; VMs stay connected

All other commands, and the plugin, read this file whenever they are called. A key that is wrong keeps its usual value, and \
the log says so; a running monitor keeps all that it has.";

/// The file as it is delivered.
#[must_use]
pub fn file() -> String {
    let mut file = String::new();
    let comment = |file: &mut String, text: &str| {
        for line in text.lines() {
            // Indented ones are laid out already.
            let lines = if line.starts_with(' ') { vec![line.to_owned()] } else { wrapped(line, WIDTH - 2) };
            lines.iter().for_each(|line| writeln!(file, "{}", format!("# {line}").trim_end()).unwrap_or_default());
        }
    };
    comment(&mut file, HEAD);
    let mut usual = Config::default();
    for section in SECTIONS {
        file += "\n";
        comment(&mut file, section.about);
        let _ = writeln!(file, "[{}]", section.name);
        for key in section.keys {
            file += "\n";
            comment(&mut file, key.about);
            let slot = key.slot(&mut usual);
            comment(&mut file, &format!("{}.{}", sentence(&slot.allowed()), after(key)));
            let _ = writeln!(file, "#{} = {}", key.name, slot.shown());
        }
    }
    file
}

/// What holds, as a file; what the file that was read sets is marked with its line.
#[must_use]
pub fn effective(read: &Read) -> String {
    let (mut text, mut config) = (String::new(), read.config.clone());
    for section in SECTIONS {
        let _ = writeln!(text, "{}[{}]", if text.is_empty() { "" } else { "\n" }, section.name);
        for key in section.keys {
            let line = read.lines.get(&format!("{}.{}", section.name, key.name));
            let origin = line.map_or("usual".to_owned(), |line| format!("line {line}"));
            let _ = writeln!(text, "{:<35} # {origin}", format!("{} = {}", key.name, key.slot(&mut config).shown()));
        }
    }
    text
}

/// The manual page of section 5, in roff.
#[must_use]
pub fn manual() -> String {
    let mut page =
        String::from(".TH XSCONTAINER.TOML 5\n.SH NAME\nxscontainer.toml \\- settings of the agent in dom0\n");
    let _ = writeln!(page, ".SH SYNOPSIS\n.I {}", escaped(DEFAULT_FILE));
    page += ".SH DESCRIPTION\n";
    for line in HEAD.lines().skip(2) {
        page += &match line.strip_prefix("  ") {
            _ if line.is_empty() => ".PP\n".to_owned(),
            Some(laid_out) => format!(".nf\n{}\n.fi\n", escaped(laid_out)),
            None => format!("{}\n", escaped(line)),
        };
    }
    page = page.replace(".fi\n.nf\n", "");
    let mut usual = Config::default();
    for section in SECTIONS {
        let _ = writeln!(page, ".SH [{}]\n{}", section.name, escaped(section.about));
        for key in section.keys {
            let slot = key.slot(&mut usual);
            let (shown, allowed) = (escaped(&slot.shown()), escaped(&sentence(&slot.allowed())));
            let _ = writeln!(page, ".TP\n.BR {} \" = {}\"", escaped(key.name), shown.replace('"', "\\(dq"));
            let _ = writeln!(page, "{}\n{allowed}.{}", escaped(key.about), escaped(&after(key)));
        }
    }
    page += ".SH SEE ALSO\n.BR xscontainer (8),\n.BR xscontainer\\-config (8)\n";
    page
}

fn after(key: &Key) -> String {
    if key.restart { " Takes a restart of the service.".to_owned() } else { String::new() }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let at = lines.len() - 1;
        match lines[at].is_empty() {
            true => lines[at] += word,
            false if lines[at].chars().count() + 1 + word.chars().count() <= width => {
                lines[at] = format!("{} {word}", lines[at]);
            }
            false => lines.push(word.to_owned()),
        }
    }
    lines
}
