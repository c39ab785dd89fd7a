//! What a rehearsal checks: identifiers, reasons and remedies.

use crate::check::{Check, Reader, Set};

const fn dom0(
    id: &'static str,
    rule: &'static str,
    why: &'static str,
    remedy: &'static str,
    source: &'static str,
) -> Check {
    Check { id, reader: Reader::Dom0, set: Set::General, rule, why, remedy, source }
}

pub(super) static CONTENT: Check = dom0(
    "dom0-content",
    "every file unpacks from its package as the package's header says",
    "rpm stops in the middle of an installation when a file's digest or length is another",
    "Build the package again; `rpm -K` and `rpm2cpio | cpio -t` show what is wrong",
    "rpm 4.11, lib/fsm.c",
);

pub(super) static PROGRAMS: Check = dom0(
    "dom0-programs",
    "ELF files are x86-64 and need no symbol above the glibc of the hosts: GLIBC_2.17 before XenServer 9",
    "dom0 before XenServer 9 has glibc 2.17: a program that needs a newer one does not start, and nothing says so before",
    "Link statically, or against glibc 2.17 (a CentOS 7 container, or cargo-zigbuild with x86_64-unknown-linux-gnu.2.17)",
    "CentOS 7 userland of dom0: xcp-ng-rpms/xcp-ng-release, xcp-ng-release.spec",
);

pub(super) static STATIC: Check = Check {
    set: Set::Xscontainer,
    ..dom0(
        "dom0-static",
        "programs are static: they name no ELF interpreter",
        "one binary serves every host release only if it needs nothing from the host's C library",
        "Build with `-C target-feature=+crt-static`, as `cargo xtask pack` does",
        "ARCHITECTURE.md, \"The agent starts on any host\"",
    )
};

pub(super) static BUILD_PATHS: Check = dom0(
    "dom0-build-paths",
    "no file holds the path of a build root",
    "such a path leads nowhere on a host: a program looks for its files where they were built",
    "Build the package so that it takes its final paths, not those below BUILDROOT",
    "rpm, scripts/check-buildroot",
);

pub(super) static CONFLICTS: Check = dom0(
    "dom0-conflicts",
    "no file of the pack belongs to a package of the host",
    "rpm refuses the transaction, and XAPI reports UPDATE_APPLY_FAILED",
    "Choose another path, or obsolete the package that has the file",
    "rpm 4.11, lib/rpmts.c; DDK, rules for supplemental packs",
);

pub(super) static DEPENDENCIES: Check = dom0(
    "dom0-dependencies",
    "whatever the pack requires is there: in the pack, or on the host",
    "XAPI reports UPDATE_APPLY_FAILED, after the precheck was passed",
    "Put the missing package into the pack, or drop the requirement",
    "xen-api, scripts/extensions/pool_update.apply",
);

pub(super) static INSTALL: Check = dom0(
    "dom0-install",
    "upload, introduce, precheck, apply and pool-clean succeed, and the host then has the update",
    "an update that applies without its stamp is lost in silence: XAPI says Success and nothing is installed",
    "See what was found; the checks of yum and XAPI name the likely cause",
    "xen-api, ocaml/xapi/xapi_pool_update.ml, scripts/extensions/pool_update.precheck, pool_update.apply",
);

pub(super) static REFUSAL: Check = dom0(
    "dom0-refusal",
    "a host that cannot take the pack says so in the precheck, with what it lacks, and is left as it was",
    "a refusal at apply, or an unknown error, tells the administrator nothing",
    "Put the requirement on the host into [host] of pack.toml, one capability as a range",
    "xen-api, scripts/extensions/pool_update.precheck",
);

pub(super) static TAKEN: Check = dom0(
    "dom0-taken",
    "at least one known release takes the pack",
    "a pack that every host refuses serves nobody",
    "Widen the range in [host] of pack.toml",
    "xen-api, scripts/extensions/pool_update.precheck",
);

pub(super) static RELEASES: Check = Check {
    set: Set::Xscontainer,
    ..dom0(
        "dom0-releases",
        "8.2.0, 8.2.1 and 8.3.0 take the pack, and 8.1.0 refuses it",
        "these are the releases that the product promises",
        "Correct [host] of pack.toml",
        "README.md, \"Install it on a host\"",
    )
};

pub(super) static SCRIPTLETS: Check = dom0(
    "dom0-scriptlets",
    "every scriptlet ends with exit code 0, on a running host and in the chroot of the host installer",
    "a failing %pre keeps its package out, and a failing %post is only a warning that nobody reads",
    "Make the scriptlet succeed where systemd, XAPI or files are missing",
    "DDK, rules for supplemental packs; rpm 4.11, lib/psm.c",
);

pub(super) static INSTALLER: Check = dom0(
    "dom0-installer",
    "the host installer can put it in: packages land, services are enabled as presets say, the first boot lists the update",
    "a failing package ends the installation of the host",
    "Scriptlets must not need systemd or XAPI; see what was found",
    "xenserver/host-installer, repository.py and backend.py",
);

pub(super) static UPGRADE: Check = dom0(
    "dom0-upgrade",
    "an earlier build is replaced: new versions, new stamp, old stamp and files gone, services restarted at most once",
    "yum leaves out what it does not find newer or marked, and XAPI reports success all the same",
    "Raise the version, own the stamp in update-LABEL, and repair yum's mark in the precheck script",
    "xen-api, scripts/extensions/pool_update.apply; yum 3.4.3, yum/__init__.py",
);

pub(super) static UPGRADE_INSTALLED: Check = dom0(
    "dom0-upgrade-installed",
    "an earlier build that the host installer put in is replaced as well",
    "8.2's yum skips packages of a group that it did not install itself (CA-370575): the old version stays in silence",
    "Let the precheck script write the missing group_member mark for update-LABEL",
    "xen-api, CA-370575; yum 3.4.3, yum/misc.py and yum/rpmsack.py",
);

pub(super) static ORIGINAL: Check = Check {
    set: Set::Xscontainer,
    ..dom0(
        "dom0-original",
        "the original pack 1.0 and its package 10.0.4 are replaced in place, and the service stays enabled",
        "hosts of 8.2 and earlier may still have it; with a lower version the old agent would stay in silence",
        "Keep the name xscontainer and a version above 10.0.4",
        "xcp-ng-rpms/xscontainer, xscontainer.spec",
    )
};

pub(super) static REMOVAL: Check = dom0(
    "dom0-removal",
    "the shipped script removes the packages, leaves no file behind, and makes XAPI forget the update; of this project's pack \
     no folder is left either",
    "there is no other way to remove an update",
    "Correct the script that pack.remove of pack.toml names, or the scriptlets that leave files",
    "DDK, rules for supplemental packs; xen-api, ocaml/xapi/xapi_pool_update.ml",
);

/// All of them, in the order of reports.
pub(super) static ALL: [&Check; 16] = [
    &CONTENT,
    &PROGRAMS,
    &STATIC,
    &BUILD_PATHS,
    &DEPENDENCIES,
    &CONFLICTS,
    &INSTALL,
    &REFUSAL,
    &TAKEN,
    &RELEASES,
    &SCRIPTLETS,
    &INSTALLER,
    &UPGRADE,
    &UPGRADE_INSTALLED,
    &ORIGINAL,
    &REMOVAL,
];
