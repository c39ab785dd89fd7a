//! yum 3.4.3 (and dnf): the repository on the image, and the group by which XAPI installs it.

use std::collections::BTreeSet;

use super::gpg::signed_as_is;
use super::subject::{Capability, Package, PrimaryPackage, REPOMD, REPOMD_SIGNATURE, Subject};
use super::{Found, Obstacle, Rule, rpm};
use crate::check::{Check, Outcome, Reader, Set};
use crate::rpm::package::Dependency;
use crate::spec::Operator;
use crate::xml::Document;

const YUM: Check = Check { id: "", reader: Reader::Yum, set: Set::General, rule: "", why: "", remedy: "", source: "" };

pub(super) const RULES: &[Rule] = &[
    Rule {
        check: Check {
            id: "yum-repomd",
            rule: "repomd.xml lists primary, filelists, other and group, each with the size and checksums of its file",
            why: "yum stops at the first that differs; without group it finds nothing to install and XAPI reports success",
            remedy: "Make the metadata again (createrepo_c with --groupfile), then sign repomd.xml",
            source: "yum 3.4.3, yum/repoMDObject.py and yum/yumRepo.py",
            ..YUM
        },
        holds: repomd,
    },
    Rule {
        check: Check {
            id: "yum-compression",
            rule: "metadata is compressed in ways that the hosts' yum reads: before XenServer 9 neither zstd nor zchunk alone",
            why: "yum 3.4.3 reads neither: \"Start tag expected\"",
            remedy: "Make the metadata with gzip: createrepo_c --general-compress-type gz",
            source: "yum 3.4.3, yum/misc.py (decompress)",
            ..YUM
        },
        holds: compression,
    },
    Rule {
        check: Check {
            id: "yum-packages",
            rule: "primary lists every package on the image once, under Packages/, with its size and SHA-256, and no other",
            why: "the host answers INVALID_UPDATE \"Missing package(s) in the update\", or never sees the package",
            remedy: "Make the metadata again after the last change of a package, then sign repomd.xml",
            source: "yum 3.4.3, yum/packages.py (verifyLocalPkg)",
            ..YUM
        },
        holds: packages,
    },
    Rule {
        check: Check {
            id: "yum-capabilities",
            rule: "name, version, architecture and dependencies in primary are those in the packages' headers",
            why: "yum resolves by primary and rpm by headers: without its self-provide update-<label> does not find a package",
            remedy: "Make the metadata again after the last change of a package, then sign repomd.xml",
            source: "yum 3.4.3, yum/sqlitesack.py; createrepo_c, src/parsehdr.c",
            ..YUM
        },
        holds: capabilities,
    },
    Rule {
        check: Check {
            id: "yum-group",
            rule: "the comps file has a group update, of which update-<label> is a mandatory or default member",
            why: "XAPI runs `yum upgrade @update`: without the group nothing is installed and XAPI reports success",
            remedy: "Correct the comps file (both forms, if there are two) and make the metadata again",
            source: "xen-api, scripts/extensions/pool_update.apply; yum 3.4.3, yum/comps.py",
            ..YUM
        },
        holds: group,
    },
    Rule {
        check: Check {
            id: "yum-drivers-group",
            rule: "the comps file has a group drivers only if a package has files below /lib/modules",
            why: "the host installer takes the pack for a driver disk and loads what it finds",
            remedy: "Remove the group from the comps file and make the metadata again",
            source: "host-installer, driver.py and repository.py",
            ..YUM
        },
        holds: drivers_group,
    },
    Rule {
        check: Check {
            id: "yum-control-unpinned",
            rule: "update-<label> requires no exact version of control-<label>",
            why: "the precheck of the next pack, which upgrades control-<label>, would install all of that pack",
            remedy: "Let update-<label> require control-<label> without a version",
            source: "seen with yum 3.4.3; xen-api, scripts/extensions/pool_update.precheck",
            ..YUM
        },
        holds: control_unpinned,
    },
    Rule {
        check: Check {
            id: "yum-host-range",
            rule: "control-<label> requires no exact product-version or platform-version",
            why: "it blocks the host's next product update: \"is needed by (installed) control-…\"",
            remedy: "Give a range in [host] of pack.toml, such as \">= 8.2.0\"",
            source: "seen with rpm 4.11.3 and the release packages of 8.2.0 and 8.2.1",
            ..YUM
        },
        holds: host_range,
    },
    Rule {
        check: Check {
            id: "yum-one-host-capability",
            rule: "control-<label> requires at most one capability of the host",
            why: "if two are missing XAPI puts their texts together in a wrong-version error that nobody understands",
            remedy: "Leave one entry in [host] of pack.toml",
            source: "xen-api, scripts/extensions/pool_update.precheck",
            ..YUM
        },
        holds: one_host_capability,
    },
    Rule {
        check: Check {
            id: "yum-foreign-names",
            rule: "no package provides, obsoletes or conflicts with a package or capability of the product",
            why: "yum would replace or remove a part of the host, or answer UPDATE_PRECHECK_FAILED_CONFLICT_PRESENT",
            remedy: "Remove the dependency from the package's spec file",
            source: "XenServer Supplemental Packs and the DDK, rules and guidelines; xcp-ng-release, its provides",
            ..YUM
        },
        holds: foreign_names,
    },
];

/// Packages and capabilities that make a host: the release packages' provides, and the core of dom0.
const PRODUCT: [&str; 47] = [
    "product-brand",
    "product-version",
    "product-build",
    "product-version-text",
    "product-version-text-short",
    "platform-name",
    "platform-version",
    "centos-release",
    "redhat-release",
    "system-release",
    "xs-presets",
    "xenserver-release",
    "xenserver-release-config",
    "xcp-ng-release",
    "xcp-ng-release-config",
    "xcp-ng-release-presets",
    "kernel",
    "kernel-uname-r",
    "xapi",
    "xapi-core",
    "xapi-xe",
    "xapi-storage",
    "xapi-storage-script",
    "xapi-tests",
    "xenopsd",
    "xenopsd-xc",
    "forkexecd",
    "squeezed",
    "message-switch",
    "sm",
    "sm-rawhba",
    "blktap",
    "xen-hypervisor",
    "xen-dom0-libs",
    "xen-dom0-tools",
    "xen-libs",
    "xen-tools",
    "xenserver-status-report",
    "xcp-networkd",
    "xcp-rrdd",
    "systemd",
    "glibc",
    "bash",
    "rpm",
    "yum",
    "openssl",
    "openssh-server",
];

fn repomd(subject: &Subject<'_>) -> Found {
    let listed = subject.repomd()?;
    let mut problems: Vec<String> = listed.iter().flat_map(|file| file.problems.iter().cloned()).collect();
    for wanted in [&["primary"][..], &["filelists"], &["other"], &["group", "group_gz"]] {
        if !listed.iter().any(|file| wanted.contains(&file.kind.as_str())) {
            problems.push(format!("{REPOMD} lists no {:?}", wanted[0]));
        }
    }
    if !problems.is_empty() {
        // If it is not what was signed, that explains it.
        signed_as_is(subject, REPOMD, REPOMD_SIGNATURE, "gpg-repomd")?;
    }
    Ok(Outcome::of(problems, format!("{} files", listed.len())))
}

fn compression(subject: &Subject<'_>) -> Found {
    let listed = subject.repomd()?;
    let mut problems = Vec::new();
    for file in listed {
        let in_another_form = file.kind.strip_suffix("_zck").is_some_and(|kind| listed.iter().any(|f| f.kind == kind));
        for on in subject.stacks() {
            let manager = &on.stack.manager;
            let known = manager.compression.iter().any(|known| known == file.compression.id());
            if !known && !in_another_form {
                let (name, program, version) = (file.compression.name(), &manager.program, &manager.version);
                let href = &file.href;
                problems.push(format!("{href} has {name}, which {program} {version} of {} cannot read", on.names()));
            }
        }
    }
    let seen: BTreeSet<&str> = listed.iter().map(|file| file.compression.name()).collect();
    Ok(Outcome::of(problems, seen.into_iter().collect::<Vec<_>>().join(", ")))
}

fn packages(subject: &Subject<'_>) -> Found {
    let primary = subject.primary()?;
    let files = subject.package_files();
    let mut problems = Vec::new();
    let mut pairs = Vec::new();
    for file in files {
        let path = file.entry.path.as_str();
        if !path.starts_with("Packages/") {
            problems.push(format!("{path} does not lie in Packages/"));
        }
        let listed: Vec<_> = primary.iter().filter(|listed| listed.hrefs.iter().any(|href| href == path)).collect();
        match listed.as_slice() {
            [] => problems.push(format!("{path} is not in primary")),
            [only] => pairs.push((file, *only)),
            several => problems.push(format!("{path} is in primary {} times", several.len())),
        }
    }
    let there: BTreeSet<&str> = files.iter().map(|file| file.entry.path.as_str()).collect();
    for listed in primary {
        match listed.hrefs.as_slice() {
            [href] if !there.contains(href.as_str()) => {
                problems.push(format!("primary lists {href}, which is not there"));
            }
            [] => problems.push(format!("primary does not say where {} is", listed.name)),
            _ => {}
        }
    }
    if !problems.is_empty() {
        return Ok(Outcome::Failed(problems));
    }
    for (file, listed) in pairs {
        let found = differences(file.entry.path.as_str(), file.entry.bytes, file.sha256.as_deref(), listed)?;
        if found.is_empty() {
            continue;
        }
        // A package that is not even what it says itself explains it.
        match &file.package {
            Err(problem) => return Err(Obstacle::charged("rpm-headers", problem.clone())),
            Ok(package) => match package.damage()? {
                Some(damage) => return Err(Obstacle::charged("rpm-digests", damage)),
                None => problems.extend(found),
            },
        }
    }
    Ok(Outcome::of(problems, format!("{} packages", files.len())))
}

fn differences(
    path: &str,
    bytes: u32,
    sha256: Result<&str, &Obstacle>,
    listed: &PrimaryPackage,
) -> Result<Vec<String>, Obstacle> {
    let mut problems = Vec::new();
    if let Some(stated) = listed.sizes.iter().find(|stated| **stated != bytes.to_string()) {
        problems.push(format!("{path} has {bytes} bytes, primary says {stated}"));
    }
    let sums: Vec<&str> =
        listed.checksums.iter().filter(|(kind, _)| kind == "sha256").map(|(_, sum)| sum.as_str()).collect();
    let [stated] = sums.as_slice() else {
        return Err(Obstacle::charged("installer-repository", format!("{path} has {} SHA-256 sums", sums.len())));
    };
    let actual = sha256.map_err(Obstacle::clone)?;
    if *stated != actual {
        problems.push(format!("{path} has the SHA-256 {actual}, primary says {stated}"));
    }
    Ok(problems)
}

fn capabilities(subject: &Subject<'_>) -> Found {
    let (primary, packages) = (subject.primary()?, subject.packages()?);
    rpm::complete(subject)?;
    let mut problems = Vec::new();
    for package in &packages {
        let Some(listed) = primary.iter().find(|listed| listed.hrefs.iter().any(|href| href == package.path)) else {
            continue;
        };
        problems.extend(mismatches(package, listed).into_iter().map(|problem| format!("{}: {problem}", package.path)));
    }
    Ok(Outcome::of(problems, format!("{} packages", packages.len())))
}

fn mismatches(package: &Package<'_>, listed: &PrimaryPackage) -> Vec<String> {
    let facts = &package.facts;
    let mut problems = Vec::new();
    let evr = (
        facts.evr.epoch.unwrap_or(0).to_string(),
        facts.evr.version.clone(),
        facts.evr.release.clone().unwrap_or_default(),
    );
    let identity =
        |name: &str, evr: &(String, String, String), arch: &str| format!("{name}-{}:{}-{}.{arch}", evr.0, evr.1, evr.2);
    let (actual, stated) =
        (identity(&facts.name, &evr, &facts.arch), identity(&listed.name, &listed.evr, &listed.arch));
    if actual != stated {
        problems.push(format!("it is {actual}, primary says {stated}"));
    }
    for (kind, header, listed) in [
        ("provides", &facts.provides, &listed.provides),
        ("conflicts", &facts.conflicts, &listed.conflicts),
        ("obsoletes", &facts.obsoletes, &listed.obsoletes),
    ] {
        let header: BTreeSet<Capability> = header.iter().map(capability).collect();
        problems.extend(header.difference(listed).map(|c| format!("primary lacks {kind} {}", shown(c))));
        problems.extend(listed.difference(&header).map(|c| format!("primary alone has {kind} {}", shown(c))));
    }
    let requires: BTreeSet<Capability> = facts.requires.iter().map(capability).collect();
    problems.extend(listed.requires.difference(&requires).map(|c| format!("primary alone has requires {}", shown(c))));
    let provides: BTreeSet<Capability> = facts.provides.iter().map(capability).collect();
    let has_libc = listed.requires.iter().any(|c| c.name.starts_with("libc.so.6"));
    let may_be_left_out = |c: &Capability| {
        // What createrepo leaves out: what rpm alone asks, what the package has itself, and lower versions of libc.
        c.name.starts_with("rpmlib(")
            || provides.contains(c)
            || facts.files.iter().any(|file| file.path == c.name)
            || (has_libc && c.name.starts_with("libc.so.6"))
    };
    let lacking = requires.difference(&listed.requires).filter(|c| !may_be_left_out(c));
    problems.extend(lacking.map(|c| format!("primary lacks requires {}", shown(c))));
    problems
}

fn capability(dependency: &Dependency) -> Capability {
    let bound = dependency.bound.as_ref().map(|(operator, evr)| {
        let flags = match operator {
            Operator::Less => "LT",
            Operator::LessOrEqual => "LE",
            Operator::Equal => "EQ",
            Operator::GreaterOrEqual => "GE",
            Operator::Greater => "GT",
        };
        (flags.to_owned(), evr.epoch.unwrap_or(0).to_string(), evr.version.clone(), evr.release.clone())
    });
    Capability { name: dependency.name.clone(), bound }
}

fn shown(capability: &Capability) -> String {
    match &capability.bound {
        None => capability.name.clone(),
        Some((flags, epoch, version, release)) => {
            let release = release.as_ref().map_or(String::new(), |release| format!("-{release}"));
            format!("{} {flags} {epoch}:{version}{release}", capability.name)
        }
    }
}

/// A group of the comps file, with the members that yum installs.
struct Group {
    id: String,
    members: Vec<String>,
}

/// The groups, as yum 3.4.3 reads them.
fn groups(subject: &Subject<'_>) -> Result<Vec<Group>, Obstacle> {
    let charged = |problem: String| Obstacle::charged("yum-group", problem);
    let listed = subject.repomd()?;
    // yum takes the compressed one if both are there.
    let forms = ["group_gz", "group"].iter().filter_map(|kind| listed.iter().find(|file| file.kind == *kind));
    let forms = forms.map(|file| Ok((file, file.unpacked("yum-group")?))).collect::<Result<Vec<_>, Obstacle>>()?;
    let Some((file, comps)) = forms.first() else {
        return Err(Obstacle::charged("yum-repomd", format!("{REPOMD} lists no \"group\"")));
    };
    if let Some((other, _)) = forms.iter().find(|(_, other)| other != comps) {
        return Err(charged(format!("{} and {} have different contents", file.href, other.href)));
    }
    let root = Document::parse(comps).map_err(|problem| charged(format!("{} {problem}", file.href)))?.root;
    if root.name != "comps" {
        return Err(charged(format!("{} has the root element {}, not comps", file.href, root.name)));
    }
    let groups = root.all("group").map(|group| {
        let members = group.all("packagelist").flat_map(|list| list.all("packagereq"));
        let installed =
            members.filter(|member| matches!(member.attribute("type"), None | Some("mandatory" | "default")));
        Group {
            id: group.text_of("id").unwrap_or_default().to_owned(),
            members: installed.map(|member| member.text.trim().to_owned()).collect(),
        }
    });
    Ok(groups.collect())
}

fn group(subject: &Subject<'_>) -> Found {
    let groups = groups(subject)?;
    let update = rpm::companion(subject, "update")?.rpm.name();
    let of_update: Vec<&Group> = groups.iter().filter(|group| group.id == crate::update::GROUP).collect();
    let problem = if of_update.is_empty() {
        let ids: Vec<&str> = groups.iter().map(|group| group.id.as_str()).collect();
        format!("there is no group \"update\", only {ids:?}")
    } else if !of_update.iter().any(|group| group.members.iter().any(|member| member == update)) {
        format!("{update} is no mandatory or default member of the group \"update\"")
    } else {
        return Ok(Outcome::Passed(update.to_owned()));
    };
    Ok(Outcome::Failed(vec![problem]))
}

fn drivers_group(subject: &Subject<'_>) -> Found {
    let packages = subject.packages()?;
    let modules = packages.iter().flat_map(|package| &package.facts.files).any(|file| rpm::is_module(&file.path));
    let is_there = groups(subject)?.iter().any(|group| group.id == "drivers");
    Ok(match (is_there, modules) {
        (true, false) => Outcome::Failed(vec!["there is a group \"drivers\", and no file below /lib/modules".into()]),
        (true, true) => Outcome::Passed("drivers, with modules".into()),
        (false, _) => Outcome::Passed("no group drivers".into()),
    })
}

fn control_unpinned(subject: &Subject<'_>) -> Found {
    let update = rpm::companion(subject, "update")?;
    let control = rpm::companion(subject, "control")?.rpm.name();
    let pins = exact(update).filter(|required| required.name == control);
    Ok(Outcome::of(pins.map(|pin| format!("{} requires {pin}", update.path)).collect(), "no exact version"))
}

fn exact<'s>(package: &'s Package<'_>) -> impl Iterator<Item = &'s Dependency> {
    let is_exact = |required: &&Dependency| matches!(required.bound, Some((Operator::Equal, _)));
    package.facts.requires.iter().filter(is_exact)
}

fn host_range(subject: &Subject<'_>) -> Found {
    let control = rpm::companion(subject, "control")?;
    let pins =
        exact(control).filter(|required| ["product-version", "platform-version"].contains(&required.name.as_str()));
    Ok(Outcome::of(pins.map(|pin| format!("{} requires {pin}", control.path)).collect(), "no exact version"))
}

fn one_host_capability(subject: &Subject<'_>) -> Found {
    let control = rpm::companion(subject, "control")?;
    let packages = subject.packages()?;
    let of_pack = |name: &str| packages.iter().any(|p| p.facts.provides.iter().any(|provided| provided.name == name));
    let is_of_host = |name: &str| {
        !name.starts_with('/') && !name.starts_with("rpmlib(") && !name.starts_with("config(") && !of_pack(name)
    };
    let names: BTreeSet<&str> =
        control.facts.requires.iter().map(|required| required.name.as_str()).filter(|name| is_of_host(name)).collect();
    let shown = names.iter().copied().collect::<Vec<_>>().join(", ");
    Ok(match names.len() {
        0 => Outcome::Passed("none".into()),
        1 => Outcome::Passed(shown),
        _ => Outcome::Failed(vec![format!("{} requires {shown}", control.path)]),
    })
}

fn foreign_names(subject: &Subject<'_>) -> Found {
    let packages = subject.packages()?;
    let mut problems = Vec::new();
    for package in &packages {
        let facts = &package.facts;
        for (verb, list) in
            [("provides", &facts.provides), ("obsoletes", &facts.obsoletes), ("conflicts with", &facts.conflicts)]
        {
            let foreign = list.iter().filter(|other| other.name != facts.name && is_product(&other.name));
            problems.extend(foreign.map(|other| format!("{} {verb} {other}", package.path)));
        }
    }
    Ok(Outcome::of(problems, format!("{} packages", packages.len())))
}

/// Whether a name is one of the product's: `name`, or `name(…)`.
fn is_product(name: &str) -> bool {
    let plain = name.split_once('(').map_or(name, |(plain, _)| plain);
    PRODUCT.contains(&plain)
}
