//! Packages for tests, made with the `rpm` crate.

use rpm::{BuildConfig, CompressionType, FileMode, FileOptions, PackageBuilder};

use super::{PayloadDigests, Rpm, Source};
use crate::digest;

/// A small package with every kind of file.
pub(crate) fn sample() -> PackageBuilder {
    let mut builder = PackageBuilder::new("sample", "1.2.3", "MIT", "noarch", "A sample");
    builder
        .using_config(BuildConfig::v4().compression(CompressionType::Gzip).source_date(1_700_000_000_u32))
        .release("4");
    builder
        .with_file_contents("content\n", FileOptions::new("/etc/sample.conf").mode(FileMode::regular(0o644)).config())
        .unwrap();
    builder
        .with_file_contents("#!/bin/sh\n", FileOptions::new("/usr/bin/sample").mode(FileMode::regular(0o755)))
        .unwrap();
    builder.with_symlink(FileOptions::symlink("/usr/bin/sample-link", "sample")).unwrap();
    builder.with_dir_entry(FileOptions::dir("/var/lib/sample")).unwrap();
    builder.with_ghost(FileOptions::ghost("/var/log/sample.log")).unwrap();
    builder
}

/// The bytes of a package.
pub(crate) fn bytes_of(mut builder: PackageBuilder) -> Vec<u8> {
    let mut bytes = Vec::new();
    builder.build().unwrap().write(&mut bytes).unwrap();
    bytes
}

/// A package as the builder reads it.
pub(crate) fn read(builder: PackageBuilder) -> Rpm {
    Rpm::read(Source::memory("sample.rpm", bytes_of(builder))).unwrap()
}

/// Digests of a package, computed in the plain way.
pub(crate) fn digests(rpm: &Rpm) -> PayloadDigests {
    use md5::{Digest, Md5};
    PayloadDigests {
        content_md5: digest::of::<Md5>(rpm.source().read_from(rpm.header_offset())).unwrap().finalize().into(),
        payload_sha256: digest::of::<sha2::Sha256>(rpm.source().read_from(rpm.payload_offset()))
            .unwrap()
            .finalize()
            .into(),
    }
}
