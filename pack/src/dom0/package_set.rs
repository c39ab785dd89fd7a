//! Packages, found by name, by what they provide and by the files that they bring.
//!
//! Knows where files of merged folders are; must not know whether its packages are installed.

use std::borrow::Cow;
use std::collections::HashMap;

use super::package::{Dependency, Package};

/// Packages in the order in which they were given. Their positions in it name them.
#[derive(Debug, Clone)]
pub struct PackageSet<P> {
    packages: Vec<P>,
    by_name: HashMap<String, Vec<usize>>,
    by_capability: HashMap<String, Vec<usize>>,
    by_path: HashMap<String, Vec<usize>>,
}

impl<P: AsRef<Package>> FromIterator<P> for PackageSet<P> {
    fn from_iter<I: IntoIterator<Item = P>>(packages: I) -> PackageSet<P> {
        let packages: Vec<P> = packages.into_iter().collect();
        let (mut by_name, mut by_capability, mut by_path) = (HashMap::new(), HashMap::new(), HashMap::new());
        for (at, package) in packages.iter().enumerate() {
            let package = package.as_ref();
            file(&mut by_name, &package.name, at);
            for provided in &package.provides {
                file(&mut by_capability, &provided.name, at);
            }
            for brought in &package.files {
                file(&mut by_path, &resolved(&brought.path), at);
            }
        }
        PackageSet { packages, by_name, by_capability, by_path }
    }
}

/// Enters a package under a word, once.
fn file(index: &mut HashMap<String, Vec<usize>>, word: &str, at: usize) {
    match index.get_mut(word) {
        Some(entries) if entries.last() == Some(&at) => {}
        Some(entries) => entries.push(at),
        None => {
            index.insert(word.to_owned(), vec![at]);
        }
    }
}

/// The path behind the links by which EL7 and later merged `/bin`, `/sbin`, `/lib` and `/lib64` into `/usr`. rpm compares
/// files after following the links of folders (rpm, `lib/fprint.c`).
pub fn resolved(path: &str) -> Cow<'_, str> {
    let merged = ["/bin/", "/sbin/", "/lib/", "/lib64/"].into_iter().any(|folder| path.starts_with(folder));
    match merged {
        true => Cow::Owned(format!("/usr{path}")),
        false => Cow::Borrowed(path),
    }
}

impl<P: AsRef<Package>> PackageSet<P> {
    /// All of them, each with its position.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &P)> {
        self.packages.iter().enumerate()
    }

    /// The one at a position, which must have come from this set.
    pub fn at(&self, at: usize) -> &P {
        &self.packages[at]
    }

    /// The package at a position, which must have come from this set.
    pub fn package(&self, at: usize) -> &Package {
        self.packages[at].as_ref()
    }

    /// Those of a name.
    pub fn named(&self, name: &str) -> &[usize] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// Those that provide a capability, in whatever version.
    pub fn offering(&self, capability: &str) -> &[usize] {
        self.by_capability.get(capability).map_or(&[], Vec::as_slice)
    }

    /// Those that bring a path.
    pub fn owners(&self, path: &str) -> &[usize] {
        self.by_path.get(resolved(path).as_ref()).map_or(&[], Vec::as_slice)
    }

    /// Those that meet a requirement: by a capability, or by a file if it is an absolute path.
    pub fn providers(&self, wanted: &Dependency) -> Vec<usize> {
        let meets = |at: &usize| self.package(*at).provides.iter().any(|provided| wanted.is_met_by(provided));
        let mut found: Vec<usize> = self.offering(&wanted.name).iter().copied().filter(meets).collect();
        if wanted.name.starts_with('/') {
            found.extend(self.owners(&wanted.name));
            found.sort_unstable();
            found.dedup();
        }
        found
    }

    /// The highest version among some; of equal ones the one for x86_64.
    pub fn newest(&self, among: impl IntoIterator<Item = usize>) -> Option<usize> {
        among.into_iter().max_by(|a, b| {
            let (a, b) = (self.package(*a), self.package(*b));
            a.evr.compare(&b.evr).then_with(|| (a.arch == "x86_64").cmp(&(b.arch == "x86_64")))
        })
    }
}
