//! What a host's package tools accept of a package, by their limits: those of [`crate::generation`], and for the builder
//! those of the oldest host that takes its packs (rpm 4.11.3, yum 3.4.3).
//!
//! A package that breaks one of these rules is refused on the host, some of them late and with a message that helps
//! nobody, so the builder refuses it first. Found by running those versions.

use rpm::IndexTag;

use super::Rpm;
use crate::generation::{self, RpmLimits};
use crate::{Error, Result};

/// Refuses a package that the oldest host would not install.
///
/// # Errors
/// [`Error`] of class `Payload` with the first rule that it breaks.
pub fn check(rpm: &Rpm) -> Result<()> {
    check_for(rpm, &generation::el7().rpm)
}

/// Refuses a package that an rpm with these limits would not install.
///
/// # Errors
/// [`Error`] of class `Payload` with the first rule that it breaks.
pub fn check_for(rpm: &Rpm, limits: &RpmLimits) -> Result<()> {
    let refuse = |problem: String, remedy: &str| Err(Error::payload(rpm.source().name(), problem, remedy));
    let metadata = rpm.metadata();
    let host = format!("rpm {} of the hosts", limits.version);
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
    if !limits.compressors.iter().any(|known| known == compressor) {
        return refuse(
            format!("has a payload compressed with {compressor}, which {host} cannot read"),
            "Build it with gzip: `rpmbuild --define '_binary_payload w9.gzdio'`, or `cargo generate-rpm --payload-compress gzip`",
        );
    }
    if let Some(digest) = file_digest(rpm).filter(|digest| !limits.file_digests.iter().any(|known| known == digest)) {
        return refuse(
            format!("has {digest} digests of its files, which {host} does not know"),
            "Build it with `rpmbuild --define '_binary_filedigest_algorithm 1'`",
        );
    }
    for version in [rpm.version(), rpm.release()] {
        if let Some(mark) = unknown_mark(version, limits) {
            return refuse(
                format!("has '{mark}' in its version {version}, which {host} cannot compare"),
                "Use '.' or '+' instead",
            );
        }
    }
    check_dependencies(rpm, limits)?;
    if !limits.file_triggers
        && (metadata.header.entry_is_present(IndexTag::RPMTAG_FILETRIGGERNAME)
            || metadata.header.entry_is_present(IndexTag::RPMTAG_TRANSFILETRIGGERNAME))
    {
        return refuse(
            format!("has file triggers, which {host} silently ignores"),
            "Do their work in %post and %postun scriptlets",
        );
    }
    Ok(())
}

/// The digest of its files, if they have digests: by the numbers of RFC 4880, 9.4. None is stated for MD5.
fn file_digest(rpm: &Rpm) -> Option<String> {
    let header = &rpm.metadata().header;
    if !header.entry_is_present(IndexTag::RPMTAG_FILEDIGESTS) {
        return None;
    }
    Some(match header.get_entry_data_as_u32(IndexTag::RPMTAG_FILEDIGESTALGO).unwrap_or(1) {
        1 => "md5".into(),
        2 => "sha1".into(),
        8 => "sha256".into(),
        9 => "sha384".into(),
        10 => "sha512".into(),
        11 => "sha224".into(),
        other => format!("unknown (number {other})"),
    })
}

/// A character of a version that rpm does not know to sort.
fn unknown_mark(version: &str, limits: &RpmLimits) -> Option<char> {
    version.chars().find(|c| (*c == '^' && !limits.caret) || (*c == '~' && !limits.tilde))
}

fn check_dependencies(rpm: &Rpm, limits: &RpmLimits) -> Result<()> {
    let m = rpm.metadata();
    let host = format!("rpm {} of the hosts", limits.version);
    let lists = [m.get_requires(), m.get_provides(), m.get_conflicts(), m.get_obsoletes()];
    for dependency in lists.into_iter().filter_map(std::result::Result::ok).flatten() {
        let refuse = |problem: String, remedy: &str| Err(Error::payload(rpm.source().name(), problem, remedy));
        if dependency.name.starts_with('(') && !limits.rich_dependencies {
            return refuse(
                format!("has the rich dependency {:?}, which {host} and its yum cannot parse", dependency.name),
                "Write plain dependencies only",
            );
        }
        if let Some(mark) = unknown_mark(&dependency.version, limits) {
            return refuse(
                format!("depends on {} {}, whose '{mark}' {host} cannot compare", dependency.name, dependency.version),
                "Use a version without it",
            );
        }
        let feature = dependency.name.strip_prefix("rpmlib(").and_then(|name| name.strip_suffix(')'));
        if let Some(feature) = feature.filter(|feature| !limits.rpmlib.iter().any(|known| known == feature)) {
            let remedy = match feature {
                "LargeFiles" => "No file in it may be 4 GiB or larger",
                "PayloadIsZstd" => "Build it with a gzip payload",
                _ => "Build it with an rpmbuild as old as the hosts', or without that feature",
            };
            return refuse(format!("needs rpmlib({feature}), which {host} does not have"), remedy);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rpm::{Dependency, PackageBuilder};

    use super::*;
    use crate::generation::Generation;
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

    /// Every limit refuses what is beyond it, and lets the same pass where it is not set.
    #[test]
    fn each_generation_has_its_own_limits() {
        let stack = |name: &str| &Generation::find(name).unwrap().stack.rpm;
        let zstd = || {
            let mut bytes = fixture::bytes_of(fixture::sample());
            let at = bytes.windows(5).position(|window| window == b"gzip\0").unwrap();
            bytes[at..at + 4].copy_from_slice(b"zstd");
            crate::rpm::Rpm::read(crate::rpm::Source::memory("sample.rpm", bytes)).unwrap()
        };
        let requiring = |dependency: Dependency| {
            let mut builder = fixture::sample();
            builder.requires(dependency);
            fixture::read(builder)
        };
        let caret = || fixture::read(PackageBuilder::new("sample", "1^git", "MIT", "noarch", "A sample"));
        for (beyond_8_2, named) in [
            (zstd(), "zstd"),
            (requiring(Dependency::any("(a or b)")), "rich dependency"),
            (requiring(Dependency::any("rpmlib(LargeFiles)")), "LargeFiles"),
            (requiring(Dependency::greater_eq("other", "1^git")), "'^'"),
            (caret(), "'^'"),
        ] {
            for refusing in ["7.1", "8.2.1", "8.4"] {
                let text = check_for(&beyond_8_2, stack(refusing)).unwrap_err().to_string();
                assert!(text.contains(named) && text.contains("rpm 4.11.3"), "{text}");
            }
            check_for(&beyond_8_2, stack("9")).unwrap();
        }
        for (beyond_6_5, named) in [
            (fixture::read(fixture::sample()), "sha256"),
            (requiring(Dependency::greater_eq("other", "1~rc")), "sha256"),
        ] {
            let text = check_for(&beyond_6_5, stack("6.5")).unwrap_err().to_string();
            assert!(text.contains(named) && text.contains("rpm 4.4.2.3"), "{text}");
            check_for(&beyond_6_5, stack("7.0")).unwrap();
        }
    }
}
