//! The comps file of a pack, found through `repomd.xml` and kept as it is.

use std::io::Read;

use flate2::read::MultiGzDecoder;

use crate::contents::Contents;
use crate::image::MAX_SMALL_FILE;
use crate::xml::Document;

/// The comps file.
///
/// # Errors
/// Why there is none.
pub(super) fn comps(contents: &Contents, repomd: &[u8]) -> Result<Vec<u8>, String> {
    let root = Document::parse(repomd).map_err(|problem| format!("repodata/repomd.xml {problem}"))?.root;
    let of = |kind: &str| {
        let data = root.all("data").find(|data| data.attribute("type") == Some(kind))?;
        data.first("location")?.attribute("href").map(str::to_owned)
    };
    let href = of("group").or_else(|| of("group_gz")).ok_or("repodata/repomd.xml lists no group file")?;
    let stored = contents.small(&href).map_err(|problem| format!("{href} {problem}"))?;
    let stored = stored.ok_or_else(|| format!("{href} is not there"))?;
    if !stored.starts_with(&[0x1f, 0x8b]) {
        return Ok(stored);
    }
    let mut open = Vec::new();
    let read = MultiGzDecoder::new(stored.as_slice()).take(MAX_SMALL_FILE).read_to_end(&mut open);
    read.map(|_| open).map_err(|e| format!("{href} cannot be read: {e}"))
}
