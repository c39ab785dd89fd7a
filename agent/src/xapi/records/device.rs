//! What a VM's device for disks is and holds: another look at the class VBD (xen-api ocaml/idl/datamodel.ml).

use super::super::decode::{DecodeError, Keep};
use super::super::value::Value;
use super::fields::Fields;
use super::{Record, VdiRef, VmRef};

/// What kind of medium goes into a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// One that can be changed while the VM runs.
    Cd,
    /// One that stays.
    Disk,
    /// Anything else.
    Other,
}

/// A device of a VM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// The VM.
    pub vm: Option<VmRef>,
    /// What it holds, if anything.
    pub vdi: Option<VdiRef>,
    /// What goes into it.
    pub media: Media,
    /// Its place among the VM's devices; the last, if it has a name of another form.
    pub number: u16,
}

impl Record for Device {
    const FIELDS: Keep =
        Keep::Members(&[("VM", Keep::All), ("VDI", Keep::All), ("type", Keep::All), ("userdevice", Keep::All)]);
    const GET_RECORD: &'static str = "VBD.get_record";

    fn from_value(value: Value) -> Result<Self, DecodeError> {
        let mut fields = Fields::new("VBD", value)?;
        let media = match fields.text("type")?.as_str() {
            "CD" => Media::Cd,
            "Disk" => Media::Disk,
            _ => Media::Other,
        };
        Ok(Self {
            vm: VmRef::new(&fields.text("VM")?),
            // Of an empty drive this is the null reference.
            vdi: VdiRef::new(&fields.text("VDI")?),
            media,
            number: fields.text("userdevice")?.parse().unwrap_or(u16::MAX),
        })
    }
}
