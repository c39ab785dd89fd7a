//! XML-RPC calls over HTTP on XAPI's unix socket: one connection, kept between calls, opened again when it is gone.
//!
//! Knows HTTP and time limits; must not know sessions or what any call means.

use std::mem;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyDataStream, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::io::StreamReader;

use super::counted::{Counted, Received};
use super::decode::{Decoder, Limits};
use super::encode;
use super::envelope::{Reply, response};
use super::error::Error;
use super::patient::Patient;
use super::value::Value;

/// How long connecting may take: it is a local socket, so longer means that nobody accepts.
pub const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// How long XAPI may take to begin its answer to an ordinary call. A pool member passes calls on to the coordinator
/// over TLS (xen-api ocaml/xapi/api_server.ml), which may take a while under load.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// How long nothing may come in the middle of an answer.
pub const IDLE_LIMIT: Duration = Duration::from_secs(20);

/// How long an answer may take from its first byte to its last.
pub const REPLY_LIMIT: Duration = Duration::from_secs(300);

/// The largest HTTP header put up with, bytes; XAPI's has some 300.
const HEADER_BYTES: usize = 16 * 1024;

/// One call.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// For example `VM.get_record`.
    pub method: &'static str,
    /// Its parameters, a session's reference among them.
    pub params: &'a [Value],
    /// How long the answer may take to begin; [`ANSWER_LIMIT`] unless the call itself waits.
    pub answer_limit: Duration,
    /// What to do when the kept connection turns out to be closed already.
    pub if_stale: IfStale,
}

/// What to do when the server closed a kept connection before it answered anything on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfStale {
    /// Send the call once more, on a new connection: being done twice does no harm.
    Resend,
    /// Send the call on a new connection unless it was sent already.
    Reconnect,
    /// Report it: what the call says is true only if the server is still the same.
    Fail,
}

/// XAPI at the other end of a unix socket.
pub struct Connection {
    socket: PathBuf,
    line: Line,
    /// Connections opened to replace one that was lost.
    losses: u64,
}

enum Line {
    /// Not opened yet, or closed by the server as it said it would.
    Closed,
    /// Idle between two calls, as far as we know.
    Open(Open),
    /// Gone without notice, or given up in the middle of a call.
    Lost,
}

struct Open {
    sender: SendRequest<Full<Bytes>>,
    received: Received,
    _driver: AbortOnDrop,
}

/// The task that moves bytes for a connection; ends with the connection.
pub(super) struct AbortOnDrop(pub(super) JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Connection {
    /// To the server at `socket`; connects with the first call.
    #[must_use]
    pub fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned(), line: Line::Closed, losses: 0 }
    }

    /// How often the connection went away without notice, as it does when XAPI restarts. Between two calls with the
    /// same number the server was the same, or said in its answer that it would close.
    #[must_use]
    pub fn losses(&self) -> u64 {
        self.losses + u64::from(matches!(self.line, Line::Lost))
    }

    /// Makes a call and reads its result while it arrives. Dropping the future gives the call up, and the connection
    /// with it.
    ///
    /// # Errors
    /// [`Error`]; after any but `Error::Failure` the connection is closed.
    pub async fn call<T: Reply>(&mut self, call: Call<'_>) -> Result<T, Error> {
        let method = call.method;
        let body = encode::request(method, call.params).map_err(|cause| Error::Request { method, cause })?;
        let body = Bytes::from(body);

        // If this future is dropped or fails, the line stays lost.
        let (mut open, kept) = match mem::replace(&mut self.line, Line::Lost) {
            Line::Open(open) => match still_open(open).await {
                Some(open) => (open, true),
                None if call.if_stale == IfStale::Fail => return Err(Error::Restarted { method }),
                None => (self.reconnect(method).await?, false),
            },
            Line::Lost => (self.reconnect(method).await?, false),
            Line::Closed => (self.connect(method).await?, false),
        };
        let received_before = open.received.bytes();
        let mut answer = send(&mut open, call, body.clone()).await;
        let unanswered = open.received.bytes() == received_before;
        if kept && unanswered && call.if_stale == IfStale::Resend && matches!(answer, Err(Error::Http { .. })) {
            open = self.reconnect(method).await?;
            answer = send(&mut open, call, body).await;
        }
        let answer = answer?;
        if answer.status() != StatusCode::OK {
            return Err(Error::Status { method, status: answer.status().as_u16() });
        }
        let closing = will_close(&answer);
        let result = read(method, answer).await?;
        self.line = if closing { Line::Closed } else { Line::Open(open) };
        result.map_err(|failure| Error::Failure { method, failure })
    }

    async fn reconnect(&mut self, method: &'static str) -> Result<Open, Error> {
        let open = self.connect(method).await?;
        self.losses += 1;
        Ok(open)
    }

    async fn connect(&self, method: &'static str) -> Result<Open, Error> {
        let slow = |_| Error::Slow { method, step: "connecting", limit: CONNECT_LIMIT };
        let stream = timeout(CONNECT_LIMIT, UnixStream::connect(&self.socket))
            .await
            .map_err(slow)?
            .map_err(|cause| Error::Connect { socket: self.socket.clone(), cause })?;
        let (stream, received) = Counted::new(stream);
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(64 * 1024)
            .max_header_size(HEADER_BYTES)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|cause| Error::Http { method, cause })?;
        let driver = tokio::spawn(async move {
            // Its error also reaches whoever waits for an answer; between answers nobody needs it.
            let _ = driver.await;
        });
        Ok(Open { sender, received, _driver: AbortOnDrop(driver) })
    }
}

/// The connection left by the call before, if it is still good.
async fn still_open(mut open: Open) -> Option<Open> {
    open.sender.ready().await.is_ok().then_some(open)
}

async fn send(open: &mut Open, call: Call<'_>, body: Bytes) -> Result<Response<Incoming>, Error> {
    let Call { method, answer_limit: limit, .. } = call;
    // The path must be `/` or `/RPC2`; only Content-Length matters among the headers, and hyper writes it (xen-api
    // ocaml/libs/http-lib/http_svr.ml, ocaml/idl/datamodel.ml).
    let request = Request::post("/")
        .header(HOST, "localhost")
        .header(USER_AGENT, format!("xscontainer/{}", crate::VERSION))
        .header(CONTENT_TYPE, "text/xml")
        .body(Full::new(body))
        .expect("a request made of constants is well-formed");
    timeout(limit, open.sender.send_request(request))
        .await
        .map_err(|_| Error::Slow { method, step: "the answer", limit })?
        .map_err(|cause| Error::Http { method, cause })
}

async fn read<T: Reply>(
    method: &'static str,
    answer: Response<Incoming>,
) -> Result<Result<T, super::error::Failure>, Error> {
    let body = StreamReader::new(BodyDataStream::new(Patient::new(answer.into_body(), IDLE_LIMIT)));
    let mut decoder = Decoder::new(body, Limits::XAPI);
    timeout(REPLY_LIMIT, response(&mut decoder))
        .await
        .map_err(|_| Error::Slow { method, step: "reading the answer", limit: REPLY_LIMIT })?
        .map_err(|cause| Error::Reply { method, cause })
}

/// Whether the server said that it closes the connection after this answer.
fn will_close<B>(answer: &Response<B>) -> bool {
    let says = |word| {
        let values = answer.headers().get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|option| option.trim().eq_ignore_ascii_case(word))
    };
    says("close") || (answer.version() == Version::HTTP_10 && !says("keep-alive"))
}

#[cfg(test)]
mod tests {
    use super::super::script::{Answer, Server, http, success, success_body};
    use super::*;

    fn call(if_stale: IfStale) -> Call<'static> {
        Call { method: "m", params: &[], answer_limit: ANSWER_LIMIT, if_stale }
    }

    /// Two calls, the first of which is answered and then the connection closed; gives the second's result.
    async fn second_call(server: &Server, if_stale: IfStale) -> (Result<String, Error>, u64) {
        let mut connection = Connection::new(&server.socket());
        connection.call::<String>(call(if_stale)).await.unwrap();
        // Under the paused clock this takes no time: it ends when nothing is left to do, so when the server has closed.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let second = connection.call(call(if_stale)).await;
        (second, connection.losses())
    }

    fn closes_after_each_answer() -> Server {
        Server::start(|_| Answer::BodyThenClose(success_body("x")))
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_on_a_connection_closed_while_idle_is_made_on_a_new_one() {
        let server = closes_after_each_answer();
        let (second, losses) = second_call(&server, IfStale::Resend).await;
        assert_eq!(second.unwrap(), "x");
        assert_eq!(losses, 1);
        assert_eq!(server.requests().len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_relies_on_the_same_server_is_not_made_on_a_new_connection() {
        let server = closes_after_each_answer();
        let (second, losses) = second_call(&server, IfStale::Fail).await;
        assert!(matches!(second, Err(Error::Restarted { .. })), "{second:?}");
        assert_eq!(losses, 1);
        assert_eq!(server.requests().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_got_no_byte_of_an_answer_is_sent_once_more_and_only_once() {
        let mut seen = 0;
        let server = Server::start(move |_| {
            seen += 1;
            if seen == 1 { success("x") } else { Answer::Close }
        });
        let (second, _) = second_call(&server, IfStale::Resend).await;
        assert!(matches!(second, Err(Error::Http { .. })), "{second:?}");
        assert_eq!(server.requests().iter().map(|request| request.connection).collect::<Vec<_>>(), [0, 0, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_got_part_of_an_answer_is_not_sent_again() {
        let mut seen = 0;
        let server = Server::start(move |_| {
            seen += 1;
            if seen == 1 { success("x") } else { Answer::Raw(b"HTTP/1.1 2".to_vec()) }
        });
        let (second, _) = second_call(&server, IfStale::Resend).await;
        assert!(matches!(second, Err(Error::Http { .. })), "{second:?}");
        assert_eq!(server.requests().len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn each_wait_has_its_limit() {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n<methodResponse>".to_vec();
        for (answer, limit) in [(Answer::Hang, ANSWER_LIMIT), (Answer::Stall(head), IDLE_LIMIT)] {
            let server = Server::start(move |_| answer.clone());
            let began = tokio::time::Instant::now();
            let result = Connection::new(&server.socket()).call::<String>(call(IfStale::Resend)).await;
            assert!(result.is_err());
            let took = began.elapsed();
            assert!(took >= limit && took < limit + Duration::from_secs(1), "{took:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_comes_slowly_but_steadily_is_waited_for() {
        let whole = http(&success_body("x"), "keep-alive");
        let pieces: Vec<Vec<u8>> = whole.chunks(whole.len() / 6).map(<[u8]>::to_vec).collect();
        let server = Server::start(move |_| Answer::Drip(IDLE_LIMIT * 3 / 4, pieces.clone()));
        let result = Connection::new(&server.socket()).call::<String>(call(IfStale::Resend)).await;
        assert_eq!(result.unwrap(), "x");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_takes_for_ever_in_all_is_given_up() {
        let mut pieces = vec![b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n<methodResponse>".to_vec()];
        pieces.extend(vec![b" ".to_vec(); 1000]);
        let server = Server::start(move |_| Answer::Drip(Duration::from_secs(10), pieces.clone()));
        let result = Connection::new(&server.socket()).call::<String>(call(IfStale::Resend)).await;
        assert!(matches!(result, Err(Error::Slow { limit: REPLY_LIMIT, .. })), "{result:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_other_than_200_is_reported_with_its_status() {
        let server =
            Server::start(|_| Answer::Raw(b"HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\nnot today".to_vec()));
        let result = Connection::new(&server.socket()).call::<String>(call(IfStale::Resend)).await;
        assert!(matches!(result, Err(Error::Status { status: 503, .. })), "{result:?}");
    }

    #[tokio::test]
    async fn a_missing_socket_is_named_with_the_remedy() {
        let mut connection = Connection::new(Path::new("/nowhere/xapi"));
        let error = connection.call::<String>(call(IfStale::Resend)).await.unwrap_err().to_string();
        for part in ["/nowhere/xapi", "No such file", "systemctl status xapi"] {
            assert!(error.contains(part), "{error}");
        }
    }
}
