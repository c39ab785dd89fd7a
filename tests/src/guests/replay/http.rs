//! As much of HTTP/1.1 as dockerd's clients see: requests with kept connections, replies with a length or in chunks.
//!
//! RFC 9112; what Go's net/http does is imitated: bodies up to 2 KiB have a length, longer ones are one chunk.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A head longer than this ends the connection.
const HEAD: usize = 64 * 1024;

/// A request, as far as anybody looks.
pub(super) struct Request {
    pub(super) method: String,
    /// Without the version.
    pub(super) path: String,
    /// The version that the path asked for.
    pub(super) version: Option<(u32, u32)>,
    /// Decoded names and values.
    pub(super) query: Vec<(String, String)>,
    pub(super) keep: bool,
}

/// Reads the next request; none when the client has ended, or talks nonsense.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> Option<Request> {
    let end = loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if buffer.len() > HEAD || stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ');
    let (method, target, protocol) = (words.next()?, words.next()?, words.next()?);
    let header = |name: &str| {
        let found = head.lines().skip(1).filter_map(|line| line.split_once(':'));
        found.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
    };
    let body: usize = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    if body > HEAD || header("transfer-encoding").is_some() {
        return None;
    }
    while buffer.len() < end + 4 + body {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    buffer.drain(..end + 4 + body);
    let keep = protocol == "HTTP/1.1" && !header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (version, path) = split_version(path);
    let query = query.split('&').filter(|pair| !pair.is_empty());
    let query = query.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(k, v)| (decode(k), decode(v)));
    Some(Request { method: method.to_owned(), path: path.to_owned(), version, query: query.collect(), keep })
}

impl Request {
    /// A value of the query.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether a switch of the query is on, as moby's `httputils.BoolValue` reads it.
    pub(super) fn is_on(&self, name: &str) -> bool {
        self.value(name).is_some_and(|value| !matches!(value, "" | "0" | "no" | "false" | "none"))
    }
}

/// `/v1.41/path` → version and `/path`.
fn split_version(path: &str) -> (Option<(u32, u32)>, &str) {
    let parse = || {
        let (version, rest) = path.strip_prefix("/v")?.split_once('/')?;
        let (major, minor) = version.split_once('.')?;
        Some(((major.parse().ok()?, minor.parse().ok()?), &path[path.len() - rest.len() - 1..]))
    };
    parse().map_or((None, path), |(version, rest)| (Some(version), rest))
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match (first, digits.and_then(|digits| u8::from_str_radix(digits, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            (b'+', _) => {
                bytes.push(b' ');
                rest = after;
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The head of a reply, as dockerd 20.10 has it.
pub(super) fn head(status: &str, rest: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nApi-Version: 1.41\r\nContent-Type: application/json\r\nDocker-Experimental: false\r\n\
         Ostype: linux\r\nServer: Docker/20.10.24+dfsg1 (linux)\r\nDate: Tue, 24 Nov 2026 12:00:00 GMT\r\n{rest}\r\n"
    )
}

/// Sends a whole reply.
pub(super) async fn reply(
    stream: &mut (impl AsyncWrite + Unpin),
    request: &Request,
    status: &str,
    body: &str,
) -> std::io::Result<()> {
    let close = if request.keep { "" } else { "Connection: close\r\n" };
    let reply = if request.method == "HEAD" {
        head(status, &format!("{close}Content-Length: 0\r\n"))
    } else if status.starts_with("204") || status.starts_with("304") {
        head(status, close)
    } else if body.len() <= 2048 || !request.keep {
        head(status, &format!("{close}Content-Length: {}\r\n", body.len())) + body
    } else {
        head(status, "Transfer-Encoding: chunked\r\n") + &chunk(body) + "0\r\n\r\n"
    };
    stream.write_all(reply.as_bytes()).await
}

/// A piece of a body in chunks.
pub(super) fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_begin_with_a_version() {
        assert_eq!(split_version("/v1.41/containers/json"), (Some((1, 41)), "/containers/json"));
        assert_eq!(split_version("/version"), (None, "/version"));
        assert_eq!(decode("a%7B%22+%2"), "a{\" %2");
    }
}
