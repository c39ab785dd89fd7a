//! `suppack key`: keys for signing packs, made, shown, exported, and brought to hosts.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use zeroize::Zeroizing;

use super::signer::{passphrase_from, passphrase_named};
use super::terminal::Terminal;
use super::{interrupt, now, print};
use crate::inspect::time;
use crate::openpgp::{GpgKey, KeyFacts, NewKey, Signer, generate};
use crate::spec::is_file_name;
use crate::{Error, Result, printable};

/// Keys for signing packs: make one, show it, export its public half, and have hosts trust it.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 done, 2 wrong usage, 6 the key, 7 cannot write, 8 gpg, 130 interrupted")]
pub struct Key {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    New(New),
    Export(Export),
    TrustCommands(TrustCommands),
    Show(Show),
}

/// Make a signing key as all hosts accept it: RSA with 4096 bits, whose primary key signs.
#[derive(Debug, Args)]
struct New {
    /// File for the secret key, in armor, readable for you alone; an existing file is never overwritten
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Whom the key stands for: a name, and an e-mail address in angle brackets
    #[arg(long, value_name = "TEXT", default_value = "Supplemental pack signing key")]
    user_id: String,
    /// Days from now until it expires; hosts refuse then what it signed [default: never]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..))]
    expires: Option<u32>,
    /// Read the passphrase that locks it from the first line of this file [default: ask]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["passphrase_env", "no_passphrase"])]
    passphrase_file: Option<PathBuf>,
    /// Read the passphrase that locks it from the environment variable of this name
    #[arg(long, value_name = "NAME", conflicts_with = "no_passphrase")]
    passphrase_env: Option<String>,
    /// Do not lock it
    #[arg(long)]
    no_passphrase: bool,
}

/// Write the public half of a key to a file of the name that hosts know it by.
#[derive(Debug, Args)]
struct Export {
    /// A file with the secret or the public key, in armor; a locked key need not be unlocked
    #[arg(value_name = "FILE", required_unless_present = "gpg_key", conflicts_with = "gpg_key")]
    file: Option<PathBuf>,
    /// A key in gpg's keyring
    #[arg(long, value_name = "ID")]
    gpg_key: Option<String>,
    /// Name of the file on hosts, below /etc/pki/rpm-gpg, as packs name it [default: RPM-GPG-KEY- and the user ID]
    #[arg(long, value_name = "NAME")]
    key_file: Option<String>,
    /// The folder that takes the file; - prints the key instead
    #[arg(short, long, value_name = "FOLDER", default_value = ".")]
    output: PathBuf,
}

/// Print the commands that make a host trust a key; to be run on every host, where the key's file lies.
#[derive(Debug, Args)]
struct TrustCommands {
    /// A file with the public key, in armor
    #[arg(value_name = "KEYFILE")]
    file: PathBuf,
    /// Name of the file on hosts, as packs name it [default: that of KEYFILE]
    #[arg(long, value_name = "NAME")]
    key_file: Option<String>,
}

/// Show what a file with a key holds, and whether hosts accept it.
#[derive(Debug, Args)]
struct Show {
    /// A file with a secret or public key, in armor
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// [`Error`] of class `Key`, `Output` or `Tool`.
pub fn run(flags: &Key) -> anyhow::Result<()> {
    match &flags.command {
        Command::New(flags) => Ok(new(flags)?),
        Command::Export(flags) => Ok(export(flags)?),
        Command::TrustCommands(flags) => Ok(trust_commands(flags)?),
        Command::Show(flags) => Ok(print(&show(flags)?)?),
    }
}

fn new(flags: &New) -> Result<()> {
    let New { output, user_id, .. } = flags;
    let name = output.display().to_string();
    if user_id.trim().is_empty() || user_id.contains(char::is_control) {
        return Err(Error::key(&name, "has a user ID that is not one line of text", "Give another --user-id"));
    }
    if output.symlink_metadata().is_ok() {
        return Err(exists(output));
    }
    let passphrase = match flags.no_passphrase {
        true => None,
        false => Some(new_passphrase(flags, &name)?),
    };
    let now = now();
    interrupt::watch()?;
    let terminal = Terminal::new(false);
    terminal.step_of_program("key", "making it takes some seconds");
    let passphrase = passphrase.as_ref().map(|text| text.as_str());
    let key = generate(&NewKey { user_id, now, expires_days: flags.expires, passphrase })
        .map_err(|problem| Error::key(&name, format!("cannot be made: {problem}"), "Try again"))?;
    if interrupt::interrupted() {
        return Err(Error::interrupted());
    }
    persist(output, key.as_bytes(), 0o600)?;
    terminal.finish();
    let facts = KeyFacts::read(&key, &name, now)?;
    print(&format!("{}{}", facts_text(&facts, &name), next_steps(&name)))
}

fn next_steps(name: &str) -> String {
    format!("\nKeep it secret, and a copy of it safe. Its public half for hosts:\n  suppack key export {name}\n")
}

/// A passphrase that locks a key, asked for twice.
fn new_passphrase(flags: &New, name: &str) -> Result<Zeroizing<String>> {
    let given = match (&flags.passphrase_file, &flags.passphrase_env) {
        (Some(file), _) => passphrase_from(file, name)?,
        (None, Some(variable)) => passphrase_named(variable, name)?,
        (None, None) => {
            let ask = |question: &str| {
                interrupt::prompt(question)?.map(Zeroizing::new).map_err(|e| {
                    Error::key(
                        name,
                        format!("has no passphrase, and none can be asked for: {e}"),
                        "Give --passphrase-file, --passphrase-env or --no-passphrase",
                    )
                })
            };
            let (first, second) = (ask("Passphrase for the new key: ")?, ask("The same again: ")?);
            if first != second {
                return Err(Error::key(name, "was given two different passphrases", "Try again"));
            }
            first
        }
    };
    match given.is_empty() {
        true => Err(Error::key(name, "was given an empty passphrase", "Give another, or --no-passphrase")),
        false => Ok(given),
    }
}

fn export(flags: &Export) -> Result<()> {
    let now = now();
    let certificate = match (&flags.file, &flags.gpg_key) {
        (_, Some(id)) => {
            interrupt::watch()?;
            GpgKey::find(id, now, interrupt::output)?.certificate().clone()
        }
        (Some(file), None) => read(file, now)?.certificate(&file.display().to_string(), now)?,
        (None, None) => return Err(Error::key("to export", "was not named", "Give a file, or --gpg-key")),
    };
    let name = flags.key_file.clone().unwrap_or_else(|| host_name(&certificate.user_id()));
    check_name(&name)?;
    if flags.output == Path::new("-") {
        return print(&certificate.armored());
    }
    let path = flags.output.join(&name);
    let armored = certificate.armored();
    match fs::read(&path) {
        Ok(same) if same == armored.as_bytes() => {}
        _ => persist(&path, armored.as_bytes(), 0o644)?,
    }
    print(&format!("{}: {}\n", path.display(), certificate.fingerprint()))
}

fn trust_commands(flags: &TrustCommands) -> Result<()> {
    let name = flags.file.display().to_string();
    let now = now();
    let certificate = read(&flags.file, now)?.certificate(&name, now)?;
    let own = flags.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let key_file = flags.key_file.clone().unwrap_or(own);
    check_name(&key_file)?;
    let [by_tool, by_hand] = certificate.trust_commands(&key_file);
    print(&format!(
        "# On every host, as root, in the folder that has {key_file}:\n{}\n\n# Where that tool is missing:\n{}\n",
        by_tool.join("\n"),
        by_hand.join("\n")
    ))
}

fn show(flags: &Show) -> Result<String> {
    let facts = read(&flags.file, now())?;
    match flags.json {
        true => Ok(format!("{:#}\n", serde_json::json!(facts))),
        false => Ok(facts_text(&facts, &flags.file.display().to_string())),
    }
}

fn facts_text(facts: &KeyFacts, name: &str) -> String {
    let holds = match facts.secret {
        Some(true) => "secret key, locked with a passphrase",
        Some(false) => "secret key, not locked",
        None => "public key",
    };
    let expires = facts.expires.map_or("never".to_owned(), time);
    let hosts = facts.unfit.as_ref().map_or("accept it".to_owned(), |problem| format!("refuse it: it {problem}"));
    let rows = [
        ("holds", holds.to_owned()),
        ("fingerprint", facts.fingerprint.clone()),
        ("user ID", printable::line(&facts.user_id, 200)),
        ("algorithm", facts.algorithm.clone()),
        ("made", time(facts.created.into())),
        ("expires", expires),
        ("hosts", hosts),
    ];
    let rows: String = rows.map(|(name, value)| format!("  {name:<12} {value}\n")).concat();
    format!("{name}\n{rows}")
}

fn read(file: &Path, now: u64) -> Result<KeyFacts> {
    let name = file.display().to_string();
    let text = fs::read_to_string(file).map(Zeroizing::new).map_err(|e| {
        Error::key(&name, format!("cannot be read: {e}"), "Check the path; it must hold one key in armor, as text")
    })?;
    KeyFacts::read(&text, &name, now)
}

/// A file name for hosts, of a key's user ID: its words before an address or a comment.
fn host_name(user_id: &str) -> String {
    const LONGEST: usize = 60;
    let words = user_id.split(['<', '(']).next().unwrap_or_default();
    let plain: String = words.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let parts: Vec<&str> = plain.split('-').filter(|part| !part.is_empty()).collect();
    let name: String = parts.join("-").chars().take(LONGEST).collect();
    match name.is_empty() {
        true => "RPM-GPG-KEY-suppack".into(),
        false => format!("RPM-GPG-KEY-{name}"),
    }
}

/// Refuses a name that hosts cannot use.
pub(super) fn check_name(name: &str) -> Result<()> {
    match is_file_name(name) {
        true => Ok(()),
        false => Err(Error::key(
            format_args!("{name:?}"),
            "is no name for a file in /etc/pki/rpm-gpg",
            "Give a plain file name such as RPM-GPG-KEY-vendor with --key-file",
        )),
    }
}

fn exists(path: &Path) -> Error {
    Error::unwritable(
        path,
        &io::ErrorKind::AlreadyExists.into(),
        "A key is never overwritten: choose another name, or move the file away",
    )
}

/// Writes a new file, whole or not at all.
fn persist(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = || -> io::Result<tempfile::NamedTempFile> {
        // 0600 from its beginning.
        let mut file = tempfile::Builder::new().prefix(".key-").tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().set_permissions(Permissions::from_mode(mode))?;
        file.as_file().sync_all()?;
        Ok(file)
    };
    let file = written().map_err(|e| Error::unwritable(path, &e, "Choose a folder that exists and is writable"))?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(()),
        Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => Err(exists(path)),
        Err(e) => Err(Error::output(path, &e.error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_gets_a_name_on_hosts_from_its_user_id() {
        for (id, name) in [
            ("Jane Doe <jane@example.org>", "RPM-GPG-KEY-Jane-Doe"),
            ("Vendor, Inc. (packs)", "RPM-GPG-KEY-Vendor-Inc"),
            ("<a@b>", "RPM-GPG-KEY-suppack"),
            ("../../etc/passwd", "RPM-GPG-KEY-etc-passwd"),
        ] {
            assert_eq!(host_name(id), name);
            check_name(name).unwrap();
        }
        assert!(check_name("../key").is_err());
    }
}
