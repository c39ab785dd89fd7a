//! The comps file: the group by which XAPI installs a pack (`yum upgrade @update`).
//!
//! A wrong one is the worst fault that a pack can have: yum finds nothing to do, and XAPI reports success. So what is
//! written here is read back with [`group_packages`] before a pack leaves the builder.

use quick_xml::Reader;
use quick_xml::events::Event;

use super::xml::{self, Xml};

/// The group's id, as `pool_update.apply` of xen-api names it.
pub const GROUP: &str = "update";

/// The group of a driver disk, which the host installer takes into its own memory (host-installer, `driver.py`).
pub const DRIVERS: &str = "drivers";

/// Writes the comps file of a pack: one group whose only member is `update-<label>`, and for a driver disk one of the
/// packages with drivers.
pub fn comps(label: &str, drivers: &[String]) -> Vec<u8> {
    let mut document = xml::document();
    xml::raw(&mut document, "\n<!DOCTYPE comps PUBLIC \"-//Red Hat, Inc.//DTD Comps info//EN\" \"comps.dtd\">");
    xml::nest(&mut document, "comps", &[], |inner| {
        write_group(inner, GROUP, label, &[format!("update-{label}")]);
        if !drivers.is_empty() {
            write_group(inner, DRIVERS, DRIVERS, drivers);
        }
    });
    xml::finish(document)
}

fn write_group(xml: &mut Xml, id: &str, name: &str, members: &[String]) {
    xml::nest(xml, "group", &[], |group| {
        xml::text(group, "id", &[], id);
        xml::text(group, "name", &[], name);
        xml::text(group, "default", &[], "false");
        xml::text(group, "uservisible", &[], "true");
        xml::nest(group, "packagelist", &[], |list| {
            for member in members {
                xml::text(list, "packagereq", &[("type", "mandatory")], member);
            }
        });
    });
}

/// The mandatory members of a comps group, as yum 3.4.3 reads them.
///
/// # Errors
/// What keeps yum from reading the file or finding the group.
pub fn group_packages(comps: &[u8], id: &str) -> Result<Vec<String>, String> {
    let text = std::str::from_utf8(comps).map_err(|_| "is not UTF-8 text".to_owned())?;
    let mut reader = Reader::from_str(text);
    let mut path: Vec<String> = Vec::new();
    let (mut group, mut mandatory, mut members, mut found) = (String::new(), true, Vec::new(), None);
    loop {
        match reader.read_event().map_err(|e| format!("is not well-formed: {e}"))? {
            Event::Start(element) => {
                match element.name().as_ref() {
                    "group" => (group, members) = (String::new(), Vec::new()),
                    "packagereq" => {
                        let kind = element.try_get_attribute("type").map_err(|e| e.to_string())?;
                        mandatory = kind.is_none_or(|kind| matches!(kind.value.as_ref(), "mandatory" | "default"));
                    }
                    _ => {}
                }
                path.push(element.name().as_ref().to_owned());
            }
            Event::Text(text) => match path.last().map(String::as_str) {
                Some("id") => group += text.as_ref(),
                Some("packagereq") if mandatory => members.push(text.as_ref().to_owned()),
                _ => {}
            },
            Event::End(_) => {
                let ended = path.pop();
                if ended.as_deref() == Some("group") && group == id {
                    found = Some(std::mem::take(&mut members));
                }
            }
            // A document type whose quotes were escaped is what makes yum see no group at all.
            Event::DocType(text) if !text.as_ref().contains('"') => return Err("has a malformed document type".into()),
            Event::Eof if !path.is_empty() => return Err("ends before its elements do".into()),
            Event::Eof => return found.ok_or_else(|| format!("has no group {id:?}")),
            _ => {}
        }
    }
}
