//! What the host installer would not read.

use std::fs;

use lab::foreign::{edit_metadata, replace_metadata};
use lab::tools::{command, succeed};

use super::{Case, case};

#[rustfmt::skip]
pub(crate) const CASES: &[Case] = &[
    case("installer-repository", "primary is compressed with bzip2", |t| t.recipe.when_indexed(|tree| compress(tree, "--compress-type=bz2"))),
    case("installer-repository", "primary is compressed with xz", |t| t.recipe.when_indexed(|tree| compress(tree, "--compress-type=xz"))),
    case("installer-repository", "primary is not compressed", |t| t.recipe.when_indexed(|tree| compress(tree, "--no-compress"))),
    case("installer-repository", "packages are listed with SHA-1", |t| t.recipe.createrepo.retain_mut(|option| {
        if option.starts_with("--checksum=") { *option = "--checksum=sha".into(); }
        true
    })),
    case("installer-repository", "package is listed with two checksums", |t| t.recipe.when_indexed(|tree| edit_metadata(tree, "primary", |xml| {
        xml.replacen("<checksum ", "<checksum type=\"sha256\">00</checksum><checksum ", 1)
    }))),
    case("installer-repository", "package is listed in two places", |t| t.recipe.when_indexed(|tree| edit_metadata(tree, "primary", |xml| {
        let start = xml.find("  <location ").unwrap();
        let end = start + xml[start..].find('\n').unwrap();
        xml.replacen(&xml[start..end], &xml[start..end].repeat(2), 1)
    }))),
];

fn compress(tree: &std::path::Path, option: &str) {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("primary.xml");
    fs::write(&plain, succeed(command("zcat", ["--force"]).arg(tree.join("repodata/primary.xml.gz")))).unwrap();
    replace_metadata(tree, "primary", &plain, &[option]);
}
