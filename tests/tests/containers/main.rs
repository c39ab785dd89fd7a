//! The containers of registered VMs are shown, truly and at once: `xscontainer monitor` with real sshd, dockerd and podman
//! behind a simulated XAPI.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed, in its helper functions too")]

mod access;
mod acting;
mod acting_on_hostile;
mod appear;
mod forwarding;
mod lab;
mod links;
mod load;
mod ownership;
mod registering;
mod tls;
