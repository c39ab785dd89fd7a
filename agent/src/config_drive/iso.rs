//! Files found on an image by their paths, however the image spells names. Knows nothing of what they are for.

use std::io::{Read, Seek};

use medium::iso9660::{Entry, Image, Naming, ReadError};

/// What is on the image, by the best names that it has.
pub(super) fn entries<R: Read + Seek>(image: &mut Image<R>) -> Result<Vec<Entry>, ReadError> {
    let naming = match (image.has_rock_ridge(), image.has_joliet()) {
        (true, _) => Naming::RockRidge,
        (false, true) => Naming::Joliet,
        (false, false) => Naming::Plain,
    };
    image.entries(naming)
}

/// The file at `path`. Plain names are in capitals and may end in a version, as in `USER_DAT.;1` (ECMA-119 7.5.1).
pub(super) fn file<'a>(entries: &'a [Entry], path: &str) -> Option<&'a Entry> {
    let same = |entry: &&Entry| {
        let unversioned = entry.path.strip_suffix(";1").unwrap_or(&entry.path);
        unversioned.eq_ignore_ascii_case(path) || unversioned.trim_end_matches('.').eq_ignore_ascii_case(path)
    };
    let named = |entry: &&Entry| entry.path == path;
    let files = || entries.iter().filter(|entry| entry.is_file());
    files().find(named).or_else(|| files().find(same))
}
