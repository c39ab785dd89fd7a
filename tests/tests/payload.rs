//! Payloads of packages by the real rpmbuild, in every compression that hosts read and with every digest.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::collections::BTreeMap;
use std::path::Path;

use lab::tools::{command, succeed};
use pack::rpm::{Rpm, Source, payload};

/// Builds `foreign.spec`.
fn build(folder: &Path, compression: &str, digest: u32) -> pack::Result<Rpm> {
    let specfile = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign.spec");
    let topdir = format!("_topdir {}", folder.display());
    let compression = format!("_binary_payload {compression}");
    let digest = format!("_binary_filedigest_algorithm {digest}");
    let mut rpmbuild = command("rpmbuild", ["-bb", "--define", &topdir, "--define", &compression, "--define", &digest]);
    succeed(rpmbuild.arg(&specfile));
    let package = folder.join("RPMS/noarch/foreign-2.1-3.noarch.rpm");
    Rpm::read(Source::open(&package).unwrap())
}

/// Content by path; of hard links under every name.
fn files_of(rpm: &Rpm) -> BTreeMap<String, String> {
    let entries = rpm.metadata().get_file_entries().unwrap();
    let mut files = BTreeMap::new();
    payload::read(rpm, 1 << 20, &mut |member, content| {
        let mut text = String::new();
        content.read_to_string(&mut text).unwrap();
        for index in member.links.iter().chain([&member.index]) {
            let path = format!("{}{}", entries[*index].dirname(), entries[*index].basename());
            assert!(files.insert(path, text.clone()).is_none());
        }
        Ok(())
    })
    .unwrap();
    files
}

#[test]
fn payloads_by_rpmbuild_are_read_in_every_compression() {
    let expected = [
        ("/etc/foreign", ""),
        ("/etc/foreign/conf", "a=1\n"),
        ("/usr/bin/foreign", "#!/bin/sh\n"),
        ("/usr/bin/foreign-link", "foreign"),
        ("/usr/share/foreign", ""),
        ("/usr/share/foreign/first", "text\n"),
        ("/usr/share/foreign/second", "text\n"),
    ];
    let expected = expected.map(|(path, content)| (path.to_owned(), content.to_owned()));
    // SHA-256; MD5 as EL 5 has it; SHA-512.
    for (compression, digest) in [
        ("w9.gzdio", 8),
        ("w9.bzdio", 8),
        ("w6.xzdio", 8),
        ("w6.lzdio", 8),
        ("w.ufdio", 8),
        ("w9.gzdio", 1),
        ("w9.gzdio", 10),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let rpm = build(folder.path(), compression, digest).unwrap();
        assert_eq!(files_of(&rpm), BTreeMap::from(expected.clone()), "{compression} with digest {digest}");
    }
}

#[test]
fn a_payload_in_zstd_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let rpm = build(folder.path(), "w3.zstdio", 8).unwrap();
    let error = payload::read(&rpm, 1 << 20, &mut |_, _| Ok(())).unwrap_err().to_string();
    assert!(error.contains("zstd"), "{error}");
}

#[test]
fn digests_by_sha_1_are_refused_with_the_header() {
    let folder = tempfile::tempdir().unwrap();
    let error = build(folder.path(), "w9.gzdio", 2).unwrap_err().to_string();
    assert!(error.contains("list of files"), "{error}");
}
