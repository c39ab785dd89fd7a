//! XenCenter: what it looks at before it uploads a pack, and what it shows.

use std::collections::BTreeMap;
use std::io::Read;

use medium::iso9660::{Entry, Kind};

use super::subject::{Subject, file_name};
use super::{Found, Obstacle, Rule, xapi, xen_orchestra};
use crate::check::{Check, Outcome, Reader, Set};

const XENCENTER: Check = Check {
    id: "",
    reader: Reader::XenCenter,
    set: Set::General,
    rule: "",
    why: "",
    remedy: "",
    source: "xenadmin, XenAdmin/Wizards/PatchingWizard/PatchingWizard_SelectPatchPage.cs",
};

/// Longest texts that lists show in full.
const MAX_LABEL: usize = 64;
const MAX_DESCRIPTION: usize = 256;

pub(super) const RULES: &[Rule] = &[
    Rule {
        check: Check {
            id: "xencenter-file-name",
            rule: "the file's name ends with .iso, and the rest is not that of a product hotfix",
            why: "XenCenter offers no other files, and takes XS82E001.iso for the hotfix of that name",
            remedy: "Rename the image, for example to <label>-<version>.iso",
            source: "xenadmin, XenAdmin/Wizards/WizardHelpers.cs and PatchingWizard_SelectPatchPage.cs",
            ..XENCENTER
        },
        holds: image_name,
    },
    Rule {
        check: Check {
            id: "xencenter-joliet",
            rule: "the Joliet names, if there are any, show the same files with the same content as Rock Ridge",
            why: "XenCenter reads Joliet, hosts read Rock Ridge: they would speak of different packs",
            remedy: "Make the image in one go with both trees (genisoimage -R -J -joliet-long)",
            source: "xenadmin, XenAdmin/Wizards/WizardHelpers.cs (DiscUtils prefers Joliet)",
            ..XENCENTER
        },
        holds: joliet,
    },
    Rule {
        check: Check {
            id: "xencenter-not-media",
            rule: "there is no .treeinfo at the root",
            why: "together with repodata XenCenter and the host installer take the image for installation media",
            remedy: "Remove .treeinfo",
            ..XENCENTER
        },
        holds: not_media,
    },
    Rule {
        check: Check {
            id: "xencenter-one-format",
            rule: "the root has not both update.xml and XS-REPOSITORY",
            why: "by update.xml XenCenter decides for which hosts the image is: those of the other format never see it",
            remedy: "Make two images, one of each format",
            source: "xenadmin, XenAdmin/Wizards/PatchingWizard/PatchingWizard_SelectServers.cs",
            ..XENCENTER
        },
        holds: one_format,
    },
    Rule {
        check: Check {
            id: "xencenter-text",
            rule: "label, version and description are one printable line each: label and version up to 64 characters, description up to 256",
            why: "clients show them in lists as they are",
            remedy: "Shorten pack.description or pack.label in spec/pack.toml",
            source: "xenadmin, XenModel/Utils/Helpers.cs (UpdatesFriendlyName)",
            ..XENCENTER
        },
        holds: text,
    },
    Rule {
        check: Check {
            id: "xencenter-label",
            set: Set::Xscontainer,
            rule: "the label begins with xscontainer, in lower case",
            why: "XenCenter shows its pages for containers only if an update of such a name is applied",
            remedy: "Change pack.label in spec/pack.toml",
            source: "xenadmin, XenModel/Utils/Helpers.cs (ContainerCapability)",
            ..XENCENTER
        },
        holds: label,
    },
];

fn image_name(subject: &Subject<'_>) -> Found {
    let name =
        subject.policy.name.map_or_else(|| file_name(subject.image.path()), |name| name.to_string_lossy().into());
    Ok(match name.strip_suffix(".iso") {
        None => Outcome::Failed(vec![format!("the file's name is {name:?}")]),
        Some(base) if xapi::is_hotfix(base) => Outcome::Failed(vec![format!("{name:?} is the name of a hotfix")]),
        Some(_) => Outcome::Passed(name),
    })
}

fn joliet(subject: &Subject<'_>) -> Found {
    if !subject.image.has_joliet() {
        // DiscUtils falls back to Rock Ridge.
        return Ok(Outcome::Passed("there are no Joliet names".into()));
    }
    let entries = match subject.image.joliet() {
        Ok(entries) => entries,
        Err(problem) => return Ok(Outcome::Failed(vec![problem.to_owned()])),
    };
    let mut joliet: BTreeMap<&str, &Entry> =
        entries.iter().filter(|entry| entry.is_file()).map(|entry| (entry.path.as_str(), entry)).collect();
    let mut problems = Vec::new();
    // Comparing every byte once is enough for any sound image.
    let mut left = subject.image.length();
    for entry in subject.image.files() {
        let path = &entry.path;
        let Some(twin) = joliet.remove(path.as_str()) else {
            problems.push(format!("{path} has no Joliet name"));
            continue;
        };
        let same_place = (twin.sector, twin.bytes) == (entry.sector, entry.bytes);
        if same_place || (twin.bytes == 0 && entry.bytes == 0) {
            continue;
        }
        left = left
            .checked_sub(entry.bytes.into())
            .ok_or_else(|| Obstacle::charged("xencenter-joliet", "the files overlap on the image"))?;
        if twin.bytes != entry.bytes || !equal(subject, entry, twin) {
            problems.push(format!("{path} has another content by its Joliet name"));
        }
    }
    // Joliet has no links: what Linux sees as one is there as a file, with the content that it leads to.
    let links = subject.image.rock_ridge().unwrap_or_default().iter().filter(|entry| entry.kind == Kind::Special);
    links.for_each(|link| _ = joliet.remove(link.path.as_str()));
    problems.extend(joliet.keys().map(|path| format!("{path} is there by its Joliet name only")));
    Ok(Outcome::of(problems, format!("{} files", entries.iter().filter(|entry| entry.is_file()).count())))
}

fn equal(subject: &Subject<'_>, one: &Entry, other: &Entry) -> bool {
    let mut readers = [one, other].map(|entry| subject.image.source(entry).read_from(0));
    let mut buffers = [vec![0; 1 << 16], vec![0; 1 << 16]];
    let [first, second] = &mut readers;
    let [a, b] = &mut buffers;
    loop {
        let (Ok(got), Ok(also)) = (fill(first, a), fill(second, b)) else { return false };
        if a.get(..got) != b.get(..also) {
            return false;
        }
        if got == 0 {
            return true;
        }
    }
}

/// Reads until the buffer is full or the stream ends.
fn fill(stream: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match stream.read(rest)? {
            0 => break,
            got => filled += got,
        }
    }
    Ok(filled)
}

/// A file at the root, whatever the case of its letters: Joliet readers ignore it.
fn at_root<'s>(subject: &'s Subject<'_>, name: &str) -> Option<&'s str> {
    subject.paths().find(|path| path.eq_ignore_ascii_case(name))
}

fn not_media(subject: &Subject<'_>) -> Found {
    Ok(match at_root(subject, ".treeinfo") {
        Some(path) => Outcome::Failed(vec![format!("there is {path}")]),
        None => Outcome::Passed("no .treeinfo".into()),
    })
}

fn one_format(subject: &Subject<'_>) -> Found {
    Ok(match (at_root(subject, "update.xml"), at_root(subject, "XS-REPOSITORY")) {
        (Some(update), Some(legacy)) => Outcome::Failed(vec![format!("there are both {update} and {legacy}")]),
        _ => Outcome::Passed("one format".into()),
    })
}

fn text(subject: &Subject<'_>) -> Found {
    let texts = [
        ("the label", xapi::label(subject)?, MAX_LABEL),
        ("the version", xapi::version(subject)?, MAX_LABEL),
        ("the description", xapi::description(subject)?, MAX_DESCRIPTION),
    ];
    let mut problems = Vec::new();
    for (what, text, limit) in texts {
        let length = text.chars().count();
        if length > limit {
            problems.push(format!("{what} has {length} characters"));
        }
        if let Some(c) = text.chars().find(|c| !is_printable(*c)) {
            problems.push(format!("{what} has the character {c:?}"));
        }
    }
    Ok(Outcome::of(problems, "printable"))
}

/// Whether a character shows as itself: not those that control, are not seen, or turn the direction of a line.
fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn label(subject: &Subject<'_>) -> Found {
    let label = xen_orchestra::visible_label(subject)?;
    Ok(match label.starts_with("xscontainer") {
        true => Outcome::Passed(label.into()),
        false => Outcome::Failed(vec![format!("the label is {label:?}")]),
    })
}
