//! XAPI: what `pool_update.introduce`, `precheck` and `apply` want of a pack.

use std::collections::BTreeSet;

use super::rpm::{self, interpreter_of};
use super::subject::{Package, REPOMD, REPOMD_SIGNATURE, Subject, UPDATE, UPDATE_SIGNATURE};
use super::{Found, Obstacle, Rule};
use crate::check::{Check, Outcome, Reader, Set};
use crate::rpm::package::FileKind;
use crate::spec::{Guidance, rpm_compare};
use crate::xml::Element;

/// The check without which nothing can be told.
pub(super) const IMAGE: &str = "xapi-image";

const XAPI: Check =
    Check { id: "", reader: Reader::Xapi, set: Set::General, rule: "", why: "", remedy: "", source: POOL_UPDATE };
const POLICY: Check = Check { set: Set::Xscontainer, ..XAPI };
const POOL_UPDATE: &str = "xen-api, ocaml/xapi/xapi_pool_update.ml";

pub(super) const RULES: &[Rule] = &[
    Rule {
        check: Check {
            id: IMAGE,
            rule: "the file is an ISO 9660 image with Rock Ridge names that can be read to its end",
            why: "the host mounts it, and without Rock Ridge sees other names: introduce answers INVALID_UPDATE",
            remedy: "Fetch the image again; if it is whole, make it with Rock Ridge names (genisoimage -R)",
            ..XAPI
        },
        holds: image,
    },
    Rule {
        check: Check {
            id: "xapi-names",
            rule: "update.xml, repodata/repomd.xml and the signature of each are there under exactly these names",
            why: "XAPI opens them by these names: introduce answers INVALID_UPDATE",
            remedy: "Put all four on the image, in lower case, as regular files",
            ..XAPI
        },
        holds: names,
    },
    Rule {
        check: Check {
            id: "xapi-document",
            rule: "update.xml is well-formed XML in UTF-8 with the root element update, without document type or namespace",
            why: "XAPI answers INVALID_UPDATE \"missing update document (update.xml) in the package\"",
            remedy: "Write it as plain XML and sign it again",
            ..XAPI
        },
        holds: document,
    },
    Rule {
        check: Check {
            id: "xapi-uuid",
            rule: "the uuid has 32 lower-case hexadecimal digits in groups of 8-4-4-4-12",
            why: "the stamp of an applied pack is found by it; otherwise the host never lists the pack as installed",
            remedy: "Give update.xml a new uuid, as `uuidgen` prints it",
            ..XAPI
        },
        holds: |subject| uuid(subject).map(passed),
    },
    Rule {
        check: Check {
            id: "xapi-label",
            rule: "name-label consists of letters, digits, '_' and '-', and is not that of a product hotfix",
            why: "it becomes the name of a yum repository; stamps of labels such as XS82E001 are deleted by product releases",
            remedy: "Change pack.label in pack.toml",
            source: "xen-api, ocaml/xapi/xapi_pool_update.ml; xcp-ng-release, the triggers of its spec file",
            ..XAPI
        },
        holds: |subject| label(subject).map(passed),
    },
    Rule {
        check: Check {
            id: "xapi-version",
            rule: "there is a version, and it is one that RPM can compare: letters, digits, and any of . _ + ~",
            why: "XAPI answers INVALID_UPDATE without one; the packages update-… and control-… bear it",
            remedy: "Give the pack a version such as 11.0.0",
            ..XAPI
        },
        holds: |subject| version(subject).map(passed),
    },
    Rule {
        check: Check {
            id: "xapi-description",
            rule: "there is exactly one name-description, of nothing but text that is not blank",
            why: "without the element XAPI answers INTERNAL_ERROR, with a blank one INVALID_UPDATE",
            remedy: "Change pack.description in pack.toml",
            ..XAPI
        },
        holds: |subject| description(subject).map(passed),
    },
    Rule {
        check: Check {
            id: "xapi-key",
            rule: "key is a plain file name, that of the given public key",
            why: "hosts look for the key under this name in /etc/pki/rpm-gpg; 8.2 takes a missing one for \".\", which breaks yum",
            remedy: "Change pack.key-file in pack.toml, or rename the public key and import it under its new name",
            ..XAPI
        },
        holds: key,
    },
    Rule {
        check: Check {
            id: "xapi-size",
            rule: "installation-size is the sum of the installed sizes of the payload packages, in bytes",
            why: "the precheck compares it with the free space of dom0, and takes what is no number for 0",
            remedy: "Build the pack again with its present packages",
            source: "xen-api, scripts/extensions/pool_update.precheck",
            ..XAPI
        },
        holds: size,
    },
    Rule {
        check: Check {
            id: "xapi-guidance",
            rule: "after-apply-guidance is absent or lists restartXAPI, restartHost, restartPV, restartHVM with commas only",
            why: "one other word or a space empties the whole list without a message, and nobody is told to restart anything",
            remedy: "Change pack.after-apply-guidance in pack.toml",
            ..XAPI
        },
        holds: guidance,
    },
    Rule {
        check: Check {
            id: "xapi-homogeneity",
            rule: "enforce-homogeneity is absent, true or false",
            why: "XAPI takes any other word for false",
            remedy: "Change pack.enforce-homogeneity in pack.toml",
            ..XAPI
        },
        holds: |subject| homogeneity(subject).map(|enforced| Outcome::Passed(enforced.to_string())),
    },
    Rule {
        check: Check {
            id: "xapi-control",
            rule: "control names the package control-<label>, which is on the image",
            why: "the precheck installs that package to ask for the host's version; without the attribute it checks nothing",
            remedy: "Build the pack again: update.xml must have control=\"control-<label>\"",
            source: "xen-api, scripts/extensions/pool_update.precheck",
            ..XAPI
        },
        holds: control,
    },
    Rule {
        check: Check {
            id: "xapi-stamp",
            rule: "update-<label> installs /var/update/applied/<uuid> with the very bytes of update.xml",
            why: "a host takes the pack for installed by this file alone; if it is malformed no update of the host is listed",
            remedy: "Build the pack again: update.xml was changed after update-<label> was made",
            ..XAPI
        },
        holds: stamp,
    },
    Rule {
        check: Check {
            id: "xapi-precheck",
            rule: "the scripts precheck and remove of control-<label> are executable and begin with an interpreter of dom0",
            why: "XAPI executes precheck: what cannot run answers UPDATE_PRECHECK_FAILED_UNKNOWN_ERROR",
            remedy: "Let pack.precheck and pack.remove in pack.toml name scripts that begin with #!/bin/sh or #!/bin/bash",
            source: "xen-api, scripts/extensions/pool_update.precheck",
            ..XAPI
        },
        holds: precheck,
    },
    Rule {
        check: Check {
            id: "xapi-control-files",
            rule: "control-<label> has no file outside of /var/update/<uuid>",
            why: "it is installed by the precheck already and stays there even if the pack is never applied",
            remedy: "Move the files into a payload package",
            source: "xen-api, scripts/extensions/pool_update.precheck",
            ..XAPI
        },
        holds: control_files,
    },
    Rule {
        check: Check {
            id: "xscontainer-homogeneity",
            rule: "homogeneity is not enforced",
            why: "hosts without this very build could not join the pool",
            remedy: "Set pack.enforce-homogeneity = false in pack.toml",
            source: "xen-api, ocaml/xapi/xapi_pool.ml, assert_homogeneous_updates",
            ..POLICY
        },
        holds: not_homogeneous,
    },
    Rule {
        check: Check {
            id: "xscontainer-uuid",
            rule: "the uuid is none of a release with another version",
            why: "hosts that know the uuid keep what they first saw of it and take this pack for installed",
            remedy: "Build the pack again: its uuid follows from its content",
            ..POLICY
        },
        holds: uuid_is_new,
    },
    Rule {
        check: Check {
            id: "xscontainer-version",
            rule: "the version is above 10.0.4 of the original and every release, or that of a release with its uuid",
            why: "hosts install nothing over an equal or higher version, and XAPI reports success",
            remedy: "Raise the version: tag the commit with a higher one than spec/released.toml has",
            source: "xen-api, scripts/extensions/pool_update.apply, which runs yum upgrade; seen with yum 3.4.3",
            ..POLICY
        },
        holds: version_rises,
    },
];

fn passed(seen: &str) -> Outcome {
    Outcome::Passed(seen.to_owned())
}

fn image(subject: &Subject<'_>) -> Found {
    let volume = subject.image.volume_id();
    Ok(Outcome::Passed(format!("{} files, volume {volume}", subject.paths().count())))
}

fn names(subject: &Subject<'_>) -> Found {
    let mut problems = Vec::new();
    for path in [UPDATE, UPDATE_SIGNATURE, REPOMD, REPOMD_SIGNATURE] {
        if let Err(Obstacle::Charged { problems: found, .. }) = subject.required(path) {
            let other = subject.paths().find(|other| other.eq_ignore_ascii_case(path) && *other != path);
            problems.extend(match other {
                Some(other) => vec![format!("{path} is there as {other}")],
                None => found,
            });
        }
    }
    Ok(Outcome::of(problems, "all four"))
}

fn document(subject: &Subject<'_>) -> Found {
    let document = subject.whole_document()?;
    let root = &document.root;
    let mut problems = Vec::new();
    if root.name != "update" {
        problems.push(format!("the root element is {}", root.name));
    }
    if document.has_doctype {
        problems.push("there is a document type".into());
    }
    if has_namespace(root) {
        problems.push("there is a namespace".into());
    }
    Ok(Outcome::of(problems, "well-formed"))
}

fn has_namespace(element: &Element) -> bool {
    element.has_namespace || element.children.iter().any(has_namespace)
}

/// `update.xml`, as far as XAPI would read it.
fn update<'s>(subject: &'s Subject<'_>) -> Result<&'s Element, Obstacle> {
    let root = subject.document()?;
    match document(subject)? {
        Outcome::Failed(problems) => Err(Obstacle::Charged { check: "xapi-document", problems }),
        _ => Ok(root),
    }
}

fn attribute<'s>(subject: &'s Subject<'_>, name: &str, check: &'static str) -> Result<&'s str, Obstacle> {
    update(subject)?.attribute(name).ok_or_else(|| Obstacle::charged(check, format!("there is no attribute {name}")))
}

/// The uuid, if it is one.
pub(super) fn uuid<'s>(subject: &'s Subject<'_>) -> Result<&'s str, Obstacle> {
    let uuid = attribute(subject, "uuid", "xapi-uuid")?;
    let groups: Vec<usize> = uuid.split('-').map(str::len).collect();
    let digits = uuid.bytes().all(|b| b == b'-' || b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    match groups == [8, 4, 4, 4, 12] && digits {
        true => Ok(uuid),
        false => Err(Obstacle::charged("xapi-uuid", format!("the uuid is {uuid:?}"))),
    }
}

/// The label, if it is a legal one.
pub(super) fn label<'s>(subject: &'s Subject<'_>) -> Result<&'s str, Obstacle> {
    let label = attribute(subject, "name-label", "xapi-label")?;
    let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if label.is_empty() || !label.bytes().all(legal) {
        return Err(Obstacle::charged("xapi-label", format!("name-label is {label:?}")));
    }
    match is_hotfix(label) {
        true => Err(Obstacle::charged("xapi-label", format!("name-label is {label:?}, as that of a product hotfix"))),
        false => Ok(label),
    }
}

/// Whether a name is of the form that the vendor gives to hotfixes: `XS82`, `XS82E001`, `XS82ECU1`.
pub(super) fn is_hotfix(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("XS") else { return false };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let Some((_, rest)) = rest.split_at_checked(2).filter(|(release, _)| digits(release)) else { return false };
    match rest.strip_prefix('E') {
        None => rest.is_empty(),
        Some(number) => {
            let number = number.strip_prefix("CU").unwrap_or(number);
            !number.is_empty() && digits(number)
        }
    }
}

/// The version, if it is a legal one.
pub(super) fn version<'s>(subject: &'s Subject<'_>) -> Result<&'s str, Obstacle> {
    let version = attribute(subject, "version", "xapi-version")?;
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"._+~".contains(&b);
    match !version.is_empty() && version.bytes().all(legal) {
        true => Ok(version),
        false => Err(Obstacle::charged("xapi-version", format!("the version is {version:?}"))),
    }
}

/// The description, if there is one.
pub(super) fn description<'s>(subject: &'s Subject<'_>) -> Result<&'s str, Obstacle> {
    let charged = |problem: &str| Err(Obstacle::charged("xapi-description", problem));
    let mut all = update(subject)?.all("name-description");
    match (all.next(), all.next()) {
        (None, _) => charged("there is no name-description"),
        (_, Some(_)) => charged("there is more than one name-description"),
        (Some(only), None) if !only.children.is_empty() => charged("name-description has elements in it"),
        (Some(only), None) if only.text.trim().is_empty() => charged("name-description is blank"),
        (Some(only), None) => Ok(&only.text),
    }
}

/// The file name of the key, if it is one.
pub(super) fn key_name<'s>(subject: &'s Subject<'_>) -> Result<&'s str, Obstacle> {
    let key = attribute(subject, "key", "xapi-key")?;
    match key.is_empty() || key.contains('/') || key == "." || key == ".." || key.contains(char::is_control) {
        true => Err(Obstacle::charged("xapi-key", format!("key is {key:?}"))),
        false => Ok(key),
    }
}

fn key(subject: &Subject<'_>) -> Found {
    let key = key_name(subject)?;
    Ok(match subject.policy.key {
        Some(given) if given.file_name != key => {
            Outcome::Failed(vec![format!("key is {key:?}, the given key's file is {:?}", given.file_name)])
        }
        _ => passed(key),
    })
}

fn size(subject: &Subject<'_>) -> Found {
    let stated = attribute(subject, "installation-size", "xapi-size")?;
    let payload = rpm::payload(subject)?;
    let actual = payload.iter().map(|package| package.rpm.installed_size()).fold(0, u64::saturating_add);
    if stated == actual.to_string() && actual > 0 {
        return Ok(Outcome::Passed(format!("{actual} bytes")));
    }
    rpm::complete(subject)?;
    let packages = payload.len();
    Ok(Outcome::Failed(vec![format!(
        "installation-size is {stated:?}, the {packages} payload packages have {actual} bytes"
    )]))
}

fn guidance(subject: &Subject<'_>) -> Found {
    const KNOWN: [Guidance; 4] =
        [Guidance::RestartHvm, Guidance::RestartPv, Guidance::RestartHost, Guidance::RestartXapi];
    let Some(guidance) = update(subject)?.attribute("after-apply-guidance") else { return Ok(passed("none")) };
    let unknown = guidance.split(',').find(|word| !KNOWN.iter().any(|known| known.as_str() == *word));
    Ok(match unknown {
        Some(word) => Outcome::Failed(vec![format!("after-apply-guidance is {guidance:?}; {word:?} is unknown")]),
        None => passed(guidance),
    })
}

/// Whether homogeneity is enforced.
fn homogeneity(subject: &Subject<'_>) -> Result<bool, Obstacle> {
    match update(subject)?.attribute("enforce-homogeneity") {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(Obstacle::charged("xapi-homogeneity", format!("enforce-homogeneity is {other:?}"))),
    }
}

fn control(subject: &Subject<'_>) -> Found {
    let wanted = rpm::companion(subject, "control")?.rpm.name();
    let control = attribute(subject, "control", "xapi-control")?;
    Ok(match control == wanted {
        true => passed(control),
        false => Outcome::Failed(vec![format!("control is {control:?}, the package is {wanted}")]),
    })
}

/// What `update-<label>` installs as the stamp.
fn stamp_content<'s>(subject: &'s Subject<'_>) -> Result<&'s [u8], Obstacle> {
    let path = format!("/var/update/applied/{}", uuid(subject)?);
    let update = rpm::companion(subject, "update")?;
    let stamp = update.contents()?.get(&path);
    stamp.map(Vec::as_slice).ok_or_else(|| Obstacle::charged("xapi-stamp", format!("{} has no {path}", update.path)))
}

fn stamp(subject: &Subject<'_>) -> Found {
    let stamp = stamp_content(subject)?;
    if stamp == subject.required(UPDATE)? {
        return Ok(Outcome::Passed(format!("{} bytes", stamp.len())));
    }
    // If it is not what was signed, that explains it.
    super::gpg::signed_as_is(subject, UPDATE, UPDATE_SIGNATURE, "gpg-update-xml")?;
    Ok(Outcome::Failed(vec!["the stamp differs from update.xml".into()]))
}

fn precheck(subject: &Subject<'_>) -> Found {
    let folder = format!("/var/update/{}", uuid(subject)?);
    let control = rpm::companion(subject, "control")?;
    let (mut problems, mut unknown) = (Vec::new(), Vec::new());
    let mut seen = Vec::new();
    for name in ["precheck", "remove"] {
        let path = format!("{folder}/{name}");
        let Some(file) = control.facts.files.iter().find(|file| file.path == path) else { continue };
        let content = control.contents()?.get(&path);
        match (&file.kind, content) {
            (FileKind::Regular { .. }, Some(content)) => match interpreter_of(content) {
                Ok(interpreter) => {
                    let runs = format!("{name} has the interpreter");
                    let (lacking, open) =
                        rpm::lacking(subject, &runs, &interpreter.line, |programs| interpreter.is_in(programs));
                    problems.extend(lacking);
                    unknown.extend(open);
                    match file.mode & 0o100 {
                        0 => problems.push(format!("{name} is not executable")),
                        _ => seen.push(format!("{name} by {}", interpreter.line.trim())),
                    }
                }
                Err(problem) => problems.push(format!("{name} {problem}")),
            },
            _ => problems.push(format!("{name} is not a regular file with content")),
        }
    }
    if problems.is_empty() && !unknown.is_empty() {
        return Err(Obstacle::Unknown(unknown.join("; ")));
    }
    Ok(Outcome::of(problems, if seen.is_empty() { "no scripts".into() } else { seen.join(", ") }))
}

fn control_files(subject: &Subject<'_>) -> Found {
    let folder = format!("/var/update/{}", uuid(subject)?);
    // If the stamp bears another uuid, the scripts do as well.
    stamp_content(subject)?;
    let control: &Package<'_> = rpm::companion(subject, "control")?;
    let outside = |path: &str| path != folder && !path.strip_prefix(&folder).is_some_and(|rest| rest.starts_with('/'));
    let files = control.facts.files.iter().filter(|file| outside(&file.path));
    Ok(Outcome::of(files.map(|file| format!("{} has {}", control.path, file.path)).collect(), folder))
}

fn not_homogeneous(subject: &Subject<'_>) -> Found {
    Ok(match homogeneity(subject)? {
        true => Outcome::Failed(vec!["enforce-homogeneity is true".into()]),
        false => passed("not enforced"),
    })
}

fn uuid_is_new(subject: &Subject<'_>) -> Found {
    let (uuid, version) = (uuid(subject)?, version(subject)?);
    let Some(released) = subject.policy.released else { return Err(no_releases()) };
    let same = released.all().iter().filter(|release| release.uuid.to_string() == uuid);
    let problems = same
        .filter(|release| release.version != version)
        .map(|release| format!("the uuid is that of release {}, the version is {version}", release.version));
    Ok(Outcome::of(problems.collect(), "new, or that of its release"))
}

fn version_rises(subject: &Subject<'_>) -> Found {
    /// The package of the original pack; the pack itself had 1.0.
    const ORIGINAL: &str = "10.0.4";
    let (uuid, version) = (uuid(subject)?, version(subject)?);
    let not_above = |other: &str| rpm_compare(version, other).is_le();
    if not_above(ORIGINAL) {
        return Ok(Outcome::Failed(vec![format!("{version} is not above {ORIGINAL} of the original")]));
    }
    let Some(released) = subject.policy.released else { return Err(no_releases()) };
    if let Outcome::Failed(problems) = uuid_is_new(subject)? {
        return Err(Obstacle::Charged { check: "xscontainer-uuid", problems });
    }
    let rereleased: BTreeSet<&str> = released
        .all()
        .iter()
        .filter(|release| release.uuid.to_string() == uuid)
        .map(|release| release.version.as_str())
        .collect();
    let above = released.all().iter().filter(|release| not_above(&release.version));
    let problems = match rereleased.is_empty() {
        true => above.map(|release| format!("{version} is not above release {}", release.version)).collect(),
        false => Vec::new(),
    };
    Ok(Outcome::of(problems, version))
}

fn no_releases() -> Obstacle {
    Obstacle::Unknown("no list of releases was given".into())
}
