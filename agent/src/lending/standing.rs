//! How things stand with the monitor and its VMs, as it tells other programs of its host. Plain data.
//!
//! All names and reasons are foreign texts, of bounded length and without control characters.

use serde::{Deserialize, Serialize};

/// The monitor, and every VM that this host answers for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The monitor's version.
    pub version: String,
    /// The uuid of its host.
    pub host: String,
    /// Since when it runs, seconds since 1970.
    pub started: u64,
    /// Since when XAPI does not answer, seconds since 1970; none while it does.
    pub xapi_silent_since: Option<u64>,
    /// The VMs on this host; on the pool's coordinator also those that do not run. By name.
    pub vms: Vec<VmStanding>,
}

/// One VM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmStanding {
    /// Its uuid.
    pub uuid: String,
    /// Its name label.
    pub name: String,
    /// What is done about it.
    pub state: VmState,
    /// Since when, seconds since 1970; none if it is not watched.
    pub since: Option<u64>,
    /// How the engine is reached, such as `SSH, direct-streamlocal`, and what it is; none before the first time.
    pub engine: Option<EngineStanding>,
    /// Its containers, while they are seen.
    pub containers: Option<Counts>,
    /// Events of the engine in the last whole minute.
    pub events_per_minute: u32,
    /// What stood in the way last, while it does.
    pub trouble: Option<TroubleStanding>,
}

/// What is done about a VM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is", content = "why")]
pub enum VmState {
    /// The guest's tools have not reported an address that may be used.
    WaitingForAddress,
    /// Looking for an address that answers, and logging in.
    Connecting,
    /// Logged in; reading the first list.
    Synchronising,
    /// Its containers are seen.
    Live,
    /// Something failed; waiting before the next try.
    BackingOff,
    /// It is not watched, for this reason.
    NotWatched(String),
    /// It is not watched, because nobody registered it.
    NotRegistered,
}

/// An engine, and the way to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineStanding {
    /// The way in.
    pub way: String,
    /// Product, version and API version.
    pub identity: String,
}

/// How many containers there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Those that run.
    pub up: usize,
    /// Those that run, frozen.
    pub paused: usize,
    /// All others.
    pub stopped: usize,
}

/// Why the containers are not seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TroubleStanding {
    /// What happened.
    pub reason: String,
    /// What to do about it.
    pub remedy: String,
}

/// The containers of one VM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// The VM's uuid.
    pub vm: String,
    /// The VM's name label.
    pub name: String,
    /// Its containers; none if they are not seen, or too many to be kept.
    pub rows: Option<Vec<Row>>,
}

/// One container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its id, whole.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it was made from.
    pub image: String,
    /// What runs in it, cut short.
    pub command: String,
    /// `Up`, `Up (Paused)`, `Exited (0)`, …, in the words that clients get.
    pub status: String,
    /// When it was made, seconds since 1970.
    pub created: i64,
    /// Such as `0.0.0.0:80->8080/tcp, 443/tcp`, cut short.
    pub ports: String,
}
