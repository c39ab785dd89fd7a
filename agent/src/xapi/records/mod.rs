//! References and records of XAPI's classes, with just the fields that are used (xen-api ocaml/idl/). Must not know
//! what they are used for.

mod device;
mod fields;
mod names;
mod network;
mod pool;
mod storage;
#[cfg(test)]
mod tests;
mod update;
mod vm;

use std::collections::BTreeMap;
use std::marker::PhantomData;

use tokio::io::AsyncBufRead;

use super::client::Client;
use super::decode::{DecodeError, Decoder, Keep};
use super::envelope::Reply;
use super::error::Error;
use super::value::Value;

pub use device::{Device, Media};
pub(crate) use names::is_uuid;
pub use names::{
    HostRef, HostUuid, NetworkRef, PbdRef, PoolRef, SrRef, SrUuid, TaskRef, VbdRef, VdiRef, VdiUuid, VifRef,
    VmGuestMetricsRef, VmRef, VmUuid,
};
pub use network::{NO_GATEWAY, Network, Vif};
pub use pool::Pool;
pub use storage::{CONFIG_DRIVE, DISC_BEFORE, MADE_FOR, Pbd, TLS_DISC, Vbd, Vdi};
pub use update::PoolUpdate;
pub use vm::{PowerState, Views, Vm, VmGuestMetrics};

/// The keys of `other_config` whose values are kept begin so; the rest of the map may be hundreds of KiB.
pub const OTHER_CONFIG_PREFIX: &str = "xscontainer-";

/// A class whose records can be read.
pub trait Record: Sized {
    /// The fields used.
    const FIELDS: Keep;
    /// `X.get_record`.
    const GET_RECORD: &'static str;

    /// The record in `value`, which holds at least those of [`Record::FIELDS`] that the sender had.
    ///
    /// # Errors
    /// [`DecodeError::Record`]
    fn from_value(value: Value) -> Result<Self, DecodeError>;
}

/// A record as it was read, not looked at yet: a reply with an unusable record is still a reply.
pub struct Raw<T>(Value, PhantomData<T>);

impl<T: Record> Raw<T> {
    /// The record.
    ///
    /// # Errors
    /// [`DecodeError::Record`]
    pub fn parse(self) -> Result<T, DecodeError> {
        T::from_value(self.0)
    }
}

impl<T: Record + Send> Reply for Raw<T> {
    async fn read<R: AsyncBufRead + Unpin + Send>(decoder: &mut Decoder<R>) -> Result<Self, DecodeError> {
        Ok(Self(decoder.value(&T::FIELDS).await?, PhantomData))
    }
}

/// All records of a class by their references, those that are unusable left out.
pub struct All<T>(pub BTreeMap<String, T>);

impl<T: Record + Send> Reply for All<T> {
    async fn read<R: AsyncBufRead + Unpin + Send>(decoder: &mut Decoder<R>) -> Result<Self, DecodeError> {
        let mut all = BTreeMap::new();
        let cursor = decoder.enter_struct().await?;
        while let Some(reference) = decoder.member(cursor).await? {
            if let Ok(record) = T::from_value(decoder.value(&T::FIELDS).await?) {
                all.insert(reference, record);
            }
        }
        Ok(Self(all))
    }
}

/// All records of a class by their references, each of which must be usable: for who concludes from what is not there.
pub struct Every<T>(pub BTreeMap<String, T>);

impl<T: Record + Send> Reply for Every<T> {
    async fn read<R: AsyncBufRead + Unpin + Send>(decoder: &mut Decoder<R>) -> Result<Self, DecodeError> {
        let mut every = BTreeMap::new();
        let cursor = decoder.enter_struct().await?;
        while let Some(reference) = decoder.member(cursor).await? {
            every.insert(reference, T::from_value(decoder.value(&T::FIELDS).await?)?);
        }
        Ok(Self(every))
    }
}

/// Asks for the record of an object.
///
/// # Errors
/// [`Error`]; [`Error::is_handle_invalid`] if the object does not exist any more.
pub async fn read<T: Record + Send>(client: &Client, reference: impl Into<Value>) -> Result<T, Error> {
    let raw: Raw<T> = client.call(T::GET_RECORD, &[reference.into()]).await?;
    raw.parse().map_err(|cause| Error::Reply { method: T::GET_RECORD, cause })
}

/// Asks for the record of an object; none if the object does not exist any more.
///
/// # Errors
/// [`Error`]
pub async fn read_if_there<T: Record + Send>(client: &Client, reference: impl Into<Value>) -> Result<Option<T>, Error> {
    match read(client, reference).await {
        Ok(record) => Ok(Some(record)),
        Err(error) if error.is_handle_invalid() => Ok(None),
        Err(error) => Err(error),
    }
}
