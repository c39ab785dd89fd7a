//! The rehearsal: every scenario on every captured host, and what is checked of them.

mod checks;
mod content;
mod scenarios;

use std::io;

use serde::Serialize;

use super::capture::Capture;
use super::file_conflict::FileConflict;
use super::host::{Ended, Run};
use super::package::{Config, FileKind};
use super::refusal::{Problem, Refusal, State};
use super::sequence::{self, Delivery};
use super::supply::Supply;
use super::xapi_error::XapiError;
use super::{confine, original};
use crate::build::Progress;
use crate::check::{Check, Outcome, Set, Verdict};
use crate::digest;
use crate::generation::{Generation, el7};
use crate::image::PackImage;
use crate::spec::rpm_compare;
use scenarios::{Course, Refused, Scene};

/// What is rehearsed, and on what.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    pub image: &'a PackImage,
    /// The release before this one; without it a stand-in is made from the pack itself.
    pub previous: Option<&'a PackImage>,
    /// Whether the policy of this project's own pack holds too.
    pub xscontainer: bool,
    pub hosts: &'a [Capture],
    /// What is played after the installation; everything if there are none.
    pub scenarios: &'a [Scenario],
}

/// Something that happens to a pack on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    Install,
    Remove,
    InstallWithHost,
    Upgrade,
    UpgradeAfterInstaller,
    UpgradeFromOriginal,
}

impl Scenario {
    /// All of them, in the order in which they are played.
    pub const ALL: [Scenario; 6] = [
        Scenario::Install,
        Scenario::Remove,
        Scenario::InstallWithHost,
        Scenario::Upgrade,
        Scenario::UpgradeAfterInstaller,
        Scenario::UpgradeFromOriginal,
    ];

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Scenario::Install => "install",
            Scenario::Remove => "remove",
            Scenario::InstallWithHost => "install with the host",
            Scenario::Upgrade => "upgrade",
            Scenario::UpgradeAfterInstaller => "upgrade after the installer",
            Scenario::UpgradeFromOriginal => "upgrade from the original",
        }
    }

    /// For command lines.
    pub fn id(self) -> &'static str {
        match self {
            Scenario::Install => "install",
            Scenario::Remove => "remove",
            Scenario::InstallWithHost => "install-with-host",
            Scenario::Upgrade => "upgrade",
            Scenario::UpgradeAfterInstaller => "upgrade-after-installer",
            Scenario::UpgradeFromOriginal => "upgrade-from-original",
        }
    }
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Rehearsal {
    pub verdicts: Vec<Verdict>,
    pub hosts: Vec<Rehearsed>,
    pub landings: Vec<Landing>,
    /// Why scripts could not be run confined on this machine, if so.
    pub unproven: Option<String>,
}

/// A host, and the scenarios that were played on it.
#[derive(Debug, Clone, Serialize)]
pub struct Rehearsed {
    pub name: String,
    pub product: String,
    /// Where what is known of the host comes from.
    pub origin: String,
    pub scenarios: Vec<Played>,
}

/// A scenario.
#[derive(Debug, Clone, Serialize)]
pub struct Played {
    pub scenario: &'static str,
    /// `done`, `refused`, `FAILED` or `not proven`.
    pub result: &'static str,
    /// The error of a host that refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// The scripts that ran, in order.
    pub runs: Vec<Run>,
}

/// Something that lands in dom0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Landing {
    pub path: String,
    /// Permissions, as four octal digits.
    pub mode: String,
    /// `user:group`.
    pub owner: String,
    /// Bytes, of a regular file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The package that brings it.
    pub package: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<&'static str>,
}

/// Hosts that are rehearsed at the same time, whatever the number of processors: each has a folder with the pack's files.
const HOSTS_AT_ONCE: usize = 4;

/// All checks of a rehearsal.
pub fn checks() -> impl Iterator<Item = &'static Check> {
    checks::ALL.into_iter()
}

/// Rehearses a pack. It must be one that [`crate::verify`] finds no fault with: what is broken there is taken for
/// granted here.
///
/// # Errors
/// The rehearsal itself could not go on: the disk, or a host's folder; `Interrupted` if `progress` says to stop.
pub fn rehearse(subject: Subject<'_>, progress: &dyn Progress) -> io::Result<Rehearsal> {
    let unproven = confine::available().err();
    let confined = unproven.is_none();
    let mut verdicts = Vec::new();
    let mut push = |check: &'static Check, host: Option<&str>, outcome: Outcome| {
        if subject.xscontainer || check.set == Set::General {
            verdicts.push(Verdict { check, host: host.map(str::to_owned), outcome });
        }
    };

    let delivery = match Delivery::of(subject.image) {
        Ok(delivery) => delivery,
        Err(problem) => {
            push(&checks::CONTENT, None, Outcome::Failed(vec![problem]));
            return Ok(Rehearsal { verdicts, hosts: Vec::new(), landings: Vec::new(), unproven });
        }
    };
    let files: usize = delivery.supply.packages.iter().map(|supplied| supplied.package.files.len()).sum();
    push(&checks::CONTENT, None, Outcome::Passed(format!("{files} files and folders")));
    let faults = content::look_into(&delivery.supply, glibc(subject.hosts))?;
    let programs = format!("{} ELF files", faults.programs);
    push(&checks::PROGRAMS, None, Outcome::of(faults.foreign, &programs));
    push(&checks::STATIC, None, Outcome::of(faults.dynamic, &programs));
    push(&checks::BUILD_PATHS, None, Outcome::of(faults.build_paths, format!("{files} files and folders")));

    let earlier = match subject.previous {
        Some(image) => Delivery::of(image).map_err(io::Error::other)?,
        None => delivery.earlier().map_err(io::Error::other)?,
    };
    let original = match subject.xscontainer {
        true => Some(original_supply().map_err(io::Error::other)?),
        false => None,
    };
    let played = digest::on_threads(HOSTS_AT_ONCE, subject.hosts, |capture| {
        let original = original.as_ref();
        let scene = Scene { capture, pack: &delivery, earlier: &earlier, original, confined, progress };
        play(&scene, subject.scenarios)
    });
    let mut hosts = Vec::new();
    let mut answers = Vec::new();
    for (capture, played) in subject.hosts.iter().zip(played) {
        let on_host = played?;
        for (check, outcome) in on_host.outcomes {
            push(check, Some(&capture.name), outcome);
        }
        answers.push((capture.name.as_str(), on_host.answer));
        hosts.push(Rehearsed {
            name: capture.name.clone(),
            product: capture.product.clone(),
            origin: capture.origin.clone(),
            scenarios: on_host.scenarios,
        });
    }
    push(&checks::TAKEN, None, taken(&answers));
    push(&checks::RELEASES, None, promised(&answers));
    let landings = landings(&delivery.supply);
    Ok(Rehearsal { verdicts, hosts, landings, unproven })
}

fn original_supply() -> Result<Supply, String> {
    let packages = original::packages().map_err(|e| e.to_string())?;
    Supply::unpack(&packages)
}

/// The lowest version of glibc among hosts; of one whose generation is not known that of most.
fn glibc(hosts: &[Capture]) -> &'static str {
    let of =
        |host: &Capture| Generation::of(host).map_or_else(el7, |generation| &*generation.stack).libc.glibc.as_str();
    hosts.iter().map(of).min_by(|a, b| rpm_compare(a, b)).unwrap_or(el7().libc.glibc.as_str())
}

/// What a host says to the pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Takes,
    Refuses,
    /// Neither: something goes wrong, of which another check tells.
    Fails,
}

/// Whether any host takes the pack.
fn taken(answers: &[(&str, Answer)]) -> Outcome {
    let takes: Vec<&str> =
        answers.iter().filter(|(_, answer)| *answer == Answer::Takes).map(|(name, _)| *name).collect();
    let fails = answers.iter().any(|(_, answer)| *answer == Answer::Fails);
    match (takes.is_empty(), fails) {
        (false, _) => Outcome::Passed(takes.join(", ")),
        (true, true) => needs(&checks::INSTALL),
        (true, false) => Outcome::Failed(vec!["every host refuses it".into()]),
    }
}

/// The releases that the product promises, among those that were rehearsed.
fn promised(answers: &[(&str, Answer)]) -> Outcome {
    let mut problems = Vec::new();
    let mut seen = Vec::new();
    let mut open = None;
    for (name, wanted) in [("8.1.0", false), ("8.2.0", true), ("8.2.1", true), ("8.3.0", true)] {
        let word = if wanted { "takes" } else { "refuses" };
        match answers.iter().find(|(host, _)| *host == name).map(|(_, answer)| *answer) {
            None => return Outcome::NotChecked(format!("{name} was not among the hosts")),
            Some(Answer::Fails) => open = Some(needs(&checks::INSTALL)),
            Some(answer) if (answer == Answer::Takes) == wanted => seen.push(format!("{name} {word} it")),
            Some(_) => problems.push(format!("{name} does not do as promised: it {word} the pack by README.md")),
        }
    }
    match open.filter(|_| problems.is_empty()) {
        Some(open) => open,
        None => Outcome::of(problems, seen.join(", ")),
    }
}

/// Another check failed, and without it this one means nothing.
fn needs(check: &Check) -> Outcome {
    Outcome::NotChecked(format!("needs {}", check.id))
}

/// What was found on one host.
struct OnHost {
    outcomes: Vec<(&'static Check, Outcome)>,
    scenarios: Vec<Played>,
    answer: Answer,
}

/// What a scenario says of its check. What is wrong after a scriptlet failed, or where a check that this one `needs` did
/// not pass, may follow from that.
fn judge(course: &Course, needed: &[&'static Check], open: &[&'static Check]) -> Outcome {
    if let Some(reason) = course.unproven() {
        return Outcome::NotChecked(format!("scriptlets not proven: {reason}"));
    }
    if course.problems.is_empty() {
        return Outcome::Passed("as it should be".into());
    }
    let fails = |run: &Run| run.moment.is_some() && run.ended != Ended::Exited(0);
    match needed.iter().find(|check| open.contains(check)) {
        Some(check) => needs(check),
        None if course.runs.iter().any(fails) => needs(&checks::SCRIPTLETS),
        None => Outcome::Failed(course.problems.clone()),
    }
}

fn play(scene: &Scene<'_>, wanted: &[Scenario]) -> io::Result<OnHost> {
    let is_wanted = |scenario: Scenario| wanted.is_empty() || wanted.contains(&scenario);
    let mut found = OnHost { outcomes: Vec::new(), scenarios: Vec::new(), answer: Answer::Refuses };
    let (installed, removed) = scene.install_and_remove()?;
    if let Some(refused) = &installed.refusal
        && let Some(outcome) = refusal(refused)
    {
        found.outcomes.push((&checks::REFUSAL, outcome));
        let refusal = Some(refused.error.to_string());
        let scenario = Scenario::Install.name();
        found.scenarios.push(Played { scenario, result: "refused", refusal, runs: installed.runs });
        return Ok(found);
    }
    let refused = installed.refusal.is_some();
    found.answer = if refused { Answer::Fails } else { Answer::Takes };
    let mut open: Vec<&'static Check> = Vec::new();
    for (check, outcome) in [(&checks::DEPENDENCIES, dependencies(&installed)), (&checks::CONFLICTS, conflicts(scene)?)]
    {
        open.extend(matches!(outcome, Outcome::Failed(_)).then_some(check));
        found.outcomes.push((check, outcome));
    }
    let mut scripts: Vec<Run> = Vec::new();
    let mut hangs = false;
    let mut add = |check, needed: &[&'static Check], scenario: Scenario, course: Course| {
        let outcome = judge(&course, needed, &open);
        open.extend((!course.problems.is_empty()).then_some(check));
        found.outcomes.push((check, outcome));
        hangs |= course.hangs;
        scripts.extend(course.runs.iter().cloned());
        let result = course.result();
        let refusal = course.refusal.map(|refused| refused.error.to_string());
        found.scenarios.push(Played { scenario: scenario.name(), result, refusal, runs: course.runs });
        hangs
    };
    let [dependencies, conflicts, install] = [&checks::DEPENDENCIES, &checks::CONFLICTS, &checks::INSTALL];
    let [installer, upgrade, after_installer] = [&checks::INSTALLER, &checks::UPGRADE, &checks::UPGRADE_INSTALLED];
    let mut ends = add(install, &[dependencies, conflicts], Scenario::Install, installed);
    if !refused {
        if is_wanted(Scenario::Remove) {
            ends |= add(&checks::REMOVAL, &[install], Scenario::Remove, removed);
        }
        type Play<'s> = &'s dyn Fn() -> io::Result<Option<Course>>;
        let scenarios: [(&'static Check, &[&'static Check], Scenario, Play<'_>); 4] = [
            (installer, &[install], Scenario::InstallWithHost, &|| scene.install_with_host().map(Some)),
            (upgrade, &[install], Scenario::Upgrade, &|| scene.upgrade(false).map(Some)),
            (after_installer, &[install, installer, upgrade], Scenario::UpgradeAfterInstaller, &|| {
                scene.upgrade(true).map(Some)
            }),
            (&checks::ORIGINAL, &[install, upgrade, after_installer], Scenario::UpgradeFromOriginal, &|| {
                scene.original.map(|original| scene.replace_original(original)).transpose()
            }),
        ];
        for (check, needed, scenario, play) in scenarios.into_iter().filter(|(.., scenario, _)| is_wanted(*scenario)) {
            // A script that does not end would cost its time in every scenario.
            if ends {
                break;
            }
            if let Some(course) = play()? {
                ends |= add(check, needed, scenario, course);
            }
        }
    }
    found.outcomes.push((&checks::SCRIPTLETS, scriptlets(&scripts)));
    Ok(found)
}

/// Whether a refusal by a host that does not fit tells why, and in time; `None` for one that has other reasons.
fn refusal(refused: &Refused) -> Option<Outcome> {
    if refused.step == "apply" && missing(refused).iter().any(of_the_host) {
        return Some(Outcome::Failed(vec![format!("it passes the precheck, and then it is {}", refused.error)]));
    }
    let wanted = matches!(
        refused.error,
        XapiError::WrongServerVersion { .. }
            | XapiError::PrerequisiteMissing { .. }
            | XapiError::ConflictPresent { .. }
    );
    if !wanted || refused.step != "precheck" {
        return None;
    }
    let problems = match refused.left_as_it_was {
        true => Vec::new(),
        false => vec!["the host was changed although it refused".into()],
    };
    Some(Outcome::of(problems, &refused.error))
}

/// Whether a file of the pack belongs to a package of the host as well.
fn conflicts(scene: &Scene<'_>) -> io::Result<Outcome> {
    let Some(found) = sequence::file_conflicts(scene.capture, scene.pack)? else {
        return Ok(needs(&checks::DEPENDENCIES));
    };
    let lines = |conflicts: &[FileConflict]| conflicts.iter().map(ToString::to_string).collect::<Vec<_>>();
    if !found.conflicts.is_empty() {
        return Ok(Outcome::Failed(lines(&found.conflicts)));
    }
    if !found.uncertain.is_empty() {
        let files = lines(&found.uncertain).join("; ");
        return Ok(Outcome::NotChecked(format!("the content of these is not known: {files}")));
    }
    let packages = &scene.capture.packages;
    let known = packages.iter().filter(|installed| installed.files_known).count();
    Ok(match found.all_known {
        true => Outcome::Passed(format!("none with the files of {known} packages")),
        false => Outcome::NotChecked(format!(
            "of this host only the files of {known} packages are known, and none of those is touched; \
             `capture-host` makes a capture of a real one"
        )),
    })
}

/// The requirements for which yum refused, if it did.
fn missing(refused: &Refused) -> &[Problem] {
    match &refused.cause {
        Some(Refusal::Unresolved(problems)) => problems,
        _ => &[],
    }
}

/// Whether the host has what is required or conflicted with, in a version that does not fit.
fn of_the_host(problem: &Problem) -> bool {
    match problem {
        Problem::Missing { found, .. } => found.iter().any(|found| found.state == State::Installed),
        Problem::Conflict { .. } => true,
    }
}

/// Whether whatever the pack requires is there.
fn dependencies(installed: &Course) -> Outcome {
    if let Some(refused) = &installed.refusal {
        let missing = missing(refused);
        return match missing.is_empty() {
            true => needs(&checks::INSTALL),
            false => Outcome::Failed(missing.iter().map(ToString::to_string).collect()),
        };
    }
    match installed.doubts.is_empty() {
        true => Outcome::Passed("all requirements are met".into()),
        false => Outcome::NotChecked(installed.doubts.join("; ")),
    }
}

/// Whether every scriptlet ended well. Of precheck and removal the scenarios tell that they are part of.
fn scriptlets(runs: &[Run]) -> Outcome {
    let mut problems: Vec<String> = Vec::new();
    let mut unproven: Vec<String> = Vec::new();
    let runs: Vec<&Run> = runs.iter().filter(|run| run.moment.is_some()).collect();
    for run in &runs {
        match &run.ended {
            Ended::Exited(0) => {}
            Ended::NotProven(reason) => unproven.push(format!("{}: {reason}", run.what)),
            ended => {
                let argument =
                    run.arguments.first().map_or(String::new(), |argument| format!(" with argument {argument}"));
                let said = match run.output.trim() {
                    "" => "without output".to_owned(),
                    output => format!("it said {output:?}"),
                };
                problems.push(format!("{}{argument}: {ended}, {said}", run.what));
            }
        }
    }
    problems.dedup();
    unproven.sort();
    unproven.dedup();
    match (problems.is_empty(), unproven.is_empty()) {
        (false, _) => Outcome::Failed(problems),
        (true, false) => Outcome::NotChecked(format!("scriptlets not proven: {}", unproven.join("; "))),
        (true, true) => Outcome::Passed(format!("{} runs", runs.len())),
    }
}

impl Course {
    fn unproven(&self) -> Option<&str> {
        self.runs.iter().find_map(|run| match &run.ended {
            Ended::NotProven(reason) => Some(reason.as_str()),
            _ => None,
        })
    }

    fn result(&self) -> &'static str {
        match (self.unproven(), self.problems.is_empty()) {
            (Some(_), _) => "not proven",
            (None, false) => "FAILED",
            (None, true) => "done",
        }
    }
}

/// What lands where, by path.
fn landings(supply: &Supply) -> Vec<Landing> {
    let mut landings = Vec::new();
    for supplied in &supply.packages {
        for file in &supplied.package.files {
            let (size, note) = match (&file.kind, file.config) {
                (FileKind::Regular { size, .. }, Config::No) => (Some(*size), None),
                (FileKind::Regular { size, .. }, _) => (Some(*size), Some("config")),
                (FileKind::Directory, _) => (None, Some("folder")),
                (FileKind::Link(_), _) => (None, Some("link")),
                (FileKind::Ghost, _) => (None, Some("ghost")),
                (FileKind::Special, _) => (None, Some("special")),
            };
            landings.push(Landing {
                path: file.path.clone(),
                mode: format!("{:04o}", file.mode & 0o7777),
                owner: format!("{}:{}", file.user, file.group),
                size,
                package: supplied.package.name.clone(),
                note,
            });
        }
    }
    landings.sort_by(|a, b| a.path.cmp(&b.path));
    landings
}
