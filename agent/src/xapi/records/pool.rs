//! The pool (xen-api ocaml/idl/datamodel_pool.ml).

use std::collections::BTreeMap;

use super::super::decode::{DecodeError, Keep};
use super::super::value::Value;
use super::fields::Fields;
use super::{HostRef, OTHER_CONFIG_PREFIX, Record};

/// The pool that the host belongs to; a host alone is one too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Its coordinator.
    pub master: Option<HostRef>,
    /// Of `other_config`, the keys that begin with [`OTHER_CONFIG_PREFIX`].
    pub other_config: BTreeMap<String, String>,
}

impl Record for Pool {
    const FIELDS: Keep = Keep::Members(&[("master", Keep::All), ("other_config", Keep::Prefixed(OTHER_CONFIG_PREFIX))]);
    const GET_RECORD: &'static str = "pool.get_record";

    fn from_value(value: Value) -> Result<Self, DecodeError> {
        let mut fields = Fields::new("pool", value)?;
        let master = HostRef::new(&fields.text("master")?);
        Ok(Self { master, other_config: fields.other_config()?.other_config })
    }
}
