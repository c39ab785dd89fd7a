//! What was seen of a pack, as text for a terminal of 80 columns. Everything that the pack says is made harmless.

use std::fmt::Write;

use super::package::{PackageFile, PackageInfo};
use super::{Document, Inspection, Kind, MediumInfo, SignatureInfo, Told, Verified};
use crate::printable::{lines, shown, wrapped};

/// Most entries of a list that are shown without being asked for.
const FEW: usize = 40;

/// What more is to be shown.
#[derive(Debug, Clone, Copy, Default)]
pub struct Detail {
    /// The text of scriptlets.
    pub scripts: bool,
    /// The files of packages, and long lists to their end.
    pub files: bool,
}

/// Everything about a pack; `size` writes a number of bytes for people.
pub fn text(pack: &Inspection, detail: Detail, size: &dyn Fn(u64) -> String) -> String {
    let mut text = format!("{}\n", shown(&pack.path.display().to_string()));
    field(&mut text, "kind", &kind(pack.kind));
    match &pack.update {
        Some(Told::Known(document)) => identity(&mut text, document, size),
        Some(Told::Unknown { problem }) => field(&mut text, "problem", &shown(problem)),
        None => {}
    }
    if let Some(update) = pack.update.as_ref().and_then(Told::known) {
        field(&mut text, "hosts", &requirements(pack, update));
    }
    match &pack.medium {
        MediumInfo::Iso { bytes, volume_id, rock_ridge, joliet } => {
            let names = match (rock_ridge, joliet) {
                (true, true) => "names for Linux and Windows",
                (true, false) => "names for Linux only",
                (false, true) => "names for Windows only",
                (false, false) => "no names that can be read",
            };
            field(&mut text, "image", &format!("{}, volume \"{}\", {names}", size(*bytes), shown(volume_id)));
        }
        MediumInfo::Archive { bytes } => field(&mut text, "archive", &format!("{}, tar in gzip", size(*bytes))),
        MediumInfo::Folder => field(&mut text, "image", "a folder"),
    }
    let sizes = &pack.sizes;
    let sizes = [("files", sizes.files), ("packages", sizes.packages), ("installed", sizes.installed)];
    field(&mut text, "sizes", &sizes.map(|(name, bytes)| format!("{name} {}", size(bytes))).join(", "));
    for problem in &pack.problems {
        field(&mut text, "problem", &shown(problem));
    }
    signatures(&mut text, &pack.signatures);
    tree(&mut text, pack, detail);
    text += "\nPackages\n";
    for file in &pack.packages {
        package(&mut text, file, detail, size);
    }
    if pack.packages.is_empty() {
        text += "  none\n";
    }
    graph(&mut text, pack);
    text
}

fn kind(kind: Kind) -> String {
    match kind {
        Kind::Update => "supplemental pack for XenServer 7.1 and later",
        Kind::Supplemental => "supplemental pack for XenServer 7.0 and earlier",
        Kind::Unknown => "no pack: it has neither update.xml nor XS-REPOSITORY",
    }
    .into()
}

fn identity(text: &mut String, document: &Document, size: &dyn Fn(u64) -> String) {
    for (name, value) in &document.attributes {
        let short = match name.as_str() {
            "name-label" => "label",
            "installation-size" => "size",
            "after-apply-guidance" => "guidance",
            "enforce-homogeneity" => "homogeneity",
            other => other,
        };
        let value = match (name.as_str(), value.parse()) {
            ("installation-size", Ok(bytes)) => format!("{} in dom0", size(bytes)),
            ("enforce-homogeneity", _) if value == "true" || value == "1" => "all hosts of a pool must have it".into(),
            _ => shown(value),
        };
        field(text, &shown(short), &value);
    }
    if let Some(description) = &document.description {
        field(text, "description", &shown(description));
    }
    for other in &document.rolls_up {
        let part = |part: &Option<String>| part.as_deref().map_or("?".into(), shown);
        field(text, "rolls up", &format!("{} {}", part(&other.label), part(&other.uuid)));
    }
    if !document.others.is_empty() {
        field(text, "also", &shown(&document.others.join(", ")));
    }
}

/// What the control package requires of hosts.
fn requirements(pack: &Inspection, document: &Document) -> String {
    let Some(control) = document.attribute("control").filter(|name| !name.is_empty()) else {
        return "any: there is no control package".into();
    };
    let wanted = pack.graph.host.iter().filter(|wanted| wanted.by.iter().any(|by| by == control));
    let wanted: Vec<String> =
        wanted.map(|wanted| shown(&wanted.capability)).filter(|name| !name.starts_with('/')).collect();
    match wanted.is_empty() {
        true => "any".into(),
        false => wanted.join(", "),
    }
}

fn signatures(text: &mut String, signatures: &[SignatureInfo]) {
    if signatures.is_empty() {
        return;
    }
    *text += "\nSignatures\n";
    for signature in signatures {
        wrapped(text, 2, &shown(&signature.of), 21, &signed(signature));
    }
}

/// Who signed, when, how, and whether that holds.
fn signed(signature: &SignatureInfo) -> String {
    let by = signature.key_id.as_ref().map(|id| format!("by key {}", shown(id)));
    let parts = [by, signature.made.clone(), signature.algorithms.clone()];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let verdict = match &signature.verified {
        Verified::Yes(key) => format!("verified by {}", shown(key)),
        Verified::No(problem) => format!("NOT VALID: {}", shown(problem)),
        Verified::NotVerified(why) => format!("not verified: {}", shown(why)),
        Verified::Absent => "not signed".into(),
    };
    match parts.is_empty() {
        true => verdict,
        false => format!("{}; {verdict}", parts.join(", ")),
    }
}

fn tree(text: &mut String, pack: &Inspection, detail: Detail) {
    *text += "\nFiles\n";
    let limit = if detail.files { usize::MAX } else { FEW };
    for entry in pack.tree.iter().take(limit) {
        let mode = entry.mode.as_deref().unwrap_or("-");
        let bytes = if entry.kind == "file" { entry.bytes.to_string() } else { String::new() };
        let mark = match entry.kind {
            "folder" => "/",
            "special" => "  (neither file nor folder)",
            _ => "",
        };
        let _ = writeln!(text, "  {mode:>4} {bytes:>12}  {}{mark}", shown(&entry.path));
    }
    more(text, 2, pack.tree.len(), limit);
}

fn more(text: &mut String, indent: usize, count: usize, limit: usize) {
    if count > limit {
        let _ = writeln!(text, "{:indent$}… and {} more: --files shows them", "", count - limit);
    }
}

fn package(text: &mut String, file: &PackageFile, detail: Detail, size: &dyn Fn(u64) -> String) {
    let path = shown(&file.path);
    let package = match &file.found {
        Told::Known(package) => package,
        Told::Unknown { problem } => {
            let _ = writeln!(text, "  {path}");
            return wrapped(text, 4, "problem", 14, &shown(problem));
        }
    };
    let _ = writeln!(text, "  {}", shown(&package.nevra));
    let row = |text: &mut String, name: &str, value: &str| wrapped(text, 4, name, 14, value);
    row(text, "file", &path);
    let count = package.files.len();
    let sizes = format!(
        "{}, {}-compressed; installed {} in {count} {}",
        size(file.bytes),
        shown(&package.compression),
        size(package.installed_size),
        if count == 1 { "file" } else { "files" }
    );
    row(text, "size", &sizes);
    row(text, "signed", &signed(&package.signature));
    let whole = if package.header_is_whole { "" } else { "; THE HEADER IS NOT WHAT THEY SAY" };
    row(text, "digests", &format!("{}{whole}", package.digests.join(", ")));
    let lists = [
        ("requires", &package.requires),
        ("provides", &package.provides),
        ("conflicts", &package.conflicts),
        ("obsoletes", &package.obsoletes),
    ];
    for (name, list) in lists {
        if !list.is_empty() {
            row(text, name, &few(list, detail));
        }
    }
    scriptlets(text, package, detail);
    if detail.files {
        files(text, package);
    }
}

/// A list, to its end only if that is asked for.
fn few(list: &[String], detail: Detail) -> String {
    let limit = if detail.files { usize::MAX } else { FEW };
    // A header names what a package and its scriptlets require once each.
    let mut list: Vec<&String> = list.iter().collect();
    list.dedup();
    let mut words: Vec<String> = list.iter().take(limit).map(|word| shown(word)).collect();
    if list.len() > limit {
        words.push(format!("… and {} more: --files shows them", list.len() - limit));
    }
    words.join(", ")
}

fn scriptlets(text: &mut String, package: &PackageInfo, detail: Detail) {
    for scriptlet in &package.scriptlets {
        let program = shown(&scriptlet.program.join(" "));
        wrapped(text, 4, &scriptlet.moment, 14, &program);
        if detail.scripts {
            for line in lines(scriptlet.body.as_deref().unwrap_or_default()) {
                let _ = writeln!(text, "      | {line}");
            }
        }
    }
    if package.has_triggers {
        wrapped(text, 4, "triggers", 14, "scriptlets that run when other packages come and go");
    }
}

fn files(text: &mut String, package: &PackageInfo) {
    for file in &package.files {
        let mark = match (&file.target, file.kind) {
            (Some(target), _) => format!(" -> {}", shown(target)),
            (None, "folder") => "/".into(),
            (None, "file") => String::new(),
            (None, other) => format!("  ({other})"),
        };
        let config = file.config.map_or(String::new(), |config| format!("  %{config}"));
        let owner = format!("{}:{}", shown(&file.owner), shown(&file.group));
        let bytes = if file.kind == "file" { file.bytes.to_string() } else { String::new() };
        let _ = writeln!(text, "      {} {owner:<11} {bytes:>11}  {}{mark}{config}", file.mode, shown(&file.path));
    }
}

fn graph(text: &mut String, pack: &Inspection) {
    let graph = &pack.graph;
    if !graph.needs.is_empty() {
        *text += "\nDependencies within the pack\n";
        for need in &graph.needs {
            let _ = writeln!(text, "  {}", shown(&need.package));
            for (wanted, met) in &need.of {
                let _ = writeln!(text, "    └ {} ─ {}", shown(wanted), shown(&met.join(", ")));
            }
        }
    }
    if !graph.host.is_empty() {
        *text += "\nWanted from the host\n";
        for wanted in &graph.host {
            let by: Vec<String> = wanted.by.iter().map(|name| shown(name)).collect();
            wrapped(text, 2, &shown(&wanted.capability), 30, &format!("by {}", by.join(", ")));
        }
    }
    if !graph.rpm_features.is_empty() {
        wrapped(text, 2, "of its rpm", 30, &shown(&graph.rpm_features.join(", ")));
    }
}

fn field(text: &mut String, name: &str, value: &str) {
    wrapped(text, 2, name, 12, value);
}
