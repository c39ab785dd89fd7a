//! Text of strangers, made harmless on a terminal: nothing moves the cursor, hides or reorders what stands there.

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
    const LONGEST: usize = 1000;
    text.lines().map(|text| line(&text.replace('\t', "    "), LONGEST))
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
