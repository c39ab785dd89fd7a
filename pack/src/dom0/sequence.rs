//! What XAPI and the host installer do with a pack, step by step, and the errors with which they refuse.
//!
//! Rules: xen-api, `ocaml/xapi/xapi_pool_update.ml`, `scripts/extensions/pool_update.precheck` and `pool_update.apply`;
//! host-installer, `repository.py`. Must not know what is checked of it.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::capture::Capture;
use super::database::Database;
use super::file_conflict::{self, FileConflict, FileConflicts};
use super::host::{Ended, Host};
use super::package::Package;
use super::plan::{Member, Plan};
use super::refusal::Refusal;
use super::solve::{self, Repository};
use super::supply::{Supplied, Supply};
use super::toolstack::{Update, UpdateInfo};
use super::transaction::{self, Erasure, Failure};
use super::xapi_error::{self, XapiError};
use crate::image::PackImage;
use crate::rpm::Rpm;
use crate::rpm::scriptlet::Moment;
use crate::update::{GROUP, group_packages};

/// The uuid of the stand-in for an earlier build.
const EARLIER: &str = "0c0ffee0-0000-4000-8000-000000000009";

/// A pack as a host gets it.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) info: UpdateInfo,
    pub(super) supply: Supply,
    /// The members of the group by which XAPI installs, or why yum finds none.
    group: Result<Vec<String>, String>,
}

/// What a step comes to: an error of the host's folder, a refusal by the host, or success.
pub(super) type Step = io::Result<Result<(), Denied>>;

/// A step that the host refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Denied {
    /// What the administrator is told.
    pub(super) error: XapiError,
    /// What yum or rpm refused, where it was they.
    pub(super) cause: Option<Refusal>,
}

impl From<XapiError> for Denied {
    fn from(error: XapiError) -> Denied {
        Denied { error, cause: None }
    }
}

impl Denied {
    fn by(stop: Stop, error: impl FnOnce(&str) -> XapiError) -> Denied {
        let error = error(&stop.to_string());
        match stop {
            Stop::Refused(refusal) => Denied { error, cause: Some(refusal) },
            Stop::Failed(_) => Denied { error, cause: None },
        }
    }
}

/// What ends a transaction of yum without success.
enum Stop {
    /// yum, or rpm's own test, would not run it.
    Refused(Refusal),
    /// A package failed on the way; what yum says of it.
    Failed(String),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stop::Refused(refusal) => refusal.fmt(f),
            Stop::Failed(said) => f.write_str(said),
        }
    }
}

impl Delivery {
    /// Opens a pack, and unpacks its packages.
    ///
    /// # Errors
    /// What cannot be read.
    pub(super) fn of(image: &PackImage) -> Result<Delivery, String> {
        let content = |path: &str| {
            let entry = image.file(path).ok_or_else(|| format!("there is no {path}"))?;
            image.content(entry).map_err(|problem| format!("{path} {problem}"))
        };
        let info = UpdateInfo::parse(&content("update.xml")?).map_err(|e| e.to_string())?;
        let packages: Result<Vec<Rpm>, String> =
            image.packages().into_iter().map(|(entry, rpm)| rpm.map_err(|e| format!("{} {e}", entry.path))).collect();
        let supply = Supply::unpack(&packages?)?;
        // Named so by every builder; `verify` holds it to what repomd.xml lists.
        let comps =
            image.files().find(|entry| entry.path.starts_with("repodata/") && entry.path.ends_with("comps.xml"));
        let group = match comps {
            Some(entry) => image.content(entry).and_then(|comps| group_packages(&comps, GROUP)),
            None => Err("there is no comps file".into()),
        };
        Ok(Delivery { info, supply, group })
    }

    /// The same pack as an earlier build would have made it.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn earlier(&self) -> Result<Delivery, String> {
        let info = UpdateInfo { uuid: EARLIER.into(), version: "0".into(), ..self.info.clone() };
        let supply = self.supply.earlier(&self.info.uuid, EARLIER)?;
        Ok(Delivery { info, supply, group: self.group.clone() })
    }

    fn repository(&self) -> Repository {
        Repository::new(&self.info.label, self.supply.packages.iter().map(|supplied| supplied.package.clone()))
    }
}

/// `pool_update.introduce`: the pack becomes known. Its signatures are held to the key by [`crate::verify`].
pub(super) fn introduce(host: &mut Host, pack: &Delivery, _: &mut Vec<String>) -> Step {
    let UpdateInfo { uuid, label, .. } = &pack.info;
    match host.toolstack.update(uuid) {
        Some(update) if update.has_image => {
            return Ok(Err(XapiError::UpdateAlreadyExists { uuid: uuid.clone() }.into()));
        }
        Some(update) => update.has_image = true,
        None => host.toolstack.updates.push(Update {
            uuid: uuid.clone(),
            label: label.clone(),
            has_image: true,
            applied: false,
        }),
    }
    Ok(Ok(()))
}

/// `pool_update.precheck`: space, then the control package, then its script.
pub(super) fn precheck(host: &mut Host, pack: &Delivery, doubts: &mut Vec<String>) -> Step {
    precheck_as(host, pack, doubts, "precheck")
}

fn precheck_as(host: &mut Host, pack: &Delivery, doubts: &mut Vec<String>, what: &str) -> Step {
    let info = &pack.info;
    if let Some(available) = host.free_bytes.filter(|free| *free < info.installation_size) {
        let (label, required) = (info.label.clone(), info.installation_size);
        return Ok(Err(XapiError::PrecheckOutOfSpace { label, available, required }.into()));
    }
    // Without a control package XAPI checks nothing.
    let Some(control) = &info.control else { return Ok(Ok(())) };
    let (database, repository) = (host.database(), pack.repository());
    let denied = |stop| {
        let reference = reference(info);
        Denied::by(stop, |said| xapi_error::of_precheck(subject(info, &reference), said))
    };
    match solve::install(&database, &repository, &[control]) {
        Err(Refusal::NothingToDo { .. }) if host.installed(control).is_some() => {}
        Err(refusal) => return Ok(Err(denied(Stop::Refused(refusal)))),
        Ok(plan) => {
            if let Err(stop) = carry_out(host, &pack.supply, (&database, &plan), doubts)? {
                return Ok(Err(denied(stop)));
            }
        }
    }
    let script = format!("/var/update/{}/precheck", info.uuid);
    if !host.root.exists(&script) {
        return Ok(Ok(()));
    }
    let run = host.run_program(what, control, &script)?;
    Ok(match run.ended {
        Ended::NotProven(_) => Ok(()),
        Ended::Exited(code) => {
            xapi_error::of_precheck_script(&info.label, code == 0, &run.output).map(drop).map_err(Denied::from)
        }
        Ended::Stopped(how) => Err(XapiError::PrecheckUnknown { label: info.label.clone(), text: how }.into()),
    })
}

/// `pool_update.apply`: precheck again, then the group, then a look at the stamps.
pub(super) fn apply(host: &mut Host, pack: &Delivery, doubts: &mut Vec<String>) -> Step {
    let info = &pack.info;
    if host.toolstack.has(&info.uuid) {
        return Ok(Err(XapiError::UpdateAlreadyApplied { update: reference(info) }.into()));
    }
    if let Err(denied) = precheck_as(host, pack, doubts, "precheck, again by apply")? {
        return Ok(Err(denied));
    }
    let (database, repository) = (host.database(), pack.repository());
    // What yum makes of a missing group is nothing, with success.
    let members: Vec<&str> = pack.group.iter().flatten().map(String::as_str).collect();
    match solve::upgrade_group(&database, &repository, GROUP, &members, host.groups) {
        Ok(plan) => {
            if let Err(stop) = carry_out(host, &pack.supply, (&database, &plan), doubts)? {
                return Ok(Err(Denied::by(stop, xapi_error::of_apply)));
            }
        }
        Err(refusal) => return Ok(Err(Denied::by(Stop::Refused(refusal), xapi_error::of_apply))),
    }
    let root = Arc::clone(&host.root);
    host.toolstack.resync(&root);
    Ok(match &host.toolstack.resync_failure {
        Some(failure) => Err(XapiError::ApplyFailed { text: failure.clone() }.into()),
        None => Ok(()),
    })
}

/// `pool_update.pool_clean`: the image goes, the record stays.
pub(super) fn pool_clean(host: &mut Host, pack: &Delivery) {
    if let Some(update) = host.toolstack.update(&pack.info.uuid) {
        update.has_image = false;
    }
}

/// What the host installer does in the new root: the control package and the update package, by name.
pub(super) fn install_with_host(
    host: &mut Host,
    pack: &Delivery,
    doubts: &mut Vec<String>,
) -> io::Result<Result<(), String>> {
    let update = format!("update-{}", pack.info.label);
    let control = pack.info.control.clone().unwrap_or_default();
    let (database, repository) = (host.database(), pack.repository());
    let installed = match solve::install(&database, &repository, &[&control, &update]) {
        Ok(plan) => carry_out(host, &pack.supply, (&database, &plan), doubts)?.map_err(|stop| stop.to_string()),
        Err(refusal) => Err(refusal.to_string()),
    };
    if installed.is_ok() {
        // The installer's yum keeps its notes elsewhere (host-installer, `repository.py`).
        for folder in host.yum_notes(&repository.packages().cloned().collect::<Vec<_>>()) {
            host.forget_notes(&folder)?;
        }
    }
    Ok(installed)
}

/// `yum install` of everything that is supplied, as plain `rpm -U` would do it; what the package manager says if it fails.
pub(super) fn install_all(host: &mut Host, supply: &Supply) -> io::Result<Result<(), String>> {
    let repository = Repository::new("supplied", supply.packages.iter().map(|supplied| supplied.package.clone()));
    let names: Vec<&str> = supply.packages.iter().map(|supplied| supplied.package.name.as_str()).collect();
    let database = host.database();
    match solve::install(&database, &repository, &names) {
        Ok(plan) => {
            let done = carry_out(host, supply, (&database, &plan), &mut Vec::new())?;
            Ok(done.map_err(|stop| stop.to_string()))
        }
        Err(refusal) => Ok(Err(refusal.to_string())),
    }
}

/// Plain `rpm -U` of everything that is supplied.
pub(super) fn put_in_by_rpm(host: &mut Host, supply: &Supply) -> io::Result<()> {
    let installs = in_order(supply.packages.iter().map(Arc::clone).collect());
    transaction::transact(host, &installs, &[]).map(drop)
}

/// Files of the pack that packages of a host have too.
pub(super) fn file_conflicts(capture: &Capture, pack: &Delivery) -> io::Result<Option<FileConflicts>> {
    let host = Host::of(capture, super::services::Stage::Running, false)?;
    let (database, repository) = (host.database(), pack.repository());
    let names: Vec<&str> = repository.packages().map(|package| package.name.as_str()).collect();
    let plan = solve::install(&database, &repository, &names).ok();
    Ok(plan.map(|plan| file_conflict::file_conflicts(&database, &plan)))
}

/// The opaque reference of a `pool_update` record; what it is does not matter here.
fn reference(info: &UpdateInfo) -> String {
    format!("OpaqueRef:{}", info.uuid)
}

fn subject<'s>(info: &'s UpdateInfo, reference: &'s str) -> xapi_error::Subject<'s> {
    xapi_error::Subject { label: &info.label, reference }
}

/// Runs the transaction that yum planned; what yum says if rpm would not, or if a package failed.
fn carry_out(
    host: &mut Host,
    supply: &Supply,
    (database, plan): (&Database, &Plan<'_>),
    doubts: &mut Vec<String>,
) -> io::Result<Result<(), Stop>> {
    for unknown in &plan.unknown {
        let doubt = unknown.to_string();
        if !doubts.contains(&doubt) {
            doubts.push(doubt);
        }
    }
    let mut conflicts = file_conflict::file_conflicts(database, plan).conflicts;
    // A %pretrans may put things right, so yum's test lets such a package through.
    let may_be_mended = |conflict: &FileConflict| {
        let of_conflict = |supplied: &&Arc<Supplied>| supplied.package.to_string() == conflict.package;
        supply.packages.iter().find(of_conflict).is_some_and(|supplied| supplied.scriptlet(Moment::PreTrans).is_some())
    };
    let replaced = file_conflict::replaced_folders(plan).into_iter();
    conflicts.extend(replaced.filter(|found| host.root.is_folder(&found.path) && !may_be_mended(found)));
    if !conflicts.is_empty() {
        return Ok(Err(Stop::Refused(Refusal::Files(conflicts))));
    }
    let supplied = |package: &Package| -> Option<Arc<Supplied>> {
        supply.package(&package.name).filter(|supplied| supplied.package.evr == package.evr).cloned()
    };
    let installs: Vec<Arc<Supplied>> = plan.members.iter().filter_map(|member| supplied(member.package)).collect();
    let erasures: Vec<Erasure> = plan
        .erasures()
        .into_iter()
        .map(|gone| {
            let goes_for = |member: &&Member<'_>| member.replaces.iter().any(|(old, _)| std::ptr::eq(*old, gone));
            let replaced_by = plan.members.iter().find(goes_for).map(|member| member.package.name.clone());
            Erasure { package: gone.package.clone(), replaced_by }
        })
        .collect();
    // yum carries its note of the group over to the next version.
    let groups: Vec<(&Package, Option<String>)> = plan
        .members
        .iter()
        .map(|member| {
            let carried = member.replaces.iter().find_map(|(old, _)| old.group_member.clone());
            (member.package, member.group.clone().or(carried))
        })
        .collect();
    let notes: Vec<(&Package, Vec<String>)> = erasures
        .iter()
        .map(|erasure| (&erasure.package, host.yum_notes(std::slice::from_ref(&erasure.package))))
        .collect();
    let failures = transaction::transact(host, &installs, &erasures)?;
    let is_installed = |host: &Host, package: &Package| host.packages.iter().any(|i| *i.package == *package);
    for (_, folders) in notes.iter().filter(|(package, _)| !is_installed(host, package)) {
        for folder in folders {
            host.forget_notes(folder)?;
        }
    }
    for (package, group) in groups.iter().filter(|(package, _)| is_installed(host, package)) {
        host.note_installed(&package.name, group.as_deref())?;
    }
    match failures.is_empty() {
        true => Ok(Ok(())),
        // Then yum ends with 1: yum 3.4.3, `yum/__init__.py`, `runTransaction`.
        false => Ok(Err(Stop::Failed(failures.iter().map(Failure::to_string).collect::<Vec<_>>().join("\n")))),
    }
}

fn in_order(supplied: Vec<Arc<Supplied>>) -> Vec<Arc<Supplied>> {
    let packages: Vec<Package> = supplied.iter().map(|supplied| supplied.package.clone()).collect();
    let order = super::order::providers_first(packages);
    let of = |package: &Package| supplied.iter().find(|supplied| supplied.package == *package).cloned();
    order.iter().filter_map(of).collect()
}
