//! XML as both clients' parsers take it. Knows text and elements; must not know what they mean.
//!
//! No library's writer can be held to these rules: one client throws at more than 1000 entities such as `&lt;` in a
//! document (fast-xml-parser 4.5.6; `&amp;` is not counted) and shows numeric references as they are, the other throws
//! at control characters however written.

use std::fmt::Write as _;

/// Entities, other than `&amp;`, in one document.
pub const MAX_ENTITIES: usize = 900;

/// An XML document being written.
#[derive(Debug)]
pub struct Document {
    text: String,
    entities_left: usize,
}

impl Document {
    /// With the declaration.
    #[must_use]
    pub fn new() -> Self {
        Self { text: "<?xml version=\"1.0\" ?>".to_owned(), entities_left: MAX_ENTITIES }
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
        let mut start = format!("<{ENCODED} name=\"");
        for c in clean(name) {
            match c {
                '&' => start.push_str("&amp;"),
                // The entity would count; an attribute must not hold these.
                '<' => start.push('\u{2039}'),
                '"' => start.push('\''),
                c => start.push(c),
            }
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

    /// Text.
    pub fn text(&mut self, text: &str) {
        let begin = self.text.len();
        for c in clean(text) {
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
        match self.entities_left.checked_sub(1) {
            Some(left) => {
                self.entities_left = left;
                self.text.push_str(entity);
            }
            None => self.text.push(lookalike),
        }
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

/// Foreign text on one line, without white space around it: one client trims, the other does not. What XML cannot carry,
/// and what would command a terminal or turn the direction of text, is replaced.
pub fn clean(text: &str) -> impl Iterator<Item = char> {
    text.trim_matches(|c: char| c.is_whitespace() || c.is_control()).chars().map(|c| match c {
        '\t' | '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => ' ',
        // JavaScript counts the byte order mark as white space and trims it, .NET does not.
        c if c.is_control() || is_direction(c) || matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}') => {
            char::REPLACEMENT_CHARACTER
        }
        c => c,
    })
}

/// Marks, embeddings, overrides and isolates of direction (Unicode Standard Annex 9).
fn is_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
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
        assert_eq!(named("a\"<&\u{1b}z"), format!("<{ENCODED} name=\"a'\u{2039}&amp;\u{fffd}z\">v</{ENCODED}>"));
    }
}
