//! Signals that end a command which has something to take back first.

use agent::prepare::Signal;
use tokio::signal::unix::{self, SignalKind};

/// Waits for the first signal that is meant to end this program. From its first poll on none of them does so by itself.
pub(crate) async fn any() -> std::io::Result<Signal> {
    let mut interrupt = unix::signal(SignalKind::interrupt())?;
    let mut terminate = unix::signal(SignalKind::terminate())?;
    let mut hang_up = unix::signal(SignalKind::hangup())?;
    Ok(tokio::select! {
        _ = interrupt.recv() => Signal::Interrupt,
        _ = terminate.recv() => Signal::Terminate,
        _ = hang_up.recv() => Signal::HangUp,
    })
}
