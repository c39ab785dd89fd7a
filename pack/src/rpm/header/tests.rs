use std::io::Read;

use flate2::read::GzDecoder;
use proptest::prelude::*;

use crate::rpm::fixture::{self, bytes_of};
use crate::rpm::{Rpm, Source};

fn read(bytes: Vec<u8>) -> crate::Result<Rpm> {
    Rpm::read(Source::memory("package", bytes))
}

/// The length of the cpio archive, by unpacking it.
fn unpacked(rpm: &Rpm) -> u64 {
    let mut archive = Vec::new();
    GzDecoder::new(rpm.source().read_from(rpm.payload_offset())).read_to_end(&mut archive).unwrap();
    archive.len() as u64
}

#[test]
fn what_a_package_is_can_be_read() {
    let rpm = read(bytes_of(fixture::sample())).unwrap();
    assert_eq!(rpm.nevra(), "sample-1.2.3-4.noarch");
    assert_eq!(rpm.file_name(), "sample-1.2.3-4.noarch.rpm");
    assert_eq!(rpm.content_length(), rpm.source().length() - rpm.header_offset());
}

#[test]
fn the_archive_size_computed_from_the_header_is_that_of_the_archive() {
    let rpm = read(bytes_of(fixture::sample())).unwrap();
    assert_eq!(rpm.archive_size(), unpacked(&rpm));
}

#[test]
fn a_package_cut_anywhere_in_its_headers_is_refused_with_the_reason() {
    let bytes = bytes_of(fixture::sample());
    let headers = read(bytes.clone()).unwrap().payload_offset() as usize;
    for length in (0..=headers).step_by(7).chain([headers]) {
        let error = read(bytes[..length].to_vec()).unwrap_err().to_string();
        assert!(error.contains("truncated"), "{length}: {error}");
    }
}

#[test]
fn something_else_is_not_a_package() {
    for bytes in [vec![0; 4096], b"PK\x03\x04".repeat(64)] {
        assert!(read(bytes).unwrap_err().to_string().contains("is not an RPM package"));
    }
}

#[test]
fn a_header_that_claims_more_than_rpm_reads_is_refused() {
    let mut bytes = bytes_of(fixture::sample());
    // The entry count of the signature header, after the lead of 96 bytes and 8 bytes of magic.
    bytes[104..108].copy_from_slice(&0x7fff_ffff_u32.to_be_bytes());
    assert!(read(bytes).unwrap_err().to_string().contains("claims 2147483647 entries"));
}

#[test]
fn entries_that_share_their_data_are_refused() {
    let mut bytes = bytes_of(fixture::sample());
    let start = usize::try_from(read(bytes.clone()).unwrap().header_offset()).unwrap();
    // The second entry of the main header, made the longest that its data allow.
    let length = u32::from_be_bytes(bytes[start + 12..start + 16].try_into().unwrap());
    let entry = start + 16 + 16;
    bytes[entry + 4..entry + 8].copy_from_slice(&7_u32.to_be_bytes());
    bytes[entry + 8..entry + 12].copy_from_slice(&0_u32.to_be_bytes());
    bytes[entry + 12..entry + 16].copy_from_slice(&length.to_be_bytes());
    let error = read(bytes).unwrap_err().to_string();
    assert!(error.contains("shares data with another"), "{error}");
}

#[test]
fn sizes_that_cannot_be_do_not_overflow() {
    assert_eq!([0, 1, 4, 5].map(super::padded), [0, 4, 4, 8]);
    assert_eq!(super::padded(u64::MAX), u64::MAX - 3);
}

proptest! {
    #[test]
    fn damaged_headers_are_read_or_refused_but_never_crash(at in 96_usize..4000, value: u8, length in 1_usize..8) {
        let mut bytes = bytes_of(fixture::sample());
        let end = (at + length).min(bytes.len());
        let start = at.min(end);
        bytes[start..end].fill(value);
        if let Ok(rpm) = read(bytes) {
            let _ = (rpm.archive_size(), rpm.installed_size(), crate::rpm::el7::check(&rpm));
        }
    }
}
