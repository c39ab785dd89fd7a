//! `primary.xml`: what package tools need to resolve dependencies.

use super::Entry;
use super::dependencies::{self, DependencyList};
use super::filelists::{Kind, write_file};
use crate::rpm::Rpm;
use crate::update::xml::{self, Xml};

pub(super) fn primary(entries: &[Entry<'_>], epoch: u32) -> Vec<u8> {
    let count = entries.len().to_string();
    let mut document = xml::document();
    let attributes = [
        ("xmlns", "http://linux.duke.edu/metadata/common"),
        ("xmlns:rpm", "http://linux.duke.edu/metadata/rpm"),
        ("packages", count.as_str()),
    ];
    xml::nest(&mut document, "metadata", &attributes, |inner| {
        for entry in entries {
            xml::nest(inner, "package", &[("type", "rpm")], |package| write_package(package, entry, epoch));
        }
    });
    xml::finish(document)
}

fn write_package(xml: &mut Xml, entry: &Entry<'_>, epoch: u32) {
    let rpm = &entry.package.rpm;
    let m = rpm.metadata();
    xml::text(xml, "name", &[], rpm.name());
    xml::text(xml, "arch", &[], rpm.arch());
    let package_epoch = rpm.epoch().unwrap_or(0).to_string();
    xml::empty(xml, "version", &[("epoch", &package_epoch), ("ver", rpm.version()), ("rel", rpm.release())]);
    xml::text(xml, "checksum", &[("type", "sha256"), ("pkgid", "YES")], &entry.sha256);
    xml::text(xml, "summary", &[], m.get_summary().unwrap_or_default());
    xml::text(xml, "description", &[], m.get_description().unwrap_or_default());
    xml::text(xml, "packager", &[], m.get_packager().unwrap_or_default());
    xml::text(xml, "url", &[], m.get_url().unwrap_or_default());
    let built = m.get_build_time().unwrap_or(0).to_string();
    xml::empty(xml, "time", &[("file", &epoch.to_string()), ("build", &built)]);
    let (size, installed, archive) = (entry.package.length(), rpm.installed_size(), rpm.archive_size());
    xml::empty(
        xml,
        "size",
        &[("package", &size.to_string()), ("installed", &installed.to_string()), ("archive", &archive.to_string())],
    );
    xml::empty(xml, "location", &[("href", &entry.path)]);
    xml::nest(xml, "format", &[], |format| write_format(format, entry, rpm));
}

fn write_format(xml: &mut Xml, entry: &Entry<'_>, rpm: &Rpm) {
    let m = rpm.metadata();
    xml::text(xml, "rpm:license", &[], m.get_license().unwrap_or_default());
    xml::text(xml, "rpm:vendor", &[], m.get_vendor().unwrap_or_default());
    xml::text(xml, "rpm:group", &[], m.get_group().unwrap_or_default());
    xml::text(xml, "rpm:buildhost", &[], m.get_build_host().unwrap_or_default());
    xml::text(xml, "rpm:sourcerpm", &[], m.get_source_rpm().unwrap_or_default());
    let (start, end) = entry.package.header_range();
    xml::empty(xml, "rpm:header-range", &[("start", &start.to_string()), ("end", &end.to_string())]);
    for list in DependencyList::ALL {
        dependencies::write(xml, rpm, list);
    }
    for file in m.get_file_entries().unwrap_or_default() {
        let path = format!("{}{}", file.dirname(), file.basename());
        if is_primary(&path) {
            write_file(xml, &path, Kind::of(&file));
        }
    }
}

/// Which files primary.xml lists; packages may require these without the tools having to fetch filelists.xml.
pub(super) fn is_primary(path: &str) -> bool {
    path.starts_with("/etc/") || path == "/usr/lib/sendmail" || path.contains("bin/")
}
