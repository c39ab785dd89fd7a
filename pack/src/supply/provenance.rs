//! The statement of provenance: in-toto, with a predicate of SLSA's. It is not signed.
//!
//! <https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md>, <https://slsa.dev/spec/v1.0/provenance>

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Contents, Material, Origin, Parameter};
use crate::digest::hex;

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Statement {
    #[serde(rename = "_type")]
    kind: &'static str,
    subject: Vec<Subject>,
    predicate_type: &'static str,
    predicate: Predicate,
}

#[derive(Debug, Clone, Serialize)]
struct Subject {
    name: String,
    digest: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Predicate {
    build_definition: Definition,
    run_details: Run,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Definition {
    build_type: String,
    external_parameters: BTreeMap<String, Parameter>,
    internal_parameters: BTreeMap<String, Parameter>,
    resolved_dependencies: Vec<Resource>,
}

#[derive(Debug, Clone, Serialize)]
struct Resource {
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    digest: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Serialize)]
struct Run {
    builder: Builder,
}

#[derive(Debug, Clone, Serialize)]
struct Builder {
    id: String,
    version: BTreeMap<String, String>,
}

/// What is known of how a pack was built. Subjects are the files on the image, `own` among them.
pub(super) fn statement(origin: &Origin, contents: &Contents<'_>, own: &[(&str, Vec<u8>)]) -> Statement {
    let packages = contents.packages.iter().map(|packed| (packed.path.to_owned(), packed.sha256.to_owned()));
    let files = contents.files.iter().copied().chain(own.iter().map(|(path, content)| (*path, content.as_slice())));
    let files = files.map(|(path, content)| (path.to_owned(), hex(&Sha256::digest(content))));
    let subjects: BTreeMap<String, String> = packages.chain(files).collect();
    let definition = Definition {
        build_type: origin.build_type.clone(),
        external_parameters: origin.parameters.clone(),
        internal_parameters: origin.surroundings.clone(),
        resolved_dependencies: origin.materials.iter().map(Resource::of).collect(),
    };
    let builder = Builder { id: origin.builder.clone(), version: origin.builder_versions.clone() };
    Statement {
        kind: "https://in-toto.io/Statement/v1",
        subject: subjects.into_iter().map(|(name, sha256)| Subject::new(name, sha256)).collect(),
        predicate_type: "https://slsa.dev/provenance/v1",
        predicate: Predicate { build_definition: definition, run_details: Run { builder } },
    }
}

impl Statement {
    /// The same about the image as well.
    pub(super) fn of_image(&self, name: &str, sha256: &str) -> Statement {
        let mut statement = self.clone();
        statement.subject.insert(0, Subject::new(name.into(), sha256.into()));
        statement
    }
}

impl Subject {
    fn new(name: String, sha256: String) -> Subject {
        Subject { name, digest: BTreeMap::from([("sha256".to_owned(), sha256)]) }
    }
}

impl Resource {
    fn of(material: &Material) -> Resource {
        let is_uri = material.name.split_once(':').is_some_and(|(scheme, _)| {
            !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte))
        });
        let name = Some(material.name.clone());
        let (uri, name) = if is_uri { (name, None) } else { (None, name) };
        Resource { uri, name, digest: BTreeMap::from([material.digest.clone()]) }
    }
}
