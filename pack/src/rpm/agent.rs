//! The payload that this workspace builds: its files staged as `cargo generate-rpm` packages them, and the metadata for
//! it, generated from the spec.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::spec::{PackSpec, PackVersion, Payload, PayloadFile};
use crate::{Error, Result};

/// Copies every file of the payload below a folder, with mode and time stamp fixed: those of the source tree depend on
/// when and by whom it was checked out, and `cargo generate-rpm` records them.
///
/// # Errors
/// [`Error`] of class `Output` if the folder cannot be written, of class `Spec` if a source cannot be read.
pub fn stage(spec: &PackSpec, built: &dyn Fn(&str) -> PathBuf, epoch: u64, folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(Error::output(folder, &e)),
        _ => {}
    }
    let stamp = SystemTime::UNIX_EPOCH + Duration::from_secs(epoch);
    for file in &spec.own_payload()?.files {
        let source = file.built.as_deref().map_or_else(|| spec.source_of(file), built);
        let content = fs::read(&source).map_err(|e| {
            Error::spec(&source, format!("cannot be read: {e}"), "It is part of the payload; restore it")
        })?;
        let target = folder.join(file.relative());
        write(&target, &content, file.mode, stamp).map_err(|e| Error::output(&target, &e))?;
    }
    Ok(())
}

fn write(target: &Path, content: &[u8], mode: u16, stamp: SystemTime) -> io::Result<()> {
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(target, content)?;
    fs::set_permissions(target, Permissions::from_mode(mode.into()))?;
    File::open(target)?.set_modified(stamp)
}

/// Refuses a program that needs a dynamic loader: hosts have an older C library than the machine that builds.
///
/// # Errors
/// [`Error`] of class `Payload` if it is not an ELF file, or names an interpreter.
pub fn check_static(program: &Path) -> Result<()> {
    let refuse = |problem: &str| {
        Err(Error::payload(
            program,
            problem,
            "Build it with `-C target-feature=+crt-static`, as `cargo xtask pack` does",
        ))
    };
    let bytes =
        fs::read(program).map_err(|e| Error::payload(program, format!("cannot be read: {e}"), "Build it first"))?;
    let Ok(elf) = elf::ElfBytes::<elf::endian::AnyEndian>::minimal_parse(&bytes) else {
        return refuse("is not an ELF program");
    };
    let interpreter = elf.segments().is_some_and(|segments| segments.iter().any(|s| s.p_type == elf::abi::PT_INTERP));
    match interpreter {
        true => refuse("needs a dynamic loader, so it would not start on a host with an older C library"),
        false => Ok(()),
    }
}

/// The metadata of `cargo generate-rpm` for a staged payload, as TOML for its `--metadata-overwrite`.
pub fn generate_rpm_metadata(payload: &Payload, version: &PackVersion, staged: &Path) -> String {
    let metadata = Metadata {
        name: &payload.name,
        version: version.as_str(),
        release: &payload.release,
        license: &payload.license,
        summary: &payload.summary,
        vendor: &payload.vendor,
        auto_req: "no",
        post_install_script: payload.scriptlets.post_install.as_deref(),
        pre_uninstall_script: payload.scriptlets.pre_uninstall.as_deref(),
        post_uninstall_script: payload.scriptlets.post_uninstall.as_deref(),
        assets: payload.files.iter().map(|file| Asset::new(file, staged)).collect(),
    };
    toml::to_string(&metadata).expect("a struct of strings is always representable in TOML")
}

#[derive(Serialize)]
struct Metadata<'a> {
    name: &'a str,
    version: &'a str,
    release: &'a str,
    license: &'a str,
    summary: &'a str,
    vendor: &'a str,
    #[serde(rename = "auto-req")]
    auto_req: &'a str,
    post_install_script: Option<&'a str>,
    pre_uninstall_script: Option<&'a str>,
    post_uninstall_script: Option<&'a str>,
    assets: Vec<Asset<'a>>,
}

#[derive(Serialize)]
struct Asset<'a> {
    source: PathBuf,
    dest: &'a str,
    mode: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<&'a str>,
    doc: bool,
}

impl<'a> Asset<'a> {
    fn new(file: &'a PayloadFile, staged: &Path) -> Asset<'a> {
        Asset {
            source: staged.join(file.relative()),
            dest: &file.path,
            mode: format!("{:o}", file.mode),
            config: file.config.then_some("noreplace"),
            doc: file.doc,
        }
    }
}
