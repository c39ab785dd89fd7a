//! A program at a terminal, used as a person would: who reads what it prints, types answers, and presses Ctrl-C.
//!
//! The terminal is a pseudo-terminal of the kernel (pty(7)) and the program's controlling one: `/dev/tty` opens, Ctrl-C
//! gives SIGINT, and an echo that was switched off is off.
//!
//! ```no_run
//! use lab::terminal::Terminal;
//! use lab::tools::command;
//! let mut terminal = Terminal::start(command("ssh", ["core@198.18.0.2"]));
//! terminal.expect("password:");
//! assert!(!terminal.is_echoing());
//! terminal.send_line("secret");
//! terminal.expect("$ ");
//! terminal.send_line("exit 3");
//! let ended = terminal.finish();
//! assert_eq!(ended.code, Some(3));
//! assert!(!ended.text.contains("secret"));
//! ```
//!
//! Must not know any program.

mod display;
mod session;

use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use pty_process::Size;
use pty_process::blocking::{self, Pty};
use rustix::termios::{LocalModes, tcgetattr};

use display::Display;

/// How long a text, an end or an echo is waited for, unless a test says otherwise.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Between two looks at what the kernel does not tell.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// Ctrl-C, as a terminal sends it: the character of VINTR (termios(3)).
const CTRL_C: u8 = 3;

/// Ctrl-D: the character of VEOF, the end of the input at the beginning of a line.
const CTRL_D: u8 = 4;

/// A program that runs at a terminal. It is killed with everything that it started there when this is dropped.
pub struct Terminal {
    child: Child,
    master: Arc<Pty>,
    output: Arc<Output>,
    /// The length of the text in which everything was found that was expected so far.
    seen: usize,
}

/// How a program ended, and everything that it printed.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// How it ended, in full.
    pub status: ExitStatus,
    /// Whether the terminal shows what is typed, as it was left.
    pub echoing: bool,
    /// Everything that was printed and echoed, in order and without control sequences. Lines end with `\n`; where a
    /// line was printed over, each of its versions is a line.
    pub text: String,
    /// What a person sees in the end, lines that scrolled out of sight first: as wide as the terminal, without the
    /// spaces at the ends of lines.
    pub screen: String,
}

/// What the reading thread passes on.
#[derive(Default)]
struct Output {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    display: Display,
    /// No process has the terminal open any more.
    closed: bool,
}

impl Terminal {
    /// Starts a program at a terminal of 80 columns and 24 rows.
    ///
    /// Of the command count program, arguments, folder, and the variables that it sets or removes; `TERM` is that of a
    /// usual terminal unless it is set. The standard streams are the terminal: have a shell redirect what should be
    /// something else.
    ///
    /// # Panics
    /// If no terminal is left. A program that does not exist ends with 127, as in a shell.
    #[must_use]
    pub fn start(command: Command) -> Self {
        Self::start_sized(command, 80, 24)
    }

    /// Starts a program at a terminal of this size; else as [`Terminal::start`].
    ///
    /// # Panics
    /// As [`Terminal::start`].
    #[must_use]
    pub fn start_sized(command: Command, columns: u16, rows: u16) -> Self {
        let command = as_at_login(&command);
        let shown = format!("{command:?}");
        let (master, slave) = blocking::open().unwrap_or_else(|e| panic!("no pseudo-terminal: {e}"));
        master.resize(Size::new(rows, columns)).unwrap_or_else(|e| panic!("the terminal has no size: {e}"));
        let child = blocking::Command::from(command).spawn(slave);
        let child = child.unwrap_or_else(|e| panic!("{shown} cannot be run: {e}"));
        let state = State { display: Display::new(columns, rows), closed: false };
        let output = Arc::new(Output { state: Mutex::new(state), changed: Condvar::new() });
        let master = Arc::new(master);
        let (from, to) = (Arc::clone(&master), Arc::clone(&output));
        // It ends with the last process that has the terminal open.
        thread::spawn(move || to.fill(&from));
        Self { child, master, output, seen: 0 }
    }

    /// Waits until the program printed a text, after the one that was waited for before; gives what was printed in
    /// between, the text included. Control sequences do not count as printed; see [`Ended::text`].
    ///
    /// # Panics
    /// If it does not print it within [`DEADLINE`] or ends without; everything printed so far is in the message.
    #[track_caller]
    pub fn expect(&mut self, text: &str) -> String {
        self.expect_within(DEADLINE, text)
    }

    /// As [`Terminal::expect`], with another deadline.
    ///
    /// # Panics
    /// As [`Terminal::expect`].
    #[track_caller]
    pub fn expect_within(&mut self, deadline: Duration, text: &str) -> String {
        self.find(deadline, &[text]).1
    }

    /// Waits until the program printed one of several texts; gives the number of the one that came first, from 0.
    /// Else as [`Terminal::expect`].
    ///
    /// # Panics
    /// As [`Terminal::expect`].
    #[track_caller]
    pub fn expect_any(&mut self, texts: &[&str]) -> usize {
        self.find(DEADLINE, texts).0
    }

    /// The number of the text that was printed first, and what was printed up to its end.
    #[track_caller]
    fn find(&mut self, deadline: Duration, texts: &[&str]) -> (usize, String) {
        let end = Instant::now() + deadline;
        let output = Arc::clone(&self.output);
        let mut state = output.lock();
        loop {
            let fresh = &state.display.text()[self.seen..];
            let places = texts.iter().enumerate().filter_map(|(number, text)| Some((fresh.find(text)?, number)));
            if let Some((place, number)) = places.min() {
                let found = fresh[..place + texts[number].len()].to_owned();
                self.seen += found.len();
                return (number, found);
            }
            let left = end.saturating_duration_since(Instant::now());
            if state.closed || left.is_zero() {
                let passed = format!("not within {deadline:?}");
                let why = if state.closed { "the program ended before" } else { &passed };
                let wanted: Vec<String> = texts.iter().map(|text| format!("{text:?}")).collect();
                panic!("{why}: {}\n{}", wanted.join(" or "), account(&state, self.seen));
            }
            state = output.wait(state, left);
        }
    }

    /// Types a text.
    ///
    /// # Panics
    /// If the program is gone.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = (&*self.master).write_all(bytes.as_ref());
        sent.unwrap_or_else(|e| panic!("nobody is at the terminal: {e}\n{}", self.account()));
    }

    /// Types a text and presses Enter, which sends a carriage return: the terminal makes a line end of it.
    ///
    /// # Panics
    /// If the program is gone.
    #[track_caller]
    pub fn send_line(&mut self, text: &str) {
        self.send(format!("{text}\r"));
    }

    /// Presses Ctrl-C.
    ///
    /// # Panics
    /// If the program is gone.
    #[track_caller]
    pub fn press_ctrl_c(&mut self) {
        self.send([CTRL_C]);
    }

    /// Presses Ctrl-D.
    ///
    /// # Panics
    /// If the program is gone.
    #[track_caller]
    pub fn press_ctrl_d(&mut self) {
        self.send([CTRL_D]);
    }

    /// Makes the terminal larger or smaller, as somebody who drags the corner of a window: SIGWINCH.
    ///
    /// # Panics
    /// If that is not possible.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.output.lock().display.resize(columns, rows);
        self.master.resize(Size::new(rows, columns)).unwrap_or_else(|e| panic!("the terminal keeps its size: {e}"));
    }

    /// Whether the terminal shows what is typed. Who asks for a password switches that off.
    ///
    /// # Panics
    /// If the terminal is gone.
    #[must_use]
    #[track_caller]
    pub fn is_echoing(&self) -> bool {
        // Asked for at this end, the kernel tells of the other (tty_ioctl.c, `tty_mode_ioctl`).
        let modes = tcgetattr(&*self.master).unwrap_or_else(|e| panic!("the terminal is gone: {e}"));
        modes.local_modes.contains(LocalModes::ECHO)
    }

    /// Waits until the echo is on or off, for programs that print their question first.
    ///
    /// # Panics
    /// If it is not within [`DEADLINE`].
    #[track_caller]
    pub fn expect_echo(&self, on: bool) {
        let wanted = if on { "on" } else { "off" };
        let end = Instant::now() + DEADLINE;
        while self.is_echoing() != on {
            assert!(Instant::now() < end, "the echo is not {wanted} within {DEADLINE:?}\n{}", self.account());
            thread::sleep(LOOK_INTERVAL);
        }
    }

    /// Everything that was printed so far; see [`Ended::text`].
    #[must_use]
    pub fn text(&self) -> String {
        self.output.lock().display.text().to_owned()
    }

    /// What a person sees; see [`Ended::screen`].
    #[must_use]
    pub fn screen(&self) -> String {
        self.output.lock().display.screen()
    }

    /// Waits until the program ends.
    ///
    /// # Panics
    /// If it does not within [`DEADLINE`], or leaves a process behind that has the terminal open.
    #[track_caller]
    pub fn finish(self) -> Ended {
        self.finish_within(DEADLINE)
    }

    /// As [`Terminal::finish`], with another deadline.
    ///
    /// # Panics
    /// As [`Terminal::finish`].
    #[track_caller]
    pub fn finish_within(mut self, deadline: Duration) -> Ended {
        let end = Instant::now() + deadline;
        let status = loop {
            match self.child.try_wait().unwrap_or_else(|e| panic!("cannot wait for the program: {e}")) {
                Some(status) => break status,
                None if Instant::now() >= end => panic!("no end within {deadline:?}\n{}", self.account()),
                None => thread::sleep(LOOK_INTERVAL),
            }
        };
        let mut state = self.output.lock();
        while !state.closed {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                panic!("it ended ({status}), and a process of its is still there\n{}", account(&state, self.seen));
            }
            state = self.output.wait(state, left);
        }
        let (text, screen) = (state.display.text().to_owned(), state.display.screen());
        drop(state);
        Ended { code: status.code(), status, echoing: self.is_echoing(), text, screen }
    }

    fn account(&self) -> String {
        account(&self.output.lock(), self.seen)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Nothing here may panic: it may be a panic by which it is dropped.
        let ended = matches!(self.child.try_wait(), Ok(Some(_)));
        // Then nobody is left of the session, and its number may be another's.
        if ended && self.output.lock().closed {
            return;
        }
        session::kill(&self.child);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Output {
    /// Reads until nobody has the terminal open any more, which the kernel tells by an error (EIO).
    fn fill(&self, mut master: &Pty) {
        let mut buffer = [0; 4096];
        loop {
            let length = master.read(&mut buffer).unwrap_or(0);
            let mut state = self.lock();
            state.display.print(&buffer[..length]);
            state.closed = length == 0;
            self.changed.notify_all();
            if state.closed {
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, left: Duration) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
    }
}

/// The command as a person's shell starts it: with all signals as they are by default. Tests that run in the background
/// of a script are started with SIGINT ignored, which their programs would take over (sh(1), "Signals").
fn as_at_login(command: &Command) -> Command {
    let mut started = Command::new("env");
    started.arg("--default-signal").arg(command.get_program()).args(command.get_args());
    // A shell's own idea of a size would win over the terminal's.
    started.env("TERM", "xterm-256color").env_remove("COLUMNS").env_remove("LINES");
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => started.env(name, value),
            None => started.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        started.current_dir(folder);
    }
    started
}

/// Everything that was printed, with the place up to which it was what a test expected.
fn account(state: &State, seen: usize) -> String {
    let (before, after) = state.display.text().split_at(seen);
    format!(
        "-- printed, as expected:\n{before}\n-- printed since then:\n{after}\n-- the screen:\n{}",
        state.display.screen()
    )
}
