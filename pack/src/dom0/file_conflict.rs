//! Files that two packages have and rpm does not let them share.
//!
//! The rules are those of rpm 4.11 (`lib/rpmfi.c`, `rpmfiCompare`; `lib/transaction.c`). Colours, by which 32-bit and
//! 64-bit programs may share a path, do not matter here: hosts take packages for x86_64 and noarch.

use std::fmt;

use super::database::{Database, Knowledge};
use super::package::{FileKind, Package, PackagedFile};
use super::package_set::{PackageSet, resolved};
use super::plan::Plan;

/// A path that is in two packages and differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileConflict {
    pub path: String,
    /// What is to be installed.
    pub package: String,
    /// What has the path too.
    pub other: String,
    /// Whether the other one is installed; else both are to be installed.
    pub other_is_installed: bool,
}

impl fmt::Display for FileConflict {
    /// As rpm says it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FileConflict { path, package, other, other_is_installed } = self;
        match other_is_installed {
            true => write!(f, "file {path} from install of {package} conflicts with file from package {other}"),
            false => write!(f, "file {path} conflicts between attempted installs of {package} and {other}"),
        }
    }
}

/// What a look for file conflicts brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileConflicts {
    /// rpm refuses the transaction for these.
    pub conflicts: Vec<FileConflict>,
    /// Paths that two packages have, but the content of one of them is not known.
    pub uncertain: Vec<FileConflict>,
    /// Whether the files of everything that stays installed are known.
    pub all_known: bool,
}

/// Looks for files of a plan's packages that installed ones have too, or others of the plan.
pub fn file_conflicts(database: &Database, plan: &Plan<'_>) -> FileConflicts {
    let goes = |at: usize| plan.erased().any(|gone| std::ptr::eq(gone, database.set().at(at)));
    let staying: Vec<bool> = database.set().iter().map(|(at, _)| !goes(at)).collect();
    let coming: PackageSet<&Package> = plan.members.iter().map(|member| member.package).collect();
    let all_files_known = database.set().iter().all(|(at, installed)| !staying[at] || installed.files_known);
    let mut found = FileConflicts {
        all_known: database.knowledge() == Knowledge::All && all_files_known,
        ..FileConflicts::default()
    };
    for (at, package) in coming.iter() {
        for file in &package.files {
            let installed = database.set().owners(&file.path).iter().filter(|at| staying[**at]);
            let installed = installed.map(|at| (database.set().package(*at), true));
            let others = coming.owners(&file.path).iter().filter(|other| **other > at);
            let others = others.map(|other| (coming.package(*other), false));
            for (other, other_is_installed) in installed.chain(others) {
                let name = resolved(&file.path);
                let shared = other.files.iter().filter(|other_file| resolved(&other_file.path) == name);
                let conflict = || FileConflict {
                    path: file.path.clone(),
                    package: package.to_string(),
                    other: other.to_string(),
                    other_is_installed,
                };
                for other_file in shared {
                    match shareable(file, other_file) {
                        Some(true) => {}
                        Some(false) => found.conflicts.push(conflict()),
                        None => found.uncertain.push(conflict()),
                    }
                }
            }
        }
    }
    found
}

/// Whether two packages may have a file; nothing if its content is not known.
fn shareable(a: &PackagedFile, b: &PackagedFile) -> Option<bool> {
    match (&a.kind, &b.kind) {
        (FileKind::Ghost, _) | (_, FileKind::Ghost) => Some(true),
        (FileKind::Link(a), FileKind::Link(b)) => Some(a == b),
        _ if a.mode != b.mode => Some(false),
        (FileKind::Regular { digest: Some(a), .. }, FileKind::Regular { digest: Some(b), .. }) => {
            Some(a.eq_ignore_ascii_case(b))
        }
        (FileKind::Regular { .. }, FileKind::Regular { .. }) => None,
        _ => Some(true),
    }
}
