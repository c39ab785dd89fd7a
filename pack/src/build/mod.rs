//! The pipeline: a spec and payload RPMs in, a signed pack on disk out.
//!
//! Knows the order of the steps; must not know command lines or terminals. Payloads are streamed: memory does not grow
//! with them. The same request gives the same bytes.

mod identity;
mod output;
mod payload;

use std::path::{Path, PathBuf};

use medium::iso9660::{Tree, UnixSeconds, Volume, WriteError, Writer};
use uuid::Uuid;

use crate::openpgp::{Signature, Signer};
use crate::rpm::{self, Companion, PayloadDigests, Replaced, Rpm, Signed};
use crate::spec::{PackSpec, PackVersion, Released};
use crate::update::{self, Entry, Repodata};
use crate::{Error, Result, digest};
pub use output::check_output;
use output::{KeyFile, Output};
use payload::Watched;

/// What a pack is built from.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub spec: &'a PackSpec,
    pub version: &'a PackVersion,
    pub released: &'a Released,
    /// RPM files: at least one.
    pub payloads: &'a [PathBuf],
    pub signer: &'a dyn Signer,
    /// The one time that the pack bears, in seconds since 1970.
    pub epoch: u32,
    /// The folder that takes the results.
    pub output: &'a Path,
}

/// A pack on disk.
#[derive(Debug, Clone)]
pub struct Pack {
    pub uuid: Uuid,
    pub iso: OutputFile,
    /// `sha256sum --check` reads it.
    pub checksum: OutputFile,
    /// The public key that hosts must trust.
    pub key: OutputFile,
    /// What was found about the image.
    pub report: OutputFile,
    /// Whether another key's file of that name was there before.
    pub replaced_key: bool,
    /// What is in `Packages/`, payload first.
    pub packages: Vec<Package>,
    /// Bytes that the payload takes in dom0.
    pub installation_size: u64,
    pub iso_sha256: String,
}

/// A file that was written, with its size in bytes.
#[derive(Debug, Clone)]
pub struct OutputFile {
    pub path: PathBuf,
    pub size: u64,
}

/// A package in the pack, with sizes in bytes.
#[derive(Debug, Clone)]
pub struct Package {
    pub file: String,
    pub nevra: String,
    pub size: u64,
    pub installed_size: u64,
}

/// Someone who watches a build and may stop it.
pub trait Progress: Sync {
    /// A step begins.
    fn step(&self, name: &str);
    /// What the running step made.
    fn made(&self, what: &str);
    /// So many more bytes of so many in this step are done.
    fn advance(&self, bytes: u64, of: u64);
    /// Whether to stop.
    fn interrupted(&self) -> bool;
}

/// A pack that is written under a temporary name, so that it can be proved before anybody takes it for finished. Dropped
/// without [`Draft::publish`], it leaves nothing.
pub struct Draft {
    output: Output,
    key: KeyFile,
    uuid: Uuid,
    packages: Vec<Package>,
    installation_size: u64,
    iso_sha256: String,
}

impl Draft {
    /// Where the image is for now.
    pub fn path(&self) -> &Path {
        self.output.temporary_path()
    }

    /// Where the public key is for now.
    pub fn key_path(&self) -> &Path {
        self.key.path()
    }

    /// The name that the image will have.
    pub fn name(&self) -> &Path {
        self.output.path()
    }

    /// Gives every file its final name; `report` is what was found about the image, as JSON.
    ///
    /// # Errors
    /// [`Error`] of class `Output`.
    pub fn publish(self, report: &str) -> Result<Pack> {
        let Draft { output, key, uuid, packages, installation_size, iso_sha256 } = self;
        let replaced_key = key.replaces;
        let [iso, checksum, key, report] = output.publish(&iso_sha256, key, report)?;
        Ok(Pack { uuid, iso, checksum, key, report, replaced_key, packages, installation_size, iso_sha256 })
    }
}

/// Builds a pack, up to the point where it can be proved.
///
/// # Errors
/// [`Error`], each kind with its remedy; nothing is left behind and existing files are untouched.
pub fn build(request: &Request<'_>, progress: &dyn Progress) -> Result<Draft> {
    let result = pipeline(request, progress);
    match progress.interrupted() && result.is_err() {
        true => Err(Error::interrupted()),
        false => result,
    }
}

fn pipeline(request: &Request<'_>, progress: &dyn Progress) -> Result<Draft> {
    let Request { spec, version, signer, epoch, .. } = *request;
    let certificate = signer.certificate();
    version.check_label(&spec.label)?;

    progress.step("read payload");
    let payloads = payload::read(spec, request.payloads)?;
    progress.made(&payloads.iter().map(Rpm::name).collect::<Vec<_>>().join(", "));
    progress.step("digest payload");
    let digests = payload::digests(&payloads, progress)?;
    progress.made("MD5 and SHA-256");

    progress.step("write metadata");
    let uuid = match spec.uuid {
        Some(uuid) => uuid,
        None => identity::uuid(spec, version, certificate, epoch, &payloads, &digests),
    };
    request.released.check_rises(version, uuid)?;
    let installation_size = payloads.iter().map(Rpm::installed_size).fold(0, u64::saturating_add);
    let document = update::update_document(spec, version, uuid, installation_size);
    let (vendor, license) = payload::answered_for(spec, &payloads);
    let companion = Companion { spec, version, uuid, vendor: vendor.as_deref(), license: &license, epoch };
    let replaced: Vec<Replaced<'_>> = spec
        .rollups
        .iter()
        .map(|rollup| Replaced { rollup, stamp: update::replaced_stamp(spec, version, uuid, rollup) })
        .collect();
    let companions = [rpm::update(companion, &payloads, &document, &replaced)?, rpm::control(companion)?];
    let companion_digests = payload::digests(&companions, progress)?;
    progress.made(&format!("update.xml, update-{0}, control-{0}", spec.label));

    progress.step("sign packages");
    let packages: Vec<&Rpm> = payloads.iter().chain(&companions).collect();
    let digests: Vec<&PayloadDigests> = digests.iter().chain(&companion_digests).collect();
    let (signed, document_signature) = sign(request, &packages, &digests, &document)?;
    progress.made(&format!("{} packages and update.xml", signed.len()));

    progress.step("write image");
    let mut output = Output::create(request.output, &format!("{}-{version}.iso", spec.label))?;
    let files = write_image(request, &mut output, &signed, &document, &document_signature, progress)?;
    progress.made(&format!("{files} files, with repodata and its signature"));

    if let Some(changed) = payloads.iter().find(|rpm| !rpm.source().is_unchanged()) {
        let file = changed.source().name();
        return Err(Error::payload(
            file,
            "was changed while it was packed",
            "Leave it alone during a build, and build again",
        ));
    }
    progress.step("checksum");
    output.flush()?;
    let iso_sha256 = digest::sha256_hex(Watched::new(output.reader()?, output.length()?, progress))
        .map_err(|e| Error::output(output.path(), &e))?;
    progress.made("SHA-256 of the image as it is on the disk");
    let key = output.key_file(&spec.key_file, certificate)?;
    let packages = signed.iter().map(Package::of).collect();
    Ok(Draft { output, key, uuid, packages, installation_size, iso_sha256 })
}

/// Signs everything that exists before the image: the packages' headers and `update.xml`.
fn sign(
    request: &Request<'_>,
    packages: &[&Rpm],
    digests: &[&PayloadDigests],
    document: &[u8],
) -> Result<(Vec<Signed>, Signature)> {
    let messages: Vec<&[u8]> = packages.iter().map(|rpm| rpm.header()).chain([document]).collect();
    let mut signatures = sign_all(request, &messages)?;
    let document_signature = signatures.pop().expect("one signature for each message");
    let signed = packages
        .iter()
        .zip(digests)
        .zip(&signatures)
        .map(|((rpm, digests), signature)| Signed::new(rpm, digests, signature.packet()));
    Ok((signed.collect::<Result<_>>()?, document_signature))
}

fn sign_all(request: &Request<'_>, messages: &[&[u8]]) -> Result<Vec<Signature>> {
    let certificate = request.signer.certificate();
    request.signer.sign(messages, certificate.signature_time(request.epoch))
}

/// Writes the image; returns the number of its files.
fn write_image(
    request: &Request<'_>,
    output: &mut Output,
    signed: &[Signed],
    document: &[u8],
    document_signature: &Signature,
    progress: &dyn Progress,
) -> Result<usize> {
    let Request { spec, epoch, .. } = *request;
    let path = output.path().to_path_buf();
    let failed = |e: WriteError| write_failed(&path, e);
    let package_path = |package: &Signed| format!("Packages/{}", package.rpm.file_name());
    let metadata = Repodata::NAMES.iter().map(|name| format!("repodata/{name}"));
    let signatures = ["update.xml", "update.xml.asc", "repodata/repomd.xml.asc"].map(String::from);
    let names: Vec<String> = signatures.into_iter().chain(metadata).chain(signed.iter().map(package_path)).collect();
    let files = names.len();
    let tree = Tree::new(names.into_iter().map(|name| (name, 0o644))).map_err(|e| {
        Error::payload(
            &spec.file,
            format!("the image cannot hold these file names: {e}"),
            "Shorten the names of packages or label",
        )
    })?;
    let modified = UnixSeconds::new(epoch.into()).expect("32 bits of seconds end in 2106, which ISO 9660 can say");
    let volume = Volume { id: &volume_id(&spec.label), application: "", publisher: "", modified };
    let mut image = Writer::new(output.file(), &volume, tree).map_err(failed)?;
    let mut entries = Vec::new();
    let total = signed.iter().map(Signed::length).sum();
    for package in signed {
        let path = package_path(package);
        // Hashed beside the writing: both take about the same time.
        let (written, sha256) = std::thread::scope(|scope| {
            let hash = scope.spawn(|| digest::sha256_hex(package.reader()));
            let written = image.write(&path, Watched::new(package.reader(), total, progress));
            (written, hash.join().expect("hashing does not panic"))
        });
        written.map_err(failed)?;
        let sha256 = sha256.map_err(|e| payload::unreadable(&package.rpm, &e))?;
        entries.push(Entry { package, path, sha256 });
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    let comps = update::comps(&spec.label);
    let repodata = update::repodata(&entries, &comps, epoch);
    let [repomd_signature] =
        <[Signature; 1]>::try_from(sign_all(request, &[repodata.repomd()])?).expect("one signature for one message");
    let (document_asc, repomd_asc) = (document_signature.armored(), repomd_signature.armored());
    let small = [
        ("update.xml", document),
        ("update.xml.asc", document_asc.as_bytes()),
        ("repodata/repomd.xml.asc", repomd_asc.as_bytes()),
    ];
    let metadata = repodata.files.iter().map(|(name, content)| (format!("repodata/{name}"), content.as_slice()));
    for (path, content) in small.map(|(path, content)| (path.to_owned(), content)).into_iter().chain(metadata) {
        image.write(&path, content).map_err(failed)?;
    }
    image.finish().map_err(failed)?;
    Ok(files)
}

fn write_failed(image: &Path, error: WriteError) -> Error {
    match error {
        WriteError::Output { source, .. } => Error::output(image, &source),
        WriteError::Source { path, source } => Error::payload(
            Path::new(&path),
            format!("cannot be read: {source}"),
            "Leave the payload alone during a build",
        ),
        WriteError::TooLarge { path, limit } => Error::payload(
            Path::new(&path),
            format!("is larger than {limit} bytes, the most for a file on an ISO 9660 image"),
            "Split it",
        ),
        other => Error::output(image, &std::io::Error::other(other)),
    }
}

/// A volume identifier of at most 32 characters, which nothing reads but people.
fn volume_id(label: &str) -> String {
    label.chars().take(32).map(|c| c.to_ascii_uppercase()).map(|c| if c == '-' { '_' } else { c }).collect()
}

impl Package {
    fn of(signed: &Signed) -> Package {
        Package {
            file: signed.rpm.file_name(),
            nevra: signed.rpm.nevra(),
            size: signed.length(),
            installed_size: signed.rpm.installed_size(),
        }
    }
}
