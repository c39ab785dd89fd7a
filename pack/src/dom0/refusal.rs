//! Why yum would not run a transaction, and the words in which it says so: XAPI reads those.
//!
//! Wording of yum 3.4.3 (`output.py`, `yummain.py`, `cli.py`). Knows nothing of XAPI.

use std::fmt;

use super::file_conflict::FileConflict;
use super::package::{Dependency, Evr, Package};

/// A transaction that yum refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// None of the names is a package or something that a package provides.
    NothingToDo { names: Vec<String> },
    /// Requirements or conflicts for which yum found no solution.
    Unresolved(Vec<Problem>),
    /// Every round raised new questions, a hundred times.
    Endless,
    /// Packages need features that the host's rpm does not have: the feature, and what requires it.
    Features(Vec<(Dependency, String)>),
    /// Files that another package has too. Found by rpm, not by the solver.
    Files(Vec<FileConflict>),
}

/// One thing that yum could not solve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    Missing {
        /// What requires it, and where it comes from.
        package: String,
        origin: String,
        requirement: Dependency,
        /// What provides the capability in another version.
        found: Vec<Found>,
    },
    Conflict {
        /// Whose `Conflicts` it is.
        package: String,
        name: String,
        conflict: Dependency,
        /// What is conflicted with.
        with: String,
    },
}

/// A package that provides what is required, but not in the version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub state: State,
    pub package: String,
    pub origin: String,
    /// What it does provide by that name.
    pub provides: Vec<Dependency>,
}

/// What is with a package, or what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Installed,
    Removing,
    UpdatedBy,
    ObsoletedBy,
    Available,
    Installing,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Installed => "Installed",
            State::Removing => "Removing",
            State::UpdatedBy => "Updated By",
            State::ObsoletedBy => "Obsoleted By",
            State::Available => "Available",
            State::Installing => "Installing",
        })
    }
}

/// `[epoch:]name-version-release.arch`: yum puts the epoch first, and leaves out that of zero.
pub fn yum_name(package: &Package) -> String {
    let evr = yum_version(&Evr { epoch: None, ..package.evr.clone() });
    let epoch = package.evr.epoch.filter(|epoch| *epoch != 0).map(|epoch| format!("{epoch}:")).unwrap_or_default();
    format!("{epoch}{}-{evr}.{}", package.name, package.arch)
}

fn yum_version(evr: &Evr) -> String {
    Evr { epoch: evr.epoch.filter(|epoch| *epoch != 0), ..evr.clone() }.to_string()
}

/// A dependency without an epoch of zero.
pub fn yum_dependency(dependency: &Dependency) -> String {
    match &dependency.bound {
        Some((operator, evr)) => format!("{} {} {}", dependency.name, operator.as_str(), yum_version(evr)),
        None => dependency.name.clone(),
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Missing { package, origin, requirement, found } => {
                write!(f, "Package: {package} ({origin})\n    Requires: {}", yum_dependency(requirement))?;
                for Found { state, package, origin, provides } in found {
                    write!(f, "\n    {state}: {package} ({origin})")?;
                    if provides.is_empty() {
                        write!(f, "\n        Not found")?;
                    }
                    for provided in provides {
                        write!(f, "\n        {}", yum_dependency(provided))?;
                    }
                }
                Ok(())
            }
            Problem::Conflict { name, with, .. } => write!(f, "{name} conflicts with {with}"),
        }
    }
}

impl fmt::Display for Refusal {
    /// What yum prints about it, as far as XAPI reads it. Of several problems yum prints first whichever a hash table
    /// brings up first; here the first is the first that was found.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::NothingToDo { names } => {
                for name in names {
                    writeln!(f, "No package {name} available.")?;
                }
                writeln!(f, "Error: Nothing to do")
            }
            Refusal::Unresolved(problems) => {
                for problem in problems {
                    if let Problem::Conflict { package, conflict, .. } = problem {
                        writeln!(f, "--> Processing Conflict: {package} conflicts {}", yum_dependency(conflict))?;
                    }
                }
                for problem in problems {
                    writeln!(f, "Error: {problem}")?;
                }
                writeln!(f, " You could try using --skip-broken to work around the problem")?;
                writeln!(f, " You could try running: rpm -Va --nofiles --nodigest")
            }
            Refusal::Endless => writeln!(f, "Error: Depsolving loop limit reached."),
            Refusal::Features(features) => {
                writeln!(f, "ERROR You need to update rpm to handle:")?;
                for (feature, package) in features {
                    writeln!(f, "{} is needed by {package}", yum_dependency(feature))?;
                }
                writeln!(f, "RPM needs to be updated")
            }
            Refusal::Files(conflicts) => {
                writeln!(f, "\n\nTransaction check error:")?;
                for conflict in conflicts {
                    writeln!(f, "  {conflict}")?;
                }
                writeln!(f, "\nError Summary\n-------------\n")
            }
        }
    }
}
