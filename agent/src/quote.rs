//! Foreign text made safe to print: one line, bounded, nothing that a terminal or a log reader would obey.
//!
//! Knows nothing of where the text came from.

use std::fmt;

/// Characters of foreign text shown before it is cut; an ellipsis then follows the closing quote.
pub const SHOWN_CHARACTERS: usize = 200;

/// `text` in double quotes, control characters, line breaks, escape sequences and direction overrides written as
/// Rust escapes, cut after [`SHOWN_CHARACTERS`].
///
/// ```
/// assert_eq!(agent::quote::quoted("a\n\u{1b}[2J").to_string(), r#""a\n\u{1b}[2J""#);
/// ```
#[must_use]
pub fn quoted(text: &str) -> Quoted<'_> {
    Quoted(text)
}

/// What [`quoted`] returns; `Display` and `Debug` print the same.
#[derive(Clone, Copy)]
pub struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(SHOWN_CHARACTERS) {
            None => write!(f, "{:?}", self.0),
            Some((end, _)) => write!(f, "{:?}…", &self.0[..end]),
        }
    }
}

impl fmt::Debug for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_escapes_and_direction_overrides_are_written_as_escapes() {
        let shown = quoted("a\r\nb\u{1b}[31m\u{202e}\u{85}\u{2028}").to_string();
        assert_eq!(shown, r#""a\r\nb\u{1b}[31m\u{202e}\u{85}\u{2028}""#);
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        let shown = quoted(&"é".repeat(SHOWN_CHARACTERS + 1)).to_string();
        assert_eq!(shown, format!("\"{}\"…", "é".repeat(SHOWN_CHARACTERS)));
    }

    #[test]
    fn text_of_exactly_the_limit_is_whole() {
        let text = "x".repeat(SHOWN_CHARACTERS);
        assert_eq!(quoted(&text).to_string(), format!("\"{text}\""));
    }
}
