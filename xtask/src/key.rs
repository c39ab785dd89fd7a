//! The signing key that the user asked for.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use pack::openpgp::{GpgKey, Signer, SoftwareKey, development_key};
use pack::{Error, Result};
use zeroize::Zeroizing;

use crate::flags::Pack;
use crate::terminal::Terminal;
use crate::{commit, interrupt};

/// Loads the key; without one, the user's development key, made at first use.
pub(crate) fn signer(flags: &Pack, terminal: &Terminal) -> Result<Box<dyn Signer>> {
    let now = commit::now();
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

fn passphrase(flags: &Pack, key: &str) -> Result<Zeroizing<String>> {
    if let Some(file) = &flags.passphrase_file {
        let text = fs::read_to_string(file).map(Zeroizing::new).map_err(|e| {
            Error::key(key, format!("its passphrase file {} cannot be read: {e}", file.display()), "Check the path")
        })?;
        return Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()));
    }
    if let Some(name) = &flags.passphrase_env {
        return env::var(name).map(Zeroizing::new).map_err(|_| {
            Error::key(
                key,
                format!("the environment variable {name} has no passphrase"),
                "Set it, or use --passphrase-file",
            )
        });
    }
    interrupt::prompt(&format!("Passphrase of {key}: "))?.map(Zeroizing::new).map_err(|e| {
        Error::key(
            key,
            format!("is locked, and its passphrase cannot be asked for: {e}"),
            "Give --passphrase-file or --passphrase-env",
        )
    })
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
