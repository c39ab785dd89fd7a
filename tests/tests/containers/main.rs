//! The containers of registered VMs are shown, truly and at once: `xscontainer monitor` with real sshd, dockerd and podman
//! behind a simulated XAPI.

mod appear;
mod lab;
