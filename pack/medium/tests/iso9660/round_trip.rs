//! Whatever can be written is read back in all three namings.

use std::{
    collections::BTreeMap,
    io::{Cursor, Read, Seek},
};

use medium::iso9660::{Image, Kind, Naming, Tree, UnixSeconds, Volume, Writer};
use proptest::prelude::*;

use crate::fixture::{MODIFIED, Source, content, continued_name, entries, image, open, small, source, tree};

/// Files of which each path fits with those before it.
fn sources() -> impl Strategy<Value = Vec<Source>> {
    let name = prop_oneof![
        4 => "[a-zA-Z0-9._+~ -]{1,12}",
        2 => "[a-c]{1,2}",
        1 => "[a-z0-9.-]{60,103}",
        1 => "[äßé€中a.]{1,103}",
    ];
    let path = proptest::collection::vec(name, 1..=8).prop_map(|names| names.join("/"));
    // Lengths around the ends of sectors and of the writer's buffer.
    let length =
        prop_oneof![Just(0), Just(1), Just(2047), Just(2048), Just(2049), 0..9000_usize, Just(262_144), Just(262_145)];
    let file = (path, 0..0o1000_u32, length, any::<u8>());
    proptest::collection::vec(file, 0..40).prop_map(|files| {
        let mut sources: Vec<Source> = Vec::new();
        for (path, mode, length, seed) in files {
            let content = (0..length).map(|n| (n as u8).wrapping_mul(31).wrapping_add(seed)).collect();
            sources.push(Source { path, mode, content });
            if Tree::new(sources.iter().map(|source| (source.path.as_str(), source.mode))).is_err() {
                sources.pop();
            }
        }
        sources
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn every_tree_is_read_back_by_both_full_namings(sources in sources()) {
        let image = image(&sources);
        for naming in [Naming::RockRidge, Naming::Joliet] {
            let mut expected: BTreeMap<&str, &Source> = sources.iter().map(|source| (source.path.as_str(), source)).collect();
            for entry in entries(&image, naming) {
                prop_assert_eq!(entry.modified.map(UnixSeconds::get), Some(MODIFIED));
                if entry.is_dir() {
                    let inside = format!("{}/", entry.path);
                    prop_assert!(sources.iter().any(|source| source.path.starts_with(&inside)), "{}", entry.path);
                    prop_assert_eq!(entry.mode, (naming == Naming::RockRidge).then_some(0o040_755));
                    continue;
                }
                let source = expected.remove(entry.path.as_str()).expect("is one of ours, once");
                prop_assert_eq!(entry.kind, Kind::File);
                prop_assert_eq!(entry.mode, (naming == Naming::RockRidge).then_some(0o100_000 | source.mode));
                prop_assert!(content(&image, &entry) == source.content, "{}", entry.path);
            }
            prop_assert!(expected.is_empty(), "{naming} has no {expected:?}");
        }
    }

    #[test]
    fn every_tree_has_all_its_contents_under_plain_names(sources in sources()) {
        let image = image(&sources);
        let entries = entries(&image, Naming::Plain);
        let mut contents: Vec<_> = entries.iter().filter(|e| e.is_file()).map(|entry| content(&image, entry)).collect();
        let mut expected: Vec<_> = sources.iter().map(|source| source.content.clone()).collect();
        contents.sort();
        expected.sort();
        prop_assert!(contents == expected);
        for entry in entries {
            prop_assert!(entry.path.len() <= 255);
            for name in entry.path.split('/') {
                prop_assert!(name.len() <= 31, "{name}");
                prop_assert!(name.bytes().all(|b| matches!(b, b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.')), "{name}");
                prop_assert!(name.matches('.').count() <= usize::from(entry.kind == Kind::File) || entry.path.contains('/'));
            }
        }
    }

    #[test]
    fn two_writers_write_the_same_bytes(sources in sources()) {
        prop_assert!(image(&sources) == image(&sources));
    }

    #[test]
    fn the_order_in_which_paths_are_named_has_no_effect(sources in sources()) {
        let volume = Volume { id: "x", application: "", publisher: "", modified: UnixSeconds::new(0).unwrap() };
        let write = |tree| {
            let mut iso = Writer::new(Cursor::new(Vec::new()), &volume, tree).unwrap();
            for source in &sources {
                iso.write(&source.path, &source.content[..]).unwrap();
            }
            iso.finish().unwrap().into_inner()
        };
        let paths = || sources.iter().map(|source| (source.path.as_str(), source.mode));
        prop_assert!(write(Tree::new(paths()).unwrap()) == write(Tree::new(paths().rev()).unwrap()));
    }
}

#[test]
fn the_volume_says_what_it_was_told() {
    let image = small();
    let opened = open(&image);
    assert_eq!(
        (opened.volume_id(), opened.application_id(), opened.publisher_id()),
        ("config-2", "suppack", "Somebody, Inc.")
    );
    assert!(opened.has_rock_ridge() && opened.has_joliet());
    assert_eq!(opened.bytes(), image.len() as u64);
}

#[test]
fn entries_are_sorted_by_path_with_their_directories() {
    for naming in [Naming::RockRidge, Naming::Joliet] {
        let paths: Vec<String> = entries(&small(), naming).into_iter().map(|entry| entry.path).collect();
        let long = continued_name();
        assert_eq!(paths, ["dir", "dir/sub", "dir/sub/inner.txt", "empty", "one.bin", "two.bin", &long], "{naming}");
    }
    let paths: Vec<String> = entries(&small(), Naming::Plain).into_iter().map(|entry| entry.path).collect();
    let long = "_".repeat(30);
    assert_eq!(paths, ["DIR", "DIR/SUB", "DIR/SUB/INNER.TXT", "EMPTY", "ONE.BIN", "TWO.BIN", &long]);
}

#[test]
fn an_empty_tree_is_an_image_with_an_empty_root() {
    let image = image(&[]);
    for naming in [Naming::RockRidge, Naming::Joliet, Naming::Plain] {
        assert_eq!(entries(&image, naming), []);
    }
}

#[test]
fn names_that_fall_together_in_capitals_keep_their_own_contents() {
    let sources = [source("a+b.x", b"plus"), source("a-b.x", b"minus"), source("a_b.x", b"underscore")];
    let image = image(&sources);
    let by_sector =
        |naming| -> BTreeMap<u32, String> { entries(&image, naming).into_iter().map(|e| (e.sector, e.path)).collect() };
    let pairs: Vec<_> =
        by_sector(Naming::RockRidge).into_values().zip(by_sector(Naming::Plain).into_values()).collect();
    let expected = [("a+b.x", "A_B.X"), ("a-b.x", "A_B_1.X"), ("a_b.x", "A_B_2.X")];
    assert_eq!(pairs, expected.map(|(name, plain)| (name.to_owned(), plain.to_owned())));
}

#[test]
fn a_large_directory_is_read_back() {
    let sources: Vec<Source> =
        (0..3000).map(|n| source(&format!("Packages/package-{n}-1.0-1.el7.noarch.rpm"), &[n as u8])).collect();
    let image = image(&sources);
    for naming in [Naming::RockRidge, Naming::Joliet, Naming::Plain] {
        assert_eq!(entries(&image, naming).len(), 3001, "{naming}");
    }
}

#[test]
fn an_image_in_a_file_is_the_same_as_one_in_memory() {
    let sources = [source("d/a", &[1; 300_000]), source("b", b"b")];
    let volume = Volume {
        id: "config-2",
        application: "suppack",
        publisher: "Somebody, Inc.",
        modified: UnixSeconds::new(MODIFIED).unwrap(),
    };
    let mut iso = Writer::new(tempfile::tempfile().unwrap(), &volume, tree(&sources)).unwrap();
    for source in &sources {
        iso.write(&source.path, &source.content[..]).unwrap();
    }
    let mut file = iso.finish().unwrap();
    let mut written = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut written).unwrap();
    assert!(written == image(&sources));
    assert_eq!(Image::open(file).unwrap().entries(Naming::Joliet).unwrap().len(), 3);
}
