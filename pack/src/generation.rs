//! Host generations: what each of them provides, and what of a package it reads. The data is in
//! `pack/hosts/generations.toml`, with the public source of every part.
//!
//! Knows hosts in general, by their releases; must not know a pack. One host with all of its packages is a capture:
//! [`crate::dom0::capture`]. What the data leaves out is not known, and nothing is concluded from it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::dom0::capture::Capture;
use crate::rpm::package::{Dependency, Evr};
use crate::spec::Operator;

#[cfg(test)]
mod tests;

const DATA: &str = include_str!("../hosts/generations.toml");

static GENERATIONS: LazyLock<Vec<Generation>> =
    LazyLock::new(|| parse(DATA).expect("the tests of this module read the data that is compiled in"));

/// A release of the product, with what it is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// What it is called here, such as `8.2.1`.
    pub name: String,
    /// Other names that people have for it.
    pub aliases: Vec<String>,
    /// Such as `Citrix Hypervisor 8.2 CU1, XCP-ng 8.2.1`.
    pub product: String,
    pub format: Format,
    pub stack: Arc<Stack>,
    /// Versions of the capabilities that packs require of a host, as far as they are known.
    pub provides: BTreeMap<String, String>,
    /// The name of the capture that comes with this program, if there is one to rehearse on.
    pub capture: Option<String>,
    /// Where that comes from.
    pub source: String,
}

/// The formats of supplemental packs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// `XS-REPOSITORY` and `XS-PACKAGES`: 7.0 and before.
    Older,
    /// `update.xml` and a repository: 7.1 and later.
    Update,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Older => "the older format (XS-REPOSITORY)",
            Format::Update => "the format of 7.1 and later (update.xml)",
        })
    }
}

/// The programs that read packages on a host.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Stack {
    /// The distribution that it is taken from.
    pub base: String,
    pub rpm: RpmLimits,
    pub manager: Manager,
    pub gpg: Gpg,
    pub libc: Libc,
    pub programs: Programs,
}

/// What an rpm accepts of a package.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RpmLimits {
    pub version: String,
    /// What payloads may be compressed with, by rpm's names.
    pub compressors: Vec<String>,
    /// The `rpmlib()` features that packages may require.
    pub rpmlib: Vec<String>,
    /// Digests of files, by their names in lower case.
    pub file_digests: Vec<String>,
    pub rich_dependencies: bool,
    pub file_triggers: bool,
    /// Whether `~` sorts before anything in versions.
    pub tilde: bool,
    /// Whether `^` sorts after anything in versions.
    pub caret: bool,
    /// Whether it wants the archive's size and an MD5 in signature headers.
    pub needs_archive_size: bool,
    pub source: String,
}

/// What resolves dependencies.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manager {
    /// `yum` or `dnf`.
    pub program: String,
    pub version: String,
    /// What metadata may be compressed with.
    pub compression: Vec<String>,
    pub source: String,
}

/// What verifies signatures.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gpg {
    pub version: String,
    /// Algorithms of keys that gpg and rpm verify, in lower case.
    pub algorithms: Vec<String>,
    /// The least and the most bits of an RSA key, if that is known.
    pub bits: Option<[u16; 2]>,
    pub source: String,
}

/// The C library.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Libc {
    pub glibc: String,
    pub source: String,
}

/// Programs that may run scripts.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Programs {
    /// Whether everything else is missing.
    pub complete: bool,
    pub there: Vec<String>,
    #[serde(default)]
    pub missing: Vec<String>,
    pub source: String,
}

impl Programs {
    /// Whether a program is there, by its absolute path; `None` if that is not known.
    pub fn has(&self, path: &str) -> Option<bool> {
        match self.there.iter().any(|there| there == path) {
            true => Some(true),
            false if self.complete || self.missing.iter().any(|missing| missing == path) => Some(false),
            false => None,
        }
    }

    /// Whether a program is there, by its name in the search path.
    pub fn has_name(&self, name: &str) -> Option<bool> {
        let named = |paths: &[String]| paths.iter().any(|path| path.rsplit('/').next() == Some(name));
        match named(&self.there) {
            true => Some(true),
            false if self.complete || named(&self.missing) => Some(false),
            false => None,
        }
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name)
    }
}

impl Generation {
    /// All that are known, in the order of their releases.
    pub fn all() -> &'static [Generation] {
        &GENERATIONS
    }

    /// Those that take a format.
    pub fn taking(format: Format) -> impl Iterator<Item = &'static Generation> {
        Generation::all().iter().filter(move |generation| generation.format == format)
    }

    /// The generation of a name or an alias, in any case of letters.
    ///
    /// # Errors
    /// [`crate::Class::Capture`]: there is none; the error names those that there are, and the nearest.
    pub fn named(name: &str) -> crate::Result<&'static Generation> {
        Generation::find(name).ok_or_else(|| {
            let known: Vec<&str> = Generation::all().iter().map(|generation| generation.name.as_str()).collect();
            let nearest = nearest(name).map_or(String::new(), |nearest| format!("; perhaps {nearest} was meant"));
            Error::capture(
                format_args!("{:?}", name.chars().take(80).collect::<String>()),
                format_args!("is neither a host generation nor a file{nearest}"),
                format_args!("Known are {}; a captured host is given as a file", known.join(", ")),
            )
        })
    }

    /// The generation of a name or an alias, if there is one.
    pub fn find(name: &str) -> Option<&'static Generation> {
        Generation::all().iter().find(|generation| generation.names().any(|known| known.eq_ignore_ascii_case(name)))
    }

    /// The generation of a captured host, by its product version.
    pub fn of(capture: &Capture) -> Option<&'static Generation> {
        let version = capture.inventory.get("PRODUCT_VERSION")?;
        Generation::all().iter().find(|generation| generation.provides.get("product-version") == Some(version))
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        [&self.name].into_iter().chain(&self.aliases).map(String::as_str)
    }

    /// Whether it meets a requirement; `None` if it is not known to provide anything of that name.
    pub fn meets(&self, wanted: &Dependency) -> Option<bool> {
        let version = self.provides.get(&wanted.name)?;
        let evr = Evr { epoch: None, version: version.clone(), release: None };
        let provided = Dependency { name: wanted.name.clone(), bound: Some((Operator::Equal, evr)) };
        Some(wanted.is_met_by(&provided))
    }
}

/// The stack that 7.0 to 8.4 have: the strictest that any pack of ours is made for.
pub fn el7() -> &'static Stack {
    let generation = Generation::find("8.2.1").expect("the tests of this module look for it");
    &generation.stack
}

/// Names of generations, as people list them: `8.2.0, 8.2.1 and 8.3.0`.
pub fn listed<'a>(generations: impl IntoIterator<Item = &'a Generation>) -> String {
    let names: Vec<&str> = generations.into_iter().map(|generation| generation.name.as_str()).collect();
    match names.as_slice() {
        [] => "none".into(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// The name that is most like another one, if any is.
fn nearest(name: &str) -> Option<&'static str> {
    const ALIKE: f64 = 0.6;
    let name = name.to_ascii_lowercase();
    let alike = |known: &'static str| (known, strsim::jaro_winkler(&name, &known.to_ascii_lowercase()));
    let names = Generation::all().iter().flat_map(Generation::names).map(alike);
    names.filter(|(_, alike)| *alike > ALIKE).max_by(|a, b| a.1.total_cmp(&b.1)).map(|(known, _)| known)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    stack: BTreeMap<String, Stack>,
    generation: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    aliases: Vec<String>,
    product: String,
    format: Format,
    stack: String,
    provides: BTreeMap<String, String>,
    capture: Option<String>,
    source: String,
}

fn parse(text: &str) -> Result<Vec<Generation>, String> {
    let data: Data = toml::from_str(text).map_err(|e| e.to_string())?;
    let stacks: BTreeMap<String, Arc<Stack>> =
        data.stack.into_iter().map(|(name, stack)| (name, Arc::new(stack))).collect();
    let generation = |entry: Entry| {
        let stack = stacks.get(&entry.stack).ok_or_else(|| format!("{} has an unknown stack", entry.name))?;
        let Entry { name, aliases, product, format, provides, capture, source, .. } = entry;
        Ok(Generation { name, aliases, product, format, stack: Arc::clone(stack), provides, capture, source })
    };
    data.generation.into_iter().map(generation).collect()
}
