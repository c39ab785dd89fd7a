//! A finished pack, signed by another key: the same content, and a uuid of its own where a host could tell the difference.
//!
//! What carries the uuid is made anew from what it is: `update.xml`, the stamp, and the two packages with the metadata.
//! All other packages keep header and payload. Must not know how the pack was built.

mod document;
mod group;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use medium::iso9660::{Tree, UnixSeconds, Volume, Writer};
use sha2::{Digest, Sha256};
use uuid::{Uuid, uuid};

use crate::build::{self, Draft, Progress};
use crate::contents::{Contents, EntryKind};
use crate::digest::hex;
use crate::inspect::{Document, Kind, kind};
use crate::openpgp::{Signature, Signer};
use crate::rpm::{self, Rpm, Signed};
use crate::update::{self, Entry, Repodata};
use crate::{Error, Result, supply};

/// Namespace of the uuids of packs that were signed anew (RFC 9562, 5.5).
const NAMESPACE: Uuid = uuid!("b1f7f3a5-0d3e-4c57-8a77-7f0f5be0c2d4");
/// What is signed, and made anew.
const UPDATE: &str = "update.xml";

/// What is to be signed anew, and how.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub contents: &'a Contents,
    pub signer: &'a dyn Signer,
    /// Name of the key's file on hosts; that which the pack has, unless given.
    pub key_file: Option<&'a str>,
    /// Whether packages that are signed keep their signatures.
    pub keep_rpm_signatures: bool,
    /// Whether to refuse rather than to give the pack another uuid.
    pub same_uuid: bool,
    /// The image to write.
    pub output: &'a Path,
}

/// A pack as it was found.
struct Found {
    document: Vec<u8>,
    label: String,
    uuid: String,
    /// With their paths.
    packages: Vec<(String, Rpm)>,
    comps: Vec<u8>,
    installation_size: u64,
    /// The time that it bears, in seconds since 1970.
    epoch: u32,
}

/// Signs a pack anew, up to the point where it can be proved.
///
/// # Errors
/// [`Error`] of class `Payload` if it is no pack with signatures, or something of it cannot be made anew faithfully.
pub fn resign(request: &Request<'_>, progress: &dyn Progress) -> Result<Draft> {
    let result = pipeline(request, progress);
    match progress.interrupted() && result.is_err() {
        true => Err(Error::interrupted()),
        false => result,
    }
}

fn pipeline(request: &Request<'_>, progress: &dyn Progress) -> Result<Draft> {
    let Request { contents, signer, .. } = *request;
    progress.step("read pack");
    let found = Found::read(contents)?;
    progress.made(&format!("{} packages", found.packages.len()));
    let old_key = document::attribute(&found.document, "key");
    let key_file = request.key_file.map(str::to_owned).or(old_key).filter(|name| !name.is_empty());
    let key_file = key_file.unwrap_or_else(|| format!("RPM-GPG-KEY-{}", found.label));
    let time = signer.certificate().signature_time(found.epoch);

    progress.step("digest packages");
    let rpms: Vec<Rpm> = found.packages.iter().map(|(_, rpm)| rpm.clone()).collect();
    let mut signed = sign(request, &rpms, time, progress)?;
    progress.made("MD5 and SHA-256, signatures");

    progress.step("write metadata");
    let mut new_document = document::with(&found.document, "key", &key_file).map_err(|e| refused(contents, &e))?;
    let mut uuid = found.uuid.clone();
    if new_document != found.document || signed.iter().any(Signed::is_changed) {
        if request.same_uuid {
            return Err(Error::payload(
                contents.path(),
                "would keep its uuid with another content, which XAPI takes for the same",
                "Leave --same-uuid out; or keep the key's file name and, with --keep-rpm-signatures, the packages",
            ));
        }
        uuid = new_uuid(request, &found, &key_file);
        new_document = document::replaced(&new_document, &found.uuid, &uuid);
        let rebuilt = found.rebuilt(contents, &uuid, &key_file)?;
        let (places, rpms): (Vec<usize>, Vec<Rpm>) = rebuilt.into_iter().unzip();
        for (place, package) in places.into_iter().zip(sign(request, &rpms, time, progress)?) {
            signed[place] = package;
        }
        progress.made(&format!("another uuid, {uuid}"));
    } else {
        progress.made("the uuid stays: so does all content");
    }
    write(request, &found, &Made { document: new_document, signed, uuid, key_file, time }, progress)
}

/// What goes onto the new image.
struct Made {
    document: Vec<u8>,
    /// In the order of [`Found::packages`].
    signed: Vec<Signed>,
    uuid: String,
    key_file: String,
    time: u32,
}

impl Found {
    fn read(contents: &Contents) -> Result<Found> {
        let wrong = |problem: &str| refused(contents, problem);
        match kind(contents) {
            Kind::Update => {}
            Kind::Supplemental => {
                return Err(Error::payload(
                    contents.path(),
                    "is a pack of the older format, which has no signatures",
                    "Nothing is to be done: hosts of 7.0 and earlier look at MD5 sums only",
                ));
            }
            Kind::Unknown => return Err(wrong("it has no update.xml")),
        }
        if let Some(problem) = contents.problems().first() {
            return Err(wrong(problem));
        }
        let small = |path: &str| {
            let read = contents.small(path).map_err(|problem| wrong(&format!("{path} {problem}")))?;
            read.ok_or_else(|| wrong(&format!("{path} is not there")))
        };
        let document = small(UPDATE)?;
        let said = Document::parse(&document).map_err(|problem| wrong(&problem))?;
        let of = |name: &str| {
            said.attribute(name).map(str::to_owned).ok_or_else(|| wrong(&format!("{UPDATE} has no {name}")))
        };
        let (label, uuid) = (of("name-label")?, of("uuid")?);
        if Uuid::try_parse(&uuid).is_ok_and(|parsed| parsed.hyphenated().to_string() != uuid) || uuid.len() != 36 {
            return Err(wrong(&format!("its uuid {uuid:?} is none in lower case")));
        }
        let mut packages = Vec::new();
        for (entry, rpm) in contents.packages() {
            packages.push((entry.path.clone(), rpm.map_err(|problem| wrong(&format!("{} {problem}", entry.path)))?));
        }
        let repomd = small("repodata/repomd.xml")?;
        let comps = group::comps(contents, &repomd).map_err(|problem| wrong(&problem))?;
        let signed =
            contents.small("update.xml.asc").ok().flatten().and_then(|asc| Signature::only(&asc).ok()?.created());
        let built = packages.iter().filter_map(|(_, rpm)| rpm.metadata().get_build_time().ok()).max();
        let epoch = signed.or_else(|| built.and_then(|time| u32::try_from(time).ok())).unwrap_or(0);
        let installation_size = said.attribute("installation-size").and_then(|size| size.parse().ok()).unwrap_or(0);
        Ok(Found { document, label, uuid, packages, comps, installation_size, epoch })
    }

    /// The packages that carry the uuid, with another one: their places, and what they become.
    fn rebuilt(&self, contents: &Contents, uuid: &str, key_file: &str) -> Result<Vec<(usize, Rpm)>> {
        let companions = [format!("update-{}", self.label), format!("control-{}", self.label)];
        let stamp = format!("/var/update/applied/{}", self.uuid);
        let mut stamps = 0;
        let mut rebuilt = Vec::new();
        for (place, (path, rpm)) in self.packages.iter().enumerate() {
            let companion = companions.iter().any(|name| name == rpm.name());
            if !companion && rpm::mentions(rpm, &self.uuid) {
                return Err(refused(
                    contents,
                    &format!("its uuid is in {path}, which is none of its own two packages"),
                ));
            }
            if !companion {
                continue;
            }
            let new = rpm::rewrite(rpm, &self.uuid, uuid, &mut |file, content| match file == stamp {
                true => {
                    stamps += 1;
                    document::with(&content, "key", key_file)
                }
                false => Ok(content),
            })?;
            rebuilt.push((place, new));
        }
        match stamps {
            1 => Ok(rebuilt),
            _ => Err(refused(contents, &format!("no package of it brings {stamp} as a file, which hosts know it by"))),
        }
    }
}

fn refused(contents: &Contents, problem: &str) -> Error {
    Error::payload(
        contents.path(),
        format!("cannot be signed anew: {problem}"),
        "Build the pack again from what it was built from",
    )
}

/// A uuid that follows from the content and from who signs it.
fn new_uuid(request: &Request<'_>, found: &Found, key_file: &str) -> String {
    let fingerprint = request.signer.certificate().fingerprint();
    let keep = request.keep_rpm_signatures;
    let mut name = format!("of {}\nkey {fingerprint}\nfile {key_file}\nkeep {keep}\n", found.uuid);
    for (path, rpm) in &found.packages {
        name += &format!("{path} {}\n", hex(&Sha256::digest(rpm.header())));
    }
    Uuid::new_v5(&NAMESPACE, name.as_bytes()).hyphenated().to_string()
}

/// Signs packages; those that are to keep their signatures stay as they are.
fn sign(request: &Request<'_>, rpms: &[Rpm], time: u32, progress: &dyn Progress) -> Result<Vec<Signed>> {
    let digests = build::hash::payloads(rpms, progress)?;
    let keeps = |rpm: &Rpm| request.keep_rpm_signatures && rpm.header_signature().is_some();
    let messages: Vec<&[u8]> = rpms.iter().filter(|rpm| !keeps(rpm)).map(Rpm::header).collect();
    let mut signatures = request.signer.sign(&messages, time)?.into_iter();
    let signed = rpms.iter().zip(&digests).map(|(rpm, digests)| match keeps(rpm) {
        true => Signed::as_it_is(rpm),
        false => Signed::new(rpm, digests, signatures.next().expect("one signature for each message").packet()),
    });
    signed.collect()
}

fn write(request: &Request<'_>, found: &Found, made: &Made, progress: &dyn Progress) -> Result<Draft> {
    let Request { contents, signer, output: path, .. } = *request;
    let certificate = signer.certificate();
    let sign_one = |message: &[u8]| -> Result<String> {
        let signatures = signer.sign(&[message], made.time)?;
        Ok(signatures.first().expect("one signature for one message").armored())
    };
    progress.step("write image");
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut output = build::output::Output::create(folder, &name)?;
    let others = others(contents, found);
    let metadata = Repodata::NAMES.iter().map(|name| format!("repodata/{name}"));
    let documents = [UPDATE, "update.xml.asc", "repodata/repomd.xml.asc"].map(String::from);
    let names = documents.into_iter().chain(metadata).chain(found.packages.iter().map(|(path, _)| path.clone()));
    let tree = names.map(|name| (name, 0o644)).chain(others.iter().map(|(name, mode, _)| (name.clone(), *mode)));
    let tree = Tree::new(tree).map_err(|e| refused(contents, &e.to_string()))?;
    let modified =
        UnixSeconds::new(found.epoch.into()).expect("32 bits of seconds end in 2106, which ISO 9660 can say");
    let volume = Volume { id: &build::image::volume_id(&found.label), application: "", publisher: "", modified };
    let failed = |e| build::image::write_failed(path, e);
    let mut image = Writer::new(output.file(), &volume, tree).map_err(failed)?;
    let total = 2 * made.signed.iter().map(Signed::length).sum::<u64>();
    let hashes = build::hash::wholes(&made.signed, total, progress)?;
    let mut entries = Vec::new();
    for (((path, _), package), sha256) in found.packages.iter().zip(&made.signed).zip(hashes) {
        let reader = build::payload::Watched::new(package.reader(), total, progress);
        image.write(path, reader).map_err(failed)?;
        entries.push(Entry { package, path: path.clone(), sha256 });
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    let repodata = update::repodata(&entries, &found.comps, found.epoch);
    let (document_asc, repomd_asc) = (sign_one(&made.document)?, sign_one(repodata.repomd())?);
    let small: [(&str, &[u8]); 3] = [
        (UPDATE, &made.document),
        ("update.xml.asc", document_asc.as_bytes()),
        ("repodata/repomd.xml.asc", repomd_asc.as_bytes()),
    ];
    for (path, content) in small {
        image.write(path, content).map_err(failed)?;
    }
    for (name, content) in &repodata.files {
        image.write(&format!("repodata/{name}"), content.as_slice()).map_err(failed)?;
    }
    for (name, _, source) in &others {
        image.write(name, source.read_from(0)).map_err(failed)?;
    }
    image.finish().map_err(failed)?;
    progress.made(&format!("{} packages, repodata and signatures", entries.len()));
    let uuid = Uuid::try_parse(&made.uuid).map_err(|e| refused(contents, &e.to_string()))?;
    let made = build::Finished {
        uuid,
        key_file: &made.key_file,
        certificate,
        packages: &made.signed,
        installation_size: found.installation_size,
        other_keys: other_keys(request, made),
    };
    Draft::finish(output, &made, progress)
}

/// The keys that signed packages, as far as they are not the one that signs now.
fn other_keys(request: &Request<'_>, made: &Made) -> Vec<String> {
    let own = request.signer.certificate().key_id();
    let ids = made.signed.iter().filter_map(|package| Signature::parse(package.rpm.header_signature()?)?.key_id());
    ids.filter(|id| *id != own).collect::<BTreeSet<String>>().into_iter().collect()
}

/// Every other file of the pack; what describes the packages as they were is left out.
fn others<'a>(contents: &'a Contents, found: &Found) -> Vec<(String, u32, &'a rpm::Source)> {
    let made = |path: &str| {
        path == UPDATE
            || path == "update.xml.asc"
            || path.starts_with("repodata/")
            || supply::NAMES.contains(&path)
            || found.packages.iter().any(|(package, _)| package == path)
    };
    let files = contents.entries().iter().filter(|entry| !made(&entry.path));
    let files = files.filter_map(|entry| match &entry.kind {
        EntryKind::File(source) => {
            let executable = entry.mode.is_some_and(|mode| mode & 0o111 != 0);
            Some((entry.path.clone(), if executable { 0o755 } else { 0o644 }, source))
        }
        _ => None,
    });
    files.collect()
}

/// Where the image goes that a person asked for: a file, or the pack's own name in a folder.
pub fn output_file(output: &Path, pack: &Path) -> PathBuf {
    match output.is_dir() {
        true => output.join(pack.file_name().unwrap_or_default()),
        false => output.to_path_buf(),
    }
}
