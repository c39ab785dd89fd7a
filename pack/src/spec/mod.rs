//! What a pack is: `pack.toml` read into a [`PackSpec`] in which every value is valid.
//!
//! Knows the file and its rules; must not know any output format.

mod requirement;
mod version;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use requirement::{Operator, Requirement};
pub(crate) use version::rpm_compare;
pub use version::{PackVersion, Release, Released, SourceState};

use crate::{Error, Result};

/// A pack, as its author describes it. All strings are checked; all scripts are read.
#[derive(Debug, Clone, Serialize)]
pub struct PackSpec {
    /// The folder of `pack.toml`. Not part of what the pack is.
    #[serde(skip)]
    pub folder: PathBuf,
    /// Name on the host: letters, digits, `_` and `-`.
    pub label: String,
    /// One line for people.
    pub description: String,
    /// File name of the public key under `/etc/pki/rpm-gpg`.
    pub key_file: String,
    /// What clients advise the administrator to restart afterwards.
    pub guidance: Vec<Guidance>,
    /// Whether every host of a pool must have this very pack.
    pub enforce_homogeneity: bool,
    /// Capabilities that the host must provide.
    pub host: Vec<Requirement>,
    /// Text of the script that runs on the host before the pack is applied.
    pub precheck: Option<String>,
    /// Text of the script with which an administrator removes the pack.
    pub remove: Option<String>,
    /// The RPM that this workspace builds.
    pub payload: Payload,
}

/// Advice to clients (xen-api, ocaml/idl/datamodel_pool.ml: `update_after_apply_guidance`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Guidance {
    #[serde(rename = "restartHVM")]
    RestartHvm,
    #[serde(rename = "restartPV")]
    RestartPv,
    #[serde(rename = "restartHost")]
    RestartHost,
    #[serde(rename = "restartXAPI")]
    RestartXapi,
}

impl Guidance {
    /// The word of `update.xml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Guidance::RestartHvm => "restartHVM",
            Guidance::RestartPv => "restartPV",
            Guidance::RestartHost => "restartHost",
            Guidance::RestartXapi => "restartXAPI",
        }
    }
}

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
    /// In a [`PackSpec`] those of `folders` as well.
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

/// Scriptlets of the payload: in `pack.toml` file names, in a [`PackSpec`] the scripts' text.
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    pack: PackTable,
    #[serde(default)]
    host: BTreeMap<String, String>,
    payload: Payload,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct PackTable {
    label: String,
    description: String,
    key_file: String,
    #[serde(default)]
    after_apply_guidance: Vec<Guidance>,
    #[serde(default)]
    enforce_homogeneity: bool,
    precheck: Option<PathBuf>,
    remove: Option<PathBuf>,
}

impl PackSpec {
    /// Reads `pack.toml` of a folder, and the scripts that it names.
    ///
    /// # Errors
    /// [`Error`] of class `Spec` naming the file, the key and the remedy.
    pub fn read(folder: &Path) -> Result<PackSpec> {
        let file = folder.join("pack.toml");
        let text = fs::read_to_string(&file).map_err(|e| {
            Error::spec(
                &file,
                format!("cannot be read: {e}"),
                "It must exist and be UTF-8 text; `git checkout spec` restores it",
            )
        })?;
        let document: Document = toml::from_str(&text).map_err(|e| malformed(&file, &text, &e))?;
        let Document { pack, host, mut payload } = document;
        let wrong = |key: &str, problem: &str, remedy: &str| Error::spec(&file, format!("{key} {problem}"), remedy);

        if !is_word(&pack.label) {
            return Err(wrong("pack.label", &format!("is {:?}", pack.label), "Use letters, digits, '_' and '-' only"));
        }
        if pack.label.starts_with("XS") {
            return Err(wrong(
                "pack.label",
                "begins with \"XS\"",
                "Choose another: hosts and clients take such labels for the vendor's own hotfixes",
            ));
        }
        if !is_line(&pack.description) {
            return Err(wrong(
                "pack.description",
                "must be one line that is not blank",
                "Hosts refuse a pack without it",
            ));
        }
        if !is_file_name(&pack.key_file) {
            return Err(wrong(
                "pack.key-file",
                &format!("is {:?}", pack.key_file),
                "Give a plain file name such as RPM-GPG-KEY-vendor: hosts look for it in /etc/pki/rpm-gpg",
            ));
        }
        let mut host_requirements = Vec::new();
        for (capability, range) in &host {
            host_requirements.extend(Requirement::parse_range(capability, range).map_err(|problem| {
                wrong(&format!("host.{capability}"), &problem, "Write for example \">= 8.2.0, < 9\"")
            })?);
        }
        for PayloadFolder { path, mode } in std::mem::take(&mut payload.folders) {
            let names = files_of(&folder.join("dom0").join(path.trim_start_matches('/'))).map_err(|problem| {
                wrong(
                    "payload.folders",
                    &format!("names {path}, but dom0{path} {problem}"),
                    "Create it, or remove the entry",
                )
            })?;
            let file =
                |name| PayloadFile { path: format!("{path}/{name}"), mode, built: None, config: false, doc: false };
            payload.files.extend(names.into_iter().map(file));
        }
        check_payload(&payload).map_err(|(key, problem, remedy)| wrong(&key, &problem, remedy))?;

        let script = |key: &str, name: &Path| -> Result<String> {
            let path = folder.join(name);
            fs::read_to_string(&path).map_err(|e| {
                Error::spec(
                    &file,
                    format!("{key} names {}, which cannot be read: {e}", path.display()),
                    "Create it, or remove the key",
                )
            })
        };
        let executable = |key: &str, name: &Option<PathBuf>| -> Result<Option<String>> {
            let Some(name) = name else { return Ok(None) };
            let text = script(key, name)?;
            if !text.starts_with("#!/") {
                return Err(wrong(
                    key,
                    "names a script without an interpreter",
                    "Let its first line be #!/bin/sh: hosts execute it",
                ));
            }
            Ok(Some(text))
        };
        let precheck = executable("pack.precheck", &pack.precheck)?;
        let remove = executable("pack.remove", &pack.remove)?;
        for (key, name) in [
            ("payload.scriptlets.post-install", &mut payload.scriptlets.post_install),
            ("payload.scriptlets.pre-uninstall", &mut payload.scriptlets.pre_uninstall),
            ("payload.scriptlets.post-uninstall", &mut payload.scriptlets.post_uninstall),
        ] {
            if let Some(name) = name {
                *name = script(key, Path::new(name.as_str()))?;
            }
        }
        let spec = PackSpec {
            folder: folder.into(),
            label: pack.label,
            description: pack.description,
            key_file: pack.key_file,
            guidance: pack.after_apply_guidance,
            enforce_homogeneity: pack.enforce_homogeneity,
            host: host_requirements,
            precheck,
            remove,
            payload,
        };
        spec.check_dom0_folder(&file)?;
        Ok(spec)
    }

    /// Where the content of a payload file lies in the source tree, for files that are not built.
    pub fn source_of(&self, file: &PayloadFile) -> PathBuf {
        self.folder.join("dom0").join(file.relative())
    }

    /// `dom0/` and the list of files must name the same files: neither may forget one.
    fn check_dom0_folder(&self, pack_toml: &Path) -> Result<()> {
        let root = self.folder.join("dom0");
        let mut listed: BTreeSet<&str> =
            self.payload.files.iter().filter(|f| f.built.is_none()).map(|f| f.path.as_str()).collect();
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

fn malformed(file: &Path, text: &str, error: &toml::de::Error) -> Error {
    let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    let place = line.map_or(String::new(), |line| format!("line {line}: "));
    Error::spec(
        file,
        format!("{place}{}", error.message().trim_end_matches('.').replace('\n', ", ")),
        "Correct it; spec/pack.toml of this project is an example",
    )
}

type Problem = (String, String, &'static str);

fn check_payload(payload: &Payload) -> std::result::Result<(), Problem> {
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

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

fn is_package_word(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+-".contains(&b))
        && text.as_bytes()[0].is_ascii_alphanumeric()
}

fn is_file_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('.')
        && text.len() <= 128
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+-".contains(&b))
}

fn is_line(text: &str) -> bool {
    !text.trim().is_empty() && !text.contains(char::is_control)
}

#[cfg(test)]
mod tests;
