//! What XML-RPC can say, as a tree. Knows neither the wire nor XAPI.

use std::collections::BTreeMap;

use super::digest::Reduced;

/// One XML-RPC value.
///
/// XAPI sends its integers as untyped decimal strings, so they arrive as [`Value::Text`]; dates and base64 are kept
/// as the text they came in (xen-api's dates end in `Z`, which XML-RPC libraries refuse).
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `<string>`, an untyped value, a date, or base64.
    Text(String),
    /// `<int>`, `<i4>` or `<i8>`; encoded as a string, XAPI's own form.
    Int(i64),
    /// `<boolean>`.
    Bool(bool),
    /// `<double>`.
    Double(f64),
    /// `<dateTime.iso8601>`, to be sent; dates that come are texts.
    Date(String),
    /// A text that was not kept.
    Reduced(Reduced),
    /// `<nil/>`.
    Nil,
    /// `<array>`.
    Array(Vec<Value>),
    /// `<struct>`; of members with the same name the last one counts.
    Struct(BTreeMap<String, Value>),
}

impl Value {
    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, whether it came typed or as XAPI's decimal string.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(*number),
            Value::Text(text) => text.parse().ok(),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}
