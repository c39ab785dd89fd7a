//! Package URLs: names of packages that programs everywhere understand.
//!
//! <https://github.com/package-url/purl-spec>

use crate::rpm::Rpm;

/// The package URL of an RPM. Without a namespace: a header names a vendor, but no distribution.
pub fn of_rpm(rpm: &Rpm) -> String {
    let version = format!("{}-{}", rpm.version(), rpm.release());
    let epoch = rpm.epoch().map_or(String::new(), |epoch| format!("&epoch={epoch}"));
    format!("pkg:rpm/{}@{}?arch={}{epoch}", escaped(rpm.name()), escaped(&version), escaped(rpm.arch()))
}

/// The package URL of a crate from crates.io.
pub fn of_crate(name: &str, version: &str) -> String {
    format!("pkg:cargo/{}@{}", escaped(name), escaped(version))
}

/// The package URL of something that comes from no registry.
pub fn generic(name: &str, version: &str) -> String {
    format!("pkg:generic/{}@{}", escaped(name), escaped(version))
}

fn escaped(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::new(), |mut url, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' => url.push(char::from(byte)),
            _ => _ = write!(url, "%{byte:02X}"),
        }
        url
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_in_a_url_is_escaped() {
        assert_eq!(generic("a/b c", "1+2~3"), "pkg:generic/a%2Fb%20c@1%2B2~3");
    }
}
