//! A person's yes before something is changed on a host.

use std::io::{self, BufRead, IsTerminal, Write};

use super::interrupt;
use crate::{Error, Result};

/// Asks on the terminal; anything but `y` and `yes` is a no. With `given`, it was said on the command line already.
///
/// # Errors
/// [`Error`] of class `Tool` if there is nobody to ask; interrupted.
pub fn consent(question: &str, given: bool) -> Result<bool> {
    if given {
        return Ok(true);
    }
    if !io::stdin().is_terminal() {
        return Err(Error::tool("standard input", "is no terminal, so that nobody can be asked", "Add --yes"));
    }
    eprint!("{question} [y/N] ");
    let _ = io::stderr().flush();
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    if interrupt::interrupted() {
        return Err(Error::interrupted());
    }
    read.map_err(|e| Error::tool("standard input", format!("cannot be read: {e}"), "Add --yes"))?;
    Ok(["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
}
