//! `suppack build-update`: the command line of the DDK's program of that name, without its defects.
//!
//! Options: `build-update` of the package update-package (XenServer DDK), its usage text and change log.

use std::path::{Path, PathBuf};

use clap::Args;
use uuid::Uuid;

use super::build::{EXIT_CODES, Order, build_pack, interruptible};
use super::publish::Manner;
use super::signer::SigningKey;
use crate::spec::{
    Document, Guidance, OneOrSeveral, Origin, PackSpec, PackTable, PackVersion, Requirement, RollupTable,
};
use crate::{Error, Result};

/// Build a signed supplemental pack from the options of the DDK's build-update.
///
/// Also runs if this program is called build-update. What differs: the pack is always signed, and is proved before it gets its
/// name; its control package is always there; a removal script is added if none is given.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct BuildUpdate {
    /// The pack's uuid: one for each content
    #[arg(long, value_name = "UUID")]
    pub uuid: String,
    /// Its name on hosts: letters, digits, '_' and '-'
    #[arg(short, long, value_name = "LABEL")]
    pub label: String,
    /// Its version, which must rise from pack to pack
    #[arg(short, long, value_name = "VERSION")]
    pub version: String,
    /// One line about it for people
    #[arg(short, long, alias = "text", value_name = "TEXT")]
    pub description: String,
    /// The image to write; its checksum, the public key and report.json go beside it
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Sign with this key through the gpg program: its user ID or fingerprint [default: a development key]
    #[arg(short, long, value_name = "USER-ID")]
    pub key: Option<String>,
    /// Name of the public key on hosts; of a path only the last part counts [default: RPM-GPG-KEY-LABEL]
    #[arg(long, value_name = "NAME")]
    pub keyfile: Option<PathBuf>,
    /// Taken for the sake of old scripts: gpg's agent asks only for a passphrase that there is
    #[arg(long)]
    pub no_passphrase: bool,
    /// What a host must provide, such as "product-version >= 8.2.0"; may be given several times
    #[arg(long, value_name = "CAPABILITY OP VERSION")]
    pub base_requires: Vec<String>,
    /// What to restart afterwards: restartXAPI, restartHost, restartPV, restartHVM, with commas
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub after_apply: Vec<String>,
    /// A script that runs on the host before the pack is applied; may be given several times
    #[arg(long, value_name = "SCRIPT")]
    pub precheck: Vec<PathBuf>,
    /// The script that removes the pack from a host
    #[arg(long, value_name = "SCRIPT")]
    pub remove: Option<PathBuf>,
    /// Earlier updates that this one stands for: UUID, or LABEL:UUID if it had another label, with commas
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub rollups: Vec<String>,
    /// The comps file [default: one is made]
    #[arg(long, value_name = "FILE")]
    pub groupfile: Option<PathBuf>,
    /// All hosts of a pool must have this very pack
    #[arg(long, alias = "homogeneous", overrides_with = "no_enforce_homogeneity")]
    pub enforce_homogeneity: bool,
    /// Hosts of a pool may differ, as they may without this option
    #[arg(long, alias = "no-homogeneous")]
    pub no_enforce_homogeneity: bool,
    /// RPM files
    #[arg(required = true, value_name = "RPM")]
    pub rpms: Vec<PathBuf>,
    #[command(flatten)]
    pub manner: Manner,
}

/// What these options may ask for and `pack.toml` may not: told, and built.
const ACCEPTED: [&str; 2] = ["yum-host-range", "yum-one-host-capability"];

/// Runs the command; its exit code.
///
/// # Errors
/// [`Error`] of any class; nothing is left behind.
pub fn run(flags: &BuildUpdate) -> anyhow::Result<u8> {
    Ok(interruptible(
        |terminal| {
            let spec = spec(flags)?;
            let version = PackVersion::new(&flags.version)?;
            let key = SigningKey { gpg_key: flags.key.clone(), ..SigningKey::default() };
            let folder = flags.output.parent().filter(|folder| !folder.as_os_str().is_empty());
            let order = Order {
                spec: &spec,
                version: &version,
                key: &key,
                output: folder.unwrap_or(Path::new(".")),
                public_key: flags.keyfile.as_deref(),
                accepted: &ACCEPTED,
                previous: None,
                manner: &flags.manner,
            };
            build_pack(&order, terminal)
        },
        &flags.manner,
    )?)
}

/// The pack that the options describe.
fn spec(flags: &BuildUpdate) -> Result<PackSpec> {
    let wrong = |option: &str, problem: String, remedy: &str| {
        Error::spec(Path::new("build-update"), format!("--{option} {problem}"), remedy)
    };
    let uuid = parse_uuid(&flags.uuid)
        .map_err(|problem| wrong("uuid", problem, "Make one with uuidgen, and never use it for another content"))?;
    let requirements = flags.base_requires.iter().map(|text| {
        Requirement::parse(text)
            .map_err(|problem| wrong("base-requires", problem, "Write for example \"product-version >= 8.2.0\""))
    });
    let guidance = flags.after_apply.iter().map(|word| {
        let known = Guidance::ALL.into_iter().find(|guidance| guidance.as_str() == word.trim());
        let words = Guidance::ALL.map(Guidance::as_str).join(", ");
        known.ok_or_else(|| wrong("after-apply", format!("has {word:?}"), &format!("Give any of {words}, with commas")))
    });
    let rollup = flags.rollups.iter().map(|text| {
        let (label, uuid) = text.trim().rsplit_once(':').unwrap_or((&flags.label, text.trim()));
        let uuid = parse_uuid(uuid)
            .map_err(|problem| wrong("rollups", problem, "Give uuids of earlier updates, with commas"))?;
        Ok(RollupTable { label: label.to_owned(), uuid, version: None })
    });
    let name = flags.output.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
        wrong("output", format!("{} is no name of a file", flags.output.display()), "Give for example pack.iso")
    })?;
    let key_file = flags.keyfile.as_deref().map(|path| key_name(path, &wrong)).transpose()?;
    let document = Document {
        pack: PackTable {
            label: flags.label.clone(),
            uuid: Some(uuid),
            description: flags.description.clone(),
            key_file,
            after_apply_guidance: guidance.collect::<Result<_>>()?,
            enforce_homogeneity: flags.enforce_homogeneity,
            precheck: OneOrSeveral::Several(flags.precheck.clone()),
            remove: flags.remove.clone(),
            group_file: flags.groupfile.clone(),
            rpms: flags.rpms.clone(),
            ..PackTable::default()
        },
        requirements: requirements.collect::<Result<_>>()?,
        rollup: rollup.collect::<Result<_>>()?,
        ..Document::default()
    };
    let origin = Origin { file: Path::new("build-update"), folder: Path::new(""), name: option_of };
    let mut spec = document.into_spec(origin)?;
    spec.image = Some(name.to_owned());
    Ok(spec)
}

/// What a key of `pack.toml` is called here.
fn option_of(key: &str) -> &str {
    match key {
        "pack.label" => "--label",
        "pack.uuid" => "--uuid",
        "pack.description" => "--description",
        "pack.key-file" => "--keyfile",
        "pack.precheck" => "--precheck",
        "pack.remove" => "--remove",
        "pack.group-file" => "--groupfile",
        "rollup" => "--rollups",
        other => other,
    }
}

/// The whole text must be a uuid, as hosts write it.
fn parse_uuid(text: &str) -> std::result::Result<Uuid, String> {
    let uuid = Uuid::try_parse(text).ok().filter(|uuid| uuid.hyphenated().to_string() == text);
    uuid.ok_or_else(|| format!("has {text:?}, which is no uuid of lower-case digits"))
}

/// The last part of the key's path.
fn key_name(path: &Path, wrong: &impl Fn(&str, String, &str) -> Error) -> Result<String> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| {
        wrong("keyfile", format!("{} is no name of a file", path.display()), "Give a name such as RPM-GPG-KEY-vendor")
    })?;
    Ok(name.to_owned())
}
