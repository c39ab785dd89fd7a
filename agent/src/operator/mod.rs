//! What the operator's commands do, in dom0, with containers in VMs.
//!
//! | module | knows |
//! |---|---|
//! | [`stream`] | logs, commands, attaching, events: what flows until somebody ends it |

pub mod stream;
