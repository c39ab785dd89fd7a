//! The installer that a pack of 7.0 and before brings, `install` or `install.sh`, run as an administrator runs it.
//!
//! Exit codes: supp-pack-build, `suppack-install.py`.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path};
use std::process::Command;
use std::time::Duration;

use super::host::{Host, Output};
use crate::image::PackImage;
use crate::{Error, Result};

/// A batch installation of some hundred packages.
const LIMIT: Duration = Duration::from_secs(3600);
/// Installers that packs have, the one to be preferred first.
const INSTALLERS: [&str; 2] = ["install.sh", "install"];

/// What came of an installer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Installed,
    /// The host has it already, and the person did not want it again.
    AlreadyThere,
}

/// Whether an image is a pack of the older format.
pub fn is_older(image: &PackImage) -> bool {
    image.file("XS-REPOSITORY").is_some() && image.file("update.xml").is_none()
}

/// Unpacks a pack into a temporary folder, and runs its installer there; with `batch`, without prompts.
///
/// # Errors
/// [`Error`]: the pack has no installer, cannot be unpacked, or its installer refuses, for the reason that it printed.
pub fn install(host: &Host, image: &PackImage, batch: bool) -> Result<Ended> {
    let folder = tempfile::Builder::new().prefix("suppack-").tempdir_in("/var/tmp").or_else(|_| tempfile::tempdir());
    let folder = folder.map_err(|e| Error::output(&std::env::temp_dir(), &e))?;
    let refused = |problem: &str, remedy: &str| Error::payload(image.path(), problem, remedy);
    for entry in image.files() {
        let below = Path::new(&entry.path);
        if !below.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(refused(
                &format!("has a file called {:?}, which leads out of it", entry.path),
                "Do not use it",
            ));
        }
        let path = folder.path().join(below);
        let unpack = || -> io::Result<()> {
            fs::create_dir_all(path.parent().unwrap_or(folder.path()))?;
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o700).open(&path)?;
            io::copy(&mut image.source(entry).read_from(0), &mut file).map(drop)
        };
        unpack().map_err(|e| Error::output(&path, &e))?;
    }
    let Some(installer) = INSTALLERS.iter().map(|name| folder.path().join(name)).find(|path| path.is_file()) else {
        return Err(refused("has no installer", "Use `xe-install-supplemental-pack` on the host"));
    };
    let mut command = Command::new(&installer);
    command.current_dir(folder.path());
    let (output, limit) = match batch {
        true => (Output::Shown, Some(LIMIT)),
        false => (Output::Dialogue, None),
    };
    command.args(batch.then_some("-b"));
    let said = host.run_command(command, output, limit, &|| false).map_err(|trouble| {
        Error::host("the pack's installer", trouble, "If it needs Python, use `xe-install-supplemental-pack`")
    })?;
    match said.code {
        Some(0) => Ok(Ended::Installed),
        Some(3) => Ok(Ended::AlreadyThere),
        Some(2) => Err(Error::host("the pack", "is for another product", "Get the one for this host")),
        Some(4) => {
            Err(Error::host("the pack", "has a licence that was not accepted", "Read and accept it, without --batch"))
        }
        code => {
            let how = code.map_or("a signal".to_owned(), |code| format!("exit code {code}"));
            Err(Error::host(
                "the pack's installer",
                format!("failed with {how}, for the reason above"),
                "Do what it says",
            ))
        }
    }
}
