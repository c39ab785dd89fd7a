//! The two packages that carry a pack's metadata onto the host.
//!
//! `update-<label>` requires the payload and owns the stamp `/var/update/applied/<uuid>`, by which XAPI knows that the
//! pack is installed. `control-<label>` is installed first, by the precheck: it carries the requirements on the host and
//! the scripts of the pack (xen-api, `scripts/extensions/pool_update.precheck` and `pool_update.apply`).

use rpm::{BuildConfig, CompressionType, Dependency, FileMode, FileOptions, PackageBuilder, Scriptlet};
use uuid::Uuid;

use super::{Rpm, Source};
use crate::spec::{Guidance, Operator, PackSpec, PackVersion};
use crate::{Error, Result};

/// What both packages are made from.
#[derive(Debug, Clone, Copy)]
pub struct Companion<'a> {
    pub spec: &'a PackSpec,
    pub version: &'a PackVersion,
    pub uuid: Uuid,
    /// Build time and time stamp of files, in seconds since 1970.
    pub epoch: u32,
}

/// `update-<label>`: the stamp, and what it takes for the pack to be whole.
///
/// It must not require an exact version of the control package: then the precheck of the next pack, which upgrades
/// control, would upgrade everything at once (seen with yum 3.4.3).
///
/// # Errors
/// [`Error`] of class `Payload` if the package cannot be made.
pub fn update(companion: Companion<'_>, payloads: &[Rpm], stamp: &[u8]) -> Result<Rpm> {
    let Companion { spec, uuid, .. } = companion;
    let name = format!("update-{}", spec.label);
    let mut builder = companion.builder(&name, "Supplemental pack");
    for payload in payloads {
        builder.requires(Dependency::greater_eq(payload.name(), payload.evr()));
    }
    builder.requires(Dependency::any(format!("control-{}", spec.label)));
    let stamp_path = format!("/var/update/applied/{uuid}");
    companion.add_file(&mut builder, &stamp_path, stamp, 0o644)?;
    if spec.guidance.contains(&Guidance::RestartHost) {
        // XAPI lists the update among those that wait for a restart of the host (xen-api, xapi_pool_update.ml).
        builder.post_trans_script(Scriptlet::new(format!("echo {uuid} >> /run/reboot-required.hfxs || :\n")));
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
        let (capability, version) = (requirement.capability.as_str(), requirement.version.as_str());
        builder.requires(match requirement.operator {
            Operator::Less => Dependency::less(capability, version),
            Operator::LessOrEqual => Dependency::less_eq(capability, version),
            Operator::Equal => Dependency::eq(capability, version),
            Operator::GreaterOrEqual => Dependency::greater_eq(capability, version),
            Operator::Greater => Dependency::greater(capability, version),
        });
    }
    let folder = format!("/var/update/{uuid}");
    builder
        .with_dir_entry(FileOptions::dir(&folder).mode(FileMode::dir(0o755)))
        .map_err(|e| companion.failed(&name, &e))?;
    for (script, text) in [("precheck", &spec.precheck), ("remove", &spec.remove)] {
        if let Some(text) = text {
            companion.add_file(&mut builder, &format!("{folder}/{script}"), text.as_bytes(), 0o755)?;
        }
    }
    companion.finish(&mut builder, &name)
}

impl Companion<'_> {
    fn builder(&self, name: &str, summary: &str) -> PackageBuilder {
        let payload = &self.spec.payload;
        let config = BuildConfig::v4().compression(CompressionType::Gzip).source_date(self.epoch).reserved_space(None);
        let mut builder = PackageBuilder::new(
            name,
            self.version.as_str(),
            &payload.license,
            "noarch",
            &format!("{summary} {}", self.spec.label),
        );
        builder
            .using_config(config)
            .release("1")
            .description(&self.spec.description)
            .vendor(&payload.vendor)
            .group("System Environment/Base")
            .build_host("localhost");
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
        Error::payload(
            self.spec.folder.join("pack.toml").as_path(),
            format!("{what} cannot be packaged: {error}"),
            "Correct what it names",
        )
    }
}
