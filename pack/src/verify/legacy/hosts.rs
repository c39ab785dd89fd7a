//! What the hosts' own rpm accepts: 4.11 on 7.0, 4.4 on 6.5 and before (EL 5), whose dom0 was 32 bits wide up to 6.2.
//!
//! Which releases a pack is for, its requirements on the main repository say. Of 6.5 and before only the rules are known
//! here; nothing is rehearsed.

use super::subject::Subject;
use super::{INSTALLER, Rule, told};
use crate::check::{Check, Outcome};
use crate::legacy::Repository;
use crate::legacy::version::meets;
use crate::rpm::{Rpm, el7};
use crate::verify::Found;

/// The `rpmlib()` features of rpm 4.4.2 (`lib/rpmds.c`, `rpmlibProvides`).
const RPMLIB_EL5: [&str; 10] = [
    "BuiltinLuaScripts",
    "CompressedFileNames",
    "ConcurrentAccess",
    "ExplicitPackageProvide",
    "HeaderLoadSortsTags",
    "PartialHardlinkSets",
    "PayloadFilesHavePrefix",
    "PayloadIsBzip2",
    "ScriptletInterpreterArgs",
    "VersionedDependencies",
];

pub(super) const RULES: &[Rule] = &[
    Rule {
        check: Check {
            id: "legacy-rpm",
            rule: "every RPM can be read, and is one that rpm 4.11 of XenServer 7.0 takes",
            why: "rpm refuses the package, and with it the pack, after the administrator has agreed to everything",
            remedy: "Build it for EL 7: x86_64 or noarch, payload in gzip or xz, plain dependencies",
            source: "rpm 4.11, rpm --showrc",
            ..INSTALLER
        },
        holds: el7_rules,
    },
    Rule {
        check: Check {
            id: "legacy-rpm-el5",
            rule: "if releases before 7.0 may take the pack, its RPMs need nothing that rpm 4.4 does not have",
            why: "these hosts are EL 5: rpm refuses file digests other than MD5, xz payloads and '~' in versions",
            remedy: "Build it for EL 5 (MD5 file digests, gzip payload), or require main with test=\"ge\" version=\"7.0.0\"",
            source: "rpm 4.4.2, lib/rpmds.c, rpmlibProvides",
            ..INSTALLER
        },
        holds: el5_rules,
    },
];

/// Releases whose hosts differ, oldest first.
const RELEASES: [(&str, &str); 9] = [
    ("XenServer", "5.6.100"),
    ("XenServer", "6.0.0"),
    ("XenServer", "6.0.2"),
    ("XenServer", "6.1.0"),
    ("XenServer", "6.2.0"),
    ("XCP", "1.6.10"),
    ("XenServer", "6.5.0"),
    ("XenServer", "7.0.0"),
    ("XCP", "2.1.0"),
];

/// The releases that may take a pack.
fn releases(repository: &Repository) -> Vec<(&'static str, &'static str)> {
    let main = if repository.product == "XCP" { "xcp:main" } else { "xs:main" };
    let admits = |version: &str| {
        repository
            .requires
            .iter()
            .filter(|needed| needed.identifier() == main)
            .all(|needed| needed.test.parse().is_ok_and(|test| meets(version, test, &needed.version) == Some(true)))
    };
    RELEASES.into_iter().filter(|(product, version)| *product == repository.product && admits(version)).collect()
}

/// Whether a release has the tools of EL 5.
fn is_el5((product, version): (&str, &str)) -> bool {
    let first = if product == "XCP" { "2.0" } else { "7.0.0" };
    meets(version, crate::spec::legacy::Test::Lt, first) == Some(true)
}

fn el7_rules(subject: &Subject<'_>) -> Found {
    let releases = releases(subject.repository()?);
    let rpms = subject.rpms()?;
    if !releases.is_empty() && releases.iter().all(|release| is_el5(*release)) {
        return Ok(Outcome::Passed(format!("{} RPMs can be read; none is for 7.0", rpms.len())));
    }
    let problems = rpms.iter().filter_map(|(listed, rpm)| {
        let problem = el7::check(rpm).err()?;
        Some(format!("{} {}", listed.file, problem.problem()))
    });
    told(problems.collect(), format!("{} RPMs", rpms.len()))
}

fn el5_rules(subject: &Subject<'_>) -> Found {
    let releases: Vec<_> = releases(subject.repository()?).into_iter().filter(|release| is_el5(*release)).collect();
    let rpms = subject.rpms()?;
    if releases.is_empty() {
        return told(Vec::new(), "not for releases before 7.0");
    }
    // 6.5 was the first with a dom0 of 64 bits.
    let wide = releases.iter().any(|(product, version)| *product == "XenServer" && *version == "6.5.0");
    let narrow = releases.iter().any(|(_, version)| *version != "6.5.0");
    let problems = rpms.iter().flat_map(|(listed, rpm)| {
        old_problems(rpm, wide, narrow).into_iter().map(move |problem| format!("{} {problem}", listed.file))
    });
    let names: Vec<String> = releases.iter().map(|(product, version)| format!("{product} {version}")).collect();
    told(problems.collect(), format!("for {}", names.join(", ")))
}

fn old_problems(rpm: &Rpm, wide: bool, narrow: bool) -> Vec<String> {
    let mut problems = Vec::new();
    let fits = match rpm.arch() {
        "noarch" => true,
        "x86_64" => !narrow,
        "i386" | "i486" | "i586" | "i686" => !wide || narrow,
        _ => false,
    };
    if !fits {
        problems.push(format!("is for architecture {}", rpm.arch()));
    }
    if !["gzip", "bzip2"].contains(&rpm.payload_compressor()) {
        problems.push(format!("has a payload in {}", rpm.payload_compressor()));
    }
    for needed in rpm.metadata().get_requires().unwrap_or_default() {
        let feature = needed.name.strip_prefix("rpmlib(").and_then(|name| name.strip_suffix(')'));
        if let Some(feature) = feature.filter(|feature| !RPMLIB_EL5.contains(feature)) {
            problems.push(format!("needs rpmlib({feature})"));
        }
    }
    problems
}
