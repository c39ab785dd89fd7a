//! `cargo xtask pack`: from the source tree to a signed ISO.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pack::build::{self, Draft, Pack as Built, Request};
use pack::dom0::capture::Capture;
use pack::openpgp::Signer;
use pack::spec::{PackSpec, PackVersion, Released};
use pack::verify::{GivenKey, Policy, ShippedKey};
use pack::{Error, Result};
use serde_json::json;

use crate::flags::Pack;
use crate::tools::GENERATE_RPM;
use crate::{agent_rpm, commit, reproduce, root, supply};
use pack::commands::proof::{Proof, Stage, tell_unproven};
use pack::commands::terminal::{self, Terminal};
use pack::commands::{interrupt, now, print, signer};

/// Runs the command.
pub(crate) fn run(flags: &Pack) -> anyhow::Result<u8> {
    match build_pack(flags) {
        // Whatever failed, failed because of the signal.
        Err(_) if interrupt::interrupted() => Err(Error::interrupted().into()),
        result => Ok(result?),
    }
}

fn build_pack(flags: &Pack) -> Result<u8> {
    if let Some(iso) = &flags.reproduce {
        return reproduce::run(flags, iso);
    }
    let terminal = Terminal::new(flags.quiet || flags.json);
    let root = root();
    let folder = root.join("spec");
    let spec = PackSpec::read(&folder)?;
    let released = Released::read(&folder)?;
    let source = commit::source(&root, &released, flags.allow_dirty)?;
    let output = flags.output.clone().unwrap_or_else(|| root.join("target/pack"));
    terminal.note(format_args!("{} {} from {}", spec.label, source.version, source.what));
    // Key and folder come first: nobody wants to wait for a compiler to learn that a passphrase is wrong.
    build::check_output(&output)?;
    let signer = signer::signer(&flags.key, &terminal)?;
    interrupt::watch()?;

    let tree = Tree { root: &root, spec: &spec, released: &released, source: &source };
    let draft = tree.build(&root, &flags.rpm, &*signer, &output, &terminal)?;
    let key = signer.certificate().armored();
    let policy = Policy {
        // Other payloads under this project's label are not this project's pack.
        xscontainer: flags.rpm.is_empty(),
        key: Some(GivenKey { file_name: &spec.key_file, armored: key.as_bytes() }),
        shipped_key: ShippedKey::At(draft.key_path()),
        released: Some(&released),
        name: draft.name().file_name(),
        now: now(),
    };
    let hosts = Capture::built_in();
    let stage = Stage { hosts: &hosts, previous: flags.previous.as_deref() };
    let proof = Proof::of(draft.path(), &policy, Some(&stage), &terminal)?;
    let steps = terminal.finish();
    if !proof.report().passed() {
        if let Some(rehearsal) = &proof.rehearsal {
            eprint!("\n{}", rehearsal.hosts_text());
        }
        eprint!("{}", proof.report().failures_text());
        return Err(Error::refused(draft.name(), proof.report().broken_rules()));
    }
    let pack = draft.publish(&format!("{:#}\n", proof.report().to_json()))?;
    if pack.replaced_key {
        terminal.note(format_args!(
            "{} held another key before: older images in that folder are signed with that one",
            shown(&pack.key.path).display()
        ));
    }
    match (flags.json, flags.quiet) {
        (true, _) => print(&format!("{:#}\n", as_json(&spec, &source.version, &*signer, &pack, &proof, &steps)))?,
        (false, true) => {}
        (false, false) => print(&table(&spec, &source.version, &*signer, &pack, &proof))?,
    }
    Ok(tell_unproven(&proof))
}

/// A source tree, looked at.
pub(crate) struct Tree<'a> {
    pub(crate) root: &'a Path,
    pub(crate) spec: &'a PackSpec,
    pub(crate) released: &'a Released,
    pub(crate) source: &'a commit::Source,
}

impl Tree<'_> {
    /// Builds the pack of the tree, with the agent's RPM or, if there are any, with ready ones. Programs that commands
    /// install lie in the workspace `tools`.
    pub(crate) fn build(
        &self,
        tools: &Path,
        ready: &[PathBuf],
        signer: &dyn Signer,
        output: &Path,
        terminal: &Terminal,
    ) -> Result<Draft> {
        let Tree { root, spec, released, source } = *self;
        let (payloads, supply) = match ready {
            [] => {
                let generate_rpm = GENERATE_RPM.program(tools, terminal)?;
                let rpm = agent_rpm::build(root, spec, source, &generate_rpm, terminal)?;
                (vec![rpm], supply::of_tree(root, spec, source, terminal)?)
            }
            ready => (ready.to_vec(), supply::of_ready(source, ready)?),
        };
        let request = Request {
            spec,
            version: &source.version,
            released,
            payloads: &payloads,
            signer,
            epoch: source.epoch,
            supply: Some(&supply),
            output,
        };
        build::build(&request, terminal)
    }
}

fn table(spec: &PackSpec, version: &PackVersion, signer: &dyn Signer, pack: &Built, proof: &Proof) -> String {
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
    let requirements: Vec<_> = spec.host.iter().map(ToString::to_string).collect();
    lines.push(format!("  hosts      {}", requirements.join(", ")));
    let row = |name: String, size: &str, installed: &str| {
        format!("  {name:<56} {size:>9} {installed:>9}").trim_end().to_owned()
    };
    lines.extend([String::new(), row("on the ISO".into(), "size", "in dom0")]);
    for package in &pack.packages {
        lines.push(row(package.file.clone(), &terminal::size(package.size), &terminal::size(package.installed_size)));
    }
    lines.extend([String::new(), row("written".into(), "size", "")]);
    for file in [&pack.iso, &pack.checksum, &pack.key, &pack.report].into_iter().chain(&pack.beside) {
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
    lines.push(String::new());
    lines.join("\n")
}

fn as_json(
    spec: &PackSpec,
    version: &PackVersion,
    signer: &dyn Signer,
    pack: &Built,
    proof: &Proof,
    steps: &[(String, Duration)],
) -> serde_json::Value {
    let certificate = signer.certificate();
    json!({
        "label": spec.label,
        "version": version.as_str(),
        "uuid": pack.uuid,
        "iso": { "path": pack.iso.path, "size": pack.iso.size, "sha256": pack.iso_sha256 },
        "beside": pack.beside.iter().map(|file| json!({ "path": file.path })).collect::<Vec<_>>(),
        "checksum": { "path": pack.checksum.path },
        "key": {
            "path": pack.key.path,
            "fingerprint": certificate.fingerprint(),
            "user_id": certificate.user_id(),
            "expires": certificate.expires(),
        },
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
