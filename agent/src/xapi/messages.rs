//! XAPI's messages, which clients show as notifications (xen-api ocaml/xapi/xapi_message.ml).
//!
//! Must not know what is told.

use std::collections::BTreeMap;

use tokio::io::AsyncBufRead;

use super::client::Client;
use super::decode::{DecodeError, Decoder, Keep};
use super::envelope::Reply;
use super::error::Error;
use super::records::VmUuid;
use super::value::Value;

/// Refers to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRef(String);

/// A message about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its reference.
    pub reference: MessageRef,
    /// What it is about.
    pub name: String,
    /// What it says.
    pub body: String,
}

/// Tells people something about a VM; `priority` is from 1, critical, to 5, informational. None if XAPI could not keep it.
///
/// # Errors
/// [`Error`]; the message may have been created then.
pub async fn create(
    client: &Client,
    name: &str,
    priority: u8,
    vm: &VmUuid,
    body: &str,
) -> Result<Option<MessageRef>, Error> {
    let params = [name.into(), Value::Int(priority.into()), "VM".into(), vm.as_str().into(), body.into()];
    let reference: String = client.call_once("message.create", &params).await?;
    Ok((reference != "OpaqueRef:NULL").then_some(MessageRef(reference)))
}

/// All messages about a VM.
///
/// # Errors
/// [`Error`]
pub async fn of_vm(client: &Client, vm: &VmUuid) -> Result<Vec<Message>, Error> {
    let since = Value::Date("19700101T00:00:00Z".to_owned());
    let found: Found = client.call("message.get", &["VM".into(), vm.as_str().into(), since]).await?;
    Ok(found.0)
}

/// Takes a message away, if it is still there.
///
/// # Errors
/// [`Error`]
pub async fn destroy(client: &Client, message: &MessageRef) -> Result<(), Error> {
    match client.call("message.destroy", &[Value::from(message.0.as_str())]).await {
        Err(error) if error.is_handle_invalid() => Ok(()),
        result => result,
    }
}

struct Found(Vec<Message>);

impl Reply for Found {
    async fn read<R: AsyncBufRead + Unpin + Send>(decoder: &mut Decoder<R>) -> Result<Self, DecodeError> {
        const TEXTS: Keep = Keep::Members(&[("name", Keep::All), ("body", Keep::All)]);
        let mut found = Vec::new();
        let cursor = decoder.enter_struct().await?;
        while let Some(reference) = decoder.member(cursor).await? {
            if let Value::Struct(record) = decoder.value(&TEXTS).await? {
                let record: BTreeMap<String, Value> = record;
                let text = |member| record.get(member).and_then(Value::as_text).unwrap_or_default().to_owned();
                let (name, body) = (text("name"), text("body"));
                found.push(Message { reference: MessageRef(reference), name, body });
            }
        }
        Ok(Self(found))
    }
}
