//! Where a pack comes from and what is in it: a bill of materials, a statement of provenance, and the licences.
//!
//! All of them follow from what the caller knows ([`Supply`]) and from the packages as they are in the pack
//! ([`Contents`]), so the same pack has the same documents. They go into the image, and with the image's own digest beside
//! it. Must not know how a source tree is looked at, nor how an image is written.

mod difference;
mod licences;
mod provenance;
pub mod purl;
mod recorded;
mod sbom;
mod taken;

use std::collections::BTreeMap;
use std::io::{self, Read};

use serde::Serialize;
use uuid::Uuid;

pub use difference::difference;
pub use recorded::Recorded;
pub use taken::TakenSignatures;

use crate::digest;
use crate::rpm::Rpm;

/// The documents at the root of the image.
pub const NAMES: [&str; 3] = [SBOM, PROVENANCE, LICENCES];
const SBOM: &str = "sbom.cdx.json";
const PROVENANCE: &str = "provenance.json";
const LICENCES: &str = "LICENSES.txt";

/// What a caller knows of a pack, and its packages do not say. Whatever is in it becomes part of the pack, and so of its
/// uuid: nothing that differs from machine to machine or from day to day, unless the packages differ with it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Supply {
    /// What was compiled into packages.
    pub compiled: Vec<Compiled>,
    pub origin: Origin,
}

/// What was compiled into the programs of one package.
#[derive(Debug, Clone, Serialize)]
pub struct Compiled {
    /// Name of the package.
    pub package: String,
    /// Those that are in it by themselves, by their `purl`; all others because one of these uses them.
    pub roots: Vec<String>,
    pub parts: Vec<Part>,
}

/// A library or program that is in another one.
#[derive(Debug, Clone, Serialize)]
pub struct Part {
    pub name: String,
    pub version: String,
    /// Its name for programs (<https://github.com/package-url/purl-spec>), which no other part has.
    pub purl: String,
    /// As its authors state it: an SPDX expression, or nearly one.
    pub licence: Option<String>,
    /// Of the archive that it was taken from, in hexadecimal digits.
    pub sha256: Option<String>,
    /// Where its authors keep its source.
    pub repository: Option<String>,
    /// What it uses, by `purl`.
    pub uses: Vec<String>,
    /// The texts of its licences.
    pub texts: Vec<String>,
}

/// How a pack was built, in the words of SLSA (<https://slsa.dev/spec/v1.0/provenance>).
#[derive(Debug, Clone, Default, Serialize)]
pub struct Origin {
    /// A URI for the way of building, which says what the parameters mean.
    pub build_type: String,
    /// A URI for what builds.
    pub builder: String,
    /// Its parts and their versions.
    pub builder_versions: BTreeMap<String, String>,
    /// What was asked for.
    pub parameters: BTreeMap<String, Parameter>,
    /// What followed from the surroundings.
    pub surroundings: BTreeMap<String, Parameter>,
    /// What it was built from.
    pub materials: Vec<Material>,
}

/// The value of a parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Parameter {
    Text(String),
    Texts(Vec<String>),
    Switch(bool),
}

/// Something that a pack was built from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Material {
    /// A URI, or a plain name.
    pub name: String,
    /// Algorithm, such as `sha256` or `gitCommit`, and digest in hexadecimal digits.
    pub digest: (String, String),
}

/// A pack that is nearly finished.
#[derive(Debug, Clone, Copy)]
pub struct Contents<'a> {
    pub label: &'a str,
    pub version: &'a str,
    pub description: &'a str,
    pub uuid: Uuid,
    /// The one time that the pack bears, in seconds since 1970.
    pub epoch: u32,
    pub packages: &'a [Packed<'a>],
    /// All other files: path on the medium, and content.
    pub files: &'a [(&'a str, &'a [u8])],
}

/// A package as it is in the pack.
#[derive(Debug, Clone, Copy)]
pub struct Packed<'a> {
    pub rpm: &'a Rpm,
    /// Path on the medium.
    pub path: &'a str,
    /// SHA-256 of the whole package, in hexadecimal digits.
    pub sha256: &'a str,
}

/// The documents of a pack.
#[derive(Debug, Clone)]
pub struct Documents {
    sbom: sbom::Bom,
    provenance: provenance::Statement,
    licences: String,
}

impl Documents {
    /// Makes the documents of a pack.
    pub fn new(supply: &Supply, contents: &Contents<'_>) -> Documents {
        let sbom = sbom::bom(supply, contents);
        let licences = licences::text(supply, contents);
        let own = [(SBOM, to_json(&sbom)), (LICENCES, licences.clone().into_bytes())];
        Documents { provenance: provenance::statement(&supply.origin, contents, &own), sbom, licences }
    }

    /// The files that go into the image, by the [`NAMES`] at its root. They cannot name the digest of the image itself.
    pub fn inside(&self) -> [(&'static str, Vec<u8>); 3] {
        let licences = self.licences.clone().into_bytes();
        [(SBOM, to_json(&self.sbom)), (PROVENANCE, to_json(&self.provenance)), (LICENCES, licences)]
    }

    /// The files that lie beside the image, by what follows its name: they name its digest as well.
    pub fn beside(&self, image: &str, sha256: &str) -> [(&'static str, Vec<u8>); 2] {
        let (sbom, provenance) = (self.sbom.of_image(sha256), self.provenance.of_image(image, sha256));
        [("cdx.json", to_json(&sbom)), ("provenance.json", to_json(&provenance))]
    }
}

/// The SHA-256 of a whole stream in hexadecimal digits, as materials have it.
///
/// # Errors
/// Those of reading.
pub fn sha256(stream: impl Read) -> io::Result<String> {
    digest::sha256_hex(stream)
}

/// JSON for people as well, with a line feed at the end.
fn to_json(document: &impl Serialize) -> Vec<u8> {
    let mut json = serde_json::to_vec_pretty(document).expect("documents are plain data");
    json.push(b'\n');
    json
}

#[cfg(test)]
mod tests;
