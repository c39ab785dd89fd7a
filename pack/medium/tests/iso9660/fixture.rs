//! Images to test with, and ways to change bytes of them.

use std::io::{Cursor, Read};

use medium::iso9660::{Entry, Image, Naming, ReadError, SECTOR, Tree, UnixSeconds, Volume, Writer};

pub(crate) const MODIFIED: u64 = 1_700_000_001;

/// A file to be on an image.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) mode: u32,
    pub(crate) content: Vec<u8>,
}

pub(crate) fn source(path: &str, content: &[u8]) -> Source {
    Source { path: path.into(), mode: 0o644, content: content.into() }
}

pub(crate) fn tree(sources: &[Source]) -> Tree {
    Tree::new(sources.iter().map(|source| (source.path.as_str(), source.mode))).unwrap()
}

/// An image with these files, written in their order.
pub(crate) fn image(sources: &[Source]) -> Vec<u8> {
    let modified = UnixSeconds::new(MODIFIED).unwrap();
    let volume = Volume { id: "config-2", application: "suppack", publisher: "Somebody, Inc.", modified };
    let mut iso = Writer::new(Cursor::new(Vec::new()), &volume, tree(sources)).unwrap();
    for source in sources {
        assert_eq!(iso.write(&source.path, &source.content[..]).unwrap(), source.content.len() as u64);
    }
    iso.finish().unwrap().into_inner()
}

/// An image with a directory in a directory, an empty file, and a name that continues outside its record.
pub(crate) fn small() -> Vec<u8> {
    image(&[
        source("dir/sub/inner.txt", b"inner"),
        source("empty", b""),
        source("one.bin", &[1; 5000]),
        source("two.bin", &[2; 100]),
        source(&continued_name(), b"long"),
    ])
}

pub(crate) fn continued_name() -> String {
    "€".repeat(83)
}

pub(crate) fn open(image: &[u8]) -> Image<Cursor<&[u8]>> {
    Image::open(Cursor::new(image)).unwrap()
}

pub(crate) fn entries(image: &[u8], naming: Naming) -> Vec<Entry> {
    open(image).entries(naming).unwrap()
}

pub(crate) fn refused(image: &[u8], naming: Naming) -> ReadError {
    open(image).entries(naming).unwrap_err()
}

pub(crate) fn refused_because(image: &[u8], naming: Naming, because: &str) {
    let message = refused(image, naming).to_string();
    assert!(message.contains(because), "{message}");
}

pub(crate) fn content(image: &[u8], entry: &Entry) -> Vec<u8> {
    let mut content = Vec::new();
    open(image).read(entry).unwrap().read_to_end(&mut content).unwrap();
    content
}

/// Offset of the directory record with this identifier, the first of them.
pub(crate) fn record(image: &[u8], identifier: &[u8]) -> usize {
    let found = image
        .windows(identifier.len() + 1)
        .skip(16 * SECTOR + 32)
        .position(|window| window[0] as usize == identifier.len() && &window[1..] == identifier);
    16 * SECTOR + found.expect("the fixture has it")
}

/// Offset of the system use entry with this signature that belongs to the record at `record`.
pub(crate) fn system_use(image: &[u8], record: usize, signature: &[u8]) -> usize {
    let length = usize::from(image[record]);
    record + image[record..record + length].windows(signature.len()).position(|window| window == signature).unwrap()
}

/// Sets a number that is recorded in both byte orders.
pub(crate) fn set(image: &mut [u8], offset: usize, value: u32) {
    image[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
    image[offset + 4..offset + 8].copy_from_slice(&value.to_be_bytes());
}

/// A number that is recorded in both byte orders.
pub(crate) fn get(image: &[u8], offset: usize) -> u32 {
    let little = u32::from_le_bytes(image[offset..offset + 4].try_into().unwrap());
    assert_eq!(little.to_be_bytes(), image[offset + 4..offset + 8], "both byte orders say the same");
    little
}

/// A directory record (ECMA-119 9.1) without system use area.
pub(crate) fn raw_record(identifier: &[u8], directory: bool, sector: u32, bytes: u32) -> Vec<u8> {
    let mut record = vec![0; (33 + identifier.len()).next_multiple_of(2)];
    record[0] = record.len() as u8;
    set(&mut record, 2, sector);
    set(&mut record, 10, bytes);
    record[25] = u8::from(directory) << 1;
    record[32] = identifier.len() as u8;
    record[33..33 + identifier.len()].copy_from_slice(identifier);
    record
}

/// Appends sectors of a directory with these records, after those of itself and its parent; returns the first sector
/// and the bytes.
pub(crate) fn append_directory(image: &mut Vec<u8>, records: impl IntoIterator<Item = Vec<u8>>) -> (u32, u32) {
    let start = image.len();
    let own = [raw_record(&[0], true, 0, 0), raw_record(&[1], true, 0, 0)];
    for record in own.into_iter().chain(records) {
        if image.len() % SECTOR + record.len() > SECTOR {
            image.resize(image.len().next_multiple_of(SECTOR), 0);
        }
        image.extend(record);
    }
    image.resize(image.len().next_multiple_of(SECTOR), 0);
    ((start / SECTOR) as u32, (image.len() - start) as u32)
}

/// Makes this directory the root of the primary hierarchy, and the volume as large as the image.
pub(crate) fn set_root(image: &mut [u8], (sector, bytes): (u32, u32)) {
    let descriptor = 16 * SECTOR;
    set(image, descriptor + 80, (image.len() / SECTOR) as u32);
    set(image, descriptor + 156 + 2, sector);
    set(image, descriptor + 156 + 10, bytes);
}
