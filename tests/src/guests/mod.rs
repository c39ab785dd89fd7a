//! Simulated VMs: what the agent meets behind a VM's address, made of real sshd, dockerd and podman where it matters.
//!
//! A [`Network`] is a network namespace behind a veth pair, whose near end is "dom0". A [`Vm`] in it has an address,
//! an sshd, and an engine on `/var/run/docker.sock`, as production guests have; it sees its own `/etc`, `/home`,
//! `/root`, `/run`, `/tmp`, `/var/lib`, `/var/log` and processes. Everything runs below a process that ends with its
//! standard input, in a process namespace of its own: nothing of it outlives the value, a panic, or even a killed test
//! program.
//!
//! ```no_run
//! use lab::guests::Network;
//! let network = Network::new();
//! let web = network.vm("web").ssh().dockerd();
//! web.authorize("ssh-ed25519 AAAA… key");
//! web.run("cache", &["sleep", "1000"]);
//! web.drop_packets();
//! ```
//!
//! A guest as a person finds it who has a password, an account without `~/.ssh`, and a full disk:
//!
//! ```no_run
//! use lab::guests::{Network, ssh_variants};
//! let network = Network::new();
//! let fresh = network.vm("fresh").ssh_with(ssh_variants::KEYBOARD_INTERACTIVE).dockerd();
//! fresh.add_account("debian", "/bin/bash");
//! fresh.set_password("debian", "secret");
//! fresh.join_group("debian", "docker");
//! let before = fresh.snapshot_files(&["/home/debian", "/etc"]);
//! fresh.fill_homes();
//! // The program under test logs in, fails, and leaves nothing.
//! before.assert_same(&fresh.snapshot_files(&["/home/debian", "/etc"]));
//! ```
//!
//! Must run as root. Must not know the agent.

mod accounts;
mod certificates;
mod disk;
mod engine;
mod files;
mod hostile;
mod network;
mod programs;
pub mod replay;
mod shell;
mod snapshot;
pub mod ssh_variants;
mod sshd;
mod vm;

pub use certificates::{Certificates, Flaw};
pub use engine::IMAGE;
pub use hostile::Misbehaviour;
pub use network::Network;
pub use replay::{Replay, ReplayEngine, Tick};
pub use snapshot::Snapshot;
pub use vm::Vm;

/// Longer than any start, stop or answer here takes on a busy machine.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// Waits until something holds.
///
/// # Panics
/// If it does not within [`PATIENCE`].
#[track_caller]
fn wait_until(what: impl Fn() -> String, mut holds: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + PATIENCE;
    while !holds() {
        assert!(std::time::Instant::now() < end, "not within {PATIENCE:?}: {}", what());
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}
