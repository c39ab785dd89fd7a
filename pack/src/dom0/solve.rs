//! Which packages yum 3.4.3 would install, upgrade and take away, or why it would refuse.
//!
//! Follows yum's own way (`yum/depsolve.py`, `yum/__init__.py`), not a complete solver's: it takes the first package that
//! fits and never goes back, so it refuses where another choice would have worked, and it upgrades more than was asked for
//! where that mends a broken requirement. Must not know files on a disk, packs, or XAPI.

mod choice;
mod explain;
mod rounds;
mod transaction;

#[cfg(test)]
mod tests;

use super::capture::GroupMode;
use super::database::Database;
use super::package::{Dependency, Package};
use super::package_set::PackageSet;
use super::plan::{Note, Plan};
use super::refusal::Refusal;
use transaction::Transaction;

/// The packages that can be installed.
#[derive(Debug, Clone)]
pub struct Repository {
    id: String,
    set: PackageSet<Package>,
}

impl Repository {
    /// A repository by its id, which in a pack is its label. Packages that are not for a host's architecture do not count.
    pub fn new(id: &str, packages: impl IntoIterator<Item = Package>) -> Repository {
        let fits = |package: &Package| ["x86_64", "noarch"].contains(&package.arch.as_str());
        Repository { id: id.into(), set: packages.into_iter().filter(fits).collect() }
    }

    /// Its packages.
    pub fn packages(&self) -> impl Iterator<Item = &Package> {
        self.set.iter().map(|(_, package)| package)
    }
}

/// `yum install NAME…`.
///
/// # Errors
/// [`Refusal`].
pub fn install<'a>(database: &'a Database, repository: &'a Repository, names: &[&str]) -> Result<Plan<'a>, Refusal> {
    let mut transaction = Transaction::new(database, repository);
    let mut any = false;
    for name in names {
        any |= transaction.install_pattern(name);
    }
    match any {
        true => transaction.resolve(),
        false => Err(Refusal::NothingToDo { names: names.iter().map(|name| (*name).to_owned()).collect() }),
    }
}

/// `yum upgrade @GROUP`, where the group has these members. With nothing to do it succeeds.
///
/// # Errors
/// [`Refusal`].
pub fn upgrade_group<'a>(
    database: &'a Database,
    repository: &'a Repository,
    group: &str,
    members: &[&str],
    mode: GroupMode,
) -> Result<Plan<'a>, Refusal> {
    let mut transaction = Transaction::new(database, repository);
    for name in members {
        let installed: Vec<_> = database.installed().filter(|installed| installed.package.name == *name).collect();
        let of_group = installed.iter().any(|installed| installed.group_member.as_deref() == Some(group));
        match mode {
            GroupMode::Objects if of_group => {
                transaction.update_installed(name);
            }
            GroupMode::Objects if !installed.is_empty() => {
                transaction.note(Note::NotOfGroup { package: (*name).into(), group: group.into() });
            }
            GroupMode::Objects | GroupMode::Compat => transaction.install_member(name, group),
        }
    }
    transaction.resolve()
}

/// A requirement of any version.
fn any_version(name: &str) -> Dependency {
    Dependency { name: name.into(), bound: None }
}
