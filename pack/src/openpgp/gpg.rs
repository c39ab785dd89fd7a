//! A secret key that the `gpg` program uses: behind its agent, or on a smart card.

use std::io::Write;
use std::process::{Command, Stdio};

use super::{Certificate, Signature, Signer};
use crate::{Error, Result};

/// A key in the user's GnuPG home.
pub struct GpgKey {
    certificate: Certificate,
}

impl GpgKey {
    /// Finds a key by whatever `gpg --local-user` takes; `now` is in seconds since 1970.
    ///
    /// # Errors
    /// [`Error::Tool`] if gpg cannot be run, [`Error::Key`] if it has no such key or hosts would refuse it.
    pub fn find(id: &str, now: u64) -> Result<GpgKey> {
        let output = run(&["--armor", "--export", "--", id], &[])?;
        if output.trim_ascii().is_empty() {
            return Err(Error::key(
                id,
                "is not in gpg's keyring",
                "`gpg --list-secret-keys` shows the keys that it has",
            ));
        }
        let certificate = Certificate::parse(&String::from_utf8_lossy(&output), id, now)?;
        Ok(GpgKey { certificate })
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
                let packet = run(&arguments, message)?;
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

fn run(arguments: &[&str], input: &[u8]) -> Result<Vec<u8>> {
    let failed = |problem: String| {
        Error::tool(
            "gpg",
            problem,
            "Try the same key with `gpg --detach-sign`; for a terminal prompt set GPG_TTY=$(tty)",
        )
    };
    let mut child = Command::new("gpg")
        .args(["--batch", "--quiet"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| {
            Error::tool(
                "gpg",
                format!("cannot be run: {e}"),
                "Install GnuPG (Debian: gnupg), or give the key as a file with --key",
            )
        })?;
    let mut stdin = child.stdin.take().expect("stdin is piped");
    // Messages are headers and metadata of some hundred kilobytes at most, and gpg reads all before it writes: no deadlock.
    let written = stdin.write_all(input);
    drop(stdin);
    let output = child.wait_with_output().map_err(|e| failed(e.to_string()))?;
    if !output.status.success() || written.is_err() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let said = stderr.lines().last().unwrap_or("no message").trim_start_matches("gpg: ");
        return Err(failed(format!("failed with {}: {said}", output.status)));
    }
    Ok(output.stdout)
}
