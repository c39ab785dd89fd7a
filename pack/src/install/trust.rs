//! Whether a host trusts the key of a pack, and how it comes to.
//!
//! XAPI wants the key in its own keyring, with ultimate trust (xen-api, `ocaml/xapi/gpg.ml`); yum wants it as a file in
//! `/etc/pki/rpm-gpg`, under the name that the pack says (`ocaml/xapi/xapi_pool_update.ml`).

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::host::{Host, Output, Said, Trouble};
use crate::image::PackImage;
use crate::openpgp::Certificate;
use crate::{Error, Result};

/// XAPI's home of GnuPG.
const HOME: &str = "/opt/xensource/gpg";
/// Where yum finds keys.
const KEYS: &str = "/etc/pki/rpm-gpg";
/// An armored key has some kilobytes.
const MAX_KEY: u64 = 1 << 20;
const GPG: Duration = Duration::from_secs(60);

/// How far a host trusts the key that signed a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// Whether XAPI takes the pack's signatures.
    pub by_xapi: bool,
    /// Whether there is a key file for the package manager under the name that the pack says.
    pub by_packages: bool,
}

impl Trust {
    /// Looks as XAPI does.
    ///
    /// # Errors
    /// [`Error`] of class `Tool` if gpg cannot be run.
    pub fn of(host: &Host, image: &PackImage, key: &str) -> Result<Trust> {
        Ok(Trust { by_xapi: takes_signatures(host, image)?, by_packages: host.path(&key_file(key)).is_file() })
    }

    /// Whether a host takes the pack.
    pub fn is_whole(&self) -> bool {
        self.by_xapi && self.by_packages
    }
}

/// Where the key of a pack lies on a host.
pub fn key_file(key: &str) -> String {
    format!("{KEYS}/{key}")
}

/// The key that lies there, if one does: its armored text.
pub fn installed_key(host: &Host, key: &str) -> Option<Vec<u8>> {
    host.read(&key_file(key), MAX_KEY).ok().flatten()
}

/// Reads a key that hosts accept.
///
/// # Errors
/// [`Error`] of class `Key`.
pub fn read_key(file: &Path, now: u64) -> Result<Certificate> {
    let name = file.display().to_string();
    let unreadable = |e: &dyn std::fmt::Display| {
        Error::key(&name, format!("cannot be read: {e}"), "Give the vendor's public key, as text in armor")
    };
    let mut text = String::new();
    let opened = fs::File::open(file).map_err(|e| unreadable(&e))?;
    io::Read::read_to_string(&mut io::Read::take(opened, MAX_KEY), &mut text).map_err(|e| unreadable(&e))?;
    Certificate::parse(&text, &name, now)
}

/// The commands that make a host trust the key of a pack, where its file is at hand under the name that the pack says.
pub fn commands(key: &str) -> Vec<String> {
    vec![
        format!("/opt/xensource/debug/import-update-key {key}"),
        "or, with the key in a file of any name: suppack install --trust-key FILE ISO".into(),
    ]
}

/// Makes a host trust a key under the name that a pack says: the file for yum, then XAPI's keyring.
///
/// # Errors
/// [`Error`]: the file cannot be written, or gpg fails. What is done already does no harm.
pub fn trust(host: &Host, certificate: &Certificate, key: &str) -> Result<()> {
    let armored = certificate.armored();
    let folder = host.path(KEYS);
    let target = host.path(&key_file(key));
    let written = (|| {
        fs::create_dir_all(&folder)?;
        let permissions = Permissions::from_mode(0o644);
        let mut file = tempfile::Builder::new().prefix(".suppack-").permissions(permissions).tempfile_in(&folder)?;
        file.write_all(armored.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(&target).map(drop).map_err(|e| e.error)
    })();
    written.map_err(|e| Error::unwritable(&target, &e, "Run it as root on a host"))?;
    let home = host.path(HOME);
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&home);
    made.map_err(|e| Error::unwritable(&home, &e, "Run it as root on a host"))?;
    gpg(host, &["--batch", "--import", &target.display().to_string()])?;
    let mut owner = tempfile::NamedTempFile::new().map_err(|e| Error::output(&std::env::temp_dir(), &e))?;
    writeln!(owner, "{}:6:", certificate.fingerprint()).map_err(|e| Error::output(owner.path(), &e))?;
    gpg(host, &["--batch", "--import-ownertrust", &owner.path().display().to_string()])
}

fn gpg(host: &Host, arguments: &[&str]) -> Result<()> {
    let said = run(host, arguments)?;
    match said.code {
        Some(0) => Ok(()),
        _ => Err(failed(format!("failed: {}", said.stderr.trim()))),
    }
}

fn run(host: &Host, arguments: &[&str]) -> Result<Said> {
    let home = host.path(HOME).display().to_string();
    let arguments = [&["--homedir", &home], arguments].concat();
    host.run("gpg", &arguments, Output::Kept, Some(GPG), &|| false)
        .map_err(|trouble: Trouble| failed(trouble.to_string()))
}

fn failed(problem: String) -> Error {
    Error::tool("gpg", problem, "Import the key by hand; `suppack install --check` prints the commands")
}

/// Whether gpg says of both documents what XAPI wants to hear.
fn takes_signatures(host: &Host, image: &PackImage) -> Result<bool> {
    let home = host.path(HOME);
    let keyrings = ["pubring.kbx", "pubring.gpg"].map(|name| home.join(name));
    let Some(keyring) = keyrings.iter().find(|file| file.exists()) else { return Ok(false) };
    let keyring = keyring.display().to_string();
    let folder = tempfile::tempdir().map_err(|e| Error::output(&std::env::temp_dir(), &e))?;
    for document in ["update.xml", "repodata/repomd.xml"] {
        let copy = |name: &str| -> Option<PathBuf> {
            let content = image.content(image.file(name)?).ok()?;
            let path = folder.path().join(name.replace('/', "-"));
            fs::write(&path, content).ok()?;
            Some(path)
        };
        let (Some(file), Some(signature)) = (copy(document), copy(&format!("{document}.asc"))) else {
            return Ok(false);
        };
        let (file, signature) = (file.display().to_string(), signature.display().to_string());
        let said = run(
            host,
            &["--no-default-keyring", "--keyring", &keyring, "--status-fd", "1", "--verify", &signature, &file],
        )?;
        let has = |word: &str| said.stdout.lines().any(|line| line.starts_with(&format!("[GNUPG:] {word}")));
        if said.code != Some(0) || !has("GOODSIG") || !has("VALIDSIG") || !has("TRUST_ULTIMATE") {
            return Ok(false);
        }
    }
    Ok(true)
}
