//! What lands in dom0, as a tree of folders, with what is new there or changed.

use std::collections::{BTreeMap, HashMap};

use maud::{Markup, html};

use super::shown::Line;
use super::{Page, bytes};
use crate::dom0::capture::Capture;
use crate::dom0::package_set::resolved;
use crate::inspect::{FileInfo, Inspection, PackageInfo};

/// Most files that are shown one by one.
const MOST: usize = 5000;
/// Folders deeper than this are not nested any more.
const DEEPEST: usize = 16;
/// A folder with more below it is shut at first.
const OPEN: usize = 40;

/// What files are compared with.
enum Before<'a> {
    Release { version: &'a str, files: HashMap<&'a str, &'a FileInfo> },
    Host { name: &'a str, complete: bool, files: HashMap<String, (FileInfo, &'a str)> },
    Nothing,
}

/// What a file is there.
enum State {
    New,
    Changed(String),
    Same(String),
    Unknown,
}

#[derive(Default)]
struct Folder<'a> {
    folders: BTreeMap<&'a str, Folder<'a>>,
    files: Vec<(String, &'a FileInfo, &'a PackageInfo)>,
}

/// The part of the page.
pub(super) fn section(page: &Page<'_>) -> Markup {
    let before = Before::of(page);
    let mut all: Vec<(&FileInfo, &PackageInfo)> =
        packages(page.inspection).flat_map(|package| package.files.iter().map(move |file| (file, package))).collect();
    all.sort_by(|a, b| a.0.path.cmp(&b.0.path));
    let mut root = Folder::default();
    for (file, package) in all.iter().take(MOST) {
        root.insert(file, package);
    }
    let now: std::collections::HashSet<&str> = all.iter().map(|(file, _)| file.path.as_str()).collect();
    let mut gone: Vec<&str> = match &before {
        Before::Release { files, .. } => files.keys().copied().filter(|path| !now.contains(path)).collect(),
        _ => Vec::new(),
    };
    gone.sort_unstable();
    html! {
        p {
            @match &before {
                Before::Release { version, .. } => { "Marked is what is new or changed since release " (Line(version)) "." },
                Before::Host { name, complete: true, .. } => { "Marked is what is new or changed on host " (Line(name)) "." },
                Before::Host { name, .. } => {
                    "Marked is what is new or changed on host " (Line(name)) ", as far as its files are known."
                },
                Before::Nothing => { "There is no earlier release and no host to compare with." },
            }
        }
        div class="tree" { (folder(&root, "/", &before, true)) }
        @if all.len() > MOST { p { "and " (all.len() - MOST) " more files" } }
        @if !gone.is_empty() {
            details {
                summary { "Gone since then: " (gone.len()) }
                div class="inside tree" {
                    ul class="files" {
                        @for path in gone.iter().take(MOST) {
                            li { span class="path mono" { (Line(path)) } span class="badge gone" { "gone" } }
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn packages(inspection: &Inspection) -> impl Iterator<Item = &PackageInfo> {
    inspection.packages.iter().filter_map(|package| package.found.known())
}

impl<'a> Folder<'a> {
    fn insert(&mut self, file: &'a FileInfo, package: &'a PackageInfo) {
        let mut parts: Vec<&str> = file.path.split('/').filter(|part| !part.is_empty()).collect();
        let name = match parts.len() {
            0 => "/".to_owned(),
            deep if deep > DEEPEST => parts.split_off(DEEPEST).join("/"),
            _ => parts.pop().unwrap_or_default().to_owned(),
        };
        let mut folder = self;
        for part in parts {
            folder = folder.folders.entry(part).or_default();
        }
        folder.files.push((name, file, package));
    }

    fn count(&self) -> usize {
        self.files.len() + self.folders.values().map(Folder::count).sum::<usize>()
    }

    fn bytes(&self) -> u64 {
        let own = self.files.iter().map(|(_, file, _)| file.bytes).fold(0, u64::saturating_add);
        self.folders.values().map(Folder::bytes).fold(own, u64::saturating_add)
    }
}

fn folder(folder: &Folder<'_>, name: &str, before: &Before<'_>, outermost: bool) -> Markup {
    // A folder with nothing but another one in it is one line with that.
    if let (true, Some((inner, only)), 1) =
        (folder.files.is_empty(), folder.folders.iter().next(), folder.folders.len())
    {
        return self::folder(only, &format!("{}/{inner}", name.trim_end_matches('/')), before, outermost);
    }
    let count = folder.count();
    html! {
        details open[outermost || count <= OPEN] {
            summary {
                span class="path mono" { (Line(name)) } " "
                span class="muted small" { (count) @if count == 1 { " entry, " } @else { " entries, " } (bytes(folder.bytes())) }
            }
            @for (inner, below) in &folder.folders { (self::folder(below, inner, before, false)) }
            @if !folder.files.is_empty() {
                ul class="files" { @for (name, file, package) in &folder.files { (entry(name, file, package, before)) } }
            }
        }
    }
}

fn entry(name: &str, file: &FileInfo, package: &PackageInfo, before: &Before<'_>) -> Markup {
    html! {
        li {
            span class="path mono" {
                (Line(name))
                @if let Some(target) = &file.target { " → " (Line(target)) }
            }
            @match before.state(file) {
                State::New => span class="badge new" { "new" },
                State::Changed(what) => span class="badge changed" { "changed: " (Line(&what)) },
                State::Same(what) => span class="muted small" { (Line(&what)) },
                State::Unknown => {},
            }
            span class="muted small" {
                span class="mono" { (file.mode) " " (Line(&file.owner)) ":" (Line(&file.group)) }
                @if file.kind == "file" { " " (bytes(file.bytes)) } @else { " " (file.kind) }
                @if let Some(config) = file.config { " " (config) }
                " by " (Line(&package.name))
            }
        }
    }
}

impl<'a> Before<'a> {
    fn of(page: &Page<'a>) -> Before<'a> {
        if let Some(previous) = page.previous {
            let files = packages(previous).flat_map(|package| &package.files).map(|file| (file.path.as_str(), file));
            let version = previous.update.as_ref().and_then(|update| update.known()?.attribute("version"));
            return Before::Release { version: version.unwrap_or("before"), files: files.collect() };
        }
        let taking = |host: &&Capture| {
            let rehearsed = page.report.rehearsal?.hosts.iter().find(|rehearsed| rehearsed.name == host.name)?;
            Some(rehearsed.scenarios.iter().any(|played| played.scenario == "install" && played.result == "done"))
        };
        match page.hosts.iter().rev().find(|host| taking(host) == Some(true)) {
            None => Before::Nothing,
            Some(host) => Before::Host {
                name: &host.name,
                complete: host.complete && host.packages.iter().all(|installed| installed.files_known),
                files: host
                    .packages
                    .iter()
                    .flat_map(|installed| installed.package.files.iter().map(move |file| (file, &installed.package)))
                    .map(|(file, package)| {
                        (resolved(&file.path).into_owned(), (FileInfo::of(file), package.name.as_str()))
                    })
                    .collect(),
            },
        }
    }

    fn state(&self, file: &FileInfo) -> State {
        match self {
            Before::Nothing => State::Unknown,
            Before::Release { files, .. } => match files.get(file.path.as_str()) {
                None => State::New,
                Some(old) => match differences(old, file).as_slice() {
                    [] => State::Same("as before".into()),
                    changes => State::Changed(changes.join(", ")),
                },
            },
            Before::Host { files, .. } => match files.get(resolved(&file.path).as_ref()) {
                None => State::New,
                Some((old, owner)) => match differences(old, file).as_slice() {
                    [] => State::Same(format!("there by {owner}")),
                    changes => State::Changed(format!("{} of {owner}'s", changes.join(", "))),
                },
            },
        }
    }
}

/// What is another in a file; digests that are not known differ in nothing.
fn differences(old: &FileInfo, new: &FileInfo) -> Vec<&'static str> {
    let contents = match (&old.digest, &new.digest) {
        (Some(old), Some(new)) => old != new,
        _ => false,
    };
    let changes = [
        ("kind", old.kind != new.kind),
        ("content", contents || old.target != new.target),
        ("mode", old.mode != new.mode),
        ("owner", (&old.owner, &old.group) != (&new.owner, &new.group)),
    ];
    changes.into_iter().filter(|(_, differs)| *differs).map(|(what, _)| what).collect()
}
