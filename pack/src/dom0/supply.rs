//! The packages of a pack, unpacked once and ready to be put into many hosts.
//!
//! Knows packages and their content; must not know hosts.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha1::{Digest, Sha1};
use tempfile::TempDir;

use super::package::{Dependency, Evr, FileKind, Package};
use crate::Error;
use crate::digest::hex;
use crate::rpm::scriptlet::{self, Moment, Scriptlet};
use crate::rpm::{Rpm, payload};

/// Most bytes that all packages of a pack may unpack to: dom0's root file system has 18 GB.
const MAX_UNPACKED: u64 = 16 << 30;

/// Most bytes of a file that names the pack's uuid in its path and may name it in its text.
const MAX_TEXT: u64 = 1 << 20;

/// A package with everything that its installation needs.
#[derive(Debug)]
pub(super) struct Supplied {
    pub package: Package,
    pub scriptlets: Vec<Scriptlet>,
    /// Whether it has scriptlets for when other packages come and go, which are not rehearsed.
    pub has_triggers: bool,
    /// What rpm's query format has as `SHA1HEADER`.
    pub header_sha1: String,
    pub summary: String,
    pub vendor: String,
    /// Where the content of each of the package's files lies; none for what is no regular file.
    content: Vec<Option<PathBuf>>,
}

/// The packages of a pack, unpacked in a folder that goes away with this.
#[derive(Debug)]
pub(super) struct Supply {
    folder: Arc<TempDir>,
    pub packages: Vec<Arc<Supplied>>,
}

impl Supply {
    /// Unpacks packages; every file is held to the digest in its package's header.
    ///
    /// # Errors
    /// What cannot be unpacked and why.
    pub(super) fn unpack(packages: &[Rpm]) -> Result<Supply, String> {
        let folder = tempfile::Builder::new().prefix("rehearsal-").tempdir().map_err(|e| e.to_string())?;
        let mut left = MAX_UNPACKED;
        let mut supplied = Vec::new();
        for (number, rpm) in packages.iter().enumerate() {
            let below = folder.path().join(number.to_string());
            let (package, used) = Supplied::unpack(rpm, &below, left)?;
            left = left.saturating_sub(used);
            supplied.push(Arc::new(package));
        }
        Ok(Supply { folder: Arc::new(folder), packages: supplied })
    }

    /// The package of a name.
    pub(super) fn package(&self, name: &str) -> Option<&Arc<Supplied>> {
        self.packages.iter().find(|supplied| supplied.package.name == name)
    }

    /// The same packages as an earlier build would have brought them: version 0, and another uuid.
    ///
    /// # Errors
    /// The stamp cannot be written.
    pub(super) fn earlier(&self, uuid: &str, earlier_uuid: &str) -> Result<Supply, String> {
        let versions: Vec<(String, Evr)> =
            self.packages.iter().map(|s| (s.package.name.clone(), s.package.evr.clone())).collect();
        let mut packages = Vec::new();
        for (number, supplied) in self.packages.iter().enumerate() {
            let below = self.folder.path().join(format!("earlier-{number}"));
            let earlier = supplied.earlier(&versions, (uuid, earlier_uuid), &below);
            packages.push(Arc::new(earlier.map_err(|e| format!("an earlier build cannot be made: {e}"))?));
        }
        Ok(Supply { folder: Arc::clone(&self.folder), packages })
    }
}

impl Supplied {
    fn unpack(rpm: &Rpm, folder: &Path, limit: u64) -> Result<(Supplied, u64), String> {
        let failed = |problem: String| format!("{} {problem}", rpm.file_name());
        let package = Package::of(rpm).map_err(failed)?;
        let climbs = |path: &str| path.split('/').any(|part| part == "." || part == "..");
        if let Some(file) = package.files.iter().find(|file| climbs(&file.path)) {
            return Err(failed(format!("has {:?}, which is not a plain path", file.path)));
        }
        if let Some(file) = package.files.iter().find(|file| matches!(file.kind, FileKind::Special)) {
            return Err(failed(format!(
                "has {}, a device, pipe or socket, which a pack has no business to bring",
                file.path
            )));
        }
        fs::create_dir(folder).map_err(|e| failed(e.to_string()))?;
        let mut content = vec![None; package.files.len()];
        let mut used = 0;
        payload::read(rpm, limit, &mut |member, reader| {
            let regular =
                matches!(package.files.get(member.index), Some(file) if matches!(file.kind, FileKind::Regular { .. }));
            if !regular {
                return Ok(());
            }
            let path = folder.join(member.index.to_string());
            let copied = File::create(&path).and_then(|mut file| io::copy(reader, &mut file));
            used += copied.map_err(|e| Error::output(&path, &e))?;
            for index in member.links.iter().chain([&member.index]) {
                if let Some(slot) = content.get_mut(*index) {
                    *slot = Some(path.clone());
                }
            }
            Ok(())
        })
        .map_err(|e| failed(e.problem().to_owned()))?;
        let supplied = Supplied {
            package,
            scriptlets: scriptlet::scriptlets(rpm),
            has_triggers: scriptlet::has_triggers(rpm),
            header_sha1: hex(&Sha1::digest(rpm.header())),
            summary: rpm.metadata().get_summary().unwrap_or_default().to_owned(),
            vendor: rpm.metadata().get_vendor().unwrap_or_default().to_owned(),
            content,
        };
        Ok((supplied, used))
    }

    /// The scriptlet of a moment.
    pub(super) fn scriptlet(&self, moment: Moment) -> Option<&Scriptlet> {
        self.scriptlets.iter().find(|scriptlet| scriptlet.moment == moment)
    }

    /// Where the content of a file lies on the build machine.
    pub(super) fn content(&self, index: usize) -> Option<&Path> {
        self.content.get(index).and_then(Option::as_deref)
    }

    fn earlier(&self, versions: &[(String, Evr)], uuids: (&str, &str), folder: &Path) -> io::Result<Supplied> {
        fs::create_dir_all(folder)?;
        let evr = |evr: &Evr| Evr { version: "0".into(), ..evr.clone() };
        let dependencies = |list: &[Dependency]| -> Vec<Dependency> {
            let moved = |dependency: &Dependency| {
                let ours = versions.iter().find(|(name, _)| *name == dependency.name);
                let bound = dependency.bound.as_ref().and_then(|(operator, bound)| match ours {
                    Some((_, version)) if bound.compare(version).is_eq() => Some((*operator, evr(bound))),
                    // What packages want of each other, the earlier ones wanted of the earlier ones.
                    Some(_) => None,
                    None => Some((*operator, bound.clone())),
                });
                Dependency { name: dependency.name.clone(), bound }
            };
            list.iter().map(moved).collect()
        };
        let package = Package {
            evr: evr(&self.package.evr),
            requires: dependencies(&self.package.requires),
            provides: dependencies(&self.package.provides),
            files: self.package.files.clone(),
            ..self.package.clone()
        };
        let mut earlier = Supplied {
            package,
            scriptlets: self.scriptlets.clone(),
            header_sha1: hex(&Sha1::digest(format!("earlier {}", self.header_sha1))),
            summary: self.summary.clone(),
            vendor: self.vendor.clone(),
            has_triggers: self.has_triggers,
            content: self.content.clone(),
        };
        let (uuid, earlier_uuid) = uuids;
        for (index, file) in earlier.package.files.iter_mut().enumerate() {
            if !file.path.contains(uuid) {
                continue;
            }
            file.path = file.path.replace(uuid, earlier_uuid);
            // Stamps and scripts: small, and text.
            let FileKind::Regular { digest, size: size @ ..=MAX_TEXT } = &mut file.kind else { continue };
            let Some(slot) = earlier.content.get_mut(index) else { continue };
            if let Some(content) = slot.as_deref() {
                let text = fs::read(content)?;
                let text = String::from_utf8_lossy(&text).replace(uuid, earlier_uuid);
                let path = folder.join(index.to_string());
                fs::write(&path, &text)?;
                (*digest, *size) = (None, text.len() as u64);
                *slot = Some(path);
            }
        }
        Ok(earlier)
    }
}
