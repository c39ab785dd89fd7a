//! Files of a host that come, go and change, and what becomes of configuration that an administrator changed.
//!
//! Rules: rpm 4.11 `lib/rpmfi.c`, `rpmfiDecideFate`; `lib/transaction.c`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::packages::{Fate, PackageChange};
use super::{known, package};
use crate::inspect::{Inspection, PackageInfo};
use crate::rpm::package::{Config, FileKind, PackagedFile};

/// A file that is not after the upgrade what it was before.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct FileChange {
    pub path: String,
    /// The packages that have it before and after.
    pub from: Option<String>,
    pub to: Option<String>,
    /// What of it changes; nothing for one that comes or goes.
    pub changes: Vec<String>,
    /// What becomes of it if an administrator changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub if_changed_by_hand: Option<&'static str>,
}

/// Files by path, with the package that has each.
type Files<'a> = BTreeMap<&'a str, (&'a str, &'a PackagedFile)>;

pub(super) fn compare(a: &Inspection, b: &Inspection, packages: &[PackageChange]) -> Vec<FileChange> {
    let before = files(known(a));
    let after = files(packages.iter().filter_map(|change| match &change.fate {
        Fate::Obsoleted(_) => None,
        _ if change.comes() => package(b, &change.name),
        _ => package(a, &change.name),
    }));
    let gone = before.iter().filter(|(path, _)| !after.contains_key(*path)).map(|(path, (owner, old))| FileChange {
        path: (*path).into(),
        from: Some((*owner).into()),
        to: None,
        changes: Vec::new(),
        if_changed_by_hand: (old.config != Config::No).then_some("it is kept as .rpmsave"),
    });
    let rest = after.iter().filter_map(|(path, (owner, new))| match before.get(path) {
        None => Some(FileChange {
            path: (*path).into(),
            from: None,
            to: Some((*owner).into()),
            changes: Vec::new(),
            if_changed_by_hand: None,
        }),
        Some((old_owner, old)) => {
            let changes = changes(old, new);
            (!changes.is_empty() || old_owner != owner).then(|| FileChange {
                path: (*path).into(),
                from: Some((*old_owner).into()),
                to: Some((*owner).into()),
                if_changed_by_hand: by_hand(old, new),
                changes,
            })
        }
    });
    let mut all: Vec<FileChange> = gone.chain(rest).collect();
    all.sort_by(|a, b| a.path.cmp(&b.path));
    all
}

fn files<'a>(packages: impl Iterator<Item = &'a PackageInfo>) -> Files<'a> {
    let files = packages.flat_map(|package| package.facts.files.iter().map(move |file| (package, file)));
    files.map(|(package, file)| (file.path.as_str(), (package.name.as_str(), file))).collect()
}

fn changes(old: &PackagedFile, new: &PackagedFile) -> Vec<String> {
    let mut changes = Vec::new();
    let mut differ = |what: &str, from: String, to: String| {
        if from != to {
            changes.push(format!("{what} {from} -> {to}"));
        }
    };
    differ("mode", format!("{:04o}", old.mode & 0o7777), format!("{:04o}", new.mode & 0o7777));
    differ("owner", format!("{}:{}", old.user, old.group), format!("{}:{}", new.user, new.group));
    differ("configuration", config(old.config).into(), config(new.config).into());
    match (&old.kind, &new.kind) {
        (FileKind::Link(from), FileKind::Link(to)) => differ("target", from.clone(), to.clone()),
        (FileKind::Regular { size: from, digest: a }, FileKind::Regular { size: to, digest: b }) => {
            match from == to && a == b {
                true => {}
                false if from == to => changes.insert(0, "content".into()),
                false => changes.insert(0, format!("content, {from} -> {to} bytes")),
            }
        }
        (old, new) => differ("kind", kind(old).into(), kind(new).into()),
    }
    changes
}

fn kind(kind: &FileKind) -> &'static str {
    match kind {
        FileKind::Regular { .. } => "file",
        FileKind::Directory => "folder",
        FileKind::Link(_) => "link",
        FileKind::Ghost => "ghost",
        FileKind::Special => "special",
    }
}

fn config(config: Config) -> &'static str {
    match config {
        Config::No => "none",
        Config::Replace => "%config",
        Config::NoReplace => "%config(noreplace)",
    }
}

/// What becomes of a configuration file that is not as the old package brought it.
fn by_hand(old: &PackagedFile, new: &PackagedFile) -> Option<&'static str> {
    if (old.config, new.config) == (Config::No, Config::No) || new.kind == FileKind::Ghost {
        return None;
    }
    let content = |file: &PackagedFile| match &file.kind {
        FileKind::Regular { digest, .. } => digest.clone(),
        FileKind::Link(target) => Some(target.clone()),
        _ => None,
    };
    Some(match (content(old), content(new), new.config) {
        (None, _, _) => "it is overwritten",
        (Some(a), Some(b), _) if a == b => "it is kept",
        (_, _, Config::NoReplace) => "it is kept, and the new one comes as .rpmnew",
        _ => "it is replaced, and kept as .rpmsave",
    })
}
