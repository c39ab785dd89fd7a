//! What rpm does to a host when packages come and go: files land and leave, scriptlets run with their argument.
//!
//! Order, arguments and the treatment of configuration files: rpm 4.11 `lib/psm.c`, `lib/rpmte.c`, `lib/rpmfi.c`. Must
//! not know why packages come and go.

use std::fs::{self, File};
use std::io;
use std::sync::Arc;

use super::host::{Host, Installed};
use super::package::{Config, FileKind, Package, PackagedFile};
use super::supply::Supplied;
use crate::rpm::scriptlet::Moment;

/// Configuration files are small.
const MAX_CONFIGURATION: u64 = 16 << 20;

/// Puts packages into a host, in this order, then takes others out: older versions of those, or whatever is named.
/// Scriptlets run if the host can run them; what they did is in [`Host::runs`].
///
/// # Errors
/// The host's folder cannot be changed, or a package says something about its files that cannot be done.
pub fn transact(host: &mut Host, installs: &[Arc<Supplied>], erases: &[Package]) -> io::Result<()> {
    host.transacting = true;
    let done = come_and_go(host, installs, erases);
    host.transacting = false;
    done
}

fn come_and_go(host: &mut Host, installs: &[Arc<Supplied>], erases: &[Package]) -> io::Result<()> {
    let (before, after) = (Counts::of(host), Counts::of(host).with(installs, erases));
    for supplied in installs {
        scriptlet(host, supplied, Moment::PreTrans, after.of_name(&supplied.package.name))?;
    }
    let mut present = before;
    let mut refused: Vec<String> = Vec::new();
    for supplied in installs {
        let name = &supplied.package.name;
        let count = present.of_name(name) + 1;
        if !scriptlet(host, supplied, Moment::Pre, count)? {
            // rpm leaves such a package out, and keeps its older version.
            refused.push(name.clone());
            continue;
        }
        let older: Vec<Arc<Supplied>> =
            host.packages.iter().filter(|i| i.package.name == *name).filter_map(|i| i.supplied.clone()).collect();
        land(host, supplied, &older)?;
        host.packages.push(Installed::of(Arc::clone(supplied)));
        present.add(name);
        scriptlet(host, supplied, Moment::Post, count)?;
    }
    for package in erases.iter().filter(|package| !refused.contains(&package.name)) {
        let Some(index) =
            host.packages.iter().position(|i| i.package.name == package.name && i.package.evr == package.evr)
        else {
            continue;
        };
        let left = present.of_name(&package.name).saturating_sub(1);
        let supplied = host.packages[index].supplied.clone();
        if let Some(supplied) = &supplied
            && !scriptlet(host, supplied, Moment::PreUn, left)?
        {
            continue;
        }
        let gone = host.packages.remove(index);
        leave(host, &gone)?;
        present.remove(&package.name);
        if let Some(supplied) = &supplied {
            scriptlet(host, supplied, Moment::PostUn, left)?;
        }
    }
    for supplied in installs.iter().filter(|supplied| !refused.contains(&supplied.package.name)) {
        scriptlet(host, supplied, Moment::PostTrans, after.of_name(&supplied.package.name))?;
    }
    Ok(())
}

/// Runs a scriptlet if there is one; whether rpm goes on with the package.
fn scriptlet(host: &mut Host, supplied: &Arc<Supplied>, moment: Moment, argument: usize) -> io::Result<bool> {
    match supplied.scriptlet(moment) {
        Some(scriptlet) => host.run_scriptlet(&supplied.package, scriptlet, argument),
        None => Ok(true),
    }
}

/// How many versions of each package are installed.
struct Counts(Vec<String>);

impl Counts {
    fn of(host: &Host) -> Counts {
        Counts(host.packages.iter().map(|installed| installed.package.name.clone()).collect())
    }

    fn with(mut self, installs: &[Arc<Supplied>], erases: &[Package]) -> Counts {
        installs.iter().for_each(|supplied| self.add(&supplied.package.name));
        erases.iter().for_each(|package| self.remove(&package.name));
        self
    }

    fn of_name(&self, name: &str) -> usize {
        self.0.iter().filter(|other| *other == name).count()
    }

    fn add(&mut self, name: &str) {
        self.0.push(name.to_owned());
    }

    fn remove(&mut self, name: &str) {
        if let Some(index) = self.0.iter().position(|other| other == name) {
            self.0.swap_remove(index);
        }
    }
}

/// Puts a package's files into the root.
fn land(host: &Host, supplied: &Supplied, older: &[Arc<Supplied>]) -> io::Result<()> {
    let root = &host.root;
    for (index, file) in supplied.package.files.iter().enumerate() {
        let permissions = file.mode & 0o7777;
        root.make_parents(&file.path)?;
        match &file.kind {
            FileKind::Directory => _ = root.make_folder(&file.path, permissions)?,
            FileKind::Link(target) => root.symlink(&file.path, target)?,
            FileKind::Ghost => {}
            FileKind::Special => {
                let problem =
                    format!("{} is a device, pipe or socket, which a pack has no business to bring", file.path);
                return Err(io::Error::new(io::ErrorKind::Unsupported, problem));
            }
            FileKind::Regular { .. } => {
                let Some(content) = supplied.content(index) else {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{} has no content", file.path)));
                };
                let target = configuration_target(host, file, older)?;
                root.write(&target, permissions, &mut File::open(content)?)?;
            }
        }
    }
    Ok(())
}

/// Where a file goes: beside the one that is there if the administrator changed that one and rpm keeps it.
fn configuration_target(host: &Host, file: &PackagedFile, older: &[Arc<Supplied>]) -> io::Result<String> {
    if file.config == Config::No || !is_changed(host, file, older)? {
        return Ok(file.path.clone());
    }
    match file.config {
        Config::NoReplace => Ok(format!("{}.rpmnew", file.path)),
        _ => {
            host.root.rename(&file.path, format!("{}.rpmsave", file.path))?;
            Ok(file.path.clone())
        }
    }
}

/// Whether a configuration file is neither as the older version brought it nor as the new one brings it.
fn is_changed(host: &Host, file: &PackagedFile, older: &[Arc<Supplied>]) -> io::Result<bool> {
    if !host.root.exists(&file.path) {
        return Ok(false);
    }
    let brought = older.iter().flat_map(|supplied| {
        let same = |(_, old): &(usize, &PackagedFile)| old.path == file.path;
        supplied.package.files.iter().enumerate().filter(same).filter_map(|(index, _)| supplied.content(index))
    });
    let there = host.root.read(&file.path, MAX_CONFIGURATION)?;
    for content in brought {
        if fs::metadata(content)?.len() == there.len() as u64 && fs::read(content)? == there {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Takes a package's files out of the root, but for those that another package has too.
fn leave(host: &Host, gone: &Installed) -> io::Result<()> {
    let owned = |path: &str| host.packages.iter().any(|i| i.package.files.iter().any(|file| file.path == path));
    let mut paths: Vec<&PackagedFile> = gone.package.files.iter().filter(|file| !owned(&file.path)).collect();
    // What lies in a folder goes before the folder.
    paths.sort_by(|a, b| b.path.cmp(&a.path));
    for file in paths {
        match &file.kind {
            FileKind::Directory => _ = host.root.remove_folder(&file.path)?,
            _ if file.config != Config::No && is_changed(host, file, gone.supplied.as_slice())? => {
                host.root.rename(&file.path, format!("{}.rpmsave", file.path))?;
            }
            _ => _ = host.root.remove(&file.path)?,
        }
    }
    Ok(())
}
