//! The signing key that the user asked for.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use clap::Args;
use zeroize::Zeroizing;

use super::terminal::Terminal;
use super::{interrupt, now};
use crate::openpgp::{Certificate, GpgKey, Signer, SoftwareKey, development_key};
use crate::{Error, Result};

/// Which key signs. Without one, the user's development key, made at first use.
#[derive(Debug, Default, Args)]
pub struct SigningKey {
    /// Sign with the armored secret key in this file [default: a development key, made at first use]
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Read the key's passphrase from the first line of this file [default: ask]
    #[arg(long, value_name = "FILE", requires = "key", conflicts_with_all = ["passphrase_env", "gpg_key"])]
    pub passphrase_file: Option<PathBuf>,
    /// Read the key's passphrase from the environment variable of this name
    #[arg(long, value_name = "NAME", requires = "key", conflicts_with = "gpg_key")]
    pub passphrase_env: Option<String>,
    /// Sign with this key through the gpg program: its agent, or a smart card
    #[arg(long, value_name = "ID", conflicts_with = "key")]
    pub gpg_key: Option<String>,
}

/// Loads the key; without one, the user's development key, made at first use.
///
/// # Errors
/// [`Error`] of class `Key`.
pub fn signer(flags: &SigningKey, terminal: &Terminal) -> Result<Box<dyn Signer>> {
    let now = now();
    if let Some(id) = &flags.gpg_key {
        // gpg may wait for ever, for a card or a passphrase.
        interrupt::watch()?;
        let key = GpgKey::find(id, now, interrupt::output)?;
        // gpg knows only by signing whether it can: a card may be missing, or a passphrase wrong.
        key.sign(&[b"trial"], key.certificate().signature_time(0))?;
        return Ok(Box::new(key));
    }
    let Some(file) = &flags.key else {
        let folder = config_folder()?;
        let key = development_key(&folder, now, &mut |path| {
            terminal.step_of_program(
                "development key",
                &format!("making {}, once; it takes a few seconds", path.display()),
            );
        })?;
        return Ok(Box::new(key));
    };
    let name = file.display().to_string();
    if fs::metadata(file).is_ok_and(|metadata| metadata.is_file() && metadata.mode() & 0o077 != 0) {
        terminal.note(format_args!("{name} can be read by others; chmod 600 keeps a signing key to yourself"));
    }
    let armored = fs::read_to_string(file).map(Zeroizing::new).map_err(|e| {
        Error::key(
            &name,
            format!("cannot be read: {e}"),
            "Check the path; it must hold one secret key in armor, as text",
        )
    })?;
    Ok(Box::new(SoftwareKey::parse(&armored, &name, now, &mut || passphrase(flags, &name))?))
}

fn passphrase(flags: &SigningKey, key: &str) -> Result<Zeroizing<String>> {
    match (&flags.passphrase_file, &flags.passphrase_env) {
        (Some(file), _) => return passphrase_from(file, key),
        (None, Some(name)) => return passphrase_named(name, key),
        (None, None) => {}
    }
    interrupt::prompt(&format!("Passphrase of {key}: "))?.map(Zeroizing::new).map_err(|e| {
        Error::key(
            key,
            format!("is locked, and its passphrase cannot be asked for: {e}"),
            "Give --passphrase-file or --passphrase-env",
        )
    })
}

/// The passphrase in the first line of a file.
///
/// # Errors
/// [`Error`] of class `Key`.
pub(super) fn passphrase_from(file: &Path, key: &str) -> Result<Zeroizing<String>> {
    let text = fs::read_to_string(file).map(Zeroizing::new).map_err(|e| {
        Error::key(key, format!("its passphrase file {} cannot be read: {e}", file.display()), "Check the path")
    })?;
    Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
}

/// The passphrase in an environment variable.
///
/// # Errors
/// [`Error`] of class `Key`.
pub(super) fn passphrase_named(name: &str, key: &str) -> Result<Zeroizing<String>> {
    env::var(name).map(Zeroizing::new).map_err(|_| {
        Error::key(
            key,
            format!("the environment variable {name} has no passphrase"),
            "Set it, or use --passphrase-file",
        )
    })
}

/// Public keys of others, in armor.
///
/// # Errors
/// [`Error`] of class `Key` if a file cannot be read, or holds no key that hosts accept.
pub fn rpm_keys(files: &[PathBuf]) -> Result<Vec<Certificate>> {
    let read = |file: &PathBuf| {
        let name = file.display().to_string();
        let armored = fs::read_to_string(file)
            .map_err(|e| Error::key(&name, format!("cannot be read: {e}"), "Give a public key in armor"))?;
        Certificate::parse(&armored, &name, now())
    };
    files.iter().map(read).collect()
}

/// The user's configuration folder for this project (XDG Base Directory Specification).
fn config_folder() -> Result<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")));
    base.map(|base| base.join("xscontainer")).ok_or_else(|| {
        Error::key(
            "for development",
            "has no place: neither XDG_CONFIG_HOME nor HOME is an absolute path",
            "Set HOME, or give --key FILE",
        )
    })
}
