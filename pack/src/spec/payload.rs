//! The RPM that this workspace builds itself: what lands in dom0, and in which mode.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

use super::words::{is_line, is_package_word};
use crate::{Error, Result};

/// The RPM that carries this workspace's program.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Payload {
    pub name: String,
    pub release: String,
    pub summary: String,
    pub license: String,
    pub vendor: String,
    #[serde(default)]
    pub scriptlets: Scriptlets,
    /// In a [`PackSpec`](super::PackSpec) those of `folders` as well.
    pub files: Vec<PayloadFile>,
    /// Folders of which every file is one of the payload. Only in `pack.toml`.
    #[serde(default, skip_serializing)]
    pub folders: Vec<PayloadFolder>,
}

/// A folder whose files all have the same mode, and nothing else to say.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PayloadFolder {
    /// Absolute path in dom0.
    pub path: String,
    /// Permission bits of the files.
    pub mode: u16,
}

/// Scriptlets of the payload: in `pack.toml` file names, in a [`PackSpec`](super::PackSpec) the scripts' text.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Scriptlets {
    pub post_install: Option<String>,
    pub pre_uninstall: Option<String>,
    pub post_uninstall: Option<String>,
}

/// A file that the payload puts into dom0, owned by root.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PayloadFile {
    /// Absolute path in dom0.
    pub path: String,
    /// Permission bits.
    pub mode: u16,
    /// The program of this workspace that goes there; else `dom0/<path>` beside `pack.toml`.
    pub built: Option<String>,
    /// A configuration file: an administrator's changes survive an upgrade.
    #[serde(default)]
    pub config: bool,
    /// Documentation.
    #[serde(default)]
    pub doc: bool,
}

impl PayloadFile {
    /// The path below a root folder, without the leading slash.
    pub fn relative(&self) -> &str {
        self.path.trim_start_matches('/')
    }
}

impl Payload {
    /// Names every file of `folders`, which lie below `dom0/` of this folder.
    pub(super) fn list_folders(&mut self, folder: &Path) -> std::result::Result<(), String> {
        for PayloadFolder { path, mode } in std::mem::take(&mut self.folders) {
            let names = files_of(&folder.join("dom0").join(path.trim_start_matches('/')))
                .map_err(|problem| format!("names {path}, but dom0{path} {problem}"))?;
            let file =
                |name| PayloadFile { path: format!("{path}/{name}"), mode, built: None, config: false, doc: false };
            self.files.extend(names.into_iter().map(file));
        }
        Ok(())
    }

    /// `dom0/` and the list of files must name the same files: neither may forget one.
    pub(super) fn check_dom0_folder(&self, folder: &Path, pack_toml: &Path) -> Result<()> {
        let root = folder.join("dom0");
        let mut listed: BTreeSet<&str> =
            self.files.iter().filter(|f| f.built.is_none()).map(|f| f.path.as_str()).collect();
        for entry in walkdir::WalkDir::new(&root).sort_by_file_name() {
            let entry =
                entry.map_err(|e| Error::spec(pack_toml, format!("dom0/ cannot be read: {e}"), "Create the folder"))?;
            if entry.file_type().is_dir() {
                continue;
            }
            let below = entry.path().strip_prefix(&root).expect("the walk stays below its root");
            let path = format!("/{}", below.display());
            if !listed.remove(path.as_str()) {
                return Err(Error::spec(
                    pack_toml,
                    format!("dom0{path} lies in the folder, but no payload.files entry names it"),
                    "Add the entry, or remove the file",
                ));
            }
        }
        match listed.first() {
            None => Ok(()),
            Some(path) => Err(Error::spec(
                pack_toml,
                format!("payload.files names {path}, but dom0{path} does not exist"),
                "Create it, or remove the entry",
            )),
        }
    }
}

/// The names of the files in a folder, in order.
fn files_of(folder: &Path) -> std::result::Result<Vec<String>, String> {
    let read = |error: std::io::Error| format!("cannot be read: {error}");
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(read)? {
        let name = entry.map_err(read)?.file_name().into_string();
        names.push(name.map_err(|name| format!("has a file whose name is not UTF-8: {}", name.display()))?);
    }
    names.sort_unstable();
    if names.is_empty() { Err("is empty".to_owned()) } else { Ok(names) }
}

/// Key, what is wrong with it, and the remedy.
pub(super) type Problem = (String, String, &'static str);

pub(super) fn check(payload: &Payload) -> std::result::Result<(), Problem> {
    if !is_package_word(&payload.name) {
        return Err((
            "payload.name".into(),
            format!("is {:?}", payload.name),
            "Use letters, digits and any of . _ + -",
        ));
    }
    if !is_package_word(&payload.release) || payload.release.contains('-') {
        return Err((
            "payload.release".into(),
            format!("is {:?}", payload.release),
            "Use letters, digits and any of . _ +",
        ));
    }
    for (key, text) in [("summary", &payload.summary), ("license", &payload.license), ("vendor", &payload.vendor)] {
        if !is_line(text) {
            return Err((
                format!("payload.{key}"),
                "must be one line that is not blank".into(),
                "Hosts show it to administrators",
            ));
        }
    }
    const PLAIN: &str = "Write it as it will be in dom0, such as /etc/name";
    let mut seen = BTreeSet::new();
    for file in &payload.files {
        let key = format!("payload.files {:?}", file.path);
        if !is_plain_absolute(&file.path) {
            return Err((key, "is not a plain absolute path".into(), PLAIN));
        }
        if file.mode & !0o755 != 0 {
            return Err((
                key,
                format!("has mode {:#o}", file.mode),
                "Only root may write there, and nothing may be setuid: 0o755 or 0o644",
            ));
        }
        if !seen.insert(&file.path) {
            return Err((key, "is there twice".into(), "Remove one entry"));
        }
    }
    if payload.files.is_empty() {
        return Err(("payload.files".into(), "is empty".into(), "Name at least one file"));
    }
    Ok(())
}

fn is_plain_absolute(path: &str) -> bool {
    let only_names = Path::new(path).components().skip(1).all(|c| matches!(c, Component::Normal(_)));
    path.starts_with('/')
        && only_names
        && !path.ends_with('/')
        && !path.contains("//")
        && !path.contains(char::is_control)
}
