//! The simulated XAPI against its own rules. Requests are literal bytes: no codec stands between the test and the wire.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed, in its helper functions too")]

mod disks;
mod events;
mod faults;
mod plugins;
mod raw;
mod storage;
mod wire;
