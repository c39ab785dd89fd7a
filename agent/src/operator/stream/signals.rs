//! Signals while a terminal is a container's, or are a container's themselves.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// A signal by the name that engines know it by, and its number on Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) name: &'static str,
    number: u8,
}

impl Named {
    /// The exit code of what it ended.
    pub(super) fn exit_code(self) -> u8 {
        128 + self.number
    }

    /// Whether people send it when they want an end.
    pub(super) fn is_wish_to_end(self) -> bool {
        matches!(self.name, "INT" | "TERM")
    }
}

/// Those that end a program which does nothing about them (signal(7)).
const ENDING: [Named; 4] = [
    Named { name: "HUP", number: 1 },
    Named { name: "INT", number: 2 },
    Named { name: "QUIT", number: 3 },
    Named { name: "TERM", number: 15 },
];

/// Those beside them that mean what the container wants them to mean.
const OTHERS: [Named; 2] = [Named { name: "USR1", number: 10 }, Named { name: "USR2", number: 12 }];

/// Signals that do nothing any more but be told.
#[derive(Debug)]
pub(super) struct Signals(Vec<(Named, Signal)>);

impl Signals {
    /// Those that would end this program.
    pub(super) fn ending() -> io::Result<Self> {
        Self::of(&ENDING)
    }

    /// Those that are passed on to a container.
    pub(super) fn to_pass_on() -> io::Result<Self> {
        Self::of(&[&ENDING[..], &OTHERS].concat())
    }

    fn of(names: &[Named]) -> io::Result<Self> {
        let listen = |named: &Named| Ok((*named, signal(SignalKind::from_raw(named.number.into()))?));
        names.iter().map(listen).collect::<io::Result<_>>().map(Self)
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) -> Named {
        std::future::poll_fn(|cx| {
            let came = self.0.iter_mut().find_map(|(named, signal)| signal.poll_recv(cx).is_ready().then_some(*named));
            came.map_or(std::task::Poll::Pending, std::task::Poll::Ready)
        })
        .await
    }
}

/// What happens to the window that the terminal is in.
#[derive(Debug)]
pub(super) struct Window {
    resized: Signal,
    continued: Signal,
}

/// What happened to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Changed {
    /// It has another size.
    Size,
    /// A shell had it in between.
    Owner,
}

impl Window {
    pub(super) fn watch() -> io::Result<Self> {
        const CONTINUED: i32 = 18;
        Ok(Self { resized: signal(SignalKind::window_change())?, continued: signal(SignalKind::from_raw(CONTINUED))? })
    }

    pub(super) async fn changed(&mut self) -> Changed {
        tokio::select! {
            _ = self.resized.recv() => Changed::Size,
            _ = self.continued.recv() => Changed::Owner,
        }
    }
}
