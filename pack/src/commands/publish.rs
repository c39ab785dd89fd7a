//! From a draft to a finished pack: proved, told, and given its names. What every command does that builds one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::page::{self, About};
use super::proof::{Proof, Stage, tell_unproven};
use super::terminal::{self, Terminal};
use super::{now, print};
use crate::build::{Draft, Found, OutputFile, Pack as Built};
use crate::legacy;
use crate::openpgp::{Certificate, Signer};
use crate::spec::{OutputKind, PackSpec, PackVersion, Released};
use crate::verify::{self, GivenKey, Policy, ShippedKey};
use crate::{Error, Result, dom0};

/// How a pack is built, whatever it is.
#[derive(Debug, Default, Args)]
pub struct Manner {
    /// The time that the pack bears, in seconds since 1970 [default: SOURCE_DATE_EPOCH, else the newest build time of its RPMs]
    #[arg(long, value_name = "SECONDS")]
    pub epoch: Option<u32>,
    /// Do not rehearse it on captured hosts
    #[arg(long)]
    pub no_rehearsal: bool,
    /// The public key of somebody whose signature an RPM keeps, to check it; may be given several times
    #[arg(long = "rpm-key", value_name = "FILE")]
    pub rpm_keys: Vec<PathBuf>,
    /// Build the pack although this check fails, which is told; may be given several times
    #[arg(long = "accept", value_name = "CHECK", value_parser = check_id)]
    pub accepted: Vec<String>,
    /// Print errors only
    #[arg(short, long)]
    pub quiet: bool,
    /// Print the result as JSON on standard output
    #[arg(long)]
    pub json: bool,
}

/// The identifier of a check that there is.
fn check_id(text: &str) -> std::result::Result<String, String> {
    let known = verify::checks().chain(dom0::checks()).any(|check| check.id == text);
    known
        .then(|| text.to_owned())
        .ok_or_else(|| "there is no check of this name; broken ones are told by theirs".into())
}

/// What a draft is held to, and what is told of it.
pub struct Publication<'a> {
    pub spec: &'a PackSpec,
    pub version: &'a PackVersion,
    pub signer: &'a dyn Signer,
    /// Whether it is held to the policy of this project.
    pub xscontainer: bool,
    /// The releases that it must be above.
    pub released: Option<&'a Released>,
    /// Keys of packages that keep the signatures that they have.
    pub rpm_keys: &'a [Certificate],
    /// Checks that may fail, because the author asked for just that: told, and no reason to refuse.
    pub accepted: &'a [&'a str],
    /// On what it is rehearsed, if it is.
    pub stage: Option<Stage<'a>>,
    pub quiet: bool,
    pub json: bool,
}

/// What is built in the older format.
#[derive(Clone, Copy)]
pub struct Older<'a> {
    pub spec: &'a PackSpec,
    pub version: &'a PackVersion,
    pub signer: &'a dyn Signer,
    pub payloads: &'a [PathBuf],
    /// The time that the pack bears, in seconds since 1970.
    pub epoch: u32,
    /// Whether it is held to the policy of this project.
    pub xscontainer: bool,
    pub outputs: &'a [OutputKind],
    pub output: &'a Path,
}

/// The pack in the older format, proved.
///
/// # Errors
/// [`Error`] of class `Spec` if nothing is said of that format, and those of [`legacy::proved`].
pub fn older(older: &Older<'_>, terminal: &Terminal) -> Result<legacy::Draft> {
    let Older { spec, version, .. } = *older;
    let Some(legacy) = &spec.legacy else {
        let remedy = "Add [legacy] with an originator at least, or remove the outputs that begin with legacy-";
        return Err(Error::spec(&spec.file, "says nothing of the older format", remedy));
    };
    let request = legacy::Request {
        spec: legacy,
        version,
        payloads: older.payloads,
        signer: Some(older.signer),
        signatures: spec.rpm_signatures,
        reorder: true,
        epoch: older.epoch,
        name: &format!("{}-{version}-legacy", spec.label),
        outputs: older.outputs,
        output: older.output,
    };
    legacy::proved(&request, older.xscontainer, terminal)
}

/// Proves a draft, publishes it with the proved one of the older format, and tells what they are; the exit code.
///
/// # Errors
/// [`Error`] of class `Readback` if a rule is broken, of class `Output` if files cannot get their names.
pub fn publish(
    draft: Draft,
    older: Option<legacy::Draft>,
    publication: &Publication<'_>,
    terminal: &Terminal,
) -> Result<u8> {
    let Publication { spec, signer, accepted, .. } = publication;
    let key = signer.certificate().armored();
    let policy = Policy {
        xscontainer: publication.xscontainer,
        key: Some(GivenKey { file_name: &spec.key_file, armored: key.as_bytes() }),
        shipped_key: ShippedKey::At(draft.key_path()),
        released: publication.released,
        generations: &[],
        name: draft.name().file_name(),
        rpm_keys: publication.rpm_keys,
        kept_signatures: !draft.other_keys().is_empty(),
        now: now(),
    };
    let proof = Proof::accepting(draft.path(), &policy, publication.stage.as_ref(), accepted, terminal)?;
    let steps = terminal.finish();
    let report = proof.report();
    let refused = report.failures().any(|verdict| !accepted.contains(&verdict.check.id));
    if refused {
        if let Some(rehearsal) = &proof.rehearsal {
            eprint!("\n{}", rehearsal.hosts_text());
        }
        eprint!("{}", report.failures_text());
        return Err(Error::refused(draft.name(), report.broken_rules()));
    }
    for verdict in report.failures() {
        let check = verdict.check;
        terminal.warning(format_args!(
            "as asked, this pack breaks the rule {}: {}. Otherwise: {}",
            check.id, check.rule, check.why
        ));
    }
    let name = draft.name().file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stage = publication.stage.as_ref();
    let about = About {
        iso: draft.path(),
        name: Some(&name),
        key: Some((&spec.key_file, key.as_bytes())),
        previous: stage.and_then(|stage| stage.previous),
        hosts: stage.map_or(&[], |stage| stage.hosts),
    };
    let (json, page) = (format!("{:#}\n", report.to_json()), page::page(&about, &proof)?);
    let pack = draft.publish(Found { json: &json, page: Some(&page) })?;
    let older = older.map(legacy::Draft::publish).transpose()?.unwrap_or_default();
    if pack.replaced_key {
        terminal.note(format_args!(
            "{} held another key before: older images in that folder are signed with that one",
            shown(&pack.key.path).display()
        ));
    }
    match (publication.json, publication.quiet) {
        (true, _) => print(&format!("{:#}\n", as_json(publication, &pack, &older, &proof, &steps)))?,
        (false, true) => {}
        (false, false) => print(&table(publication, &pack, &older, &proof))?,
    }
    Ok(tell_unproven(&proof))
}

/// Publishes a proved pack of the older format alone, and tells what was written; the exit code.
///
/// # Errors
/// [`Error`] of class `Output`.
pub fn publish_older(draft: legacy::Draft, manner: &Manner, terminal: &Terminal) -> Result<u8> {
    let written = draft.publish()?;
    terminal.finish();
    if manner.json {
        let files = written.iter().map(|file| json!({ "path": file.path, "size": file.size })).collect::<Vec<_>>();
        print(&format!("{:#}\n", json!({ "older_format": files })))?;
    } else if !manner.quiet {
        let line = |file: &OutputFile| format!("  {:>9}  {}\n", terminal::size(file.size), shown(&file.path).display());
        print(&format!("\n{}", written.iter().map(line).collect::<String>()))?;
    }
    Ok(0)
}

fn table(publication: &Publication<'_>, pack: &Built, older: &[OutputFile], proof: &Proof) -> String {
    let Publication { spec, version, signer, .. } = publication;
    let certificate = signer.certificate();
    let mut lines = vec![
        String::new(),
        format!("{} {version}", spec.label),
        format!("  uuid       {}", pack.uuid),
        format!("  signed by  {}", certificate.user_id()),
        format!("             {}", certificate.fingerprint()),
    ];
    if let Some(days) = certificate.expires().map(|end| end.saturating_sub(now()) / 86_400) {
        lines.push(format!("             expires in {days} days; from then on hosts refuse this pack"));
    }
    let requirements: Vec<_> = pack.host.iter().map(ToString::to_string).collect();
    lines.push(match requirements.is_empty() {
        true => "  hosts      any".to_owned(),
        false => format!("  hosts      {}", requirements.join(", ")),
    });
    let row = |name: String, size: &str, installed: &str| {
        format!("  {name:<56} {size:>9} {installed:>9}").trim_end().to_owned()
    };
    lines.extend([String::new(), row("on the ISO".into(), "size", "in dom0")]);
    for package in &pack.packages {
        lines.push(row(package.file.clone(), &terminal::size(package.size), &terminal::size(package.installed_size)));
    }
    lines.extend([String::new(), row("written".into(), "size", "")]);
    for file in [&pack.iso, &pack.checksum, &pack.key, &pack.report]
        .into_iter()
        .chain(&pack.page)
        .chain(&pack.beside)
        .chain(older)
    {
        lines.push(row(shown(&file.path).display().to_string(), &terminal::size(file.size), ""));
    }
    lines.extend([String::new(), proof.report().checks_text().trim_end().to_owned()]);
    if let Some(rehearsal) = &proof.rehearsal {
        lines.extend([String::new(), rehearsal.hosts_text().trim_end().to_owned()]);
    }
    let not_checked = proof.report().not_checked_text();
    if !not_checked.is_empty() {
        lines.extend([String::new(), not_checked.trim_end().to_owned()]);
    }
    let [by_tool, by_hand] = certificate.trust_commands(&spec.key_file);
    lines.extend([String::new(), format!("A host takes it once it trusts the key. With {} there:", spec.key_file)]);
    lines.extend(by_tool.iter().map(|command| format!("  {command}")));
    lines.push("or, by hand:".into());
    lines.extend(by_hand.iter().map(|command| format!("  {command}")));
    if !pack.other_keys.is_empty() {
        lines.extend([String::new(), "Packages keep the signatures of other keys, which hosts must trust too:".into()]);
        lines.extend(pack.other_keys.iter().map(|key| format!("  {key}: rpm --import with the file of that key")));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn as_json(
    publication: &Publication<'_>,
    pack: &Built,
    older: &[OutputFile],
    proof: &Proof,
    steps: &[(String, Duration)],
) -> Value {
    let Publication { spec, version, signer, .. } = publication;
    let certificate = signer.certificate();
    json!({
        "label": spec.label,
        "version": version.as_str(),
        "uuid": pack.uuid,
        "iso": { "path": pack.iso.path, "size": pack.iso.size, "sha256": pack.iso_sha256 },
        "beside": pack.beside.iter().map(|file| json!({ "path": file.path })).collect::<Vec<_>>(),
        "older_format": older.iter().map(|file| json!({ "path": file.path, "size": file.size })).collect::<Vec<_>>(),
        "checksum": { "path": pack.checksum.path },
        "key": {
            "path": pack.key.path,
            "fingerprint": certificate.fingerprint(),
            "user_id": certificate.user_id(),
            "expires": certificate.expires(),
        },
        "host": pack.host.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "other_keys": pack.other_keys,
        "installation_size": pack.installation_size,
        "packages": pack.packages.iter().map(|package| json!({
            "file": package.file,
            "nevra": package.nevra,
            "size": package.size,
            "installed_size": package.installed_size,
        })).collect::<Vec<_>>(),
        "report": proof.report().to_json(),
        "steps": steps.iter().map(|(name, took)| json!({ "name": name, "seconds": took.as_secs_f64() })).collect::<Vec<_>>(),
    })
}

/// A path as the user would type it.
fn shown(path: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).to_path_buf()
}
