//! XAPI, the toolstack of a Xen host, as its local clients see it: XML-RPC over a unix socket, a session, typed
//! records of the fields used, and the pool's state followed through events.
//!
//! Must not know Docker or SSH, nor why anybody wants to know.
//!
//! | module | knows |
//! |---|---|
//! | [`value`], [`encode`], [`decode`] | XML-RPC on the wire, within limits |
//! | [`envelope`] | XAPI's `Status`/`Value`/`ErrorDescription` around every result |
//! | [`transport`] | HTTP over the unix socket, one connection kept alive, time limits |
//! | [`session`] | login, logout, calls on behalf of a session |
//! | [`client`] | one session for many tasks, some calls at a time |
//! | [`other_config`], [`messages`], [`secrets`], [`storage`], [`vifs`] | the calls that change something |
//! | [`disks`], [`tasks`] | what is on disks, and what XAPI is doing about it |
//! | [`hosts`] | which host this is, plugins on others |
//! | [`plugin_call`] | what a plugin is handed and gives back |
//! | [`records`] | references and records |
//! | [`events`] | one `event.from` reply, and the state that replies add up to |
//! | [`follow`] | keeping that state current whatever happens to XAPI |

pub mod backoff;
mod bounded;
pub mod client;
mod counted;
pub mod decode;
pub mod digest;
pub mod disks;
pub mod encode;
pub mod envelope;
mod error;
pub mod events;
pub mod follow;
pub mod hosts;
pub mod messages;
pub mod other_config;
mod outage;
mod patient;
pub mod plugin_call;
pub mod records;
pub mod secrets;
pub mod session;
pub mod storage;
pub mod tasks;
mod tokens;
pub mod transport;
pub mod value;
pub mod vifs;

#[cfg(test)]
pub(crate) mod script;

pub use client::Client;
pub use digest::Digest;
pub use error::{Error, Failure};
pub use events::State;
pub use follow::{Change, Follower, Update};
pub use outage::Silence;
pub use records::{
    HostRef, HostUuid, Pool, PoolRef, PowerState, SrUuid, VdiUuid, Views, Vm, VmGuestMetrics, VmGuestMetricsRef, VmRef,
    VmUuid,
};
pub use session::{Session, SessionRef};
pub use value::Value;

/// Where XAPI listens for local clients; every connection there counts as root
/// (xen-api ocaml/xapi/xapi_globs.ml, context.ml).
pub const DEFAULT_SOCKET: &str = "/var/lib/xcp/xapi";
