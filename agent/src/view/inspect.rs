//! All that an engine says about a container, as the tree that XenCenter shows.
//!
//! XenCenter drops the root and shows its children in their order: an element as its name, a text as a leaf. It builds the
//! tree anew whenever the document differs from the last one, which closes what the user opened (xenadmin
//! XenAdmin/TabPages/DockerDetailsPage.cs). So the engine's order is kept, and its numbers as it wrote them.

use super::json::{Cursor, Value};
use super::xml::Document;
use super::{INSPECT, NotADocument};

/// Bytes of a document, give or take one text.
pub const MAX_INSPECT_DOCUMENT: usize = 16 << 20;

/// Lists and objects in one another that become a tree; what lies deeper is shown as the JSON that it is. Real ones have
/// about six.
const MAX_DEPTH: usize = 64;

/// `docker_inspect`, of the answer to `GET /containers/{id}/json`: one JSON object. Every value is shown: a member under its
/// name, also when it comes twice; what is in a list as `item`; null as `None`, truth values as `True` and `False`.
///
/// ```
/// let json = r#"{"Tty":false,"Args":["-g","daemon off;"],"ExposedPorts":{"80/tcp":{}}}"#;
/// assert_eq!(
///     agent::view::inspect(json).unwrap(),
///     "<?xml version=\"1.0\" ?><docker_inspect><Tty>False</Tty><Args><item>-g</item><item>daemon off;</item></Args>\
///      <ExposedPorts><SPECIAL_XS_ENCODED_ELEMENT name=\"80/tcp\"/></ExposedPorts></docker_inspect>"
/// );
/// ```
///
/// # Errors
/// [`NotADocument`]
pub fn inspect(json: &str) -> Result<String, NotADocument> {
    let mut cursor = Cursor::new(json).map_err(|error| NotADocument::NotJson(error.to_string()))?;
    match cursor.clone().value() {
        Value::Object => {}
        other => {
            let (what, came) = ("the description of the container", other.kind());
            return Err(NotADocument::Unexpected { what, came, expected: "an object" });
        }
    }
    let mut xml = Document::for_xencenter();
    xml.element(INSPECT, |xml| push(xml, &mut cursor, MAX_DEPTH));
    match xml.len() > MAX_INSPECT_DOCUMENT {
        true => Err(NotADocument::TooLong(MAX_INSPECT_DOCUMENT)),
        false => Ok(xml.finish()),
    }
}

/// Writes the next value. Once the document is too long, it matters no more what is written.
fn push(xml: &mut Document, cursor: &mut Cursor<'_>, depth: usize) {
    if depth == 0 && cursor.is_nested() {
        return xml.faithful_text(cursor.skip());
    }
    match cursor.value() {
        Value::Null => xml.text("None"),
        Value::Bool(true) => xml.text("True"),
        Value::Bool(false) => xml.text("False"),
        Value::Number(number) => xml.text(number),
        Value::Text(text) => xml.faithful_text(&text),
        Value::List => {
            while xml.len() <= MAX_INSPECT_DOCUMENT && cursor.goes_on() {
                xml.element("item", |xml| push(xml, cursor, depth - 1));
            }
        }
        Value::Object => {
            while xml.len() <= MAX_INSPECT_DOCUMENT && cursor.goes_on() {
                let name = cursor.name();
                xml.foreign_element(&name, |xml| push(xml, cursor, depth - 1));
            }
        }
    }
}

#[cfg(test)]
mod tests;
