//! The rehearsal does what real rpm and dnf do: files, modes, owners, scriptlets and their argument, what is left, and in
//! which words a host refuses.
//!
//! Real is today's rpm here. Where it differs from rpm 4.11 of the hosts, the rehearsal follows 4.11; no case below is one
//! of those. What the rehearsal deliberately does otherwise: owners and setuid bits are kept in mind and not put on disk
//! (compared by header); folders keep their owner's permissions on disk; of packages that could be next, the first by name
//! is (the cases here have one order).
#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it should be")]

mod configuration;
mod failures;
mod files;
mod packages;
mod packs;
mod scriptlets;
mod twins;
