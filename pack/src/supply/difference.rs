//! Where two images that should be the same begin to differ: first what causes, then what follows from it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use medium::iso9660::SECTOR;
use serde_json::Value;

use super::PROVENANCE;
use crate::image::PackImage;
use crate::rpm::Rpm;
use crate::rpm::package::{FileKind, Package};

/// Lengths of a header's introduction and of an entry of its index (rpm 4.11 `lib/header.c`).
const INTRO: usize = 16;
const INDEX_ENTRY: usize = 16;
/// Longest text that is quoted.
const QUOTED: usize = 80;

/// What differs first between an image and the one that was built again: a file on it, and which part. `None` if every byte
/// is the same.
///
/// # Errors
/// One of them cannot be read.
pub fn difference(given: &PackImage, again: &PackImage) -> io::Result<Option<String>> {
    let Some(offset) = first_difference(whole(given), whole(again))? else { return Ok(None) };
    if let Some(cause) = in_origin(given, again).or_else(|| in_packages(given, again)) {
        return Ok(Some(cause));
    }
    if let Some(found) = in_files(given, again)? {
        return Ok(Some(found));
    }
    let place = match offset / SECTOR as u64 {
        0..16 => "the system area",
        16..20 => "the volume descriptors",
        _ => "the directories, or the space between files",
    };
    Ok(Some(format!("the files are the same; the images differ from byte {offset} on, in {place}")))
}

fn whole(image: &PackImage) -> impl Read + use<> {
    image.whole().read_from(0)
}

/// A different statement of how it was built, which is why anything else differs.
fn in_origin(given: &PackImage, again: &PackImage) -> Option<String> {
    let statement = |image: &PackImage| -> Option<Value> {
        serde_json::from_slice(&image.content(image.file(PROVENANCE)?).ok()?).ok()
    };
    let (given, again) = (statement(given)?, statement(again)?);
    let found = in_json("", &given["predicate"], &again["predicate"])?;
    Some(format!("{PROVENANCE}, predicate{found}"))
}

/// The path to the first value that differs, and both.
fn in_json(path: &str, given: &Value, again: &Value) -> Option<String> {
    match (given, again) {
        _ if given == again => None,
        (Value::Object(one), Value::Object(other)) => {
            let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            names.into_iter().find_map(|name| in_json(&format!("{path}.{name}"), &given[name], &again[name]))
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            one.iter().zip(other).enumerate().find_map(|(i, (one, other))| in_json(&format!("{path}[{i}]"), one, other))
        }
        _ => Some(format!("{path}: {}, and now {}", quoted(given), quoted(again))),
    }
}

/// JSON escapes control characters, so this is harmless on a terminal.
fn quoted(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn in_packages(given: &PackImage, again: &PackImage) -> Option<String> {
    let by_path = |image: &PackImage| -> BTreeMap<String, Rpm> {
        let packages = image.packages().into_iter();
        packages.filter_map(|(entry, rpm)| Some((entry.path.clone(), rpm.ok()?))).collect()
    };
    let (given, mut again) = (by_path(given), by_path(again));
    // Payload first: the others follow from it.
    let mut paths: Vec<&String> = given.keys().collect();
    paths.sort_by_key(|path| path.starts_with("Packages/update-") || path.starts_with("Packages/control-"));
    for path in paths {
        let Some(other) = again.remove(path) else { return Some(format!("{path} was not built again")) };
        if let Some(part) = in_package(&given[path], &other) {
            return Some(format!("{path}: {part}"));
        }
    }
    again.keys().next().map(|path| format!("{path} was built, and is not on the image"))
}

/// The first part of two packages that differs.
fn in_package(given: &Rpm, again: &Rpm) -> Option<String> {
    if given.header() != again.header() {
        let changed = || in_packaged_files(&Package::of(given).ok()?, &Package::of(again).ok()?);
        return Some(changed().unwrap_or_else(|| in_header(given.header(), again.header())));
    }
    let parts = |rpm: &Rpm| {
        let signature = rpm.source().part("signature", 0, rpm.header_offset());
        (signature, rpm.source().read_from(rpm.payload_offset()))
    };
    let ((signature, payload), (other_signature, other_payload)) = (parts(given), parts(again));
    match first_difference(payload, other_payload) {
        Ok(None) => {}
        Ok(Some(offset)) => return Some(format!("its payload, from byte {offset} on")),
        Err(e) => return Some(format!("its payload cannot be read: {e}")),
    }
    match first_difference(signature.read_from(0), other_signature.read_from(0)) {
        Ok(None) => None,
        Ok(Some(offset)) => Some(format!("its signature header, from byte {offset} on")),
        Err(e) => Some(format!("its signature header cannot be read: {e}")),
    }
}

fn in_packaged_files(given: &Package, again: &Package) -> Option<String> {
    let again: BTreeMap<&str, _> = again.files.iter().map(|file| (file.path.as_str(), file)).collect();
    for file in &given.files {
        let path = file.path.escape_debug();
        let Some(other) = again.get(file.path.as_str()) else { return Some(format!("{path} is not in it any more")) };
        match (&file.kind, &other.kind) {
            (FileKind::Regular { size, digest }, FileKind::Regular { size: now, digest: other_digest })
                if digest != other_digest || size != now =>
            {
                return Some(format!("{path} has another content, with {now} bytes instead of {size}"));
            }
            _ if *file != **other => return Some(format!("{path} has another mode, owner or kind")),
            _ => {}
        }
    }
    let known: BTreeSet<&str> = given.files.iter().map(|file| file.path.as_str()).collect();
    again.keys().find(|path| !known.contains(*path)).map(|path| format!("{} is new in it", path.escape_debug()))
}

/// The tags of a header whose values differ.
fn in_header(given: &[u8], again: &[u8]) -> String {
    let (given, again) = (tags(given), tags(again));
    let all: BTreeSet<u32> = given.keys().chain(again.keys()).copied().collect();
    let differ: Vec<String> =
        all.into_iter().filter(|tag| given.get(tag) != again.get(tag)).take(8).map(|tag| tag.to_string()).collect();
    format!("its header, in the tags {}", differ.join(", "))
}

/// The values of a header that was read with bounds, by tag: each ends where the next one begins.
fn tags(header: &[u8]) -> BTreeMap<u32, &[u8]> {
    let word = |at: usize| header.get(at..at + 4).map_or(0, |b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
    let entries = word(8) as usize;
    let data = header.get(INTRO + entries.saturating_mul(INDEX_ENTRY)..).unwrap_or_default();
    let mut places: Vec<(usize, u32)> =
        (0..entries).map(|entry| INTRO + entry * INDEX_ENTRY).map(|at| (word(at + 8) as usize, word(at))).collect();
    places.sort_unstable();
    let ends = places.iter().skip(1).map(|(offset, _)| *offset).chain([data.len()]);
    places.iter().zip(ends).map(|((begin, tag), end)| (*tag, data.get(*begin..end).unwrap_or_default())).collect()
}

fn in_files(given: &PackImage, again: &PackImage) -> io::Result<Option<String>> {
    for entry in given.files() {
        let path = entry.path.escape_debug();
        let Some(other) = again.file(&entry.path) else { return Ok(Some(format!("{path} was not made again"))) };
        let readers = (given.source(entry).read_from(0), again.source(other).read_from(0));
        if let Some(offset) = first_difference(readers.0, readers.1)? {
            return Ok(Some(format!("{path}, from byte {offset} on")));
        }
    }
    let added = again.files().find(|entry| given.file(&entry.path).is_none());
    Ok(added.map(|entry| format!("{} was made, and is not on the image", entry.path.escape_debug())))
}

/// The first byte that differs, or where one ends and the other does not.
fn first_difference(mut one: impl Read, mut other: impl Read) -> io::Result<Option<u64>> {
    let mut buffers = [vec![0; 1 << 16], vec![0; 1 << 16]];
    let mut offset = 0;
    loop {
        let [first, second] = &mut buffers;
        let lengths = (fill(&mut one, first)?, fill(&mut other, second)?);
        let (first, second) = (&first[..lengths.0], &second[..lengths.1]);
        if first != second {
            let same = first.iter().zip(second).take_while(|(a, b)| a == b).count();
            return Ok(Some(offset + same as u64));
        }
        if first.is_empty() {
            return Ok(None);
        }
        offset += first.len() as u64;
    }
}

/// Reads until the buffer is full or the stream ends.
fn fill(stream: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match stream.read(&mut buffer[filled..])? {
            0 => break,
            got => filled += got,
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_byte_that_differs_is_found_also_beyond_a_buffer_and_at_an_end() {
        let zeros = vec![0_u8; 200_000];
        let mut changed = zeros.clone();
        changed[170_001] = 1;
        assert_eq!(first_difference(&zeros[..], &zeros[..]).unwrap(), None);
        assert_eq!(first_difference(&zeros[..], &changed[..]).unwrap(), Some(170_001));
        assert_eq!(first_difference(&zeros[..], &zeros[..70_000]).unwrap(), Some(70_000));
    }

    #[test]
    fn a_value_of_json_that_differs_is_named_by_its_path() {
        let one = json!({"a": [1, {"b": "x"}], "c": null});
        let other = json!({"a": [1, {"b": "\u{1b}[2J"}], "c": null});
        assert_eq!(in_json("", &one, &one), None);
        assert_eq!(in_json("", &one, &other).unwrap(), r#".a[1].b: "x", and now "\u001b[2J""#);
        assert_eq!(in_json("", &one, &json!({"a": 1, "c": null})).unwrap(), r#".a: [1,{"b":"x"}], and now 1"#);
    }
}
