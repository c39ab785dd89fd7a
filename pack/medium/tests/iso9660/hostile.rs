//! Images that lie: each lie is a typed error.

use std::io::{self, Cursor, Write};

use medium::iso9660::{Image, Naming, ReadError, SECTOR};

use crate::fixture::{
    append_directory, content, entries, get, image, open, raw_record, record, refused, refused_because, set, set_root,
    small, source, system_use,
};

#[test]
fn an_image_that_was_cut_off_anywhere_is_refused() {
    let image = small();
    for length in (0..image.len()).step_by(500).chain([image.len() - 1]) {
        let error = Image::open(Cursor::new(&image[..length])).unwrap_err();
        let descriptors = 17 * SECTOR;
        match error {
            ReadError::NotAnImage => assert!(length < descriptors, "{length}"),
            ReadError::Truncated { actual, .. } => {
                assert!(length >= descriptors && actual == length as u64, "{length}");
            }
            other => panic!("{length}: {other}"),
        }
    }
}

#[test]
fn bytes_after_the_image_are_ignored() {
    let mut image = small();
    let before = entries(&image, Naming::RockRidge);
    image.extend([7; 5000]);
    assert_eq!(entries(&image, Naming::RockRidge), before);
}

#[test]
fn a_directory_within_itself_is_refused() {
    let mut image = small();
    let root = get(&image, 16 * SECTOR + 156 + 2);
    let sub = record(&image, b"SUB");
    set(&mut image, sub + 2, root);
    for naming in [Naming::RockRidge, Naming::Plain] {
        refused_because(&image, naming, "shares sectors with another directory or is within itself");
    }
    assert_eq!(entries(&image, Naming::Joliet).len(), 7, "the other hierarchy is whole");
}

#[test]
fn directories_that_overlap_are_refused() {
    for the_longer_comes_first in [true, false] {
        let mut image = small();
        let (first, _) = append_directory(&mut image, []);
        let (second, _) = append_directory(&mut image, []);
        if the_longer_comes_first {
            image[second as usize * SECTOR..].fill(0);
        }
        let mut extents = [(first, 4096), (second, 2048)];
        if !the_longer_comes_first {
            extents.reverse();
        }
        let [(a, a_bytes), (b, b_bytes)] = extents;
        let records = [raw_record(b"A", true, a, a_bytes), raw_record(b"B", true, b, b_bytes)];
        let directory = append_directory(&mut image, records);
        set_root(&mut image, directory);
        refused_because(&image, Naming::Plain, "directory \"B\" of the image shares sectors with another directory");
    }
}

#[test]
fn a_place_outside_the_image_is_refused() {
    for (identifier, sector, bytes) in [
        (&b"ONE.BIN;1"[..], u32::MAX, 1),
        (b"ONE.BIN;1", 0, u32::MAX),
        (b"ONE.BIN;1", u32::MAX, u32::MAX),
        (b"DIR", 1_000_000, 2048),
        (b"DIR", 20, u32::MAX),
    ] {
        let mut image = small();
        let record = record(&image, identifier);
        set(&mut image, record + 2, sector);
        set(&mut image, record + 10, bytes);
        assert!(matches!(refused(&image, Naming::Plain), ReadError::Outside { .. }), "{identifier:?} {sector} {bytes}");
    }
}

#[test]
fn the_last_sector_is_within_and_the_next_is_not() {
    let mut image = small();
    let record = record(&image, b"TWO.BIN;1");
    let last = (image.len() / SECTOR - 1) as u32;
    set(&mut image, record + 2, last);
    set(&mut image, record + 10, 2048);
    assert!(open(&image).entries(Naming::Plain).is_ok());
    set(&mut image, record + 10, 2049);
    assert!(matches!(refused(&image, Naming::Plain), ReadError::Outside { .. }));
}

#[test]
fn a_place_of_an_empty_file_means_nothing() {
    let mut image = small();
    let record = record(&image, b"EMPTY.;1");
    set(&mut image, record + 2, u32::MAX);
    let entries = entries(&image, Naming::Plain);
    assert_eq!(content(&image, entries.iter().find(|entry| entry.path == "EMPTY").unwrap()), []);
}

#[test]
fn rock_ridge_names_that_lead_elsewhere_are_refused() {
    for name in [&b"../../x"[..], b"a/b/cde", b"a\\b\\cde", b"a\0b.bin", b"a\nb.bin", b"\xff\xff\xff.bin"] {
        let mut image = small();
        let nm = system_use(&image, record(&image, b"ONE.BIN;1"), b"one.bin");
        image[nm..nm + 7].copy_from_slice(name);
        assert!(matches!(refused(&image, Naming::RockRidge), ReadError::Directory { .. }), "{name:?}");
    }
}

#[test]
fn plain_and_joliet_names_that_lead_elsewhere_are_refused() {
    let mut image = small();
    let plain = record(&image, b"DIR") + 33;
    image[plain..plain + 3].copy_from_slice(b"../");
    refused_because(&image, Naming::Plain, "slash");
    let joliet = record(&image, b"\0d\0i\0r") + 33;
    image[joliet..joliet + 6].copy_from_slice(b"\0.\0.\0/");
    refused_because(&image, Naming::Joliet, "slash");
}

#[test]
fn two_entries_of_one_name_are_refused() {
    let mut image = small();
    let nm = system_use(&image, record(&image, b"ONE.BIN;1"), b"one.bin");
    image[nm..nm + 7].copy_from_slice(b"two.bin");
    assert!(matches!(refused(&image, Naming::RockRidge), ReadError::Duplicate { path } if path == "two.bin"));
}

#[test]
fn a_type_that_rock_ridge_and_the_record_disagree_on_is_refused() {
    for (identifier, mode, because) in [
        (&b"DIR"[..], 0o100_644, "is none by its Rock Ridge mode"),
        (b"ONE.BIN;1", 0o040_755, "is a directory by its Rock Ridge mode"),
    ] {
        let mut image = small();
        let px = system_use(&image, record(&image, identifier), b"PX");
        set(&mut image, px + 4, mode);
        refused_because(&image, Naming::RockRidge, because);
    }
}

#[test]
fn a_symbolic_link_is_listed_and_has_no_content() {
    let mut image = small();
    let px = system_use(&image, record(&image, b"ONE.BIN;1"), b"PX");
    set(&mut image, px + 4, 0o120_777);
    let link = entries(&image, Naming::RockRidge).into_iter().find(|entry| entry.path == "one.bin").unwrap();
    assert!(!link.is_file() && !link.is_dir());
    let message = open(&image).read(&link).unwrap_err().to_string();
    assert_eq!(message, "\"one.bin\" on the image is a symbolic link or a device: only regular files have content");
}

#[test]
fn numbers_that_differ_in_their_two_byte_orders_are_refused() {
    let mut image = small();
    let record = record(&image, b"ONE.BIN;1");
    image[record + 2] ^= 1;
    refused_because(&image, Naming::Plain, "two different places");
}

#[test]
fn a_directory_that_does_not_begin_with_itself_is_refused() {
    let mut image = small();
    let dir = get(&image, record(&image, b"DIR") + 2) as usize * SECTOR;
    image[dir + 33] = b'X';
    refused_because(&image, Naming::Plain, "does not begin with itself and its parent");
    image[dir] = 0;
    refused_because(&image, Naming::Plain, "does not begin with itself and its parent");
}

#[test]
fn itself_or_its_parent_later_in_a_directory_is_refused() {
    let mut image = image(&[source("ab", b"x"), source("c", b"x")]);
    let directory = append_directory(&mut image, [raw_record(b"A.;1", false, 0, 0), raw_record(&[1], true, 20, 2048)]);
    set_root(&mut image, directory);
    refused_because(&image, Naming::Plain, "control characters");
}

#[test]
fn an_entry_of_another_image_cannot_be_read_outside_this_one() {
    let large = image(&[source("a", &[1; 100_000]), source("b", b"at the end")]);
    let entry = entries(&large, Naming::Plain).into_iter().find(|entry| entry.path == "B").unwrap();
    let small = small();
    assert!(matches!(open(&small).read(&entry), Err(ReadError::Outside { .. })));
}

#[test]
fn a_naming_that_the_image_lacks_is_a_typed_error() {
    let mut image = small();
    image[17 * SECTOR + 88] = 0; // no escape sequence: not Joliet
    let root = get(&image, 16 * SECTOR + 156 + 2) as usize * SECTOR;
    image[root + 34] = b'X'; // no SP: no Rock Ridge
    let opened = open(&image);
    assert!(!opened.has_joliet() && !opened.has_rock_ridge());
    assert_eq!(refused(&image, Naming::Joliet).to_string(), "the image has no Joliet names: read it by others");
    assert!(matches!(refused(&image, Naming::RockRidge), ReadError::NoSuchNaming(Naming::RockRidge)));
    assert_eq!(entries(&image, Naming::Plain).len(), 7);
}

#[test]
fn descriptors_without_end_are_given_up() {
    let mut image = small();
    let boot_record = [&b"\0CD001\x01"[..], &[0; SECTOR - 7]].concat();
    let begin = image[..16 * SECTOR].to_vec();
    image = [begin, boot_record.repeat(200)].concat();
    assert!(matches!(Image::open(Cursor::new(&image[..])), Err(ReadError::NotAnImage)));
}

/// SUSP 5.3: bytes at the beginning of every system use area but the root's own that are none of its business.
#[test]
fn bytes_that_susp_skips_are_not_read() {
    const LENGTH_OF_PX: u8 = 36;
    let mut image = small();
    let root = get(&image, 16 * SECTOR + 156 + 2) as usize * SECTOR;
    image[root + 34 + 6] = LENGTH_OF_PX;
    let entries = entries(&image, Naming::RockRidge);
    assert!(entries.iter().any(|entry| entry.path == "one.bin"));
    assert!(entries.iter().all(|entry| entry.mode.is_none()));
}

/// ECMA-119 9.1.2: the extended attribute record is in front of the content.
#[test]
fn content_begins_after_an_extended_attribute_record() {
    let mut image = small();
    let one = record(&image, b"ONE.BIN;1");
    image[one + 1] = 1;
    set(&mut image, one + 10, 5000 - SECTOR as u32);
    let entries = entries(&image, Naming::Plain);
    let entry = entries.iter().find(|entry| entry.path == "ONE.BIN").unwrap();
    assert_eq!(entry.sector, get(&image, one + 2) + 1);
    assert!(content(&image, entry) == [1; 5000 - SECTOR]);
}

#[test]
fn an_image_that_shrinks_while_it_is_read_is_an_error() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&small()).unwrap();
    let mut image = Image::open(file.try_clone().unwrap()).unwrap();
    let entries = image.entries(Naming::RockRidge).unwrap();
    let one = entries.iter().find(|entry| entry.path == "one.bin").unwrap();
    file.set_len(u64::from(one.sector) * SECTOR as u64 + 3000).unwrap();
    let error = io::copy(&mut image.read(one).unwrap(), &mut io::sink()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}
