//! Standard input, read by a thread of its own: a read cannot be given up, and must not hold up anything else.
//!
//! The descriptor is used as it was found: nothing is switched that a shell would have to switch back.

use std::io;
use std::thread;

use hyper::body::Bytes;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use tokio::sync::mpsc::{self, Receiver, Sender};

/// Bytes of one read.
const PIECE: usize = 16 * 1024;

/// Pieces that may wait to be sent.
const WAITING: usize = 4;

/// What is read, piece by piece.
#[derive(Debug)]
pub(super) struct Input(Receiver<io::Result<Bytes>>);

impl Input {
    /// Begins to read. What was read and is not taken in the end is lost to others.
    pub(super) fn begin() -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        // It ends with the program at the latest.
        thread::spawn(move || pass_on(&sender));
        Self(receiver)
    }

    /// The next piece; `None` at the end. Dropping the future loses none.
    pub(super) async fn next(&mut self) -> io::Result<Option<Bytes>> {
        self.0.recv().await.transpose()
    }
}

fn pass_on(sender: &Sender<io::Result<Bytes>>) {
    let stdin = io::stdin();
    let mut piece = vec![0; PIECE];
    loop {
        let read = match rustix::io::read(&stdin, &mut piece) {
            Ok(0) => return,
            Ok(length) => Ok(Bytes::copy_from_slice(&piece[..length])),
            Err(Errno::INTR) => continue,
            // Whoever shares it with us may have made it so.
            Err(Errno::AGAIN) => match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], None) {
                Ok(_) | Err(Errno::INTR) => continue,
                Err(error) => Err(error.into()),
            },
            Err(error) => Err(error.into()),
        };
        let failed = read.is_err();
        if sender.blocking_send(read).is_err() || failed {
            return;
        }
    }
}
