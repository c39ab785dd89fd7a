//! The medium: names, files, sums, and the script that installs.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;

use super::subject::Subject;
use super::{INSTALLER, Rule, told};
use crate::check::{Check, Outcome};
use crate::contents::Medium;
use crate::legacy::{INSTALL, UNINSTALL, metadata_md5, packages, repository};
use crate::verify::Found;

/// Longest first line of a script that is looked at.
const MAX_LINE: u64 = 256;
/// Interpreters that every host of this format has.
const INTERPRETERS: [&str; 5] = ["/bin/sh", "/bin/bash", "/usr/bin/python", "/usr/bin/python2", "/usr/bin/env python"];

pub(super) const RULES: &[Rule] = &[
    Rule {
        check: Check {
            id: "legacy-names",
            rule: "hosts and Windows see the same names: an image has Rock Ridge, and Joliet if any shows the same files",
            why: "without Rock Ridge a host sees XS_REPOS.;1 and finds no pack; clients on Windows would see another one",
            remedy: "Make the image in one go with genisoimage -r -J -joliet-long",
            source: "supp-pack-build, xcp/supplementalpack.py",
            ..INSTALLER
        },
        holds: names,
    },
    Rule {
        check: Check {
            id: "legacy-files",
            rule: "every package that is listed is there once, with the listed size and MD5, and no other RPM is",
            why: "hosts refuse the whole pack for one file that is missing or damaged, and ignore what is not listed",
            remedy: "Build the pack again; never change files of a finished one",
            ..INSTALLER
        },
        holds: files,
    },
    Rule {
        check: Check {
            id: "legacy-install",
            rule: "there is a script install, executable for everybody, for an interpreter that hosts have",
            why: "administrators and XAPI's plugin run it from the mounted medium",
            remedy: "Give it mode 0755, and let its first line be #!/bin/sh",
            source: "supp-pack-build, xcp/supplementalpack.py, _copy_scripts",
            ..INSTALLER
        },
        holds: install,
    },
    Rule {
        check: Check {
            id: "legacy-no-update-xml",
            rule: "there is no update.xml at the root",
            why: "XenCenter takes such a pack for one of 7.1 and later, and offers it to no host of this format",
            remedy: "Make two images, one of each format",
            source: "xenadmin, XenAdmin/Wizards/PatchingWizard/PatchingWizard_SelectServers.cs",
            ..INSTALLER
        },
        holds: no_update_xml,
    },
    Rule {
        check: Check {
            id: "legacy-sums",
            rule: "files .md5 and .metadata.md5 beside the pack, if there are any, agree with it",
            why: "whoever checks a download with them would throw a good pack away, or keep a damaged one",
            remedy: "Copy the files again, or build the pack again",
            source: "supp-pack-build, xcp/supplementalpack.py",
            ..INSTALLER
        },
        holds: sums,
    },
];

fn names(subject: &Subject<'_>) -> Found {
    let Medium::Image { rock_ridge, .. } = subject.contents.medium() else {
        return told(Vec::new(), "names as they are");
    };
    if !rock_ridge {
        return told(vec!["the image has no Rock Ridge names that can be read".into()], "");
    }
    let Some(image) = subject.image.as_ref().filter(|image| image.has_joliet()) else {
        return told(Vec::new(), "Rock Ridge alone");
    };
    let places = |entries: &[medium::iso9660::Entry]| -> BTreeSet<(String, u32, u32)> {
        let files = entries.iter().filter(|entry| entry.is_file());
        files.map(|entry| (entry.path.clone(), entry.bytes, if entry.bytes == 0 { 0 } else { entry.sector })).collect()
    };
    let linux = places(image.rock_ridge().unwrap_or_default());
    let windows = match image.joliet() {
        Ok(entries) => places(entries),
        Err(problem) => return told(vec![format!("the Joliet names cannot be read: {problem}")], ""),
    };
    let differ = linux.symmetric_difference(&windows).take(5);
    let problems = differ.map(|(path, ..)| format!("{path} is not the same in both hierarchies of names")).collect();
    told(problems, "Rock Ridge and Joliet agree")
}

fn files(subject: &Subject<'_>) -> Found {
    let listed = subject.listed()?;
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    for package in listed {
        let file = &package.file;
        if file.is_empty() || file.contains('/') || file.starts_with(['.', '-']) {
            problems.push(format!("{file:?} is no plain file name"));
            continue;
        }
        if !seen.insert(file.as_str()) {
            problems.push(format!("{file} is listed twice"));
            continue;
        }
        let Some(sum) = subject.sum(file) else {
            problems.push(format!("{file} is not there"));
            continue;
        };
        let bytes = subject.contents.entry(file).map_or(0, crate::contents::Entry::bytes).to_string();
        match sum {
            Err(problem) => problems.push(format!("{file} {problem}")),
            Ok(sum) if *sum != package.md5 => problems.push(format!("{file} has MD5 {sum}, not {}", package.md5)),
            Ok(_) if bytes != package.size => problems.push(format!("{file} has {bytes} bytes, not {}", package.size)),
            Ok(_) => {}
        }
    }
    problems
        .extend(subject.rpm_files().filter(|file| !seen.contains(file)).map(|file| format!("{file} is not listed")));
    told(problems, format!("{} files", seen.len()))
}

fn install(subject: &Subject<'_>) -> Found {
    let mut problems = Vec::new();
    let mut seen = String::new();
    for (name, mandatory) in [(INSTALL, true), (UNINSTALL, false)] {
        let Some((entry, source)) = subject.contents.entry(name).and_then(|entry| Some((entry, entry.source()?)))
        else {
            if mandatory {
                problems.push(format!("{name} is not there"));
            }
            continue;
        };
        if entry.mode.is_some_and(|mode| mode & 0o111 != 0o111) {
            problems.push(format!("{name} has mode {:04o}", entry.mode.unwrap_or_default()));
        }
        let mut head = Vec::new();
        let _ = source.read_from(0).take(MAX_LINE).read_to_end(&mut head);
        let line = String::from_utf8_lossy(head.split(|byte| *byte == b'\n').next().unwrap_or_default()).into_owned();
        let interpreter = line.strip_prefix("#!").map(str::trim).unwrap_or_default();
        let known = |known: &&str| interpreter.strip_prefix(*known).is_some_and(|r| r.is_empty() || r.starts_with(' '));
        match INTERPRETERS.iter().any(known) {
            true => seen = line,
            false => problems.push(format!("{name} begins with {line:?}")),
        }
    }
    told(problems, seen)
}

fn no_update_xml(subject: &Subject<'_>) -> Found {
    let found = subject.contents.entries().iter().find(|entry| entry.path.eq_ignore_ascii_case("update.xml"));
    told(found.map(|entry| format!("there is {}", entry.path)).into_iter().collect(), "none")
}

fn sums(subject: &Subject<'_>) -> Found {
    if subject.policy.name.is_some() {
        // It will lie elsewhere.
        return Ok(Outcome::Passed("to be written".into()));
    }
    let path = subject.contents.path();
    let (mut problems, mut seen) = (Vec::new(), Vec::new());
    let beside = |name: &str| -> Option<String> {
        let mut text = String::new();
        fs::File::open(path.with_file_name(name)).ok()?.take(4096).read_to_string(&mut text).ok()?;
        text.split_whitespace().next().map(str::to_owned)
    };
    let name = subject.name();
    if path.is_file()
        && let Some(stated) = beside(&format!("{name}.md5"))
    {
        let sum = fs::File::open(path).and_then(crate::digest::of::<md5::Md5>);
        let sum = sum.map(|sum| crate::digest::hex(&md5::Digest::finalize(sum))).unwrap_or_default();
        seen.push(format!("{name}.md5"));
        if sum != stated {
            problems.push(format!("{name}.md5 says {stated}, the file has {sum}"));
        }
    }
    let base = name.strip_suffix(".iso").or_else(|| name.strip_suffix(".tar.gz")).unwrap_or(&name);
    let metadata = format!("{base}.metadata.md5");
    if let Some(stated) = beside(&metadata) {
        let small = |file: &str| subject.contents.small(file).ok().flatten().unwrap_or_default();
        let sum = metadata_md5(&small(repository::FILE), &small(packages::FILE));
        seen.push(metadata.clone());
        if sum != stated {
            problems.push(format!("{metadata} says {stated}, the metadata has {sum}"));
        }
    }
    told(problems, if seen.is_empty() { "none beside it".to_owned() } else { seen.join(", ") })
}
