//! Captured hosts: what a rehearsal knows of a release, or of one real host, in a small file.
//!
//! Knows the format; must not know what a pack is. What a capture does not say is unknown: whoever asks must report
//! "not checked", never "passed". `pack/hosts/make` makes the built-in captures from public specs;
//! `pack/hosts/capture.sh` makes one on a real host.
//!
//! # The format
//!
//! A gzipped tar archive of at most 64 MiB and 10,000 entries when unpacked, of regular files in UTF-8:
//!
//! - `capture`: lines `key: value`, every key once:
//!   - `format`: `1`;
//!   - `name`: a short name for people, such as `8.2.1`; letters, digits, `.`, `_` and `-`;
//!   - `product`: such as `XCP-ng 8.2.1`;
//!   - `origin`: where the rest comes from;
//!   - `packages`: `all` if every installed package is listed with all that it requires and provides; `some` if there
//!     are more packages, the listed ones may require and provide more than they say here (what they conflict with and
//!     obsolete is complete), and modes of files whose permissions are 000 are not known;
//!   - `presets`: `all` or `some`, for the files in `presets/`;
//!   - `package-manager`: `yum` or `dnf`;
//!   - `groups`: `objects` or `compat`, how XAPI has the package manager treat groups (yum.conf(5), `group_command`);
//!   - `free-bytes`: how much is free on `/`; left out if that is not known.
//! - `inventory`: lines `KEY='value'` as in `/etc/xensource-inventory`, without anything that tells one host from another.
//! - `packages`: lines of fields separated by tabs, a package beginning with its own line. All of it is what
//!   `rpm -qa --queryformat` of rpm 4.11 can print:
//!   - `package NAME EPOCH VERSION RELEASE ARCH`, the epoch empty if there is none;
//!   - `provides`, `requires`, `conflicts` and `obsoletes`, each with `NAME OPERATOR EVR`, the last two empty if there is
//!     no bound;
//!   - `file MODE USER GROUP SIZE DIGEST FLAGS PATH TARGET`: the mode in octal with its type; the digest in hexadecimal,
//!     empty if it and the size are not known; flags as letters (`c` configuration, `n` not replaced, `g` ghost, others
//!     do not matter here); the target of a symbolic link, else empty;
//!   - `files unknown`: the package has more files than are listed.
//! - `groups`, may be left out: lines `NAME-VERSION-RELEASE-ARCH`, tab, group: the packages that yum's database says a
//!   group brought (`group_member`). Packages that are not installed any more do not matter.
//! - `applied/UUID`: the stamps of `/var/update/applied`.
//! - `presets/NAME.preset`: systemd's presets as they take effect (systemd.preset(5)): files in `/etc` and `/run`
//!   replace those of the same name.

mod packages;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path};

use flate2::read::GzDecoder;
use uuid::Uuid;

use crate::rpm::package::Package;
use crate::{Error, Result};

/// The bytes of a capture, unpacked.
const MOST_BYTES: u64 = 64 << 20;

/// The entries of a capture; a host with every update of its life has some hundred.
const MOST_ENTRIES: usize = 10_000;

const MAKE_ANEW: &str = "Make the capture anew with `capture-host`";

/// The script that makes a capture on a host, for `sh`: it writes the capture to standard output.
pub const SCRIPT: &str = include_str!("../../hosts/capture.sh");

/// A host, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture {
    /// A short name for people, such as `8.2.1`.
    pub name: String,
    /// Such as `XCP-ng 8.2.1`.
    pub product: String,
    /// Where all of it comes from, for people.
    pub origin: String,
    /// Installed packages, in the order of the capture.
    pub packages: Vec<InstalledPackage>,
    /// Whether `packages` are all there are, with all that they require and provide.
    pub complete: bool,
    pub package_manager: PackageManager,
    pub group_mode: GroupMode,
    /// Bytes that are free on `/`, if known.
    pub free_bytes: Option<u64>,
    /// `/etc/xensource-inventory`, without what tells one host from another.
    pub inventory: BTreeMap<String, String>,
    /// Stamps of `/var/update/applied`, as they are.
    pub applied: BTreeMap<Uuid, Vec<u8>>,
    /// systemd's presets by file name, in the order in which they count.
    pub presets: BTreeMap<String, String>,
    /// Whether `presets` are all there are.
    pub presets_complete: bool,
}

/// A package that is installed on a captured host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledPackage {
    pub package: Package,
    /// Whether `package.files` are all of its files.
    pub files_known: bool,
    /// The group that brought it, as yum's database says.
    pub group_member: Option<String>,
}

/// What installs packages for XAPI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackageManager {
    Yum,
    Dnf,
}

/// How yum treats groups (yum.conf(5), `group_command`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupMode {
    /// A group is a thing that is installed itself: an upgrade skips installed packages that it did not bring.
    Objects,
    /// A group is a list of packages.
    Compat,
}

/// Captures that come with this program, in the order of their releases.
const BUILT_IN: [(&str, &[u8]); 4] = [
    ("8.1.0", include_bytes!("../../hosts/8.1.0.tar.gz")),
    ("8.2.0", include_bytes!("../../hosts/8.2.0.tar.gz")),
    ("8.2.1", include_bytes!("../../hosts/8.2.1.tar.gz")),
    ("8.3.0", include_bytes!("../../hosts/8.3.0.tar.gz")),
];

impl Capture {
    /// The captures that come with this program, in the order of their releases; the first is too old for packs of today.
    pub fn built_in() -> Vec<Capture> {
        let read = |(name, bytes): (&str, &[u8])| {
            Capture::parse(name, bytes).expect("the tests of this module read every built-in capture")
        };
        BUILT_IN.into_iter().map(read).collect()
    }

    /// Reads a capture from a file.
    ///
    /// # Errors
    /// [`crate::Class::Capture`], if it cannot be read or is not one.
    pub fn read(path: &Path) -> Result<Capture> {
        let file = File::open(path)
            .map_err(|e| Error::capture(path.display(), format!("cannot be read: {e}"), "Check the path"))?;
        Capture::parse(path.display().to_string(), file)
    }

    /// Reads a capture from its bytes, which `subject` names in errors.
    ///
    /// # Errors
    /// [`crate::Class::Capture`], if it is not one.
    pub fn parse(subject: impl Into<String>, bytes: impl Read) -> Result<Capture> {
        let subject = subject.into();
        let mut entries = unpack(&subject, bytes)?;
        let text = |entries: &mut BTreeMap<String, Vec<u8>>, name: &str| -> Result<Text> {
            let bytes = entries
                .remove(name)
                .ok_or_else(|| Error::capture(&subject, format!("has no entry {name:?}"), MAKE_ANEW))?;
            Ok(Text::new(&subject, name, &bytes))
        };
        let facts = Facts::parse(&text(&mut entries, "capture")?)?;
        let inventory = parse_inventory(&text(&mut entries, "inventory")?)?;
        let mut packages = packages::parse(&text(&mut entries, "packages")?)?;
        if let Some(bytes) = entries.remove("groups") {
            packages::mark_group_members(&Text::new(&subject, "groups", &bytes), &mut packages)?;
        }
        let (mut applied, mut presets) = (BTreeMap::new(), BTreeMap::new());
        for (name, bytes) in entries {
            let stamp = name.strip_prefix("applied/").and_then(|uuid| Uuid::parse_str(uuid).ok());
            let preset = name.strip_prefix("presets/").filter(|name| name.ends_with(".preset") && !name.contains('/'));
            let new = match (stamp, preset) {
                (Some(uuid), _) => applied.insert(uuid, bytes).is_none(),
                (None, Some(preset)) => {
                    presets.insert(preset.to_owned(), String::from_utf8_lossy(&bytes).into_owned()).is_none()
                }
                (None, None) => false,
            };
            if !new {
                return Err(Error::capture(&subject, format!("has an unknown entry {name:?}"), MAKE_ANEW));
            }
        }
        Ok(Capture {
            name: facts.name,
            product: facts.product,
            origin: facts.origin,
            packages,
            complete: facts.complete,
            package_manager: facts.package_manager,
            group_mode: facts.group_mode,
            free_bytes: facts.free_bytes,
            inventory,
            applied,
            presets,
            presets_complete: facts.presets_complete,
        })
    }
}

/// Every file of an archive, by its path.
fn unpack(subject: &str, bytes: impl Read) -> Result<BTreeMap<String, Vec<u8>>> {
    let broken = |e: io::Error| {
        Error::capture(subject, format!("is damaged or no gzipped tar archive: {e}"), "Fetch or make the capture anew")
    };
    let too_large = |what: String| Error::capture(subject, what, "This is no capture of a host; check the path");
    let mut entries = BTreeMap::new();
    let mut left = MOST_BYTES;
    // More than the limit for the files, because of headers and padding.
    let mut archive = tar::Archive::new(GzDecoder::new(bytes).take(2 * MOST_BYTES));
    for (number, entry) in archive.entries().map_err(broken)?.enumerate() {
        let entry = entry.map_err(broken)?;
        if number >= MOST_ENTRIES {
            return Err(too_large(format!("has more than {MOST_ENTRIES} entries")));
        }
        let path = entry.path().map_err(broken)?.into_owned();
        if entry.header().entry_type().is_dir() {
            continue;
        }
        let name = plain(&path).filter(|_| entry.header().entry_type().is_file()).ok_or_else(|| {
            Error::capture(subject, format!("has an entry {path:?} that is no file with a plain name"), MAKE_ANEW)
        })?;
        let mut content = Vec::new();
        let read = entry.take(left + 1).read_to_end(&mut content).map_err(broken)? as u64;
        left = left
            .checked_sub(read)
            .ok_or_else(|| too_large(format!("has more than {} MiB of files", MOST_BYTES >> 20)))?;
        if entries.insert(name.clone(), content).is_some() {
            return Err(Error::capture(subject, format!("has two entries {name:?}"), MAKE_ANEW));
        }
    }
    // To the end of the stream: only there gzip tells whether something is missing.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(broken)?;
    Ok(entries)
}

/// A path as `name` or `folder/name`, without anything that could lead elsewhere.
fn plain(path: &Path) -> Option<String> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::Normal(name) => names.push(name.to_str().filter(|name| !name.chars().any(char::is_control))?),
            _ => return None,
        }
    }
    (!names.is_empty()).then(|| names.join("/"))
}

/// The text of an entry, which knows where it comes from.
struct Text {
    /// The capture and the entry, for errors.
    place: String,
    text: String,
}

impl Text {
    fn new(subject: &str, entry: &str, bytes: &[u8]) -> Text {
        // Packages may have file names in any encoding; they are not worth refusing a host for.
        Text { place: format!("{subject}, {entry}"), text: String::from_utf8_lossy(bytes).into_owned() }
    }

    /// Its lines that are not empty, with their numbers, counted from 1.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line)).filter(|(_, line)| !line.is_empty())
    }

    fn error(&self, line: usize, problem: impl std::fmt::Display) -> Error {
        Error::capture(format_args!("{}, line {line}", self.place), problem, MAKE_ANEW)
    }

    fn missing(&self, key: &str) -> Error {
        Error::capture(&self.place, format!("has no line {key:?}"), MAKE_ANEW)
    }
}

/// The entry `capture`.
struct Facts {
    name: String,
    product: String,
    origin: String,
    complete: bool,
    presets_complete: bool,
    package_manager: PackageManager,
    group_mode: GroupMode,
    free_bytes: Option<u64>,
}

const KEYS: [&str; 9] =
    ["format", "name", "product", "origin", "packages", "presets", "package-manager", "groups", "free-bytes"];

impl Facts {
    fn parse(text: &Text) -> Result<Facts> {
        let mut values: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
        for (number, line) in text.lines() {
            let (key, value) =
                line.split_once(": ").ok_or_else(|| text.error(number, format!("{line:?} is not `key: value`")))?;
            if key == "format" && value != "1" {
                return Err(Error::capture(
                    format_args!("{}, line {number}", text.place),
                    format!("is of format {value:?}, and this program reads format 1"),
                    "Make the capture with the version of this program that reads it, or use a newer one",
                ));
            }
            if value.is_empty() || value.chars().any(char::is_control) {
                return Err(text.error(number, format!("the value of {key:?} is empty or has control characters")));
            }
            if !KEYS.contains(&key) {
                return Err(text.error(number, format!("the key {key:?} is unknown")));
            }
            if values.insert(key, (number, value)).is_some() {
                return Err(text.error(number, format!("the key {key:?} is there twice")));
            }
        }
        let value = |key: &'static str| values.get(key).copied().ok_or_else(|| text.missing(key));
        value("format")?;
        let name = value("name")?;
        if !name.1.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) {
            return Err(text.error(name.0, format!("{:?} is no short name", name.1)));
        }
        let free_bytes = values.get("free-bytes").map(|&(number, value)| {
            value.parse().map_err(|_| text.error(number, format!("{value:?} is no number of bytes")))
        });
        Ok(Facts {
            name: name.1.into(),
            product: value("product")?.1.into(),
            origin: value("origin")?.1.into(),
            complete: text.choice(value("packages")?, [("all", true), ("some", false)])?,
            presets_complete: text.choice(value("presets")?, [("all", true), ("some", false)])?,
            package_manager: text
                .choice(value("package-manager")?, [("yum", PackageManager::Yum), ("dnf", PackageManager::Dnf)])?,
            group_mode: text
                .choice(value("groups")?, [("objects", GroupMode::Objects), ("compat", GroupMode::Compat)])?,
            free_bytes: free_bytes.transpose()?,
        })
    }
}

impl Text {
    fn choice<T>(&self, (line, value): (usize, &str), choices: [(&str, T); 2]) -> Result<T> {
        let words = choices.each_ref().map(|(word, _)| *word).join(" or ");
        let chosen = choices.into_iter().find(|(word, _)| *word == value);
        chosen.map(|(_, choice)| choice).ok_or_else(|| self.error(line, format!("{value:?} should be {words}")))
    }
}

fn parse_inventory(text: &Text) -> Result<BTreeMap<String, String>> {
    let mut inventory = BTreeMap::new();
    for (number, line) in text.lines() {
        let pair = line.split_once('=').filter(|(key, value)| !key.is_empty() && !value.chars().any(char::is_control));
        let (key, value) = pair.ok_or_else(|| text.error(number, format!("{line:?} is not `KEY='value'`")))?;
        // As XAPI reads it (xen-api, ocaml/libs/xapi-inventory).
        let value = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\'')).unwrap_or(value);
        inventory.insert(key.to_owned(), value.trim().to_owned());
    }
    Ok(inventory)
}
