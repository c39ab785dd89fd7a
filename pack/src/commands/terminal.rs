//! What the user sees of a long command: a line per step with its time, and a bar while it runs.

use std::fmt::Display;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::build::Progress;
use indicatif::{ProgressBar, ProgressStyle};

use super::interrupt;

/// The steps of one command, on standard error.
pub struct Terminal {
    quiet: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: Option<Running>,
    done: Vec<(String, Duration)>,
}

struct Running {
    name: String,
    since: Instant,
    detail: String,
    bar: Option<ProgressBar>,
}

impl Terminal {
    /// `quiet` shows nothing.
    pub fn new(quiet: bool) -> Terminal {
        Terminal { quiet, state: Mutex::default() }
    }

    /// Whether other programs may show their own progress.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Begins a step in which another program shows its progress: no bar of ours.
    pub fn step_of_program(&self, name: &str, what: &str) {
        self.begin(name);
        self.say(format_args!("{name:<14} {what}"));
    }

    /// Says what the running step made.
    pub fn detail(&self, detail: impl Display) {
        if let Some(running) = &mut self.state().running {
            running.detail = detail.to_string();
        }
    }

    /// A line that is neither error nor step.
    pub fn note(&self, note: impl Display) {
        self.say(format_args!("{:<14} {note}", "note"));
    }

    /// Something that the user should know before the result is used.
    pub fn warning(&self, warning: impl Display) {
        self.say(format_args!("{:<14} {warning}", "warning"));
    }

    /// Ends the running step; every step with its time.
    pub fn finish(&self) -> Vec<(String, Duration)> {
        self.end_step();
        std::mem::take(&mut self.state().done)
    }

    fn begin(&self, name: &str) {
        self.end_step();
        let (since, detail) = (Instant::now(), String::new());
        self.state().running = Some(Running { name: name.into(), since, detail, bar: None });
    }

    fn end_step(&self) {
        let Some(Running { name, since, detail, bar }) = self.state().running.take() else { return };
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        let took = since.elapsed();
        self.say(format_args!("{name:<14} {detail:<52} {:>7.2} s", took.as_secs_f64()));
        self.state().done.push((name, took));
    }

    fn say(&self, line: impl Display) {
        if !self.quiet {
            eprintln!("  {line}");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Less than this is done before anybody could see a bar.
const WORTH_A_BAR: u64 = 64 << 20;

impl Progress for Terminal {
    fn step(&self, name: &str) {
        self.begin(name);
    }

    fn made(&self, what: &str) {
        self.detail(what);
    }

    fn advance(&self, bytes: u64, of: u64) {
        if self.quiet || of < WORTH_A_BAR {
            return;
        }
        if let Some(Running { name, bar, .. }) = &mut self.state().running {
            bar.get_or_insert_with(|| new_bar(name, of)).inc(bytes);
        }
    }

    fn interrupted(&self) -> bool {
        interrupt::interrupted()
    }
}

fn new_bar(name: &str, of: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("  {msg:<14} {bar:36} {binary_bytes} of {binary_total_bytes}");
    let bar = ProgressBar::new(of).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.with_message(name.to_owned())
}

/// A size for people.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        _ => indicatif::BinaryBytes(bytes).to_string(),
    }
}

impl Drop for Terminal {
    /// A failed command leaves no bar behind.
    fn drop(&mut self) {
        if let Some(Running { bar: Some(bar), .. }) = &self.state().running {
            bar.finish_and_clear();
        }
    }
}
