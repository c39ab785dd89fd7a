//! JSON values one after the other in a byte stream, cut apart without being understood: by the engine's event stream,
//! and the elements of its lists.
//!
//! Knows strings and brackets; must not know what is in them.

use std::fmt;

/// How deep brackets may nest; an engine's deepest replies have about ten.
const MAX_DEPTH: usize = 100;

/// Why bytes are not such a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadJson {
    /// One value is longer than allowed, bytes.
    TooLong(usize),
    /// Brackets nest deeper than a hundred levels.
    TooDeep,
    /// Something else than a value stands where one should.
    Unexpected(u8),
}

impl fmt::Display for BadJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(limit) => write!(f, "one item is limited to {limit} bytes"),
            Self::TooDeep => write!(f, "the depth of brackets is limited to {MAX_DEPTH}"),
            Self::Unexpected(byte) => write!(f, "the byte {:?} stands where an object should begin", char::from(*byte)),
        }
    }
}

/// What stands around the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Objects, with white space between them or none.
    Stream,
    /// One array, of objects.
    Array,
}

/// Cuts objects out of bytes that come in pieces of any size.
#[derive(Debug)]
pub struct Splitter {
    framing: Framing,
    max_bytes: usize,
    place: Place,
    /// The object being read.
    object: Vec<u8>,
    depth: usize,
    in_string: bool,
    escaped: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before the array's bracket.
    Before,
    /// Between objects.
    Between,
    /// In an object.
    Inside,
    /// After the array.
    After,
}

impl Splitter {
    /// For objects of up to `max_bytes`.
    #[must_use]
    pub fn new(framing: Framing, max_bytes: usize) -> Self {
        let place = if framing == Framing::Array { Place::Before } else { Place::Between };
        Self { framing, max_bytes, place, object: Vec::new(), depth: 0, in_string: false, escaped: false }
    }

    /// Reads on in `bytes` up to the end of the next object, if it ends in them; what was read is taken off `bytes`.
    ///
    /// # Errors
    /// [`BadJson`]; nothing sensible comes after it.
    pub fn next(&mut self, bytes: &mut &[u8]) -> Result<Option<Vec<u8>>, BadJson> {
        while let Some((&byte, rest)) = bytes.split_first() {
            if self.place != Place::Inside {
                *bytes = rest;
                self.outside(byte)?;
                continue;
            }
            let (taken, ended) = self.inside(bytes)?;
            if self.object.len() + taken > self.max_bytes {
                return Err(BadJson::TooLong(self.max_bytes));
            }
            self.object.extend_from_slice(&bytes[..taken]);
            *bytes = &bytes[taken..];
            if ended {
                self.place = Place::Between;
                return Ok(Some(std::mem::take(&mut self.object)));
            }
        }
        Ok(None)
    }

    /// Whether nothing is missing.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        match self.framing {
            Framing::Stream => self.place == Place::Between,
            Framing::Array => self.place == Place::After,
        }
    }

    fn outside(&mut self, byte: u8) -> Result<(), BadJson> {
        match (byte, self.place) {
            (b' ' | b'\t' | b'\r' | b'\n', _) => {}
            (b'[', Place::Before) => self.place = Place::Between,
            (b'{', Place::Between) => {
                self.place = Place::Inside;
                self.depth = 1;
                self.object.push(byte);
            }
            (b',', Place::Between) if self.framing == Framing::Array => {}
            (b']', Place::Between) if self.framing == Framing::Array => self.place = Place::After,
            _ => return Err(BadJson::Unexpected(byte)),
        }
        Ok(())
    }

    /// How many of `bytes` belong to the object, and whether it ends with them.
    fn inside(&mut self, bytes: &[u8]) -> Result<(usize, bool), BadJson> {
        for (at, &byte) in bytes.iter().enumerate() {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => {
                    self.depth += 1;
                    if self.depth > MAX_DEPTH {
                        return Err(BadJson::TooDeep);
                    }
                }
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Ok((at + 1, true));
                    }
                }
                _ => {}
            }
        }
        Ok((bytes.len(), false))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All objects in `bytes`, given in pieces of these lengths, over and over.
    fn split(framing: Framing, bytes: &[u8], lengths: &[usize]) -> Result<(Vec<String>, bool), BadJson> {
        let mut splitter = Splitter::new(framing, 1000);
        let mut found = Vec::new();
        let mut rest = bytes;
        let mut lengths = lengths.iter().cycle();
        while !rest.is_empty() {
            let length = (*lengths.next().unwrap()).clamp(1, rest.len());
            let (mut piece, after) = rest.split_at(length);
            rest = after;
            while let Some(object) = splitter.next(&mut piece)? {
                found.push(String::from_utf8_lossy(&object).into_owned());
            }
        }
        Ok((found, splitter.is_complete()))
    }

    #[test]
    fn objects_are_cut_apart_with_and_without_white_space() {
        let stream = br#"{"a":1}{"b":[{}]} {"c":"}\"{"}"#;
        let (found, complete) = split(Framing::Stream, stream, &[1000]).unwrap();
        assert_eq!(found, [r#"{"a":1}"#, r#"{"b":[{}]}"#, r#"{"c":"}\"{"}"#]);
        assert!(complete);
    }

    #[test]
    fn an_array_that_is_cut_short_is_not_complete() {
        assert_eq!(split(Framing::Array, b" [ ]\n", &[1]).unwrap(), (vec![], true));
        assert_eq!(split(Framing::Array, br#"[{"a":1},"#, &[1]).unwrap(), (vec![r#"{"a":1}"#.into()], false));
        assert!(!split(Framing::Stream, br#"{"a""#, &[1]).unwrap().1);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        assert_eq!(split(Framing::Array, b"null", &[1]), Err(BadJson::Unexpected(b'n')));
        assert_eq!(split(Framing::Array, b"[1]", &[1]), Err(BadJson::Unexpected(b'1')));
        assert_eq!(split(Framing::Array, b"[]]", &[1]), Err(BadJson::Unexpected(b']')));
        assert_eq!(split(Framing::Stream, b"<html>", &[1]), Err(BadJson::Unexpected(b'<')));
    }

    #[test]
    fn size_and_depth_are_limited() {
        let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(1000));
        assert_eq!(split(Framing::Stream, long.as_bytes(), &[7]), Err(BadJson::TooLong(1000)));
        let deep = format!("{{{}", "[".repeat(500));
        assert_eq!(split(Framing::Stream, deep.as_bytes(), &[7]), Err(BadJson::TooDeep));
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_the_bytes_are_split(
            objects in prop::collection::vec((".{0,20}", ".{0,20}"), 0..8),
            lengths in prop::collection::vec(1_usize..40, 1..8),
            array: bool,
        ) {
            let objects: Vec<String> = objects
                .iter()
                .map(|(key, text)| serde_json::json!({ key.as_str(): [text, { "deeper": text }] }).to_string())
                .collect();
            let (framing, bytes) = match array {
                true => (Framing::Array, format!("[{}]", objects.join(", "))),
                false => (Framing::Stream, objects.join("\n")),
            };
            prop_assert_eq!(split(framing, bytes.as_bytes(), &lengths).unwrap(), (objects, true));
        }

        #[test]
        fn no_bytes_make_it_panic_or_hold_more_than_allowed(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
            for framing in [Framing::Array, Framing::Stream] {
                let mut splitter = Splitter::new(framing, 64);
                let mut rest = &bytes[..];
                while let Ok(Some(object)) = splitter.next(&mut rest) {
                    prop_assert!(object.len() <= 64);
                }
                prop_assert!(splitter.object.len() <= 64);
            }
        }
    }
}
