//! Which characters of foreign text are shown. Must not know markup.

/// Foreign text on one line, without white space around it: one client trims, the other does not. What XML cannot carry,
/// and what would command a terminal or turn the direction of text, is replaced.
pub fn clean(text: &str) -> impl Iterator<Item = char> {
    text.trim_matches(|c: char| c.is_whitespace() || c.is_control()).chars().map(|c| match c {
        '\t' | '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => ' ',
        // JavaScript counts the byte order mark as white space and trims it, .NET does not.
        '\u{feff}' => char::REPLACEMENT_CHARACTER,
        c if is_harmful(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    })
}

/// Foreign text as it is, with line feeds, tabs and all blanks. What ends a line becomes a line feed, as XML's readers
/// would have it anyway (XML 1.0, 2.11). What XML cannot carry, and what would command a terminal or turn the direction
/// of text, is replaced.
pub fn faithful(text: &str) -> impl Iterator<Item = char> {
    let mut after_return = false;
    text.chars().filter_map(move |c| {
        let second_half = after_return && c == '\n';
        after_return = c == '\r';
        match c {
            _ if second_half => None,
            '\r' => Some('\n'),
            '\t' | '\n' => Some(c),
            c if is_harmful(c) => Some(char::REPLACEMENT_CHARACTER),
            c => Some(c),
        }
    })
}

fn is_harmful(c: char) -> bool {
    c.is_control() || is_direction(c) || matches!(c, '\u{fffe}' | '\u{ffff}')
}

/// Marks, embeddings, overrides and isolates of direction (Unicode Standard Annex 9).
fn is_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clean_text_is_one_line_of_what_can_be_shown() {
        let shown: String = clean(" \na\u{1b}[2J\r\nb\0\t\u{202e}c\u{feff}d\u{2028}\u{ffff}e \u{85}").collect();
        assert_eq!(shown, "a\u{fffd}[2J  b\u{fffd} \u{fffd}c\u{fffd}d \u{fffd}e");
    }

    #[test]
    fn faithful_text_keeps_what_is_harmless() {
        let text = " \n\ta  b\u{2028}\u{feff}é\u{1f433}\u{1ffff} \n";
        assert_eq!(faithful(text).collect::<String>(), text);
        assert_eq!(faithful("a\r\nb\rc\r\r\n\n\rd\r").collect::<String>(), "a\nb\nc\n\n\n\nd\n");
        let harmful = "\0\u{1b}\u{7f}\u{85}\u{9b}\u{202e}\u{2066}\u{61c}\u{fffe}\u{ffff}\u{b}";
        assert_eq!(faithful(harmful).collect::<String>(), "\u{fffd}".repeat(11));
    }
}
