//! The containers of one replayed engine: what the list and the information say, and what events a change makes.
//!
//! Shapes come from recorded bodies of a real dockerd; only values change. Must not know HTTP.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

/// Recorded by `LAB_RECORD=1 cargo test -p lab --features lab --test guests like_a_real_dockerd`.
const VERSION: &str = include_str!("../replies/version.json");
const INFO: &str = include_str!("../replies/info.json");
const LIST: &str = include_str!("../replies/list.json");
const EVENTS: &str = include_str!("../replies/events.jsonl");

/// As many events as dockerd keeps for those who ask for past ones (moby, `daemon/events/events.go`).
const KEPT: usize = 256;

/// A container's state, as `State` of the list has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Created,
    Running,
    Paused,
    Exited(u8),
}

impl State {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Exited(_) => "exited",
        }
    }

    pub(super) fn runs(self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }
}

/// What a container uses.
#[derive(Clone, Default)]
pub(super) struct Load {
    /// Of one processor, per cent.
    percent: f64,
    since: Duration,
    before: Duration,
    /// Bytes.
    pub(super) memory: u64,
    /// What is said instead.
    pub(super) answer: Option<String>,
}

impl Load {
    /// Time on processors.
    pub(super) fn used(&self) -> Duration {
        self.before + now().saturating_sub(self.since).mul_f64(self.percent / 100.0)
    }
}

struct Container {
    load: Load,
    id: String,
    name: String,
    state: State,
    created: Duration,
    /// When it was last started or ended.
    since: Duration,
}

/// The containers and recent events of an engine.
pub(super) struct Containers {
    name: String,
    containers: Vec<Container>,
    events: VecDeque<Event>,
    /// What events look like, by type and action.
    shapes: Vec<Value>,
    made: u64,
    toggled: usize,
    pub(super) ticks: Vec<(String, u64)>,
}

/// An event as it is sent.
#[derive(Clone)]
pub(super) struct Event {
    pub(super) kind: String,
    pub(super) action: String,
    pub(super) time: Duration,
    pub(super) line: String,
}

/// A change that cannot be made.
pub(super) type Refusal = String;

impl Containers {
    /// So many running containers, made in the last hours.
    pub(super) fn new(name: &str, count: usize) -> Self {
        let shapes = EVENTS.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let (containers, events) = (Vec::new(), VecDeque::new());
        let mut all =
            Self { name: name.to_owned(), containers, events, shapes, made: 0, toggled: 0, ticks: Vec::new() };
        let now = now();
        for index in 0..count {
            let age = Duration::from_secs(60 * (count - index) as u64);
            all.add(format!("c{index}"), State::Running, now.saturating_sub(age));
        }
        all
    }

    fn add(&mut self, name: String, state: State, created: Duration) -> usize {
        self.made += 1;
        // Like a hash: any 64 hexadecimal digits that no other container of any engine has.
        let seed = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, format!("{}/{}", self.name, self.made).as_bytes());
        let id = format!("{0}{0}", seed.simple());
        self.containers.push(Container { load: Load::default(), id, name, state, created, since: created });
        self.containers.len() - 1
    }

    pub(super) fn states(&self) -> Vec<(&str, &'static str)> {
        self.containers.iter().rev().map(|container| (container.name.as_str(), container.state.name())).collect()
    }

    fn find(&self, name: &str) -> Result<usize, Refusal> {
        let at = self.containers.iter().position(|container| container.name == name || container.id == name);
        at.ok_or_else(|| format!("No such container: {name}"))
    }

    /// The container that somebody means: an id, a name, or the first digits of one id.
    pub(super) fn look_up(&self, name: &str) -> Option<usize> {
        self.find(name).ok().or_else(|| {
            let mut found = (0..self.containers.len()).filter(|at| self.containers[*at].id.starts_with(name));
            found.next().filter(|_| found.next().is_none())
        })
    }

    pub(super) fn id(&self, at: usize) -> &str {
        &self.containers[at].id
    }

    pub(super) fn name(&self, at: usize) -> &str {
        &self.containers[at].name
    }

    pub(super) fn load(&self, at: usize) -> &Load {
        &self.containers[at].load
    }

    /// From now on a container uses so much: of one processor, per cent, and bytes.
    pub(super) fn set_load(&mut self, name: &str, percent: f64, memory: u64) -> Result<(), Refusal> {
        let at = self.find(name)?;
        let load = &mut self.containers[at].load;
        *load = Load { percent, since: now(), before: load.used(), memory, answer: None };
        Ok(())
    }

    /// From now on it is said that a container uses this.
    pub(super) fn set_stats(&mut self, name: &str, answer: &str) -> Result<(), Refusal> {
        let at = self.find(name)?;
        self.containers[at].load.answer = Some(answer.to_owned());
        Ok(())
    }

    pub(super) fn state(&self, at: usize) -> State {
        self.containers[at].state
    }

    pub(super) fn set_state(&mut self, at: usize, state: State) {
        let container = &mut self.containers[at];
        if state.runs() != container.state.runs() {
            container.since = now();
        }
        container.state = state;
    }

    /// Makes a change; the events that it causes, in dockerd's order.
    pub(super) fn change(&mut self, verb: &str, name: &str, argument: Option<&str>) -> Result<Vec<Event>, Refusal> {
        if verb == "create" {
            if self.find(name).is_ok() {
                return Err(format!("Conflict. The container name \"/{name}\" is already in use"));
            }
            let at = self.add(name.to_owned(), State::Created, now());
            return Ok(vec![self.event(at, "create")]);
        }
        let at = self.find(name)?;
        let state = self.containers[at].state;
        let runs = state.runs();
        let steps: &[&str] = match verb {
            "start" if runs => &[],
            "start" => &["connect", "start"],
            "stop" if !runs => &[],
            "stop" => &["kill", "die", "disconnect", "stop"],
            "pause" if state == State::Running => &["pause"],
            "unpause" if state == State::Paused => &["unpause"],
            "pause" | "unpause" => return Err(format!("Container {name} cannot be made to {verb}: {}", state.name())),
            "rename" => &["rename"],
            "destroy" if runs => return Err(format!("You cannot remove a running container {name}")),
            "destroy" => &["destroy"],
            "idle_event" => &["top"],
            other => return Err(format!("no such change: {other}")),
        };
        let container = &mut self.containers[at];
        match verb {
            "start" if !runs => (container.state, container.since) = (State::Running, now()),
            "stop" if runs => (container.state, container.since) = (State::Exited(137), now()),
            "pause" => container.state = State::Paused,
            "unpause" => container.state = State::Running,
            "rename" => container.name = argument.ok_or("rename to what?")?.to_owned(),
            _ => {}
        }
        let mut events = Vec::new();
        for step in steps {
            let mut event = self.event_of(at, step, if verb == "rename" { Some(name) } else { None });
            if let (Some(action), "idle_event") = (argument, verb) {
                let mut value = serde_json::from_str::<Value>(&event.line).unwrap_or_default();
                (value["status"], value["Action"]) = (json!(action), json!(action));
                (event.action, event.line) = (action.to_owned(), value.to_string());
            }
            events.push(event);
        }
        if verb == "destroy" {
            self.containers.remove(at);
        }
        Ok(events)
    }

    /// Pauses the next container that runs, or lets it go on.
    pub(super) fn toggle(&mut self) -> Result<Event, Refusal> {
        for _ in 0..self.containers.len() {
            self.toggled = (self.toggled + 1) % self.containers.len();
            let container = &mut self.containers[self.toggled];
            let (state, action) = match container.state {
                State::Running => (State::Paused, "pause"),
                State::Paused => (State::Running, "unpause"),
                State::Created | State::Exited(_) => continue,
            };
            container.state = state;
            return Ok(self.event(self.toggled, action));
        }
        Err("no container runs".to_owned())
    }

    /// Gives the oldest container a name that none had before.
    pub(super) fn tick(&mut self) -> Result<Event, Refusal> {
        let container = self.containers.first_mut().ok_or("no container")?;
        let name = format!("tick-{}", self.ticks.len());
        let old = std::mem::replace(&mut container.name, name.clone());
        let event = self.event_of(0, "rename", Some(&old));
        self.ticks.push((name, u64::try_from(event.time.as_nanos()).unwrap_or(u64::MAX)));
        Ok(event)
    }

    pub(super) fn event(&mut self, at: usize, action: &str) -> Event {
        self.event_of(at, action, None)
    }

    /// An event in the shape of the first recorded one of the same action.
    fn event_of(&mut self, at: usize, action: &str, old_name: Option<&str>) -> Event {
        let shape = self.shapes.iter().find(|shape| shape["Action"] == action);
        let mut event = shape.unwrap_or_else(|| panic!("no {action} was recorded")).clone();
        let container = &self.containers[at];
        let time = now();
        (event["time"], event["timeNano"]) =
            (json!(time.as_secs()), json!(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)));
        let kind = event["Type"].as_str().unwrap_or_default().to_owned();
        if kind == "container" {
            (event["id"], event["Actor"]["ID"]) = (json!(container.id), json!(container.id));
            event["Actor"]["Attributes"]["name"] = json!(container.name);
            if let State::Exited(code) = container.state
                && action == "die"
            {
                event["Actor"]["Attributes"]["exitCode"] = json!(code.to_string());
            }
            if let Some(old) = old_name {
                event["Actor"]["Attributes"]["oldName"] = json!(format!("/{old}"));
            }
        } else {
            event["Actor"]["Attributes"]["container"] = json!(container.id);
        }
        let event = Event { kind, action: action.to_owned(), time, line: event.to_string() };
        self.events.push_back(event.clone());
        if self.events.len() > KEPT {
            self.events.pop_front();
        }
        event
    }

    /// Past events since a time, as many as are kept.
    pub(super) fn past(&self, since: Duration) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(move |event| event.time >= since)
    }

    /// The body of `GET /version`.
    pub(super) fn version() -> String {
        VERSION.to_owned()
    }

    /// The body of `GET /info`.
    pub(super) fn info(&self) -> String {
        let mut info: Value = serde_json::from_str(INFO).unwrap_or_default();
        let count = |wanted: &[&str]| {
            json!(self.containers.iter().filter(|container| wanted.contains(&container.state.name())).count())
        };
        info["Name"] = json!(self.name);
        info["Containers"] = json!(self.containers.len());
        info["ContainersRunning"] = count(&["running"]);
        info["ContainersPaused"] = count(&["paused"]);
        info["ContainersStopped"] = count(&["created", "exited"]);
        format!("{info}\n")
    }

    /// The body of `GET /containers/json`, of running ones only or of all.
    pub(super) fn list(&self, all: bool) -> String {
        let shapes: Vec<Value> = serde_json::from_str(LIST).unwrap_or_default();
        let now = now();
        let shown = self.containers.iter().rev();
        let shown = shown.filter(|container| all || matches!(container.state, State::Running | State::Paused));
        let list = shown.map(|container| {
            let shape = shapes.iter().find(|shape| shape["State"] == container.state.name());
            let mut item = shape.unwrap_or_else(|| panic!("no {:?} was recorded", container.state)).clone();
            item["Id"] = json!(container.id);
            item["Names"] = json!([format!("/{}", container.name)]);
            item["Created"] = json!(container.created.as_secs());
            let age = human(now.saturating_sub(container.since));
            item["Status"] = json!(match container.state {
                State::Created => "Created".to_owned(),
                State::Running => format!("Up {age}"),
                State::Paused => format!("Up {age} (Paused)"),
                State::Exited(code) => format!("Exited ({code}) {age} ago"),
            });
            item
        });
        format!("{}\n", Value::Array(list.collect()))
    }
}

/// The time since 1970.
pub(super) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A time as `Status` has it (docker/go-units, `duration.go`).
fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours) = (seconds / 60, (seconds + 1800) / 3600);
    match () {
        () if seconds < 1 => "Less than a second".to_owned(),
        () if seconds == 1 => "1 second".to_owned(),
        () if seconds < 60 => format!("{seconds} seconds"),
        () if minutes == 1 => "About a minute".to_owned(),
        () if minutes < 60 => format!("{minutes} minutes"),
        () if hours == 1 => "About an hour".to_owned(),
        () if hours < 48 => format!("{hours} hours"),
        () => format!("{} days", hours / 24),
    }
}
