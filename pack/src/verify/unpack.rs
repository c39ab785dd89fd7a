//! Decompression with bounds: what it is compressed with is told by the first bytes, and a bomb is cut off.

use std::io::{self, Read};

use bzip2::read::MultiBzDecoder;
use flate2::read::MultiGzDecoder;
use lzma_rust2::XzReader;

/// Most memory in KiB that an xz or lzma stream may ask for; `xz -9` asks for 65 MiB.
const XZ_MEMORY_KIB: u32 = 80 << 10;

/// How bytes are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    Bzip2,
    Xz,
    /// Recognised, never unpacked: no host before XenServer 9 reads it.
    Zstd,
    /// zchunk: recognised, never unpacked.
    Zchunk,
}

impl Compression {
    /// What bytes that begin so are compressed with.
    pub(super) fn of(bytes: &[u8]) -> Compression {
        match bytes {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [b'B', b'Z', b'h', ..] => Compression::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Compression::Xz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
            [0, b'Z', b'C', b'K', b'1', ..] | [0, b'Z', b'H', b'R', b'1', ..] => Compression::Zchunk,
            _ => Compression::None,
        }
    }

    /// Its name in the data about host generations.
    pub(super) fn id(self) -> &'static str {
        match self {
            Compression::None => "none",
            other => other.name(),
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Compression::None => "no compression",
            Compression::Gzip => "gzip",
            Compression::Bzip2 => "bzip2",
            Compression::Xz => "xz",
            Compression::Zstd => "zstd",
            Compression::Zchunk => "zchunk",
        }
    }

    /// What a stream unpacks to.
    ///
    /// # Errors
    /// Nothing here unpacks it.
    pub(super) fn reader<'a>(self, packed: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Compression::None => Box::new(packed),
            Compression::Gzip => Box::new(MultiGzDecoder::new(packed)),
            Compression::Bzip2 => Box::new(MultiBzDecoder::new(packed)),
            Compression::Xz => Box::new(XzReader::new_mem_limit(packed, true, XZ_MEMORY_KIB)),
            Compression::Zstd | Compression::Zchunk => {
                return Err(io::Error::other(format!("{} is not unpacked", self.name())));
            }
        })
    }
}

/// Ends a stream with an error once it has given more than a number of bytes.
pub(super) struct Bounded<R> {
    inner: R,
    left: u64,
    limit: u64,
}

impl<R> Bounded<R> {
    pub(super) fn new(inner: R, limit: u64) -> Bounded<R> {
        Bounded { inner, left: limit, limit }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(got as u64).ok_or_else(|| {
            io::Error::new(io::ErrorKind::FileTooLarge, format!("unpacks to more than {} bytes", self.limit))
        })?;
        Ok(got)
    }
}

/// The whole of what bytes unpack to.
///
/// # Errors
/// They are damaged, or unpack to more than `limit` bytes.
pub(super) fn unpacked(bytes: &[u8], limit: u64) -> io::Result<Vec<u8>> {
    let mut unpacked = Vec::new();
    Bounded::new(Compression::of(bytes).reader(bytes)?, limit).read_to_end(&mut unpacked)?;
    Ok(unpacked)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_bomb_is_cut_off() {
        let bomb = gzip(&gzip(&vec![0; 8 << 20]));
        let inner = unpacked(&bomb, 1 << 20).unwrap();
        let error = unpacked(&inner, 1 << 20).unwrap_err().to_string();
        assert!(error.contains("more than 1048576 bytes"), "{error}");
    }

    #[test]
    fn an_xz_stream_that_asks_for_gigabytes_is_refused() {
        // A block header that names LZMA2 with the dictionary size 40: 4 GiB - 1.
        let stream = [
            0xfd, b'7', b'z', b'X', b'Z', 0, 0, 1, 0x69, 0x22, 0xde, 0x36, 0x02, 0x00, 0x21, 0x01, 40, 0, 0, 0, 0, 0,
            0, 0,
        ];
        assert!(unpacked(&stream, 1 << 20).is_err());
    }

    #[test]
    fn compressions_are_known_by_their_first_bytes() {
        assert_eq!(Compression::of(&gzip(b"x")), Compression::Gzip);
        assert_eq!(Compression::of(&[0x28, 0xb5, 0x2f, 0xfd, 4]), Compression::Zstd);
        assert_eq!(Compression::of(b"\0ZCK1\x86"), Compression::Zchunk);
        assert_eq!(Compression::of(b"<a/>"), Compression::None);
        assert!(unpacked(&[0x28, 0xb5, 0x2f, 0xfd, 4], 9).is_err());
    }
}
