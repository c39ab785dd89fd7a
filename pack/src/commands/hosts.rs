//! Hosts, as people name them on a command line: generations, captured hosts, and root folders.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::interrupt;
use crate::dom0::capture::{Capture, SCRIPT};
use crate::generation::Generation;
use crate::{Error, Result};

/// The hosts that a command is about.
pub struct Hosts {
    /// To whose rules the pack is held; none if nobody named any.
    pub generations: Vec<&'static Generation>,
    /// What it is rehearsed on.
    pub captures: Vec<Capture>,
    /// Those of `generations` that cannot be rehearsed: no capture of them comes with this program.
    pub not_rehearsed: Vec<&'static Generation>,
}

impl Hosts {
    /// The hosts of names and paths; all captures that come with this program if there are none.
    ///
    /// # Errors
    /// [`crate::Class::Capture`]: a name is unknown, or a file is no capture.
    pub fn named(arguments: &[OsString]) -> Result<Hosts> {
        let mut hosts = Hosts { generations: Vec::new(), captures: Vec::new(), not_rehearsed: Vec::new() };
        if arguments.is_empty() {
            hosts.captures = Capture::built_in();
        }
        for argument in arguments {
            let path = Path::new(argument);
            match argument.to_str().and_then(Generation::find) {
                Some(generation) => hosts.add_generation(generation),
                None if path.components().count() > 1 || path.exists() => hosts.add_capture(Capture::read(path)?),
                None => hosts.add_generation(Generation::named(&argument.to_string_lossy())?),
            }
        }
        Ok(hosts)
    }

    /// Adds a host from a capture, or from a root folder.
    ///
    /// # Errors
    /// [`crate::Class::Capture`], and of class `Tool` if the folder cannot be captured.
    pub fn add_root(&mut self, path: &Path) -> Result<()> {
        let capture = if path.is_dir() { capture_of(path)? } else { Capture::read(path)? };
        self.add_capture(capture);
        Ok(())
    }

    fn add_generation(&mut self, generation: &'static Generation) {
        if self.generations.contains(&generation) {
            return;
        }
        self.generations.push(generation);
        match Capture::built_in().into_iter().find(|capture| Some(&capture.name) == generation.capture.as_ref()) {
            Some(capture) => self.captures.push(capture),
            None => self.not_rehearsed.push(generation),
        }
    }

    fn add_capture(&mut self, capture: Capture) {
        if let Some(generation) = Generation::of(&capture).filter(|found| !self.generations.contains(found)) {
            self.generations.push(generation);
        }
        self.captures.push(capture);
    }
}

/// Captures the host whose root file system is in a folder, by the script that captures running hosts, with this
/// machine's rpm.
fn capture_of(folder: &Path) -> Result<Capture> {
    let root = std::path::absolute(folder).unwrap_or_else(|_| PathBuf::from(folder));
    let unwritable = |e: &std::io::Error| Error::output(&std::env::temp_dir(), e);
    let files = || -> std::io::Result<(File, File)> {
        let (mut script, answer) = (tempfile::tempfile()?, tempfile::tempfile()?);
        script.write_all(SCRIPT.as_bytes())?;
        script.rewind()?;
        Ok((script, answer))
    };
    let (script, mut answer) = files().map_err(|e| unwritable(&e))?;
    let mut shell = Command::new("sh");
    shell.arg("-s").env("CAPTURE_ROOT", &root).stdin(Stdio::from(script));
    shell.stdout(Stdio::from(answer.try_clone().map_err(|e| unwritable(&e))?));
    let status = interrupt::run(&mut shell)
        .map_err(|e| Error::tool("sh", format!("cannot be run: {e}"), "Install a POSIX shell"))?;
    if !status.success() {
        return Err(Error::tool(
            format!("the capture of {}", folder.display()),
            format!("failed with {status}, for the reason above"),
            "The folder must be the root file system of a host, with rpm's database; or capture the host itself: \
             suppack capture-host",
        ));
    }
    answer.rewind().map_err(|e| unwritable(&e))?;
    Capture::parse(folder.display().to_string(), answer)
}
