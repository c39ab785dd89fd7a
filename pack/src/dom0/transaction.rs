//! What rpm does to a host when packages come and go: files land and leave, scriptlets run with their argument.
//!
//! Order, arguments and failures: rpm 4.11 `lib/transaction.c`, `lib/rpmte.c`, `lib/psm.c`, `lib/fsm.c`. Must not know why
//! packages come and go, nor what becomes of configuration files ([`super::fate`]).

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::fate::{self, Arrival, Departure};
use super::host::{Host, Installed};
use super::package::{FileKind, Package};
use super::package_set::resolved;
use super::root::Kind;
use super::supply::Supplied;
use crate::rpm::scriptlet::Moment;

/// A package that goes.
#[derive(Debug, Clone)]
pub(super) struct Erasure {
    pub(super) package: Package,
    /// The name of the package that comes for it: a newer version, or what obsoletes it. If that one fails, this one stays.
    pub(super) replaced_by: Option<String>,
}

/// A package that did not come or go as it should have. rpm goes on with the others, and reports failure at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// A scriptlet failed that stops rpm.
    Scriptlet {
        moment: Moment,
        package: String,
        ended: String,
        /// What the scriptlet said.
        output: String,
    },
    /// A file could not be put in place.
    Unpacking { package: String, path: String, problem: String },
}

impl fmt::Display for Failure {
    /// As rpm says it, after what the scriptlet said.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Scriptlet { moment, package, ended, output } => {
                write!(f, "{output}\nerror: {moment}({package}) scriptlet failed, {ended}")
            }
            Failure::Unpacking { package, path, problem } => {
                write!(f, "error: {package}: unpacking of archive failed on file {path}: {problem}")
            }
        }
    }
}

/// Puts packages into a host, in this order, then takes others out. Scriptlets run if the host can run them; what they
/// did is in [`Host::runs`].
///
/// # Errors
/// The host's folder cannot be changed, or a package says something about its files that cannot be done.
pub(super) fn transact(host: &mut Host, installs: &[Arc<Supplied>], erases: &[Erasure]) -> io::Result<Vec<Failure>> {
    host.transacting = true;
    let done = come_and_go(host, installs, erases);
    host.transacting = false;
    done
}

fn come_and_go(host: &mut Host, installs: &[Arc<Supplied>], erases: &[Erasure]) -> io::Result<Vec<Failure>> {
    let mut course = Course { failures: Vec::new(), failed: BTreeSet::new() };
    // rpm counts no packages for these two: `lib/psm.c`, `rpmpsmRun`.
    const NOT_COUNTED: usize = 0;
    for supplied in installs {
        course.scriptlet(host, supplied, Moment::PreTrans, NOT_COUNTED)?;
    }
    let arrivals = fate::arrivals(host, installs)?;
    let mut departures = Vec::with_capacity(erases.len());
    for erasure in erases {
        departures.push(match position(host, &erasure.package) {
            Some(index) => fate::departures(host, &host.packages[index])?,
            None => Vec::new(),
        });
    }
    for (supplied, arrivals) in installs.iter().zip(&arrivals) {
        course.install(host, supplied, arrivals)?;
    }
    let brought: BTreeSet<String> = installs
        .iter()
        .flat_map(|supplied| &supplied.package.files)
        .map(|file| resolved(&file.path).into_owned())
        .collect();
    for (erasure, departures) in erases.iter().zip(&departures) {
        if erasure.replaced_by.as_ref().is_none_or(|name| !course.failed.contains(name)) {
            course.erase(host, &erasure.package, departures, &brought)?;
        }
    }
    for supplied in installs.iter().filter(|supplied| !course.failed.contains(&supplied.package.name)) {
        if let Some(scriptlet) = supplied.scriptlet(Moment::PostTrans) {
            host.run_scriptlet(&supplied.package, scriptlet, NOT_COUNTED)?;
        }
    }
    Ok(course.failures)
}

/// What failed so far.
struct Course {
    failures: Vec<Failure>,
    /// Names of packages that were to come.
    failed: BTreeSet<String>,
}

impl Course {
    /// Runs a scriptlet if there is one; whether rpm goes on with the package.
    fn scriptlet(&mut self, host: &mut Host, supplied: &Supplied, moment: Moment, argument: usize) -> io::Result<bool> {
        let Some(scriptlet) = supplied.scriptlet(moment) else { return Ok(true) };
        if host.run_scriptlet(&supplied.package, scriptlet, argument)? {
            return Ok(true);
        }
        let (ended, output) =
            host.runs.last().map(|run| (run.ended.to_string(), run.output.trim_end().to_owned())).unwrap_or_default();
        let ended = ended.replace("exit code", "exit status");
        self.failures.push(Failure::Scriptlet { moment, package: supplied.package.to_string(), ended, output });
        if moment != Moment::PreUn {
            self.failed.insert(supplied.package.name.clone());
        }
        Ok(false)
    }

    fn install(&mut self, host: &mut Host, supplied: &Arc<Supplied>, arrivals: &[Arrival]) -> io::Result<()> {
        let name = &supplied.package.name;
        let count = count(host, name) + 1;
        if self.failed.contains(name) || !self.scriptlet(host, supplied, Moment::Pre, count)? {
            return Ok(());
        }
        if let Err((path, error)) = land(host, supplied, arrivals) {
            if !is_in_the_way(&error) {
                return Err(error);
            }
            let (package, problem) = (supplied.package.to_string(), error.to_string());
            self.failures.push(Failure::Unpacking { package, path, problem });
            self.failed.insert(name.clone());
            return Ok(());
        }
        host.packages.push(Installed::of(Arc::clone(supplied)));
        self.scriptlet(host, supplied, Moment::Post, count).map(drop)
    }

    fn erase(
        &mut self,
        host: &mut Host,
        package: &Package,
        departures: &[Departure],
        brought: &BTreeSet<String>,
    ) -> io::Result<()> {
        let Some(index) = position(host, package) else { return Ok(()) };
        let left = count(host, &package.name).saturating_sub(1);
        let supplied = host.packages[index].supplied.clone();
        if let Some(supplied) = &supplied
            && !self.scriptlet(host, supplied, Moment::PreUn, left)?
        {
            return Ok(());
        }
        let gone = host.packages.remove(index);
        leave(host, &gone, departures, brought);
        match &supplied {
            Some(supplied) => self.scriptlet(host, supplied, Moment::PostUn, left).map(drop),
            None => Ok(()),
        }
    }
}

/// How many versions of a package are installed.
fn count(host: &Host, name: &str) -> usize {
    host.packages.iter().filter(|installed| installed.package.name == name).count()
}

fn position(host: &Host, package: &Package) -> Option<usize> {
    host.packages.iter().position(|i| i.package.name == package.name && i.package.evr == package.evr)
}

/// Whether something is where a file should go: a failure of the package. Everything else is one of the rehearsal.
fn is_in_the_way(error: &io::Error) -> bool {
    use io::ErrorKind::{AlreadyExists, DirectoryNotEmpty, IsADirectory, NotADirectory, NotFound};
    matches!(error.kind(), AlreadyExists | DirectoryNotEmpty | IsADirectory | NotADirectory | NotFound)
        || error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

/// Puts a package's files into the root; else the path that could not be put there.
fn land(host: &Host, supplied: &Supplied, arrivals: &[Arrival]) -> Result<(), (String, io::Error)> {
    let mut linked: HashMap<(&Path, u32), String> = HashMap::new();
    for (index, (file, arrival)) in supplied.package.files.iter().zip(arrivals).enumerate() {
        let failed = |error: io::Error| (file.path.clone(), error);
        host.root.make_parents(&file.path).map_err(failed)?;
        if *arrival == Arrival::Stays || file.kind == FileKind::Ghost {
            continue;
        }
        let path = match arrival {
            Arrival::Beside => format!("{}.rpmnew", file.path),
            _ => file.path.clone(),
        };
        if let Arrival::InPlaceOf(suffix) = arrival {
            host.root.rename(&path, format!("{path}{suffix}")).map_err(failed)?;
        }
        let permissions = file.mode & 0o7777;
        match &file.kind {
            FileKind::Directory => make_folder(host, &path, permissions),
            FileKind::Link(target) => host.root.symlink(&path, target),
            FileKind::Ghost => Ok(()),
            FileKind::Special => {
                let problem = format!("{path} is a device, pipe or socket, which a pack has no business to bring");
                Err(io::Error::new(io::ErrorKind::Unsupported, problem))
            }
            FileKind::Regular { .. } => match supplied.content(index) {
                None => Err(io::Error::new(io::ErrorKind::InvalidData, format!("{path} has no content"))),
                Some(content) => match linked.get(&(content, permissions)) {
                    Some(first) => host.root.hard_link(&path, first),
                    None => {
                        linked.insert((content, permissions), path.clone());
                        put(host, &path, permissions, content)
                    }
                },
            },
        }
        .map_err(failed)?;
    }
    Ok(())
}

/// Puts content into a file. What is large is linked: no script of a pack writes into such a file, and if one does, only
/// other rehearsed hosts see it, which do not look at it.
fn put(host: &Host, path: &str, mode: u32, content: &Path) -> io::Result<()> {
    const LARGE: u64 = 16 << 20;
    if fs::metadata(content)?.len() >= LARGE && host.root.adopt(path, mode, content).is_ok() {
        return Ok(());
    }
    host.root.write(path, mode, &mut File::open(content)?).map(drop)
}

/// A folder gets the mode that its package says, even if it is there. A file or a link to nowhere makes way for it.
fn make_folder(host: &Host, path: &str, mode: u32) -> io::Result<()> {
    match host.root.make_folder(path, mode) {
        Ok(true) => Ok(()),
        Ok(false) => host.root.set_folder_mode(path, mode),
        Err(e) if is_in_the_way(&e) && host.root.remove(path)? => host.root.make_folder(path, mode).map(drop),
        Err(e) => Err(e),
    }
}

/// Takes a package's files out of the root, but for those that another package has too, or was to bring. What cannot be
/// removed is only a warning for rpm.
fn leave(host: &Host, gone: &Installed, departures: &[Departure], brought: &BTreeSet<String>) {
    let owned: BTreeSet<String> = host
        .packages
        .iter()
        .flat_map(|installed| &installed.package.files)
        .map(|file| resolved(&file.path).into_owned())
        .collect();
    let mut files: Vec<_> = gone.package.files.iter().zip(departures).collect();
    // What lies in a folder goes before the folder.
    files.sort_by(|(a, _), (b, _)| b.path.cmp(&a.path));
    for (file, departure) in files {
        let path = resolved(&file.path);
        if owned.contains(path.as_ref()) || brought.contains(path.as_ref()) {
            continue;
        }
        let _ = match departure {
            Departure::Stays => Ok(()),
            Departure::Saved => host.root.rename(&file.path, format!("{}.rpmsave", file.path)),
            Departure::Leaves => match host.root.look(&file.path) {
                Ok(Some(entry)) if entry.kind == Kind::Folder => host.root.remove_folder(&file.path).map(drop),
                _ => host.root.remove(&file.path).map(drop),
            },
        };
    }
}
