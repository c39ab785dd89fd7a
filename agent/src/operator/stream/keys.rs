//! The keys that leave a terminal in a container without ending what runs there. Must not know terminals.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

/// A sequence of keys, such as `ctrl-p,ctrl-q`.
///
/// ```
/// use agent::operator::stream::keys::DetachKeys;
/// assert_eq!(DetachKeys::default(), "ctrl-p,ctrl-q".parse().unwrap());
/// assert!("ctrl-é".parse::<DetachKeys>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetachKeys {
    text: String,
    bytes: Vec<u8>,
}

/// A text that names no keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no key: give single characters, or ctrl- with a letter or one of @ [ \\ ] ^ _, with commas between")]
pub struct BadKeys(String);

impl Default for DetachKeys {
    fn default() -> Self {
        Self { text: "ctrl-p,ctrl-q".to_owned(), bytes: vec![0x10, 0x11] }
    }
}

impl FromStr for DetachKeys {
    type Err = BadKeys;

    fn from_str(text: &str) -> Result<Self, BadKeys> {
        // As Docker has it.
        if text.is_empty() {
            return Ok(Self::default());
        }
        let bytes: Result<_, _> = text.split(',').map(|key| byte(key).ok_or_else(|| BadKeys(key.to_owned()))).collect();
        Ok(Self { text: text.to_owned(), bytes: bytes? })
    }
}

fn byte(key: &str) -> Option<u8> {
    let named = key.get(..5).filter(|start| start.eq_ignore_ascii_case("ctrl-")).map(|_| &key.as_bytes()[5..]);
    match (named, key.as_bytes()) {
        (Some([letter @ (b'a'..=b'z' | b'A'..=b'Z' | b'@' | b'[' | b'\\' | b']' | b'^' | b'_')]), _) => {
            Some(letter & 0x1f)
        }
        (None, b"DEL") => Some(0x7f),
        (None, [one]) => Some(*one),
        _ => None,
    }
}

impl fmt::Display for DetachKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Looks for the keys in what is typed. Keeps back as many bytes as may be their beginning.
#[derive(Clone, Debug)]
pub struct Matcher {
    keys: Vec<u8>,
    held: VecDeque<u8>,
}

impl Matcher {
    /// For these keys.
    #[must_use]
    pub fn new(keys: &DetachKeys) -> Self {
        Self { keys: keys.bytes.clone(), held: VecDeque::new() }
    }

    /// What is to be passed on of what was typed, and whether the keys were among it; then nothing after them counts.
    pub fn push(&mut self, typed: &[u8]) -> (Vec<u8>, bool) {
        let mut passed = Vec::with_capacity(typed.len());
        for byte in typed {
            self.held.push_back(*byte);
            while !self.held.iter().eq(self.keys.iter().take(self.held.len())) {
                passed.extend(self.held.pop_front());
            }
            if self.held.len() == self.keys.len() {
                return (passed, true);
            }
        }
        (passed, false)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(text: &str) -> DetachKeys {
        text.parse().unwrap()
    }

    #[test]
    fn keys_are_written_as_docker_has_them() {
        for (text, bytes) in [
            ("", &b"\x10\x11"[..]),
            ("a", b"a"),
            ("ctrl-a", b"\x01"),
            ("CTRL-Z,x", b"\x1ax"),
            ("ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_", b"\0\x1b\x1c\x1d\x1e\x1f"),
            ("DEL", b"\x7f"),
        ] {
            assert_eq!(keys(text).bytes, bytes, "{text}");
        }
        for text in ["ctrl-", "ctrl-aa", "ctrl-1", "ab", ",", "a,", "é", "ctrl-é", "ctré-"] {
            assert!(text.parse::<DetachKeys>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_beginning_that_comes_to_nothing_is_passed_on() {
        let mut matcher = Matcher::new(&keys("ctrl-p,ctrl-q"));
        assert_eq!(matcher.push(b"a\x10"), (b"a".to_vec(), false));
        assert_eq!(matcher.push(b"\x10"), (b"\x10".to_vec(), false));
        assert_eq!(matcher.push(b"b"), (b"\x10b".to_vec(), false));
        assert_eq!(matcher.push(b"\x10\x11c"), (Vec::new(), true));
    }

    proptest! {
        #[test]
        fn the_keys_are_found_where_they_first_are_and_nothing_else_is_lost(
            typed in "[ab]{0,24}",
            wanted in "[ab]{1,4}",
            cut in 1usize..6,
        ) {
            let mut matcher = Matcher { keys: wanted.clone().into_bytes(), held: VecDeque::new() };
            let (mut passed, mut found) = (Vec::new(), false);
            for chunk in typed.as_bytes().chunks(cut) {
                let (more, now) = matcher.push(chunk);
                passed.extend(more);
                found = now;
                if found {
                    break;
                }
            }
            match typed.find(&wanted) {
                Some(place) => prop_assert!(found && passed == typed.as_bytes()[..place]),
                None => {
                    passed.extend(matcher.held);
                    prop_assert!(!found && passed == typed.as_bytes());
                }
            }
        }
    }
}
