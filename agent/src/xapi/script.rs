//! For tests: a server on a unix socket that answers from a script, and what XAPI's answers look like.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::OwnedReadHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{Instant, sleep};

/// What the server does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// Answers with this body and status 200.
    Body(String),
    /// Like `Body`, and closes the connection without having said so.
    BodyThenClose(String),
    /// Like `Body`, and closes the connection as it says.
    LastBody(String),
    /// Sends these bytes and closes the connection.
    Raw(Vec<u8>),
    /// Sends these bytes and nothing more, for ever.
    Stall(Vec<u8>),
    /// Sends these pieces with a pause before each.
    Drip(Duration, Vec<Vec<u8>>),
    /// Closes the connection.
    Close,
    /// Says nothing, for ever.
    Hang,
    /// Does so after a while.
    After(Duration, Box<Answer>),
}

/// A request as the server saw it.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Counts connections from 0.
    pub(crate) connection: usize,
    pub(crate) method: String,
    /// The text of all strings, numbers and flags in the parameters, in their order.
    pub(crate) params: Vec<String>,
    /// As it came.
    pub(crate) body: Vec<u8>,
    pub(crate) at: Instant,
}

/// The server; ends with this value.
pub(crate) struct Server {
    folder: TempDir,
    requests: Arc<Mutex<Vec<Request>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Request {
    /// A member of the struct among the parameters of a call, if it is a string.
    pub(crate) fn member(&self, name: &str) -> Option<String> {
        let body = std::str::from_utf8(&self.body).unwrap();
        let (_, rest) = body.split_once(&format!("<name>{name}</name><value><string>"))?;
        Some(rest.split_once('<')?.0.to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Script = Arc<Mutex<dyn FnMut(&Request) -> Answer + Send>>;

impl Server {
    /// Answers each request as `script` says.
    pub(crate) fn start(script: impl FnMut(&Request) -> Answer + Send + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let requests = Arc::default();
        let script: Script = Arc::new(Mutex::new(script));
        let listener = UnixListener::bind(folder.path().join("xapi")).unwrap();
        let task = tokio::spawn(accept(listener, script, Arc::clone(&requests)));
        Self { folder, requests, task }
    }

    /// A XAPI with host `OpaqueRef:here` that answers `event.from` from a list, and hangs when that is at its end;
    /// other methods as `others` says.
    pub(crate) fn xapi(
        events: Vec<Answer>,
        mut others: impl FnMut(&Request) -> Option<Answer> + Send + 'static,
    ) -> Self {
        let mut events = VecDeque::from(events);
        let mut sessions = 0;
        Self::start(move |request| {
            if let Some(answer) = others(request) {
                return answer;
            }
            match request.method.as_str() {
                "session.login_with_password" => {
                    sessions += 1;
                    success(&format!("OpaqueRef:session-{sessions}"))
                }
                "host.get_by_uuid" => success("OpaqueRef:here"),
                "pool.get_all" => success("<array><data><value>OpaqueRef:pool</value></data></array>"),
                "pool.get_master" => success("OpaqueRef:here"),
                "session.logout" => success(""),
                "event.from" => events.pop_front().unwrap_or(Answer::Hang),
                other => panic!("unexpected call of {other}"),
            }
        })
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("xapi")
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The requests of one method; that of requests other than calls is the verb and the path, and the query is a parameter.
    pub(crate) fn calls(&self, method: &str) -> Vec<Request> {
        self.requests().into_iter().filter(|request| request.method == method).collect()
    }
}

async fn accept(listener: UnixListener, script: Script, requests: Arc<Mutex<Vec<Request>>>) {
    let mut connections = tokio::task::JoinSet::new();
    for connection in 0.. {
        let (stream, _) = listener.accept().await.unwrap();
        let (script, requests) = (Arc::clone(&script), Arc::clone(&requests));
        connections.spawn(async move {
            // An error means that the client left.
            let _ = serve(stream, connection, script, requests).await;
        });
    }
}

async fn serve(
    stream: UnixStream,
    connection: usize,
    script: Script,
    requests: Arc<Mutex<Vec<Request>>>,
) -> std::io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    while let Some((target, body)) = request(&mut reader).await? {
        let (method, params) = match target.split_once('?') {
            Some((path, query)) => (path.to_owned(), vec![query.to_owned()]),
            None => call(std::str::from_utf8(&body).unwrap()),
        };
        let request = Request { connection, method, params, body, at: Instant::now() };
        requests.lock().unwrap().push(request.clone());
        let mut answer = (script.lock().unwrap())(&request);
        while let Answer::After(pause, then) = answer {
            sleep(pause).await;
            answer = *then;
        }
        match answer {
            Answer::Body(body) => writer.write_all(&http(&body, "keep-alive")).await?,
            Answer::BodyThenClose(body) => return writer.write_all(&http(&body, "keep-alive")).await,
            Answer::LastBody(body) => return writer.write_all(&http(&body, "close")).await,
            Answer::Raw(bytes) => return writer.write_all(&bytes).await,
            Answer::Stall(bytes) => {
                writer.write_all(&bytes).await?;
                std::future::pending::<()>().await;
            }
            Answer::Drip(pause, pieces) => {
                for piece in pieces {
                    sleep(pause).await;
                    writer.write_all(&piece).await?;
                }
            }
            Answer::Close => return Ok(()),
            Answer::Hang => std::future::pending().await,
            Answer::After(..) => unreachable!("taken apart above"),
        }
    }
    Ok(())
}

/// The verb and the target in one, and the body.
async fn request(reader: &mut BufReader<OwnedReadHalf>) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let mut length = 0;
    let mut target = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        if target.is_empty() {
            target = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).await?;
    Ok(Some((target, body)))
}

/// The method of a call, and its parameters.
fn call(body: &str) -> (String, Vec<String>) {
    let (_, rest) = body.split_once("<methodName>").unwrap();
    let scalar = |piece: &str| {
        let (tag, text) = piece.split_once('>')?;
        matches!(tag, "string" | "double" | "boolean").then(|| text.to_owned())
    };
    (rest.split_once('<').unwrap().0.to_owned(), body.split('<').filter_map(scalar).collect())
}

/// An HTTP answer with status 200.
pub(crate) fn http(body: &str, connection: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\nContent-Length: {length}\r\nConnection: {connection}\r\n\
         Access-Control-Allow-Origin: *\r\ncache-control: no-cache, no-store\r\n\r\n{body}"
    )
    .into_bytes()
}

/// XAPI's envelope around `members`.
fn envelope(members: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><methodResponse><params><param><value><struct>{members}</struct></value></param>\
         </params></methodResponse>"
    )
}

/// The body of a success with this value, given as the XML inside `<value>`.
pub(crate) fn success_body(value: &str) -> String {
    envelope(&format!(
        "<member><name>Status</name><value>Success</value></member><member><name>Value</name><value>{value}</value></member>"
    ))
}

pub(crate) fn success(value: &str) -> Answer {
    Answer::Body(success_body(value))
}

pub(crate) fn failure(words: &[&str]) -> Answer {
    let words: String = words.iter().map(|word| format!("<value>{word}</value>")).collect();
    Answer::Body(envelope(&format!(
        "<member><name>Status</name><value>Failure</value></member>\
         <member><name>ErrorDescription</name><value><array><data>{words}</data></array></value></member>"
    )))
}

/// A struct of members given as XML.
pub(crate) fn record(members: &[(&str, &str)]) -> String {
    let member = |(name, value): &(&str, &str)| format!("<member><name>{name}</name><value>{value}</value></member>");
    format!("<struct>{}</struct>", members.iter().map(member).collect::<String>())
}

/// A VM that can be watched at `OpaqueRef:here`, but for the fields given.
pub(crate) fn vm_record(number: u32, fields: &[(&str, &str)]) -> String {
    let uuid = format!("00000000-0000-0000-0000-{number:012}");
    let metrics = format!("OpaqueRef:metrics-{number}");
    let name = format!("vm {number}");
    let config = record(&[("xscontainer-monitor", "True"), ("mac_seed", "1"), ("docker_ps", "&lt;docker_ps/&gt;")]);
    let mut all = vec![
        ("uuid", uuid.as_str()),
        ("name_label", name.as_str()),
        ("allowed_operations", "<array><data><value>clean_shutdown</value></data></array>"),
        ("current_operations", "<struct/>"),
        ("power_state", "Running"),
        ("memory_static_max", "4294967296"),
        ("is_a_template", "<boolean>0</boolean>"),
        ("is_a_snapshot", "<boolean>0</boolean>"),
        ("is_control_domain", "<boolean>0</boolean>"),
        ("snapshot_time", "<dateTime.iso8601>19700101T00:00:00Z</dateTime.iso8601>"),
        ("resident_on", "OpaqueRef:here"),
        ("guest_metrics", metrics.as_str()),
        ("other_config", config.as_str()),
    ];
    all.retain(|(name, _)| fields.iter().all(|(field, _)| field != name));
    all.extend(fields);
    record(&all)
}

/// Guest metrics with one address.
pub(crate) fn metrics_record(address: &str) -> String {
    let networks = record(&[("0/ip", address), ("0/ipv4/0", address)]);
    record(&[
        ("uuid", "00000000-0000-0000-0001-000000000000"),
        ("networks", &networks),
        ("live", "<boolean>1</boolean>"),
    ])
}

/// An event; without a snapshot if that is empty.
pub(crate) fn event(class: &str, operation: &str, reference: &str, snapshot: &str) -> String {
    let mut members =
        vec![("id", "12"), ("timestamp", "0.0"), ("class", class), ("operation", operation), ("ref", reference)];
    if !snapshot.is_empty() {
        members.push(("snapshot", snapshot));
    }
    format!("<value>{}</value>", record(&members))
}

/// The result of an `event.from`.
pub(crate) fn batch_value(token: &str, events: &[String]) -> String {
    let events = format!("<array><data>{}</data></array>", events.concat());
    record(&[("events", events.as_str()), ("token", token)])
}

pub(crate) fn batch(token: &str, events: &[String]) -> Answer {
    success(&batch_value(token, events))
}

/// A VM and its guest metrics as new. Its address is one that nobody connects to.
pub(crate) fn added(number: u32) -> [String; 2] {
    [
        event("vm", "add", &format!("OpaqueRef:vm-{number}"), &vm_record(number, &[])),
        event("vm_guest_metrics", "add", &format!("OpaqueRef:metrics-{number}"), &metrics_record("127.0.0.1")),
    ]
}
