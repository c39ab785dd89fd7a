//! A licence that must be accepted, as a package: hosts show every file whose name ends with `EULA` in the RPMs of a pack
//! before they install anything (supp-pack-build, `suppack-install.py`).

use rpm::{BuildConfig, CompressionType, FileMode, FileOptions, PackageBuilder};

use crate::rpm::{Rpm, Source};
use crate::spec::LegacySpec;
use crate::{Error, Result};

/// Whether hosts take a file for a licence.
pub fn is_eula(path: &str) -> bool {
    path.ends_with("EULA")
}

/// The package `<name>-eula`, if the pack has a licence.
///
/// # Errors
/// [`Error`] of class `Payload` if it cannot be made.
pub(super) fn package(spec: &LegacySpec, version: &str, epoch: u32) -> Result<Option<Rpm>> {
    let Some(text) = &spec.eula else { return Ok(None) };
    let name = format!("{}-eula", spec.id.name);
    let failed = |e: rpm::Error| {
        Error::payload(name.as_ref(), format!("cannot be packaged: {e}"), "Correct legacy.name and legacy.eula")
    };
    let config = BuildConfig::v4().compression(CompressionType::Gzip).source_date(epoch).reserved_space(None);
    let summary = format!("Licence of the supplemental pack {}", spec.id.name);
    let mut builder = PackageBuilder::new(&name, version, "See the file EULA", "noarch", &summary);
    builder
        .using_config(config)
        .release("1")
        .description(&spec.description)
        .vendor(&spec.vendor)
        .group("System Environment/Base")
        .build_host("localhost");
    let path = format!("/usr/share/doc/{name}/EULA");
    let options = FileOptions::new(path).mode(FileMode::regular(0o644));
    builder.with_file_contents(text.as_str(), options).map_err(failed)?;
    let mut bytes = Vec::new();
    builder.build().map_err(failed)?.write(&mut bytes).map_err(failed)?;
    Rpm::read(Source::memory(&name, bytes)).map(Some)
}
