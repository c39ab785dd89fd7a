//! How xcp-rrdd reads a page (xen-api, `ocaml/xcp-rrdd/lib/transport/base/rrd_protocol_v2.ml`): checksums, what it keeps from
//! one look to the next, and what it takes for wrong. It maps the file when it learns of it; this reader copies what it needs
//! from the open file instead, in one piece, never beyond the length that the file had then.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

const HEADER: &[u8] = b"DATASOURCES";
const VALUES: usize = 11 + 12 + 8;

/// What xcp-rrdd takes for wrong, in its own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bad {
    /// It does not begin as a page does.
    InvalidHeaderString,
    /// The same checksum as before.
    NoUpdate,
    /// Another checksum than that of what is there.
    InvalidChecksum,
    /// Metadata that is none.
    InvalidPayload,
    /// It ends too early.
    ReadError,
}

/// A data source as its page describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: String,
    /// `host`, `vm UUID` or `sr UUID`.
    pub owner: String,
    /// What it counts.
    pub units: String,
    /// Whether it goes on record by default.
    pub default: bool,
    is_float: bool,
}

/// A page that was taken for good.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// Seconds since 1970.
    pub timestamp: f64,
    /// With values.
    pub sources: Vec<(Source, f64)>,
}

/// A reader that keeps what xcp-rrdd keeps.
pub struct PageReader {
    file: File,
    length: usize,
    data_checksum: u32,
    metadata_checksum: u32,
    sources: Vec<Source>,
    buffer: Vec<u8>,
}

impl PageReader {
    /// Of the file that is there now.
    ///
    /// # Errors
    /// Those of the system.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = usize::try_from(file.metadata()?.len()).unwrap_or(0);
        Ok(Self { file, length, data_checksum: 0, metadata_checksum: 0, sources: Vec::new(), buffer: Vec::new() })
    }

    /// One look.
    ///
    /// # Errors
    /// [`Bad`]
    pub fn read(&mut self) -> Result<Page, Bad> {
        self.buffer.resize(self.length, 0);
        // The first part says how much there is to copy, and is copied again with it.
        let head = self.copy(self.length.min(64 * 1024))?;
        let metadata_at = VALUES + 8 * number(&self.buffer, 19).ok_or(Bad::ReadError)? as usize;
        let metadata_length = if metadata_at + 4 <= head { number(&self.buffer, metadata_at) } else { None };
        match metadata_length {
            Some(length) if metadata_at + 4 + (length as usize) <= head => {}
            _ => drop(self.copy(self.length)?),
        }
        let page = std::mem::take(&mut self.buffer);
        let result = self.understand(&page);
        self.buffer = page;
        result
    }

    fn copy(&mut self, length: usize) -> Result<usize, Bad> {
        self.file.read_exact_at(&mut self.buffer[..length], 0).map_err(|_| Bad::ReadError)?;
        Ok(length)
    }

    fn understand(&mut self, page: &[u8]) -> Result<Page, Bad> {
        if !page.starts_with(HEADER) {
            return Err(Bad::InvalidHeaderString);
        }
        let field = |at| number(page, at).ok_or(Bad::ReadError);
        let (data_checksum, metadata_checksum, count) = (field(11)?, field(15)?, field(19)? as usize);
        if data_checksum == self.data_checksum {
            return Err(Bad::NoUpdate);
        }
        let data = page.get(23..VALUES + 8 * count).ok_or(Bad::ReadError)?;
        if crc32(data) != data_checksum {
            return Err(Bad::InvalidChecksum);
        }
        self.data_checksum = data_checksum;
        if metadata_checksum != self.metadata_checksum {
            let at = VALUES + 8 * count;
            let metadata = page.get(at + 4..at + 4 + field(at)? as usize).ok_or(Bad::ReadError)?;
            if crc32(metadata) != metadata_checksum {
                return Err(Bad::InvalidChecksum);
            }
            self.metadata_checksum = metadata_checksum;
            self.sources = sources(metadata).ok_or(Bad::InvalidPayload)?;
        }
        let value = |at: usize| page.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
        let timestamp = f64::from_bits(value(23).ok_or(Bad::ReadError)?);
        let mut read = Vec::new();
        for (number, source) in self.sources.iter().enumerate() {
            let bits = value(VALUES + 8 * number).ok_or(Bad::ReadError)?;
            read.push((source.clone(), if source.is_float { f64::from_bits(bits) } else { bits.cast_signed() as f64 }));
        }
        Ok(Page { timestamp, sources: read })
    }
}

fn number(page: &[u8], at: usize) -> Option<u32> {
    page.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}

/// CRC-32 of zlib, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

/// Members in their order, the same name twice among them, as OCaml's `Rpc.Dict` has it.
struct Pairs<T>(Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Pairs<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = Pairs<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<T>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Members(std::marker::PhantomData))
    }
}

fn sources(metadata: &[u8]) -> Option<Vec<Source>> {
    // Every member is read as a text (`rrd_rpc.ml`).
    let outer: Pairs<Pairs<BTreeMap<String, String>>> = serde_json::from_slice(metadata).ok()?;
    let (_, all) = outer.0.into_iter().find(|(name, _)| name == "datasources")?;
    all.0.into_iter().map(|(name, members)| source(name, &members)).collect()
}

fn source(name: String, members: &BTreeMap<String, String>) -> Option<Source> {
    let or = |member: &str, default: &str| members.get(member).map_or(default, String::as_str).to_owned();
    for limit in [or("min", "-infinity"), or("max", "infinity")] {
        limit.parse::<f64>().ok()?;
    }
    if !matches!(or("type", "absolute").as_str(), "absolute" | "derive" | "gauge") {
        return None;
    }
    let owner = or("owner", "host").to_lowercase();
    if owner != "host" && !matches!(owner.split(' ').collect::<Vec<_>>()[..], ["vm" | "sr", _]) {
        return None;
    }
    let is_float = match members.get("value_type")?.as_str() {
        "float" => true,
        "int64" => false,
        _ => return None,
    };
    let default = or("default", "false").parse().ok()?;
    Some(Source { name, description: or("description", ""), owner, units: or("units", ""), default, is_float })
}
