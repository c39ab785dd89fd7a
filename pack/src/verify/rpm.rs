//! rpm: what the hosts' rpm, in the versions of the generations that a pack is held to, wants of its packages.

use std::collections::BTreeSet;

use super::subject::{Package, Subject};
use super::{Found, Obstacle, Rule, xapi};
use crate::check::{Check, Outcome, Reader, Set};
use crate::generation::{Programs, listed};
use crate::openpgp::{Certificate, Signature};
use crate::rpm::package::{Config, Evr, FileKind, PackagedFile};
use crate::rpm::{el7, scriptlet};
use crate::spec::Operator;

const RPM: Check = Check { id: "", reader: Reader::Rpm, set: Set::General, rule: "", why: "", remedy: "", source: "" };
const POLICY: Check = Check { set: Set::Xscontainer, ..RPM };

pub(super) const RULES: &[Rule] = &[
    Rule {
        check: Check {
            id: "rpm-headers",
            rule: "every .rpm file has headers that can be read and that point nowhere outside of themselves",
            why: "the host cannot read the package: apply answers UPDATE_APPLY_FAILED",
            remedy: "Build or download the package again; `rpm -qp` shows whether it can be read",
            source: "rpm 4.11, lib/header.c and lib/signature.c",
            ..RPM
        },
        holds: headers,
    },
    Rule {
        check: Check {
            id: "rpm-features",
            rule: "packages need no feature that the rpm and yum of the hosts lack, and are for x86_64 or noarch",
            why: "hosts refuse such a package late and without a readable reason, or ignore a part of it",
            remedy: "Build the package for EL 7: gzip payload, plain dependencies, no '^' in versions, no file triggers; or ask for newer hosts only",
            source: "rpm 4.11, lib/rpmds.c (rpmlib() features); seen with rpm 4.11.3 and yum 3.4.3; for others, the sources in pack/hosts/generations.toml",
            ..RPM
        },
        holds: features,
    },
    Rule {
        check: Check {
            id: "rpm-signed",
            rule: "every package has an RSA signature over its header with SHA-256 or better, all by the given key or others that hosts trust",
            why: "yum refuses the package: unsigned payload shows at apply only, after the precheck said ok",
            remedy: "Build the pack again with its key: the builder signs every package. If another key is meant, give it with --rpm-key",
            source: "yum 3.4.3, rpmUtils/miscutils.py (checkSig); rpm 4.11, lib/rpmchecksig.c",
            ..RPM
        },
        holds: signed,
    },
    Rule {
        check: Check {
            id: "rpm-digests",
            rule: "size and digests that each package states of its header and payload are those of its bytes",
            why: "the package was damaged or cut off after it was built; hosts refuse it while they install",
            remedy: "Fetch the image again; if it is as it was built, build or download the package again",
            source: "rpm 4.11, lib/rpmchecksig.c; RPM file format, signature tags",
            ..RPM
        },
        holds: digests,
    },
    Rule {
        check: Check {
            id: "rpm-archive-size",
            rule: "every signature header states the archive's size (tag 1007 or 271) and the MD5 of header and payload (1004)",
            why: "without the first `rpm -ivh` of 4.11 prints megabytes of '#', without the second it has no digest of the payload",
            remedy: "Build the pack again: the builder completes signature headers",
            source: "rpm 4.11, lib/psm.c and lib/signature.c",
            ..RPM
        },
        holds: archive_size,
    },
    Rule {
        check: Check {
            id: "rpm-update-requires",
            rule: "update-<label> requires every payload package in at least the version that is on the image",
            why: "XAPI installs update-<label> only; what it does not require is not installed, or stays in an old version",
            remedy: "Build the pack again with its present packages",
            source: "xen-api, scripts/extensions/pool_update.apply",
            ..RPM
        },
        holds: update_requires,
    },
    Rule {
        check: Check {
            id: "rpm-companions",
            rule: "update-<label> and control-<label> are there once each, are noarch and have the version of the pack",
            why: "the host installs the pack through them, and upgrades it only if their version rises",
            remedy: "Build the pack again: both packages follow from update.xml",
            source: "xen-api, scripts/extensions/pool_update.precheck and pool_update.apply",
            ..RPM
        },
        holds: companions,
    },
    Rule {
        check: Check {
            id: "rpm-modes",
            rule: "no file is setuid, setgid or sticky, and nobody but owner and group may write to one",
            why: "any user of dom0 could gain the rights of root",
            remedy: "Correct the mode in pack.toml or in the package's spec file",
            source: "XenServer Supplemental Packs and the DDK, rules and guidelines",
            ..RPM
        },
        holds: modes,
    },
    Rule {
        check: Check {
            id: "rpm-places",
            rule: "nothing lies below /boot, /etc/yum.repos.d, /proc, /sys, /dev, /tmp, /root or /home",
            why: "packs must not change how a host boots or updates, and other folders there are not the package's to fill",
            remedy: "Move the file, for example to /usr or /opt",
            source: "XenServer Supplemental Packs and the DDK, rules and guidelines",
            ..RPM
        },
        holds: places,
    },
    Rule {
        check: Check {
            id: "rpm-interpreters",
            rule: "scriptlets are run by programs that dom0 has",
            why: "a scriptlet without its interpreter fails, and with it the installation of the package",
            remedy: "Write scriptlets for /bin/sh",
            source: "rpm 4.11, lib/rpmscript.c; the package list of dom0 (xcp-ng-release)",
            ..RPM
        },
        holds: interpreters,
    },
    Rule {
        check: Check {
            id: "rpm-no-modules",
            rule: "there are no files below /lib/modules",
            why: "this pack has no drivers; hosts and installers treat kernel modules in other ways",
            remedy: "Remove the file from pack.toml",
            source: "XenServer Supplemental Packs and the DDK, rules for drivers",
            ..POLICY
        },
        holds: no_modules,
    },
    Rule {
        check: Check {
            id: "rpm-owners",
            rule: "everything belongs to root:root, XAPI's plugins have mode 0755 and systemd's units 0644",
            why: "XAPI executes plugins; nobody else may change what root runs",
            remedy: "Correct the mode in pack.toml",
            source: "xen-api, scripts/Makefile (plugins are installed with mode 755); systemd.unit(5)",
            ..POLICY
        },
        holds: owners,
    },
    Rule {
        check: Check {
            id: "rpm-config",
            rule: "files below /etc are config(noreplace), except below /etc/xensource and /etc/xapi.d",
            why: "an upgrade would overwrite what an administrator changed",
            remedy: "Set config = true for the file in pack.toml",
            source: "rpm 4.11, lib/rpmfi.c (rpmfiDecideFate)",
            ..POLICY
        },
        holds: config,
    },
];

/// The interpreter that a script's first line names; else what is wrong, to follow the script's name.
pub(super) fn interpreter_of(script: &[u8]) -> Result<Interpreter, String> {
    let line = script.split(|b| *b == b'\n').next().unwrap_or_default();
    let line = line.strip_prefix(b"#!").ok_or("does not begin with #!")?;
    let line = String::from_utf8_lossy(line);
    // Blanks and tabs only: the kernel takes a carriage return for a part of the name.
    let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
    let program = words.next().unwrap_or_default();
    let by_name = words.next().filter(|_| program == "/usr/bin/env").map(str::to_owned);
    Ok(Interpreter { program: program.into(), by_name, line: line.trim_matches([' ', '\t']).into() })
}

/// What runs a script.
pub(super) struct Interpreter {
    program: String,
    /// The program that env(1) looks for.
    by_name: Option<String>,
    /// All that stands in the script's first line after `#!`.
    pub(super) line: String,
}

impl Interpreter {
    /// Whether a host has it; `None` if that is not known.
    pub(super) fn is_in(&self, programs: &Programs) -> Option<bool> {
        match &self.by_name {
            Some(name) => programs.has_name(name),
            None => programs.has(&self.program),
        }
    }
}

/// What is wrong with programs that hosts lack, and what is not known of others; each program after what it runs.
pub(super) fn lacking(
    subject: &Subject<'_>,
    runs: &str,
    program: &str,
    has: impl Fn(&Programs) -> Option<bool>,
) -> (Vec<String>, Vec<String>) {
    let (mut lacking, mut unknown) = (Vec::new(), Vec::new());
    for on in subject.stacks() {
        match has(&on.stack.programs) {
            Some(true) => {}
            Some(false) => lacking.push(format!("{runs} {program:?}, which dom0 of {} does not have", on.names())),
            None => unknown.push(format!("whether {} has {program:?} is not known", on.names())),
        }
    }
    (lacking, unknown)
}

/// The packages that the pack is made for: all but the two of its own.
pub(super) fn payload<'s, 'a>(subject: &'s Subject<'a>) -> Result<Vec<&'s Package<'a>>, Obstacle> {
    let own = [companion(subject, "update")?.path, companion(subject, "control")?.path];
    let mut packages = subject.packages()?;
    packages.retain(|package| !own.contains(&package.path));
    Ok(packages)
}

/// The package `update-<label>` or `control-<label>`.
pub(super) fn companion<'s, 'a>(subject: &'s Subject<'a>, kind: &str) -> Result<&'s Package<'a>, Obstacle> {
    let name = format!("{kind}-{}", xapi::label(subject)?);
    let mut packages = subject.packages()?.into_iter().filter(|package| package.rpm.name() == name);
    match (packages.next(), packages.next()) {
        (Some(only), None) => Ok(only),
        (Some(one), Some(other)) => {
            Err(Obstacle::charged("rpm-companions", format!("{} and {} are both {name}", one.path, other.path)))
        }
        (None, _) => {
            complete(subject)?;
            Err(Obstacle::charged("rpm-companions", format!("there is no package {name}")))
        }
    }
}

/// Whether the image has the packages that the repository's metadata lists; if not, what depends on all of them being
/// there cannot be told.
pub(super) fn complete(subject: &Subject<'_>) -> Result<(), Obstacle> {
    let Ok(primary) = subject.primary() else { return Ok(()) };
    let listed: BTreeSet<&str> = primary.iter().flat_map(|package| &package.hrefs).map(String::as_str).collect();
    let there: BTreeSet<&str> = subject.package_files().iter().map(|file| file.entry.path.as_str()).collect();
    match listed.symmetric_difference(&there).next() {
        Some(path) => Err(Obstacle::charged("yum-packages", format!("{path} is either not listed or not there"))),
        None => Ok(()),
    }
}

/// Whether a package's file is the one that the repository's metadata lists; if not, that it was changed since explains
/// whatever else is wrong with it.
fn listed_as_is(subject: &Subject<'_>, package: &Package<'_>) -> Result<(), Obstacle> {
    let Ok(primary) = subject.primary() else { return Ok(()) };
    if let Some(damage) = package.damage()? {
        return Err(Obstacle::charged("rpm-digests", format!("{} {damage}", package.path)));
    }
    let file = subject.package_files().iter().find(|file| file.entry.path == package.path);
    let sha256 = file.and_then(|file| file.sha256.as_deref().ok());
    let listed = primary.iter().find(|listed| listed.hrefs.iter().any(|href| href == package.path));
    let differs = listed.is_some_and(|listed| {
        listed.checksums.iter().any(|(kind, sum)| kind == "sha256" && Some(sum.as_str()) != sha256)
    });
    match differs {
        true => Err(Obstacle::charged("yum-packages", format!("{} has another SHA-256", package.path))),
        false => Ok(()),
    }
}

/// One problem for each package that has it.
fn each(packages: &[&Package<'_>], problem: impl Fn(&Package<'_>) -> Option<String>) -> Vec<String> {
    packages.iter().filter_map(|package| Some(format!("{} {}", package.path, problem(package)?))).collect()
}

/// One problem for each file that has it.
fn each_file(packages: &[&Package<'_>], problem: impl Fn(&PackagedFile) -> Option<String>) -> Outcome {
    let files = packages.iter().flat_map(|package| package.facts.files.iter().map(move |file| (package.path, file)));
    let mut count = 0_usize;
    let problems = files
        .inspect(|_| count += 1)
        .filter_map(|(package, file)| Some(format!("{package}: {} {}", file.path, problem(file)?)))
        .collect();
    Outcome::of(problems, format!("{count} files"))
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn headers(subject: &Subject<'_>) -> Found {
    match subject.packages() {
        Err(obstacle @ Obstacle::Charged { check: "rpm-headers", .. }) => Err(obstacle),
        _ => Ok(Outcome::Passed(format!("{} packages", subject.package_files().len()))),
    }
}

fn features(subject: &Subject<'_>) -> Found {
    let packages = subject.packages()?;
    let mut problems = Vec::new();
    for on in subject.stacks() {
        let found = each(&packages, |package| {
            el7::check_for(&package.rpm, &on.stack.rpm).err().map(|e| e.problem().to_owned())
        });
        problems.extend(found.into_iter().map(|problem| format!("{problem} ({})", on.names())));
    }
    Ok(Outcome::of(problems, format!("{} packages", packages.len())))
}

fn signed(subject: &Subject<'_>) -> Found {
    let packages = subject.packages()?;
    let key = subject.key()?;
    let (mut problems, mut open) = (Vec::new(), Vec::new());
    let mut keys = BTreeSet::new();
    for package in &packages {
        match signature_of(subject, package) {
            Ok((signature, known)) => {
                let id = signature.key_id().unwrap_or_else(|| "that it does not name".into());
                if !known {
                    open.push(format!("{} is signed by the key {id}, which was not given", package.path));
                }
                keys.insert(id);
            }
            Err(problem) => {
                listed_as_is(subject, package)?;
                problems.push(format!("{} {problem}", package.path));
            }
        }
    }
    let own = key.map(Certificate::key_id);
    let others: Vec<&str> = keys.iter().map(String::as_str).filter(|id| Some(*id) != own.as_deref()).collect();
    let kept = subject.policy.kept_signatures || !subject.policy.rpm_keys.is_empty();
    if key.is_none() && others.len() > 1 && !kept {
        problems.push(format!("the signatures are by several keys: {}", others.join(", ")));
    }
    if !problems.is_empty() {
        return Ok(Outcome::Failed(problems));
    }
    Ok(match (key, others.as_slice()) {
        (None, _) => Outcome::NotChecked(format!(
            "no key was given; all {} signatures are by the key {}",
            packages.len(),
            others.join(", ")
        )),
        (Some(_), []) => Outcome::Passed(format!("{} packages by the given key", packages.len())),
        (Some(_), others) if open.is_empty() => Outcome::Passed(format!(
            "{} packages by the given key and {}, which hosts must trust too",
            packages.len(),
            others.join(", ")
        )),
        (Some(_), _) => Outcome::NotChecked(format!("{}; hosts must trust it too", open.join("; "))),
    })
}

/// The signature over a package's header, if hosts accept it, and whether the key that made it is known.
fn signature_of(subject: &Subject<'_>, package: &Package<'_>) -> Result<(Signature, bool), String> {
    let packet = package.rpm.header_signature().ok_or("has no RSA signature over its header")?;
    let signature = Signature::parse(packet).ok_or("has a signature that cannot be read")?;
    let own = subject.key().ok().flatten();
    let id = signature.key_id();
    let is_by = |key: &&Certificate| id.as_deref() == Some(key.key_id().as_str());
    let known = own.filter(is_by).or_else(|| subject.policy.rpm_keys.iter().find(is_by));
    // A signature by a key that nobody gave: as if by the given one, unless others are expected.
    let unknown = known.is_none() && own.is_some() && subject.policy.kept_signatures;
    let key = known.or(own).filter(|_| !unknown);
    match signature.problem(package.rpm.header(), key, subject.policy.now) {
        None => Ok((signature, !unknown)),
        Some(problem) => Err(format!("has a signature that {problem}")),
    }
}

fn digests(subject: &Subject<'_>) -> Found {
    let mut problems = Vec::new();
    for file in subject.package_files() {
        // The digest of the whole file is there even if its headers are not: then reading it failed.
        file.sha256.as_ref().map_err(Obstacle::clone)?;
        let path = &file.entry.path;
        let package = file.package.as_ref();
        let package = package.map_err(|problem| Obstacle::charged("rpm-headers", format!("{path} {problem}")))?;
        problems.extend(package.damage()?.map(|damage| format!("{path} {damage}")));
    }
    for kind in ["update", "control"] {
        let contents = companion(subject, kind).and_then(|package| package.contents().map(drop));
        if let Err(Obstacle::Charged { check: "rpm-digests", problems: found }) = contents {
            problems.extend(found);
        }
    }
    problems.sort();
    problems.dedup();
    Ok(Outcome::of(problems, format!("{} packages", subject.package_files().len())))
}

fn archive_size(subject: &Subject<'_>) -> Found {
    let packages = subject.packages()?;
    if !subject.stacks().iter().any(|on| on.stack.rpm.needs_archive_size) {
        return Ok(Outcome::Passed(format!("no rpm of {} needs it", listed(subject.generations.iter().copied()))));
    }
    for package in &packages {
        if !package.rpm.states_archive_size() || !package.rpm.states_content_md5() {
            listed_as_is(subject, package)?;
        }
    }
    let problems =
        each(&packages, |package| match (package.rpm.states_archive_size(), package.rpm.states_content_md5()) {
            (true, true) => None,
            (false, true) => Some("does not state its archive's size".into()),
            (true, false) => Some("does not state its MD5".into()),
            (false, false) => Some("states neither its archive's size nor its MD5".into()),
        });
    Ok(Outcome::of(problems, format!("{} packages", packages.len())))
}

fn update_requires(subject: &Subject<'_>) -> Found {
    let update = companion(subject, "update")?;
    let payload = payload(subject)?;
    let problems = each(&payload, |package| {
        let wanted = &package.facts.evr;
        let required = update.facts.requires.iter().any(|required| {
            let at_least = |(operator, evr): &(Operator, Evr)| {
                *operator == Operator::GreaterOrEqual && evr.release.is_some() && evr.compare(wanted).is_eq()
            };
            required.name == package.facts.name && required.bound.as_ref().is_some_and(at_least)
        });
        (!required).then(|| format!("is not required by {} as {} >= {wanted}", update.facts.name, package.facts.name))
    });
    if !problems.is_empty() {
        complete(subject)?;
    }
    Ok(Outcome::of(problems, format!("{} packages", payload.len())))
}

fn companions(subject: &Subject<'_>) -> Found {
    let both = [companion(subject, "update")?, companion(subject, "control")?];
    let version = xapi::version(subject)?;
    let problems = each(&both, |package| {
        let facts = &package.facts;
        if facts.arch != "noarch" {
            return Some(format!("is for {}, not noarch", facts.arch));
        }
        let differs = facts.evr.version != version || facts.evr.epoch.unwrap_or(0) != 0;
        differs.then(|| format!("has the version {}, the pack {version}", facts.evr))
    });
    Ok(Outcome::of(problems, format!("both {version}")))
}

fn modes(subject: &Subject<'_>) -> Found {
    Ok(each_file(&subject.packages()?, |file| {
        let for_others = file.mode & 0o002 != 0 && !matches!(file.kind, FileKind::Link(_));
        (file.mode & 0o7000 != 0 || for_others).then(|| format!("has the mode {:04o}", file.mode & 0o7777))
    }))
}

fn places(subject: &Subject<'_>) -> Found {
    const FORBIDDEN: [&str; 8] = ["/boot", "/etc/yum.repos.d", "/proc", "/sys", "/dev", "/tmp", "/root", "/home"];
    Ok(each_file(&subject.packages()?, |file| {
        let folder = FORBIDDEN.iter().find(|folder| is_below(&file.path, folder))?;
        Some(format!("lies below {folder}"))
    }))
}

fn interpreters(subject: &Subject<'_>) -> Found {
    let packages = subject.packages()?;
    let (mut problems, mut unknown) = (Vec::new(), Vec::new());
    let mut count = 0;
    for package in &packages {
        for (scriptlet, program) in scriptlet::interpreters(&package.rpm) {
            count += 1;
            if program == "<lua>" {
                continue;
            }
            let runs = format!("{}: {scriptlet} is run by", package.path);
            let (lacking, open) = lacking(subject, &runs, &program, |programs| programs.has(&program));
            problems.extend(lacking);
            unknown.extend(open);
        }
    }
    match problems.is_empty() && !unknown.is_empty() {
        true => Err(Obstacle::Unknown(unknown.join("; "))),
        false => Ok(Outcome::of(problems, format!("{count} scriptlets"))),
    }
}

/// Whether a path is one of kernel modules; /lib is a link to /usr/lib.
pub(super) fn is_module(path: &str) -> bool {
    let below = |folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    below("/lib/modules") || below("/usr/lib/modules")
}

fn no_modules(subject: &Subject<'_>) -> Found {
    Ok(each_file(&subject.packages()?, |file| is_module(&file.path).then(|| "is a kernel module's".into())))
}

fn owners(subject: &Subject<'_>) -> Found {
    Ok(each_file(&subject.packages()?, |file| {
        if (file.user.as_str(), file.group.as_str()) != ("root", "root") {
            return Some(format!("belongs to {}:{}", file.user, file.group));
        }
        let wanted = match &file.kind {
            FileKind::Regular { .. } if is_below(&file.path, "/etc/xapi.d/plugins") => 0o755,
            FileKind::Regular { .. } if is_below(&file.path, "/usr/lib/systemd/system") => 0o644,
            _ => return None,
        };
        let mode = file.mode & 0o7777;
        (mode != wanted).then(|| format!("has the mode {mode:04o}, not {wanted:04o}"))
    }))
}

fn config(subject: &Subject<'_>) -> Found {
    Ok(each_file(&subject.packages()?, |file| {
        let settable = is_below(&file.path, "/etc")
            && !is_below(&file.path, "/etc/xensource")
            && !is_below(&file.path, "/etc/xapi.d")
            && matches!(file.kind, FileKind::Regular { .. });
        (settable && file.config != Config::NoReplace).then(|| "is not config(noreplace)".into())
    }))
}
