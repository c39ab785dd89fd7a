//! `repomd.xml`: names, sizes and checksums of the other files.

use super::Metadata;
use crate::update::xml;

pub(super) fn repomd(metadata: &[Metadata], epoch: u32) -> Vec<u8> {
    let epoch = epoch.to_string();
    let mut document = xml::document();
    let namespaces =
        [("xmlns", "http://linux.duke.edu/metadata/repo"), ("xmlns:rpm", "http://linux.duke.edu/metadata/rpm")];
    xml::nest(&mut document, "repomd", &namespaces, |inner| {
        xml::text(inner, "revision", &[], &epoch);
        for file in metadata {
            xml::nest(inner, "data", &[("type", file.kind)], |data| {
                let sha256 = [("type", "sha256")];
                xml::text(data, "checksum", &sha256, &Metadata::checksum(&file.stored));
                // An uncompressed file has no open checksum and size.
                if !file.open.is_empty() {
                    xml::text(data, "open-checksum", &sha256, &Metadata::checksum(&file.open));
                }
                xml::empty(data, "location", &[("href", &format!("repodata/{}", file.name))]);
                xml::text(data, "timestamp", &[], &epoch);
                xml::text(data, "size", &[], &file.stored.len().to_string());
                if !file.open.is_empty() {
                    xml::text(data, "open-size", &[], &file.open.len().to_string());
                }
            });
        }
    });
    xml::finish(document)
}
