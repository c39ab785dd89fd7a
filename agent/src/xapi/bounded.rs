//! A byte source that gives out only so much: in all, and between two resets. Knows nothing of what the bytes mean.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};

/// Which of the two allowances ran out; the inner error of the `io::Error` that [`Bounded`] then returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Exhausted {
    /// Bytes since the last [`Bounded::begin_piece`].
    #[error("too many bytes in one piece")]
    Piece,
    /// Bytes since the beginning.
    #[error("too many bytes")]
    Total,
}

/// Wraps a source; fails with [`Exhausted`] instead of giving out more than allowed.
///
/// It looks only when asked for bytes, so one buffer of the wrapped source may go beyond the allowance.
pub(super) struct Bounded<R> {
    source: R,
    piece_allowance: u64,
    piece_left: u64,
    total_left: u64,
}

impl<R> Bounded<R> {
    pub(super) fn new(source: R, piece_allowance: u64, total_allowance: u64) -> Self {
        Self { source, piece_allowance, piece_left: piece_allowance, total_left: total_allowance }
    }

    /// Gives the next piece its full allowance.
    pub(super) fn begin_piece(&mut self) {
        self.piece_left = self.piece_allowance;
    }
}

impl<R: AsyncBufRead + Unpin> AsyncBufRead for Bounded<R> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        let exhausted = match (this.total_left, this.piece_left) {
            (0, _) => Exhausted::Total,
            (_, 0) => Exhausted::Piece,
            _ => return Pin::new(&mut this.source).poll_fill_buf(cx),
        };
        Poll::Ready(Err(io::Error::other(exhausted)))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        let this = self.get_mut();
        this.piece_left = this.piece_left.saturating_sub(amount as u64);
        this.total_left = this.total_left.saturating_sub(amount as u64);
        Pin::new(&mut this.source).consume(amount);
    }
}

/// Required of an `AsyncBufRead`; goes through the buffer so that it is counted too.
impl<R: AsyncBufRead + Unpin> AsyncRead for Bounded<R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let amount = match self.as_mut().poll_fill_buf(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Ready(Ok(bytes)) => {
                let amount = bytes.len().min(into.remaining());
                into.put_slice(&bytes[..amount]);
                amount
            }
        };
        self.consume(amount);
        Poll::Ready(Ok(()))
    }
}
