//! The host's own description of itself, `/etc/xensource-inventory`. Knows its form; must not know XAPI.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::quote::quoted;
use crate::xapi::HostUuid;

/// Where dom0 keeps it.
pub const DEFAULT_INVENTORY: &str = "/etc/xensource-inventory";

/// Bytes of the file that are read; real ones have about 1 KiB.
const MAX_BYTES: u64 = 64 * 1024;

/// Holds the uuid that XAPI knows this host by.
const KEY: &str = "INSTALLATION_UUID";

/// Why the host's uuid is not known.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// The file is not there, or not for us.
    #[error("cannot read the host's inventory {}: {cause}; this program runs in dom0, elsewhere name a file with --inventory", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// No `INSTALLATION_UUID` in it.
    #[error("the host's inventory {} has no line {KEY}='…'; a host is reinstalled or repaired to get it back", path.display())]
    NoUuid {
        /// The file.
        path: PathBuf,
    },
    /// An `INSTALLATION_UUID` that is none.
    #[error("the host's inventory {} has {KEY} = {}, which is not a uuid; compare with `xe host-list`", path.display(), quoted(found))]
    BadUuid {
        /// The file.
        path: PathBuf,
        /// What stands there.
        found: String,
    },
}

/// This host's uuid, from the inventory at `path`.
///
/// # Errors
/// [`InventoryError`]
pub fn host_uuid(path: &Path) -> Result<HostUuid, InventoryError> {
    let text = read(path).map_err(|cause| InventoryError::Unreadable { path: path.to_owned(), cause })?;
    let found = value(&text, KEY).ok_or_else(|| InventoryError::NoUuid { path: path.to_owned() })?;
    HostUuid::parse(found).ok_or_else(|| InventoryError::BadUuid { path: path.to_owned(), found: found.to_owned() })
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// The value of `key`: lines are `KEY='value'` (xen-api ocaml/xapi-inventory/lib/inventory.ml); the last one counts.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let of_line = |line: &'a str| {
        let value = line.trim().strip_prefix(key)?.trim_start().strip_prefix('=')?.trim();
        let unquoted = ['\'', '"'].iter().find_map(|&quote| value.strip_prefix(quote)?.strip_suffix(quote));
        Some(unquoted.unwrap_or(value))
    };
    text.lines().rev().find_map(of_line)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const UUID: &str = "0a1b2c3d-1111-2222-3333-444455556666";

    fn inventory(text: &str) -> Result<HostUuid, InventoryError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("inventory");
        fs::write(&path, text).unwrap();
        host_uuid(&path)
    }

    #[test]
    fn the_uuid_is_found_among_other_lines_and_however_it_is_quoted() {
        for line in [
            format!("INSTALLATION_UUID='{UUID}'"),
            format!("INSTALLATION_UUID=\"{UUID}\"\r"),
            format!("INSTALLATION_UUID={UUID}"),
        ] {
            let text = format!("PRODUCT_BRAND='XCP-ng'\nINSTALLATION_UUIDS='x'\n{line}\nCONTROL_DOMAIN_UUID='y'\n");
            assert_eq!(inventory(&text).unwrap().as_str(), UUID);
        }
    }

    #[test]
    fn a_missing_file_is_named_with_the_cause_and_the_remedy() {
        let error = host_uuid(Path::new("/nowhere/inventory")).unwrap_err().to_string();
        for part in ["/nowhere/inventory", "No such file", "--inventory"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_file_without_the_uuid_is_refused() {
        assert!(matches!(inventory("PRODUCT_BRAND='XCP-ng'\n"), Err(InventoryError::NoUuid { .. })));
    }

    #[test]
    fn something_else_in_place_of_the_uuid_is_refused_and_shown_quoted() {
        let error = inventory("INSTALLATION_UUID='\u{1b}[2J'\n").unwrap_err();
        assert!(error.to_string().contains(r#""\u{1b}[2J""#), "{error}");
    }

    #[test]
    fn an_endless_file_is_read_only_so_far() {
        let error = host_uuid(Path::new("/dev/zero")).unwrap_err();
        assert!(matches!(error, InventoryError::NoUuid { .. }));
    }
}
