//! The keys of a VM's `other_config` that say how to reach it, as the original agent left them
//! (xenserver/xscontainer src/xscontainer). A pure function; asks nobody.

use std::collections::{BTreeMap, BTreeSet};

use super::HOST_KEY;
use crate::guest::ssh::{HostKey, UserName};
use crate::guest::tls::Verify;
use crate::quote::quoted;
use crate::xapi::secrets::SecretUuid;

/// `ssh` or `tls`.
pub const MODE: &str = "xscontainer-mode";
/// The account in the guest.
pub const USER: &str = "xscontainer-username";
/// With which key the VM was prepared, as `ssh-keygen -l` prints it. The original left none.
pub const PREPARED_KEY: &str = "xscontainer-key-fingerprint";
/// What was missing in the account before the key came there: words of [`prepare`](crate::prepare).
pub const GUEST_BEFORE: &str = "xscontainer-guest-before";
/// `chain` or `name`.
pub const TLS_VERIFY: &str = "xscontainer-tls-verify";
/// The uuid of the secret with our certificate.
pub const TLS_CERTIFICATE: &str = "xscontainer-tls-client-cert";
/// The uuid of the secret with its key.
pub const TLS_KEY: &str = "xscontainer-tls-client-key";
/// The uuid of the secret with the authority's certificate.
pub const TLS_AUTHORITY: &str = "xscontainer-tls-ca-cert";

/// The account of VMs that name none: CoreOS's.
const DEFAULT_USER: &str = "core";

/// How a VM is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Over SSH, with the pool's key.
    Ssh,
    /// Over TLS, with certificates of its own.
    Tls,
}

/// The secrets with a VM's certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSecrets {
    /// Our certificate.
    pub certificate: Option<SecretUuid>,
    /// Its key.
    pub key: Option<SecretUuid>,
    /// The certificate of the authority that the engine's is from.
    pub authority: Option<SecretUuid>,
}

/// What a VM's keys say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The way in.
    pub mode: Mode,
    /// For SSH: the account.
    pub user: UserName,
    /// For SSH: the server's key, once it was seen.
    pub host_key: Option<HostKey>,
    /// For SSH: the fingerprint of the key that it was prepared with, if that was noted.
    pub prepared_key: Option<String>,
    /// For TLS.
    pub tls: TlsSecrets,
    /// For TLS: how strictly the engine's certificate is checked; none if the VM was prepared by the original agent.
    pub verify: Option<Verify>,
}

/// A key that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the VM's other-config key {key} holds {}, which is not {wanted}", quoted(found))]
pub struct BadSetting {
    key: &'static str,
    found: String,
    wanted: &'static str,
}

impl BadSetting {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        let key = self.key;
        format!("Remove it (xe vm-param-remove uuid=VM param-name=other-config param-key={key}) or set it right.")
    }
}

impl Settings {
    /// For SSH with the usual account, nothing else being known.
    #[must_use]
    pub fn ssh() -> Self {
        Self::read(&BTreeMap::new()).expect("no entries make sense")
    }

    /// From the entries of `other_config` that begin with `xscontainer-`.
    ///
    /// # Errors
    /// [`BadSetting`] for the first that makes no sense. A host key that cannot be read is one: to take it for none
    /// would trust whatever server answers.
    pub fn read(other_config: &BTreeMap<String, String>) -> Result<Self, BadSetting> {
        let text = |key: &str| other_config.get(key).map(|text| text.trim()).filter(|text| !text.is_empty());
        let bad = |key, found: &str, wanted| BadSetting { key, found: found.to_owned(), wanted };
        let mode = match text(MODE) {
            None | Some("ssh") => Mode::Ssh,
            Some("tls") => Mode::Tls,
            Some(other) => return Err(bad(MODE, other, "ssh or tls")),
        };
        let user = text(USER).unwrap_or(DEFAULT_USER);
        let user = UserName::parse(user).ok_or_else(|| bad(USER, user, "the name of an account"))?;
        let host_key = text(HOST_KEY)
            .map(|key| HostKey::parse(key).ok_or_else(|| bad(HOST_KEY, key, "a public key in base64")))
            .transpose()?;
        let secret = |key: &'static str| {
            text(key).map(|uuid| SecretUuid::parse(uuid).ok_or_else(|| bad(key, uuid, "a uuid"))).transpose()
        };
        let tls = TlsSecrets {
            certificate: secret(TLS_CERTIFICATE)?,
            key: secret(TLS_KEY)?,
            authority: secret(TLS_AUTHORITY)?,
        };
        let verify = match text(TLS_VERIFY) {
            None => None,
            Some("chain") => Some(Verify::Chain),
            Some("name") => Some(Verify::Name),
            Some(other) => return Err(bad(TLS_VERIFY, other, "chain or name")),
        };
        let prepared_key = text(PREPARED_KEY).map(str::to_owned);
        Ok(Self { mode, user, host_key, prepared_key, tls, verify })
    }
}

/// The secrets that a VM refers to, whatever its other keys say.
#[must_use]
pub fn tls_secrets(other_config: &BTreeMap<String, String>) -> BTreeSet<SecretUuid> {
    let named = [TLS_CERTIFICATE, TLS_KEY, TLS_AUTHORITY].into_iter().filter_map(|key| other_config.get(key));
    named.filter_map(|uuid| SecretUuid::parse(uuid.trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(entries: &[(&str, &str)]) -> Result<Settings, String> {
        let entries = entries.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect();
        Settings::read(&entries).map_err(|bad| bad.to_string())
    }

    #[test]
    fn a_vm_that_says_nothing_is_reached_by_ssh_as_core() {
        let settings = read(&[("xscontainer-monitor", "True")]).unwrap();
        assert_eq!((settings.mode, settings.user.as_str(), settings.host_key), (Mode::Ssh, "core", None));
    }

    #[test]
    fn what_the_original_stored_is_understood() {
        let uuid = |n: u8| format!("00000000-0000-0000-0000-00000000000{n}");
        let (one, two, three) = (uuid(1), uuid(2), uuid(3));
        let settings = read(&[
            (MODE, "tls"),
            (USER, "ubuntu"),
            (HOST_KEY, "AAAAC3NzaC1lZDI1NTE5AAAAIA=="),
            (TLS_CERTIFICATE, &one),
            (TLS_KEY, &two),
            (TLS_AUTHORITY, &three),
        ])
        .unwrap();
        assert_eq!((settings.mode, settings.user.as_str(), settings.verify), (Mode::Tls, "ubuntu", None));
        assert_eq!(settings.host_key.unwrap().as_str(), "AAAAC3NzaC1lZDI1NTE5AAAAIA==");
        assert_eq!(settings.tls.authority, SecretUuid::parse(&three));
    }

    #[test]
    fn what_makes_no_sense_is_told_with_its_key() {
        for (key, text) in [
            (MODE, "telnet"),
            (USER, "root; reboot"),
            (USER, "-oProxyCommand"),
            (HOST_KEY, "ssh-ed25519 AAAA"),
            (TLS_KEY, "../../etc/shadow"),
            (TLS_VERIFY, "none"),
        ] {
            let error = read(&[(key, text)]).unwrap_err();
            assert!(error.contains(key) && error.contains(text), "{error}");
        }
    }
}
