//! One host, tried step by step. The lab compares it with a real root in which rpm and dnf do the same.
//!
//! Knows the steps; must not know what is right about what they leave.

use std::io;
use std::path::Path;

use super::capture::Capture;
use super::erase;
use super::host::{Host, Run};
use super::package::Package;
use super::root::{Entry, Limits};
use super::sequence::{self, Delivery};
use super::services::Stage;
use super::supply::Supply;
use super::xapi_error::XapiError;
use crate::image::PackImage;
use crate::rpm::Rpm;

/// A running host in a folder, whose scripts run confined.
pub struct Trial {
    host: Host,
    /// The content of what is installed: rpm compares configuration files with it.
    supplies: Vec<Supply>,
}

impl Trial {
    /// A host as it was captured.
    ///
    /// # Errors
    /// Its folder cannot be made, or scripts cannot be confined on this machine.
    pub fn on(capture: &Capture) -> io::Result<Trial> {
        Ok(Trial { host: Host::of(capture, Stage::Running, true)?, supplies: Vec::new() })
    }

    /// Installs packages or upgrades to them, as `rpm -U` does; what the package manager says if it fails.
    ///
    /// # Errors
    /// The host's folder cannot be changed, or the packages cannot be unpacked.
    pub fn install(&mut self, packages: &[Rpm]) -> io::Result<Result<(), String>> {
        let supply = Supply::unpack(packages).map_err(io::Error::other)?;
        let installed = sequence::install_all(&mut self.host, &supply);
        self.supplies.push(supply);
        installed
    }

    /// What XAPI does with an uploaded pack: introduce, precheck, apply.
    ///
    /// # Errors
    /// The host's folder cannot be changed, or the pack cannot be unpacked.
    pub fn apply(&mut self, image: &PackImage) -> io::Result<Result<(), XapiError>> {
        let pack = Delivery::of(image).map_err(io::Error::other)?;
        let applied = self.play(&pack);
        self.supplies.push(pack.supply);
        applied
    }

    fn play(&mut self, pack: &Delivery) -> io::Result<Result<(), XapiError>> {
        for step in [sequence::introduce, sequence::precheck, sequence::apply] {
            if let Err(denied) = step(&mut self.host, pack, &mut Vec::new())? {
                return Ok(Err(denied.error));
            }
        }
        sequence::pool_clean(&mut self.host, pack);
        Ok(Ok(()))
    }

    /// `rpm -e`.
    ///
    /// # Errors
    /// What rpm says when it refuses or fails.
    pub fn erase(&mut self, names: &[&str]) -> Result<(), String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        erase::erase(&mut self.host, &names, false)
    }

    /// Writes a file, as an administrator does.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: impl AsRef<Path>, mode: u32, mut content: &[u8]) -> io::Result<()> {
        self.host.root.make_parents(&path)?;
        self.host.root.write(path, mode, &mut content).map(drop)
    }

    /// Removes a file, as an administrator does.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.host.root.remove(path).map(drop)
    }

    /// The content of a file.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(&self, path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
        self.host.root.read(path, 1 << 20)
    }

    /// Everything in the host's root, in the order of paths.
    ///
    /// # Errors
    /// It cannot be listed.
    pub fn files(&self) -> io::Result<Vec<Entry>> {
        self.host.root.list(&Limits::default())
    }

    /// The installed packages.
    pub fn packages(&self) -> impl Iterator<Item = &Package> {
        self.host.packages.iter().map(|installed| installed.package.as_ref())
    }

    /// Every script that ran, in order.
    pub fn runs(&self) -> &[Run] {
        &self.host.runs
    }
}
