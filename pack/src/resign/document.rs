//! Attributes of an update document's root, changed where they stand; every other byte stays as it is.

use quick_xml::Reader;
use quick_xml::escape::escape;
use quick_xml::events::Event;

use crate::inspect::Document;

/// The value of an attribute.
pub(super) fn attribute(document: &[u8], name: &str) -> Option<String> {
    Document::parse(document).ok()?.attribute(name).map(str::to_owned)
}

/// The document with an attribute of this value.
///
/// # Errors
/// It is no update document.
pub(super) fn with(document: &[u8], name: &str, value: &str) -> Result<Vec<u8>, String> {
    let said = Document::parse(document)?;
    if said.attribute(name) == Some(value) {
        return Ok(document.to_vec());
    }
    let text = std::str::from_utf8(document).map_err(|e| e.to_string())?;
    let (start, end) = root_tag(text).ok_or("has no root element")?;
    let tag = &text[start..end];
    let value = escape(value);
    let tag = match place(tag, name) {
        Some((from, to)) => format!("{}\"{value}\"{}", &tag[..from], &tag[to..]),
        None => {
            let at = tag.trim_end_matches('>').trim_end_matches('/').trim_end().len();
            format!("{} {name}=\"{value}\"{}", &tag[..at], &tag[at..])
        }
    };
    let changed = format!("{}{tag}{}", &text[..start], &text[end..]).into_bytes();
    match attribute(&changed, name).is_some_and(|now| escape(&now) == value) {
        true => Ok(changed),
        false => Err(format!("update.xml writes its attribute {name} in a way that cannot be changed")),
    }
}

/// A text with one word in the place of another.
pub(super) fn replaced(document: &[u8], from: &str, to: &str) -> Vec<u8> {
    String::from_utf8_lossy(document).replace(from, to).into_bytes()
}

/// Where the root element's start tag stands.
fn root_tag(text: &str) -> Option<(usize, usize)> {
    let mut reader = Reader::from_str(text);
    loop {
        let start = usize::try_from(reader.buffer_position()).ok()?;
        match reader.read_event().ok()? {
            Event::Start(_) | Event::Empty(_) => {
                return Some((start, usize::try_from(reader.buffer_position()).ok()?));
            }
            Event::Eof => return None,
            _ => {}
        }
    }
}

/// Where an attribute's value stands in a tag, with its quotation marks.
fn place(tag: &str, name: &str) -> Option<(usize, usize)> {
    let mut at = tag.find(char::is_whitespace)?;
    loop {
        let rest = &tag[at..];
        let equals = at + rest.find('=')?;
        let found = tag[at..equals].trim();
        let quote_at = equals + 1 + tag[equals + 1..].find(['"', '\''])?;
        let quote = tag[quote_at..].chars().next()?;
        let end = quote_at + 1 + tag[quote_at + 1..].find(quote)? + 1;
        if found == name {
            return Some((quote_at, end));
        }
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_key(document: &str) -> String {
        String::from_utf8(with(document.as_bytes(), "key", "NEW&").unwrap()).unwrap()
    }

    #[test]
    fn one_attribute_changes_and_nothing_else() {
        let around =
            "<?xml version='1.0'?>\n<!-- <update key='x'> --><update a=\"key='1'\"\n KEY>t<a key='k'/></update>\n";
        for (before, after) in [
            ("key = 'old'", "key = \"NEW&amp;\""),
            ("key=\"\" b='2'", "key=\"NEW&amp;\" b='2'"),
            ("b='2'", "b='2' key=\"NEW&amp;\""),
        ] {
            assert_eq!(with_key(&around.replace("KEY", before)), around.replace("KEY", after), "{before}");
        }
        assert_eq!(with_key("<update a='1'/>"), "<update a='1' key=\"NEW&amp;\"/>");
        let unchanged = "<update  key='NEW&amp;' />";
        assert_eq!(with_key(unchanged), unchanged);
    }
}
