//! Which classes, fields, types and defaults there are, read from `schema.txt`.
//!
//! Knows the data model. Must not know objects, calls or wire formats.

use std::sync::LazyLock;

use super::value::{Failure, NULL_REF, Value};

/// The classes, in the order of `schema.txt`.
pub(super) static CLASSES: LazyLock<Vec<Class>> =
    LazyLock::new(|| parse(include_str!("schema.txt")).expect("the embedded schema is read by a test of this module"));

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text or an enumeration.
    String,
    /// A 64-bit integer.
    Int,
    /// A floating-point number.
    Float,
    /// A truth value.
    Bool,
    /// A date.
    DateTime,
    /// A reference.
    Ref,
    /// A set of strings or references.
    Set,
    /// A set of integers.
    Ints,
    /// A map from string to string.
    Map,
}

/// One field of a class.
#[derive(Debug)]
pub struct Field {
    /// Its name on the wire.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether clients may change it.
    pub writable: bool,
    /// What it holds in a new object.
    pub default: Value,
    /// For a set that lists who points here: class and reference field of those.
    pub back: Option<(&'static str, &'static str)>,
}

/// One class.
#[derive(Debug)]
pub struct Class {
    /// Its name in exact case.
    pub name: &'static str,
    /// Whether `event.from` tells of its objects.
    pub events: bool,
    /// Whether `get_all` and `get_all_records` exist.
    pub listable: bool,
    /// Whether it is a database table; messages are files (xen-api ocaml/xapi/xapi_message.ml).
    pub stored: bool,
    /// Its fields.
    pub fields: Vec<Field>,
}

impl Class {
    /// The class called `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        CLASSES.iter().find(|class| class.name == name)
    }

    /// The place of the field `name`.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }
}

/// Makes `value` fit a field of `kind`, as xapi's unmarshalling does: integers come as text in XML-RPC, strings are cut
/// at the first character that XML 1.0 cannot carry (xen-api ocaml/database/db_cache_impl.ml, `ensure_utf8_xml`).
///
/// # Errors
/// `INTERNAL_ERROR` when the type does not fit.
pub(super) fn fit(kind: Kind, value: Value) -> Result<Value, Failure> {
    match (kind, value) {
        (Kind::String | Kind::Ref, Value::String(text)) => Ok(Value::String(xml_prefix(text))),
        (Kind::Int, Value::Int(number)) => Ok(Value::Int(number)),
        (Kind::Int, Value::String(text)) => {
            text.parse().map(Value::Int).map_err(|_| Failure::internal("Int64.of_string"))
        }
        (Kind::Float, Value::Float(number)) => Ok(Value::Float(number)),
        #[expect(clippy::cast_precision_loss, reason = "xapi converts the same way")]
        (Kind::Float, Value::Int(number)) => Ok(Value::Float(number as f64)),
        (Kind::Float, Value::String(text)) => {
            text.parse().map(Value::Float).map_err(|_| Failure::internal("float_of_string"))
        }
        (Kind::Bool, Value::Bool(truth)) => Ok(Value::Bool(truth)),
        (Kind::DateTime, Value::DateTime(date) | Value::String(date)) => Ok(Value::DateTime(date)),
        (Kind::Set, Value::Array(items)) => {
            items.into_iter().map(|item| fit(Kind::String, item)).collect::<Result<_, _>>().map(Value::Array)
        }
        (Kind::Ints, Value::Array(items)) => {
            items.into_iter().map(|item| fit(Kind::Int, item)).collect::<Result<_, _>>().map(Value::Array)
        }
        (Kind::Map, Value::Struct(members)) => members
            .into_iter()
            .map(|(key, value)| Ok((xml_prefix(key), fit(Kind::String, value)?)))
            .collect::<Result<_, _>>()
            .map(Value::Struct),
        (kind, value) => Err(Failure::internal(&format!("Rpc.Runtime_error(expected {kind:?}, got {value:?})"))),
    }
}

/// Whether XML 1.0 can carry the character (its production 2, `Char`).
#[must_use]
pub(super) fn is_xml_char(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

fn xml_prefix(mut text: String) -> String {
    if let Some(cut) = text.find(|character| !is_xml_char(character)) {
        text.truncate(cut);
    }
    text
}

fn parse(text: &'static str) -> Result<Vec<Class>, String> {
    let mut classes: Vec<Class> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(head) = line.strip_prefix("class ") {
            let mut words = head.split(' ');
            let name = words.next().ok_or_else(|| format!("`{line}` names no class"))?;
            let flags: Vec<&str> = words.collect();
            classes.push(Class {
                name,
                events: flags.contains(&"events"),
                listable: flags.contains(&"all"),
                stored: !flags.contains(&"unstored"),
                fields: Vec::new(),
            });
            continue;
        }
        let class = classes.last_mut().ok_or_else(|| format!("`{line}` stands before any class"))?;
        class.fields.extend(parse_fields(line)?);
    }
    Ok(classes)
}

fn parse_fields(line: &'static str) -> Result<Vec<Field>, String> {
    let (head, names) = line.rsplit_once(": ").ok_or_else(|| format!("`{line}` lists no fields"))?;
    let (head, default) = match head.split_once(" = ") {
        Some((head, default)) => (head, Some(default)),
        None => (head, None),
    };
    let (access, kind) = head.split_once(' ').ok_or_else(|| format!("`{line}` names no type"))?;
    let back = (access == "back").then(|| kind.split_once('.')).flatten();
    let kind = match kind {
        _ if back.is_some() => Kind::Set,
        "string" => Kind::String,
        "int" => Kind::Int,
        "float" => Kind::Float,
        "bool" => Kind::Bool,
        "datetime" => Kind::DateTime,
        "ref" => Kind::Ref,
        "set" => Kind::Set,
        "ints" => Kind::Ints,
        "map" => Kind::Map,
        _ => return Err(format!("`{line}`: the type {kind} is unknown")),
    };
    let initial = match default {
        Some("true") if kind == Kind::Bool => Value::Bool(true),
        Some(text) => fit(kind, text.into()).map_err(|failure| format!("`{line}`: {failure}"))?,
        None => empty(kind),
    };
    let field = |name| Field { name, kind, writable: access == "rw", default: initial.clone(), back };
    Ok(names.split(' ').map(field).collect())
}

fn empty(kind: Kind) -> Value {
    match kind {
        Kind::String => "".into(),
        Kind::Int => Value::Int(0),
        Kind::Float => Value::Float(0.0),
        Kind::Bool => Value::Bool(false),
        Kind::DateTime => Value::DateTime("19700101T00:00:00Z".to_owned()),
        Kind::Ref => NULL_REF.into(),
        Kind::Set | Kind::Ints => Value::Array(Vec::new()),
        Kind::Map => Value::Struct(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_schema_is_readable() {
        assert_eq!(parse(include_str!("schema.txt")).map(|classes| classes.len()), Ok(16));
    }

    #[test]
    fn every_back_reference_names_a_reference_field() {
        for (class, field) in CLASSES.iter().flat_map(|class| &class.fields).filter_map(|field| field.back) {
            let class = Class::named(class).unwrap();
            assert_eq!(class.fields[class.position(field).unwrap()].kind, Kind::Ref, "{}.{field}", class.name);
        }
    }

    #[test]
    fn no_class_has_a_field_twice() {
        for class in CLASSES.iter() {
            let mut names: Vec<_> = class.fields.iter().map(|field| field.name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), class.fields.len(), "{}", class.name);
        }
    }

    #[test]
    fn text_is_cut_at_the_first_character_that_xml_cannot_carry() {
        assert_eq!(fit(Kind::String, "ab\u{1}cd".into()), Ok("ab".into()));
    }
}
