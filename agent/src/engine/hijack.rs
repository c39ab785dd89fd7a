//! A connection that becomes a stream in both directions after one request.
//!
//! Engines that read `Upgrade: tcp` answer with 101 (Docker 1.5 and later, API 1.17 "hints potential proxies about connection
//! hijacking", and Podman). Must not know what is said over the stream.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::Method;
use hyper::upgrade::{self, Upgraded};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Connection, Error, Sent, http_error};

/// A stream to a process in a container. Shutting it down tells the process that its input ends.
pub struct Raw(TokioIo<Upgraded>);

impl std::fmt::Debug for Raw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Raw")
    }
}

impl Connection {
    /// Makes this connection one by a POST.
    pub(super) async fn hijack(mut self, path: &str, body: Option<&Value>, what: &'static str) -> Result<Raw, Error> {
        let answer = self.answer(Method::POST, path, Sent::Stream(body), what, Some(self.limits.answer)).await?;
        let upgraded = upgrade::on(answer).await.map_err(|error| http_error(&error))?;
        Ok(Raw(TokioIo::new(upgraded)))
    }
}

impl AsyncRead for Raw {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, into)
    }
}

impl AsyncWrite for Raw {
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
