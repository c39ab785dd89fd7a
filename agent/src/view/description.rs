//! What an engine says of itself, for XenCenter's box of a VM's container host.
//!
//! Elements are named as the Docker Engine API names them; truth values and gaps as the original agent's language wrote
//! them, which is how they are shown.

use serde_json::Value;

use super::xml::Document;
use super::{INFO, VERSION};
use crate::engine;
use crate::xapi::encode::sent_bytes;

/// Of `GET /info`, what clients read, less what changes by itself (counts of goroutines, files and listeners).
pub const INFO_FIELDS: &[&str] = &[
    "ID",
    "Name",
    "Containers",
    "Images",
    "Driver",
    "DriverStatus",
    "ExecutionDriver",
    "IPv4Forwarding",
    "IndexServerAddress",
    "KernelVersion",
    "OperatingSystem",
    "MemTotal",
    "NCPU",
    "MemoryLimit",
    "SwapLimit",
    "Debug",
    "DockerRootDir",
    "InitPath",
    "InitSha1",
    "Labels",
];

/// Of `GET /version`, what clients read.
pub const VERSION_FIELDS: &[&str] = &["Version", "ApiVersion", "GitCommit", "GoVersion", "Os", "Arch", "KernelVersion"];

/// Fields of [`INFO_FIELDS`] that Docker 1.6 gave as 0 and 1.
const TRUTHS: [&str; 4] = ["IPv4Forwarding", "MemoryLimit", "SwapLimit", "Debug"];

/// Bytes of a description, as sent. Lists and maps that do not fit are left out first, then the last of the fields.
pub const MAX_DESCRIPTION: usize = 12 * 1024;

/// Bytes of one text.
const MAX_TEXT: usize = 512;

/// Elements of one list, and members of one map.
const MAX_ITEMS: usize = 64;

/// Lists and maps in one another.
const MAX_DEPTH: usize = 4;

/// Elements in one field.
const MAX_ELEMENTS: usize = 256;

/// `docker_info`, of a document with [`INFO_FIELDS`].
#[must_use]
pub fn info(document: &engine::Document) -> String {
    describe(INFO, INFO_FIELDS, document)
}

/// `docker_version`, of a document with [`VERSION_FIELDS`].
#[must_use]
pub fn version(document: &engine::Document) -> String {
    describe(VERSION, VERSION_FIELDS, document)
}

/// The fields in the order given, whatever order they came in; those that fit.
fn describe(root: &str, fields: &[&str], document: &engine::Document) -> String {
    let mut left =
        MAX_DESCRIPTION.saturating_sub(sent_bytes(&framed(root, |_| {})) + sent_bytes(root) + sent_bytes("<></>"));
    let mut fits = vec![false; fields.len()];
    for lists in [false, true] {
        for (field, fits) in fields.iter().zip(&mut fits) {
            let Some(value) = document.get(*field).filter(|value| (value.is_array() || value.is_object()) == lists)
            else {
                continue;
            };
            let mut alone = Document::default();
            let before = sent_bytes(&Document::default().finish());
            push_field(&mut alone, field, value);
            let size = sent_bytes(&alone.finish()) - before;
            if let Some(rest) = left.checked_sub(size) {
                left = rest;
                *fits = true;
            }
        }
    }
    framed(root, |xml| {
        for (field, _) in fields.iter().zip(fits).filter(|(_, fits)| *fits) {
            push_field(xml, field, &document[*field]);
        }
    })
}

fn framed(root: &str, inside: impl FnOnce(&mut Document)) -> String {
    let mut xml = Document::new();
    xml.element(root, inside);
    xml.finish()
}

fn push_field(xml: &mut Document, field: &str, value: &Value) {
    let truth = TRUTHS.contains(&field).then(|| value.as_u64()).flatten();
    match truth {
        Some(number) => xml.leaf(field, spelled(number != 0)),
        None => xml.element(field, |xml| push(xml, value, MAX_DEPTH, &mut { MAX_ELEMENTS })),
    }
}

fn push(xml: &mut Document, value: &Value, depth: usize, left: &mut usize) {
    match value {
        Value::Null => xml.text("None"),
        Value::Bool(truth) => xml.text(spelled(*truth)),
        Value::Number(number) => xml.text(&number.to_string()),
        Value::String(text) => xml.text(&text[..text.floor_char_boundary(MAX_TEXT)]),
        Value::Array(items) if depth > 0 => {
            for item in items.iter().take(MAX_ITEMS) {
                let Some(rest) = left.checked_sub(1) else { return };
                *left = rest;
                xml.element("item", |xml| push(xml, item, depth - 1, left));
            }
        }
        Value::Object(members) if depth > 0 => {
            for (name, member) in members.iter().take(MAX_ITEMS) {
                let Some(rest) = left.checked_sub(1) else { return };
                *left = rest;
                let name = &name[..name.floor_char_boundary(MAX_TEXT)];
                xml.foreign_element(name, |xml| push(xml, member, depth - 1, left));
            }
        }
        Value::Array(_) | Value::Object(_) => {}
    }
}

fn spelled(truth: bool) -> &'static str {
    if truth { "True" } else { "False" }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(value: Value) -> engine::Document {
        match value {
            Value::Object(members) => members,
            _ => panic!("not an object"),
        }
    }

    #[test]
    fn the_description_has_the_fields_that_clients_read_in_one_order() {
        let said = json!({
            "Labels": null, "NGoroutines": 33, "Name": "coreos1", "ID": "ABCD:EFGH", "Containers": 3, "Driver": "overlay2",
            "DriverStatus": [["Backing Filesystem", "extfs"]], "IPv4Forwarding": true, "MemTotal": 2_095_857_664_u64,
        });
        assert_eq!(
            info(&document(said)),
            "<?xml version=\"1.0\" ?><docker_info><ID>ABCD:EFGH</ID><Name>coreos1</Name><Containers>3</Containers>\
             <Driver>overlay2</Driver><DriverStatus><item><item>Backing Filesystem</item><item>extfs</item></item>\
             </DriverStatus><IPv4Forwarding>True</IPv4Forwarding><MemTotal>2095857664</MemTotal><Labels>None</Labels>\
             </docker_info>"
        );
    }

    #[test]
    fn the_version_is_the_engines_own_not_a_components() {
        let said =
            json!({"Version": "20.10.23", "ApiVersion": "1.41", "Components": [{"Name": "Engine", "Version": "99"}]});
        assert_eq!(
            version(&document(said)),
            "<?xml version=\"1.0\" ?><docker_version><Version>20.10.23</Version><ApiVersion>1.41</ApiVersion></docker_version>"
        );
    }

    #[test]
    fn old_engines_truths_are_spelled_like_new_ones() {
        let said = json!({"IPv4Forwarding": 1, "MemoryLimit": 0, "Images": 1});
        assert!(
            info(&document(said))
                .contains("<Images>1</Images><IPv4Forwarding>True</IPv4Forwarding><MemoryLimit>False</MemoryLimit>")
        );
    }

    #[test]
    fn what_does_not_fit_is_left_out_lists_first() {
        let said = json!({
            "DriverStatus": vec!["y".repeat(500); 64], "Labels": ["a=b"], "Driver": "overlay2", "KernelVersion": "6.1",
        });
        let made = info(&document(said));
        assert_eq!(
            made.trim_start_matches("<?xml version=\"1.0\" ?>"),
            "<docker_info><Driver>overlay2</Driver><KernelVersion>6.1</KernelVersion><Labels><item>a=b</item></Labels></docker_info>"
        );
    }

    #[test]
    fn a_hostile_description_stays_small() {
        let deep = (0..50).fold(json!("x"), |inside, _| json!({ "entry": [inside] }));
        let awkward = "\"<&\u{1b}".repeat(25_000);
        for value in
            [json!("x".repeat(100_000)), json!(awkward), json!(vec![deep; 1000]), json!(vec![awkward.clone(); 1000])]
        {
            let said = document(INFO_FIELDS.iter().map(|field| ((*field).to_owned(), value.clone())).collect());
            assert!(sent_bytes(&info(&said)) <= MAX_DESCRIPTION);
            assert!(sent_bytes(&version(&said)) <= MAX_DESCRIPTION);
        }
    }
}
