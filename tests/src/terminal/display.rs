//! Bytes as a terminal shows them: as text in the order in which it was printed, and as a screen.
//!
//! Must not know where the bytes come from.

use std::num::NonZeroU16;

/// More lines than any program here prints.
const SCROLLBACK: usize = 10_000;

/// What was printed so far.
pub(super) struct Display {
    splitter: vte::Parser,
    plain: Plain,
    emulator: vt100::Parser,
}

/// The printed text without control sequences.
#[derive(Default)]
struct Plain {
    text: String,
    /// The last character was a carriage return: a line end follows, or the line is printed over.
    returned: bool,
}

impl Display {
    pub(super) fn new(columns: u16, rows: u16) -> Self {
        let emulator = vt100::Parser::new(whole(rows), whole(columns), SCROLLBACK);
        Self { splitter: vte::Parser::new(), plain: Plain::default(), emulator }
    }

    pub(super) fn resize(&mut self, columns: u16, rows: u16) {
        self.emulator.set_size(whole(rows), whole(columns));
    }

    /// Takes what a program printed; sequences and characters may be cut anywhere.
    pub(super) fn print(&mut self, bytes: &[u8]) {
        self.splitter.advance(&mut self.plain, bytes);
        self.emulator.process(bytes);
    }

    /// Everything that was printed; it only ever grows.
    pub(super) fn text(&self) -> &str {
        &self.plain.text
    }

    /// The lines as they lie on the screen, those that scrolled out of sight first, without the empty ones at the end.
    pub(super) fn screen(&self) -> String {
        let mut screen = self.emulator.screen().clone();
        let (_, columns) = screen.size();
        screen.set_scrollback(usize::MAX);
        let mut lines: Vec<String> = Vec::new();
        for above in (1..=screen.scrollback()).rev() {
            screen.set_scrollback(above);
            lines.extend(screen.rows(0, columns.get()).next());
        }
        screen.set_scrollback(0);
        lines.extend(screen.rows(0, columns.get()));
        let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
        lines.join("\n").trim_end().to_owned()
    }
}

impl Default for Display {
    fn default() -> Self {
        Self::new(80, 24)
    }
}

impl vte::Perform for Plain {
    fn print(&mut self, character: char) {
        if std::mem::take(&mut self.returned) {
            self.text.push('\n');
        }
        self.text.push(character);
    }

    fn execute(&mut self, byte: u8) {
        match byte {
            b'\r' => self.returned = !self.text.is_empty() && !self.text.ends_with('\n'),
            b'\n' => {
                self.returned = false;
                self.text.push('\n');
            }
            b'\t' => self.text.push('\t'),
            // Bells, backspaces and the like are seen on the screen or not at all.
            _ => {}
        }
    }
}

/// A terminal without columns or rows is one that does not tell its size: here it has one of each.
fn whole(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).unwrap_or(NonZeroU16::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn display(text: &str) -> Display {
        let mut display = Display::new(10, 3);
        // Cut everywhere, as reads may be.
        text.as_bytes().chunks(1).for_each(|byte| display.print(byte));
        display
    }

    #[test]
    fn colours_and_titles_are_no_text() {
        let display = display("\x1b]0;title\x07\x1b[1;31mré\x1b[0md\r\n\x1b[?25l");
        assert_eq!((display.text(), &*display.screen()), ("réd\n", "réd"));
    }

    #[test]
    fn a_line_that_was_printed_over_is_two_lines_of_text_and_one_of_the_screen() {
        let display = display("waiting\r\x1b[Kdone\r\n");
        assert_eq!((display.text(), &*display.screen()), ("waiting\ndone\n", "done"));
    }

    #[test]
    fn what_scrolled_away_is_above_and_long_lines_are_broken() {
        let display = display("1\r\n2\r\n3\r\n4\r\n0123456789ab\r\n");
        assert_eq!(display.screen(), "1\n2\n3\n4\n0123456789\nab");
        assert!(display.text().ends_with("0123456789ab\n"));
    }
}
