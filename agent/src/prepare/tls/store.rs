//! Our certificates kept in XAPI, and the VM's keys that say so: changed together, and taken back together.
//!
//! New secrets are marked with the VM's uuid: those that a killed program left are found by it. Must not know what is in
//! the texts.

use std::collections::BTreeSet;

use super::error::{Doing, Error, after};
use crate::access::{self, MODE_KEY, TLS_AUTHORITY, TLS_CERTIFICATE, TLS_KEY, TLS_VERIFY};
use crate::certificates::Set;
use crate::guest::tls::Verify;
use crate::xapi::records::{self, Every};
use crate::xapi::secrets::{self, SecretUuid};
use crate::xapi::{Client, Vm, VmRef, VmUuid, other_config};

/// What a VM's keys held, and what was made since.
#[derive(Debug)]
pub struct Store {
    client: Client,
    vm: VmRef,
    uuid: VmUuid,
    /// The entries in the order in which they are changed, with what they held.
    before: [(&'static str, Option<String>); 5],
    /// How many of them may have been changed.
    changed: usize,
    /// The secrets that the VM named before.
    replaced: BTreeSet<SecretUuid>,
}

/// The mode comes last: with it the VM is reached otherwise.
const KEYS: [&str; 5] = [TLS_AUTHORITY, TLS_CERTIFICATE, TLS_KEY, TLS_VERIFY, MODE_KEY];

impl Store {
    /// Notes what there is, and changes nothing but that it destroys what earlier calls left.
    ///
    /// # Errors
    /// [`Error::Xapi`]
    pub async fn begin(client: &Client, vm: &VmRef, uuid: &VmUuid) -> Result<Self, Error> {
        sweep(client, uuid).await?;
        let record: Vm = records::read(client, vm).await.doing("see how the VM is reached")?;
        Ok(Self {
            client: client.clone(),
            vm: vm.clone(),
            uuid: uuid.clone(),
            before: KEYS.map(|key| (key, record.other_config.get(key).cloned())),
            changed: 0,
            replaced: access::tls_secrets(&record.other_config),
        })
    }

    /// Keeps the client's set, and lets the VM be reached with it. If this future is dropped, call [`Store::undo`].
    ///
    /// # Errors
    /// [`Error`]; everything is as it was then, unless the error says otherwise.
    pub async fn put(&mut self, client: &Set, verify: Verify) -> Result<(), Error> {
        match self.put_all(client, verify).await {
            Ok(()) => Ok(()),
            Err(error) => Err(after(error, self.undo().await)),
        }
    }

    async fn put_all(&mut self, set: &Set, verify: Verify) -> Result<(), Error> {
        let keep = async |text: &str| {
            let secret = secrets::create_for(&self.client, text, &self.uuid).await;
            secret.doing("keep the certificates as secrets")
        };
        let secrets = [keep(&set.authority).await?, keep(&set.certificate).await?, keep(&set.key).await?];
        let [authority, certificate, key] = &secrets;
        let verify = match verify {
            Verify::Chain => "chain",
            Verify::Name => "name",
        };
        let texts = [authority.as_str(), certificate.as_str(), key.as_str(), verify, "tls"];
        for (at, (key, text)) in KEYS.into_iter().zip(texts).enumerate() {
            self.changed = at + 1;
            let set = other_config::replace(&self.client, &self.vm, key, Some(text)).await;
            set.doing("note how the VM is reached")?;
        }
        Ok(())
    }

    /// Makes the VM's keys hold what they held, and destroys the new secrets.
    ///
    /// # Errors
    /// [`Error`], the first; the rest is done all the same.
    pub async fn undo(&mut self) -> Result<(), Error> {
        let mut result = Ok(());
        for (key, before) in self.before[..self.changed].iter().rev() {
            let undone = other_config::replace(&self.client, &self.vm, key, before.as_deref()).await;
            result = result.and(undone.doing("note again how the VM was reached before"));
        }
        if result.is_ok() {
            self.changed = 0;
        }
        result.and(sweep(&self.client, &self.uuid).await)
    }

    /// Lets it be so: destroys the secrets that were replaced, unless another VM, template or snapshot names them.
    ///
    /// # Errors
    /// [`Error::Xapi`]; the VM is prepared all the same, and secrets that nobody uses may be left.
    pub async fn settle(self) -> Result<(), Error> {
        destroy_unused(&self.client, self.replaced).await
    }
}

/// Destroys secrets that were made for the VM and that nobody names: calls that came to no end left them.
///
/// # Errors
/// [`Error::Xapi`]
pub async fn sweep(client: &Client, vm: &VmUuid) -> Result<(), Error> {
    let made = secrets::made_for(client, vm).await.doing("look for secrets that were left")?;
    destroy_unused(client, made.into_iter().collect()).await
}

async fn destroy_unused(client: &Client, mut secrets: BTreeSet<SecretUuid>) -> Result<(), Error> {
    if secrets.is_empty() {
        return Ok(());
    }
    let vms = client.call::<Every<Vm>>("VM.get_all_records", &[]).await.doing("see which secrets are used")?;
    for vm in vms.0.values() {
        for used in access::tls_secrets(&vm.other_config) {
            secrets.remove(&used);
        }
    }
    for secret in &secrets {
        secrets::destroy(client, secret).await.doing("destroy a secret that is not used")?;
        tracing::info!("a TLS secret that nobody uses was destroyed");
    }
    Ok(())
}
