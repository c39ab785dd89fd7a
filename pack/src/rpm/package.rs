//! Packages as a dependency solver sees them: names, versions, and what they need, offer and bring.
//!
//! Knows rpm's rules for comparing (rpm 4.11 `lib/rpmds.c`, `rpmdsCompare`); must not know where packages come from.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use rpm::{DependencyFlags, FileFlags, FileType};

use crate::rpm::Rpm;
use crate::spec::{Operator, rpm_compare};

/// `[epoch:]version[-release]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Evr {
    pub epoch: Option<u32>,
    pub version: String,
    pub release: Option<String>,
}

impl FromStr for Evr {
    type Err = String;

    fn from_str(text: &str) -> Result<Evr, String> {
        let (epoch, rest) = match text.split_once(':') {
            Some((epoch, rest)) => {
                (Some(epoch.parse().map_err(|_| format!("{text:?} has no number as its epoch"))?), rest)
            }
            None => (None, text),
        };
        let (version, release) = match rest.rsplit_once('-') {
            Some((version, release)) => (version, Some(release.to_owned())),
            None => (rest, None),
        };
        match version.is_empty() {
            true => Err(format!("{text:?} has no version")),
            false => Ok(Evr { epoch, version: version.into(), release }),
        }
    }
}

impl fmt::Display for Evr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(epoch) = self.epoch {
            write!(f, "{epoch}:")?;
        }
        f.write_str(&self.version)?;
        match &self.release {
            Some(release) => write!(f, "-{release}"),
            None => Ok(()),
        }
    }
}

impl Evr {
    /// Compares as rpm does: no epoch is epoch 0, and a release counts only where both have one.
    pub fn compare(&self, other: &Evr) -> Ordering {
        let epochs = self.epoch.unwrap_or(0).cmp(&other.epoch.unwrap_or(0));
        let releases = || match (&self.release, &other.release) {
            (Some(a), Some(b)) => rpm_compare(a, b),
            _ => Ordering::Equal,
        };
        epochs.then_with(|| rpm_compare(&self.version, &other.version)).then_with(releases)
    }
}

/// A capability, perhaps within a bound: what a package requires, provides, conflicts with or obsoletes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Dependency {
    pub name: String,
    pub bound: Option<(Operator, Evr)>,
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match &self.bound {
            Some((operator, evr)) => write!(f, " {} {evr}", operator.as_str()),
            None => Ok(()),
        }
    }
}

impl FromStr for Dependency {
    type Err = String;

    /// As rpm prints it: `name`, or `name >= [epoch:]version[-release]`.
    fn from_str(text: &str) -> Result<Dependency, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words.as_slice() {
            [name] => Ok(Dependency { name: (*name).into(), bound: None }),
            [name, operator, evr] => {
                let operator = Operator::ALL.into_iter().find(|known| known.as_str() == *operator);
                let operator = operator.ok_or_else(|| format!("{text:?} has no operator that rpm knows"))?;
                Ok(Dependency { name: (*name).into(), bound: Some((operator, evr.parse()?)) })
            }
            _ => Err(format!("{text:?} is not a dependency")),
        }
    }
}

impl Dependency {
    /// Whether something that is offered as `provided` meets it: same name, and bounds that overlap.
    pub fn is_met_by(&self, provided: &Dependency) -> bool {
        if self.name != provided.name {
            return false;
        }
        let (Some((wanted, wanted_evr)), Some((offered, offered_evr))) = (&self.bound, &provided.bound) else {
            // Without a version on one side every version will do.
            return true;
        };
        let below = |operator: &Operator| matches!(operator, Operator::Less | Operator::LessOrEqual);
        let above = |operator: &Operator| matches!(operator, Operator::Greater | Operator::GreaterOrEqual);
        let exact = |operator: &Operator| {
            matches!(operator, Operator::Equal | Operator::LessOrEqual | Operator::GreaterOrEqual)
        };
        match offered_evr.compare(wanted_evr) {
            Ordering::Less => above(offered) || below(wanted),
            Ordering::Greater => below(offered) || above(wanted),
            Ordering::Equal => {
                (exact(offered) && exact(wanted))
                    || (below(offered) && below(wanted))
                    || (above(offered) && above(wanted))
            }
        }
    }
}

/// A file that a package brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackagedFile {
    /// Absolute path.
    pub path: String,
    /// Type and permissions as in `st_mode`.
    pub mode: u32,
    pub user: String,
    pub group: String,
    pub kind: FileKind,
    /// Whether it is a configuration file, and what becomes of one that the administrator changed.
    pub config: Config,
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file; its size in bytes and digest in hexadecimal digits, where they are known.
    Regular {
        size: u64,
        digest: Option<String>,
    },
    Directory,
    /// A symbolic link and its target.
    Link(String),
    /// Owned, but not brought.
    Ghost,
    /// A device, a pipe or a socket.
    Special,
}

/// How rpm treats a file that the administrator changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Config {
    /// It is none: overwritten.
    No,
    /// Saved as `.rpmsave` by an upgrade.
    Replace,
    /// Kept by an upgrade, whose own comes as `.rpmnew`.
    NoReplace,
}

/// A package, installed or to be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    pub name: String,
    pub evr: Evr,
    pub arch: String,
    pub requires: Vec<Dependency>,
    pub provides: Vec<Dependency>,
    pub conflicts: Vec<Dependency>,
    pub obsoletes: Vec<Dependency>,
    pub files: Vec<PackagedFile>,
}

impl fmt::Display for Package {
    /// `name-[epoch:]version-release.arch`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}.{}", self.name, self.evr, self.arch)
    }
}

impl AsRef<Package> for Package {
    fn as_ref(&self) -> &Package {
        self
    }
}

impl Package {
    /// A package that provides its own name in its version, as every package does, and nothing else.
    pub fn new(name: &str, evr: Evr, arch: &str) -> Package {
        Package {
            name: name.into(),
            provides: vec![Dependency { name: name.into(), bound: Some((Operator::Equal, evr.clone())) }],
            evr,
            arch: arch.into(),
            requires: Vec::new(),
            conflicts: Vec::new(),
            obsoletes: Vec::new(),
            files: Vec::new(),
        }
    }

    /// Whether it obsoletes another one: by name and version, never by what that provides, and never itself.
    pub fn obsoletes(&self, other: &Package) -> bool {
        let itself = other.itself();
        self.name != other.name && self.obsoletes.iter().any(|obsoleted| obsoleted.is_met_by(&itself))
    }

    /// Its name in its version, which is what `Obsoletes` is about.
    pub fn itself(&self) -> Dependency {
        Dependency { name: self.name.clone(), bound: Some((Operator::Equal, self.evr.clone())) }
    }

    /// What the headers of a package say.
    ///
    /// # Errors
    /// What in them cannot be read, in a few words.
    pub fn of(rpm: &Rpm) -> Result<Package, String> {
        let m = rpm.metadata();
        let list = |list: Result<Vec<rpm::Dependency>, rpm::Error>| -> Result<Vec<Dependency>, String> {
            list.map_err(|e| e.to_string())?.iter().map(dependency).collect()
        };
        let entries = m.get_file_entries().map_err(|e| e.to_string())?;
        let release = Some(rpm.release().to_owned());
        Ok(Package {
            name: rpm.name().into(),
            evr: Evr { epoch: rpm.epoch(), version: rpm.version().into(), release },
            arch: rpm.arch().into(),
            requires: list(m.get_requires())?,
            provides: list(m.get_provides())?,
            conflicts: list(m.get_conflicts())?,
            obsoletes: list(m.get_obsoletes())?,
            files: entries.iter().map(PackagedFile::of).collect(),
        })
    }

    /// Whether it offers what is wanted: by a capability, or by a file if that is an absolute path.
    pub fn meets(&self, wanted: &Dependency) -> bool {
        self.provides.iter().any(|provided| wanted.is_met_by(provided))
            || (wanted.name.starts_with('/') && self.files.iter().any(|file| file.path == wanted.name))
    }
}

fn dependency(dependency: &rpm::Dependency) -> Result<Dependency, String> {
    let flags = dependency.flags;
    let (less, greater, equal) = (
        flags.contains(DependencyFlags::LESS),
        flags.contains(DependencyFlags::GREATER),
        flags.contains(DependencyFlags::EQUAL),
    );
    let operator = match (less, greater, equal) {
        (true, false, false) => Some(Operator::Less),
        (true, false, true) => Some(Operator::LessOrEqual),
        (false, false, true) => Some(Operator::Equal),
        (false, true, true) => Some(Operator::GreaterOrEqual),
        (false, true, false) => Some(Operator::Greater),
        _ => None,
    };
    let bound = match operator.filter(|_| !dependency.version.is_empty()) {
        Some(operator) => Some((operator, dependency.version.parse()?)),
        None => None,
    };
    Ok(Dependency { name: dependency.name.clone(), bound })
}

impl PackagedFile {
    fn of(entry: &rpm::FileEntry<'_>) -> PackagedFile {
        let flags = entry.flags();
        let kind = match entry.file_type() {
            _ if flags.contains(FileFlags::GHOST) => FileKind::Ghost,
            FileType::Dir => FileKind::Directory,
            FileType::SymbolicLink => FileKind::Link(entry.linkto().unwrap_or_default().to_owned()),
            FileType::Regular => {
                FileKind::Regular { size: entry.size() as u64, digest: entry.digest().map(ToString::to_string) }
            }
            _ => FileKind::Special,
        };
        let config = match (flags.contains(FileFlags::CONFIG), flags.contains(FileFlags::NOREPLACE)) {
            (false, _) => Config::No,
            (true, false) => Config::Replace,
            (true, true) => Config::NoReplace,
        };
        PackagedFile {
            path: format!("{}{}", entry.dirname(), entry.basename()),
            mode: u32::from(entry.mode().raw_mode()),
            user: entry.user().to_owned(),
            group: entry.group().to_owned(),
            kind,
            config,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dependency(text: &str) -> Dependency {
        format!("a {text}").parse().unwrap()
    }

    #[test]
    fn versions_compare_as_rpm_compares_them() {
        for (lower, higher) in [
            ("1.0~rc", "1.0"),
            ("1.0", "1.0.1"),
            ("1.9", "1.10"),
            ("1.0a", "1.0.1"),
            ("1.a", "1.1"),
            ("99-9", "1:0-1"),
            ("1.0-1", "1.0-2"),
            ("1.0-9", "1.1"),
        ] {
            let (lower, higher): (Evr, Evr) = (lower.parse().unwrap(), higher.parse().unwrap());
            assert_eq!(lower.compare(&higher), Ordering::Less, "{lower} {higher}");
            assert_eq!(higher.compare(&lower), Ordering::Greater, "{lower} {higher}");
        }
        for (a, b) in [("1.0", "1.0-5"), ("0:1.0", "1.0"), ("1.0", "1_0"), ("1.01", "1.1")] {
            assert_eq!(a.parse::<Evr>().unwrap().compare(&b.parse().unwrap()), Ordering::Equal, "{a} {b}");
        }
    }

    /// The ranges of rpm's `rpmdsCompare`; the lab compares many more with the real one.
    #[test]
    fn ranges_meet_if_they_overlap() {
        let table = [
            // wanted, offered, met
            ("= 1.0", "= 1.0-5", true),
            ("= 1.0-4", "= 1.0-5", false),
            ("= 1.0-5", "= 1.0", true),
            (">= 1.0-4", "= 1.0-5", true),
            (">= 1.0-6", "= 1.0-5", false),
            ("> 1.0", "= 1.0-5", false),
            ("> 1.0", "= 1.1", true),
            ("< 1.0", "= 1.0-5", false),
            ("< 1.0-6", "= 1.0-5", true),
            ("<= 1.0", "= 1.0-5", true),
            ("= 1.0", "= 1:1.0", false),
            (">= 1.0", "= 1:0.1", true),
            (">= 1:0", "= 9", false),
            // What is offered can be a range, too.
            (">= 2", "<= 3", true),
            (">= 3", "<= 2", false),
            (">= 3", "< 3", false),
            (">= 3", "<= 3", true),
            ("> 3", "< 3", false),
            ("< 3", "< 1", true),
            ("> 3", "> 9", true),
            ("= 3", ">= 2", true),
            ("= 1", ">= 2", false),
            ("= 3", "> 3", false),
        ];
        for (wanted, offered, met) in table {
            let (wanted, offered) = (dependency(wanted), dependency(offered));
            assert_eq!(wanted.is_met_by(&offered), met, "{wanted} by {offered}");
            assert_eq!(offered.is_met_by(&wanted), met, "{offered} by {wanted}");
        }
        let plain: Dependency = "a".parse().unwrap();
        assert!(plain.is_met_by(&dependency("= 1")) && dependency("= 1").is_met_by(&plain));
        assert!(!plain.is_met_by(&"b".parse().unwrap()));
    }

    #[test]
    fn a_package_obsoletes_others_by_name_and_version_alone() {
        let mut new = Package::new("new", "1-1".parse().unwrap(), "noarch");
        new.obsoletes = vec!["old < 2".parse().unwrap(), "new".parse().unwrap()];
        let old = |name: &str, evr: &str| Package::new(name, evr.parse().unwrap(), "noarch");
        assert!(new.obsoletes(&old("old", "1-9")));
        assert!(!new.obsoletes(&old("old", "2-1")));
        assert!(!new.obsoletes(&old("new", "0-1")));
        let mut provider = old("other", "1-1");
        provider.provides.push("old = 1".parse().unwrap());
        assert!(!new.obsoletes(&provider));
    }
}
