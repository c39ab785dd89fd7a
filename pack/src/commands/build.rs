//! `suppack build`: from RPMs and a `pack.toml` to a signed, proved pack.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};

use clap::Args;
use uuid::Uuid;

use super::interrupt;
use super::proof::Stage;
use super::publish::{Manner, Older, Publication, older, publish, publish_older};
use super::signer::{SigningKey, rpm_keys, signer};
use super::terminal::Terminal;
use crate::build::{self, Request};
use crate::dom0::capture::Capture;
use crate::openpgp::Certificate;
use crate::spec::{OutputKind, PackSpec, PackVersion, Released};
use crate::supply::{Origin, Supply};
use crate::{Error, Result};

/// Build a signed supplemental pack from RPMs, prove it as everything does that reads it, and give it its name.
///
/// Writes LABEL-VERSION.iso, its .sha256, the public key that hosts must trust, and report.json. The same RPMs, key, version
/// and time give the same bytes; the uuid follows from the content unless one is given. A pack that breaks a rule of a host
/// is told why and leaves no file.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct Build {
    /// What the pack is: a file like pack.toml, or the folder that holds one
    #[arg(value_name = "FILE|FOLDER", default_value = "pack.toml")]
    pub spec: PathBuf,
    /// Pack these RPM files instead of those in pack.rpms
    #[arg(long = "rpm", value_name = "FILE", num_args = 1..)]
    pub rpms: Vec<PathBuf>,
    /// The pack's version, which must rise from pack to pack [default: pack.version]
    #[arg(long, value_name = "VERSION")]
    pub version: Option<String>,
    /// Folder for the results
    #[arg(short, long, value_name = "FOLDER", default_value = ".")]
    pub output: PathBuf,
    /// The pack's uuid [default: pack.uuid, else one that follows from the content]
    #[arg(long, value_name = "UUID")]
    pub uuid: Option<Uuid>,
    #[command(flatten)]
    pub key: SigningKey,
    /// Rehearse the upgrade from this earlier release [default: from a stand-in]
    #[arg(long, value_name = "ISO", conflicts_with = "no_rehearsal")]
    pub previous: Option<PathBuf>,
    #[command(flatten)]
    pub manner: Manner,
}

/// For the help of every command that builds.
pub(super) const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 pack.toml or an option, 4 an RPM, \
    5 the version, 6 a key, 7 cannot write, 8 another program, 9 a rule is broken, 10 a captured host, \
    11 scripts not proven, 130 interrupted";

/// Runs the command; its exit code.
///
/// # Errors
/// [`Error`] of any class; nothing is left behind.
pub fn run(flags: &Build) -> anyhow::Result<u8> {
    Ok(interruptible(
        |terminal| {
            let mut spec = PackSpec::read(&flags.spec)?;
            spec.uuid = flags.uuid.or(spec.uuid);
            if !flags.rpms.is_empty() {
                spec.rpms.clone_from(&flags.rpms);
            }
            let version = match &flags.version {
                Some(version) => PackVersion::new(version)?,
                None => spec.version.clone().ok_or_else(|| {
                    Error::spec(&spec.file, "says no version", "Add pack.version, or give one with --version")
                })?,
            };
            let order = Order {
                spec: &spec,
                version: &version,
                key: &flags.key,
                output: &flags.output,
                public_key: None,
                accepted: &[],
                previous: flags.previous.as_deref(),
                manner: &flags.manner,
            };
            build_pack(&order, terminal)
        },
        &flags.manner,
    )?)
}

/// A pack that is to be built.
pub(super) struct Order<'a> {
    pub(super) spec: &'a PackSpec,
    pub(super) version: &'a PackVersion,
    pub(super) key: &'a SigningKey,
    pub(super) output: &'a Path,
    /// A file that must hold the public half of the key, if it is there.
    pub(super) public_key: Option<&'a Path>,
    /// Checks that may fail.
    pub(super) accepted: &'a [&'a str],
    pub(super) previous: Option<&'a Path>,
    pub(super) manner: &'a Manner,
}

/// Whatever failed after a signal, failed because of it.
pub(super) fn interruptible(work: impl FnOnce(&Terminal) -> Result<u8>, manner: &Manner) -> Result<u8> {
    let terminal = Terminal::new(manner.quiet || manner.json);
    match work(&terminal) {
        Err(_) if interrupt::interrupted() => Err(Error::interrupted()),
        result => result,
    }
}

/// Builds, proves and publishes a pack; the exit code.
pub(super) fn build_pack(order: &Order<'_>, terminal: &Terminal) -> Result<u8> {
    let Order { spec, version, output, manner, .. } = *order;
    if spec.rpms.is_empty() && spec.payload.is_some() {
        return Err(Error::spec(
            &spec.file,
            "has a [payload], which only its own workspace builds",
            "Run `cargo xtask pack` there, or give ready RPMs with --rpm",
        ));
    }
    terminal.note(format_args!("{} {version}, {} RPMs", spec.label, spec.rpms.len()));
    // Key and folder come first: nobody wants to wait to learn that a passphrase is wrong.
    build::check_output(output)?;
    let others = rpm_keys(&manner.rpm_keys)?;
    let signer = signer(order.key, terminal)?;
    if let Some(file) = order.public_key.filter(|file| file.is_file()) {
        check_is_of(file, signer.certificate())?;
    }
    interrupt::watch()?;
    let epoch = epoch(manner, &spec.rpms)?;
    let in_older = Older {
        spec,
        version,
        signer: &*signer,
        payloads: &spec.rpms,
        epoch,
        xscontainer: false,
        outputs: &spec.outputs,
        output,
    };
    let has_older = spec.outputs.iter().any(|kind| *kind != OutputKind::Iso);
    let in_older = has_older.then(|| older(&in_older, terminal)).transpose()?;
    let in_older = match in_older {
        Some(draft) if !spec.outputs.contains(&OutputKind::Iso) => return publish_older(draft, manner, terminal),
        other => other,
    };
    let request = Request {
        spec,
        version,
        released: &Released::default(),
        payloads: &spec.rpms,
        signer: &*signer,
        epoch,
        supply: Some(&supply()),
        output,
    };
    let draft = build::build(&request, terminal)?;
    let hosts = Capture::built_in();
    let stage = Stage { hosts: &hosts, previous: order.previous, scenarios: &[] };
    let accepted: Vec<&str> =
        order.accepted.iter().copied().chain(manner.accepted.iter().map(String::as_str)).collect();
    let publication = Publication {
        spec,
        version,
        signer: &*signer,
        xscontainer: false,
        released: None,
        rpm_keys: &others,
        accepted: &accepted,
        stage: (!manner.no_rehearsal).then_some(stage),
        quiet: manner.quiet,
        json: manner.json,
    };
    publish(draft, in_older, &publication, terminal)
}

/// What is known of a pack of ready RPMs beside what they say themselves. Not which files they came as: a pack that is built
/// again from its own packages has the same bytes.
fn supply() -> Supply {
    Supply {
        compiled: Vec::new(),
        origin: Origin {
            build_type: "urn:suppack:build:1".into(),
            builder: "urn:suppack".into(),
            builder_versions: BTreeMap::from([("suppack".into(), env!("CARGO_PKG_VERSION").into())]),
            ..Origin::default()
        },
    }
}

/// Hosts that import this file must trust what the key signs.
fn check_is_of(file: &Path, certificate: &Certificate) -> Result<()> {
    let [given] = <[Certificate; 1]>::try_from(rpm_keys(&[file.to_path_buf()])?).expect("one key for one file");
    match given.fingerprint() == certificate.fingerprint() {
        true => Ok(()),
        false => Err(Error::key(
            file.display(),
            format!("is {}, but {} signs", given.fingerprint(), certificate.fingerprint()),
            "Export the public half of the signing key to that file",
        )),
    }
}

/// The time that a pack bears: no clock's.
fn epoch(manner: &Manner, rpms: &[PathBuf]) -> Result<u32> {
    const VARIABLE: &str = "SOURCE_DATE_EPOCH";
    if let Some(epoch) = manner.epoch {
        return Ok(epoch);
    }
    match env::var(VARIABLE) {
        Ok(text) => text.parse().map_err(|_| {
            let problem = format!("is {text:?}, which is no time in seconds since 1970");
            Error::tool(format!("the environment variable {VARIABLE}"), problem, "Correct it, or give --epoch")
        }),
        Err(_) => build::newest_build_time(rpms),
    }
}
