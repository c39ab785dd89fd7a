//! Preparing a VM so that its containers can be managed.

pub mod tls;
