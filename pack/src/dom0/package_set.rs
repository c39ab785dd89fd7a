//! Packages, found by name, by what they provide and by the files that they bring.
//!
//! Knows where files of merged folders are; must not know whether its packages are installed.

use std::borrow::Cow;
use std::collections::HashMap;

use super::package::{Dependency, Package, PackagedFile};

/// Packages in the order in which they were given. Their positions in it name them.
#[derive(Debug, Clone)]
pub struct PackageSet<P> {
    packages: Vec<P>,
    by_name: HashMap<String, Vec<usize>>,
    by_capability: HashMap<String, Vec<Entry>>,
    /// A package's first file of a path; a sound package has no second.
    by_path: HashMap<String, Vec<Entry>>,
}

/// A package, and one of the things that it provides or brings, by their positions.
type Entry = (usize, usize);

impl<P: AsRef<Package>> FromIterator<P> for PackageSet<P> {
    fn from_iter<I: IntoIterator<Item = P>>(packages: I) -> PackageSet<P> {
        let packages: Vec<P> = packages.into_iter().collect();
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        let (mut by_capability, mut by_path): (HashMap<String, Vec<Entry>>, HashMap<String, Vec<Entry>>) =
            (HashMap::new(), HashMap::new());
        for (at, package) in packages.iter().enumerate() {
            let package = package.as_ref();
            by_name.entry(package.name.clone()).or_default().push(at);
            for (which, provided) in package.provides.iter().enumerate() {
                by_capability.entry(provided.name.clone()).or_default().push((at, which));
            }
            for (which, file) in package.files.iter().enumerate() {
                let owners = by_path.entry(resolved(&file.path).into_owned()).or_default();
                if owners.last().is_none_or(|(last, _)| *last != at) {
                    owners.push((at, which));
                }
            }
        }
        PackageSet { packages, by_name, by_capability, by_path }
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
    pub fn offering(&self, capability: &str) -> Vec<usize> {
        let mut found: Vec<usize> = self.offers(capability).iter().map(|(at, _)| *at).collect();
        found.dedup();
        found
    }

    /// How often a capability is provided.
    pub fn offer_count(&self, capability: &str) -> usize {
        self.offers(capability).len()
    }

    fn offers(&self, capability: &str) -> &[Entry] {
        self.by_capability.get(capability).map_or(&[], Vec::as_slice)
    }

    /// Those that bring a path, each with its file there.
    pub fn owners(&self, path: &str) -> impl Iterator<Item = (usize, &PackagedFile)> {
        let entries = self.by_path.get(resolved(path).as_ref()).map_or(&[][..], Vec::as_slice);
        entries.iter().map(|(at, which)| (*at, &self.package(*at).files[*which]))
    }

    /// Those that meet a requirement: by a capability, or by a file if it is an absolute path.
    pub fn providers(&self, wanted: &Dependency) -> Vec<usize> {
        let offers = self.offers(&wanted.name).iter();
        let meeting = offers.filter(|(at, which)| wanted.is_met_by(&self.package(*at).provides[*which]));
        let mut found: Vec<usize> = meeting.map(|(at, _)| *at).collect();
        if wanted.name.starts_with('/') {
            found.extend(self.owners(&wanted.name).map(|(at, _)| at));
            found.sort_unstable();
        }
        found.dedup();
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
