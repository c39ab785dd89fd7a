//! The packages that are installed on a host, as far as they are known, and what follows from them.
//!
//! A capture of a host knows all of them. What is known of a release from public specs is a part: there a question may
//! have no answer, and that is never taken for a yes. Must not know packs.

use std::collections::BTreeSet;
use std::fmt;

use super::order;
use super::package::{Dependency, Package};
use super::package_set::PackageSet;
use super::plan::{Plan, Replacement};

/// A package on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    pub package: Package,
    /// Whether `package.files` are all of its files.
    pub files_known: bool,
    /// yum's own note of the group that it was installed for (`group_member` in `/var/lib/yum/yumdb`).
    pub group_member: Option<String>,
}

impl Installed {
    /// A package all of whose files are known, as plain rpm installs it: without a group.
    pub fn new(package: Package) -> Installed {
        Installed { package, files_known: true, group_member: None }
    }

    /// The same, for a package whose files are not known.
    pub fn without_files(package: Package) -> Installed {
        Installed { package, files_known: false, group_member: None }
    }
}

impl AsRef<Package> for Installed {
    fn as_ref(&self) -> &Package {
        &self.package
    }
}

/// How much of what is installed is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Knowledge {
    /// Every package.
    All,
    /// Some packages.
    Some,
}

/// An answer from a database that may not know everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer<T> {
    Yes(T),
    No,
    Unknown,
}

/// The packages on a host.
#[derive(Debug, Clone)]
pub struct Database {
    set: PackageSet<Installed>,
    knowledge: Knowledge,
}

/// A requirement of an installed package that nothing would meet any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// What requires it.
    pub package: String,
    pub requirement: Dependency,
}

impl fmt::Display for Broken {
    /// As rpm says it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is needed by (installed) {}", self.requirement, self.package)
    }
}

/// Why `rpm -e` refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EraseRefused {
    #[error("package {0} is not installed")]
    NotInstalled(String),
    #[error("Failed dependencies:{}", .0.iter().map(|broken| format!("\n\t{broken}")).collect::<String>())]
    Needed(Vec<Broken>),
}

/// What `rpm -e` would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure<'a> {
    /// The packages, in the order in which rpm erases them.
    pub packages: Vec<&'a Installed>,
    /// Requirements of which it is not known whether something unknown still meets them.
    pub unknown: Vec<Broken>,
}

impl Database {
    /// A database of some packages or all.
    pub fn new(installed: Vec<Installed>, knowledge: Knowledge) -> Database {
        Database { set: installed.into_iter().collect(), knowledge }
    }

    /// How much is known.
    pub fn knowledge(&self) -> Knowledge {
        self.knowledge
    }

    /// The packages.
    pub fn installed(&self) -> impl Iterator<Item = &Installed> {
        self.set.iter().map(|(_, installed)| installed)
    }

    /// The package of a name; the newest, if there are several.
    pub fn get(&self, name: &str) -> Option<&Installed> {
        self.set.newest(self.set.named(name).iter().copied()).map(|at| self.set.at(at))
    }

    /// Who meets a requirement.
    pub fn provider(&self, wanted: &Dependency) -> Answer<&Installed> {
        match self.provider_among(wanted, |_| true) {
            Answer::Yes(at) => Answer::Yes(self.set.at(at)),
            Answer::No => Answer::No,
            Answer::Unknown => Answer::Unknown,
        }
    }

    /// Who owns a path.
    pub fn owners(&self, path: &str) -> Answer<Vec<&Installed>> {
        let owners: Vec<&Installed> = self.set.owners(path).map(|(at, _)| self.set.at(at)).collect();
        match owners.is_empty() {
            true if self.knows_files() => Answer::No,
            true => Answer::Unknown,
            false => Answer::Yes(owners),
        }
    }

    /// Whether every file of every package is known.
    pub fn knows_files(&self) -> bool {
        self.knowledge == Knowledge::All && self.installed().all(|installed| installed.files_known)
    }

    pub(super) fn set(&self) -> &PackageSet<Installed> {
        &self.set
    }

    /// Who of those that stay meets a requirement. Whoever offers the capability in another version settles it: it is one
    /// of the host's own, such as `product-version`, and has one provider.
    pub(super) fn provider_among(&self, wanted: &Dependency, stays: impl Fn(usize) -> bool) -> Answer<usize> {
        if let Some(at) = self.set.providers(wanted).into_iter().find(|at| stays(*at)) {
            return Answer::Yes(at);
        }
        let offered_otherwise = self.set.offering(&wanted.name).into_iter().any(&stays);
        let is_path = wanted.name.starts_with('/');
        let settled = match self.knowledge {
            Knowledge::All => !is_path || self.set.iter().all(|(at, installed)| installed.files_known || !stays(at)),
            Knowledge::Some => offered_otherwise,
        };
        if settled { Answer::No } else { Answer::Unknown }
    }

    /// What `rpm -e` would do with some packages: which requirements of the others would break.
    ///
    /// # Errors
    /// [`EraseRefused`] if one is not installed, or if another installed package needs one.
    pub fn erase(&self, names: &[&str]) -> Result<Erasure<'_>, EraseRefused> {
        let mut gone = BTreeSet::new();
        for name in names {
            match self.set.named(name) {
                [] => return Err(EraseRefused::NotInstalled((*name).to_owned())),
                found => gone.extend(found),
            }
        }
        let (mut broken, mut unknown) = (Vec::new(), Vec::new());
        for (at, installed) in self.set.iter().filter(|(at, _)| !gone.contains(at)) {
            for requirement in &installed.package.requires {
                let met_by_gone = self.set.providers(requirement).iter().any(|at| gone.contains(at));
                if !met_by_gone {
                    continue;
                }
                let entry = || Broken { package: self.set.package(at).to_string(), requirement: requirement.clone() };
                match self.provider_among(requirement, |at| !gone.contains(&at)) {
                    Answer::Yes(_) => {}
                    // Nothing else is called like a package that goes.
                    Answer::Unknown if !names.contains(&requirement.name.as_str()) => unknown.push(entry()),
                    Answer::Unknown | Answer::No => broken.push(entry()),
                }
            }
        }
        if !broken.is_empty() {
            return Err(EraseRefused::Needed(broken));
        }
        let packages = order::requirers_first(gone.into_iter().map(|at| self.set.at(at)).collect());
        Ok(Erasure { packages, unknown })
    }

    /// The database after `rpm -e`.
    pub fn without(&self, erasure: &Erasure<'_>) -> Database {
        let stays = |installed: &&Installed| !erasure.packages.iter().any(|gone| std::ptr::eq(*gone, *installed));
        Database::new(self.installed().filter(stays).cloned().collect(), self.knowledge)
    }

    /// The database after a transaction of yum, which carries its note of the group over to the next version.
    pub fn after(&self, plan: &Plan<'_>) -> Database {
        let stays = |installed: &&Installed| !plan.erased().any(|gone| std::ptr::eq(gone, *installed));
        let mut installed: Vec<Installed> = self.installed().filter(stays).cloned().collect();
        for member in &plan.members {
            let mut replaced = member.replaces.iter().filter(|(_, how)| *how == Replacement::Upgrade);
            let carried = replaced.find_map(|(old, _)| old.group_member.clone());
            let group_member = member.group.clone().or(carried);
            installed.push(Installed { package: member.package.clone(), files_known: true, group_member });
        }
        Database::new(installed, self.knowledge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, requires: &[&str]) -> Package {
        let requires = requires.iter().map(|text| text.parse().unwrap()).collect();
        Package { requires, ..Package::new(name, "1-1".parse().unwrap(), "noarch") }
    }

    fn database(knowledge: Knowledge) -> Database {
        let packages = [
            package("agent", &["/bin/sh"]),
            package("update-x", &["agent >= 1-1", "control-x"]),
            package("control-x", &["product-version >= 8.2.0"]),
        ];
        let mut release = package("release", &[]);
        release.provides.push("product-version = 8.2.1".parse().unwrap());
        release.provides.push("/bin/sh".parse().unwrap());
        Database::new(packages.into_iter().chain([release]).map(Installed::new).collect(), knowledge)
    }

    fn answer(database: &Database, wanted: &str) -> Answer<String> {
        match database.provider(&wanted.parse().unwrap()) {
            Answer::Yes(installed) => Answer::Yes(installed.package.name.clone()),
            Answer::No => Answer::No,
            Answer::Unknown => Answer::Unknown,
        }
    }

    #[test]
    fn only_a_complete_database_denies_what_it_has_never_heard_of() {
        let release = || Answer::Yes("release".to_owned());
        for (knowledge, unheard) in [(Knowledge::All, Answer::No), (Knowledge::Some, Answer::Unknown)] {
            let database = database(knowledge);
            assert_eq!(answer(&database, "product-version >= 8.2.0"), release());
            assert_eq!(answer(&database, "product-version < 8.2.0"), Answer::No);
            assert_eq!(answer(&database, "/bin/sh"), release());
            assert_eq!(answer(&database, "python-paramiko"), unheard);
            assert_eq!(answer(&database, "/usr/bin/python"), unheard);
        }
    }

    #[test]
    fn a_package_without_a_file_list_leaves_paths_open() {
        let python = Installed::without_files(package("python", &[]));
        let database = Database::new(vec![python], Knowledge::All);
        assert_eq!(answer(&database, "/usr/bin/python"), Answer::Unknown);
        assert_eq!(database.owners("/usr/bin/python"), Answer::Unknown);
        assert_eq!(answer(&database, "perl"), Answer::No);
    }

    #[test]
    fn rpm_erases_what_nothing_else_needs_and_requirers_first() {
        let database = database(Knowledge::All);
        let erasure = database.erase(&["agent", "control-x", "update-x"]).unwrap();
        let order: Vec<&str> = erasure.packages.iter().map(|installed| installed.package.name.as_str()).collect();
        assert_eq!(order, ["update-x", "control-x", "agent"]);
        let left: Vec<String> = database.without(&erasure).installed().map(|i| i.package.name.clone()).collect();
        assert_eq!(left, ["release"]);
    }

    #[test]
    fn rpm_refuses_to_erase_what_others_need() {
        let database = database(Knowledge::All);
        for (names, message) in [
            (&["agent"][..], "Failed dependencies:\n\tagent >= 1-1 is needed by (installed) update-x-1-1.noarch"),
            (
                &["agent", "control-x"],
                "Failed dependencies:\n\tagent >= 1-1 is needed by (installed) update-x-1-1.noarch\
                 \n\tcontrol-x is needed by (installed) update-x-1-1.noarch",
            ),
            (&["agent", "nosuch"], "package nosuch is not installed"),
        ] {
            assert_eq!(database.erase(names).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn where_not_all_is_known_an_erasure_is_refused_for_a_package_and_left_open_for_a_capability() {
        let database = database(Knowledge::Some);
        assert!(matches!(database.erase(&["agent"]), Err(EraseRefused::Needed(_))));
        let erasure = database.erase(&["release"]).unwrap();
        let open: Vec<String> = erasure.unknown.iter().map(ToString::to_string).collect();
        assert_eq!(
            open,
            [
                "/bin/sh is needed by (installed) agent-1-1.noarch",
                "product-version >= 8.2.0 is needed by (installed) control-x-1-1.noarch",
            ]
        );
    }
}
