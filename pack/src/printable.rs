//! Text of strangers, made harmless on a terminal: nothing moves the cursor, hides or reorders what stands there.

use std::fmt::Write;

/// Columns of a terminal.
const WIDTH: usize = 80;
/// Most characters of something that stands on one line.
const LONGEST: usize = 1000;

/// One line of text, as [`line`] makes it harmless.
pub(crate) fn shown(text: &str) -> String {
    line(text, LONGEST)
}

/// One line of text: what is not printable is shown by its escape, at most `limit` characters.
pub(crate) fn line(text: &str, limit: usize) -> String {
    let mut shown: String = text.chars().take(limit).map(escaped).collect();
    if text.chars().nth(limit).is_some() {
        shown.push('…');
    }
    shown
}

/// Lines of text, the same each; tabulators become four blanks.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = String> {
    text.lines().map(|text| line(&text.replace('\t', "    "), LONGEST))
}

/// `name` in a column of a width, and beside it `value`, broken at blanks where the terminal ends.
pub(crate) fn wrapped(text: &mut String, indent: usize, name: &str, width: usize, value: &str) {
    let room = WIDTH.saturating_sub(indent + width + 1);
    let mut line = format!("{:indent$}{name:<width$}", "");
    if name.chars().count() > width {
        let _ = writeln!(text, "{line}");
        line = " ".repeat(indent + width);
    }
    let mut used = 0;
    for word in value.split(' ') {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > room {
            let _ = writeln!(text, "{}", line.trim_end());
            (line, used) = (" ".repeat(indent + width), 0);
        }
        line.push(' ');
        line += word;
        used += 1 + length;
    }
    let _ = writeln!(text, "{}", line.trim_end());
}

fn escaped(c: char) -> String {
    match c {
        '"' | '\'' | '\\' => c.to_string(),
        c => c.escape_debug().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_but_what_can_be_seen() {
        assert_eq!(line("a\u{1b}[2Jb\u{202e}c\n\"d\\", 99), "a\\u{1b}[2Jb\\u{202e}c\\n\"d\\");
        assert_eq!(line("ünïcode", 99), "ünïcode");
        assert_eq!(line("abcd", 3), "abc…");
        assert_eq!(lines("a\n\tb\r\n").collect::<Vec<_>>(), ["a", "    b"]);
    }
}
