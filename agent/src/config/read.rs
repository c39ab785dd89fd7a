//! A file's text, and every fault in it. Must not know what keys do.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Config;
use super::table::{self, SECTIONS, Section};
use crate::quote::quoted;

/// Bytes of a file.
const MAX_BYTES: u64 = 1 << 20;

/// Faults that are kept.
const MAX_FAULTS: usize = 20;

/// Something wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{}: {what}", file.display(), line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct Fault {
    file: PathBuf,
    /// From 1; none if it is about the whole file.
    pub line: Option<usize>,
    /// What is wrong, where, and what is allowed or meant.
    pub what: String,
}

/// What came of reading a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// What holds: keys at fault have their usual value.
    pub config: Config,
    /// What is wrong, in the order of lines.
    pub faults: Vec<Fault>,
    /// The keys that the file sets, such as `monitor.told-after`, and in which line.
    pub lines: BTreeMap<String, usize>,
}

impl Read {
    /// Reads a file. One that does not exist says nothing.
    #[must_use]
    pub fn file(file: &Path) -> Self {
        let mut text = String::new();
        let read = File::open(file).and_then(|open| open.take(MAX_BYTES + 1).read_to_string(&mut text));
        let what = match read {
            Ok(length) if length as u64 <= MAX_BYTES => return Self::text(file, &text),
            Ok(_) => format!("longer than {MAX_BYTES} bytes"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::default(),
            Err(error) => format!("cannot be read: {error}"),
        };
        Self { faults: vec![Fault { file: file.to_owned(), line: None, what }], ..Self::default() }
    }

    /// Reads the text of a file.
    #[must_use]
    pub fn text(file: &Path, text: &str) -> Self {
        let mut reader = Reader { file, text, read: Self::default() };
        match DeTable::parse(text) {
            Ok(document) => reader.document(document.get_ref()),
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                let words = error.message().lines().collect::<Vec<_>>().join(", ");
                reader.fault(at, format!("no TOML: {words}. Nothing of the file counts"));
            }
        }
        reader.read.faults.sort_by_key(|fault| fault.line);
        reader.read
    }
}

struct Reader<'a> {
    file: &'a Path,
    text: &'a str,
    read: Read,
}

impl Reader<'_> {
    fn line(&self, at: usize) -> usize {
        self.text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
    }

    fn fault(&mut self, at: usize, what: String) {
        if self.read.faults.len() < MAX_FAULTS {
            let line = Some(self.line(at));
            self.read.faults.push(Fault { file: self.file.to_owned(), line, what });
        }
    }

    fn document(&mut self, document: &DeTable<'_>) {
        for (name, value) in document {
            let (at, name) = (name.span().start, name.get_ref());
            let section = SECTIONS.iter().find(|section| section.name == *name);
            match (section, value.get_ref()) {
                (Some(section), DeValue::Table(keys)) => self.section(section, keys),
                (Some(section), _) => {
                    self.fault(at, format!("{} is a section: write [{}]", section.name, section.name));
                }
                (None, _) => {
                    let names = SECTIONS.iter().map(|section| section.name);
                    let meant = match home(name) {
                        Some(home) => format!("; it belongs below [{home}]"),
                        None => meant(name, names).unwrap_or_default(),
                    };
                    self.fault(at, format!("there is no section or key {}{meant}", shown(name)));
                }
            }
        }
    }

    fn section(&mut self, section: &'static Section, keys: &DeTable<'_>) {
        for (name, value) in keys {
            let (at, name) = (name.span().start, name.get_ref());
            match section.keys.iter().find(|key| key.name == *name) {
                Some(key) => {
                    let full = format!("{}.{name}", section.name);
                    match key.slot(&mut self.read.config).set(value.get_ref()) {
                        Ok(()) => {
                            let line = self.line(at);
                            self.read.lines.insert(full, line);
                        }
                        Err(what) => self.fault(Spanned::span(value).start, format!("{full}: {what}")),
                    }
                }
                None => {
                    let meant = meant(name, section.keys.iter().map(|key| key.name));
                    let meant = meant.or_else(|| Some(format!("; it belongs below [{}]", home(name)?)));
                    let meant = meant.unwrap_or_default();
                    self.fault(at, format!("there is no key {} below [{}]{meant}", shown(name), section.name));
                }
            }
        }
    }
}

fn shown(name: &str) -> String {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if plain && name.len() <= 64 { name.to_owned() } else { quoted(name).to_string() }
}

/// The section that has a key of this name.
fn home(name: &str) -> Option<&'static str> {
    table::all().find(|(_, key)| key.name == name).map(|(section, _)| section.name)
}

/// The name that was probably meant.
fn meant<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let name: String = name.chars().take(64).collect();
    let near = names.map(|known| (strsim::osa_distance(&name, known), known)).min()?;
    let (distance, known) = near;
    (distance <= (known.len() / 3).max(2)).then(|| format!("; did you mean {known}?"))
}
