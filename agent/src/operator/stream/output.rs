//! Standard output and standard error, written by a thread of its own: a terminal that is stopped, or a slow reader, holds
//! up the stream, and not signals. Every piece is written as it comes; what waits is bounded by the number of pieces.

use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, BorrowedFd};
use std::thread;

use hyper::body::Bytes;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::oneshot;

use super::printable::Printable;
use super::problem::Problem;
use crate::engine::frames::Target;

/// Pieces that may wait to be written; each is one read of a stream at most.
const WAITING: usize = 4;

/// Bytes that are made harmless at a time, because they may grow by that.
const PORTION: usize = 4096;

/// What is done to what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Nothing: the person's terminal is the container's.
    AsItIs,
    /// Where it goes to a terminal, it is made harmless; in files and pipes it stays as it is.
    Harmless {
        /// Terminals show more than ASCII.
        unicode: bool,
    },
}

/// Where to write.
#[derive(Debug)]
pub(super) struct Output {
    sender: Sender<(Target, Bytes)>,
    /// None once it was told.
    ended: Option<oneshot::Receiver<io::Result<()>>>,
}

impl Output {
    /// In this manner.
    pub(super) fn begin(manner: Manner) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        let (end, ended) = oneshot::channel();
        thread::spawn(move || {
            let _ = end.send(write_all(receiver, manner));
        });
        Self { sender, ended: Some(ended) }
    }

    /// Writes a piece, as soon as there is room for it.
    pub(super) async fn write(&mut self, target: Target, piece: Bytes) -> Result<(), Problem> {
        match self.sender.send((target, piece)).await {
            Ok(()) => Ok(()),
            Err(_) => self.end().await.and(Err(Problem::Output(io::ErrorKind::BrokenPipe.into()))),
        }
    }

    /// Waits until everything is written. What kept a piece from being written is told once.
    pub(super) async fn finish(self) -> Result<(), Problem> {
        let Self { sender, ended } = self;
        drop(sender);
        told(ended).await
    }

    /// Waits until it is of no use to wait for more: nobody reads it any more, or it could not be written. Must be dropped
    /// before [`Output::finish`], which tells which.
    pub(super) fn gone(&self) -> impl Future<Output = Problem> + use<> {
        let sender = self.sender.clone();
        async move {
            tokio::select! {
                biased;
                () = sender.closed() => {}
                () = nobody_reads() => {}
            }
            Problem::Output(io::ErrorKind::BrokenPipe.into())
        }
    }

    async fn end(&mut self) -> Result<(), Problem> {
        told(self.ended.take()).await
    }
}

async fn told(ended: Option<oneshot::Receiver<io::Result<()>>>) -> Result<(), Problem> {
    match ended {
        None => Ok(()),
        Some(ended) => ended.await.unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into())).map_err(Problem::Output),
    }
}

/// Waits until the other end of standard output is closed.
async fn nobody_reads() {
    let (sender, receiver) = oneshot::channel();
    thread::spawn(move || {
        let stdout = io::stdout();
        // Nothing is asked for but what is always told.
        while poll(&mut [PollFd::new(&stdout, PollFlags::empty())], None) == Err(Errno::INTR) {}
        let _ = sender.send(());
    });
    if receiver.await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn write_all(mut receiver: Receiver<(Target, Bytes)>, manner: Manner) -> io::Result<()> {
    let (stdout, stderr) = (io::stdout(), io::stderr());
    let filter = |is_terminal: bool| match manner {
        Manner::Harmless { unicode } if is_terminal => Some(Printable::new(unicode)),
        Manner::Harmless { .. } | Manner::AsItIs => None,
    };
    let mut output = (stdout.as_fd(), filter(stdout.is_terminal()));
    let mut error = (stderr.as_fd(), filter(stderr.is_terminal()));
    while let Some((target, piece)) = receiver.blocking_recv() {
        let (to, filter) = match target {
            Target::Output => &mut output,
            Target::Error => &mut error,
        };
        match filter {
            None => write(*to, &piece)?,
            Some(filter) => {
                piece.chunks(PORTION).try_for_each(|portion| write(*to, filter.push(portion).as_bytes()))?;
            }
        }
    }
    for (to, filter) in [output, error] {
        if let Some(mut filter) = filter {
            write(to, filter.end().as_bytes())?;
        }
    }
    Ok(())
}

fn write(to: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(to, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(length) => bytes = &bytes[length..],
            Err(Errno::INTR) => {}
            // Whoever shares it with us may have made it so.
            Err(Errno::AGAIN) => match poll(&mut [PollFd::new(&to, PollFlags::OUT)], None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            },
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
