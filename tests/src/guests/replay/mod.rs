//! The replay engine: one process that answers for many engines, with the bodies that a real dockerd gave.
//!
//! Where dozens of VMs are needed, real engines are too big (130 MB each). This one knows lists, versions, information,
//! pings and events, and of one container the actions that start, end and freeze it, its description, its processes and what it uses;
//! it refuses everything else. Tests compare it with a real dockerd. It is its own program, so that
//! its work is not the test's: here is the handle, in [`server`] the program.

mod containers;
mod http;
mod one;
pub mod server;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

/// A running replay engine; it ends when this is dropped with all clones of it.
#[derive(Clone)]
pub struct Replay {
    program: Arc<Mutex<Program>>,
}

struct Program {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// One of the engines of a [`Replay`].
#[derive(Clone)]
pub struct ReplayEngine {
    replay: Replay,
    name: String,
}

/// A change that a client sees in the list, and when its event was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tick {
    /// The name that a container got: no other tick of this engine has it.
    pub name: String,
    /// The event's `timeNano`.
    pub nanoseconds: u64,
}

impl Replay {
    /// Starts the program, with no engines yet.
    ///
    /// # Panics
    /// If it was not built; `cargo test -p lab --features lab` builds it.
    #[must_use]
    pub fn start() -> Self {
        let program = program();
        let mut child = Command::new(&program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{} cannot be run: {e}", program.display()));
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        Self { program: Arc::new(Mutex::new(Program { child, input, output })) }
    }

    /// A new engine with so many running containers, `c0` and on, at `unix:PATH` or `tcp:ADDRESS:PORT`.
    #[must_use]
    pub fn engine(&self, name: &str, address: &str, containers: usize) -> ReplayEngine {
        self.ask(&json!(["serve", name, address, containers]));
        ReplayEngine { replay: self.clone(), name: name.to_owned() }
    }

    /// The process, for measuring it.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.program.lock().unwrap_or_else(PoisonError::into_inner).child.id()
    }

    /// Says something to the program; what it answers.
    #[track_caller]
    fn ask(&self, command: &Value) -> Value {
        let program = &mut *self.program.lock().unwrap_or_else(PoisonError::into_inner);
        let mut line = String::new();
        let said = writeln!(program.input, "{command}").and_then(|()| program.output.read_line(&mut line));
        said.unwrap_or_else(|e| panic!("the replay engine is gone: {e}"));
        let answer: Value =
            serde_json::from_str(&line).unwrap_or_else(|e| panic!("the replay engine said {line:?}: {e}"));
        match answer.get("error") {
            None => answer["ok"].clone(),
            Some(error) => panic!("{command}: {error}"),
        }
    }
}

impl ReplayEngine {
    /// Creates a container of this name.
    #[track_caller]
    pub fn create(&self, container: &str) {
        self.ask("create", json!([container]));
    }

    /// Starts it: if it was paused or runs already, nothing comes of it.
    #[track_caller]
    pub fn start(&self, container: &str) {
        self.ask("start", json!([container]));
    }

    /// Stops it: events `kill`, `die`, a network's `disconnect` and `stop`.
    #[track_caller]
    pub fn stop(&self, container: &str) {
        self.ask("stop", json!([container]));
    }

    /// Pauses it.
    #[track_caller]
    pub fn pause(&self, container: &str) {
        self.ask("pause", json!([container]));
    }

    /// Lets it go on.
    #[track_caller]
    pub fn unpause(&self, container: &str) {
        self.ask("unpause", json!([container]));
    }

    /// Gives it another name.
    #[track_caller]
    pub fn rename(&self, container: &str, name: &str) {
        self.ask("rename", json!([container, name]));
    }

    /// Removes it.
    #[track_caller]
    pub fn destroy(&self, container: &str) {
        self.ask("destroy", json!([container]));
    }

    /// From now on it uses so much of one processor, per cent, and so many bytes of memory.
    #[track_caller]
    pub fn load(&self, container: &str, percent: f64, memory: u64) {
        self.ask("load", json!([container, percent, memory]));
    }

    /// From now on this is the answer to who asks what it uses.
    #[track_caller]
    pub fn say_stats(&self, container: &str, answer: &str) {
        self.ask("stats", json!([container, answer]));
    }

    /// An event of a container that changes nothing in the list, such as `exec_start: true` or `top`.
    #[track_caller]
    pub fn idle_event(&self, container: &str, action: &str) {
        self.ask("idle_event", json!([container, action]));
    }

    /// So many events at once, each of which pauses a running container or lets a paused one go on, in turn.
    #[track_caller]
    pub fn burst(&self, events: usize) {
        self.ask("burst", json!([events]));
    }

    /// From now on, a tick each so many milliseconds, the first after `offset`: a container gets a new name.
    #[track_caller]
    pub fn tick_every(&self, milliseconds: u64, offset: u64) {
        self.ask("every", json!([milliseconds, offset]));
    }

    /// No more ticks; those that there were.
    #[track_caller]
    pub fn stop_ticks(&self) -> Vec<Tick> {
        self.ask("quiet", json!([]));
        self.ticks()
    }

    /// The ticks so far.
    #[track_caller]
    pub fn ticks(&self) -> Vec<Tick> {
        let ticks = self.ask("ticks", json!([]));
        let read = |tick: &Value| Some(Tick { name: tick[0].as_str()?.to_owned(), nanoseconds: tick[1].as_u64()? });
        ticks.as_array().into_iter().flatten().filter_map(read).collect()
    }

    /// Names of all containers with their states, as the list has them, the newest first.
    #[track_caller]
    #[must_use]
    pub fn containers(&self) -> Vec<(String, String)> {
        let list = self.ask("containers", json!([]));
        let read = |item: &Value| Some((item[0].as_str()?.to_owned(), item[1].as_str()?.to_owned()));
        list.as_array().into_iter().flatten().filter_map(read).collect()
    }

    /// How often each path was asked for, without version and query.
    #[track_caller]
    #[must_use]
    pub fn requests(&self) -> BTreeMap<String, u64> {
        let requests = self.ask("requests", json!([]));
        let all = requests.as_object().into_iter().flatten();
        all.map(|(path, count)| (path.clone(), count.as_u64().unwrap_or_default())).collect()
    }

    /// How often the list of containers was asked for.
    #[track_caller]
    #[must_use]
    pub fn list_requests(&self) -> u64 {
        self.requests().get("/containers/json").copied().unwrap_or_default()
    }

    /// How many clients follow the events now.
    #[track_caller]
    #[must_use]
    pub fn subscribers(&self) -> u64 {
        self.ask("subscribers", json!([])).as_u64().unwrap_or_default()
    }

    /// Answers to lists from now on come so many milliseconds late.
    #[track_caller]
    pub fn delay_lists(&self, milliseconds: u64) {
        self.ask("delay", json!([milliseconds]));
    }

    /// Closes the socket and every connection, as an engine that ends.
    #[track_caller]
    pub fn close(&self) {
        self.ask("close", json!([]));
    }

    /// Listens again, with the containers as they are.
    #[track_caller]
    pub fn open(&self) {
        self.ask("open", json!([]));
    }

    #[track_caller]
    fn ask(&self, command: &str, mut arguments: Value) -> Value {
        let arguments = arguments.as_array_mut().map(std::mem::take).unwrap_or_default();
        self.replay.ask(&[vec![json!(command), json!(self.name)], arguments].concat().into())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Either fails only when it has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program beside the test that runs: `target/debug/deps/TEST` and `target/debug/replay_engine`.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap_or_else(|e| panic!("where am I: {e}"));
    let folders = test.ancestors().skip(1).take(2);
    let mut programs = folders.map(|folder| folder.join("replay_engine"));
    let found = programs.find(|program| program.is_file());
    found.unwrap_or_else(|| panic!("no replay_engine near {}; build the package lab", test.display()))
}
