//! VMs are prepared at a terminal as people do it, with real OpenSSH servers and real engines, looked into, and taken out
//! again; and the pool's key is changed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed, in its helper functions too")]

mod checking;
mod interrupted;
mod key;
mod lab;
mod other_pools;
mod refused;
mod removing;
mod ssh;
mod tls;
