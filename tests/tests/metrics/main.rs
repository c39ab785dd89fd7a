//! What containers use is in the graphs of their VMs: `xscontainer monitor` with real and replayed engines, a simulated
//! xcp-rrdd, and readers of its page and of Prometheus' file by others.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed, in its helper functions too")]

mod graphs;
mod hostile;
mod lab;
mod page;
mod prometheus;
mod selection;
