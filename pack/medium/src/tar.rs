//! Archives of tar in gzip: POSIX.1-1988 headers, with GNU's for long names.
//!
//! Written: a pure function of the files. Read: treats the archive as hostile; it is unpacked to a place of the caller's
//! once, so that contents can be read at any offset afterwards.

use std::io::{self, Read, Seek, SeekFrom, Write};

use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use tar::{Archive, Builder, EntryType, Header};
use thiserror::Error;

use crate::file::{CopyError, File, check_paths, is_plain};
use crate::iso9660::UnixSeconds;

/// Most entries of an archive.
pub const MAX_ENTRIES: usize = 65_535;
/// Bytes that any archive may unpack to.
const ALWAYS_UNPACKED: u64 = 64 << 20;
/// How many times its length an archive may unpack to beside that: what packs carry is compressed already.
const MAX_RATIO: u64 = 20;
/// Longest name, in bytes: `PATH_MAX`.
const MAX_NAME: u64 = 4096;
/// Most bytes of the extended headers of an entry.
const MAX_EXTENDED: u64 = 64 << 10;

/// Writes files in their order. Everything belongs to root and has one time.
///
/// # Errors
/// A path that is not plain, a source that cannot be read or was changed, or an output that cannot be written.
pub fn write<W: Write>(out: W, files: &[File<'_>], modified: UnixSeconds) -> Result<W, CopyError> {
    check_paths(files)?;
    // No time, name or system in gzip's header: the same bytes everywhere.
    let gzip = GzBuilder::new().mtime(0).operating_system(255).write(out, Compression::default());
    let mut archive = Builder::new(gzip);
    for file in files {
        let failed = |source: io::Error| CopyError::Output { path: file.path.clone(), source };
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(file.mode);
        header.set_size(file.bytes);
        header.set_mtime(modified.get());
        header.set_uid(0);
        header.set_gid(0);
        header.set_username("root").and_then(|()| header.set_groupname("root")).map_err(failed)?;
        let mut content = Exact { file, inner: (file.content)(), left: file.bytes, fault: None };
        let appended = archive.append_data(&mut header, &file.path, &mut content);
        if let Some(fault) = content.fault {
            return Err(fault);
        }
        appended.map_err(failed)?;
    }
    let end = |source: io::Error| CopyError::Output { path: "the end of the archive".into(), source };
    archive.into_inner().and_then(GzEncoder::finish).map_err(end)
}

/// A source that is exactly as long as it was said to be, or a fault.
struct Exact<'a, 'f> {
    file: &'a File<'f>,
    inner: Box<dyn Read + 'f>,
    left: u64,
    fault: Option<CopyError>,
}

impl Read for Exact<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let path = || self.file.path.clone();
        let length = match self.inner.read(buffer) {
            Ok(length) => length,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Err(e),
            Err(source) => {
                self.fault = Some(CopyError::Source { path: path(), source });
                return Err(io::Error::other("the source cannot be read"));
            }
        };
        match self.left.checked_sub(length as u64) {
            Some(left) if length > 0 || left == 0 => {
                self.left = left;
                Ok(length)
            }
            _ => {
                self.fault = Some(CopyError::Length { path: path(), bytes: self.file.bytes });
                Err(io::Error::other("the source was changed"))
            }
        }
    }
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A link, a device or a pipe.
    Special,
}

/// An entry of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Path from the root, components separated by `/`, none of them empty, `.` or `..`.
    pub path: String,
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// Where its content is in what was unpacked, and how long it is.
    pub offset: u64,
    pub bytes: u64,
    /// Numbers of user and group.
    pub owner: (u64, u64),
}

/// Why an archive cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// It is not compressed with gzip, is damaged or was cut off.
    #[error("cannot be unpacked: {0}")]
    Unpack(io::Error),
    /// It would take too much room.
    #[error("unpacks to more than {0} bytes, far beyond its own length: refused")]
    TooLarge(u64),
    /// It is no archive of tar.
    #[error("is no archive of tar: {0}")]
    NotTar(io::Error),
    /// There are too many entries.
    #[error("has more than {MAX_ENTRIES} entries")]
    TooMany,
    /// A name that leads elsewhere, or is no text.
    #[error("has the entry {0:?}, whose name leads elsewhere, is too long or no text")]
    Name(String),
    /// Two entries have one name.
    #[error("has two entries {0:?}: readers disagree which of them counts")]
    Twice(String),
}

/// Unpacks an archive of so many bytes to `spool` and lists it, by path.
///
/// # Errors
/// [`ReadError`]; what is in `spool` then means nothing.
pub fn read<S: Read + Write + Seek>(archive: impl Read, length: u64, spool: &mut S) -> Result<Vec<Entry>, ReadError> {
    let limit = ALWAYS_UNPACKED.saturating_add(length.saturating_mul(MAX_RATIO));
    let unpacked = io::copy(&mut MultiGzDecoder::new(archive).take(limit + 1), spool).map_err(ReadError::Unpack)?;
    if unpacked > limit {
        return Err(ReadError::TooLarge(limit));
    }
    spool.seek(SeekFrom::Start(0)).map_err(ReadError::Unpack)?;
    let mut entries = list(spool)?;
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    match entries.windows(2).find(|pair| pair[0].path == pair[1].path) {
        Some(pair) => Err(ReadError::Twice(pair[0].path.clone())),
        None => Ok(entries),
    }
}

fn list<S: Read + Seek>(spool: &mut S) -> Result<Vec<Entry>, ReadError> {
    let mut entries = Vec::new();
    // A name that a header before says of the next entry.
    let mut long_name: Option<Vec<u8>> = None;
    let mut archive = Archive::new(spool);
    // Raw: the crate would take names of any length into memory.
    for entry in archive.entries_with_seek().map_err(ReadError::NotTar)?.raw(true) {
        let mut entry = entry.map_err(ReadError::NotTar)?;
        if entries.len() == MAX_ENTRIES {
            return Err(ReadError::TooMany);
        }
        let kind = entry.header().entry_type();
        let name = entry.path_bytes().into_owned();
        let whole = |entry: &mut tar::Entry<'_, _>, most: u64| -> Result<Vec<u8>, ReadError> {
            let mut bytes = Vec::new();
            if entry.size() > most {
                return Err(ReadError::Name(String::from_utf8_lossy(&name).into_owned()));
            }
            entry.read_to_end(&mut bytes).map_err(ReadError::NotTar)?;
            Ok(bytes)
        };
        if kind.is_gnu_longname() {
            let bytes = whole(&mut entry, MAX_NAME)?;
            long_name = Some(bytes.strip_suffix(b"\0").unwrap_or(&bytes).to_vec());
            continue;
        }
        if kind.is_pax_local_extensions() {
            let bytes = whole(&mut entry, MAX_EXTENDED)?;
            for record in tar::PaxExtensions::new(&bytes).flatten() {
                match record.key_bytes() {
                    b"path" => long_name = Some(record.value_bytes().to_vec()),
                    b"size" => return Err(ReadError::NotTar(io::Error::other("an entry of 8 GiB or more"))),
                    _ => {}
                }
            }
            continue;
        }
        if kind.is_pax_global_extensions() || kind.is_gnu_longlink() {
            continue;
        }
        let name = long_name.take().unwrap_or(name);
        let text =
            String::from_utf8(name).map_err(|e| ReadError::Name(String::from_utf8_lossy(e.as_bytes()).into()))?;
        let path = text.trim_start_matches("./").trim_end_matches('/');
        if matches!(path, "" | ".") && kind.is_dir() {
            continue;
        }
        if !is_plain(path) {
            return Err(ReadError::Name(text));
        }
        let header = entry.header();
        let number = |number: io::Result<u64>| number.map_err(ReadError::NotTar);
        entries.push(Entry {
            path: path.into(),
            kind: match kind {
                EntryType::Regular | EntryType::Continuous => Kind::File,
                EntryType::Directory => Kind::Folder,
                _ => Kind::Special,
            },
            mode: header.mode().map_err(ReadError::NotTar)? & 0o7777,
            offset: entry.raw_file_position(),
            bytes: entry.size(),
            owner: (number(header.uid())?, number(header.gid())?),
        });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn file(path: &str, content: &'static [u8]) -> File<'static> {
        File {
            path: path.into(),
            mode: 0o644,
            bytes: content.len() as u64,
            content: Box::new(move || Box::new(content)),
        }
    }

    fn archive(files: &[File<'_>]) -> Vec<u8> {
        write(Vec::new(), files, UnixSeconds::new(1_700_000_000).unwrap()).unwrap()
    }

    fn listed(bytes: &[u8]) -> Result<Vec<Entry>, ReadError> {
        read(bytes, bytes.len() as u64, &mut Cursor::new(Vec::new()))
    }

    /// An archive of one entry whose name is not checked.
    fn hostile(name: &[u8], kind: EntryType) -> Vec<u8> {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_cksum();
        let mut gzip = GzBuilder::new().write(Vec::new(), Compression::fast());
        gzip.write_all(header.as_bytes()).unwrap();
        gzip.write_all(&[0; 1024]).unwrap();
        gzip.finish().unwrap()
    }

    #[test]
    fn what_was_written_is_read() {
        let long = format!("{}.rpm", "n".repeat(150));
        let bytes = archive(&[file("XS-REPOSITORY", b"<repository/>"), file(&long, b"content"), file("empty", b"")]);
        let mut spool = Cursor::new(Vec::new());
        let entries = read(&bytes[..], bytes.len() as u64, &mut spool).unwrap();
        let names: Vec<(&str, u64)> = entries.iter().map(|entry| (entry.path.as_str(), entry.bytes)).collect();
        assert_eq!(names, [("XS-REPOSITORY", 13), ("empty", 0), (long.as_str(), 7)]);
        let content = entries[2].offset as usize;
        assert_eq!(&spool.get_ref()[content..content + 7], b"content");
        assert!(entries.iter().all(|entry| entry.owner == (0, 0) && entry.mode == 0o644 && entry.kind == Kind::File));
    }

    #[test]
    fn the_same_files_give_the_same_bytes() {
        let make = || archive(&[file("a", b"1"), file("b", b"2")]);
        assert_eq!(make(), make());
    }

    #[test]
    fn a_source_that_changed_or_fails_is_noticed() {
        let wrong = |bytes| File { bytes, ..file("a", b"12345") };
        let written = |file| write(Vec::new(), &[file], UnixSeconds::new(0).unwrap());
        assert!(matches!(written(wrong(4)), Err(CopyError::Length { bytes: 4, .. })));
        assert!(matches!(written(wrong(6)), Err(CopyError::Length { bytes: 6, .. })));
        let failing: File<'_> =
            File { content: Box::new(|| Box::new((&b"12"[..]).chain(Fails))), ..file("a", b"12345") };
        assert!(matches!(written(failing), Err(CopyError::Source { .. })));
    }

    struct Fails;

    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("broken"))
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in [&b"../a"[..], b"/a", b"a/../b", b"a//b", b"\xff", b"a\n"] {
            assert!(matches!(listed(&hostile(name, EntryType::Regular)), Err(ReadError::Name(_))), "{name:?}");
        }
        let entries = listed(&hostile(b"./a", EntryType::Symlink)).unwrap();
        assert_eq!((entries[0].path.as_str(), entries[0].kind), ("a", Kind::Special));
        assert!(listed(&hostile(b"./", EntryType::Directory)).unwrap().is_empty());
    }

    #[test]
    fn what_unpacks_far_beyond_its_length_is_refused() {
        let mut gzip = GzBuilder::new().write(Vec::new(), Compression::best());
        for _ in 0..80 {
            gzip.write_all(&vec![0; 1 << 20]).unwrap();
        }
        assert!(matches!(listed(&gzip.finish().unwrap()), Err(ReadError::TooLarge(_))));
    }

    #[test]
    fn what_is_no_archive_or_cut_off_is_refused() {
        assert!(matches!(listed(b"text"), Err(ReadError::Unpack(_))));
        let whole = archive(&[file("a", b"1")]);
        assert!(matches!(listed(&whole[..whole.len() - 9]), Err(ReadError::Unpack(_))));
        let mut gzip = GzBuilder::new().write(Vec::new(), Compression::fast());
        gzip.write_all(&[b'x'; 2048]).unwrap();
        assert!(matches!(listed(&gzip.finish().unwrap()), Err(ReadError::NotTar(_))));
        let mut twice = GzBuilder::new().write(Vec::new(), Compression::fast());
        let mut builder = Builder::new(&mut twice);
        for _ in 0..2 {
            let mut header = Header::new_gnu();
            header.set_size(1);
            header.set_mode(0o644);
            header.set_uid(0);
            header.set_gid(0);
            builder.append_data(&mut header, "a", &b"1"[..]).unwrap();
        }
        builder.into_inner().unwrap();
        assert!(matches!(listed(&twice.finish().unwrap()), Err(ReadError::Twice(_))));
    }
}
