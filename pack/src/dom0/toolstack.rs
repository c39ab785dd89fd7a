//! XAPI's records of updates: what it takes from an update document, and what it holds for applied.
//!
//! Rules: xen-api, `ocaml/xapi/xapi_pool_update.ml` (`parse_update_info`, `resync_host`, `destroy`). Must not know packages.

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use uuid::Uuid;

use super::root::Root;
use super::xapi_error::XapiError;
use crate::image::PackImage;
use crate::spec::rpm_compare;

/// The stamps of applied updates, one file each, named by uuid.
pub(super) const APPLIED: &str = "/var/update/applied";
/// Stamps are a few hundred bytes.
const MAX_STAMP: u64 = 1 << 20;

/// What XAPI takes from an update document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateInfo {
    pub uuid: String,
    pub label: String,
    pub version: String,
    pub key: Option<String>,
    pub control: Option<String>,
    pub installation_size: u64,
}

impl UpdateInfo {
    /// What an image says of itself, if it says anything: whether that is right is for [`crate::verify`].
    pub fn of(image: &PackImage) -> Option<UpdateInfo> {
        let document = image.content(image.file("update.xml")?).ok()?;
        UpdateInfo::parse(&document).ok()
    }

    /// Whether a host takes this for a newer version of another.
    pub fn is_above(&self, other: &UpdateInfo) -> bool {
        rpm_compare(&self.version, &other.version).is_gt()
    }

    /// Reads an update document as XAPI does.
    ///
    /// # Errors
    /// The error that XAPI raises.
    pub fn parse(bytes: &[u8]) -> Result<UpdateInfo, XapiError> {
        let missing =
            |what: &str| XapiError::InvalidUpdate { label: None, reason: format!("missing <{what}> in update.xml") };
        let no_document = || XapiError::InvalidUpdate {
            label: None,
            reason: "missing update document (update.xml) in the package.".into(),
        };
        let text = std::str::from_utf8(bytes).map_err(|_| no_document())?;
        let mut reader = Reader::from_str(text);
        let (mut root, mut depth) = (None, 0_u32);
        let (mut described, mut in_description, mut written) = (false, false, false);
        loop {
            match reader.read_event().map_err(|_| no_document())? {
                Event::Start(element) => {
                    depth += 1;
                    match depth {
                        1 => root = Some(element.into_owned()),
                        2 if element.name().as_ref() == "name-description" => {
                            (described, in_description) = (true, true);
                        }
                        _ => {}
                    }
                }
                Event::Empty(element) => match depth {
                    0 => root = Some(element.into_owned()),
                    1 if element.name().as_ref() == "name-description" => described = true,
                    _ => {}
                },
                Event::End(_) => {
                    depth = depth.saturating_sub(1);
                    in_description &= depth >= 2;
                }
                Event::Text(text) if in_description => written |= !is_blank(text.as_ref()),
                Event::CData(text) if in_description => written |= !is_blank(text.as_ref()),
                // A description may be nothing but a quotation mark, which is written as a reference.
                Event::GeneralRef(_) if in_description => written = true,
                Event::Eof if depth > 0 => return Err(no_document()),
                Event::Eof => break,
                _ => {}
            }
        }
        let root = root.ok_or_else(no_document)?;
        if root.name().as_ref() != "update" {
            return Err(missing("update"));
        }
        let required = |name: &str| attribute(&root, name).ok_or_else(|| missing(name));
        let info = UpdateInfo {
            uuid: required("uuid")?,
            label: required("name-label")?,
            version: required("version")?,
            // Only the base name is kept.
            key: attribute(&root, "key").map(|key| key.rsplit('/').next().unwrap_or_default().to_owned()),
            control: attribute(&root, "control").filter(|control| !control.is_empty()),
            installation_size: attribute(&root, "installation-size").and_then(|size| size.parse().ok()).unwrap_or(0),
        };
        match (described, written) {
            (_, true) => Ok(info),
            (true, false) => Err(missing("name-description")),
            (false, false) => Err(XapiError::Internal { text: "Not_found".into() }),
        }
    }
}

/// Whether XML takes a text for white space.
fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = element.try_get_attribute(name).ok()??;
    attribute.normalized_value(XmlVersion::Implicit1_0).ok().map(std::borrow::Cow::into_owned)
}

/// An update that XAPI knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Update {
    pub uuid: String,
    pub label: String,
    /// Whether the image is still there.
    pub has_image: bool,
    /// Whether this host has it.
    pub applied: bool,
}

/// XAPI's records, of a pool of one host.
#[derive(Debug, Clone)]
pub(super) struct Toolstack {
    pub host_uuid: String,
    pub updates: Vec<Update>,
    /// Why the last look at the stamps failed, if it did.
    pub resync_failure: Option<String>,
}

impl Toolstack {
    /// The records of a host on which nothing was applied yet.
    pub(super) fn new(host_uuid: &str) -> Toolstack {
        Toolstack { host_uuid: host_uuid.into(), updates: Vec::new(), resync_failure: None }
    }

    /// Reads the stamps: from now on they are what this host has. One that cannot be read spoils all.
    pub(super) fn resync(&mut self, root: &Root) {
        let names = root.names(APPLIED);
        let mut stamps = Vec::new();
        for name in names.iter().filter(|name| Uuid::try_parse(name).is_ok()) {
            let path = format!("{APPLIED}/{name}");
            let read = root.read(&path, MAX_STAMP).map_err(|e| e.to_string());
            match read.and_then(|bytes| UpdateInfo::parse(&bytes).map_err(|e| e.to_string())) {
                Ok(info) => stamps.push(info),
                Err(problem) => {
                    self.resync_failure = Some(format!("{path}: {problem}"));
                    return;
                }
            }
        }
        self.resync_failure = None;
        for update in &mut self.updates {
            update.applied = stamps.iter().any(|info| info.uuid == update.uuid);
        }
        for info in stamps {
            if !self.updates.iter().any(|update| update.uuid == info.uuid) {
                self.updates.push(Update { uuid: info.uuid, label: info.label, has_image: false, applied: true });
            }
        }
    }

    /// The update of a uuid.
    pub(super) fn update(&mut self, uuid: &str) -> Option<&mut Update> {
        self.updates.iter_mut().find(|update| update.uuid == uuid)
    }

    /// Whether this host counts as having an update.
    pub(super) fn has(&self, uuid: &str) -> bool {
        self.updates.iter().any(|update| update.uuid == uuid && update.applied)
    }

    /// `pool_update.destroy`.
    ///
    /// # Errors
    /// The error that XAPI raises.
    pub(super) fn destroy(&mut self, uuid: &str) -> Result<(), XapiError> {
        match self.updates.iter().position(|update| update.uuid == uuid) {
            None => Err(XapiError::UuidInvalid { class: "pool_update".into(), uuid: uuid.into() }),
            Some(index) if self.updates[index].applied => Err(XapiError::UpdateIsApplied),
            Some(index) => {
                self.updates.remove(index);
                Ok(())
            }
        }
    }
}
