//! A pack of the older format is built: packages are read, ordered, digested, and written in every form that is asked for.
//!
//! The same request gives the same bytes. Payloads are streamed.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use medium::File;

use super::kind::Kind;
use super::output::{self, Content, Draft};
use super::packages::{self, Listed};
use super::repository::{self, Repository};
use super::{INSTALL, INSTALL_SCRIPT, UNINSTALL, UNINSTALL_SCRIPT, eula, order};
use crate::build::{OutputFile, Progress, Watched, payload_digests};
use crate::openpgp::Signer;
use crate::rpm::package::Package;
use crate::rpm::{Rpm, Signed, Source, el7};
use crate::spec::{LegacySpec, OutputKind, PackVersion, RpmSignatures};
use crate::verify::{self, Policy};
use crate::{Error, Result, digest};

/// What a pack of the older format is built from.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub spec: &'a LegacySpec,
    /// The version of the pack, where the spec does not give another for this format.
    pub version: &'a PackVersion,
    /// RPM files: at least one.
    pub payloads: &'a [PathBuf],
    /// Who signs the packages. Hosts of this format do not check it; without, packages stay as they are, byte for byte.
    pub signer: Option<&'a dyn Signer>,
    /// What becomes of the signatures that packages have.
    pub signatures: RpmSignatures,
    /// Whether packages are put into the order of their requirements; else they keep the one that they are given in.
    pub reorder: bool,
    /// The one time that the pack bears, in seconds since 1970.
    pub epoch: u32,
    /// File name of the results, without what tells their kind.
    pub name: &'a str,
    /// Which results: those of the older format count, others are left out.
    pub outputs: &'a [OutputKind],
    /// The folder that takes them.
    pub output: &'a Path,
}

/// Builds a pack, holds every result to the rules of its readers, and gives them their names.
///
/// # Errors
/// [`Error`], each kind with its remedy; of class `Readback` with every broken rule. Nothing is left behind then, and
/// existing files are untouched.
pub fn build(request: &Request<'_>, progress: &dyn Progress) -> Result<Vec<OutputFile>> {
    proved(request, false, progress)?.publish()
}

/// Builds a pack and holds every result to the rules of its readers, and to the policy of this project if it is its own.
///
/// # Errors
/// Those of [`build`].
pub fn proved(request: &Request<'_>, xscontainer: bool, progress: &dyn Progress) -> Result<Draft> {
    let draft = draft(request, progress)?;
    for (name, path) in draft.results() {
        let policy = Policy { xscontainer, name: name.file_name(), ..Policy::default() };
        let verification = verify::verify(path, &policy, progress);
        if progress.interrupted() {
            return Err(Error::interrupted());
        }
        if !verification.passed() {
            return Err(verification.refusal(name));
        }
    }
    Ok(draft)
}

/// Builds a pack, up to the point where it can be proved.
///
/// # Errors
/// [`Error`], each kind with its remedy; nothing is left behind and existing files are untouched.
pub fn draft(request: &Request<'_>, progress: &dyn Progress) -> Result<Draft> {
    let result = pipeline(request, progress);
    match progress.interrupted() && result.is_err() {
        true => Err(Error::interrupted()),
        false => result,
    }
}

fn pipeline(request: &Request<'_>, progress: &dyn Progress) -> Result<Draft> {
    let Request { spec, epoch, .. } = *request;
    let version = spec.version(request.version).map_err(|fault| {
        Error::version(
            request.version,
            format!("cannot be said in the older format: it {}", fault.problem),
            fault.remedy,
        )
    })?;
    let repository = Repository::of(spec, version.clone(), spec.build(epoch));

    progress.step("read payload");
    let mut rpms = read(request.payloads)?;
    rpms.extend(eula::package(spec, &version, epoch)?);
    let (rpms, cycles) = if request.reorder { ordered(rpms)? } else { (rpms, String::new()) };
    progress.made(&format!("{} packages in the order of installation{cycles}", rpms.len()));
    let carried = carry(request, rpms, progress)?;

    progress.step("digest packages");
    let total = carried.iter().map(Carried::length).sum();
    let listed = digest::in_parallel(&carried, |package| package.listed(total, progress));
    let listed = listed.into_iter().collect::<Result<Vec<Listed>>>()?;
    let metadata = [repository.to_text().into_bytes(), packages::to_text(&listed).into_bytes()];
    progress.made(&format!("MD5 for {} and {}", packages::FILE, repository::FILE));

    let draft = output::write(request, &content(&metadata, &carried, total, progress), &metadata, progress)?;
    if let Some(changed) = carried.iter().find(|package| !package.rpm.source().is_unchanged()) {
        return Err(Error::payload(
            changed.rpm.source().name(),
            "was changed while it was packed",
            "Leave it alone during a build, and build again",
        ));
    }
    Ok(draft)
}

/// Reads the headers of every payload, and holds it to what hosts of this format accept.
fn read(files: &[PathBuf]) -> Result<Vec<Rpm>> {
    if files.is_empty() {
        let here = Path::new("the pack");
        return Err(Error::payload(here, "no package was given", "Give at least one RPM"));
    }
    let mut seen: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut rpms = Vec::new();
    for file in files {
        let source = Source::open(file)
            .map_err(|e| Error::payload(file, format!("cannot be read: {e}"), "Check the path and its permissions"))?;
        let rpm = Rpm::read(source)?;
        el7::check(&rpm)?;
        if let Some((path, why)) = Kind::of(&rpm).misplaced(&rpm) {
            return Err(Error::payload(file, format!("has the file {path}, {why}"), "Build the package anew"));
        }
        if let Some(twin) = seen.insert(rpm.name().to_owned(), file.clone()) {
            return Err(Error::payload(
                file,
                format!("is a second package {} (the first is {})", rpm.name(), twin.display()),
                "Give each package once: a host installs one version of it",
            ));
        }
        rpms.push(rpm);
    }
    Ok(rpms)
}

/// Packages in the order of their requirements, and what is to be said of those that require each other.
fn ordered(mut rpms: Vec<Rpm>) -> Result<(Vec<Rpm>, String)> {
    rpms.sort_by_cached_key(Rpm::file_name);
    let packages = rpms.iter().map(|rpm| {
        Package::of(rpm).map_err(|problem| {
            Error::payload(rpm.source().name(), format!("its dependencies cannot be read: {problem}"), "Build it again")
        })
    });
    let ordered = order::order(&packages.collect::<Result<Vec<Package>>>()?);
    let told = ordered.cycles.iter().map(|cycle| {
        let names: Vec<&str> = cycle.iter().map(|index| rpms[*index].name()).collect();
        format!("; {} require each other", names.join(", "))
    });
    let told = told.collect();
    Ok((ordered.order.iter().map(|index| rpms[*index].clone()).collect(), told))
}

/// A package as it will be on the medium.
struct Carried {
    rpm: Rpm,
    /// With a new signature header; `None`: as it is.
    signed: Option<Signed>,
}

impl Carried {
    fn length(&self) -> u64 {
        self.signed.as_ref().map_or(self.rpm.source().length(), Signed::length)
    }

    fn reader(&self) -> Box<dyn Read + Send> {
        match &self.signed {
            Some(signed) => Box::new(signed.reader()),
            None => Box::new(self.rpm.source().read_from(0)),
        }
    }

    fn listed(&self, total: u64, progress: &dyn Progress) -> Result<Listed> {
        let md5 = digest::of::<Md5>(Watched::new(self.reader(), total, progress)).map_err(|e| {
            let problem = format!("cannot be read: {e}");
            Error::payload(self.rpm.source().name(), problem, "Check the disk, and leave the file alone during a build")
        })?;
        let kind = Kind::of(&self.rpm);
        let label = match &kind {
            Kind::Driver { label, .. } => label.clone(),
            _ => self.rpm.name().to_owned(),
        };
        Ok(Listed {
            label,
            kind: kind.as_str().into(),
            size: self.length().to_string(),
            md5: digest::hex(&md5.finalize()),
            options: (kind == Kind::Kernel).then(|| "-i".to_owned()),
            kernel: kind.kernel().map(str::to_owned),
            root: None,
            file: self.rpm.file_name(),
        })
    }
}

/// Signs what is to be signed.
fn carry(request: &Request<'_>, rpms: Vec<Rpm>, progress: &dyn Progress) -> Result<Vec<Carried>> {
    let Some(signer) = request.signer else {
        return Ok(rpms.into_iter().map(|rpm| Carried { rpm, signed: None }).collect());
    };
    progress.step("sign packages");
    let digests = payload_digests(&rpms, progress)?;
    let keeps = |rpm: &Rpm| request.signatures == RpmSignatures::Keep && rpm.header_signature().is_some();
    let messages: Vec<&[u8]> = rpms.iter().filter(|rpm| !keeps(rpm)).map(Rpm::header).collect();
    let signed = messages.len();
    let mut signatures = match signed {
        0 => Vec::new(),
        _ => signer.sign(&messages, signer.certificate().signature_time(request.epoch))?,
    }
    .into_iter();
    let carried = rpms.iter().zip(&digests).map(|(rpm, digests)| {
        let signed = match keeps(rpm) {
            true => Signed::as_it_is(rpm)?,
            false => Signed::new(rpm, digests, signatures.next().expect("one for each message").packet())?,
        };
        Ok(Carried { rpm: rpm.clone(), signed: Some(signed) })
    });
    let carried = carried.collect::<Result<Vec<Carried>>>()?;
    progress.made(&format!("{signed} packages"));
    Ok(carried)
}

/// Every file of the pack, metadata first.
fn content<'a>(
    [repository, packages]: &'a [Vec<u8>; 2],
    carried: &'a [Carried],
    total: u64,
    progress: &'a dyn Progress,
) -> Content<'a> {
    let small = |path: &str, mode: u32, bytes: &'a [u8]| File {
        path: path.into(),
        mode,
        bytes: bytes.len() as u64,
        content: Box::new(move || Box::new(bytes)),
    };
    let mut files = vec![
        small(repository::FILE, 0o644, repository),
        small(packages::FILE, 0o644, packages),
        small(INSTALL, 0o755, INSTALL_SCRIPT.as_bytes()),
        small(UNINSTALL, 0o755, UNINSTALL_SCRIPT.as_bytes()),
    ];
    files.extend(carried.iter().map(|package| File {
        path: package.rpm.file_name(),
        mode: 0o644,
        bytes: package.length(),
        content: Box::new(move || Box::new(Watched::new(package.reader(), total, progress))),
    }));
    files
}
