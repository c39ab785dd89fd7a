//! The rehearsal does what real rpm and dnf do: files, modes, owners, scriptlets and their argument, what is left, and in
//! which words a host refuses.
//!
//! Real is today's rpm here; where it differs from rpm 4.11 of the hosts, the rehearsal follows 4.11. The one such
//! difference below is the argument of `%pretrans` and `%posttrans` (`twins::as_4_11_counts`). What the rehearsal
//! deliberately does otherwise: owners and setuid bits are kept in mind and not put on disk (compared by header); the owner
//! of a folder can always enter and change it on disk; of packages that could be next, the first by name is, so that the
//! cases here have one order only; a `%config(missingok)` file that was removed comes again.
#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it should be")]

mod configuration;
mod failures;
mod files;
mod packages;
mod packs;
mod scriptlets;
mod twins;
