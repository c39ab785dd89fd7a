//! The verifier as a whole, on images in which one file is fuzzed and everything that speaks of it agrees: so that its
//! readers of what is listed, compressed or packed see what no checksum gives away.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read as _, Write as _};
use std::sync::LazyLock;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use lab::foreign::{ForeignPack, Recipe, public_key};
use lab::packs::{EPOCH, Unwatched};
use medium::iso9660::{Tree, UnixSeconds, Volume, Writer};
use pack::check::Outcome;
use pack::verify::{GivenKey, Policy, verify};
use sha2::{Digest, Sha256};

use super::{Shape, fuzz};

/// Files of an image by path.
type Files = BTreeMap<String, Vec<u8>>;

static PACK: LazyLock<ForeignPack> = LazyLock::new(|| Recipe::general().make());

/// Length of an RPM's lead; the signature header is behind it.
const LEAD: usize = 96;

const CONTROL: &str = "Packages/control-hello-agent-2.3-1.noarch.rpm";

/// What is on the pack.
fn files() -> Files {
    let read = |folder: &str| {
        let folder = fs::read_dir(PACK.tree.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        let files = folder.filter(|path| path.is_file());
        files.map(|path| {
            let name = path.strip_prefix(&PACK.tree).unwrap().to_str().unwrap().to_owned();
            (name, fs::read(path).unwrap())
        })
    };
    ["", "repodata", "Packages"].into_iter().flat_map(read).collect()
}

fn image(files: &Files) -> Vec<u8> {
    let tree = Tree::new(files.keys().map(|path| (path.as_str(), 0o644))).unwrap();
    let modified = UnixSeconds::new(EPOCH.into()).unwrap();
    let volume = Volume { id: "FUZZ", application: "", publisher: "", modified };
    let mut writer = Writer::new(Cursor::new(Vec::new()), &volume, tree).unwrap();
    for (path, content) in files {
        writer.write(path, content.as_slice()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Fuzzes one file of the pack; `put` stores it and makes the rest agree. As it is, it must pass `check`: then the reader
/// that is meant is reached.
fn fuzz_file(
    (name, check): (&'static str, &'static str),
    shape: Shape,
    seed: Vec<u8>,
    put: impl Fn(&mut Files, &[u8]) + Send + 'static,
) {
    let folder = tempfile::tempdir().unwrap();
    let (iso, all) = (folder.path().join("fuzzed.iso"), files());
    let armored = public_key("rsa4096");
    let judge = move |bytes: &[u8]| {
        let mut files = all.clone();
        put(&mut files, bytes);
        fs::write(&iso, image(&files)).unwrap();
        let key = GivenKey { file_name: "RPM-GPG-KEY-hello-agent", armored: &armored };
        let policy = Policy { xscontainer: true, key: Some(key), now: u64::from(EPOCH) + 1, ..Policy::default() };
        verify(&iso, &policy, &Unwatched)
    };
    let sound = judge(&seed).verdicts.into_iter().find(|verdict| verdict.check.id == check).unwrap();
    assert!(matches!(sound.outcome, Outcome::Passed(_)), "{check}: {:?}", sound.outcome);
    fuzz(name, shape, vec![seed], Box::new(move |bytes| drop(judge(bytes))));
    drop(folder);
}

/// Stores metadata, and lists it as it is stored.
fn store(files: &mut Files, kind: &str, path: &str, stored: Vec<u8>) {
    let sum: String = Sha256::digest(&stored).iter().map(|byte| format!("{byte:02x}")).collect();
    let entry = format!(
        "<data type=\"{kind}\"><checksum type=\"sha256\">{sum}</checksum><location href=\"{path}\"/><size>{}</size>",
        stored.len()
    );
    files.insert(path.into(), stored);
    let repomd = files.get_mut("repodata/repomd.xml").unwrap();
    let text = String::from_utf8(repomd.clone()).unwrap();
    let start = text.find(&format!("<data type=\"{kind}\">")).unwrap();
    let end = start + text[start..].find("</data>").unwrap();
    *repomd = format!("{}{entry}{}", &text[..start], &text[end..]).into_bytes();
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
    plain
}

#[test]
fn update_xml() {
    fuzz_file(("verify-update", "xapi-document"), Shape::Xml, files()["update.xml"].clone(), |files, bytes| {
        files.insert("update.xml".into(), bytes.to_vec());
    });
}

#[test]
fn repomd() {
    fuzz_file(("verify-repomd", "yum-repomd"), Shape::Xml, files()["repodata/repomd.xml"].clone(), |files, bytes| {
        files.insert("repodata/repomd.xml".into(), bytes.to_vec());
    });
}

#[test]
fn primary() {
    let path = "repodata/primary.xml.gz";
    fuzz_file(("verify-primary", "yum-packages"), Shape::Xml, gunzip(&files()[path]), move |files, bytes| {
        store(files, "primary", path, gzip(bytes));
    });
}

#[test]
fn compressed_primary() {
    let path = "repodata/primary.xml.gz";
    fuzz_file(("verify-gzip", "yum-packages"), Shape::Binary, files()[path].clone(), move |files, bytes| {
        store(files, "primary", path, bytes.to_vec());
    });
}

#[test]
fn comps() {
    fuzz_file(("verify-comps", "yum-group"), Shape::Xml, files()["repodata/comps.xml"].clone(), |files, bytes| {
        store(files, "group", "repodata/comps.xml", bytes.to_vec());
        store(files, "group_gz", "repodata/comps.xml.gz", gzip(bytes));
    });
}

#[test]
fn armored_signature() {
    fuzz_file(
        ("verify-signature", "gpg-update-xml"),
        Shape::Binary,
        files()["update.xml.asc"].clone(),
        |files, bytes| {
            files.insert("update.xml.asc".into(), bytes.to_vec());
        },
    );
}

#[test]
fn package() {
    fuzz_file(("verify-package", "rpm-digests"), Shape::Binary, files()[CONTROL].clone(), |files, bytes| {
        files.insert(CONTROL.into(), bytes.to_vec());
    });
}

/// The archive in a package whose headers state no digest and size any more, so that it is unpacked whatever it is.
#[test]
fn archive() {
    let package = files()[CONTROL].clone();
    let word = |at: usize| u32::from_be_bytes(package[at..at + 4].try_into().unwrap()) as usize;
    let header = (LEAD + 16 + word(LEAD + 8) * 16 + word(LEAD + 12)).next_multiple_of(8);
    let payload = header + 16 + word(header + 8) * 16 + word(header + 12);
    let mut head = package[..payload].to_vec();
    // RPM's tags (lib/rpmtag.h): SHA1HEADER, SHA256HEADER, SIZE and MD5 in the one, PAYLOADSHA256 in the other.
    for (start, tags) in [(LEAD, &[269, 273, 1000, 1004][..]), (header, &[5092])] {
        for at in (0..word(start + 8)).map(|index| start + 16 + index * 16) {
            if tags.contains(&word(at)) {
                head[at..at + 4].copy_from_slice(&9999_u32.to_be_bytes());
            }
        }
    }
    fuzz_file(("verify-archive", "xapi-precheck"), Shape::Binary, gunzip(&package[payload..]), move |files, bytes| {
        files.insert(CONTROL.into(), [head.as_slice(), &gzip(bytes)].concat());
    });
}
