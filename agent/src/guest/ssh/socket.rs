//! The TCP socket of an SSH connection: answered at once, and closed for good by whoever holds its [`Hangup`].
//!
//! Must not know SSH.

use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::net::sockopt::set_tcp_quickack;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A socket that acknowledges what comes without delay.
///
/// sshd forwards an event of an engine in several small packets, and, as for all that is not a terminal, holds each back
/// until the one before is acknowledged (Nagle's algorithm, RFC 896). A kernel that waits 40 ms with an acknowledgement
/// (RFC 1122, 4.2.3.2) would delay every event by that. The option holds only for a while (tcp(7)), hence after each read.
pub(super) struct Prompt(TcpStream);

impl AsyncRead for Prompt {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.0).poll_read(cx, into))?;
        // Without it everything works, only later.
        let _ = set_tcp_quickack(&self.0, true);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Prompt {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Closes a socket that somebody else reads and writes, when it is dropped.
pub(super) struct Hangup(std::net::TcpStream);

impl Hangup {
    /// The stream to use, and the handle that ends it.
    pub(super) fn new(stream: TcpStream) -> io::Result<(Prompt, Self)> {
        stream.set_nodelay(true)?;
        let _ = set_tcp_quickack(&stream, true);
        let stream = stream.into_std()?;
        let twin = stream.try_clone()?;
        Ok((Prompt(TcpStream::from_std(stream)?), Self(twin)))
    }
}

impl Drop for Hangup {
    fn drop(&mut self) {
        // An error means that it is closed already.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}
