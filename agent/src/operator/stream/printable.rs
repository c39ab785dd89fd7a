//! Foreign text for a terminal, as it comes: everything that would command the terminal, or turn the direction of text, is
//! written out instead; the rest stays as it is.
//!
//! What ends a line becomes a line feed. Must not know where the text comes from.

/// The longest that one byte of input becomes: a control character of two bytes as `\u{85}`.
#[cfg(test)]
const MOST: usize = 8;

/// Makes one stream of text harmless. Keeps at most three bytes: of a character that is cut.
#[derive(Clone, Debug)]
pub struct Printable {
    /// The terminal shows characters beyond ASCII.
    unicode: bool,
    /// The beginning of a character.
    begun: Vec<u8>,
    after_return: bool,
}

impl Printable {
    /// For a terminal that shows Unicode, or ASCII alone.
    #[must_use]
    pub fn new(unicode: bool) -> Self {
        Self { unicode, begun: Vec::new(), after_return: false }
    }

    /// What is to be shown of what came.
    ///
    /// ```
    /// use agent::operator::stream::printable::Printable;
    /// assert_eq!(Printable::new(true).push("é\t\x1b[2J\n".as_bytes()), "é\t^[[2J\n");
    /// ```
    #[must_use]
    pub fn push(&mut self, bytes: &[u8]) -> String {
        let mut shown = String::with_capacity(bytes.len());
        let joined;
        let mut rest = match self.begun.is_empty() {
            true => bytes,
            false => {
                joined = [&std::mem::take(&mut self.begun), bytes].concat();
                &joined
            }
        };
        loop {
            match std::str::from_utf8(rest) {
                Ok(text) => {
                    self.show(text, &mut shown);
                    return shown;
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    self.show(std::str::from_utf8(valid).unwrap_or_default(), &mut shown);
                    match error.error_len() {
                        Some(length) => {
                            self.show("\u{fffd}", &mut shown);
                            rest = &after[length..];
                        }
                        None => {
                            self.begun = after.to_vec();
                            return shown;
                        }
                    }
                }
            }
        }
    }

    /// What is to be shown when nothing more comes.
    #[must_use]
    pub fn end(&mut self) -> String {
        let mut shown = String::new();
        if !std::mem::take(&mut self.begun).is_empty() {
            self.show("\u{fffd}", &mut shown);
        }
        shown
    }

    fn show(&mut self, text: &str, shown: &mut String) {
        for c in text.chars() {
            let second_half = std::mem::replace(&mut self.after_return, c == '\r') && c == '\n';
            match c {
                _ if second_half => {}
                '\r' => shown.push('\n'),
                '\n' | '\t' => shown.push(c),
                // As cat -v writes them.
                '\0'..='\x1f' | '\x7f' => {
                    shown.push('^');
                    shown.push(char::from(c as u8 ^ 0x40));
                }
                c if c.is_ascii() => shown.push(c),
                c if c.is_control() || is_treacherous(c) || !self.unicode => shown.extend(c.escape_unicode()),
                c => shown.push(c),
            }
        }
    }
}

/// What turns the direction of text (Unicode Standard Annex 9), separates lines unseen, or is not seen at all: tags.
fn is_treacherous(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(c, '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(bytes: &[u8], cut: usize) -> String {
        let mut printable = Printable::new(true);
        let mut all: String = bytes.chunks(cut).map(|chunk| printable.push(chunk)).collect();
        all += &printable.end();
        all
    }

    #[test]
    fn harmless_text_stays_as_it_is() {
        let text = " \tTab, é, \u{1f433}, 漢字\n\n";
        for cut in 1..5 {
            assert_eq!(shown(text.as_bytes(), cut), text);
        }
    }

    #[test]
    fn what_would_be_obeyed_is_written_out() {
        let text = "\x1b]0;title\x07\x1b[2J\0\x7f\u{9b}31m\u{85}\u{202e}txt.exe\u{2066}\u{2028}";
        let wanted = "^[]0;title^G^[[2J^@^?\\u{9b}31m\\u{85}\\u{202e}txt.exe\\u{2066}\\u{2028}";
        for cut in 1..9 {
            assert_eq!(shown(text.as_bytes(), cut), wanted);
        }
    }

    #[test]
    fn every_end_of_a_line_is_a_line_feed() {
        for cut in 1..4 {
            assert_eq!(shown(b"a\r\nb\rc\r\r\n\n", cut), "a\nb\nc\n\n\n");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        for cut in 1..4 {
            assert_eq!(shown(b"a\xff\xc0\xafb\xe2\x82", cut), "a\u{fffd}\u{fffd}\u{fffd}b\u{fffd}");
        }
    }

    #[test]
    fn a_terminal_of_ascii_gets_ascii() {
        assert_eq!(Printable::new(false).push("é€".as_bytes()), "\\u{e9}\\u{20ac}");
    }

    proptest! {
        #[test]
        fn nothing_that_commands_a_terminal_passes_wherever_it_is_cut(
            bytes in prop::collection::vec(any::<u8>(), 0..64),
            unicode in any::<bool>(),
            cut in 1usize..9,
        ) {
            let mut printable = Printable::new(unicode);
            let mut all: String = bytes.chunks(cut).map(|chunk| printable.push(chunk)).collect();
            all += &printable.end();
            prop_assert!(all.chars().all(|c| matches!(c, '\t' | '\n') || !c.is_control()));
            prop_assert!(!all.chars().any(is_treacherous) && (unicode || all.is_ascii()));
            prop_assert!(all.len() <= bytes.len() * MOST);
            prop_assert_eq!(all, {
                let mut whole = Printable::new(unicode);
                whole.push(&bytes) + &whole.end()
            });
        }
    }
}
