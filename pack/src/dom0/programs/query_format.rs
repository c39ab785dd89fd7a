//! rpm's query formats: `%{NAME}-%{VERSION}\n`, with widths, escapes and lists.
//!
//! Syntax: rpm 4.11, `lib/headerfmt.c`, and the manual page rpm(8). Must not know where the values of tags come from.

use std::iter::Peekable;
use std::str::Chars;

/// Deeper lists than any script writes.
const MAX_DEPTH: usize = 8;

/// The values of a tag: one for most, several for lists; `None` for a tag that is not known here.
pub(super) type Tags<'a> = dyn Fn(&str) -> Option<Vec<String>> + 'a;

/// What may be spent on one call, in values looked at and bytes written: lists in lists take any time.
pub(super) struct Effort(usize);

impl Default for Effort {
    fn default() -> Effort {
        Effort(1 << 22)
    }
}

impl Effort {
    /// # Errors
    /// Nothing is left.
    pub(super) fn spend(&mut self, units: usize) -> Result<(), String> {
        self.0 = self.0.checked_sub(units).ok_or("the query asks for more than any script needs")?;
        Ok(())
    }
}

/// Fills a format for one package.
///
/// # Errors
/// What in the format is malformed or not known here; that it takes too much.
pub(super) fn fill(format: &str, tags: &Tags<'_>, effort: &mut Effort) -> Result<String, String> {
    let parts = parse(&mut format.chars().peekable(), 0)?;
    let mut output = String::new();
    for part in &parts {
        part.write(tags, 0, &mut output, effort)?;
    }
    Ok(output)
}

enum Part {
    Text(String),
    Tag {
        name: String,
        width: i16,
    },
    /// Repeated for each value of the tags in it.
    List(Vec<Part>),
}

fn parse(characters: &mut Peekable<Chars<'_>>, depth: usize) -> Result<Vec<Part>, String> {
    if depth > MAX_DEPTH {
        return Err("the query format has too many lists in lists".into());
    }
    let mut parts = Vec::new();
    let mut text = String::new();
    while let Some(character) = characters.next() {
        match character {
            '%' if characters.next_if_eq(&'%').is_some() => text.push('%'),
            '%' => {
                parts.push(Part::Text(std::mem::take(&mut text)));
                parts.push(parse_tag(characters)?);
            }
            '\\' => text.push(match characters.next().ok_or("the query format ends with a '\\'")? {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                'a' => '\x07',
                'b' => '\x08',
                other => other,
            }),
            '[' => {
                parts.push(Part::Text(std::mem::take(&mut text)));
                parts.push(Part::List(parse(characters, depth + 1)?));
            }
            ']' if depth > 0 => {
                parts.push(Part::Text(text));
                return Ok(parts);
            }
            _ => text.push(character),
        }
    }
    match depth {
        0 => {
            parts.push(Part::Text(text));
            Ok(parts)
        }
        _ => Err("the query format has a '[' without ']'".into()),
    }
}

/// What follows a `%`: `-20{NAME}`.
fn parse_tag(characters: &mut Peekable<Chars<'_>>) -> Result<Part, String> {
    let mut width = String::new();
    while let Some(character) = characters.next_if(|c| c.is_ascii_digit() || *c == '-') {
        width.push(character);
    }
    let width = match width.as_str() {
        "" => 0,
        text => text.parse().map_err(|_| format!("the query format has the width {text:?}"))?,
    };
    if characters.next() != Some('{') {
        return Err("the query format has a '%' without '{'".into());
    }
    let mut name = String::new();
    loop {
        match characters.next().ok_or("the query format has a '{' without '}'")? {
            '}' => break,
            character => name.push(character),
        }
    }
    match name.is_empty() || name.contains(|c: char| !(c.is_ascii_alphanumeric() || "=_".contains(c))) {
        true => Err(format!("the tag %{{{name}}} is not known to the rehearsal")),
        false => Ok(Part::Tag { name, width }),
    }
}

impl Part {
    fn write(&self, tags: &Tags<'_>, index: usize, output: &mut String, effort: &mut Effort) -> Result<(), String> {
        effort.spend(1)?;
        match self {
            Part::Text(text) => output.push_str(text),
            Part::Tag { name, width } => {
                let values = values(name, tags)?;
                effort.spend(values.len() + usize::from(width.unsigned_abs()))?;
                // A tag without a value prints so; one with `=`, or with one value, is the same for every turn of a list.
                let single = name.starts_with('=') || values.len() == 1;
                let value = values.get(if single { 0 } else { index }).map_or("(none)", String::as_str);
                match usize::from(width.unsigned_abs()) {
                    columns if *width < 0 => *output += &format!("{value:<columns$}"),
                    columns => *output += &format!("{value:>columns$}"),
                }
            }
            Part::List(parts) => {
                let mut turns = 0;
                for part in parts {
                    if let Part::Tag { name, .. } = part {
                        let count = values(name, tags)?.len();
                        turns = turns.max(if name.starts_with('=') { count.min(1) } else { count });
                    }
                }
                for turn in 0..turns {
                    for part in parts {
                        part.write(tags, turn, output, effort)?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn values(name: &str, tags: &Tags<'_>) -> Result<Vec<String>, String> {
    let plain = name.trim_start_matches('=').to_ascii_uppercase();
    let plain = plain.strip_prefix("RPMTAG_").unwrap_or(&plain);
    tags(plain).ok_or_else(|| format!("the tag %{{{name}}} is not known to the rehearsal"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(format: &str) -> Result<String, String> {
        let tags = |name: &str| match name {
            "NAME" => Some(vec!["update-x".to_owned()]),
            "VERSION" => Some(vec!["1.0".to_owned()]),
            "REQUIRENAME" => Some(vec!["a".to_owned(), "b".to_owned()]),
            "EPOCH" => Some(vec![]),
            _ => None,
        };
        fill(format, &tags, &mut Effort::default())
    }

    /// As rpm 4.18 prints them for a package of these values: `lab::…` compares more of them with the real program.
    #[test]
    fn formats_are_filled_as_rpm_fills_them() {
        for (format, expected) in [
            ("%{NAME}-%{version}\\n", "update-x-1.0\n"),
            ("[%{REQUIRENAME}\\n]", "a\nb\n"),
            ("[%{=NAME}:%{REQUIRENAME} ]", "update-x:a update-x:b "),
            ("%{EPOCH}", "(none)"),
            ("100%%\\t|", "100%\t|"),
            ("%-10{NAME}|%10{NAME}|", "update-x  |  update-x|"),
            ("%{RPMTAG_NAME}", "update-x"),
        ] {
            assert_eq!(filled(format).as_deref(), Ok(expected), "{format}");
        }
    }

    #[test]
    fn lists_in_lists_end() {
        let tags = |_: &str| Some(vec![String::new(); 100]);
        let format = "[%{A}".repeat(8) + &"]".repeat(8);
        assert!(fill(&format, &tags, &mut Effort::default()).is_err());
    }

    #[test]
    fn malformed_and_unknown_formats_are_told() {
        for format in ["%", "%{NAME", "[%{NAME}", "%{NOSUCHTAG}", "%{NAME:perms}", "\\", &"[".repeat(100)] {
            assert!(filled(format).is_err(), "{format}");
        }
    }
}
