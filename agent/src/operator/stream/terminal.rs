//! The terminal that a person sits at: passed on as it is while this lasts, and given back as it was.
//!
//! Must not know what runs at the other end.

use std::io::{self, IsTerminal};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use crate::engine::exec::Size;

/// Standard input in raw mode: every key, Ctrl-C among them, goes to the container. Dropping it gives the terminal back,
/// however the program goes on: also when it panics.
#[derive(Debug)]
pub struct RawMode {
    before: Termios,
}

impl RawMode {
    /// Begins it.
    ///
    /// # Errors
    /// If standard input is no terminal any more.
    pub fn begin() -> io::Result<Self> {
        let mode = Self { before: tcgetattr(io::stdin())? };
        mode.again()?;
        Ok(mode)
    }

    /// Begins it anew, after a shell had the terminal in between.
    ///
    /// # Errors
    /// As [`RawMode::begin`].
    pub fn again(&self) -> io::Result<()> {
        let mut raw = self.before.clone();
        raw.make_raw();
        // At once: a terminal that shows nothing at the moment must not hold us up.
        Ok(tcsetattr(io::stdin(), OptionalActions::Now, &raw)?)
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // It fails if the terminal is gone.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}

/// Whether a person types at standard input.
#[must_use]
pub fn is_typed_at() -> bool {
    io::stdin().is_terminal()
}

/// The size of the terminal that is written to, else of the one that is typed at.
#[must_use]
pub fn size() -> Option<Size> {
    let size = tcgetwinsize(io::stdout()).or_else(|_| tcgetwinsize(io::stdin())).ok()?;
    // Terminals that do not know theirs say 0.
    let size = Size { columns: size.ws_col, rows: size.ws_row };
    (size.columns > 0 && size.rows > 0).then_some(size)
}
