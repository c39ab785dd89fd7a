//! The agent that runs in dom0: what the program `xscontainer` is made of.
//!
//! Dependencies run one way: [`monitor`] decides which VMs to watch from what [`xapi`] reports; `xapi` knows
//! nothing of containers. [`inventory`], [`log`] and [`quote`] know neither.

pub mod inventory;
pub mod log;
pub mod monitor;
pub mod quote;
pub mod xapi;
