//! The values that XAPI's fields, parameters and results are made of, and its failures.
//!
//! Knows the kinds of xen-api's `Rpc.t` (mirage/ocaml-rpc src/lib/rpc.ml). Must not know a wire format.

use std::fmt;

/// The text that stands for "points at nothing" (xen-api ocaml/xapi-types/ref.ml).
pub const NULL_REF: &str = "OpaqueRef:NULL";

/// A reference to an object: `OpaqueRef:` and a uuid.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ref(pub String);

impl Ref {
    /// The reference that points at nothing.
    #[must_use]
    pub fn null() -> Self {
        Self(NULL_REF.to_owned())
    }

    /// The reference as it goes over the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Ref {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// One value. `Int` is the API's 64-bit `int`, `Int32` occurs only in the `valid_ref_counts` of `event.from`.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text, references and enumerations; also the result of a call that returns nothing (as "").
    String(String),
    /// A 64-bit integer.
    Int(i64),
    /// A 32-bit integer.
    Int32(i32),
    /// A floating-point number.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// A date as `20200601T10:00:00Z`.
    DateTime(String),
    /// `<nil/>` or `null`.
    Nil,
    /// A set.
    Array(Vec<Value>),
    /// A map or a record; the order of members is kept.
    Struct(Vec<(String, Value)>),
}

impl Value {
    /// A map from text to text.
    pub fn map<K: Into<String>, V: Into<Value>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        Self::Struct(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }

    /// A set.
    pub fn set<V: Into<Value>>(items: impl IntoIterator<Item = V>) -> Self {
        Self::Array(items.into_iter().map(Into::into).collect())
    }

    /// The text, if this is a string.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The member `name`, if this is a struct that has it.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Value> {
        match self {
            Self::Struct(members) => members.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The items, if this is an array; otherwise none.
    #[must_use]
    pub fn items(&self) -> &[Value] {
        match self {
            Self::Array(items) => items,
            _ => &[],
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<&Ref> for Value {
    fn from(reference: &Ref) -> Self {
        Self::String(reference.0.clone())
    }
}

impl From<Ref> for Value {
    fn from(reference: Ref) -> Self {
        Self::String(reference.0)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

/// An API failure: what goes over the wire as `ErrorDescription`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}({})", params.join(", "))]
pub struct Failure {
    /// Such as `HANDLE_INVALID` (xen-api ocaml/idl/datamodel_errors.ml).
    pub code: String,
    /// What it refers to, in the order that the code prescribes.
    pub params: Vec<String>,
}

impl Failure {
    /// A failure of the given code and parameters.
    #[must_use]
    pub fn new(code: &str, params: &[&str]) -> Self {
        Self { code: code.to_owned(), params: params.iter().map(|&param| param.to_owned()).collect() }
    }

    /// What xapi answers to anything unforeseen (xen-api ocaml/xapi/exnHelper.ml).
    #[must_use]
    pub fn internal(text: &str) -> Self {
        Self::new("INTERNAL_ERROR", &[text])
    }

    /// A reference that points at no object of that class.
    #[must_use]
    pub fn handle_invalid(class: &str, reference: &str) -> Self {
        Self::new("HANDLE_INVALID", &[class, reference])
    }

    /// The code followed by the parameters.
    #[must_use]
    pub fn description(&self) -> Value {
        Value::set(std::iter::once(&self.code).chain(&self.params).cloned())
    }
}
