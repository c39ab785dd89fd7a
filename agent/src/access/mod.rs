//! What XAPI stores about the way into a VM, made into credentials for [`guest`](crate::guest).
//!
//! Knows the names of keys and secrets; must not know SSH or TLS on the wire, nor what is done with the credentials.

mod pool_key;
mod settings;

use crate::guest::{Credentials, ssh, tls};
use crate::xapi::secrets::SecretUuid;
use crate::xapi::{self, Client, Vm, VmRef, other_config, records, secrets};

pub use pool_key::{COMMENT as KEY_COMMENT, POOL_SECRETS, PoolKey, PoolSecrets, pool_secrets};
pub use settings::{
    BadSetting, GUEST_BEFORE, MODE as MODE_KEY, Mode, PREPARED_KEY, Settings, TLS_AUTHORITY, TLS_CERTIFICATE, TLS_KEY,
    TLS_VERIFY, TlsSecrets, USER as USER_KEY, tls_secrets,
};

/// The key of a VM's `other_config` by which it is registered (xenserver/xscontainer docker_monitor; xenadmin
/// XenModel/XenAPI-Extensions/VM.cs). XenCenter offers to register a VM that has it, whatever it holds.
pub const MONITOR_KEY: &str = "xscontainer-monitor";

/// What it holds if the VM's containers are to be shown. Clients compare with these very words
/// (xen-orchestra packages/xo-server/src/xapi-object-to-xo.mjs).
pub const REGISTERED: &str = "True";

/// What it holds if they can be, and are not to be.
pub const NOT_REGISTERED: &str = "False";

/// The key of a VM's `other_config` that remembers its SSH server's key.
pub const HOST_KEY: &str = "xscontainer-sshhostkey";

/// Why there are no credentials for a VM.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// XAPI does not give them.
    #[error("XAPI does not give the keys for the VM: {0}")]
    Xapi(#[from] xapi::Error),
    /// The pool has no key yet.
    #[error("the pool has no key yet")]
    NoPoolKey,
    /// The pool's key is named in the pool's `other_config`, and there is no such secret.
    #[error("the pool's key is lost: the pool's other-config names the secret {0}, which does not exist")]
    PoolKeyLost(SecretUuid),
    /// The pool's `other_config` names something that is no secret.
    #[error("the pool's other-config key {0} does not hold the uuid of a secret")]
    PoolKeyUnnamed(&'static str),
    /// The pool's key is not one.
    #[error("the secret {0} does not hold the pool's key: {1}")]
    PoolKeyUnusable(SecretUuid, ssh::keys::KeyError),
    /// The VM is to be reached over TLS, and not all of its certificates are there.
    #[error("the VM is to be reached over TLS, and its other-config key {0} is missing")]
    NoCertificate(&'static str),
    /// A certificate is named, and there is no such secret.
    #[error("the VM's other-config key {0} names a secret that does not exist")]
    CertificateLost(&'static str),
    /// The certificates are not what they should be.
    #[error("the VM's certificates cannot be used: {0}")]
    CertificatesUnusable(#[from] tls::IdentityError),
}

impl AccessError {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Xapi(_) => "See /var/log/xensource.log on this host.".to_owned(),
            Self::NoPoolKey => "Prepare a VM, or register one: then it is made.".to_owned(),
            Self::PoolKeyLost(_) | Self::PoolKeyUnnamed(_) | Self::PoolKeyUnusable(..) => {
                "If the secret cannot be brought back, remove the keys xscontainer-private-secret-uuid and \
                 xscontainer-public-secret-uuid from the pool's other-config; a new key is made then, which every VM must be \
                 given."
                    .to_owned()
            }
            Self::NoCertificate(_) | Self::CertificateLost(_) | Self::CertificatesUnusable(_) => {
                "Prepare the VM for TLS again, also if it came from another pool.".to_owned()
            }
        }
    }
}

/// What to convince the VM with.
///
/// # Errors
/// [`AccessError`]
pub async fn credentials(client: &Client, pool_key: &PoolKey, settings: &Settings) -> Result<Credentials, AccessError> {
    match settings.mode {
        Mode::Ssh => Ok(Credentials::Ssh(ssh::Login {
            user: settings.user.clone(),
            key: pool_key.get().await?,
            known: settings.host_key.clone(),
        })),
        Mode::Tls => {
            let read = async |key: &'static str, uuid: &Option<SecretUuid>| {
                let uuid = uuid.as_ref().ok_or(AccessError::NoCertificate(key))?;
                secrets::read(client, uuid).await.map_err(|error| match error.is_uuid_invalid() {
                    true => AccessError::CertificateLost(key),
                    false => AccessError::Xapi(error),
                })
            };
            let authority = read(settings::TLS_AUTHORITY, &settings.tls.authority).await?;
            let certificate = read(settings::TLS_CERTIFICATE, &settings.tls.certificate).await?;
            let key = read(settings::TLS_KEY, &settings.tls.key).await?;
            let verify = settings.verify.unwrap_or(tls::Verify::Chain);
            Ok(Credentials::Tls(tls::Identity::new(&authority, &certificate, &key, verify)?))
        }
    }
}

/// Remembers the key that the VM's SSH server showed at first contact. If somebody else was faster, and remembered another
/// one, gives that one's fingerprint: then nobody knows which is right, and the first counts.
///
/// # Errors
/// [`xapi::Error`]
pub async fn remember_host_key(client: &Client, vm: &VmRef, key: &ssh::HostKey) -> Result<Option<String>, xapi::Error> {
    if other_config::add_to_vm(client, vm, HOST_KEY, key.as_str()).await? {
        return Ok(None);
    }
    let record: Vm = records::read(client, vm).await?;
    match record.other_config.get(HOST_KEY).map(|text| text.trim()).filter(|text| !text.is_empty()) {
        Some(text) if text == key.as_str() => Ok(None),
        Some(text) => {
            let known = ssh::HostKey::parse(text).map(|known| known.fingerprint());
            Ok(Some(known.unwrap_or_else(|| "what is no key".to_owned())))
        }
        // Blank, which counts as none.
        None => other_config::replace(client, vm, HOST_KEY, Some(key.as_str())).await.map(|()| None),
    }
}
