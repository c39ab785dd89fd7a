//! Packs of the format of 7.0 and before: those that a host has, and the installer that such a pack brings.
//!
//! Registry: `/etc/xensource/installed-repos/ORIGINATOR:NAME/` with the pack's `XS-REPOSITORY` and `XS-PACKAGES`
//! (supp-pack-build, `suppack-install.py`; xen-api, `ocaml/xapi/create_misc.ml`, `make_packs_info`).

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use serde::Serialize;

use super::host::{Host, harmless};
use crate::{Error, Result};

/// Where a host keeps what it installed.
pub const INSTALLED: &str = "/etc/xensource/installed-repos";
/// Both files are some hundred bytes; packs of hundreds of packages have some kilobytes.
const MAX_FILE: u64 = 4 << 20;
/// More packages than any pack has.
const MAX_PACKAGES: usize = 4096;

/// A pack of the older format that a host has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OlderPack {
    /// `ORIGINATOR:NAME`.
    pub id: String,
    pub version: String,
    pub build: Option<String>,
    /// Names of its packages.
    pub packages: Vec<String>,
    /// Bytes of its package files.
    pub size: u64,
    /// Ids of the packs that need it.
    pub needed_by: Vec<String>,
    /// Why its files cannot be read, if so: XAPI skips it then.
    pub problem: Option<String>,
}

/// The packs of the older format that a host has.
///
/// # Errors
/// [`Error`] of class `Tool` if the folder cannot be read.
pub fn installed(host: &Host) -> Result<Vec<OlderPack>> {
    let names = host.names(INSTALLED);
    let names =
        names.map_err(|e| Error::tool(INSTALLED, format!("cannot be read: {e}"), "Run it on a host, as root"))?;
    let mut needs: Vec<(String, String)> = Vec::new();
    let mut packs = Vec::new();
    for id in names {
        // The product's own: "xs:main" and so on are no packs.
        if ["xs:main", "xs:linux", "xcp:main"].contains(&id.as_str()) {
            continue;
        }
        let read = |file: &str| match host.read(&format!("{INSTALLED}/{id}/{file}"), MAX_FILE) {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err(format!("there is no {file}")),
            Err(e) => Err(format!("{file} cannot be read: {e}")),
        };
        let mut pack = OlderPack {
            id: harmless(&id),
            version: String::new(),
            build: None,
            packages: Vec::new(),
            size: 0,
            needed_by: Vec::new(),
            problem: None,
        };
        let parsed = read("XS-REPOSITORY").and_then(|bytes| {
            elements(&bytes, &mut |name, element| match name {
                "repository" => {
                    pack.version = attribute(element, "version").unwrap_or_default();
                    pack.build = attribute(element, "build");
                }
                "requires" => {
                    let word = |name| attribute(element, name).unwrap_or_default();
                    needs.push((id.clone(), format!("{}:{}", word("originator"), word("name"))));
                }
                _ => {}
            })
        });
        let parsed = parsed.and_then(|()| read("XS-PACKAGES")).and_then(|bytes| {
            elements(&bytes, &mut |name, element| {
                if name == "package" && pack.packages.len() < MAX_PACKAGES {
                    pack.packages.extend(attribute(element, "label"));
                    let size = attribute(element, "size").and_then(|size| size.parse::<u64>().ok());
                    pack.size = pack.size.saturating_add(size.unwrap_or(0));
                }
            })
        });
        pack.problem = parsed.err().map(|problem| harmless(&problem));
        packs.push(pack);
    }
    for pack in &mut packs {
        pack.needed_by = needs.iter().filter(|(_, needed)| *needed == pack.id).map(|(id, _)| harmless(id)).collect();
    }
    Ok(packs)
}

fn elements(bytes: &[u8], seen: &mut dyn FnMut(&str, &BytesStart<'_>)) -> std::result::Result<(), String> {
    let text = String::from_utf8_lossy(bytes);
    let mut reader = Reader::from_str(&text);
    loop {
        match reader.read_event().map_err(|e| format!("is malformed: {e}"))? {
            Event::Start(element) | Event::Empty(element) => {
                let name = element.name();
                seen(name.as_ref(), &element);
            }
            Event::Eof => return Ok(()),
            _ => {}
        }
    }
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = element.try_get_attribute(name).ok()??;
    attribute.normalized_value(XmlVersion::Implicit1_0).ok().map(|value| harmless(&value))
}
