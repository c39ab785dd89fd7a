//! Functions about config drives, on a host that has their storage.

use super::place::Forwarded;
use super::{Here, failure, success};
use crate::config_drive::{self, Error};
use crate::xapi::{Failure, HostRef, SrUuid, VdiUuid, VmUuid, storage};

impl Here<'_> {
    /// The text that a new VM of a template begins with.
    pub(super) async fn default_configuration(&self, template: Option<&VmUuid>) -> Result<String, Failure> {
        let text = config_drive::default_text(&self.client, &self.dom0.drives, template).await;
        text.map(|text| success(&text)).map_err(|error| failure::of_drive(&self.call.function, error))
    }

    /// Gives the VM a drive; the uuid of its disk. Best on the host that the VM runs on, which attaches it.
    pub(super) async fn create_config_drive(
        &self,
        vm: &VmUuid,
        sr: &SrUuid,
        configuration: &str,
    ) -> Result<String, Failure> {
        let (_, record) = self.vm(vm).await?;
        let seeing = self.of_xapi(storage::hosts_of_sr(&self.client, sr).await)?;
        let hosts = self.that_see(seeing, record.resident_on.as_ref());
        let (client, places) = (&self.client, &self.dom0.drives);
        self.on_first(hosts, async || {
            config_drive::create(client, &self.pool_key, places, vm, sr, configuration).await.map(|vdi| vdi.to_string())
        })
        .await
    }

    /// The text that a drive was made from.
    pub(super) async fn configuration(&self, vdi: &VdiUuid) -> Result<String, Failure> {
        let seeing = self.of_xapi(storage::hosts_of_vdi(&self.client, vdi).await)?;
        let hosts = self.that_see(seeing, None);
        self.on_first(hosts, async || config_drive::configuration(&self.client, vdi).await).await
    }

    /// The result from the first of these hosts that can be asked, and has the storage when it is.
    async fn on_first(
        &self,
        hosts: Vec<HostRef>,
        here: impl AsyncFn() -> Result<String, Error>,
    ) -> Result<String, Failure> {
        let function = &self.call.function;
        let mut last = failure::containers(function, "no host sees the storage", "Attach it to a host of the pool.");
        for host in hosts {
            if host == self.host {
                match here().await {
                    Ok(text) => return Ok(success(&text)),
                    Err(error @ Error::Redirected { .. }) => last = failure::of_drive(function, error),
                    Err(error) => return Err(failure::of_drive(function, error)),
                }
                continue;
            }
            match self.forward(&host).await {
                Forwarded::Answered(result) => return result,
                Forwarded::NotThere(failure) => last = failure,
                // Another host would do it a second time.
                Forwarded::Lost(failure) => return Err(failure),
            }
        }
        Err(last)
    }
}
