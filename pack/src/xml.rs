//! Small XML documents, read into a tree as strictly as the pack's readers do (xmlm, expat, libxml2), and bounded.
//!
//! Entities of a document's own are never expanded: a reference to one is an error. Must not know what documents mean.

use quick_xml::events::{BytesDecl, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// Deepest nesting; documents of packs have six levels.
const MAX_DEPTH: usize = 32;
/// Most elements and attributes together; a package with many dependencies has some thousands.
const MAX_NODES: usize = 1 << 18;

/// A document.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    pub(crate) root: Element,
    /// Whether it has a document type declaration.
    pub(crate) has_doctype: bool,
}

/// An element: its name without a namespace prefix, as the readers of repository metadata look at it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Element {
    pub(crate) name: String,
    /// Whether its name has a prefix, or it declares a namespace.
    pub(crate) has_namespace: bool,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) children: Vec<Element>,
    /// All character data directly in it.
    pub(crate) text: String,
}

impl Element {
    /// The value of an attribute.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The children of a name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The first child of a name.
    pub(crate) fn first(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child of a name, without white space around it.
    pub(crate) fn text_of(&self, name: &str) -> Option<&str> {
        self.first(name).map(|child| child.text.trim())
    }
}

impl Document {
    /// Reads a document in UTF-8.
    ///
    /// # Errors
    /// Why a reader would refuse it, to follow its name.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Document, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "is not UTF-8 text".to_owned())?;
        if let Some(c) = text.chars().find(|c| !is_legal(*c)) {
            return Err(format!("has the character {c:?}, which XML cannot carry"));
        }
        let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
        reader.config_mut().enable_all_checks(true);
        let mut open = Open::default();
        loop {
            match reader.read_event().map_err(|e| format!("is not well-formed: {e}"))? {
                Event::Decl(declaration) => check_declaration(&declaration)?,
                Event::Start(start) => open.start(&start)?,
                Event::Empty(start) => {
                    open.start(&start)?;
                    open.end();
                }
                Event::End(_) => open.end(),
                Event::Text(text) => open.text(&text.xml10_content())?,
                Event::CData(text) => open.text(&text.xml10_content())?,
                Event::GeneralRef(reference) => {
                    let c = match reference.resolve_char_ref().map_err(|e| format!("is not well-formed: {e}"))? {
                        Some(c) if is_legal(c) => c,
                        Some(c) => return Err(format!("has a reference to {c:?}, which XML cannot carry")),
                        None => predefined(&reference)?,
                    };
                    open.text(c.encode_utf8(&mut [0; 4]))?;
                }
                Event::DocType(declaration) => open.doctype(&declaration)?,
                Event::Comment(_) | Event::PI(_) => {}
                Event::Eof => return open.finish(),
            }
        }
    }
}

/// A document that is being read.
#[derive(Default)]
struct Open {
    /// From the root to the innermost open element.
    path: Vec<Element>,
    root: Option<Element>,
    has_doctype: bool,
    nodes: usize,
}

impl Open {
    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), String> {
        if self.path.is_empty() && self.root.is_some() {
            return Err("is not well-formed: it has two root elements".into());
        }
        let name = start.name();
        let name: &str = name.as_ref();
        check_name(name)?;
        let mut element = Element { name: local(name).into(), has_namespace: name.contains(':'), ..Element::default() };
        self.nodes += 1;
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|e| format!("is not well-formed: {e}"))?;
            let name: &str = attribute.key.as_ref();
            check_name(name)?;
            if attribute.value.contains('<') {
                return Err(format!("is not well-formed: '<' stands in the attribute {name}"));
            }
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|e| format!("has an attribute {name} that cannot be read: {e}"))?;
            if !value.chars().all(is_legal) {
                return Err(format!("has an attribute {name} with a character that XML cannot carry"));
            }
            element.has_namespace |= name == "xmlns" || name.starts_with("xmlns:");
            element.attributes.push((name.into(), value.into_owned()));
            self.nodes += 1;
        }
        if self.path.len() >= MAX_DEPTH || self.nodes > MAX_NODES {
            return Err(format!(
                "has more than {MAX_NODES} elements and attributes, or {MAX_DEPTH} levels: more than is read"
            ));
        }
        self.path.push(element);
        Ok(())
    }

    fn end(&mut self) {
        // The reader has matched names: there is an open element.
        let Some(element) = self.path.pop() else { return };
        match self.path.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
    }

    fn text(&mut self, text: &str) -> Result<(), String> {
        match self.path.last_mut() {
            Some(element) => element.text.push_str(text),
            None if text.trim().is_empty() => {}
            None => return Err("is not well-formed: it has text outside of its root element".into()),
        }
        Ok(())
    }

    fn doctype(&mut self, declaration: &str) -> Result<(), String> {
        if self.root.is_some() || !self.path.is_empty() || self.has_doctype {
            return Err("is not well-formed: its document type is not before its root element".into());
        }
        self.has_doctype = true;
        match is_doctype(declaration.trim()) {
            true => Ok(()),
            false => Err("has a malformed document type".into()),
        }
    }

    fn finish(self) -> Result<Document, String> {
        if !self.path.is_empty() {
            return Err("ends before its elements do".into());
        }
        let root = self.root.ok_or("has no root element")?;
        Ok(Document { root, has_doctype: self.has_doctype })
    }
}

fn local(name: &str) -> &str {
    name.split_once(':').map_or(name, |(_, local)| local)
}

/// XML 1.0, section 2.2.
fn is_legal(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r') || (c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}'))
}

fn check_name(name: &str) -> Result<(), String> {
    let first = |c: char| c.is_alphabetic() || c == '_' || c == ':';
    let more = |c: char| first(c) || c.is_numeric() || matches!(c, '-' | '.' | '\u{b7}');
    match name.starts_with(first) && name.chars().all(more) {
        true => Ok(()),
        false => Err(format!("is not well-formed: {name:?} is no name")),
    }
}

fn check_declaration(declaration: &BytesDecl<'_>) -> Result<(), String> {
    let Some(encoding) = declaration.encoding() else { return Ok(()) };
    let encoding = encoding.map_err(|e| format!("is not well-formed: {e}"))?;
    match ["utf-8", "us-ascii"].iter().any(|known| encoding.eq_ignore_ascii_case(known)) {
        true => Ok(()),
        false => Err(format!("declares the encoding {encoding}, not UTF-8")),
    }
}

fn predefined(name: &str) -> Result<char, String> {
    match name {
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "amp" => Ok('&'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        _ => Err(format!("refers to the entity {name:?}, which is none of XML's own")),
    }
}

/// `name [SYSTEM "…" | PUBLIC "…" "…"] [\[…]]`. What is in brackets is not looked at.
fn is_doctype(declaration: &str) -> bool {
    let declaration = declaration.split_once('[').map_or(declaration, |(before, _)| before);
    let (name, id) = declaration.split_once(char::is_whitespace).unwrap_or((declaration, ""));
    let id = id.trim();
    let literals = match (id.strip_prefix("PUBLIC"), id.strip_prefix("SYSTEM")) {
        (Some(literals), _) => (literals, 2),
        (_, Some(literals)) => (literals, 1),
        _ => (id, 0),
    };
    check_name(name).is_ok() && quoted(literals.0) == Some(literals.1)
}

/// How many quoted literals a text consists of, if of nothing else.
fn quoted(text: &str) -> Option<usize> {
    let mut rest = text.trim_start();
    let mut count = 0;
    while let Some(quote) = rest.chars().next() {
        let after = rest.strip_prefix(quote).filter(|_| quote == '"' || quote == '\'')?;
        rest = after.split_once(quote)?.1.trim_start();
        count += 1;
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        Document::parse(text.as_bytes()).expect_err(text)
    }

    #[test]
    fn a_document_is_read_as_written() {
        let text = "<?xml version=\"1.0\"?><!DOCTYPE a><a x='1 &lt; 2'><r:b>t&amp;&#65;</r:b><![CDATA[<c>]]></a>";
        let document = Document::parse(text.as_bytes()).unwrap();
        assert!(document.has_doctype);
        assert_eq!(document.root.attribute("x"), Some("1 < 2"));
        assert_eq!(document.root.text_of("b"), Some("t&A"));
        assert_eq!(document.root.text, "<c>");
        assert!(document.root.children[0].has_namespace);
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        for text in [
            "",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "<a x='1' x='2'/>",
            "<a x='<'/>",
            "<a>&nbsp;</a>",
            "<a>&#0;</a>",
            "<a>&#x1;</a>",
            "<a>\u{1}</a>",
            "text",
            "<1/>",
            "<!DOCTYPE a PUBLIC &quot;b&quot;><a/>",
            "<!DOCTYPE a PUBLIC \"b\"><a/>",
            "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a/>",
        ] {
            refusal(text);
        }
        assert!(Document::parse(b"<a>\xff</a>").is_err());
    }

    #[test]
    fn entities_of_a_document_are_not_expanded() {
        let laughs = "<!DOCTYPE a [<!ENTITY l \"ha\"><!ENTITY m \"&l;&l;&l;\">]><a>&m;</a>";
        assert!(refusal(laughs).contains("refers to the entity"));
        let in_attribute = "<!DOCTYPE a [<!ENTITY l \"ha\">]><a x=\"&l;\"/>";
        assert!(refusal(in_attribute).contains("cannot be read"));
    }

    #[test]
    fn depth_and_number_are_bounded() {
        assert!(refusal(&format!("{}{}", "<a>".repeat(40), "</a>".repeat(40))).contains("levels"));
        assert!(refusal(&format!("<a>{}</a>", "<b/>".repeat(MAX_NODES))).contains("elements"));
    }
}
