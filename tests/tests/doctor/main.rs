//! Everything on the page about troubles is produced for real, and recognised by `xscontainer doctor`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed, in its helper functions too")]

mod guest_path;
mod host;
mod lab;
mod page;
mod report;
