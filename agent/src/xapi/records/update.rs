//! Packs that were introduced to the pool (xen-api ocaml/idl/datamodel_pool.ml, class pool_update).

use super::super::decode::{DecodeError, Keep};
use super::super::value::Value;
use super::fields::Fields;
use super::{HostRef, Record};

/// A pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolUpdate {
    /// Its uuid.
    pub uuid: String,
    /// Its label. Foreign.
    pub name_label: String,
    /// Its version. Foreign.
    pub version: String,
    /// The hosts that it is applied to.
    pub hosts: Vec<HostRef>,
}

impl Record for PoolUpdate {
    const FIELDS: Keep =
        Keep::Members(&[("uuid", Keep::All), ("name_label", Keep::All), ("version", Keep::All), ("hosts", Keep::All)]);
    const GET_RECORD: &'static str = "pool_update.get_record";

    fn from_value(value: Value) -> Result<Self, DecodeError> {
        let mut fields = Fields::new("pool_update", value)?;
        let (uuid, name_label, version) = (fields.text("uuid")?, fields.text("name_label")?, fields.text("version")?);
        Ok(Self { uuid, name_label, version, hosts: fields.references("hosts", HostRef::new)? })
    }
}
