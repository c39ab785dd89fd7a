//! VMs and what their guests report (xen-api ocaml/idl/datamodel_vm.ml).

use std::collections::BTreeMap;

use super::super::decode::{DecodeError, Keep};
use super::super::digest::Digest;
use super::super::value::Value;
use super::fields::{Fields, OtherConfig};
use super::{HostRef, OTHER_CONFIG_PREFIX, Record, VmGuestMetricsRef, VmUuid};

/// Whether a VM runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerState {
    /// Off.
    Halted,
    /// In memory, not scheduled.
    Paused,
    /// On.
    Running,
    /// Saved to disk.
    Suspended,
    /// A state that this program does not know; certainly not `Running`.
    Unknown,
}

impl PowerState {
    fn new(text: &str) -> Self {
        match text {
            "Halted" => Self::Halted,
            "Paused" => Self::Paused,
            "Running" => Self::Running,
            "Suspended" => Self::Suspended,
            _ => Self::Unknown,
        }
    }

    /// As people say it.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Halted => "halted",
            Self::Paused => "paused",
            Self::Running => "running",
            Self::Suspended => "suspended",
            Self::Unknown => "unknown",
        }
    }
}

/// A VM, template or snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vm {
    /// Its uuid.
    pub uuid: VmUuid,
    /// The name users gave it: any text.
    pub name_label: String,
    /// Whether it runs.
    pub power_state: PowerState,
    /// The host it runs on, if it does.
    pub resident_on: Option<HostRef>,
    /// What its guest tools report, once they did.
    pub guest_metrics: Option<VmGuestMetricsRef>,
    /// Whether it is a dom0.
    pub is_control_domain: bool,
    /// Whether it is a template.
    pub is_a_template: bool,
    /// Whether it is a snapshot.
    pub is_a_snapshot: bool,
    /// Of `other_config`, the keys that begin with [`OTHER_CONFIG_PREFIX`].
    pub other_config: BTreeMap<String, String>,
    /// Of `other_config`, which texts stand at the keys of [`Views`].
    pub views: Views,
    /// How long the rest of `other_config` is in a request, bytes.
    pub other_config_bytes: usize,
}

/// The documents in a VM's `other_config` that tell clients of its containers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Views {
    /// `docker_ps`.
    pub ps: Option<Digest>,
    /// `docker_info`.
    pub info: Option<Digest>,
    /// `docker_version`.
    pub version: Option<Digest>,
}

impl Views {
    /// The place of the document at `key` of `other_config`; none for other keys.
    #[must_use]
    pub fn at(&mut self, key: &str) -> Option<&mut Option<Digest>> {
        match key {
            "docker_ps" => Some(&mut self.ps),
            "docker_info" => Some(&mut self.info),
            "docker_version" => Some(&mut self.version),
            _ => None,
        }
    }
}

/// What a guest's tools report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VmGuestMetrics {
    /// Addresses by device and kind, such as `0/ip`; claims of the guest (xen-api ocaml/xapi/xapi_guest_agent.ml).
    pub networks: BTreeMap<String, String>,
    /// What system it is: `distro`, `name`, `major`.
    pub os_version: BTreeMap<String, String>,
}

impl Record for Vm {
    const FIELDS: Keep = Keep::Members(&[
        ("uuid", Keep::All),
        ("name_label", Keep::All),
        ("power_state", Keep::All),
        ("resident_on", Keep::All),
        ("guest_metrics", Keep::All),
        ("is_control_domain", Keep::All),
        ("is_a_template", Keep::All),
        ("is_a_snapshot", Keep::All),
        ("other_config", Keep::Prefixed(OTHER_CONFIG_PREFIX)),
    ]);
    const GET_RECORD: &'static str = "VM.get_record";

    fn from_value(value: Value) -> Result<Self, DecodeError> {
        let mut fields = Fields::new("VM", value)?;
        let OtherConfig { other_config, views, other_config_bytes } = fields.other_config()?;
        Ok(Self {
            uuid: fields.parsed("uuid", VmUuid::parse)?,
            name_label: fields.text("name_label")?,
            power_state: PowerState::new(&fields.text("power_state")?),
            resident_on: HostRef::new(&fields.text("resident_on")?),
            guest_metrics: VmGuestMetricsRef::new(&fields.text("guest_metrics")?),
            is_control_domain: fields.certain_flag("is_control_domain")?,
            // Absent from hosts that had no such VMs in this class.
            is_a_template: fields.flag("is_a_template")?.unwrap_or(false),
            is_a_snapshot: fields.flag("is_a_snapshot")?.unwrap_or(false),
            other_config,
            views,
            other_config_bytes,
        })
    }
}

impl Record for VmGuestMetrics {
    const FIELDS: Keep = Keep::Members(&[
        ("networks", Keep::All),
        ("os_version", Keep::Members(&[("distro", Keep::All), ("name", Keep::All), ("major", Keep::All)])),
    ]);
    const GET_RECORD: &'static str = "VM_guest_metrics.get_record";

    fn from_value(value: Value) -> Result<Self, DecodeError> {
        let mut fields = Fields::new("VM_guest_metrics", value)?;
        Ok(Self { networks: fields.text_map("networks")?, os_version: fields.optional_text_map("os_version")? })
    }
}
