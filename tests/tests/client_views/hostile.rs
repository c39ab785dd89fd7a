//! Containers and descriptions as a hostile engine would give them, and what is true of them. Must not know documents.

use agent::engine::{Container, Port};
use fastrand::Rng;
use serde_json::{Map, Value as Json};

/// A container, and what clients are to take it for.
pub(crate) struct Truth {
    pub(crate) container: Container,
    pub(crate) status: &'static str,
    pub(crate) state: &'static str,
}

/// What engines say, in status and state, and what it comes to.
const STATUSES: [(&str, &str, &str, &str); 12] = [
    ("Up 3 minutes", "running", "Up", "running"),
    ("Up 2 hours (healthy)", "running", "Up", "running"),
    ("Up Less than a second (health: starting)", "", "Up", "running"),
    ("", "running", "Up", "running"),
    ("Up 5 seconds (Paused)", "paused", "Up (Paused)", "paused"),
    ("", "paused", "Up (Paused)", "paused"),
    ("Exited (137) 3 weeks ago", "exited", "Exited (137)", "halted"),
    ("Exited (0) About a minute ago", "", "Exited (0)", "halted"),
    ("Restarting (1) 5 seconds ago", "restarting", "Restarting (1)", "halted"),
    ("Created", "created", "Created", "halted"),
    ("", "configured", "Created", "halted"),
    ("Dead", "dead", "Dead", "halted"),
];

/// What hostile texts are put together from.
const PIECES: [&str; 48] = [
    "<",
    ">",
    "&",
    "\"",
    "'",
    "]]>",
    "]]",
    "<entry>",
    "</entry>",
    "</docker_ps>",
    "<!--",
    "-->",
    "<![CDATA[",
    "&#10;",
    "&#0;",
    "&lt;",
    "&amp;",
    "&bogus;",
    "<?xml version=\"1.0\"?>",
    "<!DOCTYPE x [<!ENTITY y \"z\">]>",
    "\0",
    "\u{1b}[31m",
    "\u{7f}",
    "\u{85}",
    "\u{9b}",
    "\r\n",
    "\r",
    "\n",
    "\t",
    " ",
    "\u{a0}",
    "\u{2028}",
    "\u{200b}",
    "\u{202e}",
    "\u{2066}",
    "\u{feff}",
    "\u{fffe}",
    "\u{ffff}",
    "\u{1ffff}",
    "é",
    "e\u{301}",
    "漢",
    "🐳",
    "web",
    "-1.5",
    "a:b",
    "hasOwnProperty",
    "__proto__",
];

/// A text of up to `most` pieces.
pub(crate) fn text(random: &mut Rng, most: usize) -> String {
    (0..random.usize(..=most)).map(|_| *random.choice(&PIECES).unwrap()).collect()
}

/// Up to twelve containers with different ids, some made in the same second.
pub(crate) fn containers(random: &mut Rng) -> Vec<Truth> {
    (0..random.usize(..=12)).map(|n| container(random, n)).collect()
}

fn container(random: &mut Rng, n: usize) -> Truth {
    let (said, word, status, state) = *random.choice(&STATUSES).unwrap();
    let id = format!("{:08x}{n:04x}{:052x}", random.u32(..), random.u64(..));
    let created = match random.u8(..10) {
        0 => i64::MAX,
        1 => -random.i64(1..i64::MAX),
        _ => 1_466_755_200 + random.i64(..4),
    };
    let container = Container {
        name: text(random, 6),
        image: text(random, 8),
        command: text(random, 12),
        created,
        status: said.into(),
        state: word.into(),
        ports: (0..random.usize(..4)).map(|_| port(random)).collect(),
        id,
    };
    Truth { container, status, state }
}

fn port(random: &mut Rng) -> Port {
    let ips = [None, Some("0.0.0.0"), Some("::"), Some("fd00::1")];
    Port {
        ip: random.choice(ips).unwrap().map(Into::into),
        private: random.u16(1..),
        public: random.bool().then(|| random.u16(1..)),
        protocol: (*random.choice(&["tcp", "udp", "sctp"]).unwrap()).into(),
    }
}

/// A description with some of `fields`, whatever they hold.
pub(crate) fn description(random: &mut Rng, fields: &[&str]) -> Map<String, Json> {
    let some = fields.iter().filter(|_| random.u8(..4) > 0).map(|field| (*field).to_owned()).collect::<Vec<_>>();
    some.into_iter().map(|field| (field, value(random, 5))).collect()
}

/// Anything that JSON has, so deep at most.
pub(crate) fn value(random: &mut Rng, depth: usize) -> Json {
    match random.u8(..if depth > 0 { 9 } else { 5 }) {
        0 => Json::Null,
        1 => random.bool().into(),
        2 => random.i64(..).into(),
        3 => random.f64().into(),
        4..7 => text(random, 10).into(),
        7 => (0..random.usize(..5)).map(|_| value(random, depth - 1)).collect(),
        _ => (0..random.usize(..5)).map(|_| (text(random, 2), value(random, depth - 1))).collect::<Map<_, _>>().into(),
    }
}
