//! What an upgrade changes, as text for a terminal of 80 columns.

use std::fmt::Write;

use super::files::FileChange;
use super::packages::{Fate, ListChange, PackageChange};
use super::scriptlets::{Novelty, Run};
use super::{Change, Comparison};
use crate::inspect::Inspection;
use crate::printable::{lines, shown, wrapped};

/// Everything that changes.
pub fn text(a: &Inspection, b: &Inspection, comparison: &Comparison) -> String {
    let mut text = String::new();
    for (mark, pack) in [("-", a), ("+", b)] {
        let _ = writeln!(text, "{mark} {}", shown(&pack.path.display().to_string()));
    }
    if comparison.same {
        text += "\nThe same: a host cannot tell them apart.\n";
    }
    for warning in &comparison.warnings {
        text.push('\n');
        wrapped(&mut text, 0, "WARNING", 7, &shown(warning));
    }
    section(&mut text, "Identity", &comparison.identity, change);
    if !comparison.hosts.is_empty() {
        text += "\nRequired of hosts\n";
        list(&mut text, 2, &comparison.hosts);
    }
    let packages: Vec<&PackageChange> = comparison.packages.iter().collect();
    section(&mut text, "Packages", &packages, |text, change| package(text, change));
    section(&mut text, "Files", &comparison.files, file);
    section(&mut text, "Scriptlets, in their order", &comparison.scriptlets, run);
    text
}

fn section<T>(text: &mut String, title: &str, items: &[T], write: impl Fn(&mut String, &T)) {
    if !items.is_empty() {
        let _ = writeln!(text, "\n{title}");
        items.iter().for_each(|item| write(text, item));
    }
}

fn change(text: &mut String, change: &Change) {
    let value = |value: &Option<String>| value.as_deref().map_or("none".into(), shown);
    wrapped(text, 2, &shown(&change.what), 20, &format!("{} -> {}", value(&change.from), value(&change.to)));
}

fn list(text: &mut String, indent: usize, list: &ListChange) {
    for (mark, items) in [("-", &list.removed), ("+", &list.added)] {
        for item in items {
            let _ = writeln!(text, "{:indent$}{mark} {}", "", shown(item));
        }
    }
}

fn package(text: &mut String, change: &PackageChange) {
    let version = |version: &Option<String>| version.as_deref().map_or(String::new(), shown);
    let (from, to) = (version(&change.from), version(&change.to));
    let (mark, said) = match &change.fate {
        Fate::Added => ("+", format!("{to}: comes")),
        Fate::Upgraded => ("^", format!("{from} -> {to}")),
        Fate::Unchanged => ("=", format!("{to}: unchanged")),
        Fate::Rebuilt => ("!", format!("{to}: another package of that version, not taken")),
        Fate::Downgraded => ("!", format!("{from} -> {to}: not taken")),
        Fate::Obsoleted(by) => ("-", format!("{from}: goes, obsoleted by {}", shown(by))),
        Fate::LeftBehind => ("!", format!("{from}: not in the new pack, stays on hosts")),
    };
    wrapped(text, 2, &format!("{mark} {}", shown(&change.name)), 30, &said);
    for change in &change.dependencies {
        let _ = writeln!(text, "      {}", change.what);
        list(text, 8, change);
    }
}

fn file(text: &mut String, file: &FileChange) {
    let path = shown(&file.path);
    match (&file.from, &file.to) {
        (None, Some(owner)) => wrapped(text, 2, &format!("+ {path}"), 44, &shown(owner)),
        (Some(owner), None) => wrapped(text, 2, &format!("- {path}"), 44, &shown(owner)),
        _ => {
            let _ = writeln!(text, "  ~ {path}");
            let moved = match (&file.from, &file.to) {
                (Some(from), Some(to)) if from != to => Some(format!("package {} -> {}", shown(from), shown(to))),
                _ => None,
            };
            for change in file.changes.iter().map(|change| shown(change)).chain(moved) {
                let _ = writeln!(text, "      {change}");
            }
        }
    }
    if let Some(fate) = file.if_changed_by_hand {
        wrapped(text, 6, "changed by hand:", 16, fate);
    }
}

fn run(text: &mut String, run: &Run) {
    let novelty = match run.novelty {
        Novelty::New => "new",
        Novelty::Changed => "changed",
        Novelty::Same => "as before",
        Novelty::Old => "of the old package",
    };
    let scriptlet = &run.scriptlet;
    let what = format!("{} {} {}", scriptlet.moment, shown(&run.package), run.argument);
    wrapped(text, 2, run.step, 9, &format!("{what}, by {}: {novelty}", shown(&scriptlet.program.join(" "))));
    if run.novelty != Novelty::Same {
        for line in lines(scriptlet.body.as_deref().unwrap_or_default()) {
            let _ = writeln!(text, "      | {line}");
        }
    }
}
