//! XAPI's secrets: texts that only local root and the pool's administrators can read (xen-api ocaml/xapi/xapi_secret.ml).
//!
//! The text is wiped from memory where we hold it. It passes through buffers of HTTP and XML unwiped.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

use super::client::Client;
use super::error::Error;
use super::records::{MADE_FOR, VmUuid, is_uuid};
use super::value::Value;

/// Names a secret. Not secret itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretUuid(String);

impl SecretUuid {
    /// `None` unless it is 8-4-4-4-12 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        is_uuid(text).then(|| Self(text.to_owned()))
    }

    /// As it stands on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SecretUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Keeps `text` as a new secret.
///
/// # Errors
/// [`Error`]; the secret may have been created then.
pub async fn create(client: &Client, text: &str) -> Result<SecretUuid, Error> {
    create_with(client, text, BTreeMap::new()).await
}

/// Keeps `text` as a new secret, with a mark by which [`made_for`] finds it.
///
/// # Errors
/// [`Error`]; the secret may have been created then.
pub async fn create_for(client: &Client, text: &str, vm: &VmUuid) -> Result<SecretUuid, Error> {
    create_with(client, text, BTreeMap::from([(MADE_FOR.to_owned(), vm.as_str().into())])).await
}

/// The secrets that were made for a VM, whether it uses them or not. Reads no secret's text.
///
/// # Errors
/// [`Error`]
pub async fn made_for(client: &Client, vm: &VmUuid) -> Result<Vec<SecretUuid>, Error> {
    let mut line = client.line().await;
    let mut found = Vec::new();
    for reference in line.call::<Vec<String>>("secret.get_all", &[]).await? {
        let marks = match line.call::<Value>("secret.get_other_config", &[Value::from(reference.as_str())]).await {
            Err(error) if error.is_handle_invalid() => continue,
            marks => marks?,
        };
        let Value::Struct(marks) = marks else { continue };
        if marks.get(MADE_FOR).and_then(Value::as_text) != Some(vm.as_str()) {
            continue;
        }
        match line.call::<String>("secret.get_uuid", &[Value::from(reference)]).await {
            Err(error) if error.is_handle_invalid() => {}
            uuid => found.extend(SecretUuid::parse(&uuid?)),
        }
    }
    Ok(found)
}

async fn create_with(client: &Client, text: &str, marks: BTreeMap<String, Value>) -> Result<SecretUuid, Error> {
    let record =
        BTreeMap::from([("value".to_owned(), Value::from(text)), ("other_config".to_owned(), Value::Struct(marks))]);
    let mut line = client.line().await;
    let reference: String = line.call_once("secret.create", &[Value::Struct(record)]).await?;
    let uuid: String = line.call("secret.get_uuid", &[Value::from(reference)]).await?;
    SecretUuid::parse(&uuid).ok_or(Error::Odd { method: "secret.get_uuid", wanted: "a uuid" })
}

/// The text of a secret.
///
/// # Errors
/// [`Error`]; [`Error::is_uuid_invalid`] if there is no such secret.
pub async fn read(client: &Client, secret: &SecretUuid) -> Result<Zeroizing<String>, Error> {
    let mut line = client.line().await;
    let reference: String = line.call("secret.get_by_uuid", &[Value::from(secret.as_str())]).await?;
    line.call::<String>("secret.get_value", &[Value::from(reference)]).await.map(Zeroizing::new)
}

/// Makes a secret hold another text, in one step (xenadmin uses this call as well).
///
/// # Errors
/// [`Error`]; [`Error::is_uuid_invalid`] if there is no such secret.
pub async fn replace(client: &Client, secret: &SecretUuid, text: &str) -> Result<(), Error> {
    let mut line = client.line().await;
    let reference: String = line.call("secret.get_by_uuid", &[Value::from(secret.as_str())]).await?;
    line.call("secret.set_value", &[Value::from(reference), Value::from(text)]).await
}

/// Destroys a secret, if it is still there.
///
/// # Errors
/// [`Error`]
pub async fn destroy(client: &Client, secret: &SecretUuid) -> Result<(), Error> {
    let mut line = client.line().await;
    let found = line.call::<String>("secret.get_by_uuid", &[Value::from(secret.as_str())]).await;
    let destroyed = match found {
        Ok(reference) => line.call::<()>("secret.destroy", &[Value::from(reference)]).await,
        Err(error) => Err(error),
    };
    match destroyed {
        Err(error) if error.is_uuid_invalid() || error.is_handle_invalid() => Ok(()),
        result => result,
    }
}
