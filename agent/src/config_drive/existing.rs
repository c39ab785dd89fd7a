//! The config drives that a VM has, and those that were made for it and never came to it. Knows how to take them away;
//! must not know why.

use super::DISK_NAME;
use super::error::{Doing, Error};
use crate::xapi::records::{self, CONFIG_DRIVE, MADE_FOR, Vbd, VbdRef, Vdi, VdiRef};
use crate::xapi::{Client, Vm, VmRef, VmUuid, other_config, storage};

/// A config drive that a VM has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Drive {
    pub(super) vbd: VbdRef,
    attached: bool,
    /// None if the disk is gone already.
    vdi: Option<VdiRef>,
}

/// All config drives of a VM: those whose disk or connection says so.
///
/// # Errors
/// [`Error::Xapi`]
pub(super) async fn of_vm(client: &Client, vm: &VmRef) -> Result<Vec<Drive>, Error> {
    let doing = "see which config drives the VM has";
    let vbds: Vec<VbdRef> = client.call("VM.get_VBDs", &[vm.into()]).await.doing(doing)?;
    let mut drives = Vec::new();
    for reference in vbds {
        let Some(vbd) = records::read_if_there::<Vbd>(client, &reference).await.doing(doing)? else { continue };
        let vdi = match &vbd.vdi {
            None => None,
            Some(vdi) => records::read_if_there::<Vdi>(client, vdi).await.doing(doing)?,
        };
        // What the disk says counts before what the connection says.
        let says = vdi.as_ref().and_then(|vdi| vdi.other_config.get(CONFIG_DRIVE));
        if says.or_else(|| vbd.other_config.get(CONFIG_DRIVE)).is_some_and(|says| is_true(says)) {
            drives.push(Drive { vbd: reference, attached: vbd.currently_attached, vdi: vdi.and(vbd.vdi) });
        }
    }
    Ok(drives)
}

/// As XenCenter reads the flag (xenadmin XenModel/XenAPI-Extensions/VDI.cs).
fn is_true(flag: &str) -> bool {
    flag.eq_ignore_ascii_case("true")
}

/// Takes drives away from their VM, and then destroys their disks.
///
/// # Errors
/// [`Error::OldStays`] if the VM keeps one; those after it were not touched then. A disk that cannot be destroyed is no
/// error: no VM has it any more, and [`sweep`] will try again.
pub(super) async fn remove(client: &Client, uuid: &VmUuid, drives: &[Drive]) -> Result<(), Error> {
    let mut refusal = Ok(());
    let mut removed = Vec::new();
    for drive in drives {
        match storage::remove_vbd(client, &drive.vbd, drive.attached).await {
            Ok(()) => removed.extend(&drive.vdi),
            Err(cause) => {
                refusal = Err(Error::OldStays { vm: uuid.clone(), cause });
                break;
            }
        }
    }
    for vdi in removed {
        if let Err(error) = discard(client, vdi).await {
            tracing::warn!(vm = %uuid, %error, vdi = vdi.as_str(), "the disk of an old config drive stays until the next is made");
            if let Err(error) = other_config::add_to_vdi(client, vdi, MADE_FOR, uuid.as_str()).await {
                tracing::warn!(vm = %uuid, %error, vdi = vdi.as_str(), "and it could not be marked for that");
            }
        }
    }
    refusal
}

/// Destroys a disk, unless another VM has it.
async fn discard(client: &Client, vdi: &VdiRef) -> Result<(), crate::xapi::Error> {
    let Some(record) = records::read_if_there::<Vdi>(client, vdi).await? else { return Ok(()) };
    for vbd in &record.vbds {
        let Some(Vbd { vm: Some(vm), .. }) = records::read_if_there(client, vbd).await? else { continue };
        let user: Option<Vm> = records::read_if_there(client, &vm).await?;
        // dom0 has it for a moment, while somebody reads it.
        if let Some(user) = user.filter(|user| !user.is_control_domain) {
            tracing::info!(vdi = %record.uuid, vm = %user.uuid, "an old config drive is another VM's, too, and stays with that");
            return Ok(());
        }
    }
    tracing::info!(vdi = %record.uuid, "destroying an old config drive");
    storage::destroy_vdi(client, vdi).await
}

/// Destroys what calls for this VM have left that were ended in the middle: disks made for it that nobody has. Others'
/// disks are told by the VM's uuid in them, and snapshots by their flag. Best effort; the log tells.
pub(super) async fn sweep(client: &Client, uuid: &VmUuid) {
    let found = storage::made_for(client, DISK_NAME, uuid).await;
    let vdis = found.unwrap_or_else(|error| {
        tracing::warn!(vm = %uuid, %error, "could not look for what earlier calls left");
        Vec::new()
    });
    for (reference, vdi) in vdis {
        let drive = vdi.other_config.get(CONFIG_DRIVE).is_some_and(|flag| is_true(flag));
        if drive && vdi.vbds.is_empty() && !vdi.is_a_snapshot {
            match storage::destroy_vdi(client, &reference).await {
                Ok(()) => tracing::info!(vm = %uuid, vdi = %vdi.uuid, "destroyed a disk that an earlier call left"),
                Err(error) => {
                    tracing::warn!(vm = %uuid, vdi = %vdi.uuid, %error, "a disk that an earlier call left stays");
                }
            }
        }
    }
}
