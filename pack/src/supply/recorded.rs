//! What a finished image says of how it was built.

use std::collections::BTreeMap;

use serde_json::Value;

use super::PROVENANCE;
use crate::image::PackImage;

/// The way of building, its parameters and its surroundings, as the statement on an image has them. Nothing vouches for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recorded {
    pub build_type: String,
    /// Parts of the builder and their versions.
    pub builder_versions: BTreeMap<String, String>,
    /// Parameters that are texts.
    pub parameters: BTreeMap<String, String>,
    /// Surroundings that are texts.
    pub surroundings: BTreeMap<String, String>,
    /// What it was built from: name, algorithm and digest.
    pub materials: Vec<(String, String, String)>,
}

impl Recorded {
    /// Reads the statement of an image.
    ///
    /// # Errors
    /// Why there is none, to follow the image's name.
    pub fn of(image: &PackImage) -> Result<Recorded, String> {
        let entry = image.file(PROVENANCE).ok_or_else(|| format!("has no {PROVENANCE}"))?;
        let content = image.content(entry).map_err(|problem| format!("has a {PROVENANCE} that {problem}"))?;
        let statement: Value =
            serde_json::from_slice(&content).map_err(|e| format!("has a {PROVENANCE} that is not JSON: {e}"))?;
        Ok(Recorded::read(&statement))
    }

    fn read(statement: &Value) -> Recorded {
        let definition = &statement["predicate"]["buildDefinition"];
        let materials = definition["resolvedDependencies"].as_array().into_iter().flatten();
        Recorded {
            build_type: definition["buildType"].as_str().unwrap_or_default().to_owned(),
            builder_versions: texts(&statement["predicate"]["runDetails"]["builder"]["version"]),
            parameters: texts(&definition["externalParameters"]),
            surroundings: texts(&definition["internalParameters"]),
            materials: materials.filter_map(material).collect(),
        }
    }

    /// The digest by this algorithm of the material of this name.
    pub fn digest(&self, name: &str, algorithm: &str) -> Option<&str> {
        let found = self.materials.iter().find(|(other, kind, _)| (other.as_str(), kind.as_str()) == (name, algorithm));
        found.map(|(_, _, digest)| digest.as_str())
    }
}

fn texts(object: &Value) -> BTreeMap<String, String> {
    let pairs = object.as_object().into_iter().flatten();
    pairs.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

fn material(resource: &Value) -> Option<(String, String, String)> {
    let name = resource["uri"].as_str().or_else(|| resource["name"].as_str())?;
    let (algorithm, digest) = resource["digest"].as_object()?.iter().next()?;
    Some((name.to_owned(), algorithm.clone(), digest.as_str()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_statement_of_anything_is_read_as_far_as_it_makes_sense() {
        for statement in
            [json!(null), json!([1]), json!({"predicate": {"buildDefinition": {"resolvedDependencies": [1, {}]}}})]
        {
            assert_eq!(Recorded::read(&statement), Recorded::default(), "{statement}");
        }
    }
}
