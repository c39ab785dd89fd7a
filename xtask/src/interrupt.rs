//! Ctrl-C and its relatives: noticed, so that what is half done is taken back, instead of ending the program on the spot.

use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::{io, process, thread};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use shared_child::SharedChild;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static WATCH: OnceLock<io::Result<()>> = OnceLock::new();
static NOW: Mutex<Now> = Mutex::new(Now::Working);

/// What the program is doing when a signal arrives.
enum Now {
    Working,
    /// Waiting for another program, which is ended too.
    Child(Arc<SharedChild>),
    /// Waiting at a prompt without echo, whose terminal is put in order before the program ends.
    Prompt(Termios),
}

/// Starts to notice SIGINT, SIGTERM and SIGHUP.
pub(crate) fn watch() -> anyhow::Result<()> {
    let started = WATCH.get_or_init(|| {
        let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        thread::spawn(move || {
            for _ in signals.forever() {
                arrived();
            }
        });
        Ok(())
    });
    started.as_ref().copied().map_err(|e| anyhow::anyhow!("signals cannot be handled: {e}"))
}

/// Whether a signal arrived.
pub(crate) fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

fn arrived() {
    INTERRUPTED.store(true, Ordering::Relaxed);
    match &*now() {
        Now::Working => {}
        // Gone already, if it got the terminal's signal too.
        Now::Child(child) => drop(child.kill()),
        Now::Prompt(termios) => {
            if let Ok(tty) = std::fs::File::open("/dev/tty") {
                let _ = tcsetattr(&tty, OptionalActions::Now, termios);
            }
            eprintln!();
            process::exit(pack::Class::Interrupted.exit_code().into());
        }
    }
}

/// Runs a program to its end, or until a signal arrives.
pub(crate) fn run(command: &mut Command) -> io::Result<ExitStatus> {
    let child = Arc::new(SharedChild::spawn(command)?);
    *now() = Now::Child(Arc::clone(&child));
    if interrupted() {
        drop(child.kill());
    }
    let status = child.wait();
    *now() = Now::Working;
    status
}

/// Asks for a passphrase on the terminal, without echo.
pub(crate) fn prompt(question: &str) -> io::Result<String> {
    if let Ok(termios) = std::fs::File::open("/dev/tty").and_then(|tty| Ok(tcgetattr(tty)?)) {
        *now() = Now::Prompt(termios);
    }
    let answer = rpassword::prompt_password(question);
    *now() = Now::Working;
    answer
}

fn now() -> std::sync::MutexGuard<'static, Now> {
    NOW.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
