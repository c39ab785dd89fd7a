//! The commands of `xscontainer`: their options, exit codes and signals. Must not know how anything is done.

pub(crate) mod key;
pub(crate) mod monitor;
mod place;
pub(crate) mod plugin;
pub(crate) mod prepare_vm;
mod signals;
