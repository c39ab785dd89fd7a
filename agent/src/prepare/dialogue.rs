//! Questions to a person at a terminal, or to nobody.
//!
//! Knows terminals; must not know what is asked. What is said goes to standard output, or to standard error if that is kept
//! for a result that programs read.

use std::fmt;
use std::io::{self, BufRead, IsTerminal, Write};
use std::os::fd::AsFd;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use super::Problem;

/// Bytes of an answer.
const MAX_ANSWER: usize = 4096;

/// How questions are put.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// Everything that has a usual answer gets it, unasked.
    pub yes: bool,
    /// Standard output is for a result alone.
    pub quiet: bool,
    /// Whether what is shown may have characters beyond ASCII.
    pub unicode: bool,
}

/// A person, or a script in their place.
#[derive(Debug)]
pub struct Dialogue {
    manner: Manner,
}

impl Dialogue {
    /// In this manner.
    #[must_use]
    pub fn new(manner: Manner) -> Self {
        Self { manner }
    }

    /// Whether somebody is asked, rather than everything taken for granted.
    #[must_use]
    pub fn is_person(&self) -> bool {
        !self.manner.yes
    }

    /// Shows a line.
    pub fn say(&self, text: impl fmt::Display) {
        self.write(&format!("{text}\n"));
    }

    fn write(&self, text: &str) {
        let text = self.printable(text);
        // Nobody may be listening any more, which is no reason to stop.
        let _ = match self.manner.quiet {
            true => io::stderr().write_all(text.as_bytes()),
            false => io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()),
        };
    }

    /// What can be shown of it.
    #[must_use]
    pub fn printable(&self, text: &str) -> String {
        let is_shown = |c: char| c == '\n' || (!c.is_control() && (c.is_ascii() || self.manner.unicode));
        text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
            match is_shown(c) {
                true => shown.push(c),
                false => shown.extend(c.escape_unicode()),
            }
            shown
        })
    }

    /// Whether the answer is yes; asks again until it is yes or no. Unasked it is yes.
    ///
    /// # Errors
    /// [`Problem::NobodyAnswers`], [`Problem::AnswerIsNotText`]
    pub async fn confirm(&self, question: impl fmt::Display) -> Result<bool, Problem> {
        if self.manner.yes {
            self.say(format_args!("{question} (y/n): y"));
            return Ok(true);
        }
        loop {
            self.write(&format!("{question} (y/n): "));
            match line().await?.trim().to_ascii_lowercase().as_str() {
                "y" | "yes" => return Ok(true),
                "n" | "no" => return Ok(false),
                _ => self.say("Please answer y or n."),
            }
        }
    }

    /// Like [`Dialogue::confirm`], of what is not usual: unasked it is no.
    ///
    /// # Errors
    /// As [`Dialogue::confirm`].
    pub async fn confirm_unusual(&self, question: impl fmt::Display) -> Result<bool, Problem> {
        match self.manner.yes {
            true => {
                self.say(format_args!("{question} (y/n): n"));
                Ok(false)
            }
            false => self.confirm(question).await,
        }
    }

    /// A text; an empty one if the answer is empty, or unasked.
    ///
    /// # Errors
    /// [`Problem::NobodyAnswers`], [`Problem::AnswerIsNotText`]
    pub async fn ask(&self, question: impl fmt::Display) -> Result<Zeroizing<String>, Problem> {
        if self.manner.yes {
            return Ok(Zeroizing::default());
        }
        self.write(&question.to_string());
        line().await
    }

    /// Like [`Dialogue::ask`], and the answer does not show. A terminal shows what is typed again as soon as this is
    /// dropped.
    ///
    /// # Errors
    /// [`Problem::NobodyAnswers`], also where everything is answered unasked; [`Problem::AnswerIsNotText`].
    pub async fn ask_secret(&self, question: impl fmt::Display) -> Result<Zeroizing<String>, Problem> {
        if self.manner.yes && !io::stdin().is_terminal() {
            return Err(Problem::NobodyAnswers);
        }
        let _hidden = Hidden::new();
        self.write(&question.to_string());
        let answer = line().await;
        self.write("\n");
        answer
    }
}

/// The first line of standard input, for scripts that have a password there.
///
/// # Errors
/// [`Problem::NobodyAnswers`], [`Problem::AnswerIsNotText`]
pub async fn line() -> Result<Zeroizing<String>, Problem> {
    // A thread that waits for an answer which nobody needs any more ends with the program.
    spawn_blocking(read_line).await.unwrap_or(Err(Problem::NobodyAnswers))
}

fn read_line() -> Result<Zeroizing<String>, Problem> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_ANSWER));
    let mut input = io::stdin().lock();
    loop {
        let there = input.fill_buf().map_err(|_| Problem::NobodyAnswers)?;
        let (end, length) = match there.iter().position(|byte| *byte == b'\n') {
            Some(at) => (true, at + 1),
            None => (there.is_empty(), there.len()),
        };
        let room = MAX_ANSWER.saturating_sub(bytes.len());
        bytes.extend_from_slice(&there[..length.min(room)]);
        input.consume(length);
        if end {
            break;
        }
    }
    if bytes.is_empty() {
        return Err(Problem::NobodyAnswers);
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| Problem::AnswerIsNotText)?;
    Ok(Zeroizing::new(text.trim_end_matches(['\n', '\r']).to_owned()))
}

/// A terminal that does not show what is typed, until this is dropped.
struct Hidden(Option<Termios>);

impl Hidden {
    fn new() -> Self {
        let stdin = io::stdin();
        let before = tcgetattr(stdin.as_fd()).ok();
        if let Some(before) = &before {
            let mut now = before.clone();
            now.local_modes.remove(LocalModes::ECHO);
            let _ = tcsetattr(stdin.as_fd(), OptionalActions::Flush, &now);
        }
        Self(before)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = tcsetattr(io::stdin().as_fd(), OptionalActions::Now, before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_shown_is_escaped() {
        let shown = |unicode| Dialogue::new(Manner { unicode, ..Manner::default() }).printable("VM \"größe\"");
        assert_eq!(Dialogue::new(Manner::default()).printable("a\u{1b}[2J\n"), "a\\u{1b}[2J\n");
        assert_eq!(shown(true), "VM \"größe\"");
        assert_eq!(shown(false), "VM \"gr\\u{f6}\\u{df}e\"");
    }
}
