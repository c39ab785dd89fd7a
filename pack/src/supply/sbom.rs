//! The bill of materials: CycloneDX 1.6 as JSON.
//!
//! <https://cyclonedx.org/docs/1.6/json/>

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;
use uuid::{Uuid, uuid};

use super::{Contents, Packed, Part, Supply, purl, to_json};
use crate::rpm::package::Package;

/// Namespace of the serial numbers: the same content has the same number, any change another.
const NAMESPACE: Uuid = uuid!("1d6c7bb5-6a0e-4f0c-8c9a-2b1d1b8a7d37");

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Bom {
    bom_format: &'static str,
    spec_version: &'static str,
    serial_number: String,
    version: u32,
    metadata: Metadata,
    components: Vec<Component>,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Clone, Serialize)]
struct Metadata {
    timestamp: String,
    tools: Tools,
    component: Component,
}

#[derive(Debug, Clone, Serialize)]
struct Tools {
    components: Vec<Component>,
}

#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Component {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "bom-ref", skip_serializing_if = "String::is_empty")]
    reference: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    supplier: Option<Organization>,
    name: String,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hashes: Vec<Hash>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    licenses: Vec<Licence>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purl: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_references: Vec<Reference>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    properties: Vec<Property>,
}

#[derive(Debug, Clone, Serialize)]
struct Organization {
    name: String,
}

#[derive(Debug, Clone, Serialize)]
struct Hash {
    alg: &'static str,
    content: String,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "lowercase")]
enum Licence {
    /// An SPDX expression.
    Expression(String),
    /// Anything else that authors wrote.
    License { name: String },
}

#[derive(Debug, Clone, Serialize)]
struct Reference {
    #[serde(rename = "type")]
    kind: &'static str,
    url: String,
}

#[derive(Debug, Clone, Serialize)]
struct Property {
    name: &'static str,
    value: String,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Dependency {
    r#ref: String,
    depends_on: BTreeSet<String>,
}

/// The bill of materials of a pack, without the digest of its image.
pub(super) fn bom(supply: &Supply, contents: &Contents<'_>) -> Bom {
    let pack = purl::generic(contents.label, contents.version);
    let mut components = BTreeMap::new();
    let mut dependencies = BTreeMap::new();
    dependencies.insert(pack.clone(), contents.packages.iter().map(|packed| purl::of_rpm(packed.rpm)).collect());
    for (packed, needed) in contents.packages.iter().zip(needed(contents.packages)) {
        let reference = purl::of_rpm(packed.rpm);
        components.insert(reference.clone(), of_package(packed));
        dependencies.insert(reference, needed);
    }
    for compiled in &supply.compiled {
        for packed in contents.packages.iter().filter(|packed| packed.rpm.name() == compiled.package) {
            dependencies.entry(purl::of_rpm(packed.rpm)).or_default().extend(compiled.roots.iter().cloned());
        }
        for part in &compiled.parts {
            components.insert(part.purl.clone(), of_part(part));
            dependencies.entry(part.purl.clone()).or_default().extend(part.uses.iter().cloned());
        }
    }
    let component = Component {
        kind: "application",
        reference: pack.clone(),
        name: contents.label.into(),
        version: contents.version.into(),
        description: Some(contents.description.into()),
        purl: Some(pack),
        properties: vec![Property { name: "suppack:uuid", value: contents.uuid.to_string() }],
        ..Component::default()
    };
    let tool = Component {
        kind: "application",
        name: "suppack".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        ..Component::default()
    };
    let dependencies = dependencies.into_iter().map(|(r#ref, depends_on)| Dependency { r#ref, depends_on });
    Bom {
        bom_format: "CycloneDX",
        spec_version: "1.6",
        serial_number: String::new(),
        version: 1,
        metadata: Metadata { timestamp: timestamp(contents.epoch), tools: Tools { components: vec![tool] }, component },
        components: components.into_values().collect(),
        dependencies: dependencies.collect(),
    }
    .numbered()
}

impl Bom {
    /// The same with the digest of the image.
    pub(super) fn of_image(&self, sha256: &str) -> Bom {
        let mut bom = self.clone();
        bom.metadata.component.hashes = vec![Hash::sha256(sha256)];
        bom.numbered()
    }

    fn numbered(mut self) -> Bom {
        self.serial_number = String::new();
        self.serial_number = format!("urn:uuid:{}", Uuid::new_v5(&NAMESPACE, &to_json(&self)));
        self
    }
}

impl Hash {
    fn sha256(digest: &str) -> Hash {
        Hash { alg: "SHA-256", content: digest.into() }
    }
}

fn of_package(packed: &Packed<'_>) -> Component {
    let rpm = packed.rpm;
    let metadata = rpm.metadata();
    let text = |text: Result<&str, rpm::Error>| text.ok().filter(|text| !text.is_empty()).map(str::to_owned);
    let purl = purl::of_rpm(rpm);
    Component {
        kind: "application",
        reference: purl.clone(),
        supplier: text(metadata.get_vendor()).map(|name| Organization { name }),
        name: rpm.name().into(),
        version: rpm.evr(),
        description: text(metadata.get_summary()),
        hashes: vec![Hash::sha256(packed.sha256)],
        licenses: text(metadata.get_license()).map(|text| licence(&text)).into_iter().collect(),
        purl: Some(purl),
        external_references: Vec::new(),
        properties: vec![
            Property { name: "suppack:architecture", value: rpm.arch().into() },
            Property { name: "suppack:path", value: packed.path.into() },
        ],
    }
}

fn of_part(part: &Part) -> Component {
    Component {
        kind: "library",
        reference: part.purl.clone(),
        name: part.name.clone(),
        version: part.version.clone(),
        hashes: part.sha256.iter().map(|digest| Hash::sha256(digest)).collect(),
        licenses: part.licence.iter().map(|text| licence(text)).collect(),
        purl: Some(part.purl.clone()),
        external_references: part.repository.iter().map(|url| Reference { kind: "vcs", url: url.clone() }).collect(),
        ..Component::default()
    }
}

fn licence(text: &str) -> Licence {
    match super::licences::expression(text) {
        Some(expression) => Licence::Expression(expression),
        None => Licence::License { name: text.into() },
    }
}

/// For each package the others of the pack that meet what it requires.
fn needed(packages: &[Packed<'_>]) -> Vec<BTreeSet<String>> {
    let read: Vec<Option<Package>> = packages.iter().map(|packed| Package::of(packed.rpm).ok()).collect();
    // By what is offered, as packs may have thousands of packages.
    let mut offers: HashMap<&str, BTreeSet<usize>> = HashMap::new();
    for (index, package) in read.iter().enumerate() {
        let Some(package) = package else { continue };
        let names = package.provides.iter().map(|provided| provided.name.as_str());
        for name in names.chain(package.files.iter().map(|file| file.path.as_str())) {
            offers.entry(name).or_default().insert(index);
        }
    }
    let needed = read.iter().enumerate().map(|(index, package)| {
        let mut needed = BTreeSet::new();
        for wanted in package.iter().flat_map(|package| &package.requires) {
            for offer in offers.get(wanted.name.as_str()).into_iter().flatten().filter(|offer| **offer != index) {
                if read[*offer].as_ref().is_some_and(|package| package.meets(wanted)) {
                    needed.insert(purl::of_rpm(packages[*offer].rpm));
                }
            }
        }
        needed
    });
    needed.collect()
}

fn timestamp(epoch: u32) -> String {
    let time = chrono::DateTime::from_timestamp(epoch.into(), 0).unwrap_or_default();
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
