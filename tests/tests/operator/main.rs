//! What operators do with containers from dom0, with real engines in guests, at terminals and in pipes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed, in its helper functions too")]

mod acting;
mod attaching;
mod events;
mod executing;
mod hostile_streams;
mod lab;
mod logs;
mod looking;
mod lost_streams;
mod other_hosts;
mod podman_streams;
mod tls_streams;
