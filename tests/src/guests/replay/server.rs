//! The program `replay_engine`: commands as JSON on standard input, engines on sockets.
//!
//! Each line is `[command, engine, arguments…]` and is answered by a line `{"ok": …}` or `{"error": …}`. It ends when
//! standard input does.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::rc::{Rc, Weak};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{mpsc, watch};
use tokio::task::{LocalSet, spawn_local};

use super::containers::{Containers, Event, now};
use super::http::{self, Request};
use crate::guests::files::DOCKER;

/// The newest API that the recorded engine speaks.
const API: (u32, u32) = (1, 41);

struct Engine {
    address: String,
    containers: RefCell<Containers>,
    subscribers: RefCell<Vec<mpsc::UnboundedSender<Event>>>,
    requests: RefCell<BTreeMap<String, u64>>,
    delay: Cell<Duration>,
    /// Whether it is to listen and to keep connections.
    open: watch::Sender<bool>,
    /// How often a tick shall be; a new value replaces the old one's task.
    ticks: Cell<u64>,
}

/// Runs until standard input ends.
///
/// # Panics
/// If there is no runtime.
pub fn run() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (sender, mut lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    LocalSet::new().block_on(&runtime, async {
        let mut engines = BTreeMap::new();
        while let Some(line) = lines.recv().await {
            let answer = match obey(&mut engines, &line).await {
                Ok(value) => json!({"ok": value}),
                Err(error) => json!({"error": error}),
            };
            let mut output = std::io::stdout().lock();
            if writeln!(output, "{answer}").and_then(|()| output.flush()).is_err() {
                return;
            }
        }
    });
    // Standard input may still be read by its thread.
    std::process::exit(0);
}

async fn obey(engines: &mut BTreeMap<String, Rc<Engine>>, line: &str) -> Result<Value, String> {
    let command: Vec<Value> = serde_json::from_str(line).map_err(|error| format!("not a command: {error}"))?;
    let text = |at: usize| command.get(at).and_then(Value::as_str);
    let number = |at: usize| command.get(at).and_then(Value::as_u64).unwrap_or_default();
    let (verb, name) = text(0).zip(text(1)).ok_or("a command is [verb, engine, …]")?;
    if verb == "serve" {
        let count = usize::try_from(number(3)).map_err(|error| error.to_string())?;
        let engine = Rc::new(Engine {
            address: text(2).ok_or("serve where?")?.to_owned(),
            containers: RefCell::new(Containers::new(name, count)),
            subscribers: RefCell::default(),
            requests: RefCell::default(),
            delay: Cell::default(),
            open: watch::Sender::new(false),
            ticks: Cell::new(0),
        });
        listen(&engine).await?;
        if let Some(old) = engines.insert(name.to_owned(), engine) {
            old.open.send_replace(false);
        }
        return Ok(Value::Null);
    }
    let engine = engines.get(name).ok_or_else(|| format!("no engine {name}"))?;
    match verb {
        "burst" => {
            for _ in 0..number(2) {
                let event = engine.containers.borrow_mut().toggle()?;
                engine.publish(&event);
            }
        }
        "every" => {
            tick(engine, Duration::from_millis(number(2)), Duration::from_millis(number(3)));
        }
        "quiet" => engine.ticks.set(engine.ticks.get() + 1),
        "ticks" => return Ok(json!(engine.containers.borrow().ticks)),
        "containers" => return Ok(json!(engine.containers.borrow().states())),
        "requests" => return Ok(json!(*engine.requests.borrow())),
        "subscribers" => {
            let subscribers = engine.subscribers.borrow();
            return Ok(json!(subscribers.iter().filter(|subscriber| !subscriber.is_closed()).count()));
        }
        "delay" => engine.delay.set(Duration::from_millis(number(2))),
        "close" => {
            engine.open.send_replace(false);
            engine.subscribers.borrow_mut().clear();
            if let Some(path) = engine.address.strip_prefix("unix:") {
                let _ = fs::remove_file(path);
            }
        }
        "load" => {
            let (container, percent) = (text(2).ok_or("which container?")?, command.get(3).and_then(Value::as_f64));
            engine.containers.borrow_mut().set_load(container, percent.unwrap_or_default(), number(4))?;
        }
        "stats" => {
            let (container, answer) = text(2).zip(text(3)).ok_or("what of which container?")?;
            engine.containers.borrow_mut().set_stats(container, answer)?;
        }
        "open" => listen(engine).await?,
        change => {
            let container = text(2).ok_or("which container?")?;
            let events = engine.containers.borrow_mut().change(change, container, text(3))?;
            events.iter().for_each(|event| engine.publish(event));
        }
    }
    Ok(Value::Null)
}

/// Ticks until the engine is told otherwise, or is gone.
fn tick(engine: &Rc<Engine>, period: Duration, offset: Duration) {
    let mine = engine.ticks.get() + 1;
    engine.ticks.set(mine);
    let engine: Weak<Engine> = Rc::downgrade(engine);
    spawn_local(async move {
        let mut interval = tokio::time::interval_at(tokio::time::Instant::now() + offset, period);
        loop {
            interval.tick().await;
            let Some(engine) = engine.upgrade().filter(|engine| engine.ticks.get() == mine) else { return };
            let Ok(event) = engine.containers.borrow_mut().tick() else { return };
            engine.publish(&event);
        }
    });
}

/// Listens from now on, until the engine is closed.
async fn listen(engine: &Rc<Engine>) -> Result<(), String> {
    if engine.open.send_replace(true) {
        return Err("it is open".to_owned());
    }
    let failed = |error: std::io::Error| format!("cannot listen on {}: {error}", engine.address);
    let mut open = engine.open.subscribe();
    let weak = Rc::downgrade(engine);
    if let Some(path) = engine.address.strip_prefix("unix:") {
        let _ = fs::remove_file(path);
        let listener = UnixListener::bind(path).map_err(failed)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o660)).map_err(failed)?;
        // Only root may; without it the tests of this program alone still work.
        let _ = chown(path, None, Some(DOCKER));
        spawn_local(async move {
            while let Some(Ok((stream, _))) = until_closed(&mut open, listener.accept()).await {
                serve(&weak, stream);
            }
        });
    } else if let Some(address) = engine.address.strip_prefix("tcp:") {
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        spawn_local(async move {
            while let Some(Ok((stream, _))) = until_closed(&mut open, listener.accept()).await {
                let _ = stream.set_nodelay(true);
                serve(&weak, stream);
            }
        });
    } else {
        return Err(format!("{} is neither unix:PATH nor tcp:ADDRESS:PORT", engine.address));
    }
    Ok(())
}

/// What comes of a future, unless the engine is closed before.
async fn until_closed<T>(open: &mut watch::Receiver<bool>, future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        value = future => Some(value),
        _ = open.wait_for(|open| !open) => None,
    }
}

fn serve(engine: &Weak<Engine>, stream: impl AsyncRead + AsyncWrite + Unpin + 'static) {
    let Some(engine) = engine.upgrade() else { return };
    let mut open = engine.open.subscribe();
    spawn_local(async move {
        until_closed(&mut open, engine.converse(stream)).await;
    });
}

impl Engine {
    fn publish(&self, event: &Event) {
        self.subscribers.borrow_mut().retain(|subscriber| subscriber.send(event.clone()).is_ok());
    }

    /// Answers one client until it ends.
    async fn converse(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut buffer = Vec::new();
        while let Some(request) = http::read(&mut stream, &mut buffer).await {
            *self.requests.borrow_mut().entry(request.path.clone()).or_default() += 1;
            if request.path == "/events" && request.method == "GET" {
                self.follow(&mut stream, &request).await;
                return;
            }
            let (status, body) = self.answer(&request).await;
            let sent = http::reply(&mut stream, &request, status, &body).await;
            if sent.is_err() || !request.keep {
                return;
            }
        }
    }

    async fn answer(&self, request: &Request) -> (&'static str, String) {
        let message = |text: &str| format!("{}\n", json!({ "message": text }));
        if let Some((major, minor)) = request.version.filter(|version| *version > API) {
            let text = format!(
                "client version {major}.{minor} is too new. Maximum supported API version is {}.{}",
                API.0, API.1
            );
            return ("400 Bad Request", message(&text));
        }
        match (request.method.as_str(), request.path.as_str()) {
            ("GET" | "HEAD", "/_ping") => ("200 OK", "OK".to_owned()),
            ("GET", "/version") => ("200 OK", Containers::version()),
            ("GET", "/info") => ("200 OK", self.containers.borrow().info()),
            ("GET", "/containers/json") => {
                if ["filters", "size", "before", "since"].iter().any(|name| request.value(name).is_some_and(unusual)) {
                    return ("400 Bad Request", message("the replay engine knows no such lists"));
                }
                if !self.delay.get().is_zero() {
                    tokio::time::sleep(self.delay.get()).await;
                }
                ("200 OK", self.containers.borrow().list(request.is_on("all")))
            }
            (method, path) => self.answer_one(method, path).unwrap_or(("404 Not Found", message("page not found"))),
        }
    }

    /// Answers what is asked about one container: `/containers/NAME/VERB`.
    fn answer_one(&self, method: &str, path: &str) -> Option<(&'static str, String)> {
        let (name, verb) = path.strip_prefix("/containers/")?.split_once('/')?;
        let answer = self.containers.borrow_mut().one(method, name, verb)?;
        answer.events.iter().for_each(|event| self.publish(event));
        Some((answer.status, answer.body))
    }

    /// Sends events until the client ends, or the time that it asked for is over.
    async fn follow(&self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin), request: &Request) {
        let (sender, mut events) = mpsc::unbounded_channel();
        let wanted = Wanted::of(request);
        let mut text = http::head("200 OK", "Transfer-Encoding: chunked\r\n");
        if let Some(since) = request.value("since").and_then(seconds) {
            let containers = self.containers.borrow();
            let past = containers.past(since).filter(|event| wanted.takes(event));
            past.for_each(|event| text.push_str(&http::chunk(&format!("{}\n", event.line))));
        }
        self.subscribers.borrow_mut().push(sender);
        if stream.write_all(text.as_bytes()).await.is_err() {
            return;
        }
        let until = request.value("until").and_then(seconds);
        let rest = until.map_or(Duration::MAX, |until| until.saturating_sub(now()));
        let over = tokio::time::sleep(rest);
        tokio::pin!(over);
        let mut ignored = [0; 256];
        loop {
            let event = tokio::select! {
                biased;
                event = events.recv() => event,
                read = stream.read(&mut ignored) => match read {
                    Ok(length) if length > 0 => continue,
                    _ => return,
                },
                () = &mut over => None,
            };
            let Some(event) = event else {
                let _ = stream.write_all(b"0\r\n\r\n").await;
                return;
            };
            if wanted.takes(&event) {
                let chunk = http::chunk(&format!("{}\n", event.line));
                if stream.write_all(chunk.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// The filters of a subscription: types and actions; an empty list takes all.
struct Wanted {
    kinds: Vec<String>,
    actions: Vec<String>,
}

impl Wanted {
    /// Filters are `{"type": ["container"]}`, or `{"type": {"container": true}}` since API 1.22.
    fn of(request: &Request) -> Self {
        let filters: Value =
            request.value("filters").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let list = |name: &str| match &filters[name] {
            Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            Value::Object(map) => map.keys().cloned().collect(),
            _ => Vec::new(),
        };
        Self { kinds: list("type"), actions: list("event") }
    }

    fn takes(&self, event: &Event) -> bool {
        let among = |list: &[String], text: &str| list.is_empty() || list.iter().any(|item| item == text);
        let action = event.action.split(':').next().unwrap_or_default();
        among(&self.kinds, &event.kind) && (among(&self.actions, action) || among(&self.actions, &event.action))
    }
}

/// Whether a value asks for something: empty filters do not.
fn unusual(value: &str) -> bool {
    !matches!(value, "" | "0" | "false" | "{}")
}

/// A time as `since` and `until` have it: seconds with a fraction.
fn seconds(text: &str) -> Option<Duration> {
    text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}
