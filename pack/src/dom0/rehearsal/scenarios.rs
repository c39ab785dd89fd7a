//! What happens on one host: each scenario begins on the host as it was captured.
//!
//! A scenario plays the sequence and looks at the host afterwards; what it says of a check, it says in problems.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use crate::build::Progress;
use crate::dom0::capture::Capture;
use crate::dom0::host::{Ended, Host, Run};
use crate::dom0::refusal::Refusal;
use crate::dom0::sequence::{self, Delivery, Step};
use crate::dom0::services::{self, Stage};
use crate::dom0::supply::{Supplied, Supply};
use crate::dom0::toolstack;
use crate::dom0::xapi_error::XapiError;
use crate::rpm::package::{Config, FileKind};
use crate::update::GROUP;

/// Everything that scenarios on one host are played with.
pub(super) struct Scene<'a> {
    pub(super) capture: &'a Capture,
    pub(super) pack: &'a Delivery,
    /// An earlier build of the pack.
    pub(super) earlier: &'a Delivery,
    /// The original that the pack replaces, where it does.
    pub(super) original: Option<&'a Supply>,
    pub(super) confined: bool,
    pub(super) progress: &'a dyn Progress,
}

/// What a scenario came to.
#[derive(Debug, Default)]
pub(super) struct Course {
    pub(super) problems: Vec<String>,
    /// What could not be known.
    pub(super) doubts: Vec<String>,
    pub(super) runs: Vec<Run>,
    /// Whether a script did not end in its time.
    pub(super) hangs: bool,
    /// In which the host refused, if it did.
    pub(super) refusal: Option<Refused>,
}

/// A refusal, and the step in which it came.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    pub(super) step: &'static str,
    pub(super) error: XapiError,
    /// What yum or rpm refused, where it was they.
    pub(super) cause: Option<Refusal>,
    /// Whether the host is as it was before.
    pub(super) left_as_it_was: bool,
}

impl Scene<'_> {
    /// A fresh host, unless the user wants no more.
    fn host(&self, stage: Stage) -> io::Result<Host> {
        if self.progress.interrupted() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        Host::of(self.capture, stage, self.confined)
    }

    /// A new installation by the toolstack, then the removal: the courses of both.
    pub(super) fn install_and_remove(&self) -> io::Result<(Course, Course)> {
        let mut host = self.host(Stage::Running)?;
        let before = host.paths()?;
        let mut installed = Course::default();
        installed.apply(&mut host, self.pack, &before)?;
        let mut removed = Course::default();
        if installed.refusal.is_none() {
            installed.holds(&host, self.pack);
            installed.service_after_installation(&host, self.pack);
        }
        installed.runs = std::mem::take(&mut host.runs);
        if installed.refusal.is_none() {
            removed.remove(&mut host, self, &before)?;
        }
        removed.runs = std::mem::take(&mut host.runs);
        removed.hangs = host.hangs();
        Ok((installed, removed))
    }

    /// The host installer puts it in, and the host boots for the first time.
    pub(super) fn install_with_host(&self) -> io::Result<Course> {
        let mut host = self.host(Stage::Installation)?;
        let mut course = Course::default();
        course.put_in(&mut host, self.pack)?;
        host.boot()?;
        course.holds(&host, self.pack);
        course.service_after_installation(&host, self.pack);
        course.hangs = host.hangs();
        course.runs = host.runs;
        Ok(course)
    }

    /// An earlier build is there, by the toolstack or by the host installer; then the toolstack applies this one.
    pub(super) fn upgrade(&self, by_installer: bool) -> io::Result<Course> {
        let mut host = self.host(if by_installer { Stage::Installation } else { Stage::Running })?;
        let mut course = Course::default();
        if by_installer {
            course.put_in(&mut host, self.earlier)?;
            host.boot()?;
        } else {
            course.apply(&mut host, self.earlier, &BTreeSet::new())?;
        }
        if !course.problems.is_empty() || course.refusal.is_some() {
            course.problems.insert(0, "the earlier build could not be put in".into());
            course.hangs = host.hangs();
            course.runs = host.runs;
            return Ok(course);
        }
        let units = units(&self.pack.supply);
        let enabled: Vec<bool> = units.iter().map(|unit| services::is_enabled(&host.root, unit)).collect();
        let lived: Vec<_> = units.iter().map(|unit| host.services.lifetimes(unit)).collect();
        let changed = change_configuration(&host, &self.pack.supply)?;
        host.runs.clear();

        course.apply(&mut host, self.pack, &BTreeSet::new())?;
        course.holds(&host, self.pack);
        let old_stamp = format!("{}/{}", toolstack::APPLIED, self.earlier.info.uuid);
        let old_folder = format!("/var/update/{}", self.earlier.info.uuid);
        for path in [old_stamp, old_folder].into_iter().filter(|path| host.root.exists(path)) {
            course.problems.push(format!("{path} of the earlier build is still there"));
        }
        for ((unit, was_enabled), before) in units.iter().zip(enabled).zip(lived) {
            let now = host.services.lifetimes(unit);
            if services::is_enabled(&host.root, unit) != was_enabled {
                course.problems.push(format!("{unit} was {} before, and is not so now", enabled_word(was_enabled)));
            }
            let restarts = (now.restarts + now.starts) - (before.restarts + before.starts);
            if before.active && !now.active {
                course.problems.push(format!("{unit} was running before the upgrade and is not now"));
            }
            if restarts > 1 {
                course.problems.push(format!("{unit} was restarted {restarts} times"));
            }
        }
        for (path, content) in changed {
            if host.root.read(&path, MAX_CONFIGURATION).ok().as_ref() != Some(&content) {
                course.problems.push(format!("{path}, which the administrator had changed, was overwritten"));
            }
        }
        course.hangs = host.hangs();
        course.runs = host.runs;
        Ok(course)
    }

    /// The original is there, its service enabled and running; then the toolstack applies this pack.
    pub(super) fn replace_original(&self, original: &Supply) -> io::Result<Course> {
        let mut host = self.host(Stage::Running)?;
        let mut course = Course::default();
        sequence::put_in_by_rpm(&mut host, original)?;
        // As XAPI's yum would have noted it. Without the note, `dom0-upgrade-installed` shows what happens.
        host.note_installed("update-xscontainer", Some(GROUP))?;
        let root = Arc::clone(&host.root);
        host.toolstack.resync(&root);
        let unit = "xscontainer-monitor.service";
        let was_enabled = services::is_enabled(&host.root, unit);
        host.runs.clear();
        course.apply(&mut host, self.pack, &BTreeSet::new())?;
        course.holds(&host, self.pack);
        if was_enabled && !services::is_enabled(&host.root, unit) {
            course.problems.push(format!("{unit} was enabled before, and is not now"));
        }
        for left in original.packages.iter().filter(|old| is_installed(&host, old)) {
            course.problems.push(format!("{} of the original is still installed", left.package));
        }
        let kept: BTreeSet<&str> =
            host.packages.iter().flat_map(|i| &i.package.files).map(|f| f.path.as_str()).collect();
        for file in original.packages.iter().flat_map(|old| &old.package.files) {
            if !kept.contains(file.path.as_str()) && host.root.exists(&file.path) {
                course.problems.push(format!("{} of the original is still there", file.path));
            }
        }
        course.hangs = host.hangs();
        course.runs = host.runs;
        Ok(course)
    }
}

/// Configuration files are small.
const MAX_CONFIGURATION: u64 = 1 << 20;

impl Course {
    /// What XAPI does with an uploaded pack; a refusal is kept with its step.
    fn apply(&mut self, host: &mut Host, pack: &Delivery, before: &BTreeSet<String>) -> io::Result<()> {
        let installed: Vec<String> = host.packages.iter().map(|i| i.package.to_string()).collect();
        type Play = fn(&mut Host, &Delivery, &mut Vec<String>) -> Step;
        let steps: [(&'static str, Play); 3] =
            [("introduce", sequence::introduce), ("precheck", sequence::precheck), ("apply", sequence::apply)];
        for (step, play) in steps {
            if let Err(denied) = play(host, pack, &mut self.doubts)? {
                let now: Vec<String> = host.packages.iter().map(|i| i.package.to_string()).collect();
                let paths = host.paths()?;
                let left_as_it_was = now == installed && (before.is_empty() || paths == *before);
                self.problems.push(format!("{step} ended with {}", denied.error));
                self.refusal = Some(Refused { step, error: denied.error, cause: denied.cause, left_as_it_was });
                return Ok(());
            }
            if step == "precheck" {
                self.precheck_changes_nothing_else(host, pack, &installed);
            }
        }
        sequence::pool_clean(host, pack);
        Ok(())
    }

    /// Whether all that the precheck brought or took away is the control package.
    fn precheck_changes_nothing_else(&mut self, host: &Host, pack: &Delivery, before: &[String]) {
        let control = pack.info.control.as_deref();
        for installed in host.packages.iter().filter(|installed| control != Some(installed.package.name.as_str())) {
            let package = installed.package.to_string();
            if !before.contains(&package) {
                self.problems.push(format!("the precheck alone already installs {package}"));
            }
        }
    }

    /// What the host installer does.
    fn put_in(&mut self, host: &mut Host, pack: &Delivery) -> io::Result<()> {
        if let Err(problem) = sequence::install_with_host(host, pack, &mut self.doubts)? {
            self.problems.push(format!("the installation of the host ends: {problem}"));
        }
        Ok(())
    }

    /// Whether the host has the pack, by its packages, its stamp and its toolstack.
    fn holds(&mut self, host: &Host, pack: &Delivery) {
        for supplied in pack.supply.packages.iter().filter(|supplied| !is_installed(host, supplied)) {
            let there = host.installed(&supplied.package.name);
            let there = there.map_or("nothing of that name is".to_owned(), |other| format!("{} is", other.package));
            self.problems.push(format!("{} is not installed; {there}", supplied.package));
        }
        let stamp = format!("{}/{}", toolstack::APPLIED, pack.info.uuid);
        if !host.root.exists(&stamp) {
            self.problems.push(format!("the stamp {stamp} is not there, so XAPI does not count the update as applied"));
        }
        if let Some(failure) = &host.toolstack.resync_failure {
            self.problems.push(format!("XAPI cannot read the stamps: {failure}"));
        }
        if !host.toolstack.has(&pack.info.uuid) {
            self.problems.push("the host's updates do not have it".into());
        }
    }

    /// Whether services are as their presets say, and ran at most once.
    fn service_after_installation(&mut self, host: &Host, pack: &Delivery) {
        if !host.confined {
            return;
        }
        for unit in units(&pack.supply) {
            let lifetimes = host.services.lifetimes(&unit);
            let enabled = services::is_enabled(&host.root, &unit);
            if lifetimes.starts + lifetimes.restarts > 1 {
                self.problems.push(format!("{unit} was started {} times", lifetimes.starts + lifetimes.restarts));
            }
            if !enabled && services::is_wanted(&host.root, &unit) {
                self.problems.push(format!("{unit} is not enabled, although a preset says so"));
            }
            if lifetimes.active && !enabled {
                self.problems.push(format!("{unit} runs but is not enabled: it will not be there after a restart"));
            }
        }
    }

    /// The shipped script, and what is left after it.
    fn remove(&mut self, host: &mut Host, scene: &Scene<'_>, before: &BTreeSet<String>) -> io::Result<()> {
        let pack = scene.pack;
        let script = format!("/var/update/{}/remove", pack.info.uuid);
        if !host.root.exists(&script) {
            self.doubts.push("the pack has no removal script".into());
            return Ok(());
        }
        let package = pack.info.control.clone().unwrap_or_default();
        let run = host.run_program("remove", &package, &script)?;
        match &run.ended {
            Ended::Exited(0) => {}
            Ended::NotProven(reason) => {
                self.doubts.push(reason.clone());
                return Ok(());
            }
            other => self.problems.push(format!("{script} ended: {other}; it said {:?}", run.output.trim())),
        }
        for supplied in pack.supply.packages.iter().filter(|supplied| is_installed(host, supplied)) {
            self.problems.push(format!("{} is still installed", supplied.package));
        }
        for path in host.paths()?.difference(before) {
            // yum's own notes about packages, which `rpm -e` never takes away.
            let of_yum = path.starts_with("/var/lib/yum/");
            // Many packages of others do not own the folders that they put files into; rpm leaves those, empty.
            let is_accepted = scene.original.is_none() && host.root.is_folder(path);
            if !of_yum && !is_accepted {
                self.problems.push(format!("{path} is left"));
            }
        }
        if host.toolstack.updates.iter().any(|update| update.uuid == pack.info.uuid) {
            self.problems.push("XAPI still lists the update".into());
        }
        Ok(())
    }
}

fn is_installed(host: &Host, supplied: &Supplied) -> bool {
    let package = &supplied.package;
    host.packages.iter().any(|i| i.package.name == package.name && i.package.evr == package.evr)
}

fn enabled_word(enabled: bool) -> &'static str {
    if enabled { "enabled" } else { "disabled" }
}

/// The services that the packages bring.
fn units(supply: &Supply) -> Vec<String> {
    let files = supply.packages.iter().flat_map(|supplied| &supplied.package.files);
    let units = files.filter_map(|file| file.path.strip_prefix("/usr/lib/systemd/system/"));
    units.filter(|unit| unit.ends_with(".service") && !unit.contains('@')).map(str::to_owned).collect()
}

/// Changes every configuration file that rpm is to keep, as an administrator does; what each holds now.
fn change_configuration(host: &Host, supply: &Supply) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut changed = Vec::new();
    for file in supply.packages.iter().flat_map(|supplied| &supplied.package.files) {
        let kept = file.config == Config::NoReplace && matches!(file.kind, FileKind::Regular { .. });
        if kept && host.root.exists(&file.path) {
            let content = b"# changed by the administrator\n".to_vec();
            host.root.write(&file.path, 0o644, &mut content.as_slice())?;
            changed.push((file.path.clone(), content));
        }
    }
    Ok(changed)
}
