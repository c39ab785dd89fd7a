//! The host installer: what it reads of a pack that is given to it while a host is installed.

use super::subject::Subject;
use super::unpack::Compression;
use super::{Found, Rule};
use crate::check::{Check, Outcome, Reader, Set};

const INSTALLER: Check = Check {
    id: "",
    reader: Reader::HostInstaller,
    set: Set::General,
    rule: "",
    why: "",
    remedy: "",
    source: "host-installer, repository.py",
};

pub(super) const RULES: &[Rule] = &[Rule {
    check: Check {
        id: "installer-repository",
        rule: "primary is compressed with gzip and gives each package one place, one size and one SHA-256",
        why: "the installer reads gzip only and pairs the sums with the packages by their order",
        remedy: "Make the metadata with createrepo_c --general-compress-type gz --checksum sha256",
        ..INSTALLER
    },
    holds: repository,
}];

fn repository(subject: &Subject<'_>) -> Found {
    let primary = subject.primary()?;
    let mut problems = Vec::new();
    let file = subject.repomd()?.iter().find(|file| file.kind == "primary");
    if let Some(file) = file.filter(|file| file.compression != Compression::Gzip) {
        problems.push(format!("{} has {}, not gzip", file.href, file.compression.name()));
    }
    for package in primary {
        let sums = package.checksums.iter().filter(|(kind, _)| kind == "sha256").count();
        for (what, count) in [("SHA-256 sums", sums), ("places", package.hrefs.len()), ("sizes", package.sizes.len())] {
            if count != 1 {
                problems.push(format!("{} has {count} {what} in primary", package.name));
            }
        }
    }
    Ok(Outcome::of(problems, format!("{} packages", primary.len())))
}
