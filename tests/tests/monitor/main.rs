//! The program `xscontainer monitor` against the simulated XAPI: who is watched, and what it lives through.
//!
//! Wherever a time is asserted it is a least time, counted from before it began: a slow machine cannot break it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed, in its helper functions too")]

mod completion;
mod lab;
mod outages;
mod process;
mod settings;
mod trouble;
mod watched;
