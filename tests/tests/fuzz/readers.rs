//! What reads packs, each with valid input to begin with.

use std::io::{Cursor, Read as _, Write as _};
use std::path::Path;
use std::sync::LazyLock;
use std::{fs, io};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use lab::foreign::{ForeignPack, Recipe};
use lab::packs;
use lab::tools::{command, outcome};
use medium::iso9660::{Image, Naming, Tree, UnixSeconds, Volume, Writer};
use pack::dom0::UpdateInfo;
use pack::dom0::capture::Capture;
use pack::dom0::package::Package;
use pack::openpgp::{Certificate, Signature};
use pack::rpm::{Rpm, Source, el7, payload};
use pack::update::{GROUP, group_packages};

use super::{Shape, fuzz};

/// By other people's tools.
static PACK: LazyLock<ForeignPack> = LazyLock::new(|| Recipe::general().make());

/// Most bytes of an image's files that are read: damaged ones overlap.
const MAX_CONTENT: u64 = 16 << 20;

fn files(folder: &Path) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn image() {
    let seeds = vec![fs::read(&PACK.image).unwrap(), own_image()];
    let read = |bytes: &[u8]| {
        let Ok(mut image) = Image::open(Cursor::new(bytes)) else { return };
        for naming in [Naming::RockRidge, Naming::Joliet, Naming::Plain] {
            let mut left = MAX_CONTENT;
            for entry in image.entries(naming).unwrap_or_default() {
                let Ok(content) = image.read(&entry) else { continue };
                left -= io::copy(&mut content.take(left), &mut io::sink()).unwrap_or(0);
            }
        }
    };
    fuzz("image", Shape::Binary, seeds, Box::new(read));
}

/// A small image by this project's writer, with nested folders and names of every length.
fn own_image() -> Vec<u8> {
    let long = format!("a/b/c/{}", "n".repeat(100));
    let paths = ["update.xml", "repodata/repomd.xml", &long];
    let tree = Tree::new(paths.map(|path| (path, 0o644))).unwrap();
    let volume =
        Volume { id: "seed", application: "", publisher: "", modified: UnixSeconds::new(1_700_000_000).unwrap() };
    let mut writer = Writer::new(Cursor::new(Vec::new()), &volume, tree).unwrap();
    for path in paths {
        writer.write(path, path.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn package() {
    let read = |bytes: &[u8]| {
        let Ok(rpm) = Rpm::read(Source::memory("fuzzed.rpm", bytes.to_vec())) else { return };
        let _ = (el7::check(&rpm), Package::of(&rpm), rpm.archive_size(), rpm.installed_size());
        let _ = (rpm.nevra(), rpm.file_name(), rpm.content_length());
    };
    fuzz("package", Shape::Binary, files(&PACK.tree.join("Packages")), Box::new(read));
}

/// The archive in a package's payload, compressed anew behind the package's own headers.
#[test]
fn payload() {
    let folder = PACK.tree.join("Packages");
    let path = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).find(|path| is_control(path)).unwrap();
    let package = fs::read(path).unwrap();
    let offset = Rpm::read(Source::memory("seed.rpm", package.clone())).unwrap().payload_offset();
    let (headers, packed) = package.split_at(usize::try_from(offset).unwrap());
    let mut archive = Vec::new();
    MultiGzDecoder::new(packed).read_to_end(&mut archive).unwrap();
    let headers = headers.to_vec();
    let read = move |bytes: &[u8]| {
        let package = [headers.as_slice(), &gzip(bytes)].concat();
        let rpm = Rpm::read(Source::memory("fuzzed.rpm", package)).unwrap();
        let _ = payload::read(&rpm, 1 << 20, &mut |_, content| {
            let _ = std::io::copy(content, &mut std::io::sink());
            Ok(())
        });
    };
    fuzz("payload", Shape::Binary, vec![archive], Box::new(read));
}

fn is_control(path: &Path) -> bool {
    path.file_name().unwrap().to_string_lossy().starts_with("control-")
}

/// The archive of a captured host, compressed anew.
#[test]
fn capture() {
    let hosts = packs::workspace().join("pack/hosts");
    let unpacked = |name: &str| {
        let mut archive = Vec::new();
        MultiGzDecoder::new(fs::File::open(hosts.join(name)).unwrap()).read_to_end(&mut archive).unwrap();
        archive
    };
    let read = |bytes: &[u8]| drop(Capture::parse("fuzzed", gzip(bytes).as_slice()));
    fuzz("capture", Shape::Binary, ["8.1.0.tar.gz", "8.3.0.tar.gz"].map(unpacked).to_vec(), Box::new(read));
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn update_document() {
    let read = |bytes: &[u8]| drop(UpdateInfo::parse(bytes));
    fuzz("update-document", Shape::Xml, vec![fs::read(PACK.tree.join("update.xml")).unwrap()], Box::new(read));
}

#[test]
fn comps() {
    let read = |bytes: &[u8]| drop(group_packages(bytes, GROUP));
    fuzz("comps", Shape::Xml, vec![fs::read(PACK.tree.join("repodata/comps.xml")).unwrap()], Box::new(read));
}

/// A key's packets, whose armor is made anew around whatever becomes of them.
#[test]
fn certificate() {
    let names = ["rsa4096-public", "ed25519", "encryption-subkey", "certified-by-others", "signing-subkey", "expired"];
    let packets =
        |name: &&str| outcome(command("gpg", ["--batch", "--dearmor", "-o", "-"]).arg(packs::key_file(name))).stdout;
    let read = |bytes: &[u8]| {
        let armored = format!("{}\n\n{}\n{}\n", BEGIN, base64(bytes), BEGIN.replace("BEGIN", "END"));
        let Ok(certificate) = Certificate::parse(&armored, "fuzzed", packs::EPOCH.into()) else { return };
        let _ = (certificate.user_id(), certificate.expires(), certificate.fingerprint(), certificate.armored());
    };
    fuzz("certificate", Shape::Binary, names.iter().map(packets).collect(), Box::new(read));
}

const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";

/// RFC 4648, in lines of 64.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for (index, three) in bytes.chunks(3).enumerate() {
        if index % 16 == 0 && index > 0 {
            text.push('\n');
        }
        let bits = three.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte)) << (8 * (3 - three.len()));
        let digits = (0..4).map(|digit| char::from(DIGITS[bits >> (18 - 6 * digit) & 63]));
        text.extend(digits.take(three.len() + 1));
        text.extend(std::iter::repeat_n('=', 3 - three.len()));
    }
    text
}

#[test]
fn armored_keys() {
    let names = ["rsa4096-public", "encryption-subkey"];
    let seeds = names.iter().map(|name| fs::read(packs::key_file(name)).unwrap()).collect();
    let read = |bytes: &[u8]| drop(Certificate::parse(&String::from_utf8_lossy(bytes), "fuzzed", packs::EPOCH.into()));
    fuzz("armored-key", Shape::Binary, seeds, Box::new(read));
}

#[test]
fn signature() {
    let key = fs::read_to_string(packs::key_file("rsa4096-public")).unwrap();
    let key = Certificate::parse(&key, "rsa4096", packs::EPOCH.into()).unwrap();
    let message = fs::read(PACK.tree.join("update.xml")).unwrap();
    let armored = fs::read(PACK.tree.join("update.xml.asc")).unwrap();
    let bare = Signature::parse(&armored).unwrap().packet();
    let read = move |bytes: &[u8]| {
        let Some(signature) = Signature::parse(bytes) else { return };
        let _ = (key.verifies(&message, &signature), signature.packet(), signature.armored());
    };
    fuzz("signature", Shape::Binary, vec![armored, bare], Box::new(read));
}
