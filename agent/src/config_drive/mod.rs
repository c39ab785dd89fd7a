//! Config drives: small disks with a text by which a VM configures itself at its first start, made of a template, given
//! to the VM, and read back.
//!
//! Knows what is on a drive and the steps by which a VM gets one; must not know who asks, nor containers.
//!
//! | module | knows |
//! |---|---|
//! | [`template`] | placeholders, and what they become for a VM; pure |
//! | [`family`] | which text is for which template; pure |
//! | [`default`] | the text to begin with |
//! | [`image`] | the drive as bytes, and the text in them; pure |
//! | [`tools`] | the guest agent's files on the host |
//! | `create` | the steps |
//! | `network`, `existing`, `undo` | parts of them |

mod create;
pub mod default;
mod error;
mod existing;
pub mod family;
pub mod image;
mod iso;
mod network;
pub mod template;
#[cfg(test)]
mod tests;
pub mod tools;
mod undo;

use std::path::PathBuf;

use crate::xapi::records::{self, Vdi, VdiRef};
use crate::xapi::{self, Client, VdiUuid, VmRef, VmUuid, disks};

pub use create::create;
use error::Doing;
pub use error::Error;
use family::Family;

/// What people see; the original's name, by which its drives are found, too.
pub const DISK_NAME: &str = "Automatic Config Drive";

/// Files on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// An administrator's text, which need not be there.
    pub template: PathBuf,
    /// The folder with images of guest tools, which need not be there.
    pub tools_folder: PathBuf,
}

impl Default for Places {
    fn default() -> Self {
        Self { template: default::OVERRIDE.into(), tools_folder: tools::DEFAULT_FOLDER.into() }
    }
}

/// The text that a new VM of a template begins with: lines end in LF, nothing is around it, `#cloud-config` comes first
/// unless an administrator's text begins differently. Without a template, or if XAPI does not tell what it is called, it
/// is the general one: clients show no reason why there is none.
///
/// # Errors
/// [`Error::Template`], [`Error::Xapi`]
pub async fn default_text(client: &Client, places: &Places, template: Option<&VmUuid>) -> Result<String, Error> {
    let family = match template {
        None => Family::General,
        Some(uuid) => family_of(client, uuid).await.unwrap_or_else(|error| {
            tracing::info!(template = %uuid, %error, "it is not known what the template is for: giving the general text");
            Family::General
        }),
    };
    default::text(&places.template, family, network::prefers(client).await?)
}

async fn family_of(client: &Client, template: &VmUuid) -> Result<Family, xapi::Error> {
    let template: VmRef = client.call("VM.get_by_uuid", &[template.as_str().into()]).await?;
    let name: String = client.call("VM.get_name_label", &[(&template).into()]).await?;
    let label: String = client.call("VM.get_reference_label", &[(&template).into()]).await?;
    Ok(Family::of(&name, &label))
}

/// The text that a config drive was made from, with its placeholders: as it was given, but that lines end in LF and
/// nothing is around it. Nothing on the disk is believed: it may be any disk.
///
/// # Errors
/// [`Error`]; [`Error::Redirected`] if another host has to read it.
pub async fn configuration(client: &Client, vdi: &VdiUuid) -> Result<String, Error> {
    let doing = "find the config drive";
    let reference: VdiRef = match client.call("VDI.get_by_uuid", &[vdi.as_str().into()]).await {
        Err(error) if error.is_uuid_invalid() => return Err(Error::NoVdi(vdi.clone())),
        found => found.doing(doing)?,
    };
    let record: Vdi = records::read(client, &reference).await.doing(doing)?;
    let bytes = record.virtual_size;
    if bytes > image::MAX_IMAGE_BYTES {
        return Err(Error::TooLarge { vdi: vdi.clone(), bytes });
    }
    let disk = disks::export(client, vdi, bytes).await.doing("read the config drive")?;
    let text = tokio::task::spawn_blocking(move || image::text(&disk)).await.map_err(|_| Error::Panicked)?;
    text.map_err(|cause| Error::NoText { vdi: vdi.clone(), cause })
}
