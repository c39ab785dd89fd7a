//! Which packs a host has: by their stamps, which are what counts, by rpm and by XAPI; and what is left over of others.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::host::{Host, harmless};
use super::older::{self, OlderPack};
use super::packages::{self, APPLIED, Companions};
use super::xe::{Update, Xe, XeError};
use crate::dom0::UpdateInfo;
use crate::{Error, Result};

/// Stamps are a few hundred bytes.
const MAX_STAMP: u64 = 1 << 20;
/// Uuids of updates that wait for a restart of the host (xen-api, `ocaml/xapi/create_misc.ml`).
const REBOOT_REQUIRED: &str = "/run/reboot-required.hfxs";

/// The packs of a host.
#[derive(Debug, Clone, Serialize)]
pub struct State {
    pub packs: Vec<Pack>,
    /// Packs of the format of 7.0 and before.
    pub older: Vec<OlderPack>,
    /// What belongs to no pack that is there.
    pub leftovers: Vec<Leftover>,
    /// Why XAPI's view is missing, if it is.
    pub xapi_unknown: Option<String>,
}

/// A pack that this host has.
#[derive(Debug, Clone, Serialize)]
pub struct Pack {
    pub uuid: String,
    pub label: String,
    pub version: String,
    /// Bytes that it says it takes.
    pub installation_size: u64,
    /// Its packages; `None` if rpm does not know them any more.
    pub packages: Option<Vec<String>>,
    /// Names of the hosts that have it, if XAPI says.
    pub hosts: Option<Vec<String>>,
    /// The pack that rolled it up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rolled_up_by: Option<String>,
    /// Guidance that was not followed yet, as far as a host knows: `restartHost`.
    pub pending: Vec<String>,
    /// What is wrong with it.
    pub problems: Vec<String>,
}

/// Something that is left of a pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Leftover {
    /// The label, where it is known.
    pub label: Option<String>,
    pub uuid: Option<String>,
    pub what: String,
    pub remedy: String,
}

/// A stamp.
struct Stamp {
    info: UpdateInfo,
    rolled_up_by: Option<String>,
}

impl State {
    /// Looks at a host. XAPI may be down.
    ///
    /// # Errors
    /// [`Error`] of class `Tool` if rpm fails, or the folders of packs cannot be read.
    pub fn of(host: &Host, xe: &Xe<'_>, stop: &dyn Fn() -> bool) -> Result<State> {
        let companions = packages::companions(host, stop)?;
        let (stamps, mut leftovers) = stamps(host)?;
        let waiting = host.read(REBOOT_REQUIRED, MAX_STAMP).ok().flatten().unwrap_or_default();
        let waiting: BTreeSet<String> =
            String::from_utf8_lossy(&waiting).lines().map(|line| line.trim().to_owned()).collect();
        let (updates, xapi_unknown) = match view(host, xe) {
            Ok(view) => (Some(view), None),
            Err(XeError::Interrupted) => return Err(Error::interrupted()),
            Err(error) => (None, Some(error.to_string())),
        };
        let packs = stamps
            .iter()
            .map(|(uuid, stamp)| {
                let of_rpm = companions.iter().find(|(_, one)| one.stamps.contains(uuid));
                pack(uuid, stamp, of_rpm, updates.as_ref(), &waiting)
            })
            .collect();
        leftovers.extend(left_by_rpm(&companions, &stamps));
        if let Some(view) = &updates {
            leftovers.extend(left_by_xapi(view, &stamps));
        }
        Ok(State { packs, older: older::installed(host)?, leftovers, xapi_unknown })
    }

    /// What a person means by a label or uuid: uuids and labels of packs, or of leftovers if it is no pack's.
    pub fn find(&self, wanted: &str) -> Vec<(Option<String>, String)> {
        let mut found: Vec<(Option<String>, String)> = Vec::new();
        let packs = self.packs.iter().filter(|pack| pack.label == wanted || pack.uuid == wanted);
        found.extend(packs.map(|pack| (Some(pack.label.clone()), pack.uuid.clone())));
        if !found.is_empty() {
            return found;
        }
        for left in &self.leftovers {
            let Some(uuid) = &left.uuid else { continue };
            let named = left.label.as_deref() == Some(wanted) || uuid == wanted;
            if named && !found.iter().any(|(_, known)| known == uuid) {
                found.push((left.label.clone(), uuid.clone()));
            }
        }
        found
    }
}

/// XAPI's view: its updates, the names of its hosts, the uuid of this one.
struct View {
    updates: Vec<Update>,
    hosts: BTreeMap<String, String>,
    this: Option<String>,
}

impl View {
    fn names(&self, update: &Update) -> Vec<String> {
        update.hosts.iter().map(|uuid| self.hosts.get(uuid).unwrap_or(uuid).clone()).collect()
    }
}

fn view(host: &Host, xe: &Xe<'_>) -> std::result::Result<View, XeError> {
    let this = host.inventory().ok().flatten().and_then(|inventory| inventory.host_uuid().map(str::to_owned));
    Ok(View { updates: xe.updates()?, hosts: xe.hosts()?, this })
}

fn pack(
    uuid: &str,
    stamp: &Stamp,
    of_rpm: Option<(&String, &Companions)>,
    view: Option<&View>,
    waiting: &BTreeSet<String>,
) -> Pack {
    let info = &stamp.info;
    let mut problems = Vec::new();
    let packages = of_rpm.map(|(label, one)| {
        let companions = [("update", &one.update), ("control", &one.control)];
        let companions = companions.into_iter().filter(|(_, version)| version.is_some());
        let mut names: Vec<String> = companions.map(|(kind, _)| format!("{kind}-{label}")).collect();
        names.extend(one.payload.iter().filter(|(_, installed)| **installed).map(|(name, _)| name.clone()));
        for (missing, _) in one.payload.iter().filter(|(_, installed)| !**installed) {
            problems.push(format!("its package {missing} is not installed any more"));
        }
        names
    });
    if packages.is_none() && stamp.rolled_up_by.is_none() {
        problems.push("its stamp belongs to no package: they were removed by hand".into());
    }
    let hosts = view.map(|view| {
        let update = view.updates.iter().find(|update| update.uuid == uuid);
        if !update.is_some_and(|update| view.this.as_ref().is_some_and(|this| update.hosts.contains(this))) {
            problems.push("XAPI does not know yet that this host has it".into());
        }
        update.map(|update| view.names(update)).unwrap_or_default()
    });
    Pack {
        uuid: uuid.into(),
        label: info.label.clone(),
        version: info.version.clone(),
        installation_size: info.installation_size,
        packages,
        hosts,
        rolled_up_by: stamp.rolled_up_by.clone(),
        pending: if waiting.contains(uuid) { vec!["restartHost".into()] } else { Vec::new() },
        problems,
    }
}

/// The stamps by uuid, and those that nothing can be made of.
fn stamps(host: &Host) -> Result<(BTreeMap<String, Stamp>, Vec<Leftover>)> {
    let unreadable =
        |e: std::io::Error| Error::tool(APPLIED, format!("cannot be read: {e}"), "Run it on a host, as root");
    let (mut stamps, mut broken) = (BTreeMap::new(), Vec::new());
    // XAPI looks at names that are uuids only.
    for uuid in host.names(APPLIED).map_err(unreadable)?.into_iter().filter(|name| uuid::Uuid::try_parse(name).is_ok())
    {
        let path = format!("{APPLIED}/{uuid}");
        let bytes = host.read(&path, MAX_STAMP).map_err(|e| e.to_string());
        let read = bytes.and_then(|bytes| {
            let bytes = bytes.unwrap_or_default();
            let mut info = UpdateInfo::parse(&bytes).map_err(|e| e.to_string())?;
            info.label = harmless(&info.label);
            info.version = harmless(&info.version);
            Ok(Stamp { info, rolled_up_by: rolled_up_by(&String::from_utf8_lossy(&bytes)) })
        });
        match read {
            Ok(stamp) => drop(stamps.insert(uuid, stamp)),
            Err(problem) => broken.push(Leftover {
                label: None,
                uuid: Some(uuid),
                what: format!("the stamp {path} cannot be read, so that XAPI reads none: {}", harmless(&problem)),
                remedy: format!("See what it is, then remove it: rm {path}"),
            }),
        }
    }
    Ok((stamps, broken))
}

/// The uuid of the pack that rolled up another one, from the stamp that it wrote.
fn rolled_up_by(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("<rolled-up-by")?;
    let (element, _) = rest.split_once('>')?;
    let (_, rest) = element.split_once("uuid=\"")?;
    let (uuid, _) = rest.split_once('"')?;
    uuid::Uuid::try_parse(uuid).is_ok().then(|| uuid.to_owned())
}

fn left_by_rpm<'a>(
    companions: &'a BTreeMap<String, Companions>,
    stamps: &'a BTreeMap<String, Stamp>,
) -> impl Iterator<Item = Leftover> + 'a {
    companions.iter().flat_map(|(label, one)| {
        let leftover = |uuid: Option<&String>, what: String, remedy: String| Leftover {
            label: Some(label.clone()),
            uuid: uuid.cloned(),
            what,
            remedy,
        };
        let without_stamp = one.stamps.iter().filter(|uuid| !stamps.contains_key(*uuid)).map(move |uuid| {
            leftover(
                Some(uuid),
                format!("update-{label} is installed, but its stamp is gone, so that XAPI does not count the pack"),
                format!("suppack remove {uuid}, or install the pack again"),
            )
        });
        let control = one.control.is_some() && one.update.is_none();
        let alone = control.then(|| {
            leftover(
                one.scripts.first(),
                format!("control-{label} is installed without the pack: a precheck that nothing followed"),
                format!("Apply the pack, or remove it: rpm -e control-{label}"),
            )
        });
        without_stamp.chain(alone)
    })
}

fn left_by_xapi<'a>(view: &'a View, stamps: &'a BTreeMap<String, Stamp>) -> impl Iterator<Item = Leftover> + 'a {
    view.updates.iter().filter_map(|update| {
        let uuid = &update.uuid;
        let here = view.this.as_ref().is_some_and(|this| update.hosts.contains(this));
        let (what, remedy) = match (here, stamps.contains_key(uuid), update.hosts.is_empty()) {
            (true, false, _) => (
                "XAPI counts this host as having it, but its stamp is gone".to_owned(),
                format!("xe update-resync-host host-uuid={}", view.this.as_deref().unwrap_or("HOST")),
            ),
            (false, false, true) => (
                "uploaded, but applied on no host".to_owned(),
                format!("Apply it, or drop it: xe update-pool-clean uuid={uuid}; xe update-destroy uuid={uuid}"),
            ),
            (false, false, false) => (
                format!("not on this host, but on {}", view.names(update).join(", ")),
                "Install it here too, if it is for this host".to_owned(),
            ),
            _ => return None,
        };
        Some(Leftover { label: Some(update.label.clone()), uuid: Some(uuid.clone()), what, remedy })
    })
}
