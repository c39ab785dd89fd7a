//! What may stand for a container in a request. Must not know requests.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A container's name, its id, or the first digits of its id, as clients send them.
///
/// It goes into the path of a request as it is, so nothing passes that could mean something there: Docker's own rule for
/// names (moby, `daemon/names/names.go`), to which ids keep as well, and a length that no file system's names exceed.
///
/// ```
/// use agent::engine::ContainerName;
/// assert_eq!(ContainerName::parse("web_1.db").map(|name| name.to_string()).as_deref(), Some("web_1.db"));
/// assert!(ContainerName::parse("web\n").is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContainerName(String);

impl ContainerName {
    /// Bytes of a name.
    pub const MAX: usize = 255;

    /// The name, if it is one: an ASCII letter or digit, and then such, `_`, `.` and `-`; at most [`Self::MAX`] bytes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let starts = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        let goes_on = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'));
        (starts && goes_on && text.len() <= Self::MAX).then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ContainerName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("neither a name nor an id of a container")
    }
}

impl From<ContainerName> for String {
    fn from(name: ContainerName) -> Self {
        name.0
    }
}

impl fmt::Display for ContainerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_and_ids_are_taken_as_they_are() {
        let id = "3f1c2ab49d0e5b6778c9a0b1c2d3e4f5061728394a5b6c7d8e9f00112233aa01";
        let longest = "x".repeat(ContainerName::MAX);
        for name in [id, &id[..10], "Db_Main", "web-1.example", "0", "a..b", "a--", &longest] {
            assert_eq!(ContainerName::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn what_could_mean_something_else_in_a_path_is_refused() {
        let too_long = "x".repeat(ContainerName::MAX + 1);
        let refused = [
            "",
            ".",
            "..",
            "...",
            "-",
            "-a",
            "_a",
            ".a",
            "/a",
            "a/",
            "a/b",
            "../a",
            "a/../b",
            "a%2fb",
            "%61",
            "a?b",
            "a?force=1",
            "a#b",
            "a b",
            " a",
            "a ",
            "a\t",
            "a\n",
            "\na",
            "a\r\n",
            "a\r\nX: y",
            "a\0",
            "\0",
            "a\u{1b}",
            "a\u{7f}",
            "a\\b",
            "a:b",
            "a;b",
            "a@b",
            "a+b",
            "a~b",
            "a=b",
            "a&b",
            "a\"",
            "a'",
            "é",
            "aé",
            "а",
            "a\u{200b}",
            "٣",
            "a\u{ff0f}b",
            &too_long,
        ];
        for text in refused {
            assert_eq!(ContainerName::parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_passes_needs_no_encoding_in_a_path(text in "\\PC{0,12}|[a-z0-9_./%\\n-]{1,6}") {
            if let Some(name) = ContainerName::parse(&text) {
                prop_assert_eq!(name.as_str(), text.as_str());
                let uri: hyper::Uri = format!("/v1.41/containers/{name}/json").parse().unwrap();
                prop_assert_eq!(uri.path(), format!("/v1.41/containers/{text}/json"));
                prop_assert!(uri.path().split('/').all(|segment| segment != "." && segment != ".."));
            }
        }
    }
}
