//! A pack, looked into: everything that it says of itself, and who signed it.
//!
//! Reads headers and small files only, never a payload, so a pack of gigabytes is shown at once. What cannot be read is
//! told in its place. Judges nothing: that is for [`crate::verify`].

mod document;
mod graph;
mod package;
mod signature;
mod text;

use std::path::PathBuf;

use serde::Serialize;

use crate::contents::{Contents, Entry, EntryKind, Medium};
pub use document::{Document, RolledUp};
pub use graph::{Graph, Need, Wanted};
pub use package::{FileInfo, PackageFile, PackageInfo, ScriptletInfo};
pub(crate) use signature::time;
pub use signature::{Keys, SignatureInfo, Verified};
pub use text::{Detail, text};

/// A part of a pack, or why it cannot be read.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Told<T> {
    Known(T),
    Unknown { problem: String },
}

impl<T> Told<T> {
    /// What is known.
    pub fn known(&self) -> Option<&T> {
        match self {
            Told::Known(known) => Some(known),
            Told::Unknown { .. } => None,
        }
    }
}

impl<T> From<Result<T, String>> for Told<T> {
    fn from(read: Result<T, String>) -> Told<T> {
        match read {
            Ok(known) => Told::Known(known),
            Err(problem) => Told::Unknown { problem },
        }
    }
}

/// What kind of pack it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// For XenServer 7.1 and later: `update.xml`.
    Update,
    /// For XenServer 7.0 and earlier: `XS-REPOSITORY`.
    Supplemental,
    /// None that is known.
    Unknown,
}

/// Everything that a pack says of itself.
#[derive(Debug, Serialize)]
pub struct Inspection {
    pub path: PathBuf,
    pub kind: Kind,
    pub medium: MediumInfo,
    /// `update.xml`, of a pack for XenServer 7.1 and later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update: Option<Told<Document>>,
    pub signatures: Vec<SignatureInfo>,
    pub tree: Vec<TreeEntry>,
    pub packages: Vec<PackageFile>,
    pub graph: Graph,
    pub sizes: Sizes,
    /// What else could not be read.
    pub problems: Vec<String>,
}

/// What carries a pack.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case", tag = "medium")]
pub enum MediumInfo {
    Iso { bytes: u64, volume_id: String, rock_ridge: bool, joliet: bool },
    Archive { bytes: u64 },
    Folder,
}

/// A file or folder of a pack.
#[derive(Debug, Serialize)]
pub struct TreeEntry {
    pub path: String,
    pub kind: &'static str,
    pub bytes: u64,
    /// Permissions in octal digits, where the medium has them.
    pub mode: Option<String>,
}

/// Bytes.
#[derive(Debug, Serialize)]
pub struct Sizes {
    /// Of all files together.
    pub files: u64,
    /// Of the packages among them.
    pub packages: u64,
    /// What all packages take when they are installed.
    pub installed: u64,
}

/// Looks into a pack. `keys` are those that signatures are tried with.
pub fn inspect(contents: &Contents, keys: &Keys) -> Inspection {
    let kind = kind(contents);
    let update = document(contents);
    let packages = package::read(contents, keys);
    Inspection {
        path: contents.path().into(),
        kind,
        medium: match contents.medium().clone() {
            Medium::Image { bytes, volume_id, rock_ridge, joliet } => {
                MediumInfo::Iso { bytes, volume_id, rock_ridge, joliet }
            }
            Medium::Archive { bytes } => MediumInfo::Archive { bytes },
            Medium::Folder => MediumInfo::Folder,
        },
        update,
        signatures: signature::of_documents(contents, keys),
        tree: tree(contents),
        graph: Graph::of(&packages),
        sizes: Sizes {
            files: contents.entries().iter().map(Entry::bytes).fold(0, u64::saturating_add),
            packages: packages.iter().map(|package| package.bytes).fold(0, u64::saturating_add),
            installed: packages
                .iter()
                .filter_map(|package| package.found.known())
                .map(|package| package.installed_size)
                .fold(0, u64::saturating_add),
        },
        packages,
        problems: contents.problems().to_vec(),
    }
}

impl Inspection {
    /// Of what cannot even be opened.
    pub(crate) fn unreadable(path: &std::path::Path) -> Inspection {
        Inspection {
            path: path.into(),
            kind: Kind::Unknown,
            medium: MediumInfo::Folder,
            update: None,
            signatures: Vec::new(),
            tree: Vec::new(),
            packages: Vec::new(),
            graph: Graph { needs: Vec::new(), host: Vec::new(), rpm_features: Vec::new() },
            sizes: Sizes { files: 0, packages: 0, installed: 0 },
            problems: Vec::new(),
        }
    }
}

/// What kind of pack this is, by the files that it has.
pub fn kind(contents: &Contents) -> Kind {
    let has = |path: &str| contents.entry(path).is_some_and(|entry| entry.source().is_some());
    match (has("update.xml"), has("XS-REPOSITORY")) {
        (true, _) => Kind::Update,
        (false, true) => Kind::Supplemental,
        (false, false) => Kind::Unknown,
    }
}

/// `update.xml` of a pack, if it has one.
pub fn document(contents: &Contents) -> Option<Told<Document>> {
    (kind(contents) == Kind::Update).then(|| Document::read(contents).into())
}

fn tree(contents: &Contents) -> Vec<TreeEntry> {
    let entries = contents.entries().iter().map(|entry| TreeEntry {
        path: entry.path.clone(),
        kind: match entry.kind {
            EntryKind::File(_) => "file",
            EntryKind::Folder => "folder",
            EntryKind::Special => "special",
        },
        bytes: entry.bytes(),
        mode: entry.mode.map(|mode| format!("{mode:04o}")),
    });
    entries.collect()
}

#[cfg(test)]
mod tests;
