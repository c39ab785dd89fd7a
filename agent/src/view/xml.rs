//! XML as the clients' parsers take it. Knows text and elements; must not know what they mean.
//!
//! No library's writer can be held to these rules: one client throws at more than 1000 entities such as `&lt;` in a
//! document (fast-xml-parser 4.5.6; `&amp;` is not counted) and shows numeric references as they are, the other throws
//! at control characters however written.

use std::fmt::Write as _;

use super::characters::{clean, faithful};

/// Entities, other than `&amp;`, in one document for both clients.
pub const MAX_ENTITIES: usize = 900;

/// An XML document being written.
#[derive(Debug)]
pub struct Document {
    text: String,
    /// None if they need not be rationed.
    entities_left: Option<usize>,
}

impl Document {
    /// For both clients, with the declaration.
    #[must_use]
    pub fn new() -> Self {
        Self { text: "<?xml version=\"1.0\" ?>".to_owned(), entities_left: Some(MAX_ENTITIES) }
    }

    /// For XenCenter alone, with the declaration: entities are not rationed, so that nothing needs to be written with
    /// characters that merely look alike.
    #[must_use]
    pub fn for_xencenter() -> Self {
        Self { entities_left: None, ..Self::new() }
    }

    /// How long it is so far, bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "it begins with the declaration")]
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// The finished text.
    #[must_use]
    pub fn finish(self) -> String {
        self.text
    }

    /// `<name>` … `</name>` around what `inside` writes, `<name/>` if that is nothing. The name is one of ours.
    pub fn element(&mut self, name: &str, inside: impl FnOnce(&mut Self)) {
        self.enclose(&format!("<{name}"), name, inside);
    }

    /// An element with a text.
    pub fn leaf(&mut self, name: &str, text: &str) {
        self.element(name, |document| document.text(text));
    }

    /// An element with a foreign name: as it is if both clients take it, else under the name by which they know that it
    /// is written otherwise.
    pub fn foreign_element(&mut self, name: &str, inside: impl FnOnce(&mut Self)) {
        if is_plain(name) {
            return self.element(name, inside);
        }
        let rationed = self.entities_left.is_some();
        let mut start = format!("<{ENCODED} name=\"");
        let mut push = |c| match c {
            '&' => start.push_str("&amp;"),
            // An attribute must not hold these, and the entities would count.
            '<' => start.push_str(if rationed { "\u{2039}" } else { "&lt;" }),
            '"' => start.push_str(if rationed { "'" } else { "&quot;" }),
            // Readers make blanks of what parts lines and columns in an attribute (XML 1.0, 3.3.3).
            '\t' | '\n' => start.push(' '),
            c => start.push(c),
        };
        match rationed {
            true => clean(name).for_each(&mut push),
            false => faithful(name).for_each(&mut push),
        }
        start.push('"');
        self.enclose(&start, ENCODED, inside);
    }

    fn enclose(&mut self, start: &str, name: &str, inside: impl FnOnce(&mut Self)) {
        self.text.push_str(start);
        let opened = self.text.len();
        self.text.push('>');
        inside(self);
        if self.text.len() == opened + 1 {
            self.text.truncate(opened);
            self.text.push_str("/>");
        } else {
            write!(self.text, "</{name}>").expect("writing to a String cannot fail");
        }
    }

    /// Text on one line.
    pub fn text(&mut self, text: &str) {
        self.characters(clean(text));
    }

    /// Text as it is, with its lines and all its blanks. XenCenter takes text of nothing but white space for none.
    pub fn faithful_text(&mut self, text: &str) {
        self.characters(faithful(text));
    }

    fn characters(&mut self, characters: impl Iterator<Item = char>) {
        let begin = self.text.len();
        for c in characters {
            match c {
                '&' => self.text.push_str("&amp;"),
                '<' => self.push_entity("&lt;", '\u{2039}'),
                '>' if self.text[begin..].ends_with("]]") => self.push_entity("&gt;", '\u{203a}'),
                c => self.text.push(c),
            }
        }
    }

    /// The entity, or a character that looks like it when there were too many.
    fn push_entity(&mut self, entity: &str, lookalike: char) {
        match &mut self.entities_left {
            Some(0) => return self.text.push(lookalike),
            Some(left) => *left -= 1,
            None => {}
        }
        self.text.push_str(entity);
    }
}

impl Default for Document {
    fn default() -> Self {
        Self::new()
    }
}

/// The name that tells clients to take the attribute `name` instead (xenadmin XenAdmin/TabPages/DockerDetailsPage.cs).
const ENCODED: &str = "SPECIAL_XS_ENCODED_ELEMENT";

/// Names that clients look for at any depth, or that mean something to a parser: fast-xml-parser makes members of a
/// JavaScript object of them, and calls that object's `hasOwnProperty`.
const TAKEN: [&str; 8] =
    ["entry", "Process", "docker_ps", "docker_info", "docker_version", ENCODED, "__proto__", "hasOwnProperty"];

/// Whether a foreign name can be an element's: letters and digits of ASCII, no colon, nothing that is taken.
fn is_plain(name: &str) -> bool {
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let goes_on = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    let xml = name.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("xml"));
    starts && goes_on && !xml && !TAKEN.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(text: &str) -> String {
        let mut document = Document::new();
        document.leaf("x", text);
        document.finish().trim_start_matches("<?xml version=\"1.0\" ?>").to_owned()
    }

    #[test]
    fn text_is_escaped_once_and_no_more_than_needed() {
        assert_eq!(leaf(r#"sh -c "a && b < in.txt > 'out'""#), r#"<x>sh -c "a &amp;&amp; b &lt; in.txt > 'out'"</x>"#);
        assert_eq!(leaf("]]>"), "<x>]]&gt;</x>");
        assert_eq!(leaf("&lt;"), "<x>&amp;lt;</x>");
    }

    #[test]
    fn nothing_is_an_empty_element() {
        for nothing in ["", " \n\t ", "\0", "\u{1b}"] {
            assert_eq!(leaf(nothing), "<x/>", "{nothing:?}");
        }
    }

    #[test]
    fn what_xml_cannot_carry_and_terminals_obey_is_replaced() {
        assert_eq!(
            leaf("a\u{1b}[2Jb\0c\u{9b}d\u{202e}e\u{ffff}f\u{feff}"),
            "<x>a\u{fffd}[2Jb\u{fffd}c\u{fffd}d\u{fffd}e\u{fffd}f\u{fffd}</x>"
        );
        assert_eq!(leaf(" a\r\nb\tc "), "<x>a  b c</x>");
    }

    #[test]
    fn entities_are_rationed() {
        let text = leaf(&"<".repeat(MAX_ENTITIES + 5));
        assert_eq!(text.matches("&lt;").count(), MAX_ENTITIES);
        assert_eq!(text.matches('\u{2039}').count(), 5);
    }

    #[test]
    fn foreign_names_that_would_mean_something_are_written_otherwise() {
        let named = |name: &str| {
            let mut document = Document::new();
            document.foreign_element(name, |document| document.text("v"));
            document.finish().trim_start_matches("<?xml version=\"1.0\" ?>").to_owned()
        };
        assert_eq!(named("com.example-1_a"), "<com.example-1_a>v</com.example-1_a>");
        let taken = ["entry", "docker_ps", "__proto__", "hasOwnProperty", "SPECIAL_XS_ENCODED_ELEMENT"];
        for name in taken.into_iter().chain(["xmlns", "a:b", "80/tcp", "", "é"]) {
            let expected = format!("<{ENCODED} name=\"{name}\">v</{ENCODED}>");
            assert_eq!(named(name), expected);
        }
        assert_eq!(named(" a\"<&\u{1b}\nz "), format!("<{ENCODED} name=\"a'\u{2039}&amp;\u{fffd} z\">v</{ENCODED}>"));
    }

    fn for_xencenter(inside: impl FnOnce(&mut Document)) -> String {
        let mut document = Document::for_xencenter();
        document.element("x", inside);
        document.finish().trim_start_matches("<?xml version=\"1.0\" ?>").to_owned()
    }

    #[test]
    fn a_document_for_xencenter_needs_no_characters_that_look_alike() {
        let brackets = for_xencenter(|xml| xml.text(&"<".repeat(5000)));
        assert_eq!(brackets, format!("<x>{}</x>", "&lt;".repeat(5000)));
        let named = for_xencenter(|xml| xml.foreign_element(" a\"<&'>\u{1b}\r\n\tz ", |_| {}));
        assert_eq!(named, format!("<x><{ENCODED} name=\" a&quot;&lt;&amp;'>\u{fffd}  z \"/></x>"));
    }

    #[test]
    fn faithful_text_is_escaped_no_more_than_needed() {
        let text = for_xencenter(|xml| xml.faithful_text(" a\r\n\tb ]]> > \"'&lt; \0\n"));
        assert_eq!(text, "<x> a\n\tb ]]&gt; > \"'&amp;lt; \u{fffd}\n</x>");
    }
}
