//! The pipeline: a spec and payload RPMs in, a signed pack on disk out.
//!
//! Knows the order of the steps; must not know command lines or terminals. Payloads are streamed: memory does not grow
//! with them. The same request gives the same bytes.

mod completed;
pub(crate) mod hash;
mod identity;
pub(crate) mod image;
pub(crate) mod output;
pub(crate) mod payload;
mod signing;

use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::openpgp::{Certificate, Signer};
use crate::rpm::{self, Companion, PayloadDigests, Replaced, Rpm, Signed};
use crate::spec::{PackSpec, PackVersion, Released, Requirement};
use crate::supply::{Documents, Supply};
use crate::{Error, Result, digest, update};
pub(crate) use hash::payloads as payload_digests;
pub use output::check_output;
use output::{KeyFile, Output, Published};
pub(crate) use payload::Watched;
pub use payload::newest_build_time;

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
    /// What the pack's bill of materials and provenance say beside what is in its packages; `None` if it has none.
    pub supply: Option<&'a Supply>,
    /// The folder that takes the results.
    pub output: &'a Path,
}

/// What was found about an image.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// For programs: `report.json`.
    pub json: &'a str,
    /// For browsers: `report.html`.
    pub page: Option<&'a str>,
}

impl<'a> From<&'a str> for Found<'a> {
    fn from(json: &'a str) -> Found<'a> {
        Found { json, page: None }
    }
}

impl<'a> From<&'a String> for Found<'a> {
    fn from(json: &'a String) -> Found<'a> {
        Found { json, page: None }
    }
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
    /// The same as a page, if one was given.
    pub page: Option<OutputFile>,
    /// Bill of materials and provenance of the image, if it has them.
    pub beside: Vec<OutputFile>,
    /// Whether another key's file of that name was there before.
    pub replaced_key: bool,
    /// What is in `Packages/`, payload first.
    pub packages: Vec<Package>,
    /// Bytes that the payload takes in dom0.
    pub installation_size: u64,
    pub iso_sha256: String,
    /// What a host must provide.
    pub host: Vec<Requirement>,
    /// The keys that signed the packages which keep their signatures, as far as they are not the pack's.
    pub other_keys: Vec<String>,
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
    host: Vec<Requirement>,
    other_keys: Vec<String>,
    documents: Option<Documents>,
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

    /// What the public key's file is called on hosts.
    pub fn key_name(&self) -> &str {
        self.key.name()
    }

    /// A draft of an image that is written whole; `made` is what is on it.
    pub(crate) fn finish(mut output: Output, made: &Finished<'_>, progress: &dyn Progress) -> Result<Draft> {
        progress.step("checksum");
        output.flush()?;
        let iso_sha256 = digest::sha256_hex(Watched::new(output.reader()?, output.length()?, progress))
            .map_err(|e| Error::output(output.path(), &e))?;
        progress.made("SHA-256 of the image as it is on the disk");
        Ok(Draft {
            key: output.key_file(made.key_file, made.certificate)?,
            output,
            uuid: made.uuid,
            packages: made.packages.iter().map(Package::of).collect(),
            installation_size: made.installation_size,
            iso_sha256,
            host: Vec::new(),
            other_keys: made.other_keys.clone(),
            documents: None,
        })
    }

    /// Identifiers of the keys that signed the packages which keep their signatures, as far as they are not the pack's: hosts
    /// must trust these too.
    pub fn other_keys(&self) -> &[String] {
        &self.other_keys
    }

    /// Gives every file its final name.
    ///
    /// # Errors
    /// [`Error`] of class `Output`.
    pub fn publish<'f>(self, found: impl Into<Found<'f>>) -> Result<Pack> {
        let Draft { output, key, uuid, packages, installation_size, iso_sha256, host, other_keys, documents } = self;
        let replaced_key = key.replaces;
        let name = output.path().file_name().unwrap_or_default().to_string_lossy();
        let beside = documents.iter().flat_map(|documents| documents.beside(&name, &iso_sha256)).collect();
        let published = output.publish(&iso_sha256, key, &found.into(), beside)?;
        let Published { iso, checksum, key, report, page, beside } = published;
        Ok(Pack {
            uuid,
            iso,
            checksum,
            key,
            report,
            page,
            beside,
            replaced_key,
            packages,
            installation_size,
            iso_sha256,
            host,
            other_keys,
        })
    }
}

/// What is on an image that was not built here.
pub(crate) struct Finished<'a> {
    pub(crate) uuid: Uuid,
    pub(crate) key_file: &'a str,
    pub(crate) certificate: &'a Certificate,
    pub(crate) packages: &'a [Signed],
    pub(crate) installation_size: u64,
    /// The keys that signed packages, as far as they are not the pack's.
    pub(crate) other_keys: Vec<String>,
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
    let spec = &completed::complete(spec, &payloads)?;
    let drivers = completed::drivers(spec, &payloads)?;
    let request = &Request { spec, ..*request };
    progress.made(&told(&payloads));
    progress.step("digest payload");
    let digests = hash::payloads(&payloads, progress)?;
    progress.made("MD5 and SHA-256");

    progress.step("write metadata");
    let kept = signing::kept(request, &payloads)?;
    let uuid = spec.uuid.unwrap_or_else(|| {
        let parts = payloads.iter().zip(&digests).zip(&kept);
        let parts: Vec<_> =
            parts.map(|((rpm, digests), kept)| identity::Payload { rpm, digests, kept: *kept }).collect();
        identity::uuid(spec, version, certificate, epoch, &parts, request.supply)
    });
    request.released.check_rises(version, uuid)?;
    let installation_size = payloads.iter().map(Rpm::installed_size).fold(0, u64::saturating_add);
    let document = update::update_document(spec, version, uuid, installation_size);
    let comps = image::comps(spec, &drivers)?;
    let companions = companions(request, uuid, &payloads, &document)?;
    let companion_digests = hash::payloads(&companions, progress)?;
    progress.made(&format!("update.xml, update-{0}, control-{0}", spec.label));

    progress.step("sign packages");
    let packages: Vec<&Rpm> = payloads.iter().chain(&companions).collect();
    let digests: Vec<&PayloadDigests> = digests.iter().chain(&companion_digests).collect();
    let (signed, document_signature) = signing::sign(request, &packages, &digests, &kept, &document)?;
    let other_keys = signing::other_keys(certificate, &payloads, &kept);
    progress.made(&signing::told(&kept));

    progress.step("write image");
    let name = spec.image.clone().unwrap_or_else(|| format!("{}-{version}.iso", spec.label));
    let mut output = Output::create(request.output, &name)?;
    let content = image::Content { uuid, packages: &signed, document: &document, document_signature, comps: &comps };
    let (files, documents) = image::write(request, &mut output, &content, progress)?;
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
    let host = spec.host.clone();
    Ok(Draft { output, key, uuid, packages, installation_size, iso_sha256, host, other_keys, documents })
}

/// The two packages with the pack's metadata.
fn companions(request: &Request<'_>, uuid: Uuid, payloads: &[Rpm], document: &[u8]) -> Result<[Rpm; 2]> {
    let Request { spec, version, epoch, .. } = *request;
    let (vendor, license) = payload::answered_for(spec, payloads);
    let companion = Companion { spec, version, uuid, vendor: vendor.as_deref(), license: &license, epoch };
    let stamps = spec.rollups.iter().map(|rollup| update::replaced_stamp(spec, version, uuid, rollup));
    let replaced: Vec<Replaced<'_>> =
        spec.rollups.iter().zip(stamps).map(|(rollup, stamp)| Replaced { rollup, stamp }).collect();
    Ok([rpm::update(companion, payloads, document, &replaced)?, rpm::control(companion)?])
}

/// Names of packages, as many as a line has place for.
fn told(payloads: &[Rpm]) -> String {
    match payloads {
        [first, .., last] if payloads.len() > 3 => {
            format!("{} packages, {} to {}", payloads.len(), first.name(), last.name())
        }
        few => few.iter().map(Rpm::name).collect::<Vec<_>>().join(", "),
    }
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
