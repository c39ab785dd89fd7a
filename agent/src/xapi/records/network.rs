//! Networks and the connections of VMs to them (xen-api ocaml/idl/datamodel.ml).

use std::collections::BTreeMap;

use super::super::decode::{DecodeError, Keep};
use super::super::value::Value;
use super::fields::Fields;
use super::{NetworkRef, Record};

/// The key of a network's `other_config` by which XAPI's DHCP server offers no gateway
/// (xen-api ocaml/xapi/xapi_udhcpd.ml).
pub const NO_GATEWAY: &str = "ip_disable_gw";

/// A network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// The bridge in dom0 that it is.
    pub bridge: String,
    /// Of `other_config`, the key [`NO_GATEWAY`].
    pub other_config: BTreeMap<String, String>,
}

impl Record for Network {
    const FIELDS: Keep =
        Keep::Members(&[("bridge", Keep::All), ("other_config", Keep::Members(&[(NO_GATEWAY, Keep::All)]))]);
    const GET_RECORD: &'static str = "network.get_record";

    fn from_value(value: Value) -> Result<Self, DecodeError> {
        let mut fields = Fields::new("network", value)?;
        Ok(Self { bridge: fields.text("bridge")?, other_config: fields.text_map("other_config")? })
    }
}

/// The connection of a VM to a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vif {
    /// Its number among the VM's, in decimal digits.
    pub device: String,
    /// The network.
    pub network: Option<NetworkRef>,
}

impl Record for Vif {
    const FIELDS: Keep = Keep::Members(&[("device", Keep::All), ("network", Keep::All)]);
    const GET_RECORD: &'static str = "VIF.get_record";

    fn from_value(value: Value) -> Result<Self, DecodeError> {
        let mut fields = Fields::new("VIF", value)?;
        Ok(Self { device: fields.text("device")?, network: NetworkRef::new(&fields.text("network")?) })
    }
}
