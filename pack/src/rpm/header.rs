//! A package's lead, signature header and main header, read with bounds before anything trusts them.
//!
//! Layout and limits: rpm 4.11 `lib/header.c`, `lib/signature.c`; <https://rpm-software-management.github.io/rpm/manual/format_v4.html>.

use std::collections::HashSet;
use std::io::{self, Read};
use std::ops::Range;

use rpm::{IndexSignatureTag, IndexTag, PackageMetadata};

use super::Source;
use crate::{Error, Result};

const LEAD_LENGTH: usize = 96;
const LEAD_MAGIC: [u8; 4] = [0xed, 0xab, 0xee, 0xdb];
/// Magic and version of every header section.
const HEADER_MAGIC: [u8; 4] = [0x8e, 0xad, 0xe8, 0x01];
const INTRO_LENGTH: usize = 16;
const INDEX_ENTRY_LENGTH: usize = 16;
/// `hdrchkTags` and `hdrchkData` of rpm 4.11: fewer than 65,536 entries, less than 16 MiB of data.
const MAX_ENTRIES: usize = 0xffff;
const MAX_DATA: usize = 0xff_ffff;
/// Most texts in a header, such as the names of files: each takes memory far beyond its bytes. A file has about eight.
const MAX_TEXTS: usize = 1 << 20;
/// What a text takes in memory beside its bytes, at most, as part of what is made of it.
const TEXT_MEMORY: usize = 64;
/// Most bytes that all paths may have together: a header names a long folder once for any number of files.
const MAX_PATH_BYTES: usize = 16 << 20;

/// Types of entries (rpm 4.11 `lib/rpmtag.h`, `rpmTagType_e`).
mod kind {
    pub(super) const NULL: usize = 0;
    pub(super) const CHAR: usize = 1;
    pub(super) const INT8: usize = 2;
    pub(super) const INT16: usize = 3;
    pub(super) const INT32: usize = 4;
    pub(super) const INT64: usize = 5;
    pub(super) const TEXT: usize = 6;
    pub(super) const BINARY: usize = 7;
    pub(super) const TEXTS: usize = 8;
    pub(super) const TRANSLATED_TEXTS: usize = 9;
}

/// A package: its headers in memory, its payload where it was found.
#[derive(Debug, Clone)]
pub struct Rpm {
    source: Source,
    metadata: PackageMetadata,
    /// The main header exactly as it is in the file: what signatures cover.
    header: Vec<u8>,
    header_offset: u64,
    /// How many texts the headers have.
    texts: usize,
}

impl Rpm {
    /// Reads the headers of a package.
    ///
    /// # Errors
    /// [`Error`] of class `Payload` if it is truncated, is not an RPM, or has headers that rpm would not read.
    pub fn read(source: Source) -> Result<Rpm> {
        let head = read_head(&source).map_err(|problem| {
            Error::payload(
                source.name(),
                problem,
                "Build or download the package again; `rpm -K` shows whether it is whole",
            )
        })?;
        let metadata = PackageMetadata::parse(&mut head.bytes.as_slice()).map_err(|e| {
            Error::payload(
                source.name(),
                format!("its headers cannot be read: {e}"),
                "Build or download the package again",
            )
        })?;
        let header = head.bytes[head.header.clone()].to_vec();
        let rpm = Rpm { source, metadata, header, header_offset: head.header.start as u64, texts: head.texts };
        rpm.check_fields()?;
        Ok(rpm)
    }

    fn check_fields(&self) -> Result<()> {
        let m = &self.metadata;
        let missing = |field: &str| {
            Error::payload(
                self.source.name(),
                format!("its header has no usable {field}"),
                "Build the package with rpmbuild or another builder that writes it",
            )
        };
        for (field, value, more) in [
            ("name", m.get_name(), "-"),
            // A '-' ends a version and a release, and '~' and '^' mean something in them.
            ("version", m.get_version(), "~^"),
            ("release", m.get_release(), "~^"),
            ("architecture", m.get_arch(), ""),
        ] {
            let value = value.map_err(|_| missing(field))?;
            let legal = |c: char| c.is_ascii_alphanumeric() || "._+".contains(c) || more.contains(c);
            if value.is_empty() || value.starts_with('.') || !value.chars().all(legal) {
                return Err(missing(field));
            }
        }
        let path_bytes = self.path_bytes().ok_or_else(|| missing("list of files"))?;
        if path_bytes > MAX_PATH_BYTES {
            return Err(Error::payload(
                self.source.name(),
                format!("its paths have {path_bytes} bytes together; at most {MAX_PATH_BYTES} are read"),
                "Make several packages of it",
            ));
        }
        m.get_file_entries().map(drop).map_err(|_| missing("list of files"))
    }

    /// Bytes of all paths together. `None` if they cannot be read.
    fn path_bytes(&self) -> Option<usize> {
        let paths = self.metadata.get_file_paths_split().ok()?;
        Some(paths.iter().map(|(folder, name)| folder.len() + name.len()).fold(0, usize::saturating_add))
    }

    /// About how many bytes of memory its headers take, with what may be made of them.
    pub fn memory(&self) -> usize {
        let headers = usize::try_from(self.payload_offset()).unwrap_or(usize::MAX);
        headers
            .saturating_mul(2)
            .saturating_add(self.texts * TEXT_MEMORY)
            .saturating_add(self.path_bytes().unwrap_or(0))
    }

    /// The same package with other headers around its main header.
    pub(super) fn with_metadata(&self, metadata: PackageMetadata) -> Rpm {
        Rpm { metadata, ..self.clone() }
    }

    /// Where the package came from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Everything that the headers say.
    pub fn metadata(&self) -> &PackageMetadata {
        &self.metadata
    }

    /// The main header as it is in the file.
    pub fn header(&self) -> &[u8] {
        &self.header
    }

    /// Offset of the main header in the source.
    pub fn header_offset(&self) -> u64 {
        self.header_offset
    }

    /// Offset of the payload in the source.
    pub fn payload_offset(&self) -> u64 {
        self.header_offset + self.header.len() as u64
    }

    /// Length of main header and payload together.
    pub fn content_length(&self) -> u64 {
        self.source.length() - self.header_offset
    }

    pub fn name(&self) -> &str {
        self.metadata.get_name().expect("checked by Rpm::read")
    }

    pub fn version(&self) -> &str {
        self.metadata.get_version().expect("checked by Rpm::read")
    }

    pub fn release(&self) -> &str {
        self.metadata.get_release().expect("checked by Rpm::read")
    }

    pub fn arch(&self) -> &str {
        self.metadata.get_arch().expect("checked by Rpm::read")
    }

    /// The epoch, if the package has one.
    pub fn epoch(&self) -> Option<u32> {
        self.metadata.get_epoch().ok()
    }

    /// `[epoch:]version-release`.
    pub fn evr(&self) -> String {
        match self.epoch() {
            Some(epoch) => format!("{epoch}:{}-{}", self.version(), self.release()),
            None => format!("{}-{}", self.version(), self.release()),
        }
    }

    /// `name-[epoch:]version-release.arch`.
    pub fn nevra(&self) -> String {
        format!("{}-{}.{}", self.name(), self.evr(), self.arch())
    }

    /// The canonical file name.
    pub fn file_name(&self) -> String {
        format!("{}-{}-{}.{}.rpm", self.name(), self.version(), self.release(), self.arch())
    }

    /// What the payload is compressed with, by the name that rpm gives it.
    pub fn payload_compressor(&self) -> &str {
        self.metadata.header.get_entry_data_as_string(IndexTag::RPMTAG_PAYLOADCOMPRESSOR).unwrap_or("gzip")
    }

    /// The OpenPGP packet with an RSA signature over the header, if there is one.
    pub fn header_signature(&self) -> Option<&[u8]> {
        self.metadata.signature.get_entry_data_as_binary(IndexSignatureTag::RPMSIGTAG_RSA).ok()
    }

    /// Whether the signature header states the MD5 of header and payload: rpm 4.11's only digest of the payload.
    pub fn states_content_md5(&self) -> bool {
        let md5 = self.metadata.signature.get_entry_data_as_binary(IndexSignatureTag::RPMSIGTAG_MD5);
        md5.is_ok_and(|md5| md5.len() == 16)
    }

    /// Whether the signature header states the archive's size.
    pub fn states_archive_size(&self) -> bool {
        let signature = &self.metadata.signature;
        signature.get_entry_data_as_u32(IndexSignatureTag::RPMSIGTAG_PAYLOADSIZE).is_ok()
            || signature.get_entry_data_as_u64(IndexSignatureTag::RPMSIGTAG_LONGARCHIVESIZE).is_ok()
    }

    /// Bytes that the package's files take when installed.
    pub fn installed_size(&self) -> u64 {
        self.metadata.get_installed_size().unwrap_or(0)
    }

    /// Length of the uncompressed cpio archive: as the signature header states it, else computed from the file list.
    pub fn archive_size(&self) -> u64 {
        let signature = &self.metadata.signature;
        signature
            .get_entry_data_as_u32(IndexSignatureTag::RPMSIGTAG_PAYLOADSIZE)
            .map(u64::from)
            .or_else(|_| signature.get_entry_data_as_u64(IndexSignatureTag::RPMSIGTAG_LONGARCHIVESIZE))
            .or_else(|_| self.metadata.header.get_entry_data_as_u64(IndexTag::RPMTAG_PAYLOADSIZEALT))
            .unwrap_or_else(|_| self.computed_archive_size())
    }

    /// The size of a "newc" cpio archive of the files in the header (rpm 4.11 `lib/cpio.c`): per member a header of 110
    /// bytes, the name with `./` before it and a NUL after, and the content, both padded to 4; then the trailer.
    fn computed_archive_size(&self) -> u64 {
        const MEMBER_HEADER: u64 = 110;
        const TRAILER: u64 = 124;
        let inodes = self.metadata.header.get_entry_data_as_u32_array(IndexTag::RPMTAG_FILEINODES).unwrap_or_default();
        let entries = self.metadata.get_file_entries().unwrap_or_default();
        let mut members = 0_u64;
        let mut linked = HashSet::new();
        for (index, entry) in entries.iter().enumerate().rev() {
            if entry.flags().contains(rpm::FileFlags::GHOST) {
                continue;
            }
            // Names in the archive begin with "./".
            let name = (entry.dirname().trim_start_matches('/').len() + entry.basename().len() + 3) as u64;
            let content = match entry.file_type() {
                rpm::FileType::Dir => 0,
                rpm::FileType::SymbolicLink => entry.linkto().map_or(0, |target| target.len() as u64),
                // Of hard links only the last member carries the content.
                _ if inodes.get(index).is_some_and(|inode| !linked.insert(*inode)) => 0,
                _ => entry.size() as u64,
            };
            members = members.saturating_add(padded(MEMBER_HEADER + name)).saturating_add(padded(content));
        }
        members.saturating_add(TRAILER)
    }
}

/// The next multiple of four; headers may claim any size.
fn padded(length: u64) -> u64 {
    length.saturating_add(3) & !3
}

struct Head {
    /// Lead, signature header and main header.
    bytes: Vec<u8>,
    /// Where the main header is in them.
    header: Range<usize>,
    /// How many texts both headers have.
    texts: usize,
}

fn read_head(source: &Source) -> std::result::Result<Head, String> {
    let mut reader = source.read_from(0);
    let mut bytes = Vec::new();
    take(&mut reader, LEAD_LENGTH, &mut bytes, "lead")?;
    if bytes[..4] != LEAD_MAGIC {
        return Err("is not an RPM package".into());
    }
    let (signature, signature_texts) = take_header(&mut reader, &mut bytes, "signature header")?;
    let padding = (8 - signature.len() % 8) % 8;
    take(&mut reader, padding, &mut bytes, "signature header")?;
    let (header, header_texts) = take_header(&mut reader, &mut bytes, "header")?;
    if bytes.len() as u64 >= source.length() {
        return Err("is truncated: it has no payload".into());
    }
    Ok(Head { bytes, header, texts: signature_texts + header_texts })
}

/// Reads one header section, checks that every index entry points into its data and that no two share any of it: else a
/// few bytes could be unpacked to gigabytes. Returns where it is, and how many texts it has.
fn take_header(
    reader: &mut impl Read,
    bytes: &mut Vec<u8>,
    part: &str,
) -> std::result::Result<(Range<usize>, usize), String> {
    let start = bytes.len();
    take(reader, INTRO_LENGTH, bytes, part)?;
    let word = |bytes: &[u8], at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize;
    if bytes[start..start + 4] != HEADER_MAGIC {
        return Err(format!("its {part} does not begin where it should"));
    }
    let (entries, length) = (word(bytes, start + 8), word(bytes, start + 12));
    if entries > MAX_ENTRIES || length > MAX_DATA {
        return Err(format!(
            "its {part} claims {entries} entries and {length} bytes; rpm reads at most {MAX_ENTRIES} and {MAX_DATA}"
        ));
    }
    take(reader, entries * INDEX_ENTRY_LENGTH + length, bytes, part)?;
    let data = &bytes[start + INTRO_LENGTH + entries * INDEX_ENTRY_LENGTH..];
    let (mut unclaimed, mut texts) = (length, 0);
    for entry in 0..entries {
        let at = start + INTRO_LENGTH + entry * INDEX_ENTRY_LENGTH;
        let (kind, offset, count) = (word(bytes, at + 4), word(bytes, at + 8), word(bytes, at + 12));
        let claimed = data.get(offset..).and_then(|data| claimed(data, kind, count));
        let claimed = claimed.ok_or_else(|| format!("entry {entry} of its {part} points outside of it"))?;
        unclaimed = unclaimed
            .checked_sub(claimed)
            .ok_or_else(|| format!("entry {entry} of its {part} shares data with another"))?;
        if matches!(kind, kind::TEXT | kind::TEXTS | kind::TRANSLATED_TEXTS) {
            texts += count;
        }
    }
    match texts > MAX_TEXTS {
        true => Err(format!("its {part} has {texts} texts; at most {MAX_TEXTS} are read")),
        false => Ok((start..bytes.len(), texts)),
    }
}

/// How many bytes of the data that follow its offset an entry has. `None` if there are fewer.
pub(super) fn claimed(data: &[u8], kind: usize, count: usize) -> Option<usize> {
    let width = match kind {
        kind::NULL => 0,
        kind::INT16 => 2,
        kind::INT32 => 4,
        kind::INT64 => 8,
        kind::TEXT | kind::TEXTS | kind::TRANSLATED_TEXTS => {
            // Each ends with a NUL.
            let count = if kind == kind::TEXT { 1 } else { count };
            let mut ends = data.iter().enumerate().filter(|(_, byte)| **byte == 0).map(|(at, _)| at + 1);
            return if count == 0 { Some(0) } else { ends.nth(count - 1) };
        }
        kind::CHAR | kind::INT8 | kind::BINARY => 1,
        _ => return None,
    };
    count.checked_mul(width).filter(|length| *length <= data.len())
}

fn take(reader: &mut impl Read, length: usize, bytes: &mut Vec<u8>, part: &str) -> std::result::Result<(), String> {
    let got = io::copy(&mut reader.take(length as u64), bytes).map_err(|e| format!("cannot be read: {e}"))?;
    match got == length as u64 {
        true => Ok(()),
        false => Err(format!("is truncated: it ends inside its {part}")),
    }
}

#[cfg(test)]
mod tests;
