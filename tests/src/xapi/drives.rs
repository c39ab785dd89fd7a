//! VBDs: which VM has which VDI as which drive.
//!
//! Follows xen-api ocaml/xapi/xapi_vbd.ml and xapi_vbd_helpers.ml (`valid_operations`), in whose order the refusals
//! stand. A plug takes effect at once: there is no guest that would have to agree. Must not know HTTP or wire formats.

use super::{
    calls::{class, missing_member},
    dispatch::text,
    state::State,
    storage::{enumeration, hosts_of, is_attached, reference},
    value::{Failure, NULL_REF, Ref, Value},
};

/// Drives that a VM may have.
const DRIVES: u8 = 16;

/// Types of VDI that no VM may have (xapi_vbd.ml, `create`).
const NOT_FOR_VMS: &[&str] = &["ha_statefile", "redo_log", "cbt_metadata"];

/// `VBD.create`, which attaches nothing yet.
///
/// # Errors
/// `HANDLE_INVALID`, `VDI_INCOMPATIBLE_TYPE`, `VBD_CDS_MUST_BE_READONLY`, `VBD_NOT_REMOVABLE_MEDIA`, `VDI_READONLY`,
/// `INVALID_DEVICE`, `DEVICE_ALREADY_EXISTS`, `INTERNAL_ERROR` for a record that lacks a member.
pub(super) fn create(state: &mut State, record: &Value) -> Result<Ref, Failure> {
    let given = |name: &str| record.member(name).cloned().ok_or_else(|| missing_member(name));
    let (vm, vdi, userdevice) = (given("VM")?, given("VDI")?, given("userdevice")?);
    let mode = enumeration("vbd_mode", &["RO", "RW"], &given("mode")?)?;
    let kind = enumeration("vbd_type", &["CD", "Disk", "Floppy"], &given("type")?)?;
    let empty = given("empty")? == Value::Bool(true);
    let mut fields = vec![
        ("VM", vm.clone()),
        ("VDI", if empty { NULL_REF.into() } else { vdi.clone() }),
        ("mode", mode.into()),
        ("type", kind.into()),
        ("empty", empty.into()),
        ("other_config", given("other_config")?),
        ("qos_algorithm_type", given("qos_algorithm_type")?),
        ("qos_algorithm_params", given("qos_algorithm_params")?),
    ];
    for optional in ["bootable", "unpluggable"] {
        fields.extend(record.member(optional).cloned().map(|value| (optional, value)));
    }
    let (vm, vdi) = (text(&vm)?, text(&vdi)?);
    state.database.row(class("VM")?, vm)?;
    if !empty {
        state.database.row(class("VDI")?, vdi)?;
        let kind = field(state, vdi, "type")?;
        if NOT_FOR_VMS.contains(&kind.as_str()) {
            return Err(Failure::new("VDI_INCOMPATIBLE_TYPE", &[vdi, &kind]));
        }
    }
    if kind == "CD" && mode != "RO" {
        return Err(Failure::new("VBD_CDS_MUST_BE_READONLY", &[]));
    }
    if kind != "CD" && empty {
        return Err(Failure::new("VBD_NOT_REMOVABLE_MEDIA", &["in constructor"]));
    }
    if !empty && mode == "RW" && is(state, vdi, "read_only") {
        return Err(Failure::new("VDI_READONLY", &[vdi]));
    }
    fields.push(("userdevice", free_device(state, vm, text(&userdevice)?)?.into()));
    state.database.create("VBD", None, fields)
}

/// `VBD.plug`.
///
/// # Errors
/// `HANDLE_INVALID`, `VM_BAD_POWER_STATE`, `DEVICE_ALREADY_ATTACHED`, `VM_MISSING_PV_DRIVERS`, `OPERATION_NOT_ALLOWED`,
/// `VDI_IN_USE`, `VDI_READONLY`.
pub(super) fn plug(state: &mut State, vbd: &str) -> Result<(), Failure> {
    let vm = vm_of(state, vbd)?;
    assert_running(state, &vm)?;
    if is_attached(state, &Ref(vbd.to_owned())) {
        return Err(Failure::new("DEVICE_ALREADY_ATTACHED", &[vbd]));
    }
    assert_hotplug(state, vbd, &vm)?;
    let vdi = reference(state, vbd, "VDI")?;
    if !is(state, vbd, "empty") {
        assert_sharable(state, vbd, vdi.as_str())?;
    }
    let userdevice = field(state, vbd, "userdevice")?;
    let letter = userdevice.parse().ok().map(|number: u8| char::from(b'a'.saturating_add(number)));
    let device = letter.map_or_else(|| userdevice.clone(), |letter| format!("xvd{letter}"));
    state.set(vbd, "device", device)?;
    state.set(vbd, "currently_attached", true)
}

/// `VBD.unplug`.
///
/// # Errors
/// `HANDLE_INVALID`, `VBD_NOT_UNPLUGGABLE`, `VM_BAD_POWER_STATE`, `DEVICE_ALREADY_DETACHED`, and as [`plug`] for what
/// the VM cannot do.
pub(super) fn unplug(state: &mut State, vbd: &str) -> Result<(), Failure> {
    let vm = vm_of(state, vbd)?;
    if !is(state, vbd, "unpluggable") {
        return Err(Failure::new("VBD_NOT_UNPLUGGABLE", &[vbd]));
    }
    assert_running(state, &vm)?;
    if !is_attached(state, &Ref(vbd.to_owned())) {
        return Err(Failure::new("DEVICE_ALREADY_DETACHED", &[vbd]));
    }
    assert_hotplug(state, vbd, &vm)?;
    state.set(vbd, "currently_attached", false)
}

/// `VBD.destroy`.
///
/// # Errors
/// `HANDLE_INVALID`, `OPERATION_NOT_ALLOWED` while it is attached.
pub(super) fn destroy(state: &mut State, vbd: &str) -> Result<(), Failure> {
    let vm = vm_of(state, vbd)?;
    if is_attached(state, &Ref(vbd.to_owned())) {
        let vm = field(state, &vm, "uuid").unwrap_or_default();
        let reason = format!("VBD '{}' still attached to '{vm}'", field(state, vbd, "uuid")?);
        return Err(Failure::new("OPERATION_NOT_ALLOWED", &[&reason]));
    }
    state.database.destroy(class("VBD")?, vbd)
}

/// `VBD.insert`: any VDI will do since 7.1, not only one of an ISO library (xapi_vbd.ml, `assert_ok_to_insert`).
///
/// # Errors
/// `HANDLE_INVALID`, `VM_BAD_POWER_STATE` in a suspended VM, `VBD_NOT_REMOVABLE_MEDIA`, `VBD_NOT_EMPTY`,
/// `VDI_NOT_MANAGED`; of a drive that a running VM has, `SR_NOT_ATTACHED` if its host does not see the SR, and
/// `VDI_IN_USE`.
pub(super) fn insert(state: &mut State, vbd: &str, vdi: &str) -> Result<(), Failure> {
    let vm = vm_of(state, vbd)?;
    state.database.row(class("VDI")?, vdi)?;
    assert_not_suspended(state, &vm)?;
    assert_removable(state, vbd)?;
    if !is(state, vbd, "empty") {
        return Err(Failure::new("VBD_NOT_EMPTY", &[vbd]));
    }
    if !is(state, vdi, "managed") {
        return Err(Failure::new("VDI_NOT_MANAGED", &[vdi]));
    }
    if is_attached(state, &Ref(vbd.to_owned())) {
        let (host, sr) = (reference(state, &vm, "resident_on")?, reference(state, vdi, "SR")?);
        if !hosts_of(state, sr.as_str()).contains(&host) {
            return Err(Failure::new("SR_NOT_ATTACHED", &[sr.as_str()]));
        }
        assert_sharable(state, vbd, vdi)?;
    }
    state.set(vbd, "VDI", vdi)?;
    state.set(vbd, "empty", false)
}

/// `VBD.eject`.
///
/// # Errors
/// `HANDLE_INVALID`, `VBD_NOT_REMOVABLE_MEDIA`, `VBD_IS_EMPTY`, `VM_BAD_POWER_STATE` in a suspended VM.
pub(super) fn eject(state: &mut State, vbd: &str) -> Result<(), Failure> {
    let vm = vm_of(state, vbd)?;
    assert_removable(state, vbd)?;
    if is(state, vbd, "empty") {
        return Err(Failure::new("VBD_IS_EMPTY", &[vbd]));
    }
    assert_not_suspended(state, &vm)?;
    state.set(vbd, "VDI", NULL_REF)?;
    state.set(vbd, "empty", true)
}

/// Attaches a VDI to a control domain for a while, as xapi does to read or write it (sm_fs_ops.ml,
/// `with_block_attached_device`).
///
/// # Errors
/// `VDI_IN_USE` when another VM's use forbids that.
pub(super) fn attach_to_dom0(state: &mut State, dom0: &Ref, vdi: &str, mode: &str) -> Result<Ref, Failure> {
    let fields = [
        ("VM", dom0.into()),
        ("VDI", vdi.into()),
        ("mode", mode.into()),
        ("userdevice", "autodetect".into()),
        ("device", "sm/backend".into()),
    ];
    let vbd = state.database.create("VBD", None, fields)?;
    match assert_sharable(state, vbd.as_str(), vdi) {
        Ok(()) => state.set(vbd.as_str(), "currently_attached", true).map(|()| vbd),
        Err(failure) => {
            state.database.destroy(class("VBD")?, vbd.as_str())?;
            Err(failure)
        }
    }
}

/// The device that a new VBD gets: the one asked for, or the first that is free.
fn free_device(state: &State, vm: &str, wanted: &str) -> Result<String, Failure> {
    let invalid = || Failure::new("INVALID_DEVICE", &[wanted]);
    let vbds = state.database.find("VBD", "VM", &vm.into());
    let names = vbds.iter().flat_map(|vbd| ["userdevice", "device"].map(|name| field(state, vbd.as_str(), name)));
    let used: Vec<Device> = names.filter_map(|name| Device::parse(&name.ok()?)).collect();
    if wanted == "autodetect" {
        let free = (0..DRIVES).find(|&number| !used.contains(&Device::whole(number)));
        return free.map(|number| number.to_string()).ok_or_else(invalid);
    }
    let device = Device::parse(wanted).ok_or_else(invalid)?;
    if used.contains(&device) {
        return Err(Failure::new("DEVICE_ALREADY_EXISTS", &[wanted]));
    }
    Ok(wanted.to_owned())
}

/// A drive under any of its names: 1, `hdb`, `sdb` and `xvdb` are one (xapi_vm_helpers.ml,
/// `possible_VBD_devices_of_string`).
#[derive(Debug, PartialEq, Eq)]
struct Device {
    number: u8,
    partition: Option<u32>,
}

impl Device {
    fn whole(number: u8) -> Self {
        Self { number, partition: None }
    }

    fn parse(name: &str) -> Option<Self> {
        let Some(rest) = ["xvd", "hd", "sd"].iter().find_map(|prefix| name.strip_prefix(prefix)) else {
            return name.parse().ok().filter(|number| *number < DRIVES).map(Self::whole);
        };
        let letter = rest.bytes().next()?;
        let number = letter.checked_sub(b'a').filter(|number| *number < DRIVES)?;
        let partition = match &rest[1..] {
            "" => None,
            digits => Some(digits.parse().ok()?),
        };
        Some(Self { number, partition })
    }
}

fn vm_of(state: &State, vbd: &str) -> Result<String, Failure> {
    state.database.row(class("VBD")?, vbd)?;
    reference(state, vbd, "VM").map(|vm| vm.0)
}

fn field(state: &State, object: &str, name: &str) -> Result<String, Failure> {
    Ok(text(&state.get(&Ref(object.to_owned()), name)?)?.to_owned())
}

fn is(state: &State, object: &str, name: &str) -> bool {
    state.get(&Ref(object.to_owned()), name) == Ok(Value::Bool(true))
}

fn assert_running(state: &State, vm: &str) -> Result<(), Failure> {
    match field(state, vm, "power_state")?.as_str() {
        "Running" => Ok(()),
        actual => Err(Failure::new("VM_BAD_POWER_STATE", &[vm, "Running", actual])),
    }
}

fn assert_not_suspended(state: &State, vm: &str) -> Result<(), Failure> {
    if field(state, vm, "power_state")? == "Suspended" {
        return Err(Failure::new("VM_BAD_POWER_STATE", &[vm, "Halted, Running", "Suspended"]));
    }
    Ok(())
}

fn assert_removable(state: &State, vbd: &str) -> Result<(), Failure> {
    if field(state, vbd, "type")? == "CD" { Ok(()) } else { Err(Failure::new("VBD_NOT_REMOVABLE_MEDIA", &[vbd])) }
}

/// HVM guests need drivers for a plug or unplug, and their CD drives have neither.
fn assert_hotplug(state: &State, vbd: &str, vm: &str) -> Result<(), Failure> {
    if field(state, vm, "domain_type")? != "hvm" || is(state, vm, "is_control_domain") {
        return Ok(());
    }
    let metrics = reference(state, vm, "guest_metrics")?;
    let claim = field(state, metrics.as_str(), "can_use_hotplug_vbd").unwrap_or_default();
    match claim.as_str() {
        "yes" => {}
        "no" => return Err(Failure::new("OPERATION_NOT_ALLOWED", &["VM states it does not support VBD hotplug."])),
        _ if is(state, metrics.as_str(), "PV_drivers_detected") => {}
        _ => return Err(Failure::new("VM_MISSING_PV_DRIVERS", &[vm])),
    }
    if field(state, vbd, "type")? == "CD" {
        let reason = "HVM CDROMs cannot be hotplugged/unplugged, only inserted or ejected";
        return Err(Failure::new("OPERATION_NOT_ALLOWED", &[reason]));
    }
    Ok(())
}

/// One VM writes, or any number read. For control domains xapi leaves this to the storage manager, which has the same
/// rule.
fn assert_sharable(state: &State, vbd: &str, vdi: &str) -> Result<(), Failure> {
    let writes = field(state, vbd, "mode")? == "RW";
    let others = state.database.find("VBD", "VDI", &vdi.into());
    let mut others = others.iter().filter(|other| other.as_str() != vbd && is_attached(state, other));
    let in_use = if writes {
        others.next().is_some()
    } else {
        others.any(|other| field(state, other.as_str(), "mode").as_deref() == Ok("RW"))
    };
    if in_use && !is(state, vdi, "sharable") {
        return Err(Failure::new("VDI_IN_USE", &[vdi]));
    }
    if writes && is(state, vdi, "read_only") {
        return Err(Failure::new("VDI_READONLY", &[vdi]));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drive_is_the_same_under_all_its_names() {
        for name in ["1", "hdb", "sdb", "xvdb"] {
            assert_eq!(Device::parse(name), Some(Device::whole(1)), "{name}");
        }
        assert_eq!(Device::parse("xvda1"), Some(Device { number: 0, partition: Some(1) }));
    }

    #[test]
    fn what_is_no_drive_is_none() {
        for name in ["", "16", "-1", "xvd", "xvdq", "xvdé", "hda-1", "sm/backend", "autodetect"] {
            assert_eq!(Device::parse(name), None, "{name}");
        }
    }
}
