//! `pack.toml` as it is written, and how it becomes a [`PackSpec`]. Historical command lines take the same way.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use uuid::Uuid;

use super::choices::{Drivers, Guidance, OutputKind, Rollup, RpmSignatures};
use super::legacy::{Defaults, LegacyTable};
use super::payload::{self, Payload};
use super::words::{is_file_name, is_line, is_package_word, is_word};
use super::{PackSpec, PackVersion, Requirement};
use crate::{Error, Result};

/// Everything that `pack.toml` may say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Document {
    pub(crate) pack: PackTable,
    #[serde(default)]
    pub(crate) host: BTreeMap<String, String>,
    /// Requirements on the host that are no ranges: only from historical command lines.
    #[serde(skip)]
    pub(crate) requirements: Vec<Requirement>,
    pub(crate) payload: Option<Payload>,
    #[serde(default)]
    pub(crate) rollup: Vec<RollupTable>,
    pub(crate) legacy: Option<LegacyTable>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct PackTable {
    pub(crate) label: String,
    pub(crate) version: Option<String>,
    pub(crate) uuid: Option<Uuid>,
    pub(crate) description: String,
    pub(crate) key_file: Option<String>,
    pub(crate) vendor: Option<String>,
    pub(crate) license: Option<String>,
    #[serde(default)]
    pub(crate) after_apply_guidance: Vec<Guidance>,
    #[serde(default)]
    pub(crate) enforce_homogeneity: bool,
    #[serde(default)]
    pub(crate) precheck: OneOrSeveral,
    pub(crate) remove: Option<PathBuf>,
    pub(crate) group_file: Option<PathBuf>,
    #[serde(default)]
    pub(crate) drivers: DriversKey,
    #[serde(default)]
    pub(crate) rpms: Vec<PathBuf>,
    #[serde(default)]
    pub(crate) rpm_signatures: RpmSignatures,
    #[serde(default)]
    pub(crate) outputs: Vec<OutputKind>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RollupTable {
    pub(crate) label: String,
    pub(crate) uuid: Uuid,
    pub(crate) version: Option<String>,
}

/// A path, or a list of them.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a path or a list of paths")]
pub(crate) enum OneOrSeveral {
    One(PathBuf),
    Several(Vec<PathBuf>),
}

impl Default for OneOrSeveral {
    fn default() -> OneOrSeveral {
        OneOrSeveral::Several(Vec::new())
    }
}

/// Whether the pack is a driver disk, or which packages make it one.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "true, false or a list of package names")]
pub(crate) enum DriversKey {
    Whether(bool),
    Named(Vec<String>),
}

impl Default for DriversKey {
    fn default() -> DriversKey {
        DriversKey::Whether(false)
    }
}

/// Where a description comes from, for messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin<'a> {
    /// The file, or the program whose options they are.
    pub(crate) file: &'a Path,
    /// What is relative to it lies in this folder.
    pub(crate) folder: &'a Path,
    /// What a key of `pack.toml` is called there.
    pub(crate) name: fn(&str) -> &str,
}

impl Origin<'_> {
    fn wrong(&self, key: &str, problem: &str, remedy: &str) -> Error {
        Error::spec(self.file, format!("{} {problem}", (self.name)(key)), remedy)
    }

    fn text(&self, key: &str, path: &Path) -> Result<String> {
        let path = self.folder.join(path);
        fs::read_to_string(&path).map_err(|e| {
            let problem = format!("names {}, which cannot be read: {e}", path.display());
            self.wrong(key, &problem, "Create it, or remove the key")
        })
    }

    fn script(&self, key: &str, path: &Path) -> Result<String> {
        let text = self.text(key, path)?;
        match text.starts_with("#!/") {
            true => Ok(text),
            false => Err(self.wrong(
                key,
                "names a script without an interpreter",
                "Let its first line be #!/bin/sh: hosts execute it",
            )),
        }
    }
}

impl Document {
    /// Checks everything, and reads the scripts that are named.
    pub(crate) fn into_spec(self, origin: Origin<'_>) -> Result<PackSpec> {
        let Document { pack, host, requirements, payload, rollup, legacy } = self;
        check_texts(&pack, payload.is_some(), origin)?;
        let version = pack.version.as_deref().map(PackVersion::new).transpose()?;
        if pack.uuid.is_some_and(|uuid| uuid.is_nil()) {
            return Err(origin.wrong("pack.uuid", "is the nil uuid", "Leave it out: one follows from the content"));
        }
        let mut host_requirements = requirements;
        for (capability, range) in &host {
            host_requirements.extend(Requirement::parse_range(capability, range).map_err(|problem| {
                origin.wrong(&format!("host.{capability}"), &problem, "Write for example \">= 8.2.0, < 9\"")
            })?);
        }
        let payload = payload.map(|payload| read_payload(payload, origin)).transpose()?;
        let prechecks = match pack.precheck {
            OneOrSeveral::One(path) => vec![path],
            OneOrSeveral::Several(paths) => paths,
        };
        let precheck = prechecks.iter().map(|path| origin.script("pack.precheck", path)).collect::<Result<Vec<_>>>()?;
        let remove = pack.remove.map(|path| origin.script("pack.remove", &path)).transpose()?;
        let group_file = pack.group_file.map(|path| origin.text("pack.group-file", &path)).transpose()?;
        let mut outputs = pack.outputs;
        outputs.sort_unstable();
        outputs.dedup();
        if outputs.is_empty() {
            outputs.push(OutputKind::Iso);
        }
        let vendor = payload.as_ref().map(|payload| &payload.vendor).or(pack.vendor.as_ref());
        let defaults = Defaults {
            name: &pack.label,
            vendor: vendor.map_or(pack.label.as_str(), String::as_str),
            description: &pack.description,
        };
        let legacy = legacy.map(|table| table.check(defaults, origin.folder)).transpose();
        let legacy = legacy.map_err(|fault| origin.wrong(&fault.key, &fault.problem, fault.remedy))?;
        Ok(PackSpec {
            folder: origin.folder.into(),
            file: origin.file.into(),
            key_file: pack.key_file.unwrap_or_else(|| format!("RPM-GPG-KEY-{}", pack.label)),
            label: pack.label,
            version,
            uuid: pack.uuid,
            description: pack.description,
            guidance: pack.after_apply_guidance,
            enforce_homogeneity: pack.enforce_homogeneity,
            host: host_requirements,
            precheck,
            remove,
            vendor: pack.vendor,
            license: pack.license,
            drivers: drivers(pack.drivers, origin)?,
            rollups: rollups(rollup, origin)?,
            group_file,
            rpms: pack.rpms.into_iter().map(|path| origin.folder.join(path)).collect(),
            rpm_signatures: pack.rpm_signatures,
            image: None,
            outputs,
            payload,
            legacy,
        })
    }
}

fn check_texts(pack: &PackTable, has_payload: bool, origin: Origin<'_>) -> Result<()> {
    if !is_word(&pack.label) {
        let problem = format!("is {:?}", pack.label);
        return Err(origin.wrong("pack.label", &problem, "Use letters, digits, '_' and '-' only"));
    }
    if pack.label.starts_with("XS") {
        return Err(origin.wrong(
            "pack.label",
            "begins with \"XS\"",
            "Choose another: hosts and clients take such labels for the vendor's own hotfixes",
        ));
    }
    if !is_line(&pack.description) {
        return Err(origin.wrong(
            "pack.description",
            "must be one line that is not blank",
            "Hosts refuse a pack without it",
        ));
    }
    if let Some(name) = pack.key_file.as_deref().filter(|name| !is_file_name(name)) {
        return Err(origin.wrong(
            "pack.key-file",
            &format!("is {name:?}"),
            "Give a plain file name such as RPM-GPG-KEY-vendor: hosts look for it in /etc/pki/rpm-gpg",
        ));
    }
    for (key, text) in [("pack.vendor", &pack.vendor), ("pack.license", &pack.license)] {
        match text {
            Some(_) if has_payload => {
                return Err(origin.wrong(key, "is there beside [payload]", "Remove it: that of [payload] counts"));
            }
            Some(text) if !is_line(text) => {
                return Err(origin.wrong(key, "must be one line that is not blank", "Hosts show it to administrators"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn read_payload(mut payload: Payload, origin: Origin<'_>) -> Result<Payload> {
    payload
        .list_folders(origin.folder)
        .map_err(|problem| origin.wrong("payload.folders", &problem, "Create it, or remove the entry"))?;
    payload::check(&payload).map_err(|(key, problem, remedy)| origin.wrong(&key, &problem, remedy))?;
    for (key, name) in [
        ("payload.scriptlets.post-install", &mut payload.scriptlets.post_install),
        ("payload.scriptlets.pre-uninstall", &mut payload.scriptlets.pre_uninstall),
        ("payload.scriptlets.post-uninstall", &mut payload.scriptlets.post_uninstall),
    ] {
        if let Some(name) = name {
            *name = origin.text(key, Path::new(name.as_str()))?;
        }
    }
    payload.check_dom0_folder(origin.folder, origin.file)?;
    Ok(payload)
}

fn drivers(key: DriversKey, origin: Origin<'_>) -> Result<Drivers> {
    match key {
        DriversKey::Whether(false) => Ok(Drivers::None),
        DriversKey::Whether(true) => Ok(Drivers::WithModules),
        DriversKey::Named(names) => match names.iter().find(|name| !is_package_word(name)) {
            Some(name) => Err(origin.wrong(
                "pack.drivers",
                &format!("has the name {name:?}, which no package has"),
                "Give the names of packages, without versions",
            )),
            None if names.is_empty() => {
                Err(origin.wrong("pack.drivers", "is empty", "Name the packages with drivers, or remove the key"))
            }
            None => Ok(Drivers::Named(names)),
        },
    }
}

fn rollups(tables: Vec<RollupTable>, origin: Origin<'_>) -> Result<Vec<Rollup>> {
    let mut rollups: Vec<Rollup> = Vec::new();
    for RollupTable { label, uuid, version } in tables {
        if !is_word(&label) {
            let problem = format!("has the label {label:?}");
            return Err(origin.wrong("rollup", &problem, "Use letters, digits, '_' and '-' only"));
        }
        if rollups.iter().any(|other| other.uuid == uuid) {
            return Err(origin.wrong("rollup", &format!("has the uuid {uuid} twice"), "Remove one entry"));
        }
        if let Some(version) = version.as_deref().filter(|version| !is_line(version)) {
            return Err(origin.wrong("rollup", &format!("has the version {version:?}"), "Give it, or leave it out"));
        }
        rollups.push(Rollup { label, uuid, version });
    }
    Ok(rollups)
}

/// What is wrong with a file of TOML.
pub(super) fn malformed(file: &Path, text: &str, error: &toml::de::Error) -> Error {
    let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    let place = line.map_or(String::new(), |line| format!("line {line}: "));
    Error::spec(
        file,
        format!("{place}{}", error.message().trim_end_matches('.').replace('\n', ", ")),
        "Correct it; spec/pack.toml of this project is an example",
    )
}
