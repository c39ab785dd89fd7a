//! The rules of rpm 4.11 for signature headers (`lib/signature.c`, `rpmReadSignature`), on the bytes.

use std::io::Read;

use crate::rpm::{Rpm, Signed, Source, fixture};

/// As long as an RSA-4096 signature packet.
const SIGNATURE: [u8; 566] = [7; 566];

fn signed() -> (Signed, Vec<u8>) {
    let rpm = fixture::read(fixture::sample());
    let signed = Signed::new(&rpm, &fixture::digests(&rpm), SIGNATURE.to_vec()).unwrap();
    let mut bytes = Vec::new();
    signed.reader().read_to_end(&mut bytes).unwrap();
    (signed, bytes)
}

fn word(bytes: &[u8], at: usize) -> usize {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

/// Tag, type, offset and count of each entry of the signature header, and its data.
fn entries(bytes: &[u8]) -> (Vec<[usize; 4]>, &[u8]) {
    let (count, length) = (word(bytes, 104), word(bytes, 108));
    let index = (0..count).map(|n| std::array::from_fn(|field| word(bytes, 112 + n * 16 + field * 4))).collect();
    let data = 112 + count * 16;
    (index, &bytes[data..data + length])
}

#[test]
fn the_signature_header_has_what_rpm_4_11_checks_and_wants_in_its_limits() {
    let (_, bytes) = signed();
    let (index, data) = entries(&bytes);
    let tags: Vec<usize> = index.iter().map(|entry| entry[0]).collect();
    assert_eq!(tags, [62, 268, 269, 273, 1000, 1004, 1007], "region, RSA, SHA1, SHA256, size, MD5, payload size");
    assert!(index.len() <= 32 && data.len() <= 8192);
}

#[test]
fn the_region_covers_every_entry() {
    let (_, bytes) = signed();
    let (index, data) = entries(&bytes);
    let [_, kind, offset, count] = index[0];
    assert_eq!((kind, count, offset), (7, 16, data.len() - 16));
    let trailer = &data[offset..];
    assert_eq!((word(trailer, 0), word(trailer, 4), word(trailer, 12)), (62, 7, 16));
    assert_eq!(word(trailer, 8) as i32, -((index.len() * 16) as i32));
}

#[test]
fn sizes_and_digests_are_those_of_header_and_payload() {
    use md5::{Digest, Md5};
    let (signed, bytes) = signed();
    let (start, end) = signed.header_range();
    let content = &bytes[start as usize..];
    let (index, data) = entries(&bytes);
    let value = |tag: usize| index.iter().find(|entry| entry[0] == tag).map(|entry| &data[entry[2]..]).unwrap();
    assert_eq!(word(value(1000), 0), content.len());
    assert_eq!(value(1004)[..16], Md5::digest(content)[..]);
    assert_eq!(word(value(1007), 0) as u64, signed.rpm.archive_size());
    let sha256 = crate::digest::hex(&sha2::Sha256::digest(&bytes[start as usize..end as usize]));
    assert!(value(273).starts_with(sha256.as_bytes()));
}

#[test]
fn the_main_header_begins_at_a_multiple_of_eight() {
    let (signed, bytes) = signed();
    let (start, _) = signed.header_range();
    assert_eq!(start % 8, 0);
    assert_eq!(bytes[start as usize..start as usize + 4], [0x8e, 0xad, 0xe8, 0x01]);
    assert_eq!(signed.length(), bytes.len() as u64);
}

#[test]
fn signing_again_replaces_the_signature_and_keeps_the_content() {
    let (first, bytes) = signed();
    let again = Rpm::read(Source::memory("signed", bytes.clone())).unwrap();
    assert_eq!(again.header(), first.rpm.header());
    let second = Signed::new(&again, &fixture::digests(&again), SIGNATURE.to_vec()).unwrap();
    let mut twice = Vec::new();
    second.reader().read_to_end(&mut twice).unwrap();
    assert_eq!(twice, bytes);
}
