//! A package of a pack: what its headers say.

use rpm::{FileFlags, IndexSignatureTag, IndexTag};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::Told;
use super::signature::{self, Keys, SignatureInfo, time};
use crate::contents::Contents;
use crate::digest::hex;
use crate::rpm::package::{Config, FileKind, Package, PackagedFile};
use crate::rpm::scriptlet::{self, Scriptlet};
use crate::rpm::{Rpm, header_is_whole};

/// A file whose name ends with `.rpm`.
#[derive(Debug, Serialize)]
pub struct PackageFile {
    /// Path on the medium.
    pub path: String,
    /// Length of the file.
    pub bytes: u64,
    #[serde(flatten)]
    pub found: Told<PackageInfo>,
}

/// What the headers of a package say. Sizes in bytes.
#[derive(Debug, Serialize)]
pub struct PackageInfo {
    pub nevra: String,
    pub name: String,
    pub evr: String,
    pub arch: String,
    pub summary: Option<String>,
    pub license: Option<String>,
    pub vendor: Option<String>,
    pub group: Option<String>,
    pub source_rpm: Option<String>,
    /// RFC 3339.
    pub built: Option<String>,
    pub installed_size: u64,
    /// What the payload is compressed with.
    pub compression: String,
    /// Digests that its headers state, of what.
    pub digests: Vec<&'static str>,
    /// Whether the main header has the digests that are stated of it.
    pub header_is_whole: bool,
    /// SHA-256 of the main header, which says everything that an installation does.
    pub header_sha256: String,
    pub signature: SignatureInfo,
    pub requires: Vec<String>,
    pub provides: Vec<String>,
    pub conflicts: Vec<String>,
    pub obsoletes: Vec<String>,
    pub scriptlets: Vec<ScriptletInfo>,
    /// Whether it has scriptlets that run when other packages come and go.
    pub has_triggers: bool,
    pub files: Vec<FileInfo>,
    #[serde(skip)]
    pub facts: Package,
}

/// A scriptlet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScriptletInfo {
    /// The name of its section in a spec file.
    pub moment: String,
    pub program: Vec<String>,
    pub body: Option<String>,
    /// Whether rpm expands macros in it.
    pub expands: bool,
}

/// A file that a package brings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileInfo {
    pub path: String,
    pub kind: &'static str,
    /// Permissions in octal digits.
    pub mode: String,
    pub owner: String,
    pub group: String,
    pub bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<&'static str>,
}

/// Every package of a pack.
pub(super) fn read(contents: &Contents, keys: &Keys) -> Vec<PackageFile> {
    let found = contents.packages().into_iter();
    let read = found.map(|(entry, rpm)| PackageFile {
        path: entry.path.clone(),
        bytes: entry.bytes(),
        found: rpm.and_then(|rpm| PackageInfo::of(&entry.path, &rpm, keys)).into(),
    });
    read.collect()
}

impl PackageInfo {
    fn of(path: &str, rpm: &Rpm, keys: &Keys) -> Result<PackageInfo, String> {
        let facts = Package::of(rpm)?;
        let metadata = rpm.metadata();
        let text = |tag: IndexTag| metadata.header.get_entry_data_as_string(tag).ok().map(str::to_owned);
        let list = |list: &[crate::rpm::package::Dependency]| list.iter().map(ToString::to_string).collect();
        Ok(PackageInfo {
            nevra: rpm.nevra(),
            name: rpm.name().into(),
            evr: rpm.evr(),
            arch: rpm.arch().into(),
            summary: metadata.get_summary().ok().map(str::to_owned),
            license: text(IndexTag::RPMTAG_LICENSE),
            vendor: text(IndexTag::RPMTAG_VENDOR),
            group: metadata.get_group().ok().map(str::to_owned),
            source_rpm: text(IndexTag::RPMTAG_SOURCERPM),
            built: metadata.get_build_time().ok().map(time),
            installed_size: rpm.installed_size(),
            compression: rpm.payload_compressor().into(),
            digests: digests(rpm),
            header_is_whole: header_is_whole(rpm),
            header_sha256: hex(&Sha256::digest(rpm.header())),
            signature: signature::of_package(path, rpm, keys),
            requires: list(&facts.requires),
            provides: list(&facts.provides),
            conflicts: list(&facts.conflicts),
            obsoletes: list(&facts.obsoletes),
            scriptlets: scriptlet::scriptlets(rpm).iter().map(ScriptletInfo::of).collect(),
            has_triggers: scriptlet::has_triggers(rpm),
            files: facts.files.iter().map(FileInfo::of).collect(),
            facts,
        })
    }
}

impl ScriptletInfo {
    fn of(scriptlet: &Scriptlet) -> ScriptletInfo {
        ScriptletInfo {
            moment: scriptlet.moment.to_string(),
            program: scriptlet.program.clone(),
            body: scriptlet.body.clone(),
            expands: scriptlet.expands,
        }
    }
}

impl FileInfo {
    pub(crate) fn of(file: &PackagedFile) -> FileInfo {
        let (kind, bytes, digest, target) = match &file.kind {
            FileKind::Regular { size, digest } => ("file", *size, digest.clone(), None),
            FileKind::Directory => ("folder", 0, None, None),
            FileKind::Link(target) => ("link", 0, None, Some(target.clone())),
            FileKind::Ghost => ("ghost", 0, None, None),
            FileKind::Special => ("special", 0, None, None),
        };
        FileInfo {
            path: file.path.clone(),
            kind,
            mode: format!("{:04o}", file.mode & 0o7777),
            owner: file.user.clone(),
            group: file.group.clone(),
            bytes,
            digest,
            target,
            config: match file.config {
                Config::No => None,
                Config::Replace => Some("config"),
                Config::NoReplace => Some("config(noreplace)"),
            },
        }
    }
}

/// What digests a package states.
fn digests(rpm: &Rpm) -> Vec<&'static str> {
    let metadata = rpm.metadata();
    let signature = |tag| metadata.signature.entry_is_present(tag);
    let has_files = metadata
        .get_file_entries()
        .is_ok_and(|files| files.iter().any(|file| !file.flags().contains(FileFlags::GHOST)));
    let stated = [
        ("header SHA-1", signature(IndexSignatureTag::RPMSIGTAG_SHA1)),
        ("header SHA-256", signature(IndexSignatureTag::RPMSIGTAG_SHA256)),
        ("header and payload MD5", signature(IndexSignatureTag::RPMSIGTAG_MD5)),
        ("payload SHA-256", metadata.header.entry_is_present(IndexTag::RPMTAG_PAYLOADSHA256)),
        ("files", has_files && metadata.header.entry_is_present(IndexTag::RPMTAG_FILEDIGESTS)),
    ];
    stated.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect()
}
