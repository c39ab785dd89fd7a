//! The finished image, opened again and held against what went into it.
//!
//! Every name in both hierarchies, every small file, every package's headers and signature, and the group by which XAPI
//! installs the pack. Payload bytes are not read a second time here: their lengths are, and the image's own checksum is
//! made from the disk.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, Write};

use flate2::read::MultiGzDecoder;
use medium::iso9660::{Entry, Image, Naming};
use uuid::Uuid;

use crate::digest::sha256_hex;
use crate::openpgp::{Certificate, Signature};
use crate::rpm::{Rpm, Signed, Source};
use crate::spec::PackSpec;
use crate::update::{GROUP, UpdateDocument, group_packages};

/// Comps files are a few hundred bytes; this bounds what is unpacked.
const MAX_COMPS: u64 = 1 << 20;

/// What an image must hold.
#[derive(Debug)]
pub struct Expected<'a> {
    /// Path and SHA-256 of each file.
    pub files: &'a [(String, String)],
    pub packages: &'a [Signed],
    pub uuid: Uuid,
    pub spec: &'a PackSpec,
    pub certificate: &'a Certificate,
}

/// Checks an image.
///
/// # Errors
/// What is not as it should be, in a few words.
pub fn check(image: &mut File, expected: &Expected<'_>) -> Result<(), String> {
    image.flush().and_then(|()| image.rewind()).map_err(|e| e.to_string())?;
    let mut image = Image::open(image).map_err(|e| e.to_string())?;
    let files = files(&mut image, Naming::RockRidge)?;
    let joliet = self::files(&mut image, Naming::Joliet)?;
    let wanted: BTreeMap<&str, &str> =
        expected.files.iter().map(|(path, sha256)| (path.as_str(), sha256.as_str())).collect();
    if !files.keys().map(String::as_str).eq(wanted.keys().copied()) {
        return Err(format!("it holds {:?}", files.keys().collect::<Vec<_>>()));
    }
    if !joliet.keys().eq(files.keys()) {
        return Err(format!("it holds {:?} by its Joliet names", joliet.keys().collect::<Vec<_>>()));
    }
    for (path, entry) in &files {
        let same = joliet.get(path).is_some_and(|twin| (twin.sector, twin.bytes) == (entry.sector, entry.bytes));
        if !same {
            return Err(format!("{path} differs between its Rock Ridge and Joliet names"));
        }
        let is_package = path.starts_with("Packages/");
        if !is_package
            && sha256_hex(image.read(entry).map_err(|e| e.to_string())?).map_err(|e| e.to_string())?
                != wanted[path.as_str()]
        {
            return Err(format!("{path} has other content than was written"));
        }
    }
    for package in expected.packages {
        let path = format!("Packages/{}", package.rpm.file_name());
        check_package(&mut image, &files[&path], package, expected.certificate)
            .map_err(|problem| format!("{path} {problem}"))?;
    }
    for (signed, signature) in [("update.xml", "update.xml.asc"), ("repodata/repomd.xml", "repodata/repomd.xml.asc")] {
        let (message, signature) = (content(&mut image, &files[signed])?, content(&mut image, &files[signature])?);
        let good =
            Signature::parse(&signature).is_some_and(|signature| expected.certificate.verifies(&message, &signature));
        if !good {
            return Err(format!("the signature of {signed} does not verify"));
        }
    }
    let document =
        UpdateDocument::parse(&content(&mut image, &files["update.xml"])?).map_err(|e| format!("update.xml {e}"))?;
    if (document.uuid, &document.label) != (expected.uuid, &expected.spec.label) {
        return Err(format!("update.xml speaks of {} {}", document.label, document.uuid));
    }
    check_group(&mut image, &files, expected.spec)
}

fn check_package(
    image: &mut Image<&mut File>,
    entry: &Entry,
    package: &Signed,
    certificate: &Certificate,
) -> Result<(), String> {
    if u64::from(entry.bytes) != package.length() {
        return Err(format!("has {} bytes instead of {}", entry.bytes, package.length()));
    }
    let (_, header_end) = package.header_range();
    // One byte of payload, so that the package is not taken for a truncated one.
    let mut head = Vec::new();
    image
        .read(entry)
        .map_err(|e| e.to_string())?
        .take(header_end + 1)
        .read_to_end(&mut head)
        .map_err(|e| e.to_string())?;
    let rpm = Rpm::read(Source::memory(&entry.path, head)).map_err(|e| e.to_string())?;
    let packet = rpm
        .metadata()
        .signature
        .get_entry_data_as_binary(rpm::IndexSignatureTag::RPMSIGTAG_RSA)
        .map_err(|e| e.to_string())?;
    let good = Signature::parse(packet).is_some_and(|signature| certificate.verifies(rpm.header(), &signature));
    match good && rpm.header() == package.rpm.header() {
        true => Ok(()),
        false => Err("has a header that its signature does not cover".into()),
    }
}

/// Whether yum will find the group, in both files that say so.
fn check_group(image: &mut Image<&mut File>, files: &BTreeMap<String, Entry>, spec: &PackSpec) -> Result<(), String> {
    let plain = content(image, &files["repodata/comps.xml"])?;
    let compressed = content(image, &files["repodata/comps.xml.gz"])?;
    let mut unpacked = Vec::new();
    MultiGzDecoder::new(compressed.as_slice()).take(MAX_COMPS).read_to_end(&mut unpacked).map_err(|e| e.to_string())?;
    for comps in [plain, unpacked] {
        let members = group_packages(&comps, GROUP).map_err(|problem| format!("the comps file {problem}"))?;
        if members != [format!("update-{}", spec.label)] {
            return Err(format!("the group {GROUP:?} has the members {members:?}"));
        }
    }
    Ok(())
}

fn files(image: &mut Image<&mut File>, naming: Naming) -> Result<BTreeMap<String, Entry>, String> {
    let entries = image.entries(naming).map_err(|e| e.to_string())?;
    Ok(entries.into_iter().filter(Entry::is_file).map(|entry| (entry.path.clone(), entry)).collect())
}

fn content(image: &mut Image<&mut File>, entry: &Entry) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    image.read(entry).map_err(|e| e.to_string())?.read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    Ok(bytes)
}
