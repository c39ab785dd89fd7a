//! What an author chooses about a pack, beyond names and texts.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Advice to clients (xen-api, ocaml/idl/datamodel_pool.ml: `update_after_apply_guidance`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Guidance {
    #[serde(rename = "restartHVM")]
    RestartHvm,
    #[serde(rename = "restartPV")]
    RestartPv,
    #[serde(rename = "restartHost")]
    RestartHost,
    #[serde(rename = "restartXAPI")]
    RestartXapi,
}

impl Guidance {
    /// All of them.
    pub const ALL: [Guidance; 4] =
        [Guidance::RestartHvm, Guidance::RestartPv, Guidance::RestartHost, Guidance::RestartXapi];

    /// The word of `update.xml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Guidance::RestartHvm => "restartHVM",
            Guidance::RestartPv => "restartPV",
            Guidance::RestartHost => "restartHost",
            Guidance::RestartXapi => "restartXAPI",
        }
    }
}

/// An earlier update that this pack stands for: hosts list it as applied, replaced by this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rollup {
    pub label: String,
    pub uuid: Uuid,
    /// Its version, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// What becomes of the signatures that RPMs bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RpmSignatures {
    /// The pack's key signs every package anew.
    #[default]
    Replace,
    /// A package that is signed stays as it is, byte for byte: hosts must trust its key as well. Others are signed.
    Keep,
}

impl RpmSignatures {
    pub(super) fn is_default(&self) -> bool {
        *self == RpmSignatures::default()
    }
}

/// Which packages a host installer takes from a driver disk into its own memory.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Drivers {
    /// The pack is no driver disk.
    #[default]
    None,
    /// Every package that has kernel modules.
    WithModules,
    /// The packages of these names.
    Named(Vec<String>),
}

impl Drivers {
    /// Whether the pack is no driver disk.
    pub fn is_none(&self) -> bool {
        *self == Drivers::None
    }
}

/// A form in which a pack is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum OutputKind {
    /// An ISO image for 7.1 and later
    Iso,
    /// An ISO image for 7.0 and before
    LegacyIso,
    /// A .tar.gz for 7.0 and before
    LegacyTar,
    /// A folder for 7.0 and before
    LegacyFolder,
}
