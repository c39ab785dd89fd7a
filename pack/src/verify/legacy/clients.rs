//! Clients: they see a pack of this format only as a line that XAPI makes of `XS-REPOSITORY`, in a host's
//! `software_version`.

use super::subject::Subject;
use super::{INSTALLER, Rule, told};
use crate::check::{Check, Reader, Set};
use crate::legacy::{packages, repository};
use crate::verify::Found;
use crate::xml::Document;

pub(super) const RULES: &[Rule] = &[
    Rule {
        check: Check {
            id: "xapi-pack-entry",
            reader: Reader::Xapi,
            rule: "the first element in XS-REPOSITORY is the description, with text and nothing else in it",
            why: "XAPI takes the first child for the description, and does not publish a pack without: no client sees it",
            remedy: "Let <description>text</description> come first",
            source: "xen-api, ocaml/xapi/create_misc.ml, make_packs_info",
            ..INSTALLER
        },
        holds: published,
    },
    Rule {
        check: Check {
            id: "xencenter-pack-entry",
            reader: Reader::XenCenter,
            rule: "XenCenter can take \"<description>, version <version>, build <build>\" apart again, and there is a build",
            why: "it does not see the pack otherwise; without a build it misreads one that enforces homogeneity",
            remedy: "Give a build, and a description without \", version \"",
            source: "xenadmin, XenModel/XenAPI-Extensions/Host.cs, SuppPack",
            ..INSTALLER
        },
        holds: xencenter,
    },
    Rule {
        check: Check {
            id: "xen-orchestra-pack-entry",
            reader: Reader::XenOrchestra,
            rule: "the description has no comma before a space",
            why: "Xen Orchestra takes what follows the first for the version",
            remedy: "Write the description without it",
            source: "xen-orchestra, packages/xo-server/src/xapi-object-to-xo.mjs",
            ..INSTALLER
        },
        holds: xen_orchestra,
    },
    Rule {
        check: Check {
            id: "xencenter-pack-name",
            reader: Reader::XenCenter,
            set: Set::Xscontainer,
            rule: "the pack's name begins with xscontainer, it enforces no homogeneity, and it takes the original's place",
            why: "XenCenter offers container management by that name, and pools would warn of hosts that lack this very build",
            remedy: "Correct [legacy] in spec/pack.toml",
            source: "xenadmin, XenModel/Utils/Helpers.cs, ContainerCapability",
        },
        holds: own_name,
    },
];

fn published(subject: &Subject<'_>) -> Found {
    let known = subject.repository()?;
    let bytes = subject.contents.small(repository::FILE).ok().flatten().unwrap_or_default();
    let document = Document::parse(&bytes).map_err(|problem| {
        crate::verify::Obstacle::charged("legacy-repository", format!("{} {problem}", repository::FILE))
    })?;
    let first = document.root.children.first();
    let fits = first.is_some_and(|first| first.children.is_empty() && !first.text.is_empty());
    let named = first.map_or_else(|| "nothing".to_owned(), |first| first.name.clone());
    let problem = match fits && named == "description" {
        true => None,
        false => Some(format!("the first element is {named:?}, or has no text alone")),
    };
    told(problem.into_iter().collect(), known.published())
}

fn xencenter(subject: &Subject<'_>) -> Found {
    let repository = subject.repository()?;
    let mut problems = Vec::new();
    if repository.identifier().matches(':').count() != 1 {
        problems.push(format!("{} does not have exactly one colon", repository.identifier()));
    }
    if repository.description.is_empty() || repository.description.contains(", version ") {
        problems.push(format!("the description is {:?}", repository.description));
    }
    if repository.version.contains(", ") {
        problems.push(format!("the version is {:?}", repository.version));
    }
    match &repository.build {
        None => problems.push("there is no build".into()),
        Some(build) if build.contains(", ") => problems.push(format!("the build is {build:?}")),
        Some(_) => {}
    }
    told(problems, repository.published())
}

fn xen_orchestra(subject: &Subject<'_>) -> Found {
    let repository = subject.repository()?;
    let broken = repository.description.contains(", ");
    let problem = broken.then(|| format!("the description is {:?}", repository.description));
    told(problem.into_iter().collect(), repository.published())
}

fn own_name(subject: &Subject<'_>) -> Found {
    let known = subject.repository()?;
    let mut problems = Vec::new();
    if !known.name.starts_with("xscontainer") {
        problems.push(format!("the name is {:?}", known.name));
    }
    if known.enforce_homogeneity {
        problems.push("it enforces homogeneity".into());
    }
    if !known.replaces.iter().any(|id| id == "xs:xscontainer") {
        problems.push("it does not replace xs:xscontainer".into());
    }
    if !subject.listed()?.iter().any(|package| package.label == "xscontainer") {
        problems.push(format!("{} has no package xscontainer", packages::FILE));
    }
    told(problems, known.identifier())
}
