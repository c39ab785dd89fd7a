//! HTTP/1.x as xapi serves it, written by hand because faults need the bytes on the connection.
//!
//! Follows xen-api ocaml/libs/http-lib/http_svr.ml, http.ml and ocaml/xapi/api_server.ml. Must not know what calls mean.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{sleep, timeout},
};

use super::{
    disks,
    dispatch::{Endpoint, Origin, counted_name, dispatch},
    events,
    faults::Fault,
    jsonrpc, program,
    state::Shared,
    value::{Failure, Value},
    xmlrpc::{self, Call},
};

/// The longest body of a call (xen-api ocaml/xapi-consts/constants.ml, `http_limit_max_rpc_size`).
pub const LONGEST_BODY: usize = 300 * 1024;

/// The longest head over TCP (xen-api ocaml/xapi/xapi_globs.ml, `max_header_length_tcp`).
const LONGEST_HEAD_TCP: usize = 1024;

/// The unix socket has no limit in xapi; this one only bounds the simulator's memory.
const LONGEST_HEAD_UNIX: usize = 64 * 1024;

/// How long a kept connection may idle.
const IDLE: Duration = Duration::from_secs(300);

/// How long the rest of a head may take over TCP, in all and for each read (xapi_globs.ml, `header_total_timeout_tcp`
/// and `header_read_timeout_tcp`).
const HEAD_TIMEOUT_TCP: Duration = Duration::from_secs(60);
const READ_TIMEOUT_TCP: Duration = Duration::from_secs(10);

/// What `Fault::NotHttp` sends.
pub(super) const NOT_HTTP: &[u8] = b"\x00\xffthis is not HTTP\r\n\r\n";

const CORS: &str = "Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Headers: X-Requested-With\r\n";

/// Serves one connection until one side ends it.
pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(stream: S, endpoint: &Endpoint, shared: &Arc<Shared>) {
    shared.change(|state| state.counters.connections += 1);
    let mut connection = Connection { stream, received: Vec::new() };
    // A connection that breaks is the client's affair: the next one starts afresh.
    while let Ok(true) = connection.exchange(endpoint, shared).await {}
}

/// A client's connection.
pub(super) struct Connection<S> {
    stream: S,
    /// Bytes received and not yet used.
    pub(super) received: Vec<u8>,
}

/// The head of a request.
pub(super) struct Head {
    pub(super) method: String,
    /// Path and query as they were sent.
    pub(super) target: String,
    /// "1.0" or "1.1"; the reply has the same.
    pub(super) version: &'static str,
    close: bool,
    pub(super) length: Option<usize>,
    /// The value of `Transfer-Encoding`.
    pub(super) encoding: Option<String>,
    /// The value of `Cookie`.
    pub(super) cookies: Option<String>,
    /// Bytes of the head.
    pub(super) size: usize,
}

/// A reply whose length is known.
pub(super) struct Reply {
    status: &'static str,
    content_type: &'static str,
    headers: &'static str,
    body: String,
    close: bool,
}

/// How the bytes of a reply are to leave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Manner {
    Whole,
    Truncated,
    Slow(Duration),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// One request and its reply; false when the connection is to end.
    async fn exchange(&mut self, endpoint: &Endpoint, shared: &Arc<Shared>) -> io::Result<bool> {
        let head = match self.head(endpoint.origin).await? {
            Ok(Some(head)) => head,
            Ok(None) => return Ok(false),
            Err(status) => {
                self.send(shared, "1.1", error(status), Manner::Whole).await?;
                return Ok(false);
            }
        };
        if let Some(transfer) = disks::transfer(&head) {
            disks::serve(self, endpoint, shared, &head, transfer).await?;
            return Ok(false);
        }
        let reply = match (head.method.as_str(), head.length) {
            ("OPTIONS", _) => {
                Some(Reply { status: "200 OK", content_type: "", headers: CORS, body: String::new(), close: false })
            }
            ("POST", Some(length)) if length <= LONGEST_BODY => None,
            // Without a Content-Length, and beyond the limit, xapi raises (http_svr.ml, `read_body`).
            ("POST", _) => Some(error("500 Internal Error")),
            _ => Some(error("404 Not Found")),
        };
        if let Some(reply) = reply {
            let more = !reply.close && !head.close;
            self.send(shared, head.version, reply, Manner::Whole).await?;
            return Ok(more);
        }
        let length = head.length.unwrap_or(0);
        while self.received.len() < length {
            if self.fill().await? == 0 {
                return Ok(false);
            }
        }
        let body: Vec<u8> = self.received.drain(..length).collect();
        shared.change(|state| state.counters.bytes_in += (head.size + length) as u64);
        let json = head.path().starts_with("/jsonrpc");
        let Some(request) = Request::decode(json, &body) else {
            self.send(shared, head.version, error("500 Internal Error"), Manner::Whole).await?;
            return Ok(false);
        };
        self.answer(endpoint, shared, &head, &request).await
    }

    async fn answer(
        &mut self,
        endpoint: &Endpoint,
        shared: &Arc<Shared>,
        head: &Head,
        request: &Request,
    ) -> io::Result<bool> {
        let name = counted_name(request.call());
        let fault = shared.change(|state| {
            *state.counters.calls.entry(name.clone()).or_default() += 1;
            state.faults.take(&name)
        });
        let mut manner = Manner::Whole;
        let result = match fault {
            Some(Fault::Eof) => return Ok(false),
            Some(Fault::Hang) => {
                self.hang().await?;
                return Ok(false);
            }
            Some(Fault::NotHttp) => {
                self.write(NOT_HTTP, Manner::Whole).await?;
                return Ok(false);
            }
            Some(Fault::Http500) => {
                self.send(shared, head.version, error("500 Internal Error"), Manner::Whole).await?;
                return Ok(false);
            }
            Some(Fault::Garbage) => {
                let reply = request.reply("<methodResponse><params>\u{1}{\"".to_owned(), head.close);
                self.send(shared, head.version, reply, Manner::Whole).await?;
                return Ok(!head.close);
            }
            Some(Fault::StillBooting) => Err(Failure::new("HOST_STILL_BOOTING", &[])),
            Some(Fault::Fails(failure)) => Err(failure),
            Some(Fault::EmptyEventsAtOnce) => {
                let token = request.call().params.get(2).and_then(Value::text).unwrap_or_default();
                Ok(shared.look(|state| events::nothing(&state.database, token)))
            }
            Some(Fault::Truncated) => {
                manner = Manner::Truncated;
                dispatch(shared, endpoint, request.call()).await
            }
            Some(Fault::SlowBytes(pause)) => {
                manner = Manner::Slow(pause);
                dispatch(shared, endpoint, request.call()).await
            }
            Some(Fault::KillPlugin { after: false }) if program::kill_all(shared).await > 0 => return Ok(false),
            Some(Fault::KillPlugin { after: true }) => {
                let result = dispatch(shared, endpoint, request.call()).await;
                program::kill_all(shared).await;
                result
            }
            Some(Fault::KillPlugin { after: false }) | None => dispatch(shared, endpoint, request.call()).await,
        };
        let ends = head.close || matches!(manner, Manner::Truncated);
        self.send(shared, head.version, request.reply(request.encode(&result), head.close), manner).await?;
        Ok(!ends)
    }

    /// The head of the next request; none at the end of the connection, a status for what is no request.
    async fn head(&mut self, origin: Origin) -> io::Result<Result<Option<Head>, &'static str>> {
        let limit = if origin == Origin::Tcp { LONGEST_HEAD_TCP } else { LONGEST_HEAD_UNIX };
        if self.received.is_empty() && !matches!(timeout(IDLE, self.fill()).await, Ok(Ok(1..))) {
            return Ok(Ok(None));
        }
        let end = async {
            loop {
                if let Some(end) = self.received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                    return Ok(if end + 4 > limit { Err("431 Request Header Fields Too Large") } else { Ok(end + 4) });
                }
                if self.received.len() > limit {
                    return Ok(Err("431 Request Header Fields Too Large"));
                }
                let read = match origin {
                    Origin::Unix => self.fill().await?,
                    Origin::Tcp => match timeout(READ_TIMEOUT_TCP, self.fill()).await {
                        Ok(read) => read?,
                        Err(_) => return Ok(Err("408 Request Timeout")),
                    },
                };
                if read == 0 {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
                }
            }
        };
        let end = match origin {
            Origin::Unix => end.await?,
            Origin::Tcp => match timeout(HEAD_TIMEOUT_TCP, end).await {
                Ok(end) => end?,
                Err(_) => Err("408 Request Timeout"),
            },
        };
        let end = match end {
            Ok(end) => end,
            Err(status) => return Ok(Err(status)),
        };
        let bytes: Vec<u8> = self.received.drain(..end).collect();
        Ok(Head::parse(&bytes).map(Some).ok_or("400 Bad Request"))
    }

    /// Takes what comes and answers nothing, until the client has enough.
    pub(super) async fn hang(&mut self) -> io::Result<()> {
        while self.fill().await? > 0 {
            self.received.clear();
        }
        Ok(())
    }

    /// Waits for more bytes; none at the end of the connection.
    pub(super) async fn fill(&mut self) -> io::Result<usize> {
        self.stream.read_buf(&mut self.received).await
    }

    pub(super) async fn send(
        &mut self,
        shared: &Shared,
        version: &str,
        reply: Reply,
        manner: Manner,
    ) -> io::Result<()> {
        let bytes = reply.print(version);
        shared.change(|state| state.counters.bytes_out += bytes.len() as u64);
        self.write(&bytes, manner).await
    }

    pub(super) async fn write(&mut self, bytes: &[u8], manner: Manner) -> io::Result<()> {
        match manner {
            Manner::Whole => self.stream.write_all(bytes).await?,
            Manner::Truncated => self.stream.write_all(&bytes[..bytes.len() * 3 / 4]).await?,
            Manner::Slow(pause) => {
                for byte in bytes.chunks(1) {
                    self.stream.write_all(byte).await?;
                    self.stream.flush().await?;
                    sleep(pause).await;
                }
            }
        }
        self.stream.flush().await
    }
}

impl Head {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut lines = text.trim_end().split("\r\n");
        let mut words = lines.next()?.split(' ');
        let (method, target, version) = (words.next()?, words.next()?, words.next()?);
        let version = match version {
            "HTTP/1.0" => "1.0",
            _ if version.starts_with("HTTP/1.") => "1.1",
            _ => return None,
        };
        let mut head = Self {
            method: method.to_owned(),
            target: target.to_owned(),
            version,
            close: version == "1.0",
            length: None,
            encoding: None,
            cookies: None,
            size: bytes.len(),
        };
        for line in lines {
            let (name, value) = line.split_once(':')?;
            match name.to_ascii_lowercase().as_str() {
                "content-length" => head.length = Some(value.trim().parse().ok()?),
                "transfer-encoding" => head.encoding = Some(value.trim().to_owned()),
                "cookie" => head.cookies = Some(value.trim().to_owned()),
                "connection" if value.trim().eq_ignore_ascii_case("close") => head.close = true,
                "connection" if value.trim().eq_ignore_ascii_case("keep-alive") => head.close = false,
                _ => {}
            }
        }
        Some(head)
    }

    /// The target without its query.
    pub(super) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

impl Reply {
    fn print(&self, version: &str) -> Vec<u8> {
        let Self { status, headers, body, .. } = self;
        let connection = if self.close { "close" } else { "keep-alive" };
        let content_type = match self.content_type {
            "" => String::new(),
            name => format!("content-type: {name}\r\n"),
        };
        format!(
            "HTTP/{version} {status}\r\ncontent-length: {}\r\nconnection: {connection}\r\n\
             cache-control: no-cache, no-store\r\n{content_type}{headers}\r\n{body}",
            body.len()
        )
        .into_bytes()
    }
}

/// An HTML page, after which the connection ends.
pub(super) fn error(status: &'static str) -> Reply {
    let body = format!("<html><body><h1>HTTP {status}</h1></body></html>");
    Reply { status, content_type: "text/html", headers: "", body, close: true }
}

/// A call in either wire format. `/jsonrpc` is JSON; every other path leads to XML-RPC, because xapi takes the handler
/// of the longest matching prefix and `/` matches all (http_svr.ml).
enum Request {
    Xml(Call),
    Json(jsonrpc::Request),
}

impl Request {
    fn decode(json: bool, body: &[u8]) -> Option<Self> {
        if json {
            return jsonrpc::decode_request(body).ok().map(Self::Json);
        }
        xmlrpc::decode_call(body).ok().map(Self::Xml)
    }

    fn call(&self) -> &Call {
        match self {
            Self::Xml(call) => call,
            Self::Json(request) => &request.call,
        }
    }

    fn encode(&self, result: &Result<Value, Failure>) -> String {
        match (self, result) {
            (Self::Json(request), _) => jsonrpc::encode_reply(request, result),
            (Self::Xml(call), Ok(names)) if call.name == "system.listMethods" => xmlrpc::encode_bare(names),
            (Self::Xml(_), _) => xmlrpc::encode_reply(result),
        }
    }

    fn reply(&self, body: String, close: bool) -> Reply {
        let content_type = match self {
            Self::Xml(_) => "text/xml",
            Self::Json(_) => "application/json",
        };
        Reply { status: "200 OK", content_type, headers: CORS, body, close }
    }
}
