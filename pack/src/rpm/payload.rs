//! A package's payload: the files in its cpio archive, held to what the header says of them as they are streamed.
//!
//! Works on one member at a time and never takes more bytes than the header claims for it. Must not know what becomes of
//! the files. Format: rpm 4.11 `lib/cpio.c`, `lib/fsm.c`; cpio(5), "New ASCII Format".

use std::cell::Cell;
use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read};
use std::result::Result;

use bzip2::read::MultiBzDecoder;
use cpio::newc;
use flate2::read::MultiGzDecoder;
use lzma_rust2::{LzmaReader, XzReader};
use md5::Md5;
use rpm::{DigestAlgorithm, FileEntry, FileFlags, FileType};
use sha2::digest::{Digest, DynDigest};

use super::Rpm;
use crate::{Error, digest};

/// The most that one header of the archive may take: 110 bytes, a path of `PATH_MAX`, and padding.
const MAX_MEMBER_HEADER: u64 = 110 + 4096 + 16;
/// What may follow the trailer: archives are padded, by some tools to 512 bytes.
const MAX_PADDING: u64 = 4096;
/// How every gzip stream begins: RFC 1952.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// The most memory for decompression, in KiB. xz -9 takes 65 MiB.
const MAX_DICTIONARY_KIB: u32 = 128 * 1024;

/// A file of a package, as its content arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member<'a> {
    /// Its place in the header's list of files.
    pub index: usize,
    /// The places of other names of the same file: hard links to it.
    pub links: &'a [usize],
}

/// Streams the payload: `each` gets every file of the header's list but ghosts, once, in the order of the archive; of hard
/// links all names together. The reader yields a file's content, a link's target, and nothing for other types; what is
/// left unread is skipped. `limit` is for the bytes of the uncompressed archive.
///
/// Only once this returns is it known that everything was as the header says: what `each` did before an error is then to
/// be undone.
///
/// # Errors
/// [`Error`] of class `Payload` with the first file that is not as the header says, or what is wrong with the archive;
/// and the errors of `each`.
pub fn read(
    rpm: &Rpm,
    limit: u64,
    each: &mut dyn FnMut(Member<'_>, &mut dyn Read) -> crate::Result<()>,
) -> crate::Result<()> {
    let wrong = |problem: String| {
        Error::payload(
            rpm.source().name(),
            format!("has a damaged payload: {problem}"),
            "Build or download the package again; `rpm -K` shows whether it is whole",
        )
    };
    let entries = rpm.metadata().get_file_entries().map_err(|e| wrong(e.to_string()))?;
    let mut files = Files::of(&entries).map_err(wrong)?;
    let step = Cell::new(0);
    let mut archive = Bounded { inner: decompressor(rpm).map_err(wrong)?, left: limit, limit, step: &step };
    loop {
        step.set(MAX_MEMBER_HEADER);
        let mut member =
            newc::Reader::new(&mut archive).map_err(|e| wrong(format!("its archive cannot be read: {e}")))?;
        if member.entry().is_trailer() {
            break;
        }
        let name = printable(member.entry().name());
        let about = |problem: String| wrong(format!("{name} {problem}"));
        let size = u64::from(member.entry().file_size());
        step.set(size.saturating_add(3));
        if let Some(arrived) = files.arrive(member.entry()).map_err(about)? {
            let mut content = Content::of(arrived.entry, &mut member, size).map_err(about)?;
            let done = each(Member { index: arrived.index, links: &arrived.links }, &mut content);
            // A failure to read is the package's fault, whatever the caller makes of it.
            content.finish(done.is_ok()).map_err(about)?;
            done?;
        }
        member.finish().map_err(|e| about(format!("cannot be read: {e}")))?;
    }
    step.set(MAX_PADDING);
    let mut rest = Vec::new();
    archive.read_to_end(&mut rest).map_err(|e| wrong(format!("its archive goes on after its end: {e}")))?;
    if rest.iter().any(|byte| *byte != 0) {
        return Err(wrong("its archive goes on after its end".into()));
    }
    match files.missing() {
        None => Ok(()),
        Some(name) => Err(wrong(format!("{} is missing", printable(name)))),
    }
}

/// The files of the header, and which of them have arrived.
struct Files<'h> {
    entries: &'h [FileEntry<'h>],
    /// By path without the leading '/'.
    expected: HashMap<String, usize>,
    arrived: Vec<bool>,
    /// Hard links whose content is still to come, by inode: it comes with the last.
    waiting: HashMap<(u32, u32, u32), Vec<usize>>,
}

/// A file whose content follows.
struct Arrived<'h> {
    entry: &'h FileEntry<'h>,
    index: usize,
    links: Vec<usize>,
}

impl<'h> Files<'h> {
    fn of(entries: &'h [FileEntry<'h>]) -> Result<Files<'h>, String> {
        let mut expected = HashMap::new();
        for (index, entry) in entries.iter().enumerate() {
            let path = format!("{}{}", entry.dirname(), entry.basename());
            let path = path.trim_start_matches('/').to_owned();
            if let Some(other) = expected.insert(path, index) {
                return Err(format!("its header lists file {other} again as file {index}"));
            }
        }
        Ok(Files { entries, expected, arrived: vec![false; entries.len()], waiting: HashMap::new() })
    }

    /// Finds a member in the header; none if it is a hard link whose content is still to come.
    fn arrive(&mut self, member: &newc::Entry) -> Result<Option<Arrived<'h>>, String> {
        let name = member.name();
        // With "./" from rpmbuild, with or without "/" from others: rpm 4.11 takes all.
        let path = name.strip_prefix('.').filter(|rest| rest.starts_with('/')).unwrap_or(name).trim_start_matches('/');
        let unknown = || "is not in the header's list of files".to_owned();
        let index = *self.expected.get(path).ok_or_else(unknown)?;
        let (entry, arrived) = self.entries.get(index).zip(self.arrived.get_mut(index)).ok_or_else(unknown)?;
        if std::mem::replace(arrived, true) {
            return Err("comes twice".into());
        }
        if is_ghost(entry) {
            return Err("is a ghost, which has no content to bring".into());
        }
        let size = u64::from(member.file_size());
        if entry.file_type() != FileType::Regular || member.nlink() < 2 {
            return check_size(entry, size).map(|()| Some(Arrived { entry, index, links: Vec::new() }));
        }
        let inode = (member.dev_major(), member.dev_minor(), member.ino());
        let waiting = self.waiting.entry(inode).or_default();
        if size == 0 && waiting.len() + 1 < member.nlink() as usize {
            waiting.push(index);
            return Ok(None);
        }
        check_size(entry, size)?;
        let links = self.waiting.remove(&inode).unwrap_or_default();
        for link in links.iter().filter_map(|link| self.entries.get(*link)) {
            if link.size() != entry.size() || link.digest() != entry.digest() {
                return Err(format!(
                    "is a hard link to {}{}, but another file by its header",
                    link.dirname(),
                    link.basename()
                ));
            }
        }
        Ok(Some(Arrived { entry, index, links }))
    }

    /// A file of which nothing arrived, or not its content.
    fn missing(&self) -> Option<&str> {
        let waiting = self.waiting.values().flatten().next().copied();
        let mut all = self.entries.iter().zip(&self.arrived).enumerate();
        let absent = all.find(|(_, (entry, arrived))| !**arrived && !is_ghost(entry)).map(|(index, _)| index);
        let missing = waiting.or(absent)?;
        self.expected.iter().find(|(_, index)| **index == missing).map(|(path, _)| path.as_str())
    }
}

fn is_ghost(entry: &FileEntry<'_>) -> bool {
    entry.flags().contains(FileFlags::GHOST)
}

fn check_size(entry: &FileEntry<'_>, size: u64) -> Result<(), String> {
    let expected = match entry.file_type() {
        FileType::Regular => entry.size() as u64,
        FileType::SymbolicLink => entry.linkto().unwrap_or_default().len() as u64,
        _ => 0,
    };
    match size == expected {
        true => Ok(()),
        false => Err(format!("has {size} bytes where the header says {expected}")),
    }
}

/// The content of one member, which must turn out as the header says.
struct Content<'c> {
    inner: &'c mut dyn Read,
    left: u64,
    expected: Expected<'c>,
    failed: bool,
}

enum Expected<'c> {
    Nothing,
    /// A digest in hexadecimal digits.
    Digest(Box<dyn DynDigest>, String),
    /// A symbolic link's target, and what has come of it.
    Target(&'c str, Vec<u8>),
}

impl<'c> Content<'c> {
    fn of(entry: &'c FileEntry<'_>, inner: &'c mut dyn Read, size: u64) -> Result<Content<'c>, String> {
        let expected = match entry.file_type() {
            FileType::Regular => {
                let digest = entry.digest().ok_or("has no digest in the header")?;
                Expected::Digest(hasher(digest.algorithm())?, digest.as_hex().to_owned())
            }
            FileType::SymbolicLink => Expected::Target(entry.linkto().unwrap_or_default(), Vec::new()),
            _ => Expected::Nothing,
        };
        Ok(Content { inner, left: size, expected, failed: false })
    }

    /// Reads what the caller left, and compares. If the caller failed, only its own failures to read count.
    fn finish(mut self, caller_went_on: bool) -> Result<(), String> {
        if !caller_went_on && !self.failed {
            return Ok(());
        }
        io::copy(&mut self, &mut io::sink()).map_err(|e| format!("cannot be read: {e}"))?;
        match self.expected {
            Expected::Nothing => Ok(()),
            Expected::Target(expected, got) if got == expected.as_bytes() => Ok(()),
            Expected::Target(..) => Err("is a link to something else than the header says".into()),
            Expected::Digest(hasher, expected) => match digest::hex(&hasher.finalize()).eq_ignore_ascii_case(&expected)
            {
                true => Ok(()),
                false => Err("has not the digest that the header says".into()),
            },
        }
    }
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = match self.inner.read(buffer) {
            Ok(0) if self.left > 0 && !buffer.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
            got => got,
        };
        self.failed |= got.as_ref().is_err_and(|e| e.kind() != io::ErrorKind::Interrupted);
        let got = got?;
        self.left = self.left.saturating_sub(got as u64);
        let bytes = buffer.get(..got).unwrap_or_default();
        match &mut self.expected {
            Expected::Nothing => {}
            Expected::Digest(hasher, _) => hasher.update(bytes),
            Expected::Target(_, target) => target.extend_from_slice(bytes),
        }
        Ok(got)
    }
}

pub(super) fn hasher(algorithm: DigestAlgorithm) -> Result<Box<dyn DynDigest>, String> {
    match algorithm {
        DigestAlgorithm::Md5 => Ok(Box::new(Md5::new())),
        DigestAlgorithm::Sha2_224 => Ok(Box::new(sha2::Sha224::new())),
        DigestAlgorithm::Sha2_256 => Ok(Box::new(sha2::Sha256::new())),
        DigestAlgorithm::Sha2_384 => Ok(Box::new(sha2::Sha384::new())),
        DigestAlgorithm::Sha2_512 => Ok(Box::new(sha2::Sha512::new())),
        other => Err(format!("has a digest by {other:?}, which rpm 4.11 does not know")),
    }
}

/// Bytes of an archive, no more of them than each step may take and the whole may have.
struct Bounded<'s> {
    inner: Box<dyn Read>,
    left: u64,
    limit: u64,
    step: &'s Cell<u64>,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let wanted = buffer.len().min(usize::try_from(self.left.min(self.step.get())).unwrap_or(usize::MAX));
        if wanted == 0 {
            // The end may be here all the same.
            return match self.inner.read(&mut [0])? {
                0 => Ok(0),
                _ if self.left == 0 => Err(io::Error::other(format!("it is larger than {} bytes", self.limit))),
                _ => Err(io::Error::other("there is more of it than there can be")),
            };
        }
        let got = self.inner.read(buffer.get_mut(..wanted).unwrap_or_default())?;
        self.left -= got as u64;
        self.step.set(self.step.get() - got as u64);
        Ok(got)
    }
}

/// Whether the payload is compressed in a way that rpm 4.11 of the hosts reads.
pub fn can_be_read(rpm: &Rpm) -> bool {
    ["gzip", "xz", "lzma", "bzip2", "none", "identity"].contains(&rpm.payload_compressor())
}

pub(super) fn decompressor(rpm: &Rpm) -> Result<Box<dyn Read>, String> {
    let mut compressed = BufReader::with_capacity(64 * 1024, rpm.source().read_from(rpm.payload_offset()));
    Ok(match rpm.payload_compressor() {
        // Of uncompressed payloads rpmbuild says nothing, and rpm reads them with zlib, which lets them through.
        "gzip" if !compressed.fill_buf().map_err(|e| format!("it cannot be read: {e}"))?.starts_with(&GZIP_MAGIC) => {
            Box::new(compressed)
        }
        "gzip" => Box::new(MultiGzDecoder::new(compressed)),
        "xz" => Box::new(XzReader::new_mem_limit(compressed, true, MAX_DICTIONARY_KIB)),
        "lzma" => Box::new(
            LzmaReader::new_mem_limit(compressed, MAX_DICTIONARY_KIB, None)
                .map_err(|e| format!("it is no lzma: {e}"))?,
        ),
        "bzip2" => Box::new(MultiBzDecoder::new(compressed)),
        "none" | "identity" => Box::new(compressed),
        other => return Err(format!("it is compressed with {other}, which rpm 4.11 of the hosts cannot read")),
    })
}

/// A name for messages: without what would confuse a terminal.
fn printable(name: &str) -> String {
    name.chars().take(200).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests;
