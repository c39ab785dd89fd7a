//! Disks, their connections to VMs, and those of storage repositories to hosts (xen-api ocaml/idl/datamodel.ml).

use std::collections::BTreeMap;

use super::super::decode::{DecodeError, Keep};
use super::super::value::Value;
use super::fields::Fields;
use super::{HostRef, Record, SrRef, VbdRef, VdiRef, VdiUuid, VmRef};

/// The key of a disk's and of a connection's `other_config` that says: this is a config drive.
pub const CONFIG_DRIVE: &str = "config-drive";

/// The key of a disk's `other_config` that holds the uuid of the VM that the disk was made for.
pub const MADE_FOR: &str = "xscontainer-vm";

/// The key of a disk's `other_config` that says: this is a disc with certificates and keys, which nobody needs for long.
pub const TLS_DISC: &str = "xscontainer-tls-disc";

/// The key of such a disc's `other_config` that holds the uuid of the disc in whose place it is.
pub const DISC_BEFORE: &str = "xscontainer-disc-before";

/// A virtual disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vdi {
    /// Its uuid.
    pub uuid: VdiUuid,
    /// Where it is.
    pub sr: Option<SrRef>,
    /// Its size as VMs see it, bytes.
    pub virtual_size: u64,
    /// Whether it is a snapshot of another, which has that one's `other_config`.
    pub is_a_snapshot: bool,
    /// Its connections to VMs, dom0 among them.
    pub vbds: Vec<VbdRef>,
    /// Of `other_config`, the keys [`CONFIG_DRIVE`], [`MADE_FOR`], [`TLS_DISC`] and [`DISC_BEFORE`].
    pub other_config: BTreeMap<String, String>,
}

impl Record for Vdi {
    const FIELDS: Keep = Keep::Members(&[
        ("uuid", Keep::All),
        ("SR", Keep::All),
        ("virtual_size", Keep::All),
        ("is_a_snapshot", Keep::All),
        ("VBDs", Keep::All),
        (
            "other_config",
            Keep::Members(&[
                (CONFIG_DRIVE, Keep::All),
                (MADE_FOR, Keep::All),
                (TLS_DISC, Keep::All),
                (DISC_BEFORE, Keep::All),
            ]),
        ),
    ]);
    const GET_RECORD: &'static str = "VDI.get_record";

    fn from_value(value: Value) -> Result<Self, DecodeError> {
        let mut fields = Fields::new("VDI", value)?;
        Ok(Self {
            uuid: fields.parsed("uuid", VdiUuid::parse)?,
            sr: SrRef::new(&fields.text("SR")?),
            virtual_size: fields.number("virtual_size")?,
            is_a_snapshot: fields.certain_flag("is_a_snapshot")?,
            vbds: fields.references("VBDs", VbdRef::new)?,
            other_config: fields.text_map("other_config")?,
        })
    }
}

/// The connection of a disk to a VM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vbd {
    /// The VM.
    pub vm: Option<VmRef>,
    /// The disk; none in an empty drive.
    pub vdi: Option<VdiRef>,
    /// Whether the VM has it at the moment.
    pub currently_attached: bool,
    /// Of `other_config`, the key [`CONFIG_DRIVE`].
    pub other_config: BTreeMap<String, String>,
}

impl Record for Vbd {
    const FIELDS: Keep = Keep::Members(&[
        ("VM", Keep::All),
        ("VDI", Keep::All),
        ("currently_attached", Keep::All),
        ("other_config", Keep::Members(&[(CONFIG_DRIVE, Keep::All)])),
    ]);
    const GET_RECORD: &'static str = "VBD.get_record";

    fn from_value(value: Value) -> Result<Self, DecodeError> {
        let mut fields = Fields::new("VBD", value)?;
        Ok(Self {
            vm: VmRef::new(&fields.text("VM")?),
            vdi: VdiRef::new(&fields.text("VDI")?),
            currently_attached: fields.certain_flag("currently_attached")?,
            other_config: fields.text_map("other_config")?,
        })
    }
}

/// The connection of a storage repository to a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pbd {
    /// The host.
    pub host: Option<HostRef>,
    /// Whether the host has it at the moment.
    pub currently_attached: bool,
}

impl Record for Pbd {
    const FIELDS: Keep = Keep::Members(&[("host", Keep::All), ("currently_attached", Keep::All)]);
    const GET_RECORD: &'static str = "PBD.get_record";

    fn from_value(value: Value) -> Result<Self, DecodeError> {
        let mut fields = Fields::new("PBD", value)?;
        let host = HostRef::new(&fields.text("host")?);
        Ok(Self { host, currently_attached: fields.certain_flag("currently_attached")? })
    }
}
