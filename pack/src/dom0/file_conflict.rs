//! Files that two packages have and rpm does not let them share.
//!
//! The rules are those of rpm's `rpmfilesCompare` (`lib/rpmfi.c`; older versions may be laxer about owners). Colours, by which 32-bit and
//! 64-bit programs may share a path, do not matter here: hosts take packages for x86_64 and noarch.

use std::fmt;

use super::database::{Database, Knowledge};
use super::package::{FileKind, Package, PackagedFile};
use super::package_set::PackageSet;
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
            let installed = database.set().owners(&file.path).filter(|(at, _)| staying[*at]);
            let installed = installed.map(|(at, shared)| (database.set().package(at), shared, true));
            let others = coming.owners(&file.path).filter(|(other, _)| *other > at);
            let others = others.map(|(other, shared)| (coming.package(other), shared, false));
            for (other, shared, other_is_installed) in installed.chain(others) {
                let conflict = FileConflict {
                    path: file.path.clone(),
                    package: package.to_string(),
                    other: other.to_string(),
                    other_is_installed,
                };
                match shareable(file, shared) {
                    Some(true) => {}
                    Some(false) => found.conflicts.push(conflict),
                    None => found.uncertain.push(conflict),
                }
            }
        }
    }
    found
}

/// Folders, and links to folders, that an older or obsoleted package has where a plan's package has something else or a
/// folder. rpm refuses these if they are on the disk, for it cannot replace them (`handleRemovalConflict` in
/// `lib/transaction.c`).
pub(super) fn replaced_folders(plan: &Plan<'_>) -> Vec<FileConflict> {
    let going: PackageSet<&Package> = plan.erased().map(|installed| &installed.package).collect();
    let mut found = Vec::new();
    for package in plan.members.iter().map(|member| member.package) {
        for file in &package.files {
            let stuck = |old: &PackagedFile| match (&old.kind, &file.kind) {
                (_, FileKind::Ghost) | (FileKind::Directory, FileKind::Directory) => false,
                (FileKind::Directory, _) | (FileKind::Link(_), FileKind::Directory) => true,
                _ => false,
            };
            for (other, _) in going.owners(&file.path).filter(|(_, old)| stuck(old)) {
                found.push(FileConflict {
                    path: file.path.clone(),
                    package: package.to_string(),
                    other: going.package(other).to_string(),
                    other_is_installed: true,
                });
            }
        }
    }
    found
}

/// Whether two packages may have a file; nothing if its content is not known.
fn shareable(a: &PackagedFile, b: &PackagedFile) -> Option<bool> {
    if matches!(a.kind, FileKind::Ghost) || matches!(b.kind, FileKind::Ghost) {
        return Some(true);
    }
    let both_links = matches!((&a.kind, &b.kind), (FileKind::Link(_), FileKind::Link(_)));
    if (a.mode != b.mode && !both_links) || a.user != b.user || a.group != b.group {
        return Some(false);
    }
    match (&a.kind, &b.kind) {
        (FileKind::Link(a), FileKind::Link(b)) => Some(a == b),
        (FileKind::Regular { digest: Some(a), .. }, FileKind::Regular { digest: Some(b), .. }) => {
            // Digests of different kinds cannot be equal: rpm does not hash anything to find out.
            Some(a.eq_ignore_ascii_case(b))
        }
        (FileKind::Regular { .. }, FileKind::Regular { .. }) => None,
        _ => Some(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dom0::database::Installed;
    use crate::dom0::solve::{Repository, install};
    use crate::rpm::package::Config;

    fn file(path: &str, mode: u32, kind: FileKind) -> PackagedFile {
        PackagedFile { path: path.into(), mode, user: "root".into(), group: "root".into(), kind, config: Config::No }
    }

    fn regular(path: &str, mode: u32, digest: Option<&str>) -> PackagedFile {
        file(path, 0o100_000 | mode, FileKind::Regular { size: 1, digest: digest.map(str::to_owned) })
    }

    fn package(name: &str, files: Vec<PackagedFile>) -> Package {
        Package { files, ..Package::new(name, "1-1".parse().unwrap(), "noarch") }
    }

    /// What is found when a package with one file comes to a host that has the other.
    fn found(new: PackagedFile, old: PackagedFile) -> FileConflicts {
        let database = Database::new(vec![Installed::new(package("old", vec![old]))], Knowledge::All);
        let repository = Repository::new("x", [package("new", vec![new])]);
        let plan = install(&database, &repository, &["new"]).unwrap();
        file_conflicts(&database, &plan)
    }

    /// Run with rpm 4.18 as well.
    #[test]
    fn two_packages_share_a_path_only_if_everything_about_it_agrees() {
        let directory = |mode: u32| file("/opt/d", 0o40_000 | mode, FileKind::Directory);
        let link = |target: &str| file("/opt/d", 0o120_777, FileKind::Link(target.into()));
        let ghost = || file("/opt/d", 0o100_600, FileKind::Ghost);
        let plain = |mode: u32, digest: &str| regular("/opt/d", mode, Some(digest));
        let owned = |user: &str, file: PackagedFile| PackagedFile { user: user.into(), ..file };
        let config = |file: PackagedFile| PackagedFile { config: Config::NoReplace, ..file };
        for (a, b, conflict) in [
            (plain(0o644, "aa"), plain(0o644, "AA"), false),
            (plain(0o644, "aa"), plain(0o644, "bb"), true),
            (plain(0o644, "aa"), plain(0o755, "aa"), true),
            (plain(0o644, "aa"), owned("daemon", plain(0o644, "aa")), true),
            (config(plain(0o644, "aa")), plain(0o644, "aa"), false),
            (config(plain(0o644, "aa")), config(plain(0o644, "bb")), true),
            (directory(0o755), directory(0o755), false),
            (directory(0o755), directory(0o700), true),
            (directory(0o755), owned("daemon", directory(0o755)), true),
            (directory(0o755), plain(0o644, "aa"), true),
            (link("a"), link("a"), false),
            (link("a"), link("b"), true),
            (link("a"), owned("daemon", link("a")), true),
            (link("a"), plain(0o644, "aa"), true),
            (ghost(), plain(0o644, "aa"), false),
            (directory(0o755), ghost(), false),
        ] {
            for (a, b) in [(&a, &b), (&b, &a)] {
                assert_eq!(!found(a.clone(), b.clone()).conflicts.is_empty(), conflict, "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn a_conflict_is_told_in_rpms_words() {
        let conflicts = found(regular("/a", 0o644, Some("aa")), regular("/a", 0o644, Some("bb"))).conflicts;
        let words: Vec<String> = conflicts.iter().map(ToString::to_string).collect();
        assert_eq!(words, ["file /a from install of new-1-1.noarch conflicts with file from package old-1-1.noarch"]);
    }

    #[test]
    fn paths_through_merged_folders_are_the_same() {
        let found = found(regular("/bin/a", 0o755, Some("aa")), regular("/usr/bin/a", 0o755, Some("bb")));
        assert_eq!(found.conflicts.len(), 1);
        assert!(found.all_known);
    }

    #[test]
    fn unknown_content_and_unknown_lists_are_said_to_be_unknown() {
        let digestless = found(regular("/a", 0o644, Some("aa")), regular("/a", 0o644, None));
        assert_eq!((digestless.conflicts.len(), digestless.uncertain.len()), (0, 1));
        let database = Database::new(vec![Installed::without_files(package("old", Vec::new()))], Knowledge::All);
        let repository = Repository::new("x", [package("new", vec![regular("/a", 0o644, Some("aa"))])]);
        let plan = install(&database, &repository, &["new"]).unwrap();
        assert!(!file_conflicts(&database, &plan).all_known);
    }

    #[test]
    fn files_of_what_goes_do_not_count_and_those_of_what_comes_too_do() {
        let old = package("old", vec![regular("/a", 0o644, Some("aa"))]);
        let database = Database::new(vec![Installed::new(old)], Knowledge::All);
        let mut new = package("new", vec![regular("/a", 0o644, Some("bb"))]);
        new.obsoletes.push("old".parse().unwrap());
        let other = package("other", vec![regular("/a", 0o644, Some("cc"))]);
        let repository = Repository::new("x", [new, other]);
        let plan = install(&database, &repository, &["new"]).unwrap();
        assert_eq!(file_conflicts(&database, &plan).conflicts, []);
        let plan = install(&database, &repository, &["new", "other"]).unwrap();
        let conflicts = file_conflicts(&database, &plan).conflicts;
        assert_eq!(conflicts.len(), 1);
        assert!(!conflicts[0].other_is_installed);
    }
}
