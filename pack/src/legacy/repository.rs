//! `XS-REPOSITORY`: what a pack of the older format says of itself.
//!
//! Written so that every reader gets the same: XAPI takes the first child for the description (xen-api,
//! `create_misc.ml`), the vendor's shell installer reads line by line and knows no entities (supp-pack-build,
//! `suppack-install.sh`). Read as python-libs does (`xcp/repository.py`).

use std::fmt::Write;

use crate::spec::LegacySpec;
use crate::spec::legacy::{PackId, PackRequirement};
use crate::xml::{Document, Element};

/// Name of the file.
pub const FILE: &str = "XS-REPOSITORY";

/// What stands in the file, as it stands there.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Repository {
    pub originator: String,
    pub name: String,
    pub product: String,
    pub version: String,
    pub build: Option<String>,
    pub description: String,
    pub requires: Vec<Requires>,
    /// Only in packs of this project: identities of packs that are gone once their packages were replaced.
    pub replaces: Vec<String>,
    pub memory_requirement_mb: Option<String>,
    pub enforce_homogeneity: bool,
    pub hidden: bool,
}

/// A pack that must be on the host, as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Requires {
    pub originator: String,
    pub name: String,
    pub test: String,
    pub product: String,
    pub version: String,
    pub build: Option<String>,
}

impl Requires {
    /// `originator:name`.
    pub fn identifier(&self) -> String {
        format!("{}:{}", self.originator, self.name)
    }

    fn of(requirement: &PackRequirement) -> Requires {
        let PackRequirement { id, test, product, version, build } = requirement;
        Requires {
            originator: id.originator.clone(),
            name: id.name.clone(),
            test: test.as_str().into(),
            product: product.as_str().into(),
            version: version.clone(),
            build: build.clone(),
        }
    }
}

impl Repository {
    /// Of a pack with this version and build.
    pub fn of(spec: &LegacySpec, version: String, build: String) -> Repository {
        Repository {
            originator: spec.id.originator.clone(),
            name: spec.id.name.clone(),
            product: spec.product.as_str().into(),
            version,
            build: Some(build),
            description: spec.description.clone(),
            requires: spec.requires.iter().map(Requires::of).collect(),
            replaces: spec.replaces.iter().map(PackId::to_string).collect(),
            memory_requirement_mb: spec.memory_requirement_mb.map(|mb| mb.to_string()),
            enforce_homogeneity: spec.enforce_homogeneity,
            hidden: spec.hidden,
        }
    }

    /// `originator:name`: the folder's name below `/etc/xensource/installed-repos`.
    pub fn identifier(&self) -> String {
        format!("{}:{}", self.originator, self.name)
    }

    /// What XAPI publishes of it in a host's `software_version`.
    pub fn published(&self) -> String {
        let build = self.build.as_ref().map_or(String::new(), |build| format!(", build {build}"));
        let homogeneous = if self.enforce_homogeneity { ", homogeneous" } else { "" };
        format!("{}, version {}{build}{homogeneous}", self.description, self.version)
    }

    /// The file's text. Every value is one that needs no entity ([`LegacySpec`]).
    pub fn to_text(&self) -> String {
        let mut text = String::from("<repository");
        let flag = |set: bool| set.then(|| "true".to_owned());
        for (name, value) in [
            ("originator", Some(self.originator.clone())),
            ("name", Some(self.name.clone())),
            ("product", Some(self.product.clone())),
            ("version", Some(self.version.clone())),
            ("build", self.build.clone()),
            ("memory-requirement-mb", self.memory_requirement_mb.clone()),
            ("enforce-homogeneity", flag(self.enforce_homogeneity)),
            ("hidden", flag(self.hidden)),
        ] {
            attribute(&mut text, name, value.as_deref());
        }
        let _ = writeln!(text, ">\n  <description>{}</description>", self.description);
        for requires in &self.requires {
            text += "  <requires";
            for (name, value) in [
                ("originator", Some(&requires.originator)),
                ("name", Some(&requires.name)),
                ("test", Some(&requires.test)),
                ("product", Some(&requires.product)),
                ("version", Some(&requires.version)),
                ("build", requires.build.as_ref()),
            ] {
                attribute(&mut text, name, value.map(String::as_str));
            }
            text += "/>\n";
        }
        for id in &self.replaces {
            let (originator, name) = id.split_once(':').unwrap_or((id, ""));
            let _ = writeln!(text, "  <replaces originator=\"{originator}\" name=\"{name}\"/>");
        }
        text += "</repository>\n";
        text
    }

    /// Reads the file as strictly as python-libs.
    ///
    /// # Errors
    /// Why that would refuse it, to follow the file's name.
    pub fn read(bytes: &[u8]) -> Result<Repository, String> {
        let document = Document::parse(bytes)?;
        let nodes = everywhere(&document.root, "repository");
        let node = nodes.first().ok_or("has no element repository")?;
        let mandatory = |attribute: &str| match value(node, attribute) {
            Some(value) => Ok(value),
            None => Err(format!("has no attribute {attribute}")),
        };
        let descriptions = everywhere(&document.root, "description");
        let description = descriptions.first().ok_or("has no element description")?;
        let requires = everywhere(&document.root, "requires").into_iter().map(|node| {
            let text = |attribute: &str| value(node, attribute).unwrap_or_default();
            let requires = Requires {
                originator: text("originator"),
                name: text("name"),
                test: text("test"),
                product: text("product"),
                version: text("version"),
                build: value(node, "build"),
            };
            requires.test.parse::<crate::spec::legacy::Test>()?;
            Ok(requires)
        });
        Ok(Repository {
            originator: mandatory("originator")?,
            name: mandatory("name")?,
            product: mandatory("product")?,
            version: mandatory("version")?,
            build: value(node, "build"),
            description: description.text.trim().to_owned(),
            requires: requires.collect::<Result<_, String>>()?,
            replaces: everywhere(&document.root, "replaces")
                .into_iter()
                .map(|node| {
                    let part = |attribute| value(node, attribute).unwrap_or_default();
                    format!("{}:{}", part("originator"), part("name"))
                })
                .collect(),
            memory_requirement_mb: value(node, "memory-requirement-mb"),
            enforce_homogeneity: value(node, "enforce-homogeneity").is_some_and(|value| value == "true"),
            hidden: value(node, "hidden").is_some_and(|value| value == "true"),
        })
    }
}

/// ` name="value"`, if there is one.
pub(super) fn attribute(text: &mut String, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        let _ = write!(text, " {name}=\"{value}\"");
    }
}

/// An attribute that is not empty: python-libs takes no difference between that and none.
pub(super) fn value(element: &Element, attribute: &str) -> Option<String> {
    element.attribute(attribute).filter(|value| !value.is_empty()).map(str::to_owned)
}

/// Every element of a name, wherever it is: as the readers' `getElementsByTagName`.
pub(super) fn everywhere<'a>(element: &'a Element, name: &str) -> Vec<&'a Element> {
    let own = (element.name == name).then_some(element);
    own.into_iter().chain(element.children.iter().flat_map(|child| everywhere(child, name))).collect()
}
