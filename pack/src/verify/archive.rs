//! The files that a small package carries.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};

use super::unpack::{self, Bounded, Compression};
use crate::rpm::Rpm;

/// Most bytes that a package may unpack to and still be looked into: companions of packs are a few kilobytes.
pub(super) const MAX_UNPACKED: u64 = 1 << 20;
/// Most members that are looked at.
const MAX_MEMBERS: usize = 10_000;

/// What rpm takes for gzip: it reads through zlib, which gives what is not compressed as it is. Without a tag rpm means
/// gzip, and rpmbuild writes none for a payload that is not compressed (`w.ufdio`).
fn gzip_or_plain<'a>(packed: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut packed = BufReader::new(packed);
    match Compression::of(packed.fill_buf()?) {
        Compression::Gzip => Compression::Gzip.reader(packed),
        _ => Compression::None.reader(packed),
    }
}

/// The regular files of a package's payload by absolute path.
///
/// # Errors
/// The payload is damaged, or larger than is looked into.
pub(super) fn contents(rpm: &Rpm) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let packed = rpm.source().read_from(rpm.payload_offset());
    let stream = match rpm.payload_compressor() {
        "lzma" => unpack::lzma(packed)?,
        "gzip" => gzip_or_plain(packed)?,
        "bzip2" => Compression::Bzip2.reader(packed)?,
        "xz" => Compression::Xz.reader(packed)?,
        "none" | "identity" => Compression::None.reader(packed)?,
        other => return Err(io::Error::new(io::ErrorKind::Unsupported, format!("is compressed with {other}"))),
    };
    let mut stream: Box<dyn Read + '_> = Box::new(Bounded::new(stream, MAX_UNPACKED));
    let mut files = BTreeMap::new();
    for _ in 0..MAX_MEMBERS {
        let mut member = cpio::newc::Reader::new(stream)?;
        if member.entry().is_trailer() {
            return Ok(files);
        }
        let path = member.entry().name().trim_start_matches('.').to_owned();
        let is_regular = member.entry().mode() & 0o170_000 == 0o100_000;
        let path = if path.starts_with('/') { path } else { format!("/{path}") };
        if is_regular {
            let length = u64::from(member.entry().file_size());
            let mut content = Vec::new();
            member.by_ref().take(length).read_to_end(&mut content)?;
            if content.len() as u64 != length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            files.insert(path, content);
        }
        stream = member.finish()?;
    }
    Err(io::Error::other(format!("has more than {MAX_MEMBERS} members")))
}
