//! What stands behind the question mark of a request. Must not know which requests there are.

use std::fmt::Write as _;

/// Parameters, each encoded so that it means nothing but itself: RFC 3986, 2.3.
#[derive(Debug, Default)]
pub(super) struct Query(String);

impl Query {
    /// Adds one. `name` must need no encoding.
    pub(super) fn with(mut self, name: &'static str, text: &str) -> Self {
        self.0.push(if self.0.is_empty() { '?' } else { '&' });
        self.0.push_str(name);
        self.0.push('=');
        for byte in text.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => self.0.push(char::from(byte)),
                other => write!(self.0, "%{other:02X}").expect("a string takes everything"),
            }
        }
        self
    }

    /// Adds one if there is a text for it.
    pub(super) fn with_some(self, name: &'static str, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.with(name, text),
            None => self,
        }
    }

    /// The path with them.
    pub(super) fn of(self, path: &str) -> String {
        format!("{path}{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_could_mean_something_is_encoded() {
        let query = Query::default().with("tail", "10").with_some("none", None).with("keys", "ctrl-@,&x=1 é\n");
        assert_eq!(query.of("/logs"), "/logs?tail=10&keys=ctrl-%40%2C%26x%3D1%20%C3%A9%0A");
        assert_eq!(Query::default().of("/logs"), "/logs");
    }

    proptest! {
        #[test]
        fn any_text_makes_a_path_that_can_be_sent(text in ".{0,40}") {
            let path = Query::default().with("text", &text).of("/a");
            let uri: hyper::Uri = path.parse().unwrap();
            prop_assert_eq!(uri.path(), "/a");
            prop_assert!(!uri.query().unwrap()["text=".len()..].contains(['&', '=', '#', '?']));
        }
    }
}
