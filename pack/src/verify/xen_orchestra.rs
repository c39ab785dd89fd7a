//! Xen Orchestra: what it lists of a host's packs.

use super::subject::Subject;
use super::{Found, Obstacle, Rule, xapi};
use crate::check::{Check, Outcome, Reader, Set};

const XEN_ORCHESTRA: Check = Check {
    id: "",
    reader: Reader::XenOrchestra,
    set: Set::General,
    rule: "",
    why: "",
    remedy: "",
    source: "xen-orchestra, packages/xo-server/src/xapi-object-to-xo.mjs",
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        check: Check {
            id: "xen-orchestra-label",
            rule: "the label does not begin with XS in upper case",
            why: "Xen Orchestra takes it for a hotfix and leaves it out of the list of supplemental packs",
            remedy: "Change pack.label in pack.toml, for example to lower case",
            ..XEN_ORCHESTRA
        },
        holds: |subject| visible_label(subject).map(|label| Outcome::Passed(label.into())),
    },
    Rule {
        check: Check {
            id: "xen-orchestra-author",
            set: Set::Xscontainer,
            rule: "the key's name has four parts with '-' between them, such as RPM-GPG-KEY-vendor",
            why: "Xen Orchestra shows the fourth as the pack's author, and nothing if there is none",
            remedy: "Change pack.key-file in pack.toml",
            ..XEN_ORCHESTRA
        },
        holds: author,
    },
];

/// The label, if Xen Orchestra lists it.
pub(super) fn visible_label<'s>(subject: &'s Subject<'_>) -> Result<&'s str, Obstacle> {
    let label = xapi::label(subject)?;
    match label.starts_with("XS") {
        true => Err(Obstacle::charged("xen-orchestra-label", format!("the label is {label:?}"))),
        false => Ok(label),
    }
}

fn author(subject: &Subject<'_>) -> Found {
    let key = xapi::key_name(subject)?;
    Ok(match key.split('-').nth(3).filter(|author| !author.is_empty()) {
        Some(author) => Outcome::Passed(author.into()),
        None => Outcome::Failed(vec![format!("the key's name is {key:?}")]),
    })
}
