//! An HTTP body that is waited for only so long at a time. Knows nothing of what the bytes mean.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, Incoming};
use tokio::time::{Instant, Sleep, sleep};

/// Wraps a reply's body; fails with `io::ErrorKind::TimedOut` when nothing comes for `limit`.
pub(super) struct Patient {
    body: Incoming,
    limit: Duration,
    /// Counts while a read waits; started anew by the first fruitless poll after bytes came.
    clock: Pin<Box<Sleep>>,
    waiting: bool,
}

impl Patient {
    pub(super) fn new(body: Incoming, limit: Duration) -> Self {
        Self { body, limit, clock: Box::pin(sleep(limit)), waiting: false }
    }
}

impl Body for Patient {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.waiting = false;
            return Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)));
        }
        if !this.waiting {
            this.waiting = true;
            this.clock.as_mut().reset(Instant::now() + this.limit);
        }
        ready!(this.clock.as_mut().poll(cx));
        let message = format!("nothing came for {} s", this.limit.as_secs());
        Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, message))))
    }
}
