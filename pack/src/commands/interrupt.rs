//! Ctrl-C and its relatives: noticed, so that what is half done is taken back, instead of ending the program on the spot.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::{io, process, thread};

use crate::{Error, Result};
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

/// Starts to notice SIGINT, SIGTERM and SIGHUP; until then they end the program on the spot, which is right as long as
/// it has done nothing.
///
/// # Errors
/// [`Error`] of class `Tool` if signals cannot be handled.
pub fn watch() -> Result<()> {
    let started = WATCH.get_or_init(|| {
        let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        thread::spawn(move || {
            for _ in signals.forever() {
                arrived();
            }
        });
        Ok(())
    });
    let failed = |e: &io::Error| Error::tool("signals", format!("cannot be handled: {e}"), "Try again");
    started.as_ref().copied().map_err(failed)
}

/// Whether a signal arrived.
pub fn interrupted() -> bool {
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
            process::exit(crate::Class::Interrupted.exit_code().into());
        }
    }
}

/// Runs a program to its end, or until a signal arrives.
///
/// # Errors
/// The program cannot be run or waited for.
pub fn run(command: &mut Command) -> io::Result<ExitStatus> {
    let child = Arc::new(SharedChild::spawn(command)?);
    *now() = Now::Child(Arc::clone(&child));
    if interrupted() {
        drop(child.kill());
    }
    let status = child.wait();
    *now() = Now::Working;
    status.inspect(|status| note_signal(*status))
}

/// The terminal sends its signal to us and to the child: the child's end may be seen first.
fn note_signal(status: ExitStatus) {
    if status.signal().is_some_and(|signal| [SIGINT, SIGTERM, SIGHUP].contains(&signal)) {
        INTERRUPTED.store(true, Ordering::Relaxed);
    }
}

/// Runs a program to its end, or until a signal arrives, with some bytes as its standard input.
///
/// # Errors
/// The program cannot be run or waited for.
pub fn output(mut command: Command, input: &[u8]) -> io::Result<Output> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = Arc::new(SharedChild::spawn(&mut command)?);
    *now() = Now::Child(Arc::clone(&child));
    if interrupted() {
        drop(child.kill());
    }
    let result = thread::scope(|scope| {
        let stdout = child.take_stdout().map(|pipe| scope.spawn(|| read(pipe)));
        let stderr = child.take_stderr().map(|pipe| scope.spawn(|| read(pipe)));
        // A program that ends without reading everything says why on its standard error.
        if let Some(mut stdin) = child.take_stdin() {
            let _ = stdin.write_all(input);
        }
        let text = |reader: Option<thread::ScopedJoinHandle<'_, Vec<u8>>>| {
            reader.and_then(|thread| thread.join().ok()).unwrap_or_default()
        };
        let (stdout, stderr) = (text(stdout), text(stderr));
        child.wait().map(|status| Output { status, stdout, stderr })
    });
    *now() = Now::Working;
    result.inspect(|output| note_signal(output.status))
}

/// Everything that a pipe brings until it ends or breaks.
fn read(mut pipe: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = pipe.read_to_end(&mut bytes);
    bytes
}

/// Asks for a passphrase on the terminal, without echo.
///
/// # Errors
/// Those of [`watch`]; inside, those of the terminal.
pub fn prompt(question: &str) -> Result<io::Result<String>> {
    watch()?;
    if let Ok(termios) = std::fs::File::open("/dev/tty").and_then(|tty| Ok(tcgetattr(tty)?)) {
        *now() = Now::Prompt(termios);
    }
    let answer = rpassword::prompt_password(question);
    *now() = Now::Working;
    Ok(answer)
}

fn now() -> std::sync::MutexGuard<'static, Now> {
    NOW.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
