//! Rules of the standards that the reader does not need and other readers rely on.

use std::collections::BTreeMap;

use medium::iso9660::{Entry, Naming, SECTOR};

use crate::fixture::{Source, entries, get, image, record, small, source, system_use};

/// A tree in which the two hierarchies number directories differently, with directories of several sectors.
fn wide() -> Vec<u8> {
    let mut sources: Vec<Source> =
        ["+/f", "a/y/f", "a/z/f", "b/x/f", "a+c/f", "1/2/3/4/5/6/7/f"].map(|path| source(path, b"x")).into();
    sources
        .extend((0..200).map(|n| source(&format!("Packages/some-package-{n}-1.0-1.el7.noarch.rpm"), &[n as u8; 3000])));
    image(&sources)
}

fn descriptor(naming: Naming) -> usize {
    SECTOR * if naming == Naming::Joliet { 17 } else { 16 }
}

/// Rows of a path table: identifier, sector, parent. ECMA-119 9.4; big endian if `big`.
fn path_table(image: &[u8], naming: Naming, big: bool) -> Vec<(Vec<u8>, u32, usize)> {
    let number = |bytes: &[u8]| {
        let digits: Vec<u8> = if big { bytes.to_vec() } else { bytes.iter().rev().copied().collect() };
        digits.into_iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(byte))
    };
    let at = descriptor(naming) + if big { 148 } else { 140 };
    let start = number(&image[at..at + 4]) as usize * SECTOR;
    let mut rest = &image[start..start + get(image, descriptor(naming) + 132) as usize];
    let mut rows = Vec::new();
    while let [length, 0, ..] = *rest {
        let length = usize::from(length);
        rows.push((rest[8..8 + length].to_vec(), number(&rest[2..6]), number(&rest[6..8]) as usize));
        rest = &rest[(8 + length).next_multiple_of(2)..];
    }
    assert!(rest.is_empty());
    rows
}

#[test]
fn path_tables_lead_to_every_directory() {
    let image = wide();
    for naming in [Naming::Plain, Naming::Joliet] {
        let directories: BTreeMap<String, u32> =
            entries(&image, naming).into_iter().filter(Entry::is_dir).map(|entry| (entry.path, entry.sector)).collect();
        for big in [false, true] {
            let rows = path_table(&image, naming, big);
            assert_eq!(rows[0], (vec![0], get(&image, descriptor(naming) + 156 + 2), 1));
            let name = |identifier: &[u8]| match naming {
                Naming::Joliet => String::from_utf16(
                    &identifier.chunks(2).map(|c| u16::from_be_bytes([c[0], c[1]])).collect::<Vec<_>>(),
                )
                .unwrap(),
                _ => String::from_utf8(identifier.to_vec()).unwrap(),
            };
            let mut paths = vec![String::new()];
            for (identifier, _, parent) in &rows[1..] {
                let path = format!("{}/{}", paths[parent - 1], name(identifier));
                paths.push(path.trim_start_matches('/').to_owned());
            }
            let listed: BTreeMap<String, u32> = paths.into_iter().zip(rows.iter().map(|row| row.1)).skip(1).collect();
            assert_eq!(listed, directories, "{naming}, big endian: {big}");
        }
    }
}

#[test]
fn path_tables_are_sorted_by_level_parent_and_identifier() {
    let image = wide();
    for naming in [Naming::Plain, Naming::Joliet] {
        let rows = path_table(&image, naming, false);
        assert!(
            rows[1..].is_sorted_by_key(|(identifier, _, parent)| (*parent, identifier.clone())),
            "{naming}: {rows:?}"
        );
        assert_eq!(rows, path_table(&image, naming, true));
    }
}

#[test]
fn records_are_sorted_within_every_directory() {
    let image = wide();
    for (naming, directory) in [(Naming::Plain, &b"PACKAGES"[..]), (Naming::Joliet, b"\0P\0a\0c\0k\0a\0g\0e\0s")] {
        let record = record(&image[..], directory);
        let (start, bytes) = (get(&image, record + 2) as usize * SECTOR, get(&image, record + 10) as usize);
        let mut identifiers = Vec::new();
        for sector in image[start..start + bytes].chunks(SECTOR) {
            let mut rest = sector;
            while let Some(length) = rest.first().copied().filter(|length| *length > 0) {
                identifiers.push(rest[33..33 + usize::from(rest[32])].to_vec());
                rest = &rest[usize::from(length)..];
            }
        }
        assert_eq!(identifiers.len(), 202, "{naming}");
        assert!(identifiers[2..].is_sorted(), "{naming}");
    }
}

#[test]
fn both_descriptors_give_the_size_of_the_whole_image() {
    let image = wide();
    assert_eq!(image.len() % SECTOR, 0);
    for naming in [Naming::Plain, Naming::Joliet] {
        assert_eq!(get(&image, descriptor(naming) + 80) as usize, image.len() / SECTOR);
    }
}

#[test]
fn both_hierarchies_share_contents() {
    let image = wide();
    let files = |naming| -> Vec<(String, u32, u32)> {
        let files = entries(&image, naming).into_iter().filter(Entry::is_file);
        files.map(|entry| (entry.path, entry.sector, entry.bytes)).collect()
    };
    assert_eq!(files(Naming::RockRidge), files(Naming::Joliet));
}

/// Readers that group files by their first sector would take an empty file for the same as another, and some complain
/// of places outside the image.
#[test]
fn an_empty_file_is_at_a_place_of_no_other_file_within_the_image() {
    let image = small();
    let entries = entries(&image, Naming::RockRidge);
    let empty = entries.iter().find(|entry| entry.path == "empty").unwrap();
    assert!(entries.iter().all(|entry| entry.bytes == 0 || entry.sector != empty.sector));
    assert!(0 < empty.sector && (empty.sector as usize) < image.len() / SECTOR);
}

/// PX: mode, links, owner, group at offsets 4, 12, 20, 28 (RRIP 4.1.1).
#[test]
fn links_of_a_directory_count_the_directories_in_it() {
    let image = small();
    for (identifier, links) in [(&b"DIR"[..], 3), (b"SUB", 2), (b"ONE.BIN;1", 1)] {
        let px = system_use(&image, record(&image, identifier), b"PX");
        assert_eq!((get(&image, px + 12), get(&image, px + 20), get(&image, px + 28)), (links, 0, 0));
    }
    let root = get(&image, descriptor(Naming::Plain) + 156 + 2) as usize * SECTOR;
    assert_eq!(get(&image, system_use(&image, root, b"PX") + 12), 3);
}

/// cloud-init finds its drive by the label that blkid reads from offset 40 of the primary descriptor.
#[test]
fn the_label_is_recorded_verbatim_in_both_descriptors() {
    let image = small();
    assert!(image[descriptor(Naming::Plain) + 40..].starts_with(b"config-2    "));
    assert!(image[descriptor(Naming::Joliet) + 40..].starts_with(b"\0c\0o\0n\0f\0i\0g\0-\x002\0 \0 "));
}

#[test]
fn the_system_area_is_left_empty() {
    assert!(small()[..16 * SECTOR].iter().all(|byte| *byte == 0));
}

#[test]
fn every_directory_begins_with_itself_and_its_parent() {
    let image = wide();
    for naming in [Naming::Plain, Naming::Joliet] {
        let root = get(&image, descriptor(naming) + 156 + 2);
        let directories: BTreeMap<String, (u32, u32)> = entries(&image, naming)
            .into_iter()
            .filter(Entry::is_dir)
            .map(|entry| (entry.path, (entry.sector, entry.bytes)))
            .chain([(String::new(), (root, get(&image, descriptor(naming) + 156 + 10)))])
            .collect();
        for (path, extent) in &directories {
            let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
            let itself = extent.0 as usize * SECTOR;
            let after = itself + usize::from(image[itself]);
            let extent_at = |record| (get(&image, record + 2), get(&image, record + 10));
            assert_eq!(extent_at(itself), *extent, "{naming} {path:?}");
            assert_eq!(extent_at(after), directories[parent], "{naming} {path:?}");
        }
    }
}
