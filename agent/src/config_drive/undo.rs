//! What was made on the way to a drive, and taking it back. Knows no order but the reverse.

use crate::xapi::records::{VbdRef, VdiRef, VifRef};
use crate::xapi::{self, Client, storage, vifs};

/// What was made so far.
#[derive(Debug)]
pub(super) struct Undo {
    client: Client,
    made: Vec<Made>,
}

#[derive(Debug)]
enum Made {
    Vif(VifRef),
    Vdi(VdiRef),
    Vbd(VbdRef),
}

impl Undo {
    pub(super) fn new(client: &Client) -> Self {
        Self { client: client.clone(), made: Vec::new() }
    }

    pub(super) fn vif(&mut self, vif: VifRef) {
        self.made.push(Made::Vif(vif));
    }

    pub(super) fn vdi(&mut self, vdi: VdiRef) {
        self.made.push(Made::Vdi(vdi));
    }

    pub(super) fn vbd(&mut self, vbd: VbdRef) {
        self.made.push(Made::Vbd(vbd));
    }

    /// Takes everything back, the last first; what cannot be is told in the log and does not keep from the rest.
    pub(super) async fn all(self) {
        for made in self.made.into_iter().rev() {
            let (what, reference, undone) = match &made {
                Made::Vif(vif) => ("VIF", vif.as_str(), vifs::destroy(&self.client, vif).await),
                Made::Vdi(vdi) => ("VDI", vdi.as_str(), storage::destroy_vdi(&self.client, vdi).await),
                Made::Vbd(vbd) => ("VBD", vbd.as_str(), storage::remove_vbd(&self.client, vbd, true).await),
            };
            if let Err(error) = undone {
                told(what, reference, &error);
            }
        }
    }
}

fn told(what: &str, reference: &str, error: &xapi::Error) {
    tracing::warn!(%error, what, reference, "what a failed call has made could not be taken back");
}
