//! What the oldest host's package tools (rpm 4.11.3, yum 3.4.3) accept of a package.
//!
//! A package that breaks one of these rules is refused on the host, some of them late and with a message that helps
//! nobody, so the builder refuses it first. Found by running those versions.

use rpm::IndexTag;

use super::{Rpm, payload};
use crate::{Error, Result};

/// `rpm --showrc` of rpm 4.11.3: the `rpmlib()` features that a package may require.
pub(crate) const RPMLIB: [&str; 16] = [
    "BuiltinLuaScripts",
    "CompressedFileNames",
    "ConcurrentAccess",
    "ExplicitPackageProvide",
    "FileCaps",
    "FileDigests",
    "HeaderLoadSortsTags",
    "PartialHardlinkSets",
    "PayloadFilesHavePrefix",
    "PayloadIsBzip2",
    "PayloadIsLzma",
    "PayloadIsXz",
    "ScriptletExpansion",
    "ScriptletInterpreterArgs",
    "TildeInVersions",
    "VersionedDependencies",
];

/// Refuses a package that the oldest host would not install.
///
/// # Errors
/// [`Error`] of class `Payload` with the first rule that it breaks.
pub fn check(rpm: &Rpm) -> Result<()> {
    let refuse = |problem: String, remedy: &str| Err(Error::payload(rpm.source().name(), problem, remedy));
    let metadata = rpm.metadata();
    if metadata.is_source_package() {
        return refuse("is a source package".into(), "Give the binary package that was built from it");
    }
    if !["x86_64", "noarch"].contains(&rpm.arch()) {
        return refuse(
            format!("is for architecture {}", rpm.arch()),
            "Hosts are x86_64: build it for x86_64 or noarch",
        );
    }
    let tag = |tag: IndexTag| metadata.header.get_entry_data_as_string(tag).ok();
    if let Some(format) = tag(IndexTag::RPMTAG_PAYLOADFORMAT).filter(|format| *format != "cpio") {
        return refuse(
            format!("has a payload of format {format}"),
            "Build it with rpmbuild, whose payloads are cpio archives",
        );
    }
    let compressor = rpm.payload_compressor();
    if !payload::can_be_read(rpm) {
        return refuse(
            format!("has a payload compressed with {compressor}, which rpm 4.11 of the hosts cannot read"),
            "Build it with gzip: `rpmbuild --define '_binary_payload w9.gzdio'`, or `cargo generate-rpm --payload-compress gzip`",
        );
    }
    for version in [rpm.version(), rpm.release()] {
        if version.contains('^') {
            return refuse(
                format!("has '^' in its version {version}, which rpm 4.11 cannot compare"),
                "Use '.' or '+' instead",
            );
        }
    }
    check_dependencies(rpm)?;
    if metadata.header.entry_is_present(IndexTag::RPMTAG_FILETRIGGERNAME)
        || metadata.header.entry_is_present(IndexTag::RPMTAG_TRANSFILETRIGGERNAME)
    {
        return refuse(
            "has file triggers, which rpm 4.11 silently ignores".into(),
            "Do their work in %post and %postun scriptlets",
        );
    }
    Ok(())
}

fn check_dependencies(rpm: &Rpm) -> Result<()> {
    let m = rpm.metadata();
    let lists = [m.get_requires(), m.get_provides(), m.get_conflicts(), m.get_obsoletes()];
    for dependency in lists.into_iter().filter_map(std::result::Result::ok).flatten() {
        let refuse = |problem: String, remedy: &str| Err(Error::payload(rpm.source().name(), problem, remedy));
        if dependency.name.starts_with('(') {
            return refuse(
                format!("has the rich dependency {:?}, which yum 3.4.3 of the hosts cannot parse", dependency.name),
                "Write plain dependencies only",
            );
        }
        if dependency.version.contains('^') {
            return refuse(
                format!("depends on {} {}, whose '^' rpm 4.11 cannot compare", dependency.name, dependency.version),
                "Use a version without '^'",
            );
        }
        let feature = dependency.name.strip_prefix("rpmlib(").and_then(|name| name.strip_suffix(')'));
        if let Some(feature) = feature.filter(|feature| !RPMLIB.contains(feature)) {
            let remedy = match feature {
                "LargeFiles" => "No file in it may be 4 GiB or larger",
                "PayloadIsZstd" => "Build it with a gzip payload",
                _ => "Build it with an rpmbuild of EL 7, or without that feature",
            };
            return refuse(format!("needs rpmlib({feature}), which rpm 4.11 of the hosts does not have"), remedy);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rpm::{Dependency, PackageBuilder};

    use super::*;
    use crate::rpm::fixture;

    fn refusal(builder: PackageBuilder) -> String {
        check(&fixture::read(builder)).unwrap_err().to_string()
    }

    #[test]
    fn an_ordinary_package_is_taken() {
        check(&fixture::read(fixture::sample())).unwrap();
    }

    #[test]
    fn a_foreign_architecture_is_refused() {
        let text = refusal(PackageBuilder::new("sample", "1", "MIT", "aarch64", "A sample"));
        assert!(text.contains("architecture aarch64"), "{text}");
    }

    #[test]
    fn a_zstd_payload_is_refused() {
        let mut bytes = fixture::bytes_of(fixture::sample());
        // The tag's value, whose length stays the same.
        let at = bytes.windows(5).position(|window| window == b"gzip\0").unwrap();
        bytes[at..at + 4].copy_from_slice(b"zstd");
        let rpm = crate::rpm::Rpm::read(crate::rpm::Source::memory("sample.rpm", bytes)).unwrap();
        let text = check(&rpm).unwrap_err().to_string();
        assert!(text.contains("zstd") && text.contains("gzip"), "{text}");
    }

    #[test]
    fn dependencies_that_the_hosts_tools_cannot_read_are_refused() {
        for (dependency, named) in [
            (Dependency::any("(a or b)"), "rich dependency"),
            (Dependency::any("rpmlib(PayloadIsZstd)"), "PayloadIsZstd"),
            (Dependency::any("rpmlib(LargeFiles)"), "4 GiB"),
            (Dependency::greater_eq("other", "1^git"), "'^'"),
        ] {
            let mut builder = fixture::sample();
            builder.requires(dependency);
            let text = refusal(builder);
            assert!(text.contains(named), "{text}");
        }
    }

    #[test]
    fn a_caret_in_the_version_is_refused() {
        let text = refusal(PackageBuilder::new("sample", "1^git", "MIT", "noarch", "A sample"));
        assert!(text.contains("'^'"), "{text}");
    }
}
