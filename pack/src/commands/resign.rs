//! `suppack resign PACK`: the same pack, signed by another key.

use std::path::PathBuf;

use clap::Args;

use super::key::check_name;
use super::proof::Proof;
use super::signer::{SigningKey, signer};
use super::terminal::Terminal;
use super::verify::{key as given_key, said_by};
use super::{interrupt, now, print};
use crate::Error;
use crate::check::{Outcome, Verdict};
use crate::contents::Contents;
use crate::resign::{self, Request, output_file};
use crate::verify::{self, GivenKey, Policy, ShippedKey, Verification};

/// Sign a finished pack with another key: the same content, and another uuid where content changes.
#[derive(Debug, Args)]
#[command(
    after_help = "Signatures of packages, update.xml and repomd.xml are made anew, and so are the two packages that carry \
    the pack's metadata, in which only the uuid and the key's name change. The result is held to the rules of everything \
    that reads packs before it gets its name; a rule that the given pack breaks already is told, and no reason to refuse, \
    unless it says that the pack is not as its maker signed it: a new signature would make it look whole. \
    Beside it come its checksum, the public key and report.json. Bill of materials and provenance are left out: they \
    describe the pack as it was.\n\n\
    Hosts that have the given pack do not take the result for an upgrade: its version is the same.\n\n\
    Exit codes: 0 signed, 2 wrong usage, 4 the pack, 6 the key, 7 cannot write, 8 gpg, 9 the result breaks a rule, 130 \
    interrupted"
)]
pub struct Resign {
    /// The ISO image of a pack, by this builder or the vendor's
    #[arg(value_name = "PACK")]
    pub pack: PathBuf,
    /// The image to write, or an existing folder for one of the same name
    #[arg(short, long, value_name = "OUT")]
    pub output: PathBuf,
    #[command(flatten)]
    pub key: SigningKey,
    /// The public key that signed the given pack [default: the file beside it that it names; without either, nobody knows
    /// whether the pack is as its maker signed it]
    #[arg(long, value_name = "FILE")]
    pub pack_key: Option<PathBuf>,
    /// Sign it although this check fails on the given pack; may be given several times
    #[arg(long = "accept", value_name = "CHECK")]
    pub accepted: Vec<String>,
    /// Name of the public key's file on hosts [default: as the pack has it]
    #[arg(long, value_name = "NAME")]
    pub key_file: Option<String>,
    /// Keep the signatures that packages have; hosts must trust the keys of both
    #[arg(long)]
    pub keep_rpm_signatures: bool,
    /// Keep the uuid, or refuse if the content changes
    #[arg(long)]
    pub same_uuid: bool,
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
    /// Print what was made as JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// [`Error`] of the pack, the key or the output; nothing is left behind then.
pub fn run(flags: &Resign) -> anyhow::Result<()> {
    interrupt::watch()?;
    match signed_anew(flags) {
        // Whatever failed, failed because of the signal.
        Err(_) if interrupt::interrupted() => Err(Error::interrupted().into()),
        result => result,
    }
}

/// Checks that a pack keeps which is as it was signed, whoever signed it.
const WHOLE: [&str; 3] = ["yum-repomd", "yum-packages", "rpm-digests"];
/// Checks that a pack keeps which that key signed.
const SIGNED: [&str; 3] = ["gpg-update-xml", "gpg-repomd", "rpm-signed"];

/// What is wrong with the given pack; refuses one that was changed after it was signed.
fn looked_at(flags: &Resign, terminal: &Terminal) -> anyhow::Result<Verification> {
    let said = said_by(&flags.pack);
    let key = given_key(&flags.pack, flags.pack_key.as_deref(), said.as_ref())?;
    let policy = Policy {
        key: key.as_ref().map(|(name, armored)| GivenKey { file_name: name, armored }),
        now: now(),
        ..Policy::default()
    };
    let before = verify::verify(&flags.pack, &policy, terminal);
    let held_to = WHOLE.iter().chain(if key.is_some() { &SIGNED[..] } else { &[] });
    let verdict = |id: &&str| before.verdicts.iter().find(|verdict| verdict.check.id == *id);
    let open = held_to.filter_map(verdict).filter(|verdict| {
        !matches!(verdict.outcome, Outcome::Passed(_)) && !flags.accepted.iter().any(|id| id == verdict.check.id)
    });
    // What is broken says more than what could not be checked because of it.
    let broken = open.min_by_key(|verdict| !verdict.failed());
    if let Some(Verdict { check, outcome, .. }) = broken {
        let found = match outcome {
            Outcome::Failed(found) => found.join("; "),
            Outcome::NotChecked(why) | Outcome::Passed(why) => why.clone(),
        };
        let problem = format!("is not as it was signed: {} ({found})", check.id);
        let remedy = format!(
            "Get it again from its maker, or check the key with --pack-key; --accept {} signs it all the same",
            check.id
        );
        return Err(Error::payload(&flags.pack, problem, remedy).into());
    }
    if key.is_none() {
        eprintln!("warning: no key of the given pack is known (--pack-key): nobody knows whether it is its maker's");
    }
    Ok(before)
}

fn signed_anew(flags: &Resign) -> anyhow::Result<()> {
    let terminal = Terminal::new(flags.quiet || flags.json);
    if let Some(name) = &flags.key_file {
        check_name(name)?;
    }
    let contents = Contents::open(&flags.pack)?;
    let output = output_file(&flags.output, &flags.pack);
    if output.canonicalize().is_ok_and(|there| flags.pack.canonicalize().is_ok_and(|pack| pack == there)) {
        return Err(Error::unwritable(
            &output,
            &std::io::ErrorKind::AlreadyExists.into(),
            "It is the pack that is read: choose another name with --output",
        )
        .into());
    }
    let before = looked_at(flags, &terminal)?;
    let signer = signer(&flags.key, &terminal)?;
    let request = Request {
        contents: &contents,
        signer: &*signer,
        key_file: flags.key_file.as_deref(),
        keep_rpm_signatures: flags.keep_rpm_signatures,
        same_uuid: flags.same_uuid,
        output: &output,
    };
    let draft = resign::resign(&request, &terminal)?;
    let armored = signer.certificate().armored();
    let policy = Policy {
        key: Some(GivenKey { file_name: draft.key_name(), armored: armored.as_bytes() }),
        shipped_key: ShippedKey::At(draft.key_path()),
        name: draft.name().file_name(),
        kept_signatures: !draft.other_keys().is_empty(),
        now: now(),
        ..Policy::default()
    };
    let proof = Proof::of(draft.path(), &policy, None, &terminal)?;
    terminal.finish();
    let broken_before = |id: &str| before.failed().any(|verdict| verdict.check.id == id);
    let (inherited, new): (Vec<_>, Vec<_>) =
        proof.verification.failed().partition(|verdict| broken_before(verdict.check.id));
    if !new.is_empty() {
        eprint!("{}", proof.report().failures_text());
        return Err(Error::refused(draft.name(), new.len()).into());
    }
    for verdict in inherited {
        terminal.note(format_args!("the pack breaks {}, as it did before", verdict.check.id));
    }
    let broken_now = |id: &str| proof.verification.failed().any(|verdict| verdict.check.id == id);
    for verdict in before.failed().filter(|verdict| !broken_now(verdict.check.id)) {
        eprintln!("warning: the given pack broke {}; the new one does not", verdict.check.id);
    }
    for id in draft.other_keys() {
        terminal.note(format_args!("hosts must trust the key {id}, too: it signed packages"));
    }
    let pack = draft.publish(&format!("{:#}\n", proof.report().to_json()))?;
    let text = match flags.json {
        true => {
            let said = serde_json::json!({
                "iso": pack.iso.path,
                "key": pack.key.path,
                "uuid": pack.uuid.to_string(),
                "sha256": pack.iso_sha256,
                "signed_by": signer.certificate().fingerprint(),
            });
            format!("{said:#}\n")
        }
        false => format!(
            "{}\n  uuid         {}\n  signed by    {}\n  public key   {}\n",
            pack.iso.path.display(),
            pack.uuid,
            signer.certificate().fingerprint(),
            pack.key.path.display()
        ),
    };
    Ok(print(&text)?)
}
