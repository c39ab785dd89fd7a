//! What can be set about the monitor. Must not know where it is set.

use tokio::sync::watch;

use super::{agenda, endings, vm};
use crate::reach::Rules;
use crate::view;

/// Everything that can be changed while the monitor runs. VMs' tasks go by it from their next step on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Of a VM's task.
    pub vm: vm::Times,
    /// On a live connection.
    pub agenda: agenda::Times,
    /// Before certificates end.
    pub endings: endings::Times,
    /// Whether people are told of troubles by messages on VMs.
    pub messages: bool,
    /// For the ways in.
    pub reach: Rules,
    /// Of what is written for clients.
    pub view: view::Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            vm: vm::Times::default(),
            agenda: agenda::Times::default(),
            endings: endings::Times::default(),
            messages: true,
            reach: Rules::default(),
            view: view::Limits::default(),
        }
    }
}

/// Waits until they are changed: for ever if nobody is left who could.
pub(super) async fn changed(settings: &mut watch::Receiver<Settings>) {
    if settings.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
