//! What a file is called in each of the three namings, when written and when read.
//!
//! Knows characters and lengths; must not know where names are recorded.

use std::collections::{BTreeMap, BTreeSet};

/// Longest name in UTF-8 bytes: one NM entry holds 255 - 5 (RRIP 4.1.4), and Linux cuts names at 253 (fs/isofs/rock.c).
pub const MAX_NAME_BYTES: usize = 250;

/// Longest name in UTF-16 units. Joliet's own limit is 64; 103 is what `mkisofs -joliet-long` writes, so readers cope
/// with it, and it fits a directory record (110 would).
pub const MAX_JOLIET_NAME: usize = 103;

/// Longest name that is read, in UTF-8 bytes: NAME_MAX of Linux.
const MAX_READ_NAME: usize = 255;
/// Longest file name and extension together, and longest directory name (ECMA-119 7.5.1; 7.6.3 has 31 for directories,
/// 30 keeps a path of 8 levels within the 255 of 6.8.2.1).
const PRIMARY_LENGTH: usize = 30;
/// Longest extension: leaves the name 22 characters, enough for any collision number.
const PRIMARY_EXTENSION: usize = 8;

/// Why a name cannot be written in Rock Ridge and in Joliet alike; a sentence part after "the name".
pub(super) fn unwritable(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("is empty".into());
    }
    if name == "." || name == ".." {
        return Some("stands for a directory itself or for its parent".into());
    }
    if let Some(control) = name.chars().find(|c| c.is_control()) {
        return Some(format!("has the control character {control:?}"));
    }
    // Joliet specification, "Allowable Character Set"; the slash separates names in a path.
    if let Some(forbidden) = name.chars().find(|c| r"*/:;?\".contains(*c)) {
        return Some(format!("has the character {forbidden:?}, which Joliet forbids"));
    }
    if let Some(wide) = name.chars().find(|c| c.len_utf16() > 1) {
        return Some(format!("has the character {wide:?}, which Joliet's UCS-2 cannot express"));
    }
    if name.ends_with(['.', ' ']) {
        // Windows and Linux (fs/isofs/joliet.c) drop it, and then names may clash.
        return Some("ends in a period or a space, which readers of Joliet drop".into());
    }
    let (bytes, units) = (name.len(), name.encode_utf16().count());
    if units > MAX_JOLIET_NAME {
        return Some(format!("has {units} characters, Joliet readers take {MAX_JOLIET_NAME}"));
    }
    if bytes > MAX_NAME_BYTES {
        return Some(format!("has {bytes} bytes, Rock Ridge readers take {MAX_NAME_BYTES}"));
    }
    None
}

/// Names that are equal under this key are one name to a reader which ignores case.
pub(super) fn case_folded(name: &str) -> String {
    // Both ways, since Windows compares in upper case and some letters have one case in one direction only.
    name.to_uppercase().to_lowercase()
}

/// A name in the primary hierarchy. Ordered as ECMA-119 9.3 demands: by name, then by extension; filling with spaces
/// there is the same as comparing here, because no d-character sorts before a space.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Primary {
    name: String,
    extension: String,
}

impl Primary {
    /// A file's identifier has both separators and a version, a directory's neither (ECMA-119 7.5.1, 7.6.1).
    pub(super) fn identifier(&self, directory: bool) -> Vec<u8> {
        if directory {
            self.name.clone().into_bytes()
        } else {
            format!("{}.{};1", self.name, self.extension).into_bytes()
        }
    }
}

/// Maps the names of one directory (sorted, `true` for directories) to unique names of d-characters, in their order.
/// Names that fall together are numbered, so the result depends on the set of names only.
pub(super) fn primary<'a>(names: impl Iterator<Item = (&'a str, bool)>) -> Vec<Primary> {
    let mut taken = BTreeSet::new();
    let mut numbers: BTreeMap<Primary, u32> = BTreeMap::new();
    names
        .map(|(name, directory)| {
            let wanted = unnumbered(name, directory);
            let mut candidate = wanted.clone();
            while !taken.insert(candidate.clone()) {
                let number = numbers.entry(wanted.clone()).or_insert(0);
                *number += 1;
                candidate = numbered(&wanted, *number);
            }
            candidate
        })
        .collect()
}

fn unnumbered(name: &str, directory: bool) -> Primary {
    // A leading period is part of the name: an identifier that begins with a separator confuses readers.
    let dot = if directory { None } else { name.rfind('.').filter(|&at| at > 0) };
    let (name, extension) = dot.map_or((name, ""), |at| (&name[..at], &name[at + 1..]));
    let extension = d_characters(extension, PRIMARY_EXTENSION);
    Primary { name: d_characters(name, PRIMARY_LENGTH - extension.len()), extension }
}

fn numbered(wanted: &Primary, number: u32) -> Primary {
    let suffix = format!("_{number}");
    let room = PRIMARY_LENGTH - wanted.extension.len() - suffix.len();
    let kept: String = wanted.name.chars().take(room).collect();
    Primary { name: kept + &suffix, extension: wanted.extension.clone() }
}

/// Letters, digits and underscores (ECMA-119 annex A, d-characters); anything else becomes an underscore.
fn d_characters(text: &str, longest: usize) -> String {
    let d_character = |c: char| {
        if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }
    };
    text.chars().map(d_character).take(longest).collect()
}

/// A name in the Joliet hierarchy, ordered as ECMA-119 9.3 demands with NUL as the filler (Joliet specification): by
/// name, then by extension, in UCS-2 units.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Joliet {
    name: Vec<u16>,
    extension: Vec<u16>,
    identifier: Vec<u8>,
}

impl Joliet {
    /// Without a version number, which the specification would have: mkisofs and xorriso leave it out, and some readers
    /// show it.
    pub(super) fn new(name: &str, directory: bool) -> Self {
        let dot = if directory { None } else { name.rfind('.') };
        let (stem, extension) = dot.map_or((name, ""), |at| (&name[..at], &name[at + 1..]));
        Self {
            name: stem.encode_utf16().collect(),
            extension: extension.encode_utf16().collect(),
            identifier: ucs2(name).collect(),
        }
    }

    pub(super) fn into_identifier(self) -> Vec<u8> {
        self.identifier
    }
}

/// Text as UCS-2, big endian (Joliet specification). The caller has made sure that it is within the BMP.
pub(super) fn ucs2(text: &str) -> impl Iterator<Item = u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes)
}

/// Reads the name from an identifier of the primary hierarchy: without version and without a separator that separates
/// nothing.
pub(super) fn read_primary(identifier: &[u8], directory: bool) -> Result<String, &'static str> {
    let text =
        std::str::from_utf8(identifier).ok().filter(|text| text.is_ascii()).ok_or("has a name that is not ASCII")?;
    if directory {
        return sane(text);
    }
    let text = without_version(text);
    sane(text.strip_suffix('.').unwrap_or(text))
}

/// Reads the name from an identifier of the Joliet hierarchy, without version.
pub(super) fn read_joliet(identifier: &[u8], directory: bool) -> Result<String, &'static str> {
    let (units, odd) = identifier.as_chunks::<2>();
    if !odd.is_empty() {
        return Err("has a Joliet name of an odd number of bytes");
    }
    let units = units.iter().map(|unit| u16::from_be_bytes(*unit));
    let text: String =
        char::decode_utf16(units).collect::<Result<_, _>>().map_err(|_| "has a Joliet name that is not UTF-16")?;
    sane(if directory { &text } else { without_version(&text) })
}

/// Reads a name from a Rock Ridge NM entry.
pub(super) fn read_rock_ridge(name: &[u8]) -> Result<String, &'static str> {
    sane(std::str::from_utf8(name).map_err(|_| "has a Rock Ridge name that is not UTF-8")?)
}

fn without_version(text: &str) -> &str {
    match text.rsplit_once(';') {
        Some((name, version)) if !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => text,
    }
}

/// Only a name that cannot leave its directory, on any system, and cannot forge a line of a log.
fn sane(name: &str) -> Result<String, &'static str> {
    if name.is_empty() {
        return Err("has an empty name");
    }
    if name == "." || name == ".." {
        return Err("has the name of a directory itself or of its parent");
    }
    if name.contains(['/', '\\']) {
        return Err("has a name with a slash or a backslash in it");
    }
    if name.chars().any(char::is_control) {
        return Err("has a name with control characters in it");
    }
    if name.len() > MAX_READ_NAME {
        return Err("has a name of more than 255 bytes");
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identifiers(names: &[(&str, bool)]) -> Vec<String> {
        let primary = primary(names.iter().copied());
        primary.iter().zip(names).map(|(p, (_, dir))| String::from_utf8(p.identifier(*dir)).unwrap()).collect()
    }

    #[test]
    fn primary_names_are_d_characters_within_30() {
        assert_eq!(
            identifiers(&[
                (".treeinfo", false),
                ("Packages", true),
                ("README", false),
                ("a-very-long-directory-name-of-a-vendor", true),
                ("naïve.text-with-long-extension", false),
                ("update.xml.asc", false),
                ("v1.2", true),
                ("xscontainer-11.0.0-1.el7.x86_64.rpm", false),
            ]),
            [
                "_TREEINFO.;1",
                "PACKAGES",
                "README.;1",
                "A_VERY_LONG_DIRECTORY_NAME_OF_",
                "NA_VE.TEXT_WIT;1",
                "UPDATE_XML.ASC;1",
                "V1_2",
                "XSCONTAINER_11_0_0_1_EL7_X8.RPM;1",
            ]
        );
    }

    #[test]
    fn primary_names_that_fall_together_are_numbered() {
        assert_eq!(
            identifiers(&[("a+b.x", false), ("a-b.x", false), ("a_b.x", false), ("a_b_1.x", false)]),
            ["A_B.X;1", "A_B_1.X;1", "A_B_2.X;1", "A_B_1_1.X;1"]
        );
    }

    #[test]
    fn a_numbered_name_stays_within_30() {
        let long = "n".repeat(40);
        let (a, b) = (format!("{long}1.rpm"), format!("{long}2.rpm"));
        let names = identifiers(&[(&a, false), (&b, false)]);
        assert_eq!(names, [format!("{}.RPM;1", "N".repeat(27)), format!("{}_1.RPM;1", "N".repeat(25))]);
    }

    #[test]
    fn a_file_and_a_directory_never_share_a_primary_name() {
        assert_eq!(identifiers(&[("a+b", true), ("a-b", false)]), ["A_B", "A_B_1.;1"]);
    }

    #[test]
    fn many_names_that_fall_together_are_mapped_quickly() {
        let names: Vec<String> = (0..60_000).map(|n| format!("{}{n:05}", "x".repeat(40))).collect();
        let mapped = primary(names.iter().map(|name| (name.as_str(), false)));
        assert_eq!(mapped.iter().collect::<BTreeSet<_>>().len(), names.len());
    }

    #[test]
    fn a_joliet_identifier_is_the_name_in_big_endian() {
        assert_eq!(Joliet::new("é.€", false).into_identifier(), [0, 0xe9, 0, b'.', 0x20, 0xac]);
        assert_eq!(Joliet::new("d", true).into_identifier(), [0, b'd']);
    }

    #[test]
    fn joliet_sorts_by_name_before_extension() {
        let sorted = ["a.b", "a-b"];
        assert!(Joliet::new(sorted[0], false) < Joliet::new(sorted[1], false), "`-` sorts before `.` as a byte");
    }

    #[test]
    fn names_that_a_reader_would_change_cannot_be_written() {
        for (name, because) in [
            ("", "empty"),
            ("..", "parent"),
            ("a\u{7}b", "control character '\\u{7}'"),
            ("a\0b", "control character '\\0'"),
            ("a;1", "';', which Joliet forbids"),
            ("a\\b", "'\\\\', which Joliet forbids"),
            ("\u{1f427}", "UCS-2"),
            ("a.", "period"),
            ("a ", "space"),
            (&"n".repeat(104), "has 104 characters"),
            (&"€".repeat(84), "has 252 bytes"),
        ] {
            let reason = unwritable(name).unwrap();
            assert!(reason.contains(because), "{name:?}: {reason}");
        }
    }

    #[test]
    fn names_up_to_both_limits_can_be_written() {
        for name in ["a", "...a", "€", &"n".repeat(103), &"€".repeat(83)] {
            assert_eq!(unwritable(name), None, "{name:?}");
        }
    }

    #[test]
    fn reading_drops_the_version_and_an_idle_separator() {
        assert_eq!(read_primary(b"A.B;1", false).as_deref(), Ok("A.B"));
        assert_eq!(read_primary(b"A.;12", false).as_deref(), Ok("A"));
        assert_eq!(read_primary(b"A;B", false).as_deref(), Ok("A;B"));
        assert_eq!(read_joliet(b"\0\xe9\0.\0x\0;\x001", false).as_deref(), Ok("é.x"));
        assert_eq!(read_joliet(&Joliet::new("é.x", false).into_identifier(), false).as_deref(), Ok("é.x"));
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in ["", ".", "..", "a/b", "a\\b", "a\0", "a\nb", &"n".repeat(256)] {
            assert!(read_rock_ridge(name.as_bytes()).is_err(), "{name:?}");
        }
        assert!(read_primary(b"..;1", false).is_err_and(|reason| reason.contains("itself")), "`..` less a period");
        assert!(read_primary(b"/.;1", false).is_err());
        assert!(read_joliet(b"\0.\0.\0;\x001", false).is_err());
        assert!(read_joliet(b"\0a\0", false).is_err());
        assert!(read_joliet(b"\xd8\0", false).is_err());
        assert!(read_rock_ridge(b"\xff").is_err());
    }
}
