//! A small package made anew, with one word in the place of another of the same length: in names, texts and files. All
//! else of it stays: every other tag, scriptlets, owners, times.
//!
//! Layout of headers: rpm 4.11 `lib/header.c`; <https://rpm-software-management.github.io/rpm/manual/format_v4.html>.

use std::io::{Read, Write};

use cpio::newc;
use flate2::{Compression, GzBuilder};
use rpm::{FileFlags, FileType};
use sha2::{Digest, Sha256};

use super::header::claimed;
use super::payload::{self, decompressor, hasher};
use super::{Rpm, Source};
use crate::digest::hex;
use crate::{Error, Result};

/// Most bytes that such a package may unpack to.
const MAX_UNPACKED: u64 = 4 << 20;
/// What every header section begins with: magic, version and four reserved bytes.
const MAGIC: [u8; 8] = [0x8e, 0xad, 0xe8, 0x01, 0, 0, 0, 0];
const LEAD_LENGTH: usize = 96;

/// Tags of rpm 4.11 `lib/rpmtag.h` and its successors.
mod tag {
    pub(super) const SIGNATURES: u32 = 62;
    pub(super) const IMMUTABLE: u32 = 63;
    pub(super) const SIZE: u32 = 1009;
    pub(super) const FILE_SIZES: u32 = 1028;
    pub(super) const FILE_DIGESTS: u32 = 1035;
    pub(super) const ARCHIVE_SIZE: u32 = 1046;
    pub(super) const COMPRESSOR: u32 = 1125;
    pub(super) const FLAGS: u32 = 1126;
    pub(super) const LONG_FILE_SIZES: u32 = 5008;
    pub(super) const LONG_SIZE: u32 = 5009;
    pub(super) const FILE_SIGNATURES: u32 = 5090;
    pub(super) const PAYLOAD_DIGEST: u32 = 5092;
    pub(super) const OPEN_PAYLOAD_DIGEST: u32 = 5097;
    pub(super) const VERITY_SIGNATURES: u32 = 5276;
    /// In the signature header.
    pub(super) const PAYLOAD_SIZE: u32 = 1007;
}

/// Types of entries.
mod kind {
    pub(super) const INT16: u32 = 3;
    pub(super) const INT32: u32 = 4;
    pub(super) const INT64: u32 = 5;
    pub(super) const TEXT: u32 = 6;
    pub(super) const BINARY: u32 = 7;
    pub(super) const TEXTS: u32 = 8;
    pub(super) const TRANSLATED_TEXTS: u32 = 9;
}

/// What becomes of a file, by its path and content.
type Change<'a> = &'a mut dyn FnMut(&str, Vec<u8>) -> std::result::Result<Vec<u8>, String>;

/// An entry of a header, with its data as they are in the file.
#[derive(Debug, Clone)]
struct Entry {
    tag: u32,
    kind: u32,
    count: u32,
    data: Vec<u8>,
}

/// Makes a package anew with `to` for every `from`; `change` gets path and content of each regular file, when that is done.
///
/// # Errors
/// [`Error`] of class `Payload` if it cannot be made anew faithfully, and why.
pub fn rewrite(rpm: &Rpm, from: &str, to: &str, change: Change<'_>) -> Result<Rpm> {
    let refused = |problem: String| {
        Error::payload(
            rpm.source().name(),
            format!("cannot be made anew: {problem}"),
            "Build the pack again from what it was built from",
        )
    };
    if rpm.archive_size() > MAX_UNPACKED {
        return Err(refused(format!("it unpacks to more than {MAX_UNPACKED} bytes")));
    }
    // Whatever it says of its files is so.
    payload::read(rpm, MAX_UNPACKED, &mut |_, _| Ok(()))?;
    let mut entries = entries(rpm.header()).ok_or_else(|| refused("its header cannot be read".into()))?;
    let odd = [
        (tag::LONG_FILE_SIZES, "sizes of 64 bits"),
        (tag::LONG_SIZE, "a size of 64 bits"),
        (tag::FILE_SIGNATURES, "signatures of files"),
        (tag::VERITY_SIGNATURES, "signatures of files"),
    ];
    if let Some((_, what)) = odd.iter().find(|(odd, _)| entries.iter().any(|entry| entry.tag == *odd)) {
        return Err(refused(format!("it has {what}")));
    }
    let archive = Archive::rewritten(rpm, from, to, change).map_err(refused)?;
    let compressed = gzip(&archive.bytes);
    for entry in &mut entries {
        if matches!(entry.kind, kind::TEXT | kind::TEXTS | kind::TRANSLATED_TEXTS) {
            entry.data = replaced(&entry.data, from.as_bytes(), to.as_bytes());
        }
        match entry.tag {
            tag::SIZE => entry.grow(0, archive.grown),
            tag::FILE_SIZES => {
                for file in &archive.files {
                    entry.set(file.index, file.size);
                }
            }
            tag::FILE_DIGESTS => {
                for file in &archive.files {
                    entry.set_text(file.index, &file.digest);
                }
            }
            tag::ARCHIVE_SIZE => entry.set(0, u32::try_from(archive.bytes.len()).unwrap_or(u32::MAX)),
            tag::COMPRESSOR => entry.set_text(0, "gzip"),
            tag::FLAGS => entry.set_text(0, "9"),
            tag::PAYLOAD_DIGEST => entry.set_text(0, &hex(&Sha256::digest(&compressed))),
            tag::OPEN_PAYLOAD_DIGEST => entry.set_text(0, &hex(&Sha256::digest(&archive.bytes))),
            _ => {}
        }
    }
    let mut bytes = Vec::new();
    let lead = rpm.source().read_from(0).take(LEAD_LENGTH as u64).read_to_end(&mut bytes);
    lead.map_err(|e| refused(format!("it cannot be read: {e}")))?;
    // Of the signature header only what rpm 4.11 wants to know of the archive; signing makes it anew.
    let size = u32::try_from(archive.bytes.len()).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    bytes.extend(section(
        vec![Entry { tag: tag::PAYLOAD_SIZE, kind: kind::INT32, count: 1, data: size }],
        tag::SIGNATURES,
    ));
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes.extend(section(entries, tag::IMMUTABLE));
    bytes.extend(compressed);
    Rpm::read(Source::memory(&rpm.source().name().display().to_string(), bytes))
}

/// Whether a package's header has a word anywhere.
pub fn mentions(rpm: &Rpm, word: &str) -> bool {
    rpm.header().windows(word.len()).any(|window| window == word.as_bytes())
}

impl Entry {
    /// One of several numbers.
    fn set(&mut self, index: usize, value: u32) {
        if let Some(place) = self.data.get_mut(index * 4..index * 4 + 4) {
            place.copy_from_slice(&value.to_be_bytes());
        }
    }

    fn grow(&mut self, index: usize, by: i64) {
        let old = self
            .data
            .get(index * 4..index * 4 + 4)
            .and_then(|bytes| bytes.try_into().ok())
            .map_or(0, u32::from_be_bytes);
        self.set(index, u32::try_from(i64::from(old) + by).unwrap_or(old));
    }

    /// One of several texts.
    fn set_text(&mut self, index: usize, text: &str) {
        let mut texts: Vec<&[u8]> = self.data.split(|byte| *byte == 0).collect();
        // What follows the last NUL.
        texts.pop();
        if let Some(place) = texts.get_mut(index) {
            *place = text.as_bytes();
        }
        let data = texts.iter().flat_map(|text| text.iter().copied().chain([0])).collect();
        self.data = data;
    }
}

/// The entries of a header, but what bounds its immutable region.
fn entries(header: &[u8]) -> Option<Vec<Entry>> {
    let word = |at: usize| Some(u32::from_be_bytes(header.get(at..at + 4)?.try_into().ok()?));
    let count = word(8)? as usize;
    let data = header.get(16 + count * 16..)?;
    let mut entries = Vec::with_capacity(count);
    for index in 0..count {
        let at = 16 + index * 16;
        let (tag, kind, offset, count) = (word(at)?, word(at + 4)?, word(at + 8)?, word(at + 12)?);
        if tag == tag::IMMUTABLE {
            continue;
        }
        let data = data.get(offset as usize..)?;
        let length = claimed(data, kind as usize, count as usize)?;
        entries.push(Entry { tag, kind, count, data: data.get(..length)?.to_vec() });
    }
    Some(entries)
}

/// A header section of entries in the order of their tags, all within one immutable region.
fn section(mut entries: Vec<Entry>, region: u32) -> Vec<u8> {
    entries.sort_by_key(|entry| entry.tag);
    let (mut index, mut data) = (Vec::new(), Vec::new());
    for entry in &entries {
        let align = match entry.kind {
            kind::INT16 => 2,
            kind::INT32 => 4,
            kind::INT64 => 8,
            _ => 1,
        };
        data.resize(usize::next_multiple_of(data.len(), align), 0);
        index.extend(words([entry.tag, entry.kind, data.len() as u32, entry.count]));
        data.extend(&entry.data);
    }
    let count = entries.len() as u32 + 1;
    let first = words([region, kind::BINARY, data.len() as u32, 16]);
    // What ends the region points back to where it begins.
    data.extend(words([region, kind::BINARY, (count * 16).wrapping_neg(), 16]));
    let lengths = [count, data.len() as u32].map(u32::to_be_bytes).concat();
    [&MAGIC[..], &lengths, &first, &index, &data].concat()
}

fn words(words: [u32; 4]) -> Vec<u8> {
    words.map(u32::to_be_bytes).concat()
}

/// Bytes with every `from` replaced by a `to` of the same length.
fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let mut at = 0;
    while let Some(found) = bytes.get(at..).and_then(|rest| rest.windows(from.len()).position(|window| window == from))
    {
        bytes[at + found..at + found + from.len()].copy_from_slice(to);
        at += found + from.len();
    }
    bytes
}

/// An archive made anew.
struct Archive {
    bytes: Vec<u8>,
    /// The regular files in it.
    files: Vec<File>,
    /// By how many bytes all files together grew.
    grown: i64,
}

struct File {
    /// Its place in the header's list.
    index: usize,
    size: u32,
    digest: String,
}

impl Archive {
    fn rewritten(rpm: &Rpm, from: &str, to: &str, change: Change<'_>) -> std::result::Result<Archive, String> {
        let unreadable = |e: std::io::Error| format!("its archive cannot be read: {e}");
        let headers = rpm.metadata().get_file_entries().map_err(|e| e.to_string())?;
        let mut input = decompressor(rpm)?.take(MAX_UNPACKED);
        let mut archive = Archive { bytes: Vec::new(), files: Vec::new(), grown: 0 };
        loop {
            let mut member = newc::Reader::new(&mut input).map_err(unreadable)?;
            if member.entry().is_trailer() {
                break;
            }
            let mut content = Vec::new();
            member.read_to_end(&mut content).map_err(unreadable)?;
            let entry = member.entry();
            let path = format!("/{}", entry.name().trim_start_matches('.').trim_start_matches('/'));
            let known = headers.iter().position(|file| format!("{}{}", file.dirname(), file.basename()) == path);
            let index = known.ok_or_else(|| format!("{path} is not in its header"))?;
            let file = &headers[index];
            let regular = file.file_type() == FileType::Regular && !file.flags().contains(FileFlags::GHOST);
            if regular && entry.nlink() > 1 {
                return Err(format!("{path} is a hard link"));
            }
            if regular {
                let old = content.len() as i64;
                content = change(&path, replaced(&content, from.as_bytes(), to.as_bytes()))?;
                archive.grown += content.len() as i64 - old;
                let algorithm = file.digest().ok_or_else(|| format!("{path} has no digest"))?.algorithm();
                let mut digest = hasher(algorithm)?;
                digest.update(&content);
                let size = u32::try_from(content.len()).map_err(|e| e.to_string())?;
                archive.files.push(File { index, size, digest: hex(&digest.finalize()) });
            } else {
                content = replaced(&content, from.as_bytes(), to.as_bytes());
            }
            let builder = newc::Builder::new(&entry.name().replace(from, to))
                .ino(entry.ino())
                .mode(entry.mode())
                .uid(entry.uid())
                .gid(entry.gid())
                .nlink(entry.nlink())
                .mtime(entry.mtime())
                .dev_major(entry.dev_major())
                .dev_minor(entry.dev_minor())
                .rdev_major(entry.rdev_major())
                .rdev_minor(entry.rdev_minor());
            let size = u32::try_from(content.len()).map_err(|e| e.to_string())?;
            let mut written = builder.write(&mut archive.bytes, size);
            written.write_all(&content).and_then(|()| written.finish().map(drop)).map_err(unreadable)?;
            member.finish().map_err(unreadable)?;
        }
        newc::trailer(&mut archive.bytes).map_err(unreadable)?;
        Ok(archive)
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::new(9));
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("writing to memory cannot fail")
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::super::package::Package;
    use super::super::scriptlet::scriptlets;
    use super::*;
    use rpm::{FileMode, FileOptions};

    const OLD: &str = "00000000-0000-4000-8000-000000000001";
    const NEW: &str = "00000000-0000-4000-8000-00000000000f";

    fn sample() -> Rpm {
        let mut builder = fixture::sample();
        let stamp = FileOptions::new(format!("/var/update/applied/{OLD}")).mode(FileMode::regular(0o644));
        builder.with_file_contents(format!("uuid {OLD}\n"), stamp).unwrap();
        builder.post_install_script(format!("echo {OLD} and {OLD}\n"));
        fixture::read(builder)
    }

    #[test]
    fn one_word_changes_and_nothing_else() {
        let old = sample();
        assert!(mentions(&old, OLD) && !mentions(&old, NEW));
        let new = rewrite(&old, OLD, NEW, &mut |_, content| Ok(content)).unwrap();
        assert!(mentions(&new, NEW) && !mentions(&new, OLD));
        assert_eq!(scriptlets(&new)[0].body.as_deref(), Some(format!("echo {NEW} and {NEW}\n").as_str()));
        let mut expected = Package::of(&old).unwrap();
        let found = Package::of(&new).unwrap();
        for (old, new) in expected.files.iter_mut().zip(&found.files) {
            old.path = old.path.replace(OLD, NEW);
            if old.path.contains(NEW) {
                old.kind = new.kind.clone();
            }
        }
        assert_eq!(found, expected);
        let mut contents = Vec::new();
        payload::read(&new, MAX_UNPACKED, &mut |member, reader| {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            contents.push((found.files[member.index].path.clone(), text));
            Ok(())
        })
        .unwrap();
        assert!(contents.contains(&(format!("/var/update/applied/{NEW}"), format!("uuid {NEW}\n"))));
        assert!(contents.contains(&("/etc/sample.conf".into(), "content\n".into())));
        assert_eq!(new.installed_size(), old.installed_size());
    }

    #[test]
    fn there_and_back_again_is_the_same_header() {
        let old = rewrite(&sample(), OLD, OLD, &mut |_, content| Ok(content)).unwrap();
        let new = rewrite(&old, OLD, NEW, &mut |_, content| Ok(content)).unwrap();
        let back = rewrite(&new, NEW, OLD, &mut |_, content| Ok(content)).unwrap();
        assert_eq!(back.header(), old.header());
    }

    #[test]
    fn a_file_may_grow() {
        let old = sample();
        let grow = &mut |path: &str, mut content: Vec<u8>| {
            if path.contains(OLD) {
                content.extend(b"more\n");
            }
            Ok(content)
        };
        let new = rewrite(&old, OLD, NEW, grow).unwrap();
        assert_eq!(new.installed_size(), old.installed_size() + 5);
        payload::read(&new, MAX_UNPACKED, &mut |_, _| Ok(())).unwrap();
    }
}
