//! `rpm`: queries of the rehearsed host's packages, and their removal.
//!
//! Options and answers: rpm 4.11, the manual page rpm(8).

use std::sync::Arc;

use super::query_format;
use crate::dom0::erase;
use crate::dom0::host::{Host, Installed};
use crate::dom0::services::Answer;
use crate::rpm::package::{Dependency, Package};
use crate::spec::Operator;

/// `rpm ARGUMENTS`.
///
/// # Errors
/// A call whose effect is not known here.
pub(super) fn rpm(host: &mut Host, arguments: &[String]) -> Result<Answer, String> {
    let call = Call::parse(arguments)?;
    match call.verb {
        Verb::Query => query(host, &call),
        Verb::Erase => Ok(match erase::erase(host, &call.names, call.nodeps) {
            Ok(()) => (0, String::new()),
            Err(refusal) => (1, format!("{refusal}\n")),
        }),
    }
}

/// Whether a call is one that takes packages away.
pub(super) fn is_erasure(arguments: &[String]) -> bool {
    Call::parse(arguments).is_ok_and(|call| call.verb == Verb::Erase)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Query,
    Erase,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Select {
    Names,
    All,
    /// The packages that have these files.
    Files,
    WhatProvides,
}

struct Call {
    verb: Verb,
    select: Select,
    format: Option<String>,
    list: Option<List>,
    nodeps: bool,
    names: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum List {
    Files,
    Requires,
    Provides,
}

impl Call {
    fn parse(arguments: &[String]) -> Result<Call, String> {
        let (mut verb, mut select, mut format, mut list) = (None, Select::Names, None, None);
        let (mut nodeps, mut names) = (false, Vec::new());
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let value = |words: &mut std::slice::Iter<'_, String>| words.next().cloned().ok_or(format!("rpm {word}"));
            match word.as_str() {
                "--query" => verb = Some(Verb::Query),
                "--erase" => verb = Some(Verb::Erase),
                "--all" => select = Select::All,
                "--file" => select = Select::Files,
                "--whatprovides" => select = Select::WhatProvides,
                "--list" => list = Some(List::Files),
                "--requires" => list = Some(List::Requires),
                "--provides" => list = Some(List::Provides),
                "--qf" | "--queryformat" => format = Some(value(&mut words)?),
                "--nodeps" => nodeps = true,
                "--quiet" | "--allmatches" | "--nosignature" | "--nodigest" | "-v" | "--verbose" => {}
                long if long.starts_with("--") => match long.split_once('=') {
                    Some(("--qf" | "--queryformat", text)) => format = Some(text.to_owned()),
                    _ => return Err(format!("rpm {long}")),
                },
                short if short.starts_with('-') && short.len() > 1 => {
                    for letter in short.chars().skip(1) {
                        match letter {
                            'q' => verb = Some(Verb::Query),
                            'e' => verb = Some(Verb::Erase),
                            'a' => select = Select::All,
                            'f' => select = Select::Files,
                            'l' => list = Some(List::Files),
                            'R' => list = Some(List::Requires),
                            'v' => {}
                            _ => return Err(format!("rpm {short}")),
                        }
                    }
                }
                name => names.push(name.to_owned()),
            }
        }
        let verb = verb.ok_or("rpm without a query or an erasure")?;
        Ok(Call { verb, select, format, list, nodeps, names })
    }
}

fn query(host: &Host, call: &Call) -> Result<Answer, String> {
    if call.select == Select::All && !host.complete {
        return Err("rpm -qa on a host of which not all packages are known".into());
    }
    let (mut code, mut said) = (0, String::new());
    let mut effort = query_format::Effort::default();
    let patterns: Vec<Option<&str>> = match call.select {
        Select::All if call.names.is_empty() => vec![None],
        _ => call.names.iter().map(|name| Some(name.as_str())).collect(),
    };
    if patterns.is_empty() {
        return Ok((1, "rpm: no arguments given for query\n".into()));
    }
    for pattern in patterns {
        let found: Vec<&Installed> = match (call.select, pattern) {
            (_, None) => host.packages.iter().collect(),
            (Select::All, Some(pattern)) => return Err(format!("rpm -qa {pattern}")),
            (Select::Names, Some(name)) => host.packages.iter().filter(|i| is_named(&i.package, name)).collect(),
            (Select::WhatProvides, Some(name)) => {
                let wanted = Dependency { name: name.to_owned(), bound: None };
                host.packages.iter().filter(|i| i.package.meets(&wanted)).collect()
            }
            (Select::Files, Some(path)) => {
                let owner = |i: &&Installed| i.package.files.iter().any(|file| file.path == path);
                host.packages.iter().filter(owner).collect()
            }
        };
        if found.is_empty() {
            let Some(name) = pattern else { continue };
            // Another package may have it, of which the capture says nothing; our own names are known to be absent.
            let text = match call.select {
                Select::Files if host.root.exists(name) && !host.complete => {
                    return Err(format!("rpm -qf {name}, of which the owner is not known"));
                }
                Select::Files if host.root.exists(name) => format!("file {name} is not owned by any package"),
                Select::Files => format!("error: file {name}: No such file or directory"),
                Select::WhatProvides => format!("no package provides {name}"),
                _ => format!("package {name} is not installed"),
            };
            code += u8::from(code < 100);
            said += &format!("{text}\n");
            continue;
        }
        for installed in found {
            let text = describe(installed, call, &mut effort)?;
            effort.spend(text.len())?;
            said += &text;
        }
    }
    Ok((code, said))
}

/// `name`, `name-version` or `name-version-release`, each perhaps with `.arch`.
fn is_named(package: &Package, name: &str) -> bool {
    let version = format!("{}-{}", package.name, package.evr.version);
    let release = match &package.evr.release {
        Some(release) => format!("{version}-{release}"),
        None => version.clone(),
    };
    let name = name.strip_suffix(&format!(".{}", package.arch)).unwrap_or(name);
    [&package.name, &version, &release].into_iter().any(|known| known == name)
}

fn describe(installed: &Installed, call: &Call, effort: &mut query_format::Effort) -> Result<String, String> {
    let package = &installed.package;
    let lines = |lines: Vec<String>| lines.into_iter().map(|line| format!("{line}\n")).collect::<String>();
    let mut text = match &call.format {
        Some(format) => query_format::fill(format, &|tag| tag_values(installed, tag), effort)?,
        None if call.list.is_some() => String::new(),
        None => {
            let evr = crate::rpm::package::Evr { epoch: None, ..package.evr.clone() };
            format!("{}-{evr}.{}\n", package.name, package.arch)
        }
    };
    text += &match call.list {
        None => String::new(),
        Some(_) if !installed.files_known => {
            return Err(format!("rpm -ql {}, whose files are not known", package.name));
        }
        Some(List::Files) if package.files.is_empty() => "(contains no files)\n".into(),
        Some(List::Files) => lines(package.files.iter().map(|file| file.path.clone()).collect()),
        Some(List::Requires) => lines(package.requires.iter().map(ToString::to_string).collect()),
        Some(List::Provides) => lines(package.provides.iter().map(ToString::to_string).collect()),
    };
    Ok(text)
}

/// The values of a tag, of those that scripts ask for.
fn tag_values(installed: &Installed, tag: &str) -> Option<Vec<String>> {
    let package = &installed.package;
    let evr = &package.evr;
    let release = evr.release.clone().unwrap_or_default();
    let nvr = format!("{}-{}-{release}", package.name, evr.version);
    let names = |list: &[Dependency]| Some(list.iter().map(|dependency| dependency.name.clone()).collect());
    let versions = |list: &[Dependency]| {
        let version = |d: &Dependency| d.bound.as_ref().map_or(String::new(), |(_, evr)| evr.to_string());
        Some(list.iter().map(version).collect())
    };
    let flags = |list: &[Dependency]| {
        let flag = |d: &Dependency| match d.bound.as_ref().map(|(operator, _)| operator) {
            None => 0,
            Some(Operator::Less) => 2,
            Some(Operator::Greater) => 4,
            Some(Operator::Equal) => 8,
            Some(Operator::LessOrEqual) => 10,
            Some(Operator::GreaterOrEqual) => 12,
        };
        Some(list.iter().map(|dependency| flag(dependency).to_string()).collect())
    };
    let supplied = |value: &dyn Fn(&Arc<crate::dom0::supply::Supplied>) -> String| {
        installed.supplied.as_ref().map(|supplied| vec![value(supplied)])
    };
    match tag {
        "NAME" => Some(vec![package.name.clone()]),
        "VERSION" => Some(vec![evr.version.clone()]),
        "RELEASE" => Some(vec![release]),
        "ARCH" => Some(vec![package.arch.clone()]),
        "EPOCH" => Some(evr.epoch.iter().map(u32::to_string).collect()),
        "EPOCHNUM" => Some(vec![evr.epoch.unwrap_or(0).to_string()]),
        "NVR" => Some(vec![nvr]),
        "NVRA" => Some(vec![format!("{nvr}.{}", package.arch)]),
        "EVR" => Some(vec![evr.to_string()]),
        "NEVRA" => Some(vec![package.to_string()]),
        "REQUIRENAME" | "REQUIRES" => names(&package.requires),
        "REQUIREVERSION" => versions(&package.requires),
        "REQUIREFLAGS" => flags(&package.requires),
        "PROVIDENAME" | "PROVIDES" => names(&package.provides),
        "PROVIDEVERSION" => versions(&package.provides),
        "FILENAMES" if installed.files_known => Some(package.files.iter().map(|file| file.path.clone()).collect()),
        "SHA1HEADER" => supplied(&|supplied| supplied.header_sha1.clone()),
        "SUMMARY" => supplied(&|supplied| supplied.summary.clone()),
        // Captures do not say who made a host's own packages.
        "VENDOR" => Some(supplied(&|supplied| supplied.vendor.clone()).unwrap_or_default()),
        _ => None,
    }
}
