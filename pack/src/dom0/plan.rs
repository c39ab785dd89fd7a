//! What a transaction of yum would do.
//!
//! Knows no rule by which yum decides.

use std::fmt;

use super::database::Installed;
use super::order;
use super::package::{Dependency, Package};

/// A transaction that yum would run.
#[derive(Debug, Clone)]
pub struct Plan<'a> {
    /// What is to be installed, in rpm's order. Empty: yum has nothing to do, and reports success.
    pub members: Vec<Member<'a>>,
    /// What yum says on the way.
    pub notes: Vec<Note>,
    /// What could not be checked, because not all of the host is known.
    pub unknown: Vec<Unchecked>,
}

/// A package that a transaction installs.
#[derive(Debug, Clone)]
pub struct Member<'a> {
    pub package: &'a Package,
    /// What goes for it.
    pub replaces: Vec<(&'a Installed, Replacement)>,
    /// The group for which it is installed.
    pub group: Option<String>,
}

/// Why a package goes when another one comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replacement {
    /// It is an older version.
    Upgrade,
    /// The other one obsoletes it.
    Obsolete,
}

/// Why something that was asked for is not done. None of them is a failure for yum, nor for XAPI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// No package has this name.
    NotAvailable(String),
    /// This or a newer version is installed; the installed package.
    UpToDate(String),
    /// An installed package obsoletes it.
    Obsoleted { package: String, by: String },
    /// It is installed, but not for this group, so that a group's upgrade passes it by.
    NotOfGroup { package: String, group: String },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::NotAvailable(name) => write!(f, "No package {name} available."),
            Note::UpToDate(package) => write!(f, "Package {package} already installed and latest version"),
            Note::Obsoleted { package, by } => write!(f, "Removing {package} due to obsoletes from installed {by}"),
            Note::NotOfGroup { package, group } => {
                write!(f, "Skipping package {package} from group {group}: it was not installed for the group")
            }
        }
    }
}

/// A question that a host of which not everything is known leaves open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unchecked {
    /// Whether something unknown meets a requirement.
    Requirement { package: String, requirement: Dependency },
    /// Whether something unknown is what a package conflicts with.
    Conflict { package: String, conflict: Dependency },
}

impl fmt::Display for Unchecked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unchecked::Requirement { package, requirement } => {
                write!(f, "whether the host provides {requirement}, which {package} requires")
            }
            Unchecked::Conflict { package, conflict } => {
                write!(f, "whether the host provides {conflict}, with which {package} conflicts")
            }
        }
    }
}

impl<'a> Plan<'a> {
    /// What is installed without replacing an older version.
    pub fn fresh(&self) -> impl Iterator<Item = &'a Package> {
        let is_fresh = |member: &&Member<'_>| !member.replaces.iter().any(|(_, how)| *how == Replacement::Upgrade);
        self.members.iter().filter(is_fresh).map(|member| member.package)
    }

    /// What is upgraded: old and new.
    pub fn upgrades(&self) -> impl Iterator<Item = (&'a Installed, &'a Package)> {
        self.replaced(Replacement::Upgrade)
    }

    /// What is obsoleted, and by what.
    pub fn obsoletes(&self) -> impl Iterator<Item = (&'a Installed, &'a Package)> {
        self.replaced(Replacement::Obsolete)
    }

    /// What goes.
    pub fn erased(&self) -> impl Iterator<Item = &'a Installed> {
        self.members.iter().flat_map(|member| member.replaces.iter().map(|(old, _)| *old))
    }

    /// What goes, in the order in which rpm erases it, after everything is installed.
    pub fn erasures(&self) -> Vec<&'a Installed> {
        order::requirers_first(self.erased().collect())
    }

    fn replaced(&self, wanted: Replacement) -> impl Iterator<Item = (&'a Installed, &'a Package)> {
        self.members.iter().flat_map(move |member| {
            let of_kind = member.replaces.iter().filter(move |(_, how)| *how == wanted);
            of_kind.map(|(old, _)| (*old, member.package))
        })
    }
}
