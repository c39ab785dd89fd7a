//! What XenCenter would not offer, misread or misshow.

use super::change::bytes;
use super::{Case, case};

#[rustfmt::skip]
pub(crate) const CASES: &[Case] = &[
    case("xencenter-file-name", "file has another extension", |t| t.recipe.image = "@LABEL@.img".into()),
    case("xencenter-file-name", "file has no extension", |t| t.recipe.image = "iso".into()),
    case("xencenter-file-name", "file has a hotfix's name", |t| t.recipe.image = "XS82E001.iso".into()),
    case("xencenter-joliet", "file is hidden from Windows", |t| hide(t, "-hide-joliet")),
    case("xencenter-joliet", "file is hidden from Linux", |t| hide(t, "-hide")),
    case("xencenter-joliet", "update.xml is another one on Windows", |t| t.recipe.when_imaged(|image| bytes(image, |b| {
        // The record's extent, in both orders of bytes, to its neighbour's.
        let at = joliet_record(b, "update.xml");
        b[at + 2] += 1;
        b[at + 9] += 1;
    }))),
    case("xencenter-joliet", "update.xml ends earlier on Windows", |t| t.recipe.when_imaged(|image| bytes(image, |b| {
        let at = joliet_record(b, "update.xml");
        b[at + 10] -= 1;
        b[at + 17] -= 1;
    }))),
    case("xencenter-joliet", "update.xml has another name on Windows", |t| t.recipe.when_imaged(|image| bytes(image, |b| {
        let at = joliet_record(b, "update.xml");
        b[at + 34] = b'x';
    }))),
    case("xencenter-not-media", "root has a .treeinfo", |t| t.recipe.files.push((".treeinfo".into(), "[platform]\nname = XCP\n".into()))),
    case("xencenter-one-format", "root has the older format as well", |t| t.recipe.files.push(("XS-REPOSITORY".into(), "<repository/>\n".into()))),
    case("xencenter-text", "description is too long", |t| t.recipe.document.content = format!("<name-description>{}</name-description>", "long ".repeat(60))),
    case("xencenter-text", "description has two lines", |t| t.recipe.document.content = "<name-description>one\ntwo</name-description>".into()),
    case("xencenter-text", "description runs backwards", |t| t.recipe.document.content = "<name-description>\u{202e}gninnur</name-description>".into()),
    case("xencenter-text", "label is too long", |t| t.recipe.label = format!("xscontainer-{}", "x".repeat(60))),
    case("xencenter-label", "label is another", |t| t.recipe.label = "container".into()),
];

/// Leaves a file out of one of the trees.
fn hide(trial: &mut super::Trial, option: &str) {
    trial.recipe.genisoimage.extend([option.to_owned(), "*README.txt".into()]);
}

/// Where the Joliet record of a file begins.
fn joliet_record(image: &[u8], name: &str) -> usize {
    let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let at = image.windows(name.len()).position(|window| window == name).expect("a Joliet name");
    at - 33
}

#[test]
fn an_image_without_joliet_names_is_accepted() {
    let mut trial = super::Trial::general();
    trial.recipe.genisoimage.retain(|option| !option.contains("-J") && !option.contains("-joliet-long"));
    assert_eq!(super::surprises(&[], &trial.verify()), [] as [&str; 0]);
}
