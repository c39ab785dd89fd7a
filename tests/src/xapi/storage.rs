//! VDIs: made, destroyed, and what is on them. Storage repositories lend them space.
//!
//! Follows xen-api ocaml/xapi/xapi_vdi.ml and sm.ml. Must not know HTTP or wire formats.

use super::{
    calls::{class, missing_member},
    dispatch::text,
    schema::{self, Kind},
    state::State,
    value::{Failure, Ref, Value},
};

/// Disks of VHD type come in multiples of this (xapi-project/sm libs/sm/vhdutil.py, `VHD_BLOCK_SIZE`).
pub const DISK_GRANULE: i64 = 2 << 20;

/// The names of `VDI.type` (xen-api ocaml/idl/datamodel.ml, `vdi_type`).
const TYPES: &[&str] = &[
    "system",
    "user",
    "ephemeral",
    "suspend",
    "crashdump",
    "ha_statefile",
    "metadata",
    "redo_log",
    "rrd",
    "pvs_cache",
    "cbt_metadata",
];

/// `VDI.create`. An SR whose `physical_size` is not 0 is full when its disks would take more than that.
///
/// # Errors
/// `HANDLE_INVALID`, `SR_NO_PBDS`, `SR_FULL`, `SR_BACKEND_FAILURE_79` for a size that no disk has, `INTERNAL_ERROR` for
/// a record that lacks a member.
pub(super) fn create(state: &mut State, record: &Value) -> Result<Ref, Failure> {
    let given = |name: &str| record.member(name).cloned().ok_or_else(|| missing_member(name));
    let (sr, size) = (given("SR")?, schema::fit(Kind::Int, given("virtual_size")?)?);
    let kind = enumeration("vdi_type", TYPES, &given("type")?)?;
    let mut fields = vec![
        ("SR", sr.clone()),
        ("type", kind.into()),
        ("sharable", given("sharable")?),
        ("read_only", given("read_only")?),
        ("other_config", given("other_config")?),
    ];
    for optional in ["name_label", "name_description", "xenstore_data", "sm_config", "tags"] {
        fields.extend(record.member(optional).cloned().map(|value| (optional, value)));
    }
    let sr = text(&sr)?.to_owned();
    assert_plugged(state, &sr)?;
    let Value::Int(size) = size else {
        return Err(Failure::internal("Int64.of_string"));
    };
    if size < 0 {
        return Err(Failure::new("SR_BACKEND_FAILURE_79", &["", "VDI Invalid size [opterr=negative]", ""]));
    }
    let granules = (size / DISK_GRANULE + i64::from(size % DISK_GRANULE != 0)).max(1);
    let size = granules.checked_mul(DISK_GRANULE).ok_or_else(|| Failure::internal("Int64 overflow"))?;
    take_space(state, &sr, size)?;
    let uuid = state.database.fresh_uuid();
    fields.extend([
        ("uuid", uuid.clone().into()),
        ("location", uuid.into()),
        ("virtual_size", size.into()),
        ("physical_utilisation", size.into()),
    ]);
    state.database.create("VDI", None, fields)
}

/// `VDI.destroy`, which takes its VBDs along (xapi_vdi.ml: "destroy all the VBDs now rather than wait for the GC").
///
/// # Errors
/// `HANDLE_INVALID`, `SR_NO_PBDS`, `VDI_IN_USE` while it is attached to a VM.
pub(super) fn destroy(state: &mut State, vdi: &str) -> Result<(), Failure> {
    state.database.row(class("VDI")?, vdi)?;
    let sr = reference(state, vdi, "SR")?;
    assert_plugged(state, sr.as_str())?;
    let vbds = state.database.find("VBD", "VDI", &vdi.into());
    if vbds.iter().any(|vbd| is_attached(state, vbd)) {
        return Err(Failure::new("VDI_IN_USE", &[vdi, "destroy"]));
    }
    let size = number(state, vdi, "virtual_size")?;
    state.database.destroy(class("VDI")?, vdi)?;
    state.disks.remove(vdi);
    for vbd in vbds {
        state.database.destroy(class("VBD")?, vbd.as_str())?;
    }
    take_space(state, sr.as_str(), -size)
}

/// Everything on a disk; nothing for what is no VDI.
pub(super) fn content(state: &State, vdi: &str) -> Vec<u8> {
    let size = number(state, vdi, "virtual_size").unwrap_or(0);
    let mut content = state.disks.get(vdi).cloned().unwrap_or_default();
    content.resize(usize::try_from(size).unwrap_or(0), 0);
    content
}

/// Writes from the beginning of a disk; what lies behind stays. The caller has seen that it fits.
pub(super) fn write(state: &mut State, vdi: &str, bytes: Vec<u8>) {
    let disk = state.disks.entry(vdi.to_owned()).or_default();
    let behind = disk.split_off(disk.len().min(bytes.len()));
    *disk = bytes;
    disk.extend(behind);
}

/// The hosts that an SR is attached to.
pub(super) fn hosts_of(state: &State, sr: &str) -> Vec<Ref> {
    let pbds = state.database.find("PBD", "SR", &sr.into());
    let attached = pbds.iter().filter(|pbd| state.get(pbd, "currently_attached") == Ok(Value::Bool(true)));
    attached.filter_map(|pbd| reference(state, pbd.as_str(), "host").ok()).collect()
}

/// Whether a VBD holds its VDI.
pub(super) fn is_attached(state: &State, vbd: &Ref) -> bool {
    ["currently_attached", "reserved"].iter().any(|field| state.get(vbd, field) == Ok(Value::Bool(true)))
}

/// A field that holds a reference.
pub(super) fn reference(state: &State, object: &str, field: &str) -> Result<Ref, Failure> {
    Ok(Ref(text(&state.get(&Ref(object.to_owned()), field)?)?.to_owned()))
}

/// Reads an enumeration without regard to case, as xapi's unmarshalling does.
pub(super) fn enumeration(name: &str, values: &[&'static str], given: &Value) -> Result<&'static str, Failure> {
    let given = text(given)?;
    let found = values.iter().find(|value| value.eq_ignore_ascii_case(given)).copied();
    found.ok_or_else(|| Failure::internal(&format!("Failure(\"{name}_of_rpc {given}\")")))
}

/// Without a host that sees the SR nothing can be done there (xen-api ocaml/xapi/sm.ml, `assert_pbd_is_plugged`).
fn assert_plugged(state: &State, sr: &str) -> Result<(), Failure> {
    state.database.row(class("SR")?, sr)?;
    if hosts_of(state, sr).is_empty() { Err(Failure::new("SR_NO_PBDS", &[sr])) } else { Ok(()) }
}

/// Takes space of an SR, or gives it back.
fn take_space(state: &mut State, sr: &str, size: i64) -> Result<(), Failure> {
    let (limit, used) = (number(state, sr, "physical_size")?, number(state, sr, "virtual_allocation")?);
    let free = limit.saturating_sub(used);
    if limit > 0 && size > free {
        return Err(Failure::new("SR_FULL", &[&size.to_string(), &free.to_string()]));
    }
    let used = used.saturating_add(size).max(0);
    state.set(sr, "virtual_allocation", used)?;
    state.set(sr, "physical_utilisation", used)
}

fn number(state: &State, object: &str, field: &str) -> Result<i64, Failure> {
    match state.get(&Ref(object.to_owned()), field)? {
        Value::Int(number) => Ok(number),
        _ => Err(Failure::internal("not a number")),
    }
}
