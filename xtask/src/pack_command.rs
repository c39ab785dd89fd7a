//! `cargo xtask pack`: from the source tree to a signed ISO.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pack::build::{self, Pack as Built, Request};
use pack::openpgp::Signer;
use pack::spec::{PackSpec, PackVersion, Released};
use serde_json::json;

use crate::flags::Pack;
use crate::terminal::{self, Terminal};
use crate::{agent_rpm, commit, interrupt, key, root};

/// Runs the command.
pub(crate) fn run(flags: &Pack) -> anyhow::Result<()> {
    interrupt::watch()?;
    let terminal = Terminal::new(flags.quiet || flags.json);
    let root = root();
    let folder = root.join("spec");
    let spec = PackSpec::read(&folder)?;
    let released = Released::read(&folder)?;
    let source = commit::source(&root, &released, flags.allow_dirty)?;
    terminal.note(format_args!("{} {} from {}", spec.label, source.version, source.what));
    // The key comes first: nobody wants to wait for a compiler to learn that a passphrase is wrong.
    let signer = key::signer(flags, &terminal)?;

    let payloads = match flags.rpm.as_slice() {
        [] => vec![agent_rpm::build(&root, &spec, &source, &terminal)?],
        ready => ready.to_vec(),
    };
    let output = flags.output.clone().unwrap_or_else(|| root.join("target/pack"));
    let request = Request {
        spec: &spec,
        version: &source.version,
        released: &released,
        payloads: &payloads,
        signer: &*signer,
        epoch: source.epoch,
        output: &output,
    };
    let pack = build::build(&request, &terminal)?;
    let steps = terminal.finish();
    if flags.json {
        println!("{:#}", as_json(&spec, &source.version, &*signer, &pack, &steps));
    } else if !flags.quiet {
        print_table(&spec, &source.version, &*signer, &pack);
    }
    Ok(())
}

fn print_table(spec: &PackSpec, version: &PackVersion, signer: &dyn Signer, pack: &Built) {
    let certificate = signer.certificate();
    println!("\n{} {version}", spec.label);
    println!("  uuid       {}", pack.uuid);
    println!("  signed by  {} {}", certificate.fingerprint(), certificate.user_id());
    if let Some(days) = certificate.expires().map(|end| end.saturating_sub(commit::now()) / 86_400) {
        println!("             expires in {days} days; from then on hosts refuse this pack");
    }
    let requirements: Vec<_> = spec.host.iter().map(ToString::to_string).collect();
    println!("  hosts      {}", requirements.join(", "));
    println!("\n  {:<68} {:>10} {:>12}", "on the ISO", "size", "in dom0");
    for package in &pack.packages {
        println!(
            "  {:<68} {:>10} {:>12}",
            package.file,
            terminal::size(package.size),
            terminal::size(package.installed_size)
        );
    }
    println!("\n  {:<68} {:>10}", "written", "size");
    for file in [&pack.iso, &pack.checksum, &pack.key] {
        println!("  {:<68} {:>10}", shown(&file.path).display(), terminal::size(file.size));
    }
    let [by_tool, by_hand] = certificate.trust_commands(&spec.key_file);
    println!("\nA host takes it once it trusts the key. Copy {} there, then:", spec.key_file);
    by_tool.iter().for_each(|command| println!("  {command}"));
    println!("or, by hand:");
    by_hand.iter().for_each(|command| println!("  {command}"));
}

fn as_json(
    spec: &PackSpec,
    version: &PackVersion,
    signer: &dyn Signer,
    pack: &Built,
    steps: &[(String, Duration)],
) -> serde_json::Value {
    let certificate = signer.certificate();
    json!({
        "label": spec.label,
        "version": version.as_str(),
        "uuid": pack.uuid,
        "iso": { "path": pack.iso.path, "size": pack.iso.size, "sha256": pack.iso_sha256 },
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
        "steps": steps.iter().map(|(name, took)| json!({ "name": name, "seconds": took.as_secs_f64() })).collect::<Vec<_>>(),
    })
}

/// A path as the user would type it.
fn shown(path: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).to_path_buf()
}
