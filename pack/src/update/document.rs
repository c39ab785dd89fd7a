//! `update.xml`: what a pack says of itself to XAPI, to clients and to the host installer.
//!
//! Rules: xen-api, `ocaml/xapi/xapi_pool_update.ml`, `parse_update_info`; host-installer, `repository.py`. The same bytes
//! are the stamp by which XAPI knows later that the pack is installed.

use uuid::Uuid;

use super::xml;
use crate::spec::{PackSpec, PackVersion, Rollup};

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
        for rollup in &spec.rollups {
            let uuid = rollup.uuid.hyphenated().to_string();
            xml::empty(inner, "rollsup", &[("name-label", &rollup.label), ("uuid", &uuid)]);
        }
    });
    xml::finish(document)
}

/// The stamp of an earlier update from the time on that this pack stands for it. XAPI wants a version: where its own is not
/// known, the pack's.
pub fn replaced_stamp(spec: &PackSpec, version: &PackVersion, uuid: Uuid, rollup: &Rollup) -> Vec<u8> {
    let (old, new) = (rollup.uuid.hyphenated().to_string(), uuid.hyphenated().to_string());
    let attributes = [
        ("name-label", rollup.label.as_str()),
        ("version", rollup.version.as_deref().unwrap_or(version.as_str())),
        ("uuid", &old),
        ("installation-size", "0"),
    ];
    let mut document = xml::document();
    xml::nest(&mut document, "update", &attributes, |inner| {
        xml::text(inner, "name-description", &[], &format!("Replaced by {}: {}", spec.label, spec.description));
        xml::empty(inner, "rolled-up-by", &[("name-label", &spec.label), ("uuid", &new)]);
    });
    xml::finish(document)
}
