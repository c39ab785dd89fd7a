//! Disks and their connections to VMs: made, connected, disconnected, destroyed (xen-api ocaml/xapi/xapi_vdi.ml,
//! xapi_vbd.ml).
//!
//! Must not know what a disk is for.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::client::{Client, Line};
use super::error::Error;
use super::records::{self, HostRef, Pbd, PbdRef, SrRef, SrUuid, VbdRef, Vdi, VdiRef, VmRef, VmUuid};
use super::value::Value;

/// How long XAPI may take for a call that moves storage.
const STORAGE_LIMIT: Duration = Duration::from_secs(180);

/// How long a disk is waited for that is still in use, as it is while XAPI disconnects it.
const IN_USE_LIMIT: Duration = Duration::from_secs(10);

/// How long to wait before the next try.
const IN_USE_PAUSE: Duration = Duration::from_millis(250);

/// Numbers of disks that are tried: the first is the system's own mostly, and a VM has no more than 16 that emulated
/// controllers know, whatever its guest can do.
const DEVICES: std::ops::RangeInclusive<u8> = 1..=15;

/// A disk to be made.
#[derive(Clone, Debug)]
pub struct NewVdi<'a> {
    /// What people see.
    pub name: &'a str,
    /// What it is for.
    pub description: &'a str,
    /// Bytes; XAPI may round up.
    pub virtual_size: u64,
    /// Entries of `other_config`.
    pub other_config: &'a [(&'a str, &'a str)],
}

async fn line(client: &Client) -> Line {
    client.line_within(STORAGE_LIMIT).await
}

fn texts(entries: &[(&str, &str)]) -> Value {
    Value::Struct(entries.iter().map(|(key, text)| ((*key).to_owned(), Value::from(*text))).collect())
}

fn record<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Struct(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn nothing() -> Value {
    Value::Struct(BTreeMap::new())
}

/// Makes a disk of the type `system`, which clients show as part of a VM rather than as somebody's data.
///
/// # Errors
/// [`Error`]; the disk may have been made then.
pub async fn create_vdi(client: &Client, sr: &SrRef, new: &NewVdi<'_>) -> Result<VdiRef, Error> {
    let size = i64::try_from(new.virtual_size).unwrap_or(i64::MAX);
    let record = record([
        ("name_label", new.name.into()),
        ("name_description", new.description.into()),
        ("SR", sr.into()),
        ("virtual_size", Value::Int(size)),
        ("type", "system".into()),
        ("sharable", Value::Bool(false)),
        ("read_only", Value::Bool(false)),
        ("other_config", texts(new.other_config)),
        ("xenstore_data", nothing()),
        ("sm_config", nothing()),
        ("tags", Value::Array(Vec::new())),
    ]);
    line(client).await.call_once("VDI.create", &[record]).await
}

/// Destroys a disk, if it is still there, and with it connections that are not in use.
///
/// # Errors
/// [`Error`]
pub async fn destroy_vdi(client: &Client, vdi: &VdiRef) -> Result<(), Error> {
    let end = Instant::now() + IN_USE_LIMIT;
    loop {
        match line(client).await.call("VDI.destroy", &[vdi.into()]).await {
            Err(error) if error.is_handle_invalid() => return Ok(()),
            Err(error) if is_in_use(&error) && Instant::now() < end => sleep(IN_USE_PAUSE).await,
            result => return result,
        }
    }
}

fn is_in_use(error: &Error) -> bool {
    error.has_code("VDI_IN_USE") || error.has_code("OTHER_OPERATION_IN_PROGRESS")
}

/// Gives a VM a disk, read-only, as the first number from 1 on that is free.
///
/// # Errors
/// [`Error`]; `DEVICE_ALREADY_EXISTS` if none is free. The connection may have been made if it is not a failure.
pub async fn create_vbd(
    client: &Client,
    vm: &VmRef,
    vdi: &VdiRef,
    other_config: &[(&str, &str)],
) -> Result<VbdRef, Error> {
    let mut line = line(client).await;
    for device in DEVICES {
        let record = record([
            ("VM", vm.into()),
            ("VDI", vdi.into()),
            ("userdevice", Value::from(device.to_string())),
            ("bootable", Value::Bool(false)),
            ("mode", "RO".into()),
            ("type", "Disk".into()),
            ("empty", Value::Bool(false)),
            ("other_config", texts(other_config)),
            ("qos_algorithm_type", "".into()),
            ("qos_algorithm_params", nothing()),
        ]);
        match line.call_once("VBD.create", &[record]).await {
            Err(error) if error.has_code("DEVICE_ALREADY_EXISTS") && device < *DEVICES.end() => {}
            result => return result,
        }
    }
    unreachable!("the last device returns")
}

/// Connects a disk to a VM that runs; done, too, if it is connected, or the VM has just stopped.
///
/// # Errors
/// [`Error`]
pub async fn plug(client: &Client, vbd: &VbdRef) -> Result<(), Error> {
    match line(client).await.call("VBD.plug", &[vbd.into()]).await {
        Err(error) if error.has_code("DEVICE_ALREADY_ATTACHED") || error.has_code("VM_BAD_POWER_STATE") => Ok(()),
        result => result,
    }
}

/// Takes a disk away from a VM for good, from a running one too; done, too, if that is gone.
///
/// # Errors
/// [`Error`]; the guest can refuse.
pub async fn remove_vbd(client: &Client, vbd: &VbdRef, attached: bool) -> Result<(), Error> {
    let mut line = line(client).await;
    let end = Instant::now() + IN_USE_LIMIT;
    let detached = loop {
        match if attached { line.call::<()>("VBD.unplug", &[vbd.into()]).await } else { Ok(()) } {
            // Somebody else is about it.
            Err(error) if is_in_use(&error) && Instant::now() < end => sleep(IN_USE_PAUSE).await,
            result => break result,
        }
    };
    let removed = match detached {
        Err(error) if !(error.has_code("DEVICE_ALREADY_DETACHED") || error.has_code("VM_BAD_POWER_STATE")) => {
            Err(error)
        }
        _ => line.call::<()>("VBD.destroy", &[vbd.into()]).await,
    };
    match removed {
        Err(error) if error.is_handle_invalid() => Ok(()),
        result => result,
    }
}

/// Puts a disc into an empty CD drive, of a VM that runs or is off.
///
/// # Errors
/// [`Error`]; `VBD_NOT_EMPTY` if somebody else was faster. The disc may be in the drive if it is not a failure.
pub async fn insert(client: &Client, drive: &VbdRef, vdi: &VdiRef) -> Result<(), Error> {
    line(client).await.call_once("VBD.insert", &[drive.into(), vdi.into()]).await
}

/// Takes what there is out of a CD drive; done, too, if it is empty, or gone.
///
/// # Errors
/// [`Error`]
pub async fn eject(client: &Client, drive: &VbdRef) -> Result<(), Error> {
    match line(client).await.call("VBD.eject", &[drive.into()]).await {
        Err(error) if error.has_code("VBD_IS_EMPTY") || error.is_handle_invalid() => Ok(()),
        result => result,
    }
}

/// The disks of a name that were made for a VM, as their [`MADE_FOR`](records::MADE_FOR) says, snapshots among them.
///
/// # Errors
/// [`Error`]
pub async fn made_for(client: &Client, name: &str, vm: &VmUuid) -> Result<Vec<(VdiRef, Vdi)>, Error> {
    let mut found = Vec::new();
    for reference in client.call::<Vec<VdiRef>>("VDI.get_by_name_label", &[name.into()]).await? {
        let Some(vdi) = records::read_if_there::<Vdi>(client, &reference).await? else { continue };
        if vdi.other_config.get(records::MADE_FOR).is_some_and(|made_for| made_for == vm.as_str()) {
            found.push((reference, vdi));
        }
    }
    Ok(found)
}

/// The hosts that are connected to a storage repository.
///
/// # Errors
/// [`Error`]; [`Error::is_uuid_invalid`] if there is none of that uuid.
pub async fn hosts_of_sr(client: &Client, sr: &SrUuid) -> Result<Vec<HostRef>, Error> {
    let sr: SrRef = client.call("SR.get_by_uuid", &[sr.as_str().into()]).await?;
    hosts(client, &sr).await
}

/// The hosts that are connected to the storage repository of a disk.
///
/// # Errors
/// [`Error`]; [`Error::is_uuid_invalid`] if there is no such disk.
pub async fn hosts_of_vdi(client: &Client, vdi: &super::VdiUuid) -> Result<Vec<HostRef>, Error> {
    let mut line = client.line().await;
    let vdi: VdiRef = line.call("VDI.get_by_uuid", &[vdi.as_str().into()]).await?;
    let sr: SrRef = line.call("VDI.get_SR", &[Value::from(&vdi)]).await?;
    drop(line);
    hosts(client, &sr).await
}

async fn hosts(client: &Client, sr: &SrRef) -> Result<Vec<HostRef>, Error> {
    let pbds: Vec<PbdRef> = client.call("SR.get_PBDs", &[sr.into()]).await?;
    let mut hosts = Vec::new();
    for pbd in &pbds {
        let pbd: Pbd = records::read(client, pbd).await?;
        hosts.extend(pbd.host.filter(|_| pbd.currently_attached));
    }
    Ok(hosts)
}
