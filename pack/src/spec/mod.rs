//! What a pack is: `pack.toml` read into a [`PackSpec`] in which every value is valid.
//!
//! Knows the file and its rules; must not know any output format.

mod choices;
mod document;
pub mod legacy;
mod payload;
mod requirement;
mod version;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};
use uuid::Uuid;

pub use choices::{Drivers, Guidance, OutputKind, Rollup, RpmSignatures};
pub(crate) use document::{Document, OneOrSeveral, Origin, PackTable, RollupTable};
pub use legacy::LegacySpec;
pub use payload::{Payload, PayloadFile, PayloadFolder, Scriptlets};
pub use requirement::{Operator, Requirement};
pub(crate) use version::rpm_compare;
pub use version::{PackVersion, Release, Released, SourceState};
pub(crate) use words::{is_file_name, is_word};

use crate::{Error, Result};

/// A pack, as its author describes it. All strings are checked; all scripts are read.
///
/// What is written of it into an image is serialised, because the pack's uuid follows from that; a key that is not used
/// leaves no trace, so that uuids stay as they are when keys are added.
#[derive(Debug, Clone, Serialize)]
pub struct PackSpec {
    /// The folder that paths are relative to. Not part of what the pack is.
    #[serde(skip)]
    pub folder: PathBuf,
    /// The file that says it, for messages.
    #[serde(skip)]
    pub file: PathBuf,
    /// Name on the host: letters, digits, `_` and `-`.
    pub label: String,
    /// Its version, unless the command line says it.
    #[serde(skip)]
    pub version: Option<PackVersion>,
    /// Its uuid, if it is not to follow from the content.
    #[serde(skip)]
    pub uuid: Option<Uuid>,
    /// One line for people.
    pub description: String,
    /// File name of the public key under `/etc/pki/rpm-gpg`.
    pub key_file: String,
    /// What clients advise the administrator to restart afterwards.
    pub guidance: Vec<Guidance>,
    /// Whether every host of a pool must have this very pack.
    pub enforce_homogeneity: bool,
    /// Capabilities that the host must provide.
    pub host: Vec<Requirement>,
    /// Texts of the scripts that run on the host before the pack is applied, in this order.
    #[serde(serialize_with = "as_few_as_possible")]
    pub precheck: Vec<String>,
    /// Text of the script with which an administrator removes the pack.
    pub remove: Option<String>,
    /// Who answers for the pack; with `payload` see there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// Licence of the packages with the pack's metadata; with `payload` see there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// Whether it is a driver disk, and of which packages.
    #[serde(skip_serializing_if = "Drivers::is_none")]
    pub drivers: Drivers,
    /// Earlier updates that it stands for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rollups: Vec<Rollup>,
    /// Text of the comps file, if the author wrote one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_file: Option<String>,
    /// RPM files.
    #[serde(skip)]
    pub rpms: Vec<PathBuf>,
    /// What becomes of their signatures.
    #[serde(skip_serializing_if = "RpmSignatures::is_default")]
    pub rpm_signatures: RpmSignatures,
    /// File name of the image, if it is not label and version.
    #[serde(skip)]
    pub image: Option<String>,
    /// In which forms it is written: at least one, in order.
    #[serde(skip)]
    pub outputs: Vec<OutputKind>,
    /// The RPM that this workspace builds, if it is a pack of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Payload>,
    /// What only the format of 7.0 and before has. Not part of what the pack of the newer format is.
    #[serde(skip)]
    pub legacy: Option<LegacySpec>,
}

/// Nothing, a text, or a list of texts.
fn as_few_as_possible<S: Serializer>(texts: &[String], serializer: S) -> std::result::Result<S::Ok, S::Error> {
    match texts {
        [] => serializer.serialize_none(),
        [only] => serializer.serialize_str(only),
        several => several.serialize(serializer),
    }
}

impl PackSpec {
    /// Reads `pack.toml`, a file of that kind or the one in this folder, and the scripts that it names.
    ///
    /// # Errors
    /// [`Error`] of class `Spec` naming the file, the key and the remedy.
    pub fn read(path: &Path) -> Result<PackSpec> {
        let file = if path.is_dir() { path.join("pack.toml") } else { path.to_path_buf() };
        let text = fs::read_to_string(&file).map_err(|e| {
            Error::spec(
                &file,
                format!("cannot be read: {e}"),
                "It must exist and be UTF-8 text; `git checkout spec` restores this project's own",
            )
        })?;
        let document: Document = toml::from_str(&text).map_err(|e| document::malformed(&file, &text, &e))?;
        let folder = file.parent().unwrap_or(Path::new(""));
        document.into_spec(Origin { file: &file, folder, name: |key| key })
    }

    /// The RPM that this workspace builds.
    ///
    /// # Errors
    /// [`Error`] of class `Spec`: it is a pack of ready RPMs.
    pub fn own_payload(&self) -> Result<&Payload> {
        self.payload.as_ref().ok_or_else(|| {
            Error::spec(&self.file, "has no [payload]", "Build a pack of ready RPMs with `suppack build`")
        })
    }

    /// Where the content of a payload file lies in the source tree, for files that are not built.
    pub fn source_of(&self, file: &PayloadFile) -> PathBuf {
        self.folder.join("dom0").join(file.relative())
    }
}

#[cfg(test)]
mod tests;
