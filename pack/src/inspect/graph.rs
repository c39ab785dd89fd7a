//! Who needs whom within a pack, and what all of it wants from a host.

use std::collections::BTreeMap;

use serde::Serialize;

use super::package::PackageFile;
use crate::rpm::package::Package;

/// The dependencies of a pack's packages.
#[derive(Debug, Serialize)]
pub struct Graph {
    /// What packages need of others in the pack.
    pub needs: Vec<Need>,
    /// What must be on a host already.
    pub host: Vec<Wanted>,
    /// What the host's rpm must be able to do.
    pub rpm_features: Vec<String>,
}

/// A package that needs others in the pack.
#[derive(Debug, Serialize)]
pub struct Need {
    pub package: String,
    /// Capability, and the names of the packages that provide it.
    pub of: Vec<(String, Vec<String>)>,
}

/// A capability that no package of the pack provides.
#[derive(Debug, Serialize)]
pub struct Wanted {
    pub capability: String,
    /// Names of the packages that require it.
    pub by: Vec<String>,
}

impl Graph {
    pub(super) fn of(packages: &[PackageFile]) -> Graph {
        let known: Vec<&Package> = packages.iter().filter_map(|file| Some(&file.found.known()?.facts)).collect();
        let mut providers: BTreeMap<&str, Vec<&Package>> = BTreeMap::new();
        for package in &known {
            for name in package.provides.iter().map(|provided| provided.name.as_str()) {
                providers.entry(name).or_default().push(package);
            }
            for path in package.files.iter().map(|file| file.path.as_str()) {
                providers.entry(path).or_default().push(package);
            }
        }
        let (mut needs, mut features) = (Vec::new(), Vec::new());
        let mut host: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for package in &known {
            let mut of: Vec<(String, Vec<String>)> = Vec::new();
            for wanted in &package.requires {
                if wanted.name.starts_with("rpmlib(") {
                    features.push(wanted.to_string());
                    continue;
                }
                let offered = providers.get(wanted.name.as_str()).into_iter().flatten();
                let mut met: Vec<String> =
                    offered.filter(|other| other.meets(wanted)).map(|other| other.name.clone()).collect();
                met.sort();
                met.dedup();
                match met.as_slice() {
                    [] => {
                        let by = host.entry(wanted.to_string()).or_default();
                        if by.last() != Some(&package.name) {
                            by.push(package.name.clone());
                        }
                    }
                    // What it brings itself is no dependency.
                    [own] if *own == package.name => {}
                    _ => of.push((wanted.to_string(), met)),
                }
            }
            of.sort();
            of.dedup();
            if !of.is_empty() {
                needs.push(Need { package: package.name.clone(), of });
            }
        }
        features.sort();
        features.dedup();
        let host = host.into_iter().map(|(capability, by)| Wanted { capability, by }).collect();
        Graph { needs, host, rpm_features: features }
    }
}
