//! `filelists.xml`: every file of every package.

use super::Entry;
use crate::update::xml::{self, Xml};

pub(super) fn filelists(entries: &[Entry<'_>]) -> Vec<u8> {
    let count = entries.len().to_string();
    let mut document = xml::document();
    let attributes = [("xmlns", "http://linux.duke.edu/metadata/filelists"), ("packages", count.as_str())];
    xml::nest(&mut document, "filelists", &attributes, |inner| {
        for entry in entries {
            write_identity(inner, entry, |package| {
                for file in entry.package.rpm.metadata().get_file_entries().unwrap_or_default() {
                    write_file(package, &format!("{}{}", file.dirname(), file.basename()), Kind::of(&file));
                }
            });
        }
    });
    xml::finish(document)
}

/// `<package>` as filelists.xml and other.xml begin it.
pub(super) fn write_identity(xml: &mut Xml, entry: &Entry<'_>, inner: impl FnOnce(&mut Xml)) {
    let rpm = &entry.package.rpm;
    let attributes = [("pkgid", entry.sha256.as_str()), ("name", rpm.name()), ("arch", rpm.arch())];
    xml::nest(xml, "package", &attributes, |package| {
        let epoch = rpm.epoch().unwrap_or(0).to_string();
        xml::empty(package, "version", &[("epoch", &epoch), ("ver", rpm.version()), ("rel", rpm.release())]);
        inner(package);
    });
}

/// What `<file>` says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Dir,
    Ghost,
}

impl Kind {
    pub(super) fn of(file: &rpm::FileEntry<'_>) -> Kind {
        match file.file_type() {
            rpm::FileType::Dir => Kind::Dir,
            _ if file.flags().contains(rpm::FileFlags::GHOST) => Kind::Ghost,
            _ => Kind::File,
        }
    }
}

pub(super) fn write_file(xml: &mut Xml, path: &str, kind: Kind) {
    let attributes: &[(&str, &str)] = match kind {
        Kind::File => &[],
        Kind::Dir => &[("type", "dir")],
        Kind::Ghost => &[("type", "ghost")],
    };
    xml::text(xml, "file", attributes, path);
}
