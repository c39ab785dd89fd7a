//! Images that would cost time or memory: refused at the documented limit and not before.

use std::io::{self, Read, Seek, SeekFrom};

use medium::iso9660::{
    Image, MAX_CONTINUATIONS, MAX_DIRECTORY_BYTES, MAX_ENTRIES, MAX_PATH_BYTES, MAX_READ_DEPTH, Naming, ReadError,
    SECTOR,
};

use crate::fixture::{
    append_directory, continued_name, get, open, raw_record, record, refused, refused_because, set, set_root, small,
    system_use,
};

/// Offset of the continuation entry, and of the area that it names.
fn continuation(image: &[u8]) -> (usize, usize) {
    let entry = system_use(image, record(image, format!("{}.;1", "_".repeat(30)).as_bytes()), b"CE");
    (entry, get(image, entry + 4) as usize * SECTOR + get(image, entry + 12) as usize)
}

#[test]
fn a_continuation_of_itself_is_refused() {
    let mut image = small();
    let (entry, area) = continuation(&image);
    let itself = image[entry..entry + 28].to_vec();
    image[area..area + 28].copy_from_slice(&itself);
    set(&mut image, entry + 20, 28);
    set(&mut image, area + 20, 28);
    refused_because(&image, Naming::RockRidge, "continued without end");
}

#[test]
fn as_many_continuations_as_are_allowed_are_followed() {
    for (links, allowed) in [(MAX_CONTINUATIONS, true), (MAX_CONTINUATIONS + 1, false)] {
        let mut image = small();
        let (entry, area) = continuation(&image);
        let template = image[entry..entry + 28].to_vec();
        let sector = (image.len() / SECTOR) as u32;
        let name = image[area..area + get(&image, entry + 20) as usize].to_vec();
        // One area after the other, in a sector of their own; the last has the name.
        image.resize(image.len() + SECTOR, 0);
        for link in 0..links {
            let start = image.len() - SECTOR + link * 28;
            let last = link == links - 1;
            let body = if last { &name } else { &template };
            image[start..start + body.len()].copy_from_slice(body);
            let pointer = if link == 0 { entry } else { start - 28 };
            set(&mut image, pointer + 4, sector);
            set(&mut image, pointer + 12, (link * 28) as u32);
            set(&mut image, pointer + 20, body.len() as u32);
        }
        let sectors = (image.len() / SECTOR) as u32;
        set(&mut image, 16 * SECTOR + 80, sectors);
        let listed = open(&image).entries(Naming::RockRidge);
        assert_eq!(listed.is_ok(), allowed, "{links}: {listed:?}");
        if let Ok(entries) = listed {
            assert!(entries.iter().any(|entry| entry.path == continued_name()));
        }
    }
}

#[test]
fn a_continuation_outside_the_image_is_refused() {
    let mut image = small();
    let (entry, _) = continuation(&image);
    set(&mut image, entry + 4, u32::MAX);
    refused_because(&image, Naming::RockRidge, "continuation outside the image");
    set(&mut image, entry + 12, 2000);
    set(&mut image, entry + 20, 2000);
    refused_because(&image, Naming::RockRidge, "crosses the end of a sector");
}

#[test]
fn more_entries_than_the_limit_are_refused() {
    for (count, allowed) in [(MAX_ENTRIES, true), (MAX_ENTRIES + 1, false)] {
        let mut image = small();
        let directory =
            append_directory(&mut image, (0..count).map(|n| raw_record(format!("{n:X}.;1").as_bytes(), false, 0, 0)));
        set_root(&mut image, directory);
        let listed = open(&image).entries(Naming::Plain);
        match listed {
            Ok(entries) => assert!(allowed && entries.len() == count),
            Err(ReadError::TooMuch { limit, .. }) => assert!(!allowed && limit == MAX_ENTRIES),
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn more_levels_than_the_limit_are_refused() {
    for (levels, allowed) in [(MAX_READ_DEPTH, true), (MAX_READ_DEPTH + 1, false)] {
        let mut image = small();
        let mut inner = append_directory(&mut image, []);
        for _ in 0..levels {
            let (sector, bytes) = inner;
            inner = append_directory(&mut image, [raw_record(b"D", true, sector, bytes)]);
        }
        set_root(&mut image, inner);
        match open(&image).entries(Naming::Plain) {
            Ok(entries) => assert!(allowed && entries.len() == levels),
            Err(ReadError::TooMuch { limit, .. }) => assert!(!allowed && limit == MAX_READ_DEPTH),
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn paths_that_would_fill_memory_are_refused() {
    let mut image = small();
    let name = |n: usize| format!("{n:0200}").into_bytes();
    // Deep enough that 40,000 short records stand for far more bytes of paths.
    let files = (0..40_000).map(|n| raw_record(format!("{n:X}").as_bytes(), false, 0, 0));
    let mut inner = append_directory(&mut image, files);
    for level in 0..10 {
        let (sector, bytes) = inner;
        inner = append_directory(&mut image, [raw_record(&name(level), true, sector, bytes)]);
    }
    set_root(&mut image, inner);
    assert!(matches!(refused(&image, Naming::Plain), ReadError::TooMuch { limit: MAX_PATH_BYTES, .. }));
}

/// The size alone is enough: nothing of it is read.
#[test]
fn a_directory_larger_than_the_limit_is_refused_unread() {
    struct Sparse {
        begin: Vec<u8>,
        length: u64,
        position: u64,
        read: u64,
    }
    impl Read for &mut Sparse {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let stored = self.begin.get(self.position as usize..).unwrap_or_default();
            let length = buffer.len().min((self.length - self.position) as usize);
            buffer[..length].fill(0);
            let from_stored = length.min(stored.len());
            buffer[..from_stored].copy_from_slice(&stored[..from_stored]);
            self.position += length as u64;
            self.read += length as u64;
            Ok(length)
        }
    }
    impl Seek for &mut Sparse {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.position = match to {
                SeekFrom::Start(position) => position,
                SeekFrom::End(offset) => self.length.saturating_add_signed(offset),
                SeekFrom::Current(offset) => self.position.saturating_add_signed(offset),
            };
            Ok(self.position)
        }
    }

    let mut begin = small();
    let bytes = MAX_DIRECTORY_BYTES as u32;
    let sectors = begin.len() / SECTOR + MAX_DIRECTORY_BYTES / SECTOR + 1;
    let after = (begin.len() / SECTOR) as u32;
    let dir = record(&begin, b"DIR");
    set(&mut begin, dir + 2, after);
    set(&mut begin, dir + 10, bytes);
    set(&mut begin, 16 * SECTOR + 80, sectors as u32);
    let mut sparse = Sparse { begin, length: (sectors * SECTOR) as u64, position: 0, read: 0 };
    let error = Image::open(&mut sparse).unwrap().entries(Naming::Plain).unwrap_err();
    assert!(matches!(error, ReadError::TooMuch { limit: MAX_DIRECTORY_BYTES, .. }), "{error}");
    assert!(sparse.read < 100 * SECTOR as u64, "{}", sparse.read);
}
