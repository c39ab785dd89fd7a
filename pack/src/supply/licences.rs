//! The licences of everything in a pack, for people: each component with its expression, and the texts.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{Contents, Part, Supply};

const WIDTH: usize = 78;

/// A licence as an SPDX expression, if it is one or nearly one: `MIT/Apache-2.0` of older crates is.
pub(super) fn expression(text: &str) -> Option<String> {
    let strict = spdx::Expression::canonicalize(text).ok()?.unwrap_or_else(|| text.to_owned());
    let parsed = spdx::Expression::parse(&strict).ok()?;
    Some(parsed.to_string())
}

/// The list.
pub(super) fn text(supply: &Supply, contents: &Contents<'_>) -> String {
    let mut text = format!(
        "Licences of {} {}\n\nEvery package of this pack, and what was compiled into it. Texts follow the list.\n",
        plain(contents.label),
        plain(contents.version)
    );
    for packed in contents.packages {
        let licence = packed.rpm.metadata().get_license().unwrap_or_default();
        let _ = writeln!(text, "\n{}\n    {}", packed.rpm.nevra(), stated(Some(licence)));
        for compiled in supply.compiled.iter().filter(|compiled| compiled.package == packed.rpm.name()) {
            text.push('\n');
            for part in &compiled.parts {
                let _ = writeln!(text, "  {:<40} {}", titled(part), stated(part.licence.as_deref()));
            }
        }
    }
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for part in supply.compiled.iter().flat_map(|compiled| &compiled.parts) {
        for licence in &part.texts {
            let owners = texts.entry(tidied(licence)).or_default();
            if owners.last() != Some(&titled(part)) {
                owners.push(titled(part));
            }
        }
    }
    let mut texts: Vec<_> = texts.into_iter().map(|(text, owners)| (owners, text)).collect();
    texts.sort();
    for (owners, licence) in texts {
        let _ = write!(text, "\n{0}\n{1}{0}\n\n{licence}\n", "=".repeat(WIDTH), wrapped(&owners));
    }
    text
}

fn titled(part: &Part) -> String {
    format!("{} {}", plain(&part.name), plain(&part.version))
}

fn stated(licence: Option<&str>) -> String {
    match licence.filter(|licence| !licence.is_empty()) {
        Some(licence) => expression(licence).unwrap_or_else(|| plain(licence)),
        None => "not stated".into(),
    }
}

/// One line without what would confuse a terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A text without blanks at the ends of its lines and empty lines around it, in which two copies of a licence differ.
fn tidied(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| plain(&line.trim_end().replace('\t', "    "))).collect();
    let begin = lines.iter().position(|line| !line.is_empty()).unwrap_or(lines.len());
    let end = lines.iter().rposition(|line| !line.is_empty()).map_or(begin, |last| last + 1);
    lines[begin..end].join("\n")
}

/// Names in lines of at most [`WIDTH`] columns.
fn wrapped(names: &[String]) -> String {
    let mut text = String::new();
    let mut line = String::new();
    for (index, name) in names.iter().enumerate() {
        let end = if index + 1 < names.len() { "," } else { "" };
        if !line.is_empty() && line.chars().count() + 1 + name.chars().count() + end.len() > WIDTH {
            let _ = writeln!(text, "{line}");
            line.clear();
        }
        let gap = if line.is_empty() { "" } else { " " };
        let _ = write!(line, "{gap}{name}{end}");
    }
    text + &line + "\n"
}
