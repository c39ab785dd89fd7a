//! A disc with keys in a VM's CD drive for a while. Knows the steps and how they are taken back; must not know what is on
//! the disc, nor who asks.
//!
//! There is one way to take back, [`sweep`], whoever did the steps and however far: it finds the disc by the VM's uuid in
//! it, and in it what was in the drive before. So it is the same for a failure, for a future that was dropped, and for a
//! program that was killed; the next call begins with it.

use hyper::body::Bytes;
use zeroize::Zeroizing;

use super::error::{Doing, Error, after};
use crate::xapi::records::{self, DISC_BEFORE, Device, MADE_FOR, Media, SrRef, TLS_DISC, VbdRef, Vdi, VdiRef};
use crate::xapi::storage::{self, NewVdi};
use crate::xapi::{self, Client, SrUuid, VdiUuid, VmRef, VmUuid, disks};

/// What people see; the original agent's name.
pub const DISC_NAME: &str = "Temp Container Management Image";

/// A VM's CD drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drive {
    /// The drive.
    pub vbd: VbdRef,
    /// What is in it.
    pub disc: Option<Disc>,
}

/// A disc in a drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disc {
    /// The disc.
    pub uuid: VdiUuid,
    /// What people call it.
    pub name: String,
}

/// What may be done with a disc that is in the drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiscBefore {
    /// Nothing: then there is no place for another.
    Stays,
    /// It may be taken out, and is put back when the work is done.
    MayBePutBack,
}

/// The drive for a disc: one that is empty, if there are several.
///
/// # Errors
/// [`Error::NoDrive`], [`Error::Xapi`]
pub async fn drive(client: &Client, vm: &VmRef, uuid: &VmUuid) -> Result<Drive, Error> {
    let doing = "look at the VM's CD drive";
    let devices = devices(client, vm, Media::Cd).await.doing(doing)?;
    let empty = devices.iter().find(|(_, device)| device.vdi.is_none());
    let (vbd, device) = empty.or(devices.first()).ok_or_else(|| Error::NoDrive(uuid.clone()))?.clone();
    let disc = match &device.vdi {
        None => None,
        Some(vdi) => {
            let record: Vdi = records::read(client, vdi).await.doing(doing)?;
            let name: String = client.call("VDI.get_name_label", &[vdi.into()]).await.doing(doing)?;
            Some(Disc { uuid: record.uuid, name })
        }
    };
    Ok(Drive { vbd, disc })
}

/// The VM's devices of a kind, in their order.
async fn devices(client: &Client, vm: &VmRef, media: Media) -> Result<Vec<(VbdRef, Device)>, xapi::Error> {
    let mut devices = Vec::new();
    for vbd in client.call::<Vec<VbdRef>>("VM.get_VBDs", &[vm.into()]).await? {
        if let Some(device) = records::read_if_there::<Device>(client, &vbd).await?.filter(|it| it.media == media) {
            devices.push((vbd, device));
        }
    }
    devices.sort_by_key(|(_, device)| device.number);
    Ok(devices)
}

/// Puts `image` into the VM's CD drive as a disc, on the storage of the VM's first disk or else the pool's default. What
/// earlier calls left goes first. Take the disc away with [`sweep`], soon; also if this future is dropped.
///
/// # Errors
/// [`Error`]; the drive is as it was then, unless the error says otherwise.
pub async fn insert(
    client: &Client,
    vm: &VmRef,
    uuid: &VmUuid,
    image: Zeroizing<Vec<u8>>,
    before: DiscBefore,
) -> Result<(), Error> {
    sweep(client, vm, uuid).await?;
    let drive = drive(client, vm, uuid).await?;
    if let (Some(disc), DiscBefore::Stays) = (&drive.disc, before) {
        return Err(Error::DriveInUse { vm: uuid.clone(), disc: disc.name.clone() });
    }
    // Wiped when the last of the requests is done.
    let image = Bytes::from_owner(image);
    let mut tried = Vec::new();
    for (sr, sr_uuid) in places(client, vm).await? {
        let Err(error) = insert_from(client, &sr, uuid, &drive, image.clone()).await else {
            tracing::info!(vm = %uuid, sr = %sr_uuid, "the disc with the certificates is in the VM's CD drive");
            return Ok(());
        };
        tracing::warn!(vm = %uuid, sr = %sr_uuid, %error, "no disc from this storage");
        // It may have been made although the answer was lost.
        let error = after(error, sweep(client, vm, uuid).await);
        let goes_on = !matches!(error, Error::Left { .. });
        tried.push((sr_uuid, error));
        if !goes_on {
            break;
        }
    }
    if tried.is_empty() { Err(Error::NoStorage(uuid.clone())) } else { Err(Error::NotInserted { tried }) }
}

/// Where the disc may be: the storage of the VM's first disk, which is seen where the VM runs, and the pool's default.
async fn places(client: &Client, vm: &VmRef) -> Result<Vec<(SrRef, SrUuid)>, Error> {
    let doing = "find storage for the disc";
    let disks = devices(client, vm, Media::Disk).await.doing(doing)?;
    let mut found: Vec<SrRef> = Vec::new();
    if let Some(vdi) = disks.into_iter().find_map(|(_, device)| device.vdi) {
        let record: Option<Vdi> = records::read_if_there(client, &vdi).await.doing(doing)?;
        found.extend(record.and_then(|vdi| vdi.sr));
    }
    let pool: xapi::PoolRef = client.call("pool.get_all", &[]).await.doing(doing)?;
    let default: String = client.call("pool.get_default_SR", &[(&pool).into()]).await.doing(doing)?;
    found.extend(SrRef::new(&default).filter(|default| !found.contains(default)));
    let mut places = Vec::new();
    for sr in found {
        match client.call::<String>("SR.get_uuid", &[(&sr).into()]).await {
            // A default that has been destroyed stays named.
            Err(error) if error.is_handle_invalid() => {}
            uuid => places.extend(SrUuid::parse(&uuid.doing(doing)?).map(|uuid| (sr, uuid))),
        }
    }
    Ok(places)
}

async fn insert_from(client: &Client, sr: &SrRef, vm: &VmUuid, drive: &Drive, image: Bytes) -> Result<(), Error> {
    let mut marks = vec![(TLS_DISC, "True"), (MADE_FOR, vm.as_str())];
    marks.extend(drive.disc.as_ref().map(|disc| (DISC_BEFORE, disc.uuid.as_str())));
    let new = NewVdi {
        name: DISC_NAME,
        description: "Certificates and keys for a VM's container engine; exists only while they are installed",
        virtual_size: image.len() as u64,
        other_config: &marks,
    };
    let vdi = storage::create_vdi(client, sr, &new).await.doing("make a disk for the certificates")?;
    let doing = "see the uuid of the disk for the certificates";
    let uuid: String = client.call("VDI.get_uuid", &[(&vdi).into()]).await.doing(doing)?;
    let odd = xapi::Error::Odd { method: "VDI.get_uuid", wanted: "a uuid" };
    let uuid = VdiUuid::parse(&uuid).ok_or(odd).doing(doing)?;
    disks::import(client, &uuid, image).await.map_err(Error::Transfer)?;
    if drive.disc.is_some() {
        storage::eject(client, &drive.vbd).await.doing("take the disc out that is in the VM's CD drive")?;
    }
    storage::insert(client, &drive.vbd, &vdi).await.doing("put the disc into the VM's CD drive")
}

/// Takes away every disc with keys that was made for the VM, and puts back what was in the drive before: after the work,
/// and after a call that came to no end. Done, too, if there is none.
///
/// # Errors
/// [`Error`], the first; the rest is done all the same.
pub async fn sweep(client: &Client, vm: &VmRef, uuid: &VmUuid) -> Result<(), Error> {
    let found = storage::made_for(client, DISC_NAME, uuid).await.doing("look for discs that were left")?;
    let mut result = Ok(());
    for (reference, vdi) in found.iter().filter(|(_, vdi)| vdi.other_config.contains_key(TLS_DISC)) {
        result = result.and(take_away(client, vm, reference, vdi).await);
    }
    result
}

/// The disc before goes in first: what is still to be done after that is found again by the disc of ours alone.
async fn take_away(client: &Client, vm: &VmRef, reference: &VdiRef, vdi: &Vdi) -> Result<(), Error> {
    let left = |cause| Error::DiscLeft { disc: vdi.uuid.clone(), cause };
    let mut was_in = None;
    for vbd in &vdi.vbds {
        let Some(device) = records::read_if_there::<Device>(client, vbd).await.map_err(left)? else { continue };
        // dom0 has it as a disk while it is written. A copy of the VM may have it as well.
        if device.media != Media::Cd || device.vdi.as_ref() != Some(reference) {
            continue;
        }
        let is_own = device.vm.as_ref() == Some(vm);
        match storage::eject(client, vbd).await {
            Ok(()) => was_in = was_in.or(is_own.then(|| vbd.clone())),
            Err(error) if is_own => return Err(left(error)),
            // If it is in use there, it cannot be destroyed, which tells.
            Err(error) => tracing::warn!(%error, vdi = %vdi.uuid, "another VM keeps the disc with the certificates"),
        }
    }
    let before = vdi.other_config.get(DISC_BEFORE).and_then(|uuid| VdiUuid::parse(uuid));
    let put_back = match &before {
        None => Ok(()),
        Some(disc) => {
            put_back(client, vm, was_in, disc).await.map_err(|cause| Error::NotPutBack { disc: disc.clone(), cause })
        }
    };
    storage::destroy_vdi(client, reference).await.map_err(left)?;
    tracing::info!(vdi = %vdi.uuid, "the disc with the certificates was destroyed");
    put_back
}

/// Puts a disc back into the drive `was_in`, or the one that is free, unless it is in one or has gone, or somebody has put
/// another in.
async fn put_back(client: &Client, vm: &VmRef, was_in: Option<VbdRef>, disc: &VdiUuid) -> Result<(), xapi::Error> {
    let reference: VdiRef = match client.call("VDI.get_by_uuid", &[disc.as_str().into()]).await {
        Err(error) if error.is_uuid_invalid() => return Ok(()),
        found => found?,
    };
    let drives = devices(client, vm, Media::Cd).await?;
    if drives.iter().any(|(_, drive)| drive.vdi.as_ref() == Some(&reference)) {
        return Ok(());
    }
    let mut empty = drives.iter().filter(|(_, drive)| drive.vdi.is_none()).map(|(vbd, _)| vbd);
    let into = match &was_in {
        Some(drive) => empty.find(|vbd| *vbd == drive),
        None => empty.next(),
    };
    match into {
        Some(drive) => storage::insert(client, drive, &reference).await,
        None => Ok(()),
    }
}
