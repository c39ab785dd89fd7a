//! A package's signature header, made anew: what rpm 4.11 and its successors check before they install.
//!
//! It holds an RSA signature and two digests of the main header, and for rpm 4.11 what newer builders leave out: the MD5
//! of header and payload, its only digest of the payload, and the archive's size, without which `rpm -ivh` prints
//! megabytes of `#` (rpm 4.11 `lib/psm.c` divides by it).

use std::io::{self, Read};

use rpm::{Header, HeaderEntry, IndexData, IndexSignatureTag, IndexTag, PackageMetadata};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::Rpm;
use crate::digest::hex;
use crate::{Error, Result};

/// Tags of a signature header: rpm 4.11 `lib/rpmtag.h`, `rpmSigTag_e`.
mod tag {
    pub(super) const RSA: u32 = 268;
    pub(super) const SHA1: u32 = 269;
    pub(super) const LONG_SIZE: u32 = 270;
    pub(super) const LONG_ARCHIVE_SIZE: u32 = 271;
    pub(super) const SHA256: u32 = 273;
    pub(super) const SIZE: u32 = 1000;
    pub(super) const MD5: u32 = 1004;
    pub(super) const PAYLOAD_SIZE: u32 = 1007;
}

/// Digests over a payload, which take time for a large one and are therefore computed by the caller, in parallel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadDigests {
    /// MD5 of main header and payload.
    pub content_md5: [u8; 16],
    /// SHA-256 of the payload alone, as it is compressed.
    pub payload_sha256: [u8; 32],
}

impl PayloadDigests {
    /// Refuses a package that is not what its own headers say: signed anew, its damage would look right.
    ///
    /// # Errors
    /// [`Error::payload`] naming what does not agree.
    pub fn check(&self, rpm: &Rpm) -> Result<()> {
        let signature = &rpm.metadata().signature;
        let stated_size = signature
            .get_entry_data_as_u32(IndexSignatureTag::RPMSIGTAG_SIZE)
            .map(u64::from)
            .or_else(|_| signature.get_entry_data_as_u64(IndexSignatureTag::RPMSIGTAG_LONGSIZE))
            .ok();
        let stated_md5 = signature.get_entry_data_as_binary(IndexSignatureTag::RPMSIGTAG_MD5).ok();
        let differs = |stated: Option<&str>, actual: String| stated.is_some_and(|stated| stated != actual);
        let problem = match stated_size {
            Some(stated) if rpm.content_length() < stated => {
                format!("is truncated: it has {} bytes of header and payload instead of {stated}", rpm.content_length())
            }
            Some(stated) if rpm.content_length() > stated => {
                format!("has {} bytes after its end", rpm.content_length() - stated)
            }
            _ if !header_is_whole(rpm) => "has a header that was changed".into(),
            _ if stated_md5.is_some_and(|stated| stated != self.content_md5) => "is damaged: its MD5 is another".into(),
            _ if differs(stated_payload_digest(rpm), hex(&self.payload_sha256)) => {
                "is damaged: the SHA-256 of its payload is another".into()
            }
            _ => return Ok(()),
        };
        Err(Error::payload(
            rpm.source().name(),
            problem,
            "Build or download the package again; `rpm -K` shows whether it is whole",
        ))
    }
}

/// A signature that is not by RSA over the header, which is all that this builder looks at: what it is, and its packet.
pub fn other_signature(rpm: &Rpm) -> Option<(&'static str, &[u8])> {
    use IndexSignatureTag as T;
    const KINDS: [(T, &str); 3] = [
        (T::RPMSIGTAG_DSA, "a DSA signature over the header"),
        (T::RPMSIGTAG_PGP, "a signature over header and payload"),
        (T::RPMSIGTAG_GPG, "a DSA signature over header and payload"),
    ];
    let packet = |tag| rpm.metadata().signature.get_entry_data_as_binary(tag).ok();
    KINDS.into_iter().find_map(|(tag, kind)| Some((kind, packet(tag)?)))
}

/// Whether the main header has the digests that the signature header states.
pub fn header_is_whole(rpm: &Rpm) -> bool {
    let signature = &rpm.metadata().signature;
    let agrees = |tag: IndexSignatureTag, actual: String| {
        signature.get_entry_data_as_string(tag).ok().is_none_or(|stated| stated == actual)
    };
    agrees(IndexSignatureTag::RPMSIGTAG_SHA1, hex(&Sha1::digest(rpm.header())))
        && agrees(IndexSignatureTag::RPMSIGTAG_SHA256, hex(&Sha256::digest(rpm.header())))
}

/// The SHA-256 of the payload that the main header states, if it states one: 64 digits.
fn stated_payload_digest(rpm: &Rpm) -> Option<&str> {
    let digests = rpm.metadata().header.get_entry_data_as_string_array(IndexTag::RPMTAG_PAYLOADSHA256).ok()?;
    digests.first().copied().filter(|digest| digest.len() == 64)
}

/// A package with a new signature header: what goes into the pack.
#[derive(Debug, Clone)]
pub struct Signed {
    /// Headers as they are in the signed package.
    pub rpm: Rpm,
    /// Lead and signature header, which replace the source's.
    prefix: Vec<u8>,
    content_length: u64,
}

impl Signed {
    /// Puts a signature (an OpenPGP packet over [`Rpm::header`]) and digests before a package's header.
    ///
    /// # Errors
    /// [`Error`] of class `Payload` if the headers cannot be written as they were read.
    pub fn new(rpm: &Rpm, digests: &PayloadDigests, signature: Vec<u8>) -> Result<Signed> {
        let content_length = rpm.content_length();
        let entries = entries(rpm, digests, signature, content_length);
        let mut metadata = rpm.metadata().clone();
        metadata.signature = Header::<IndexSignatureTag>::from_entries(entries, IndexSignatureTag::HEADER_SIGNATURES);
        let prefix = prefix(&metadata, rpm.header()).ok_or_else(|| {
            Error::payload(
                rpm.source().name(),
                "its header is not in the order that rpm writes",
                "Build the package again",
            )
        })?;
        Ok(Signed { rpm: rpm.with_metadata(metadata), prefix, content_length })
    }

    /// A package that keeps the signature header that it has, byte for byte.
    ///
    /// # Errors
    /// [`Error`] of class `Payload` if that cannot be read again, or lacks what rpm 4.11 needs.
    pub fn as_it_is(rpm: &Rpm) -> Result<Signed> {
        let lacks = |what: &str| {
            Error::payload(
                rpm.source().name(),
                format!(
                    "is signed already, but its signature header does not state {what}, which rpm 4.11 of the hosts needs"
                ),
                "Have it signed anew: pack.rpm-signatures = \"replace\"",
            )
        };
        if !rpm.states_content_md5() {
            return Err(lacks("the MD5 of header and payload"));
        }
        if !rpm.states_archive_size() {
            return Err(lacks("the archive's size"));
        }
        let mut prefix = Vec::new();
        let read = rpm.source().read_from(0).take(rpm.header_offset()).read_to_end(&mut prefix);
        read.map_err(|e| Error::payload(rpm.source().name(), format!("cannot be read: {e}"), "Check the disk"))?;
        Ok(Signed { rpm: rpm.clone(), prefix, content_length: rpm.content_length() })
    }

    /// Whether it is not, byte for byte, the package that it was made from.
    pub fn is_changed(&self) -> bool {
        let mut before = Vec::new();
        let head = self.rpm.source().read_from(0).take(self.rpm.header_offset()).read_to_end(&mut before);
        head.is_err() || before != self.prefix
    }

    /// Length of the whole package.
    pub fn length(&self) -> u64 {
        self.prefix.len() as u64 + self.content_length
    }

    /// Where main header and payload begin in the signed package: `header-range` of repository metadata.
    pub fn header_range(&self) -> (u64, u64) {
        let start = self.prefix.len() as u64;
        (start, start + self.rpm.header().len() as u64)
    }

    /// The signed package, streamed.
    pub fn reader(&self) -> impl Read + Send + use<> {
        io::Cursor::new(self.prefix.clone()).chain(self.rpm.source().read_from(self.rpm.header_offset()))
    }
}

fn entries(rpm: &Rpm, digests: &PayloadDigests, signature: Vec<u8>, content_length: u64) -> Vec<HeaderEntry> {
    let size = |short: u32, long: u32, value: u64| match u32::try_from(value) {
        Ok(value) => HeaderEntry::new(short, IndexData::Int32(vec![value])),
        Err(_) => HeaderEntry::new(long, IndexData::Int64(vec![value])),
    };
    vec![
        HeaderEntry::new(tag::RSA, IndexData::Bin(signature)),
        HeaderEntry::new(tag::SHA1, IndexData::StringTag(hex(&Sha1::digest(rpm.header())))),
        HeaderEntry::new(tag::SHA256, IndexData::StringTag(hex(&Sha256::digest(rpm.header())))),
        size(tag::SIZE, tag::LONG_SIZE, content_length),
        HeaderEntry::new(tag::MD5, IndexData::Bin(digests.content_md5.to_vec())),
        size(tag::PAYLOAD_SIZE, tag::LONG_ARCHIVE_SIZE, rpm.archive_size()),
    ]
}

/// Lead and signature header, if the crate writes the main header exactly as it is in the file.
fn prefix(metadata: &PackageMetadata, header: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    metadata.write(&mut bytes).ok()?;
    let length = bytes.len().checked_sub(header.len())?;
    (bytes[length..] == *header).then(|| {
        bytes.truncate(length);
        bytes
    })
}

#[cfg(test)]
mod tests;
