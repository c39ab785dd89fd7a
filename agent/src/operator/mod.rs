//! What an operator does in dom0: look at VMs and their containers, and act on them.
//!
//! ```text
//! names as people type them ─► find ─► a VM and a container ─► ask ─┬═ agent.sock ═► the monitor ─► engine
//!                                ▲                                  ├─► reach ─► engine, where no monitor has a connection
//!            lists of the monitor┘                                  └─► the plugin of the VM's host
//! ```
//!
//! Must not know command lines, exit codes aside ([`Problem::exit_code`]), nor how guests are reached.
//!
//! | module | knows |
//! |---|---|
//! | [`problem`] | why something was not done, in words, with remedy and exit code |
//! | [`find`] | which VM and which container is meant |
//! | [`ask`] | one question to one engine, on whichever way there is |
//! | [`pool`] | how things stand on all hosts |
//! | [`table`], [`screen`] | what fits a terminal |
//! | [`status`], [`ps`] | what is shown of VMs and of containers |
//! | [`stream`] | logs, commands, attaching, events: what flows until somebody ends it |
//! | [`stats`], `size` | what containers use, again and again |

pub mod ask;
pub mod find;
pub mod pool;
pub mod problem;
pub mod ps;
pub mod screen;
mod size;
pub mod stats;
pub mod status;
pub mod stream;
pub mod table;

pub use ask::Dom0;
pub use problem::Problem;
