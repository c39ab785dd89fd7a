//! The two packages that carry a pack's metadata onto the host.
//!
//! `update-<label>` requires the payload and owns the stamp `/var/update/applied/<uuid>`, by which XAPI knows that the
//! pack is installed. `control-<label>` is installed first, by the precheck: it carries the requirements on the host and
//! the scripts of the pack (xen-api, `scripts/extensions/pool_update.precheck` and `pool_update.apply`).

use rpm::{BuildConfig, CompressionType, Dependency, FileMode, FileOptions, PackageBuilder, Scriptlet};
use uuid::Uuid;

use super::{Rpm, Source};
use crate::spec::{Guidance, Operator, PackSpec, PackVersion, Requirement, Rollup};
use crate::{Error, Result};

/// Where XAPI looks for the updates of a host.
const STAMPS: &str = "/var/update/applied";

/// The precheck of a pack with several scripts. XAPI reads its output: the failing script's, else the last one's, and a blank
/// one breaks it (xen-api, `scripts/extensions/pool_update.precheck`).
const RUN_PRECHECKS: &str = r#"#!/bin/sh
# Runs the scripts in precheck.d in the order of their names; stops at the first that fails.
for script in "${0%/*}"/precheck.d/*; do
    said=$("$script" 2>&1) || {
        code=$?
        printf '%s\n' "$said"
        exit "$code"
    }
done
printf '%s\n' "${said:-ready}"
"#;

/// What both packages are made from.
#[derive(Debug, Clone, Copy)]
pub struct Companion<'a> {
    pub spec: &'a PackSpec,
    pub version: &'a PackVersion,
    pub uuid: Uuid,
    /// Who answers for the pack, if that is known.
    pub vendor: Option<&'a str>,
    /// The licence of both packages.
    pub license: &'a str,
    /// Build time and time stamp of files, in seconds since 1970.
    pub epoch: u32,
}

/// An earlier update that the pack replaces, and the stamp by which XAPI knows that from then on.
#[derive(Debug, Clone)]
pub struct Replaced<'a> {
    pub rollup: &'a Rollup,
    pub stamp: Vec<u8>,
}

/// `update-<label>`: the stamp, and what it takes for the pack to be whole.
///
/// The packages of earlier updates go with it and not with the control package: that is installed alone by the precheck.
///
/// It must not require an exact version of the control package: then the precheck of the next pack, which upgrades
/// control, would upgrade everything at once (seen with yum 3.4.3).
///
/// # Errors
/// [`Error`] of class `Payload` if the package cannot be made.
pub fn update(companion: Companion<'_>, payloads: &[Rpm], stamp: &[u8], replaced: &[Replaced<'_>]) -> Result<Rpm> {
    let Companion { spec, uuid, .. } = companion;
    let name = format!("update-{}", spec.label);
    let mut builder = companion.builder(&name, "Supplemental pack");
    for payload in payloads {
        builder.requires(Dependency::greater_eq(payload.name(), payload.evr()));
    }
    builder.requires(Dependency::any(format!("control-{}", spec.label)));
    let stamp_path = format!("{STAMPS}/{uuid}");
    companion.add_file(&mut builder, &stamp_path, stamp, 0o644)?;
    let mut at_the_end = String::new();
    if spec.guidance.contains(&Guidance::RestartHost) {
        // XAPI lists the update among those that wait for a restart of the host (xen-api, xapi_pool_update.ml).
        at_the_end += &format!("echo {uuid} >> /run/reboot-required.hfxs || :\n");
    }
    for Replaced { rollup, stamp } in replaced {
        let path = format!("{STAMPS}/{}", rollup.uuid);
        at_the_end += &format!("printf %s {} >{path} || :\n", quoted(&String::from_utf8_lossy(stamp)));
        // Owned, so that it goes with this package.
        builder
            .with_ghost(FileOptions::ghost(&path).mode(FileMode::regular(0o644)))
            .map_err(|e| companion.failed(&name, &e))?;
        if rollup.label != spec.label {
            for kind in ["update", "control"] {
                let other = format!("{kind}-{}", rollup.label);
                builder.obsoletes(match &rollup.version {
                    Some(version) => Dependency::less_eq(other, version),
                    None => Dependency::any(other),
                });
            }
        }
    }
    if !at_the_end.is_empty() {
        builder.post_trans_script(Scriptlet::new(at_the_end));
    }
    companion.finish(&mut builder, &name)
}

/// `control-<label>`: the requirements on the host, and the scripts in `/var/update/<uuid>`.
///
/// # Errors
/// [`Error`] of class `Payload` if the package cannot be made.
pub fn control(companion: Companion<'_>) -> Result<Rpm> {
    let Companion { spec, uuid, .. } = companion;
    let name = format!("control-{}", spec.label);
    let mut builder = companion.builder(&name, "Requirements and scripts of a supplemental pack");
    for requirement in &spec.host {
        builder.requires(dependency(requirement));
    }
    let folder = format!("/var/update/{uuid}");
    builder
        .with_dir_entry(FileOptions::dir(&folder).mode(FileMode::dir(0o755)))
        .map_err(|e| companion.failed(&name, &e))?;
    let mut scripts = Vec::new();
    match spec.precheck.as_slice() {
        [] => {}
        [only] => scripts.push(("precheck".to_owned(), only.as_str())),
        several => {
            let parts = format!("{folder}/precheck.d");
            builder
                .with_dir_entry(FileOptions::dir(&parts).mode(FileMode::dir(0o755)))
                .map_err(|e| companion.failed(&name, &e))?;
            scripts.push(("precheck".to_owned(), RUN_PRECHECKS));
            let numbered = several.iter().enumerate();
            scripts.extend(numbered.map(|(index, text)| (format!("precheck.d/{index:02}"), text.as_str())));
        }
    }
    scripts.extend(spec.remove.as_deref().map(|text| ("remove".to_owned(), text)));
    for (script, text) in scripts {
        companion.add_file(&mut builder, &format!("{folder}/{script}"), text.as_bytes(), 0o755)?;
    }
    companion.finish(&mut builder, &name)
}

fn dependency(requirement: &Requirement) -> Dependency {
    let (capability, version) = (requirement.capability.as_str(), requirement.version.as_str());
    match requirement.operator {
        Operator::Less => Dependency::less(capability, version),
        Operator::LessOrEqual => Dependency::less_eq(capability, version),
        Operator::Equal => Dependency::eq(capability, version),
        Operator::GreaterOrEqual => Dependency::greater_eq(capability, version),
        Operator::Greater => Dependency::greater(capability, version),
    }
}

/// A text as one word of a shell, whatever is in it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

impl Companion<'_> {
    fn builder(&self, name: &str, summary: &str) -> PackageBuilder {
        let config = BuildConfig::v4().compression(CompressionType::Gzip).source_date(self.epoch).reserved_space(None);
        let mut builder = PackageBuilder::new(
            name,
            self.version.as_str(),
            self.license,
            "noarch",
            &format!("{summary} {}", self.spec.label),
        );
        builder
            .using_config(config)
            .release("1")
            .description(&self.spec.description)
            .group("System Environment/Base")
            .build_host("localhost");
        if let Some(vendor) = self.vendor {
            builder.vendor(vendor);
        }
        builder
    }

    fn add_file(&self, builder: &mut PackageBuilder, path: &str, content: &[u8], mode: u16) -> Result<()> {
        let options = FileOptions::new(path).mode(FileMode::regular(mode));
        builder.with_file_contents(content, options).map(drop).map_err(|e| self.failed(path, &e))
    }

    fn finish(&self, builder: &mut PackageBuilder, name: &str) -> Result<Rpm> {
        let package = builder.build().map_err(|e| self.failed(name, &e))?;
        let mut bytes = Vec::new();
        package.write(&mut bytes).map_err(|e| self.failed(name, &e))?;
        Rpm::read(Source::memory(name, bytes))
    }

    fn failed(&self, what: &str, error: &rpm::Error) -> Error {
        Error::payload(&self.spec.file, format!("{what} cannot be packaged: {error}"), "Correct what it names")
    }
}
