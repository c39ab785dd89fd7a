//! `XS-PACKAGES`: the packages of a pack of the older format, in the order in which they are installed.

use std::fmt::Write;

use super::repository::{attribute, everywhere, value};
use crate::xml::Document;

/// Name of the file.
pub const FILE: &str = "XS-PACKAGES";

/// A package, as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Listed {
    /// The RPM's name, or for a driver its part of that.
    pub label: String,
    /// `rpm`, `driver-rpm`, `tbz2`; `driver` and `firmware` in packs for releases long gone.
    pub kind: String,
    /// In bytes.
    pub size: String,
    /// In 32 hexadecimal digits, of the whole file.
    pub md5: String,
    /// `-i`: installed beside an older one instead of over it.
    pub options: Option<String>,
    /// Of a `driver-rpm`: the kernel that it is for, or `any`.
    pub kernel: Option<String>,
    /// Of a `tbz2` or `driver`: where it is unpacked.
    pub root: Option<String>,
    pub file: String,
}

impl Listed {
    /// Whether it is an RPM.
    pub fn is_rpm(&self) -> bool {
        self.kind.ends_with("rpm")
    }
}

/// The file's text. No value needs an entity: names of packages and files are checked when they are read.
pub fn to_text(packages: &[Listed]) -> String {
    let mut text = String::from("<packages>\n");
    for package in packages {
        text += "  <package";
        for (name, value) in [
            ("label", Some(&package.label)),
            ("type", Some(&package.kind)),
            ("size", Some(&package.size)),
            ("md5", Some(&package.md5)),
            ("options", package.options.as_ref()),
            ("kernel", package.kernel.as_ref()),
            ("root", package.root.as_ref()),
        ] {
            attribute(&mut text, name, value.map(String::as_str));
        }
        let _ = writeln!(text, ">{}</package>", package.file);
    }
    text += "</packages>\n";
    text
}

/// Reads the file as strictly as python-libs.
///
/// # Errors
/// Why that would refuse it, to follow the file's name.
pub fn read(bytes: &[u8]) -> Result<Vec<Listed>, String> {
    let document = Document::parse(bytes)?;
    let packages = everywhere(&document.root, "package").into_iter().enumerate().map(|(index, node)| {
        let mandatory = |attribute: &str| {
            value(node, attribute).ok_or_else(|| format!("has no attribute {attribute} in its package {}", index + 1))
        };
        let kind = mandatory("type")?;
        let also: &[&str] = match kind.as_str() {
            "rpm" | "firmware" => &[],
            "driver-rpm" => &["kernel"],
            "tbz2" | "driver" => &["root"],
            other => return Err(format!("has the type {other:?}, which hosts do not know")),
        };
        also.iter().try_for_each(|attribute| mandatory(attribute).map(drop))?;
        Ok(Listed {
            label: mandatory("label")?,
            size: mandatory("size")?,
            md5: mandatory("md5")?,
            options: value(node, "options"),
            kernel: value(node, "kernel"),
            root: value(node, "root"),
            file: node.text.trim().to_owned(),
            kind,
        })
    });
    packages.collect()
}
