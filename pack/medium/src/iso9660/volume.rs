//! What an image says about itself, and which texts readers cope with.

use thiserror::Error;

use super::UnixSeconds;

/// What an image says about itself.
#[derive(Debug, Clone, Copy)]
pub struct Volume<'a> {
    /// Volume identifier: the label by which systems find and mount the image. 1 to 32 characters, recorded verbatim
    /// although ECMA-119 has capitals only: cloud-init looks for exactly `config-2`. Joliet has room for the first 16.
    pub id: &'a str,
    /// Application identifier: what made the image, or whom for. At most 128 characters, of which Joliet has 64.
    pub application: &'a str,
    /// Publisher identifier: who answers for the content. At most 128 characters, of which Joliet has 64.
    pub publisher: &'a str,
    /// The time that every date on the image says, in UTC.
    pub modified: UnixSeconds,
}

/// Why a text cannot be recorded.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("the {field} {text:?} of the image {reason}")]
pub struct VolumeError {
    field: &'static str,
    text: String,
    reason: String,
}

/// Length of a volume identifier (ECMA-119 8.4.7).
const ID_LENGTH: usize = 32;
/// Length of the other identifiers (ECMA-119 8.4.20 and 8.4.22).
const TEXT_LENGTH: usize = 128;

impl Volume<'_> {
    /// Checks that every reader shows the texts as they are.
    pub(super) fn check(&self) -> Result<(), VolumeError> {
        let refuse = |field, text: &str, reason| Err(VolumeError { field, text: text.into(), reason });
        if let Some(reason) = unwritable_id(self.id) {
            return refuse("volume id", self.id, reason);
        }
        for (field, text) in [("application id", self.application), ("publisher", self.publisher)] {
            if let Some(reason) = unwritable(text, TEXT_LENGTH) {
                return refuse(field, text, reason);
            }
            // ECMA-119 8.4.20, 8.4.22: then the rest is the name of a file in the root directory.
            if text.starts_with('_') {
                return refuse(field, text, "begins with `_`, which makes it a file name: leave that out".into());
            }
        }
        Ok(())
    }
}

fn unwritable_id(id: &str) -> Option<String> {
    if id.is_empty() {
        return Some("is empty: systems mount images by it, give one".into());
    }
    // No system lets these into the name of a mount point; Joliet forbids them.
    if let Some(forbidden) = id.chars().find(|c| r"*/:;?\".contains(*c)) {
        return Some(format!("has the character {forbidden:?}, which a label cannot have: replace it"));
    }
    unwritable(id, ID_LENGTH)
}

fn unwritable(text: &str, longest: usize) -> Option<String> {
    if let Some(other) = text.chars().find(|c| !matches!(c, ' '..='~')) {
        return Some(format!("has the character {other:?}, only printable ASCII can be recorded: replace it"));
    }
    if text.starts_with(' ') || text.ends_with(' ') {
        return Some("begins or ends with a space, which readers drop: remove it".into());
    }
    if text.len() > longest {
        return Some(format!("has {} characters, there is room for {longest}: shorten it", text.len()));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(id: &str, application: &str, publisher: &str) -> Result<(), String> {
        let modified = UnixSeconds::new(0).unwrap();
        Volume { id, application, publisher, modified }.check().map_err(|error| error.to_string())
    }

    #[test]
    fn labels_of_the_field_are_accepted() {
        for id in ["config-2", "xscontainer", "CDROM", "XCP-ng 8.3.0", "a", &"x".repeat(32)] {
            assert_eq!(check(id, "Citrix Systems, Inc. (c)", &"p".repeat(128)), Ok(()), "{id}");
        }
    }

    #[test]
    fn labels_that_readers_would_change_are_refused() {
        for (id, because) in [
            ("", "is empty"),
            ("a/b", "has the character '/'"),
            ("a\n", "has the character '\\n'"),
            ("größe", "has the character 'ö'"),
            (" a", "begins or ends with a space"),
            ("a ", "begins or ends with a space"),
            (&"x".repeat(33), "has 33 characters, there is room for 32"),
        ] {
            let message = check(id, "", "").unwrap_err();
            assert!(message.starts_with("the volume id") && message.contains(because), "{message}");
        }
    }

    #[test]
    fn long_or_reinterpreted_texts_are_refused() {
        assert!(check("a", &"x".repeat(129), "").unwrap_err().starts_with("the application id"));
        assert!(check("a", "", "_FILE").unwrap_err().starts_with("the publisher"));
        assert!(check("a", "", "Vendor\u{ae}").unwrap_err().contains("printable ASCII"));
    }
}
