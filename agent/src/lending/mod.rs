//! The monitor lends its connections, and tells how things stand: a request of another program in dom0 goes over the link that is up already,
//! instead of over a new one that has to log in first.
//!
//! Requests are typed; nobody gets a raw stream into a guest. The socket is for root alone, and whoever asks has
//! looked with XAPI's own means whether its caller may. Must not know the XAPI plugin, nor when views are written.
//!
//! ```text
//! plugin ─► client ── agent.sock ──► server ─► Desk: the VM's connection ─► engine
//!                                                  └► its task: look again, then answer
//! ```
//!
//! | module | knows |
//! |---|---|
//! | [`ask`] | what can be asked, and how an engine is asked it |
//! | [`standing`] | what the monitor tells of itself and its VMs |
//! | [`wire`] | one question and one answer on a socket, within limits |
//! | [`desk`] | which connections are up |
//! | [`server`], [`client`] | the two ends |

pub mod ask;
pub mod client;
pub mod desk;
pub mod server;
pub mod standing;
pub mod wire;

pub use ask::{Answer, Ask, Refusal};
pub use desk::{Desk, Lent};
pub use standing::Standing;

/// Where the monitor listens for other programs of this host.
pub const DEFAULT_SOCKET: &str = "/run/xscontainer/agent.sock";

#[cfg(test)]
mod tests;
