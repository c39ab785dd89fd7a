//! What follows from the packages where the author of a pack said nothing.
//!
//! Rules for drivers: XenServer Supplemental Packs and the DDK, "Rules and guidelines"; host-installer, `driver.py`.

use std::collections::BTreeSet;
use std::path::Path;

use crate::install::REMOVAL_SCRIPT;
use crate::rpm::Rpm;
use crate::spec::{Drivers, PackSpec, Requirement};
use crate::{Error, Result};

/// The script without which 8.2 takes no upgrade of a pack that its installer put in.
const PRECHECK: &str = include_str!("precheck.sh");

/// What a module needs of a host.
const KERNEL: &str = "kernel-uname-r";

/// The spec with its gaps filled: a script that lets 8.2 upgrade what its installer put in, unless the author's own do that;
/// a removal script, unless there are kernel modules, which no script can take out of a
/// running kernel; for a driver disk the kernel that its modules are for.
pub(super) fn complete(spec: &PackSpec, payloads: &[Rpm]) -> Result<PackSpec> {
    let mut spec = spec.clone();
    let mut kernels = BTreeSet::new();
    for rpm in payloads {
        kernels.extend(modules(rpm, !spec.drivers.is_none())?);
    }
    if !spec.precheck.iter().any(|script| script.contains("group_member")) {
        spec.precheck.insert(0, PRECHECK.to_owned());
    }
    if spec.remove.is_none() && kernels.is_empty() {
        spec.remove = Some(REMOVAL_SCRIPT.to_owned());
    }
    if spec.drivers.is_none() || !spec.host.is_empty() {
        return Ok(spec);
    }
    let kernels: Vec<String> = kernels.into_iter().collect();
    match kernels.as_slice() {
        [] => {}
        [kernel] => spec
            .host
            .push(Requirement::parse(&format!("{KERNEL} = {kernel}")).map_err(|problem| refused(&spec, problem))?),
        several => {
            return Err(refused(&spec, format!("has modules for several kernels: {}", several.join(", "))));
        }
    }
    Ok(spec)
}

fn refused(spec: &PackSpec, problem: String) -> Error {
    Error::spec(
        &spec.file,
        format!("pack.drivers: the pack {problem}"),
        "Say which hosts it is for, with [host] or --base-requires, or make one pack a kernel",
    )
}

/// Names of the packages that a host installer takes from a driver disk.
pub(super) fn drivers(spec: &PackSpec, payloads: &[Rpm]) -> Result<Vec<String>> {
    let with_modules = |rpm: &&Rpm| modules(rpm, false).is_ok_and(|kernels| !kernels.is_empty());
    let names: Vec<String> = match &spec.drivers {
        Drivers::None => return Ok(Vec::new()),
        Drivers::WithModules => payloads.iter().filter(with_modules).map(|rpm| rpm.name().to_owned()).collect(),
        Drivers::Named(names) => names.clone(),
    };
    let wrong = |problem: String, remedy: &str| Err(Error::spec(&spec.file, format!("pack.drivers {problem}"), remedy));
    if let Some(name) = names.iter().find(|name| !payloads.iter().any(|rpm| rpm.name() == name.as_str())) {
        return wrong(format!("names {name}, which is none of the packages"), "Give its RPM, or remove the name");
    }
    let has_modules = payloads.iter().any(|rpm| names.iter().any(|name| name == rpm.name()) && with_modules(&rpm));
    match has_modules {
        true => Ok(names),
        false => wrong(
            "is set, but no such package has a kernel module below /lib/modules".into(),
            "Remove the key: the host installer would look for drivers in vain",
        ),
    }
}

/// The kernels that a package has modules for.
///
/// # Errors
/// With `strict`, a module lies where it would replace one of the kernel's own, or where no kernel looks.
fn modules(rpm: &Rpm, strict: bool) -> Result<BTreeSet<String>> {
    let mut kernels = BTreeSet::new();
    for file in rpm.metadata().get_file_entries().unwrap_or_default() {
        let path = format!("{}{}", file.dirname(), file.basename());
        let Some(below) = ["/lib/modules/", "/usr/lib/modules/"].iter().find_map(|root| path.strip_prefix(root)) else {
            continue;
        };
        if ![".ko", ".ko.gz", ".ko.xz"].iter().any(|end| below.ends_with(end)) {
            continue;
        }
        let (kernel, rest) = below.split_once('/').unwrap_or((below, ""));
        if strict && !["updates", "extra"].iter().any(|folder| Path::new(rest).starts_with(folder)) {
            return Err(Error::payload(
                rpm.source().name(),
                format!("has the module {path}, which is not below /lib/modules/{kernel}/updates or extra"),
                "Install modules there: elsewhere they replace the kernel's own, or are not found",
            ));
        }
        kernels.insert(kernel.to_owned());
    }
    Ok(kernels)
}
