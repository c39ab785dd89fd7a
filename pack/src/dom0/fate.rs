//! What becomes of each file of a transaction. rpm decides it for all files after every `%pretrans` and before anything
//! lands or leaves, so what later scriptlets do to a configuration file does not count.
//!
//! Rules: rpm 4.11, `lib/transaction.c` (`handleInstInstalledFile`, `handleOverlappedFiles`) and `lib/rpmfi.c`
//! (`rpmfiDecideFate`, `rpmfiConfigConflict`). Not followed: `%config(missingok)` that the administrator removed comes
//! again here. Knows what is on the disk; must not change it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::host::{Host, Installed};
use super::package::{Config, FileKind, PackagedFile};
use super::package_set::resolved;
use super::root::Kind;
use super::supply::Supplied;

/// Configuration files are small.
const MAX_CONFIGURATION: u64 = 16 << 20;

/// What becomes of a file that a package brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It lands under its name.
    Lands,
    /// It lands beside the one that is there, as `.rpmnew`.
    Beside,
    /// It lands under its name, and what is there gets this suffix first.
    InPlaceOf(&'static str),
    /// What is there stays as it is.
    Stays,
}

/// What becomes of a file of a package that goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Departure {
    Leaves,
    /// It is renamed to `.rpmsave`.
    Saved,
    Stays,
}

/// A file of a package, and its content on the build machine if that is known.
struct Brought<'a> {
    file: &'a PackagedFile,
    content: Option<&'a Path>,
}

impl<'a> Brought<'a> {
    fn of(supplied: &'a Supplied) -> impl Iterator<Item = Brought<'a>> {
        let files = supplied.package.files.iter().enumerate();
        files.map(|(index, file)| Brought { file, content: supplied.content(index) })
    }
}

/// What becomes of the files of packages that come, in the order of packages and files.
///
/// # Errors
/// A file cannot be read.
pub(super) fn arrivals(host: &Host, installs: &[Arc<Supplied>]) -> io::Result<Vec<Vec<Arrival>>> {
    let mut brought: BTreeSet<String> = BTreeSet::new();
    let mut arrivals = Vec::with_capacity(installs.len());
    for supplied in installs {
        let mut of_package = Vec::with_capacity(supplied.package.files.len());
        for new in Brought::of(supplied) {
            let path = resolved(&new.file.path).into_owned();
            // Of several packages that bring a file, the first one does.
            let arrival = if brought.contains(&path) { Arrival::Stays } else { arrival(host, &new, &path)? };
            if arrival != Arrival::Stays && new.file.kind != FileKind::Ghost {
                brought.insert(path);
            }
            of_package.push(arrival);
        }
        arrivals.push(of_package);
    }
    Ok(arrivals)
}

fn arrival(host: &Host, new: &Brought<'_>, path: &str) -> io::Result<Arrival> {
    let supplied = host.packages.iter().filter_map(|installed| installed.supplied.as_deref());
    let owned = supplied.flat_map(Brought::of).filter(|old| resolved(&old.file.path) == path);
    let is_configuration = |old: &Brought<'_>| old.file.config != Config::No || new.file.config != Config::No;
    let mut decided = None;
    for old in owned.filter(is_configuration) {
        if decided != Some(Arrival::Stays) {
            decided = Some(beside_older(host, &old, new)?);
        }
    }
    match decided {
        Some(arrival) => Ok(arrival),
        None if !is_changed(host, new)? => Ok(Arrival::Lands),
        None if new.file.config == Config::NoReplace => Ok(Arrival::Beside),
        None => Ok(Arrival::InPlaceOf(".rpmorig")),
    }
}

/// What becomes of a file where an installed package has one of that name, and one of both is a configuration file.
fn beside_older(host: &Host, old: &Brought<'_>, new: &Brought<'_>) -> io::Result<Arrival> {
    if new.file.kind == FileKind::Ghost {
        return Ok(Arrival::Stays);
    }
    let comparable = matches!(old.file.kind, FileKind::Regular { .. } | FileKind::Link(_));
    if !comparable || !host.root.exists(&new.file.path) || is_on_disk(host, old)? || is_on_disk(host, new)? {
        return Ok(Arrival::Lands);
    }
    let unchanged_by_the_upgrade = match (&old.file.kind, &new.file.kind) {
        (FileKind::Link(old), FileKind::Link(new)) => old == new,
        (FileKind::Regular { .. }, FileKind::Regular { .. }) => match (old.content, new.content) {
            (Some(old), Some(new)) => old == new || fs::read(old)? == fs::read(new)?,
            _ => false,
        },
        _ => false,
    };
    Ok(match (unchanged_by_the_upgrade, new.file.config) {
        (true, _) => Arrival::Stays,
        (false, Config::NoReplace) => Arrival::Beside,
        (false, _) => Arrival::InPlaceOf(".rpmsave"),
    })
}

/// What becomes of the files of a package that goes. A file that another package has or brings stays; that is for the
/// caller to find out when it goes.
///
/// # Errors
/// A file cannot be read.
pub(super) fn departures(host: &Host, gone: &Installed) -> io::Result<Vec<Departure>> {
    let content = |index| gone.supplied.as_ref().and_then(|supplied| supplied.content(index));
    let files = gone.package.files.iter().enumerate();
    let fates = files.map(|(index, file)| {
        Ok(match is_changed(host, &Brought { file, content: content(index) })? {
            false => Departure::Leaves,
            // A ghost that is a configuration file always counts as changed, and is neither saved nor removed.
            true if file.kind == FileKind::Ghost => Departure::Stays,
            true => Departure::Saved,
        })
    });
    fates.collect()
}

/// Whether a configuration file is there, and not as the package has it.
fn is_changed(host: &Host, brought: &Brought<'_>) -> io::Result<bool> {
    if brought.file.config == Config::No || !host.root.exists(&brought.file.path) {
        return Ok(false);
    }
    Ok(!is_on_disk(host, brought)?)
}

/// Whether a file or link is on the disk as a package has it.
fn is_on_disk(host: &Host, brought: &Brought<'_>) -> io::Result<bool> {
    let path = &brought.file.path;
    let Some(entry) = host.root.look(path)? else { return Ok(false) };
    match (&brought.file.kind, entry.kind) {
        (FileKind::Link(target), Kind::Link(there)) => Ok(there.as_os_str() == target.as_str()),
        (FileKind::Regular { .. }, Kind::File { size, .. }) => match brought.content {
            Some(content) if fs::metadata(content)?.len() == size && size <= MAX_CONFIGURATION => {
                Ok(fs::read(content)? == host.root.read(path, MAX_CONFIGURATION)?)
            }
            _ => Ok(false),
        },
        _ => Ok(false),
    }
}
