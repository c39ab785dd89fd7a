//! `suppack build-supplemental-pack`: a pack of the older format, by the options of the tool of that name.

use std::env;
use std::path::{Path, PathBuf};

use clap::{ArgAction, Args};
use serde_json::json;

use super::terminal::{self, Terminal};
use super::{interrupt, print, signer};
use crate::build::newest_build_time;
use crate::legacy::{self, Request};
use crate::spec::legacy::{Defaults, LegacyTable, PackId, Product, RequiresTable, Test};
use crate::spec::{OutputKind, PackVersion, RpmSignatures};
use crate::{Error, Result};

/// Build a supplemental pack for XenServer 7.0 and before, or XCP 1.x: LABEL.iso, with its sums beside it.
///
/// Packages are kept byte for byte unless a key is given. The same packages and options give the same bytes: the time in
/// the pack is SOURCE_DATE_EPOCH, else the newest build time of the packages. For 7.1 and later see `suppack build`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed otherwise, 2 wrong usage, 3 an option's value, 4 a package, 5 the version, \
    6 the key, 7 cannot write, 9 a rule is broken, 130 interrupted"
)]
pub struct BuildSupplementalPack {
    /// Folder for the results, made if it does not exist
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Who makes it, as a word: the first half of its identity on hosts
    #[arg(long, value_name = "VC")]
    vendor_code: String,
    /// Who makes it, for people
    #[arg(long, value_name = "VN")]
    vendor_name: String,
    /// What it is called, as a word: the second half of its identity, and the name of the results
    #[arg(long, value_name = "LABEL")]
    label: String,
    /// What it is, in one line without a comma before a space
    #[arg(long, value_name = "TEXT")]
    text: String,
    /// Its version: numbers with dots between them
    #[arg(long, value_name = "VER")]
    version: String,
    /// Its build, as a word [default: the time in the pack, in seconds since 1970]
    #[arg(long, value_name = "BUILD")]
    build: Option<String>,
    /// Memory that dom0 needs for it, in MiB
    #[arg(long, value_name = "MIB")]
    mem: Option<u32>,
    /// Clients warn of hosts of a pool that lack it
    #[arg(long)]
    homogeneous: bool,
    /// Clients do not list it
    #[arg(long)]
    hidden: bool,
    /// It is for XCP, not XenServer
    #[arg(long)]
    xcp: bool,
    /// A pack that must be on the host, such as "xs:main ge 7.0.0" or "acme:base eq 1.2-34x"; may be given several times
    /// [default: "xs:main ge 7.0.0", with --xcp "xcp:main ge 1.6.10"]
    #[arg(long, value_name = "REQUIREMENT")]
    requires: Vec<String>,
    /// A pack that this one takes the place of, such as xs:driver; may be given several times
    #[arg(long, value_name = "ID")]
    replaces: Vec<String>,
    /// A licence that must be accepted, as a file of plain text
    #[arg(long, value_name = "FILE")]
    eula: Option<PathBuf>,
    /// Do not write LABEL.iso
    #[arg(long)]
    no_iso: bool,
    /// Write LABEL.tar.gz, too
    #[arg(long)]
    tarball: bool,
    /// Write the folder LABEL, too
    #[arg(long)]
    folder: bool,
    /// Put packages into the order of their requirements; that is the default
    #[arg(long, overrides_with = "noreorder")]
    reorder: bool,
    /// Keep packages in the order of the command line
    #[arg(long, overrides_with = "reorder")]
    noreorder: bool,
    /// Refused: metadata of other kinds is not in this format any more
    #[arg(long, hide = true, action = ArgAction::SetTrue)]
    repo_data: bool,
    #[command(flatten)]
    key: signer::SigningKey,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
    /// Print what was written as JSON on standard output
    #[arg(long)]
    json: bool,
    /// RPM files
    #[arg(value_name = "RPM", required = true)]
    rpms: Vec<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// [`Error`] with its class.
pub fn run(flags: &BuildSupplementalPack) -> anyhow::Result<u8> {
    if flags.repo_data {
        let remedy = "Leave it out; every pack has the metadata that hosts read";
        return Err(Error::spec(Path::new("--repo-data"), "is not supported any more", remedy).into());
    }
    interrupt::watch()?;
    let terminal = Terminal::new(flags.quiet || flags.json);
    let version = PackVersion::new(&flags.version)?;
    let spec = table(flags)?.check(Defaults { name: "", vendor: "", description: "" }, Path::new(""));
    let spec = spec.map_err(|fault| Error::spec(Path::new(option(&fault.key)), fault.problem, fault.remedy))?;
    crate::build::check_output(&flags.output)?;
    let signer = match flags.key.key.is_some() || flags.key.gpg_key.is_some() {
        true => Some(signer::signer(&flags.key, &terminal)?),
        false => None,
    };
    let mut outputs = Vec::new();
    for (wanted, kind) in [
        (!flags.no_iso, OutputKind::LegacyIso),
        (flags.tarball, OutputKind::LegacyTar),
        (flags.folder, OutputKind::LegacyFolder),
    ] {
        outputs.extend(wanted.then_some(kind));
    }
    if outputs.is_empty() {
        let remedy = "Give --tarball or --folder as well";
        return Err(Error::spec(Path::new("--no-iso"), "leaves nothing to write", remedy).into());
    }
    let written = legacy::build(
        &Request {
            spec: &spec,
            version: &version,
            payloads: &flags.rpms,
            signer: signer.as_deref(),
            signatures: RpmSignatures::Replace,
            reorder: !flags.noreorder,
            epoch: epoch(&flags.rpms)?,
            name: &flags.label,
            outputs: &outputs,
            output: &flags.output,
        },
        &terminal,
    )?;
    terminal.finish();
    let files = || written.iter().map(|file| (file.path.display().to_string(), file.size));
    if flags.json {
        let files: Vec<_> = files().map(|(path, size)| json!({ "path": path, "size": size })).collect();
        let pack = json!({ "id": spec.id.to_string(), "version": version.as_str(), "files": files });
        print(&format!("{pack:#}\n"))?;
    } else if !flags.quiet {
        let lines: String = files().map(|(path, size)| format!("  {:>9}  {path}\n", terminal::size(size))).collect();
        print(&format!("\n{} {version}\n{lines}", spec.id))?;
    }
    Ok(0)
}

fn table(flags: &BuildSupplementalPack) -> Result<LegacyTable> {
    let product = if flags.xcp { Product::Xcp } else { Product::XenServer };
    let default = if flags.xcp { "xcp:main ge 1.6.10" } else { "xs:main ge 7.0.0" };
    let texts: Vec<&str> = match flags.requires.as_slice() {
        [] => vec![default],
        given => given.iter().map(String::as_str).collect(),
    };
    Ok(LegacyTable {
        originator: flags.vendor_code.clone(),
        name: Some(flags.label.clone()),
        vendor: Some(flags.vendor_name.clone()),
        description: Some(flags.text.clone()),
        product,
        version: Some(flags.version.clone()),
        build: flags.build.clone(),
        requires: texts.into_iter().map(|text| requirement(text, product)).collect::<Result<_>>()?,
        replaces: flags.replaces.clone(),
        memory_requirement_mb: flags.mem,
        enforce_homogeneity: flags.homogeneous,
        hidden: flags.hidden,
        eula: flags.eula.clone(),
    })
}

/// `originator:name test version[-build]`.
fn requirement(text: &str, product: Product) -> Result<RequiresTable> {
    let wrong = |problem: String| {
        let remedy = "Write for example \"xs:main ge 7.0.0\"";
        Error::spec(Path::new("--requires"), problem, remedy)
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let [id, test, version] = words.as_slice() else {
        return Err(wrong(format!("has {text:?}, which is not a pack, a test and a version")));
    };
    let id: PackId = id.parse().map_err(wrong)?;
    let test: Test = test.parse().map_err(wrong)?;
    let (version, build) = match version.split_once('-') {
        Some((version, build)) => (version, Some(build.to_owned())),
        None => (*version, None),
    };
    Ok(RequiresTable {
        originator: id.originator,
        name: id.name,
        test,
        product: Some(product),
        version: version.into(),
        build,
    })
}

/// The option that a key of `pack.toml` is here.
fn option(key: &str) -> &str {
    match key {
        "legacy.originator, legacy.name" => "--vendor-code, --label",
        "legacy.vendor" => "--vendor-name",
        "legacy.description" => "--text",
        "legacy.version" => "--version",
        "legacy.build" => "--build",
        "legacy.replaces" => "--replaces",
        "legacy.eula" => "--eula",
        _ => "--requires",
    }
}

fn epoch(rpms: &[PathBuf]) -> Result<u32> {
    match env::var("SOURCE_DATE_EPOCH") {
        Err(_) => newest_build_time(rpms),
        Ok(text) => text.parse().map_err(|_| {
            let remedy = "Set it to seconds since 1970, or unset it";
            Error::spec(Path::new("SOURCE_DATE_EPOCH"), format!("is {text:?}, no time"), remedy)
        }),
    }
}
