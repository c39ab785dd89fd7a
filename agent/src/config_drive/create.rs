//! A VM's config drive made anew: all steps and their order. Knows nothing of formats.
//!
//! The VM has one drive all the time: the old one goes when the new one is in place, and if it does not go, the new one
//! does. Whatever fails before that, what was made is taken back. If this program is killed in the middle, the next call
//! for the VM takes away what is left: drives that the VM has, as old ones, and disks that it does not have, by the VM's
//! uuid in them.

use std::path::PathBuf;

use hyper::body::Bytes;

use super::error::{Doing, Error};
use super::image::{self, Contents};
use super::undo::Undo;
use super::{DISK_NAME, Places, existing, network, template, tools};
use crate::access::{MONITOR_KEY, NOT_REGISTERED, PoolKey};
use crate::xapi::records::{self, CONFIG_DRIVE, MADE_FOR, SrRef, VbdRef};
use crate::xapi::storage::{self, NewVdi};
use crate::xapi::{Client, PowerState, SrUuid, VdiUuid, Vm, VmRef, VmUuid, disks, other_config};

/// Makes a config drive for a VM from a text, and takes its old ones away. The drive is attached at once if the VM runs.
/// The text's line breaks may be LF, CR LF, or `%BR%`. Gives the new disk.
///
/// If the text lets us in ([`template::marks_monitorable`]), the VM is marked as one whose containers can be managed. If
/// the pool prefers it (`xscontainer-use-hostinternalnetwork`), the VM is connected to the host-internal network.
///
/// Two calls for one VM at the same moment leave it one drive; at least one of them fails or is undone by the other.
///
/// # Errors
/// [`Error`]; the VM has the drive that it had before. [`Error::Redirected`] if another host has to make it.
pub async fn create(
    client: &Client,
    pool_key: &PoolKey,
    places: &Places,
    vm: &VmUuid,
    sr: &SrUuid,
    configuration: &str,
) -> Result<VdiUuid, Error> {
    let text = template::normalised(configuration);
    if text.len() > template::MAX_BYTES {
        return Err(Error::TooLong { bytes: text.len() });
    }
    let job = Job::find(client, vm, sr).await?;
    let mut undo = Undo::new(client);
    let result = job.run(pool_key, places, &text, &mut undo).await;
    match &result {
        Ok(vdi) => tracing::info!(%vm, %vdi, "the VM has a new config drive"),
        Err(error) => {
            tracing::warn!(%vm, %error, "no config drive was made; taking back what was");
            undo.all().await;
            if matches!(error, Error::Xapi { .. }) {
                // The disk may have been made although the answer was lost.
                existing::sweep(client, vm).await;
            }
        }
    }
    result
}

/// Who is to have a drive, and where it is to be.
struct Job<'a> {
    client: &'a Client,
    vm: VmRef,
    record: Vm,
    sr: SrRef,
}

impl<'a> Job<'a> {
    async fn find(client: &'a Client, vm: &VmUuid, sr: &SrUuid) -> Result<Self, Error> {
        let doing = "find the VM and the storage repository";
        let found = client.call("VM.get_by_uuid", &[vm.as_str().into()]).await;
        let reference: VmRef = match found {
            Err(error) if error.is_uuid_invalid() => return Err(Error::NoVm(vm.clone())),
            found => found.doing(doing)?,
        };
        let record: Vm = records::read(client, &reference).await.doing(doing)?;
        if record.is_control_domain || record.is_a_snapshot {
            return Err(Error::NotAGuest(vm.clone()));
        }
        let sr = match client.call("SR.get_by_uuid", &[sr.as_str().into()]).await {
            Err(error) if error.is_uuid_invalid() => return Err(Error::NoSr(sr.clone())),
            found => found.doing(doing)?,
        };
        Ok(Self { client, vm: reference, record, sr })
    }

    async fn run(&self, pool_key: &PoolKey, places: &Places, text: &str, undo: &mut Undo) -> Result<VdiUuid, Error> {
        let Self { client, vm, record, .. } = self;
        let values = self.values(pool_key, text, undo).await?;
        let disk = self.disk(text, &values, places.tools_folder.clone()).await?;

        let before = existing::of_vm(client, vm).await?;
        existing::sweep(client, &record.uuid).await;
        let (uuid, vbd) = self.put(disk, undo).await?;
        if template::marks_monitorable(text) {
            let marked = other_config::add_to_vm(client, vm, MONITOR_KEY, NOT_REGISTERED).await;
            marked.doing("mark the VM as one whose containers can be managed")?;
        }

        // Whoever gave the VM a drive meanwhile may be about to look here, too: giving way leaves one in any case,
        // because of two who look after they have put theirs, at least one sees the other's.
        let now = existing::of_vm(client, vm).await?;
        let (new, old): (Vec<_>, Vec<_>) =
            now.into_iter().partition(|drive| before.iter().all(|known| known.vbd != drive.vbd));
        if new.iter().any(|drive| drive.vbd != vbd) {
            return Err(Error::Overtaken(record.uuid.clone()));
        }
        if let Err(refusal) = existing::remove(client, &record.uuid, &old).await {
            // Somebody else may have taken it meanwhile; then the new one is all that the VM has.
            let left = existing::of_vm(client, vm).await?;
            if left.iter().any(|drive| drive.vbd != vbd) {
                return Err(refusal);
            }
        }
        Ok(uuid)
    }

    /// What the text's placeholders become. Asks for what it has only.
    async fn values(&self, pool_key: &PoolKey, text: &str, undo: &mut Undo) -> Result<template::Values, Error> {
        let Self { client, vm, record, .. } = self;
        let public_key = match template::wants_key(text) {
            // Of `ssh-rsa AAAA… comment`.
            true => pool_key.get().await?.public_line("").split(' ').nth(1).map(str::to_owned),
            false => None,
        };
        let prefers = network::prefers(client).await?;
        let device = match prefers || template::wants_device(text) {
            true => network::device(client, vm, prefers, undo).await?,
            false => None,
        };
        let host_name = template::host_name(&record.name_label, record.uuid.as_str());
        Ok(template::Values { host_name, public_key, device })
    }

    /// The bytes of the drive.
    async fn disk(&self, text: &str, values: &template::Values, tools_folder: PathBuf) -> Result<Vec<u8>, Error> {
        let (uuid, name, host_name) =
            (self.record.uuid.clone(), self.record.name_label.clone(), values.host_name.clone());
        let (template, user_data) = (text.to_owned(), template::rendered(text, values));
        let built = tokio::task::spawn_blocking(move || {
            let agent = tools::agent(&tools_folder);
            for remark in &agent.remarks {
                tracing::info!(vm = %uuid, "the config drive lacks files of the guest agent: {remark}");
            }
            image::build(&Contents {
                vm: &uuid,
                name: &name,
                host_name: &host_name,
                template: &template,
                user_data: &user_data,
                agent: &agent.files,
            })
        });
        Ok(built.await.map_err(|_| Error::Panicked)??)
    }

    /// Puts the bytes on a disk of their own and gives it to the VM.
    async fn put(&self, disk: Vec<u8>, undo: &mut Undo) -> Result<(VdiUuid, VbdRef), Error> {
        let Self { client, vm, record, sr } = self;
        let new = NewVdi {
            name: DISK_NAME,
            description: "What the VM configures itself by at its first start",
            virtual_size: disk.len() as u64,
            other_config: &[(CONFIG_DRIVE, "True"), (MADE_FOR, record.uuid.as_str())],
        };
        let vdi = storage::create_vdi(client, sr, &new).await.doing("make a disk for the config drive")?;
        undo.vdi(vdi.clone());
        let doing = "see the uuid of the config drive";
        let uuid: String = client.call("VDI.get_uuid", &[(&vdi).into()]).await.doing(doing)?;
        let odd = crate::xapi::Error::Odd { method: "VDI.get_uuid", wanted: "a uuid" };
        let uuid = VdiUuid::parse(&uuid).ok_or(odd).doing(doing)?;
        disks::import(client, &uuid, Bytes::from(disk)).await.doing("write the config drive")?;

        let vbd = match storage::create_vbd(client, vm, &vdi, &[(CONFIG_DRIVE, "True")]).await {
            Err(error) if error.has_code("DEVICE_ALREADY_EXISTS") => return Err(Error::NoDevice(record.uuid.clone())),
            created => created.doing("give the config drive to the VM")?,
        };
        undo.vbd(vbd.clone());
        // It may have been started or stopped since its record was read.
        let doing = "attach the config drive to the running VM";
        let now: Vm = records::read(client, vm).await.doing(doing)?;
        if now.power_state == PowerState::Running {
            match storage::plug(client, &vbd).await {
                // XAPI's rule for VMs without paravirtualised boot (xen-api ocaml/xapi/xapi_vbd.ml): from its next start on
                // the VM has it, and one that runs takes no notice of a new drive anyway.
                Err(error) if error.has_code("DISK_VBD_MUST_BE_READWRITE_FOR_HVM") => {
                    tracing::info!(vm = %record.uuid, "the config drive is attached when the VM is started again");
                }
                plugged => plugged.doing(doing)?,
            }
        }
        Ok((uuid, vbd))
    }
}
