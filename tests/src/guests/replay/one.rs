//! What is asked about one container of a replayed engine: actions, its description, its processes.
//!
//! Statuses are those of the Docker Engine API (<https://docs.docker.com/reference/api/engine/>), words and events those
//! of a real dockerd 20.10, with which tests compare them. Must not know HTTP.

use serde_json::{Value, json};

use super::containers::{Containers, Event, State, now};

/// A running container called `running`, recorded with the lists.
const INSPECT: &str = include_str!("../replies/inspect.json");
const TOP: &str = include_str!("../replies/top.json");
const STATS: &str = include_str!("../replies/stats.json");

/// A time that is none, as Go writes it.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// An answer, and the events that came before it.
pub(super) struct Answer {
    pub(super) status: &'static str,
    pub(super) body: String,
    pub(super) events: Vec<Event>,
}

impl Answer {
    fn new(status: &'static str, body: impl Into<String>) -> Self {
        Self { status, body: body.into(), events: Vec::new() }
    }

    /// A refusal, with dockerd's words.
    fn refusal(status: &'static str, message: &str) -> Self {
        Self::new(status, format!("{}\n", serde_json::json!({ "message": message })))
    }
}

const DONE: &str = "204 No Content";
const ALREADY: &str = "304 Not Modified";
const CONFLICT: &str = "409 Conflict";

impl Containers {
    /// What `METHOD /containers/NAME/VERB` is answered; none if there is no such path.
    pub(super) fn one(&mut self, method: &str, name: &str, verb: &str) -> Option<Answer> {
        let known = match method {
            "GET" => ["json", "top", "stats"].contains(&verb),
            "POST" => ["start", "stop", "restart", "pause", "unpause"].contains(&verb),
            _ => false,
        };
        if !known {
            return None;
        }
        let Some(at) = self.look_up(name) else {
            return Some(Answer::refusal("404 Not Found", &format!("No such container: {name}")));
        };
        Some(match verb {
            "json" => Answer::new("200 OK", self.inspect(at)),
            "top" => self.top(at),
            "stats" => Answer::new("200 OK", self.stats(at)),
            action => self.act(at, action),
        })
    }

    fn act(&mut self, at: usize, action: &str) -> Answer {
        let (id, state) = (self.id(at).to_owned(), self.state(at));
        let runs = state.runs();
        let (ends, starts) = (["kill", "kill", "die", "disconnect", "stop"], ["connect", "start"]);
        let (steps, becomes) = match (action, state) {
            ("start", State::Running) | ("stop", State::Created | State::Exited(_)) => {
                return Answer::new(ALREADY, "");
            }
            ("start", State::Paused) => {
                return Answer::refusal(CONFLICT, "cannot start a paused container, try unpause instead");
            }
            ("start", _) => (starts.to_vec(), State::Running),
            ("stop", _) => (ends.to_vec(), State::Exited(137)),
            ("restart", _) if runs => ([&ends[..], &starts, &["restart"]].concat(), State::Running),
            ("restart", _) => ([&starts[..], &["restart"]].concat(), State::Running),
            ("pause", State::Running) => (vec!["pause"], State::Paused),
            ("pause", State::Paused) => {
                return Answer::refusal(CONFLICT, &format!("Container {id} is already paused"));
            }
            ("pause", _) => return Answer::refusal(CONFLICT, &format!("Container {id} is not running")),
            ("unpause", State::Paused) => (vec!["unpause"], State::Running),
            _ => {
                let message = format!("Container {id} is not paused");
                return Answer::refusal("500 Internal Server Error", &message);
            }
        };
        let mut answer = Answer::new(DONE, "");
        for step in steps {
            match step {
                "die" => self.set_state(at, State::Exited(137)),
                "start" => self.set_state(at, State::Running),
                _ => {}
            }
            answer.events.push(self.event(at, step));
        }
        self.set_state(at, becomes);
        answer
    }

    /// The recorded description with another id, name and state; its times stay.
    fn inspect(&self, at: usize) -> String {
        let between = |begin: &str, end: &str| {
            let from = INSPECT.find(begin).map_or(0, |found| found + begin.len());
            &INSPECT[from..from + INSPECT[from..].find(end).unwrap_or(0)]
        };
        let (recorded_id, recorded_state) = (between("{\"Id\":\"", "\""), between("\"State\":{", "}"));
        let started = between("\"StartedAt\":\"", "\"");
        let (state, id) = (self.state(at), self.id(at));
        let (started, finished, code) = match state {
            State::Created => (NEVER, NEVER, 0),
            State::Running | State::Paused => (started, NEVER, 0),
            State::Exited(code) => (started, started, code),
        };
        let (paused, runs) = (state == State::Paused, state.runs());
        let state = format!(
            "\"Status\":\"{}\",\"Running\":{runs},\"Paused\":{paused},\"Restarting\":false,\"OOMKilled\":false,\
             \"Dead\":false,\"Pid\":{},\"ExitCode\":{code},\"Error\":\"\",\"StartedAt\":\"{started}\",\
             \"FinishedAt\":\"{finished}\"",
            state.name(),
            if runs { 2366 } else { 0 },
        );
        let name = format!("\"Name\":\"/{}\"", self.name(at));
        let described = INSPECT.replace(recorded_state, &state).replace("\"Name\":\"/running\"", &name);
        described.replace(recorded_id, id).replace(&recorded_id[..12], &id[..12])
    }

    /// The recorded figures with another id and name, and with the load that the container was given.
    fn stats(&self, at: usize) -> String {
        let mut stats: Value = serde_json::from_str(STATS).unwrap_or_default();
        let load = self.load(at);
        if let Some(answer) = &load.answer {
            return answer.clone();
        }
        let nanoseconds = |time: std::time::Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let (used, up) = (load.used(), now());
        stats["cpu_stats"]["cpu_usage"]["total_usage"] = json!(nanoseconds(used));
        // Two processors.
        stats["cpu_stats"]["system_cpu_usage"] = json!(nanoseconds(up.saturating_mul(2)));
        stats["memory_stats"]["usage"] = json!(load.memory);
        stats["name"] = json!(format!("/{}", self.name(at)));
        stats["id"] = json!(self.id(at));
        format!("{stats}\n")
    }

    fn top(&mut self, at: usize) -> Answer {
        if !self.state(at).runs() {
            return Answer::refusal(CONFLICT, &format!("Container {} is not running", self.id(at)));
        }
        Answer { events: vec![self.event(at, "top")], ..Answer::new("200 OK", TOP) }
    }
}
