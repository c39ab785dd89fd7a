//! `XS-REPOSITORY` and `XS-PACKAGES`: read by everything that knows the format, in the same way by all.

use super::subject::Subject;
use super::{INSTALLER, Rule, told};
use crate::check::Check;
use crate::legacy::version::meets;
use crate::legacy::{lines, packages, repository};
use crate::spec::legacy::{Product, Test, is_build, is_dotted, is_identifier};
use crate::verify::Found;

pub(super) const RULES: &[Rule] = &[
    Rule {
        check: Check {
            id: "legacy-repository",
            rule: "XS-REPOSITORY is well-formed and has originator, name, product, version, a description and known tests",
            why: "hosts say \"Failed to parse pack metadata\" and install nothing",
            remedy: "Build the pack with suppack or build-supplemental-pack",
            source: "python-libs, xcp/repository.py, Repository._parse_repofile",
            ..INSTALLER
        },
        holds: readable_repository,
    },
    Rule {
        check: Check {
            id: "legacy-packages",
            rule: "XS-PACKAGES is well-formed and gives each package label, type, size and md5, and its file's name",
            why: "hosts say \"Failed to parse pack metadata\" and install nothing",
            remedy: "Build the pack with suppack or build-supplemental-pack",
            source: "python-libs, xcp/repository.py, Repository._create_package",
            ..INSTALLER
        },
        holds: readable_packages,
    },
    Rule {
        check: Check {
            id: "legacy-lines",
            rule: "both files say the same to a reader of lines: one tag on one line, double quotes, no entities",
            why: "the shell installer of older hosts is such a reader: it would hang, or take other values",
            remedy: "Write one element a line, with double quotes, and values without markup",
            source: "supp-pack-build, scripts/suppack-install.sh",
            ..INSTALLER
        },
        holds: same_by_lines,
    },
    Rule {
        check: Check {
            id: "legacy-identity",
            rule: "originator and name are words of letters, digits, '-', '_' and '.', product is XenServer or XCP, and the \
                   version is made of numbers",
            why: "they name a folder in /etc/xensource/installed-repos, and requirements compare the version as numbers",
            remedy: "Correct the attributes of XS-REPOSITORY",
            source: "supp-pack-build, xcp/supplementalpack.py; python-libs, xcp/version.py",
            ..INSTALLER
        },
        holds: identity,
    },
    Rule {
        check: Check {
            id: "legacy-requires",
            rule: "required packs are named, their versions are made of numbers, and some version meets all tests at once",
            why: "no host could take the pack, or its installer would fail on the comparison",
            remedy: "Correct the requires elements, such as originator=\"xs\" name=\"main\" test=\"ge\" version=\"7.0.0\"",
            source: "python-libs, xcp/version.py; supp-pack-build, scripts/suppack-install.py",
            ..INSTALLER
        },
        holds: requires,
    },
];

fn readable_repository(subject: &Subject<'_>) -> Found {
    let repository = subject.repository()?;
    told(Vec::new(), format!("{} {}", repository.identifier(), repository.version))
}

fn readable_packages(subject: &Subject<'_>) -> Found {
    let listed = subject.listed()?;
    match listed.is_empty() {
        true => told(vec![format!("{} lists no package", packages::FILE)], ""),
        false => told(Vec::new(), format!("{} packages", listed.len())),
    }
}

fn same_by_lines(subject: &Subject<'_>) -> Found {
    let (known, listed) = (subject.repository()?, subject.listed()?);
    let text = |file: &str| {
        let bytes = subject.contents.small(file).ok().flatten().unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let mut problems = Vec::new();
    let mut elements = |file: &str, name: &str| match lines::elements(&text(file), name) {
        Ok(found) => found,
        Err(problem) => {
            problems.push(format!("{file} {problem}"));
            Vec::new()
        }
    };
    let repositories = elements(repository::FILE, "repository");
    let descriptions = elements(repository::FILE, "description");
    let requires = elements(repository::FILE, "requires");
    let found = elements(packages::FILE, "package");
    if !problems.is_empty() {
        problems.dedup();
        return told(problems, "");
    }
    let mut compare = |place: &str, what: &str, element: Option<&String>, wanted: Option<&str>| {
        let read = element.and_then(|element| lines::attribute(element, what)).filter(|value| !value.is_empty());
        if read.as_deref() != wanted {
            problems.push(format!(
                "{place}: the attribute {what} is {:?} to XML and {:?} to a reader of lines",
                wanted.unwrap_or_default(),
                read.unwrap_or_default()
            ));
        }
    };
    // The opening tag alone: what follows has attributes of the same names.
    let opening = repositories.first().and_then(|element| Some(element.split_once('>')?.0.to_owned() + ">"));
    for (name, wanted) in [
        ("originator", Some(known.originator.as_str())),
        ("name", Some(known.name.as_str())),
        ("product", Some(known.product.as_str())),
        ("version", Some(known.version.as_str())),
        ("build", known.build.as_deref()),
    ] {
        compare(repository::FILE, name, opening.as_ref(), wanted);
    }
    for (index, needed) in known.requires.iter().enumerate() {
        let place = format!("{}, requires {}", repository::FILE, index + 1);
        for (name, wanted) in [("originator", &needed.originator), ("name", &needed.name), ("test", &needed.test)] {
            compare(&place, name, requires.get(index), Some(wanted.as_str()));
        }
        compare(&place, "version", requires.get(index), Some(needed.version.as_str()));
    }
    for (index, package) in listed.iter().enumerate() {
        let place = format!("{}, package {}", packages::FILE, index + 1);
        for (name, wanted) in [("label", &package.label), ("type", &package.kind), ("md5", &package.md5)] {
            compare(&place, name, found.get(index), Some(wanted.as_str()));
        }
    }
    let texts = listed.iter().map(|package| package.file.as_str()).zip(found.iter());
    for (wanted, element) in texts.chain([known.description.as_str()].into_iter().zip(descriptions.iter())) {
        let read = lines::character_data(element).unwrap_or_default();
        if read.trim() != wanted {
            problems.push(format!("{wanted:?} is {read:?} to a reader of lines"));
        }
    }
    for (what, strict, by_lines) in
        [("requires", known.requires.len(), requires.len()), ("package", listed.len(), found.len())]
    {
        if strict != by_lines {
            problems.push(format!("there are {strict} elements {what} to XML and {by_lines} to a reader of lines"));
        }
    }
    told(problems, "both readers agree")
}

fn identity(subject: &Subject<'_>) -> Found {
    let repository = subject.repository()?;
    let mut problems = Vec::new();
    for (attribute, word) in [("originator", &repository.originator), ("name", &repository.name)] {
        if !is_identifier(word) {
            problems.push(format!("{attribute} is {word:?}"));
        }
    }
    if ![Product::XenServer, Product::Xcp].iter().any(|product| product.as_str() == repository.product) {
        problems.push(format!("product is {:?}", repository.product));
    }
    if !is_dotted(&repository.version) {
        problems.push(format!("version is {:?}", repository.version));
    }
    if let Some(build) = repository.build.as_ref().filter(|build| !is_build(build)) {
        problems.push(format!("build is {build:?}"));
    }
    if let Some(memory) = &repository.memory_requirement_mb
        && memory.parse::<u32>().is_err()
    {
        problems.push(format!("memory-requirement-mb is {memory:?}"));
    }
    told(problems, repository.identifier())
}

fn requires(subject: &Subject<'_>) -> Found {
    let requires = &subject.repository()?.requires;
    let mut problems = Vec::new();
    for needed in requires {
        let id = needed.identifier();
        if !is_identifier(&needed.originator) || !is_identifier(&needed.name) {
            problems.push(format!("{id:?} names no pack"));
        }
        if !is_dotted(&needed.version) {
            problems.push(format!("{id} is required in version {:?}", needed.version));
        }
    }
    if problems.is_empty() {
        for needed in requires {
            let id = needed.identifier();
            let tests: Vec<(Test, &str)> = requires
                .iter()
                .filter(|other| other.identifier() == id)
                .filter_map(|other| Some((other.test.parse().ok()?, other.version.as_str())))
                .collect();
            // Tests divide the versions at those that they name: one of these, just above one, or the lowest.
            let named = tests.iter().flat_map(|(_, version)| [(*version).to_owned(), format!("{version}.0")]);
            let can_be = |version: &str| tests.iter().all(|(test, wanted)| meets(version, *test, wanted) == Some(true));
            if !named.chain(["0".to_owned()]).any(|version| can_be(&version)) {
                problems.push(format!("no version of {id} meets all of its tests"));
            }
        }
        problems.dedup();
    }
    let seen: Vec<String> =
        requires.iter().map(|needed| format!("{} {} {}", needed.identifier(), needed.test, needed.version)).collect();
    told(problems, if seen.is_empty() { "no other pack".to_owned() } else { seen.join(", ") })
}
