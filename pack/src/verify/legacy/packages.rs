//! The packages: what the list says of them is what they are, and they can be installed in its order.

use std::collections::BTreeSet;

use super::subject::Subject;
use super::{INSTALLER, Rule, told};
use crate::check::Check;
use crate::digest;
use crate::legacy::eula::is_eula;
use crate::legacy::kind::Kind;
use crate::legacy::order;
use crate::rpm::package::Package;
use crate::rpm::{Rpm, header_is_whole, payload};
use crate::verify::{Found, Obstacle};

/// Most bytes of a licence.
const MAX_EULA: u64 = 1 << 20;
/// Most bytes of an archive that has one.
const MAX_ARCHIVE: u64 = 4 << 30;

pub(super) const RULES: &[Rule] = &[
    Rule {
        check: Check {
            id: "legacy-types",
            rule: "type, label, kernel and options of a listed RPM are what its header says, and its files are in places of \
                   that type",
            why: "hosts install by type and options, and remove by label; drivers elsewhere replace the kernel's own",
            remedy: "Build the pack again; give drivers the group */Kernel and the name <driver>-<kernel>-modules",
            source: "supp-pack-build, xcp/supplementalpack.py, Package",
            ..INSTALLER
        },
        holds: types,
    },
    Rule {
        check: Check {
            id: "legacy-order",
            rule: "no package is listed before one that it requires, unless both require each other",
            why: "hosts of older releases install one package after the other in this order",
            remedy: "Let suppack order them, or build-supplemental-pack --reorder",
            source: "supp-pack-build, xcp/supplementalpack.py, _order_pkgs",
            ..INSTALLER
        },
        holds: ordered,
    },
    Rule {
        check: Check {
            id: "legacy-eula",
            rule: "every file whose name ends with EULA is text that can be shown, of at most 1 MiB",
            why: "hosts print it on a terminal, and install nothing until it is accepted",
            remedy: "Make it UTF-8 text without control characters, or name it otherwise",
            ..INSTALLER
        },
        holds: eulas,
    },
    Rule {
        check: Check {
            id: "legacy-digests",
            rule: "every RPM is whole, and states the MD5 of its content and the size of its archive",
            why: "rpm 4.11 has no other digest of the content, and prints megabytes of '#' without that size",
            remedy: "Build it with rpmbuild, or let suppack sign it: that completes its signature header",
            source: "rpm 4.11, lib/psm.c and lib/signature.c",
            ..INSTALLER
        },
        holds: digests,
    },
];

fn types(subject: &Subject<'_>) -> Found {
    let rpms = subject.rpms()?;
    let mut problems = Vec::new();
    for (listed, rpm) in &rpms {
        let kind = Kind::of(rpm);
        let file = &listed.file;
        if listed.kind != kind.as_str() {
            problems.push(format!("{file} has the type {}, and is a {}", listed.kind, kind.as_str()));
            continue;
        }
        // A driver's label may be its whole name, too.
        let labels: &[&str] = match &kind {
            Kind::Driver { label, .. } => &[label, rpm.name()],
            _ => &[rpm.name()],
        };
        if !labels.contains(&listed.label.as_str()) {
            problems.push(format!("{file} has the label {}, and is {}", listed.label, rpm.name()));
        }
        if listed.kernel.as_deref() != kind.kernel() {
            let said = |kernel: Option<&str>| kernel.unwrap_or("no kernel").to_owned();
            let (listed, has) = (said(listed.kernel.as_deref()), said(kind.kernel()));
            problems.push(format!("{file} is listed for {listed}, and is for {has}"));
        }
        let installs_beside = |options: &str| options.split_whitespace().any(|option| option == "-i");
        if kind == Kind::Kernel && !listed.options.as_deref().is_some_and(installs_beside) {
            problems.push(format!("{file} is a kernel without the option -i: it would replace the one that runs"));
        }
        if let Some((path, why)) = kind.misplaced(rpm) {
            problems.push(format!("{file} has {path}, {why}"));
        }
    }
    told(problems, format!("{} RPMs", rpms.len()))
}

fn ordered(subject: &Subject<'_>) -> Found {
    let rpms = subject.rpms()?;
    let packages = rpms.iter().map(|(listed, rpm)| {
        Package::of(rpm).map_err(|problem| Obstacle::charged("legacy-rpm", format!("{} {problem}", listed.file)))
    });
    let packages = packages.collect::<Result<Vec<Package>, Obstacle>>()?;
    let needs = order::needs(&packages);
    let circles: Vec<BTreeSet<usize>> =
        order::order(&packages).cycles.into_iter().map(|cycle| cycle.into_iter().collect()).collect();
    let together = |a: usize, b: usize| circles.iter().any(|circle| circle.contains(&a) && circle.contains(&b));
    let mut problems = Vec::new();
    for (index, needed) in needs.iter().enumerate() {
        // One of several that offer the same is enough.
        let early = |needed: &&usize| **needed > index && !together(index, **needed);
        for late in needed.iter().filter(early) {
            let offers = |wanted: &crate::rpm::package::Dependency| packages[*late].meets(wanted);
            let met_before = packages[index]
                .requires
                .iter()
                .filter(|wanted| offers(wanted))
                .all(|wanted| packages[..index].iter().any(|before| before.meets(wanted)));
            if !met_before {
                let [first, second] = [index, *late].map(|place| &rpms[place].0.file);
                problems.push(format!("{first} is listed before {second}, which it requires"));
            }
        }
    }
    told(problems, format!("{} RPMs", rpms.len()))
}

fn digests(subject: &Subject<'_>) -> Found {
    let rpms = subject.rpms()?;
    let mut problems = Vec::new();
    for (listed, rpm) in &rpms {
        let file = &listed.file;
        if !header_is_whole(rpm) {
            problems.push(format!("{file} has a header that was changed"));
        }
        if !rpm.states_content_md5() {
            problems.push(format!("{file} does not state the MD5 of its content"));
        } else if let Some(problem) = content_differs(rpm) {
            problems.push(format!("{file} {problem}"));
        }
        if !rpm.states_archive_size() {
            problems.push(format!("{file} does not state the size of its archive"));
        }
    }
    told(problems, format!("{} RPMs", rpms.len()))
}

/// What is wrong with header and payload, by the MD5 that the package states of them.
fn content_differs(rpm: &Rpm) -> Option<String> {
    let signature = &rpm.metadata().signature;
    let stated = signature.get_entry_data_as_binary(rpm::IndexSignatureTag::RPMSIGTAG_MD5).ok()?;
    match digest::of::<md5::Md5>(rpm.source().read_from(rpm.header_offset())).map(md5::Digest::finalize) {
        Ok(md5) if md5[..] == *stated => None,
        Ok(_) => Some("is damaged: its MD5 is another".into()),
        Err(e) => Some(format!("cannot be read: {e}")),
    }
}

fn eulas(subject: &Subject<'_>) -> Found {
    let (mut problems, mut seen) = (Vec::new(), 0);
    for (listed, rpm) in subject.rpms()? {
        let entries = rpm.metadata().get_file_entries().unwrap_or_default();
        if !entries.iter().any(|entry| is_eula(entry.basename())) {
            continue;
        }
        let read = payload::read(rpm, MAX_ARCHIVE, &mut |member, content| {
            let Some(entry) = entries.get(member.index).filter(|entry| is_eula(entry.basename())) else {
                return Ok(());
            };
            seen += 1;
            let mut bytes = Vec::new();
            let mut most = std::io::Read::take(content, MAX_EULA + 1);
            let problem = match std::io::Read::read_to_end(&mut most, &mut bytes) {
                Err(e) => format!("cannot be read: {e}"),
                Ok(_) if bytes.len() as u64 > MAX_EULA => "has more than 1 MiB".into(),
                Ok(_) => match std::str::from_utf8(&bytes) {
                    Err(_) => "is no text in UTF-8".into(),
                    Ok(text) => {
                        match text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\x0c')) {
                            Some(c) => format!("has the control character {c:?}"),
                            None => return Ok(()),
                        }
                    }
                },
            };
            problems.push(format!("{}{} in {} {problem}", entry.dirname(), entry.basename(), listed.file));
            Ok(())
        });
        if let Err(e) = read {
            problems.push(format!("{} {}", listed.file, e.problem()));
        }
    }
    told(problems, format!("{seen} licences"))
}
