//! The threads of a hostile engine: connections, requests, and what a plain engine would say.
//!
//! Must not know what misbehaviour is.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::chown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::{INFO, INSPECT, Misbehaviour, TOP, VERSION, container, listen};
use crate::guests::engine::Engine;
use crate::guests::files;
use crate::guests::vm::Vm;

/// What happens on each connection, with the number of connections before it.
type Behaviour = dyn Fn(&mut UnixStream, usize, &Seen) -> io::Result<()> + Send + Sync;

/// An engine in threads of the test.
pub(in crate::guests) struct HostileEngine {
    path: PathBuf,
    behaviour: Arc<Behaviour>,
    seen: Arc<Seen>,
    running: Option<Running>,
}

/// What clients did.
#[derive(Default)]
struct Seen {
    connections: Mutex<usize>,
    requests: Mutex<BTreeMap<String, u64>>,
}

struct Running {
    path: PathBuf,
    ends: Arc<AtomicBool>,
    streams: Arc<Mutex<Vec<UnixStream>>>,
    thread: Option<JoinHandle<()>>,
}

impl HostileEngine {
    pub(in crate::guests) fn start(&mut self) {
        if self.running.is_none() {
            self.running = Some(Running::start(&self.path, &self.behaviour, &self.seen));
        }
    }

    pub(in crate::guests) fn stop(&mut self) {
        self.running = None;
    }
}

impl Running {
    fn start(path: &Path, behaviour: &Arc<Behaviour>, seen: &Arc<Seen>) -> Self {
        let _ = std::fs::remove_file(path);
        let listener = UnixListener::bind(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        files::set_mode(path, 0o660);
        chown(path, None, Some(files::DOCKER)).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let (ends, streams) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::<UnixStream>::new())));
        let (end, kept, behaviour, seen) = (ends.clone(), streams.clone(), behaviour.clone(), seen.clone());
        let thread = thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                if end.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(copy) = stream.try_clone() else { return };
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(copy);
                let (behaviour, seen) = (behaviour.clone(), seen.clone());
                thread::spawn(move || {
                    let earlier = {
                        let mut connections = seen.connections.lock().unwrap_or_else(PoisonError::into_inner);
                        *connections += 1;
                        *connections - 1
                    };
                    // It ends with an error when the client has enough, which is what is tested.
                    let _ = behaviour(&mut stream, earlier, &seen);
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        });
        Self { path: path.to_owned(), ends, streams, thread: Some(thread) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        let _ = UnixStream::connect(&self.path);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = std::fs::remove_file(&self.path);
        for stream in self.streams.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Vm {
    /// Puts an engine that misbehaves in dockerd's place.
    #[must_use]
    pub fn hostile(self, misbehaviour: Misbehaviour) -> Self {
        self.hostile_at(misbehaviour, misbehaviour.place())
    }

    /// Puts an engine that misbehaves in dockerd's place, at paths that begin with `place` without their version.
    #[must_use]
    pub fn hostile_at(self, misbehaviour: Misbehaviour, place: &'static str) -> Self {
        self.behave(move |stream, earlier, seen| {
            while let Some(path) = read_request(stream)? {
                *seen.requests.lock().unwrap_or_else(PoisonError::into_inner).entry(path.clone()).or_default() += 1;
                if path.starts_with(place) {
                    misbehaviour.happen(stream, earlier)?;
                } else {
                    answer_plainly(stream, &path)?;
                }
            }
            Ok(())
        })
    }

    /// Puts an engine in dockerd's place that does this with each connection.
    #[must_use]
    pub fn engine_by(self, on_connection: impl Fn(&mut UnixStream) -> io::Result<()> + Send + Sync + 'static) -> Self {
        self.behave(move |stream, _, _| on_connection(stream))
    }

    fn behave(
        self,
        behaviour: impl Fn(&mut UnixStream, usize, &Seen) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let engine =
            HostileEngine { path: self.socket(), behaviour: Arc::new(behaviour), seen: Arc::default(), running: None };
        *self.engine() = Engine::Hostile(engine);
        self.start_engine();
        self
    }

    /// How many connections a hostile engine had so far.
    #[must_use]
    pub fn hostile_connections(&self) -> usize {
        match &*self.engine() {
            Engine::Hostile(engine) => *engine.seen.connections.lock().unwrap_or_else(PoisonError::into_inner),
            _ => 0,
        }
    }

    /// How often a hostile engine was asked for each path.
    #[must_use]
    pub fn hostile_requests(&self) -> BTreeMap<String, u64> {
        match &*self.engine() {
            Engine::Hostile(engine) => engine.seen.requests.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            _ => BTreeMap::new(),
        }
    }
}

/// Reads a request without a body; its path without version and query, none at the end.
fn read_request(stream: &mut UnixStream) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 || head.len() > 65536 {
            return Ok(None);
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head);
    let path = head.split(' ').nth(1).unwrap_or_default().split('?').next().unwrap_or_default();
    let version = path.strip_prefix("/v").filter(|rest| rest.starts_with(|first: char| first.is_ascii_digit()));
    let path = version.and_then(|rest| rest.find('/').map(|at| &rest[at..])).unwrap_or(path);
    Ok(Some(path.to_owned()))
}

fn answer_plainly(stream: &mut UnixStream, path: &str) -> io::Result<()> {
    let body = match path {
        "/_ping" => "OK".to_owned(),
        "/version" => VERSION.to_owned(),
        "/info" => INFO.to_owned(),
        "/containers/json" => format!("[{}]", container("plain")),
        "/containers/plain/json" => INSPECT.to_owned(),
        "/containers/plain/top" => TOP.to_owned(),
        _ if path.starts_with("/containers/plain/") => {
            return stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
        }
        "/events" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            return listen(stream);
        }
        _ => {
            return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}");
        }
    };
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}
