//! `update.xml`: what a pack says of itself to XAPI, to clients and to the host installer.
//!
//! Rules: xen-api, `ocaml/xapi/xapi_pool_update.ml`, `parse_update_info`; host-installer, `repository.py`. The same bytes
//! are the stamp by which XAPI knows later that the pack is installed.

use quick_xml::events::Event;
use quick_xml::{Reader, XmlVersion};
use uuid::Uuid;

use super::xml;
use crate::spec::{PackSpec, PackVersion};

/// Writes `update.xml`. `installation_size` is in bytes: what the payload takes in dom0.
pub fn update_document(spec: &PackSpec, version: &PackVersion, uuid: Uuid, installation_size: u64) -> Vec<u8> {
    let uuid = uuid.hyphenated().to_string();
    let size = installation_size.to_string();
    let guidance = spec.guidance.iter().map(|g| g.as_str()).collect::<Vec<_>>().join(",");
    let control = format!("control-{}", spec.label);
    let mut attributes = vec![
        ("name-label", spec.label.as_str()),
        ("version", version.as_str()),
        ("uuid", uuid.as_str()),
        ("installation-size", size.as_str()),
        // 8.2 takes a missing key for ".", which breaks its yum configuration: always there.
        ("key", spec.key_file.as_str()),
        // Without it XAPI's precheck checks nothing.
        ("control", control.as_str()),
    ];
    if !guidance.is_empty() {
        attributes.push(("after-apply-guidance", &guidance));
    }
    if spec.enforce_homogeneity {
        attributes.push(("enforce-homogeneity", "true"));
    }
    let mut document = xml::document();
    xml::nest(&mut document, "update", &attributes, |inner| {
        xml::text(inner, "name-description", &[], &spec.description);
    });
    xml::finish(document)
}

/// What XAPI takes from an `update.xml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateDocument {
    pub label: String,
    pub version: String,
    pub uuid: Uuid,
    pub key: String,
    pub control: String,
}

impl UpdateDocument {
    /// Reads an `update.xml` by XAPI's rules.
    ///
    /// # Errors
    /// What XAPI would find missing.
    pub fn parse(bytes: &[u8]) -> Result<UpdateDocument, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "is not UTF-8 text".to_owned())?;
        let mut reader = Reader::from_str(text);
        let root = loop {
            match reader.read_event().map_err(|e| e.to_string())? {
                Event::Start(root) if root.name().as_ref() == "update" => break root.into_owned(),
                Event::Decl(_) | Event::Comment(_) | Event::Text(_) => {}
                _ => return Err("has no root element <update>".into()),
            }
        };
        let attribute = |name: &str| -> Result<String, String> {
            let found = root.try_get_attribute(name).map_err(|e| e.to_string())?;
            let value = found.ok_or_else(|| format!("has no attribute {name}"))?;
            let value = value.normalized_value(XmlVersion::Implicit1_0).map_err(|e| e.to_string())?;
            Ok(value.into_owned())
        };
        let uuid = attribute("uuid")?;
        Ok(UpdateDocument {
            label: attribute("name-label")?,
            version: attribute("version")?,
            uuid: Uuid::parse_str(&uuid).map_err(|e| format!("has the uuid {uuid:?}: {e}"))?,
            key: attribute("key")?,
            control: attribute("control")?,
        })
    }
}
