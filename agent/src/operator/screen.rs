//! What a terminal can show: its width, colours, characters. Foreign text made fit for it.

use std::io::{self, IsTerminal, Write};

use rustix::termios::tcgetwinsize;

/// The width that is reckoned with where nobody says another.
const USUAL_WIDTH: usize = 80;

/// Where something is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// Columns; none where lines may have any length, as in a pipe or a file.
    pub width: Option<usize>,
    /// Whether there are colours.
    pub colours: bool,
    /// Whether there are characters beyond ASCII.
    pub unicode: bool,
}

/// A colour that means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// As it should be.
    Good,
    /// Worth a look.
    Doubtful,
    /// Wrong.
    Bad,
    /// Of less weight.
    Faint,
    /// A title.
    Strong,
}

impl Screen {
    /// Standard output, as the environment says: `NO_COLOR` (<https://no-color.org>), `TERM`, and the locale's character
    /// set.
    #[must_use]
    pub fn of_stdout(unicode: bool) -> Self {
        let stdout = io::stdout();
        if !stdout.is_terminal() {
            return Self { width: None, colours: false, unicode };
        }
        let columns = tcgetwinsize(&stdout).map_or(0, |size| usize::from(size.ws_col));
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let width = if columns == 0 { USUAL_WIDTH } else { columns };
        Self { width: Some(width), colours: !is_set("NO_COLOR") && !dumb, unicode }
    }

    /// `text` in a colour, where there are colours.
    #[must_use]
    pub fn in_colour(&self, text: &str, colour: Option<Colour>) -> String {
        let Some(colour) = colour.filter(|_| self.colours && !text.is_empty()) else { return text.to_owned() };
        let code = match colour {
            Colour::Good => 32,
            Colour::Doubtful => 33,
            Colour::Bad => 31,
            Colour::Faint => 2,
            Colour::Strong => 1,
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    /// `text` in one line of what can be shown here.
    #[must_use]
    pub fn line(&self, text: &str) -> String {
        let shown = |c: char| !c.is_control() && (c.is_ascii() || self.unicode && !is_odd(c));
        text.chars().fold(String::with_capacity(text.len()), |mut line, c| {
            match c {
                '\n' | '\r' | '\t' => line.push(' '),
                '…' if !self.unicode => line.push_str("..."),
                c if shown(c) => line.push(c),
                c => line.extend(c.escape_unicode()),
            }
            line
        })
    }
}

/// What turns the direction of text, or has no width to reckon with.
fn is_odd(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Writes all of `text` to standard output.
///
/// # Errors
/// Those of the system; also when a pipe's reader has gone.
pub fn write(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_one_harmless_line() {
        let screen = |unicode| Screen { width: None, colours: false, unicode };
        assert_eq!(screen(true).line("größe…\n\u{1b}[2J\u{202e}\u{9b}"), "größe… \\u{1b}[2J\\u{202e}\\u{9b}");
        assert_eq!(screen(false).line("größe…"), "gr\\u{f6}\\u{df}e...");
    }

    #[test]
    fn colours_are_for_terminals_that_have_them() {
        let screen = |colours| Screen { width: None, colours, unicode: false };
        assert_eq!(screen(true).in_colour("x", Some(Colour::Bad)), "\u{1b}[31mx\u{1b}[0m");
        assert_eq!(screen(true).in_colour("x", None), "x");
        assert_eq!(screen(false).in_colour("x", Some(Colour::Bad)), "x");
    }
}
