//! `other.xml`: the packages' change logs.

use super::Entry;
use super::filelists::write_identity;
use crate::update::xml;

/// As many entries as createrepo_c takes.
const CHANGELOG_LIMIT: usize = 10;

pub(super) fn other(entries: &[Entry<'_>]) -> Vec<u8> {
    let count = entries.len().to_string();
    let mut document = xml::document();
    let attributes = [("xmlns", "http://linux.duke.edu/metadata/other"), ("packages", count.as_str())];
    xml::nest(&mut document, "otherdata", &attributes, |inner| {
        for entry in entries {
            write_identity(inner, entry, |package| {
                let newest_first = entry.package.rpm.metadata().get_changelog_entries().unwrap_or_default();
                let newest: Vec<_> = newest_first.into_iter().take(CHANGELOG_LIMIT).collect();
                for change in newest.iter().rev() {
                    let date = change.timestamp.to_string();
                    xml::text(package, "changelog", &[("author", &change.name), ("date", &date)], &change.description);
                }
            });
        }
    });
    xml::finish(document)
}
