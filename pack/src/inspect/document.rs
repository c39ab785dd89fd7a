//! `update.xml`, with everything that is in it.

use serde::Serialize;

use crate::contents::Contents;
use crate::xml::Document as Xml;

/// What a pack says of itself to XAPI and clients.
#[derive(Debug, Clone, Serialize)]
pub struct Document {
    /// Every attribute of the root element, in the order of the file.
    pub attributes: Vec<(String, String)>,
    pub description: Option<String>,
    /// What it takes the place of.
    pub rolls_up: Vec<RolledUp>,
    /// Names of elements that no reader of packs knows.
    pub others: Vec<String>,
}

/// Another update that a pack contains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RolledUp {
    pub label: Option<String>,
    pub uuid: Option<String>,
}

impl Document {
    /// Reads `update.xml` of a pack.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(super) fn read(contents: &Contents) -> Result<Document, String> {
        let bytes = contents.small("update.xml").map_err(|problem| format!("update.xml {problem}"))?;
        Document::parse(&bytes.ok_or("update.xml is not there")?)
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Document, String> {
        let root = Xml::parse(bytes).map_err(|problem| format!("update.xml {problem}"))?.root;
        if root.name != "update" {
            return Err(format!("update.xml has the root element {}, not update", root.name));
        }
        let rolled_up = root.all("rollsup").map(|element| RolledUp {
            label: element.attribute("name-label").map(str::to_owned),
            uuid: element.attribute("uuid").map(str::to_owned),
        });
        let known = ["name-description", "rollsup"];
        Ok(Document {
            description: root.text_of("name-description").map(str::to_owned),
            rolls_up: rolled_up.collect(),
            others: root.children.iter().map(|child| child.name.clone()).filter(|n| !known.contains(&&**n)).collect(),
            attributes: root.attributes,
        })
    }

    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// What the pack is called.
    pub fn label(&self) -> Option<&str> {
        self.attribute("name-label")
    }
}
