//! Writing XML with quick-xml, into memory.

use std::io::Write;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

/// A document that is being written.
pub(super) type Xml = Writer<Vec<u8>>;

/// Writing to memory fails for no reason.
const MEMORY: &str = "writing to memory cannot fail";

/// A document with an XML declaration; everything is indented by two spaces.
pub(super) fn document() -> Xml {
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None))).expect(MEMORY);
    xml
}

/// The finished document.
pub(super) fn finish(xml: Xml) -> Vec<u8> {
    let mut bytes = xml.into_inner();
    bytes.push(b'\n');
    bytes
}

/// `<name attributes/>`
pub(super) fn empty(xml: &mut Xml, name: &str, attributes: &[(&str, &str)]) {
    xml.create_element(name).with_attributes(attributes.iter().copied()).write_empty().expect(MEMORY);
}

/// `<name attributes>text</name>`; an empty text gives an empty element.
pub(super) fn text(xml: &mut Xml, name: &str, attributes: &[(&str, &str)], text: &str) {
    match text.is_empty() {
        true => empty(xml, name, attributes),
        false => {
            let element = xml.create_element(name).with_attributes(attributes.iter().copied());
            element.write_text_content(BytesText::new(&legal(text))).expect(MEMORY);
        }
    }
}

/// `<name attributes>…</name>` around what `inner` writes.
pub(super) fn nest(xml: &mut Xml, name: &str, attributes: &[(&str, &str)], inner: impl FnOnce(&mut Xml)) {
    let element = xml.create_element(name).with_attributes(attributes.iter().copied());
    element
        .write_inner_content(|xml| {
            inner(xml);
            Ok(())
        })
        .expect(MEMORY);
}

/// Bytes as they are, such as a document type.
pub(super) fn raw(xml: &mut Xml, bytes: &str) {
    xml.get_mut().write_all(bytes.as_bytes()).expect(MEMORY);
}

/// Text without the characters that XML 1.0 cannot carry (section 2.2): packages may have any in their descriptions.
fn legal(text: &str) -> String {
    text.chars()
        .filter(|c| matches!(c, '\t' | '\n' | '\r') || (*c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}')))
        .collect()
}
