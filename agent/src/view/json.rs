//! JSON text piece by piece, in its order and as its author wrote it: names that come twice, and numbers of any length.
//!
//! serde_json would make numbers of 64 bits, and with the features by which it would not, it changes for everybody else
//! in this program. It only checks the text here, which takes neither stack nor memory, however the text is nested; a
//! [`Cursor`] goes through what was checked once, so that the time is proportional to the length.

use std::borrow::Cow;

use serde::de::IgnoredAny;

/// A value of JSON; for the last two, what is in them comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    /// As it was written.
    Number(&'a str),
    Text(Cow<'a, str>),
    List,
    Object,
}

impl Value<'_> {
    /// What it is, for people.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a truth value",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List => "a list",
            Self::Object => "an object",
        }
    }
}

/// Where one is in a text.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    /// Before the only value of a text; an error says where the text is no JSON.
    pub(super) fn new(text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<IgnoredAny>(text)?;
        Ok(Self { rest: text })
    }

    /// Reads a value; of a list or an object, the beginning.
    pub(super) fn value(&mut self) -> Value<'a> {
        self.rest = self.rest.trim_start_matches(BLANKS);
        let begin = self.rest.bytes().next();
        match begin {
            Some(b'"') => Value::Text(decoded(self.quoted())),
            Some(b'[') => {
                self.take(1);
                Value::List
            }
            Some(b'{') => {
                self.take(1);
                Value::Object
            }
            _ => {
                let end = self.rest.find(|c| BLANKS.contains(&c) || matches!(c, ',' | ']' | '}'));
                match self.take(end.unwrap_or(self.rest.len())) {
                    "null" | "" => Value::Null,
                    "true" => Value::Bool(true),
                    "false" => Value::Bool(false),
                    number => Value::Number(number),
                }
            }
        }
    }

    /// Whether a list or object goes on; if it does not, its end is behind the cursor now.
    pub(super) fn goes_on(&mut self) -> bool {
        self.rest = self.rest.trim_start_matches(BLANKS);
        match self.rest.bytes().next() {
            None => false,
            Some(b']' | b'}') => {
                self.take(1);
                false
            }
            Some(b',') => {
                self.take(1);
                true
            }
            Some(_) => true,
        }
    }

    /// Reads the name of a member, of an object that goes on.
    pub(super) fn name(&mut self) -> Cow<'a, str> {
        self.rest = self.rest.trim_start_matches(BLANKS);
        let name = decoded(self.quoted());
        self.rest = self.rest.trim_start_matches(BLANKS);
        self.rest = self.rest.strip_prefix(':').unwrap_or(self.rest);
        name
    }

    /// Whether the next value is a list or an object.
    pub(super) fn is_nested(&self) -> bool {
        self.rest.trim_start_matches(BLANKS).starts_with(['[', '{'])
    }

    /// Passes over a value; its text.
    pub(super) fn skip(&mut self) -> &'a str {
        self.rest = self.rest.trim_start_matches(BLANKS);
        let text = self.rest;
        if !self.is_nested() {
            self.value();
        }
        let mut depth = 0_usize;
        while self.is_nested() || depth > 0 {
            let Some(at) = self.rest.find(['"', '[', '{', ']', '}']) else { break };
            self.take(at);
            match self.rest.as_bytes()[0] {
                b'"' => drop(self.quoted()),
                b'[' | b'{' => {
                    self.take(1);
                    depth += 1;
                }
                _ => {
                    self.take(1);
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        break;
                    }
                }
            }
        }
        &text[..text.len() - self.rest.len()]
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    /// What stands between the next quotes.
    fn quoted(&mut self) -> &'a str {
        let mut end = 1;
        while let Some(byte) = self.rest.as_bytes().get(end) {
            match byte {
                b'"' => break,
                b'\\' => end += 2,
                _ => end += 1,
            }
        }
        let text = self.rest.get(1..end).unwrap_or_default();
        self.take(self.rest.len().min(end + 1));
        text
    }
}

/// What may stand between tokens (RFC 8259, 2).
const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

/// The text that stands between quotes, without its escapes (RFC 8259, 7); half a surrogate pair is replaced.
fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        decoded.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let mut after = rest.chars();
        match after.next() {
            Some('u') => {
                let (c, length) = unicode(rest);
                decoded.push(c);
                rest = &rest[length..];
                continue;
            }
            Some('b') => decoded.push('\u{8}'),
            Some('f') => decoded.push('\u{c}'),
            Some('n') => decoded.push('\n'),
            Some('r') => decoded.push('\r'),
            Some('t') => decoded.push('\t'),
            other => decoded.extend(other),
        }
        rest = after.as_str();
    }
    decoded.push_str(rest);
    Cow::Owned(decoded)
}

/// The character of `u0041` or `ud83d\udc33` at the beginning of a text, and the length of what stands for it.
fn unicode(text: &str) -> (char, usize) {
    let unit = |at: usize| {
        let digits = text.get(at..at + 4)?;
        u16::from_str_radix(digits, 16).ok()
    };
    let first = unit(1);
    let second = if text.get(5..7) == Some("\\u") { unit(7) } else { None };
    match char::decode_utf16(first.into_iter().chain(second)).next() {
        Some(Ok(c)) if c.len_utf16() == 2 => (c, 11),
        Some(Ok(c)) => (c, 5),
        _ => (char::REPLACEMENT_CHARACTER, if first.is_some() { 5 } else { 1 }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Everything in a text, one token after the other.
    fn tokens(text: &str) -> Vec<String> {
        fn go(cursor: &mut Cursor<'_>, found: &mut Vec<String>) {
            let value = cursor.value();
            found.push(format!("{value:?}"));
            let is_object = value == Value::Object;
            if matches!(value, Value::List | Value::Object) {
                while cursor.goes_on() {
                    if is_object {
                        found.push(format!("{}:", cursor.name()));
                    }
                    go(cursor, found);
                }
                found.push("end".into());
            }
        }
        let mut cursor = Cursor::new(text).unwrap();
        let mut found = Vec::new();
        go(&mut cursor, &mut found);
        assert_eq!(cursor.rest.trim(), "");
        found
    }

    #[test]
    fn values_come_in_order_as_they_were_written() {
        let text = r#" { "a" : [ 1.0e+400 , -0, 123456789012345678901234567890 ] ,"a":null, "":{} ,"b\"]":[true,false,"x\u0000,}"]} "#;
        let expected = [
            "Object",
            "a:",
            "List",
            "Number(\"1.0e+400\")",
            "Number(\"-0\")",
            "Number(\"123456789012345678901234567890\")",
            "end",
            "a:",
            "Null",
            ":",
            "Object",
            "end",
            "b\"]:",
            "List",
            "Bool(true)",
            "Bool(false)",
            "Text(\"x\\0,}\")",
            "end",
            "end",
        ];
        assert_eq!(tokens(text), expected);
    }

    #[test]
    fn a_value_is_passed_over_whatever_is_in_it() {
        for value in ["1", "\"a]\\\"}\"", "[]", "{}", r#"{"a":[1,{"]":"}"}],"b":{}}"#, "[[[]],[{}],\"\"]", "null"] {
            let text = format!("[ {value} ,2]");
            let mut cursor = Cursor::new(&text).unwrap();
            assert_eq!(cursor.value(), Value::List);
            assert!(cursor.goes_on());
            assert_eq!(cursor.skip(), value);
            assert!(cursor.goes_on());
            assert_eq!(cursor.value(), Value::Number("2"));
            assert!(!cursor.goes_on());
        }
    }

    #[test]
    fn halves_of_surrogate_pairs_are_replaced() {
        let text = |json: &str| match Cursor::new(json).unwrap().value() {
            Value::Text(text) => text.into_owned(),
            other => panic!("{other:?}"),
        };
        assert_eq!(text(r#""\ud83d\udc33\u00e9""#), "🐳é");
        assert_eq!(text(r#""a\ud83d""#), "a\u{fffd}");
        assert_eq!(text(r#""\udc33\ud83d""#), "\u{fffd}\u{fffd}");
        assert_eq!(text(r#""\ud83d\u0041\ud83dx\ud83d\n""#), "\u{fffd}A\u{fffd}x\u{fffd}\n");
        assert_eq!(text(r#""\ud83d\ud83d\udc33""#), "\u{fffd}🐳");
        assert_eq!(text(r#""\"\\\/\b\f\n\r\t""#), "\"\\/\u{8}\u{c}\n\r\t");
    }

    #[test]
    fn a_million_brackets_cost_no_stack() {
        let text = format!("{}1{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert_eq!(Cursor::new(&text).unwrap().skip(), text);
        let broken = "[".repeat(1_000_000);
        assert!(Cursor::new(&broken).is_err());
    }

    proptest! {
        #[test]
        fn texts_are_read_as_serde_json_reads_them(text: String, raw in "\"([a-z/]|\\\\[\"\\\\/bfnrtu]|[0-9a-f]{4})*\"") {
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(Cursor::new(&json).unwrap().value(), Value::Text(text.into()));
            if let Ok(expected) = serde_json::from_str::<String>(&raw) {
                prop_assert_eq!(Cursor::new(&raw).unwrap().value(), Value::Text(expected.into()));
            }
        }

        #[test]
        fn no_text_that_passes_the_check_makes_it_panic(text in "[\\[\\]{},:\"\\\\ ua0-9.eE+-]{0,40}|\\PC{0,10}") {
            if Cursor::new(&text).is_ok() {
                prop_assert!(!tokens(&text).is_empty());
                prop_assert_eq!(Cursor::new(&text).unwrap().skip(), text.trim_matches(BLANKS));
            }
        }
    }
}
