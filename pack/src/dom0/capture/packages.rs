//! The entries `packages` and `groups` of a capture.
//!
//! Knows what rpm prints; must not know archives.

use std::collections::BTreeMap;

use super::{InstalledPackage, Text};
use crate::rpm::package::{Config, Dependency, Evr, FileKind, Package, PackagedFile};
use crate::spec::Operator;

/// The lines of `packages`; dom0 has about a fifth of that.
const MOST_LINES: usize = 500_000;

/// The packages of the entry `packages`.
pub(super) fn parse(text: &Text) -> crate::Result<Vec<InstalledPackage>> {
    let mut packages: Vec<InstalledPackage> = Vec::new();
    for (count, (number, line)) in text.lines().enumerate() {
        if count >= MOST_LINES {
            return Err(text.error(number, format!("there are more than {MOST_LINES} lines")));
        }
        if line.chars().any(|c| c.is_control() && c != '\t') {
            return Err(text.error(number, "there are control characters"));
        }
        let (keyword, fields) = line.split_once('\t').unwrap_or((line, ""));
        let fields: Vec<&str> = fields.split('\t').collect();
        let done = match (keyword, packages.last_mut()) {
            ("package", _) => package(&fields).map(|package| packages.push(package)),
            (keyword, Some(last)) => attribute(keyword, &fields, last),
            (keyword, None) => Err(format!("{keyword:?} comes before the first package")),
        };
        done.map_err(|problem| text.error(number, problem))?;
    }
    Ok(packages)
}

/// Takes over what yum's database says of groups.
pub(super) fn mark_group_members(text: &Text, packages: &mut [InstalledPackage]) -> crate::Result<()> {
    let mut groups = BTreeMap::new();
    for (number, line) in text.lines() {
        let pair = line.split_once('\t').filter(|(_, group)| !group.is_empty() && !group.chars().any(char::is_control));
        let (package, group) =
            pair.ok_or_else(|| text.error(number, format!("{line:?} is not package, tab, group")))?;
        groups.insert(package, group);
    }
    for installed in packages {
        let Package { name, evr, arch, .. } = &installed.package;
        let release = evr.release.as_deref().unwrap_or_default();
        let id = format!("{name}-{}-{release}-{arch}", evr.version);
        installed.group_member = groups.get(id.as_str()).map(|group| (*group).to_owned());
    }
    Ok(())
}

fn package(fields: &[&str]) -> Result<InstalledPackage, String> {
    let &[name, epoch, version, release, arch] = fields else {
        return Err("a package has NAME, EPOCH, VERSION, RELEASE and ARCH".into());
    };
    if [name, version, release, arch].contains(&"") {
        return Err("a package has no name, version, release or architecture".into());
    }
    let epoch = match epoch {
        "" => None,
        digits => Some(digits.parse().map_err(|_| format!("{digits:?} is no epoch"))?),
    };
    let package = Package {
        name: name.into(),
        evr: Evr { epoch, version: version.into(), release: Some(release.into()) },
        arch: arch.into(),
        requires: Vec::new(),
        provides: Vec::new(),
        conflicts: Vec::new(),
        obsoletes: Vec::new(),
        files: Vec::new(),
    };
    Ok(InstalledPackage { package, files_known: true, group_member: None })
}

fn attribute(keyword: &str, fields: &[&str], installed: &mut InstalledPackage) -> Result<(), String> {
    let package = &mut installed.package;
    match (keyword, fields) {
        ("provides", _) => package.provides.push(dependency(fields)?),
        ("requires", _) => package.requires.push(dependency(fields)?),
        ("conflicts", _) => package.conflicts.push(dependency(fields)?),
        ("obsoletes", _) => package.obsoletes.push(dependency(fields)?),
        ("file", _) => package.files.push(file(fields)?),
        ("files", ["unknown"]) => installed.files_known = false,
        _ => return Err(format!("{keyword:?} is unknown")),
    }
    Ok(())
}

fn dependency(fields: &[&str]) -> Result<Dependency, String> {
    match *fields {
        [name, "", ""] if !name.is_empty() => Ok(Dependency { name: name.into(), bound: None }),
        [name, operator, evr] if !name.is_empty() => {
            let known = Operator::ALL.into_iter().find(|known| known.as_str() == operator);
            let operator = known.ok_or_else(|| format!("{operator:?} is no operator"))?;
            Ok(Dependency { name: name.into(), bound: Some((operator, evr.parse()?)) })
        }
        _ => Err("a dependency has NAME, OPERATOR and EVR".into()),
    }
}

fn file(fields: &[&str]) -> Result<PackagedFile, String> {
    let &[mode, user, group, size, digest, flags, path, target] = fields else {
        return Err("a file has MODE, USER, GROUP, SIZE, DIGEST, FLAGS, PATH and TARGET".into());
    };
    let parsed = u32::from_str_radix(mode, 8).ok().filter(|mode| *mode <= 0o177_777);
    let mode = parsed.ok_or_else(|| format!("{mode:?} is no mode"))?;
    if !path.starts_with('/') || path.split('/').any(|name| name == "..") {
        return Err(format!("{path:?} is no absolute path"));
    }
    if user.is_empty() || group.is_empty() {
        return Err(format!("{path:?} has no owner"));
    }
    if !digest.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(format!("{digest:?} is no digest"));
    }
    if !flags.bytes().all(|b| b.is_ascii_lowercase()) {
        return Err(format!("{flags:?} are no flags"));
    }
    let kind = match mode & 0o170_000 {
        _ if flags.contains('g') => FileKind::Ghost,
        0o100_000 => FileKind::Regular {
            size: size.parse().map_err(|_| format!("{size:?} is no size"))?,
            digest: (!digest.is_empty()).then(|| digest.to_owned()),
        },
        0o040_000 => FileKind::Directory,
        0o120_000 => FileKind::Link(target.to_owned()),
        0o010_000 | 0o020_000 | 0o060_000 | 0o140_000 => FileKind::Special,
        _ => return Err(format!("{mode:o} has no file type")),
    };
    let config = match (flags.contains('c'), flags.contains('n')) {
        (false, _) => Config::No,
        (true, false) => Config::Replace,
        (true, true) => Config::NoReplace,
    };
    Ok(PackagedFile { path: path.into(), mode, user: user.into(), group: group.into(), kind, config })
}
