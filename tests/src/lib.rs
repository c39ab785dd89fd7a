//! The lab: stand-ins for what surrounds the project, built from public rules.
//!
//! Nothing here may depend on the agent: a stand-in that learns its rules from the program under test proves nothing.

pub mod cloud_image;
pub mod dom0;
pub mod foreign;
pub mod guests;
pub mod guide;
pub mod monitor;
pub mod packs;
pub mod plugin;
pub mod pool;
pub mod programs;
pub mod root;
pub mod rrdd;
pub mod terminal;
pub mod tools;
pub mod updates;
pub mod xapi;
