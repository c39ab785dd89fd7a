//! A secret key that the `gpg` program uses: behind its agent, or on a smart card.

use std::io;
use std::process::{Command, Output};

use super::{Certificate, Signature, Signer};
use crate::{Error, Result};

/// Runs a program to its end with some bytes as its standard input. Callers decide how it may be stopped: gpg can wait
/// for a card or a passphrase for as long as the user likes.
pub type Runner = fn(Command, &[u8]) -> io::Result<Output>;

/// A key in the user's GnuPG home.
pub struct GpgKey {
    certificate: Certificate,
    runner: Runner,
}

impl GpgKey {
    /// Finds a key by whatever `gpg --local-user` takes; `now` is in seconds since 1970.
    ///
    /// # Errors
    /// [`Error`] of class `Tool` if gpg cannot be run, of class `Key` if it has no such key or hosts would refuse it.
    pub fn find(id: &str, now: u64, runner: Runner) -> Result<GpgKey> {
        if id.trim().is_empty() {
            return Err(Error::key("", "has no name", "Name it by its fingerprint; `gpg --list-secret-keys` shows it"));
        }
        let output = run(runner, &["--armor", "--export", "--", id], &[])?;
        if output.trim_ascii().is_empty() {
            return Err(Error::key(
                id,
                "is not in gpg's keyring",
                "`gpg --list-secret-keys` shows the keys that it has",
            ));
        }
        let certificate = Certificate::parse(&String::from_utf8_lossy(&output), id, now)?;
        Ok(GpgKey { certificate, runner })
    }
}

impl Signer for GpgKey {
    fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    fn sign(&self, messages: &[&[u8]], time: u32) -> Result<Vec<Signature>> {
        // "!": this very key, not a subkey that gpg would prefer. The time makes builds repeatable.
        let (key, time) = (format!("{}!", self.certificate.fingerprint()), format!("{time}!"));
        let arguments = [
            "--local-user",
            &key,
            "--faked-system-time",
            &time,
            "--digest-algo",
            "SHA256",
            "--no-armor",
            "--detach-sign",
            "--output",
            "-",
        ];
        // One after the other: a smart card has one queue, and a passphrase is asked for once.
        messages
            .iter()
            .map(|message| {
                let packet = run(self.runner, &arguments, message)?;
                Signature::parse(&packet)
                    .and_then(Signature::in_new_format)
                    .filter(|signature| self.certificate.verifies(message, signature))
                    .ok_or_else(|| {
                        Error::key(
                            self.certificate.fingerprint(),
                            "was not the key that gpg signed with",
                            "Check gpg.conf for options that choose another key or digest",
                        )
                    })
            })
            .collect()
    }
}

fn run(runner: Runner, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>> {
    let mut command = Command::new("gpg");
    command.args(["--batch", "--quiet"]).args(arguments);
    let output = runner(command, input).map_err(|e| {
        Error::tool(
            "gpg",
            format!("cannot be run: {e}"),
            "Install GnuPG (Debian: gnupg), or give the key as a file with --key",
        )
    })?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let said = stderr.lines().last().unwrap_or("no message").trim_start_matches("gpg: ");
        return Err(Error::key(
            "in gpg's keyring",
            format!("cannot be used: {said}"),
            "Try it with `gpg --detach-sign`; for a prompt on the terminal set GPG_TTY=$(tty)",
        ));
    }
    Ok(output.stdout)
}
