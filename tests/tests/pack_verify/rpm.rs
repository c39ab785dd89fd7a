//! What rpm would refuse, or what packages may not do to a host.

use lab::foreign::Role::{Control, Payload, Update};
use lab::foreign::sign_package;
use lab::tools::{command, succeed};

use super::change::{bytes, file, package, payload, section, spec, tag};
use super::{Case, case};

#[rustfmt::skip]
pub(crate) const CASES: &[Case] = &[
    case("rpm-headers", "payload is no package", |t| t.recipe.when_indexed(|tree| bytes(&payload(tree), |b| b.fill(b'x')))),
    case("rpm-headers", "payload is cut off in its header", |t| t.recipe.when_indexed(|tree| bytes(&payload(tree), |b| b.truncate(500)))),
    case("rpm-headers", "payload is empty", |t| t.recipe.when_indexed(|tree| bytes(&payload(tree), Vec::clear))),
    case("rpm-headers", "signature header points outside of itself", |t| t.recipe.when_indexed(|tree| bytes(&payload(tree), |b| b[120..124].fill(0x7f)))),
    case("rpm-headers", "update package claims four thousand million entries", |t| t.recipe.when_indexed(|tree| bytes(&package(tree, "update-"), |b| b[104..108].fill(0xff)))),
    case("rpm-features", "payload is compressed with zstd", |t| t.recipe.package(Payload).macros.push(("_binary_payload".into(), "w3.zstdio".into()))),
    case("rpm-features", "payload has a rich dependency", |t| tag(&mut t.recipe, Payload, "Requires: (bash or dash)")),
    case("rpm-features", "payload requires a version with '^'", |t| tag(&mut t.recipe, Payload, "Requires: other >= 1^git")),
    case("rpm-features", "payload has a file trigger", |t| section(&mut t.recipe, Payload, "%transfiletriggerin -- /usr/lib\n:")),
    case("rpm-features", "payload needs large files", |t| tag(&mut t.recipe, Payload, "Requires: rpmlib(LargeFiles) <= 4.12.0-1")),
    case("rpm-signed", "payload is not signed", |t| t.recipe.package(Payload).signer = None),
    case("rpm-signed", "control package is not signed", |t| t.recipe.package(Control).signer = None),
    case("rpm-signed", "payload is signed by another key", |t| t.recipe.package(Payload).signer = Some("encryption-subkey".into())),
    case("rpm-signed", "packages are signed by another key", |t| t.recipe.packages.iter_mut().for_each(|package| package.signer = Some("encryption-subkey".into()))),
    case("rpm-signed", "payload is signed by an Ed25519 key", |t| t.recipe.package(Payload).signer = Some("ed25519".into())),
    case("rpm-signed", "payload has another package's signature", |t| t.recipe.when_signed(|tree| {
        let from = std::fs::read(package(tree, "update-")).unwrap();
        bytes(&payload(tree), |b| {
            let place = signature(b);
            b[place].copy_from_slice(&from[signature(&from)]);
        });
    })),
    case("rpm-digests", "payload's last byte is another", |t| t.recipe.when_signed(|tree| bytes(&payload(tree), |b| *b.last_mut().unwrap() ^= 1))),
    case("rpm-digests", "update package's last byte is another", |t| t.recipe.when_signed(|tree| bytes(&package(tree, "update-"), |b| *b.last_mut().unwrap() ^= 1))),
    case("rpm-digests", "payload is cut off", |t| t.recipe.when_signed(|tree| bytes(&payload(tree), |b| b.truncate(b.len() - 1)))),
    case("rpm-digests", "payload has bytes after its end", |t| t.recipe.when_signed(|tree| bytes(&payload(tree), |b| b.push(0)))),
    case("rpm-digests", "payload's header was changed", |t| t.recipe.when_signed(|tree| bytes(&payload(tree), |b| {
        let at = b.windows(15).position(|window| window == b"lab.example.org").unwrap();
        b[at] ^= 1;
    }))),
    case("rpm-digests", "payload was damaged after it was listed", |t| t.recipe.when_indexed(|tree| bytes(&payload(tree), |b| *b.last_mut().unwrap() ^= 1))),
    case("rpm-archive-size", "payload does not state its archive's size", |t| t.recipe.when_signed(|tree| bytes(&payload(tree), |b| hide(b, 1007)))),
    case("rpm-archive-size", "payload does not state its MD5", |t| t.recipe.when_signed(|tree| bytes(&payload(tree), |b| hide(b, 1004)))),
    case("rpm-update-requires", "update package does not require the data", |t| spec(&mut t.recipe, Update, "Requires: @LABEL@-data >= @VERSION@-1\n", "")),
    case("rpm-update-requires", "update package requires too old data", |t| spec(&mut t.recipe, Update, "@LABEL@-data >= @VERSION@-1", "@LABEL@-data >= 0.9-1")),
    case("rpm-update-requires", "update package requires newer data", |t| spec(&mut t.recipe, Update, "@LABEL@-data >= @VERSION@-1", "@LABEL@-data >= 99-1")),
    case("rpm-update-requires", "update package requires data of any version", |t| spec(&mut t.recipe, Update, "@LABEL@-data >= @VERSION@-1", "@LABEL@-data")),
    case("rpm-update-requires", "update package forgets a package's epoch", |t| {
        if t.xscontainer {
            spec(&mut t.recipe, Payload, "Version:", "Epoch: 2\nVersion:");
        }
        t.recipe.package(Update).macros.clear();
    }),
    case("rpm-companions", "update package has another version", |t| {
        spec(&mut t.recipe, Update, "Version: @VERSION@", "Version: 99");
    }),
    case("rpm-companions", "control package has an epoch", |t| tag(&mut t.recipe, Control, "Epoch: 1")),
    case("rpm-companions", "control package is for x86_64", |t| spec(&mut t.recipe, Control, "BuildArch: noarch", "BuildArch: x86_64")),
    case("rpm-companions", "control package is another's", |t| spec(&mut t.recipe, Control, "Name: control-@LABEL@", "Name: control-other")),
    case("rpm-companions", "update package is not there at all", |t| t.recipe.packages.retain(|package| package.role != Update)),
    case("rpm-companions", "update package is there in two versions", |t| {
        let mut old = t.recipe.package(Update).clone();
        old.spec = old.spec.replace("Version: @VERSION@", "Version: 0.9");
        t.recipe.packages.push(old);
    }),
    case("rpm-modes", "payload has a setuid program", |t| file(&mut t.recipe, Payload, "%attr(4755,root,root)", "/usr/bin/su2")),
    case("rpm-modes", "payload has a setgid program", |t| file(&mut t.recipe, Payload, "%attr(2755,root,root)", "/usr/bin/sg2")),
    case("rpm-modes", "payload has a file that everybody may write", |t| file(&mut t.recipe, Payload, "%attr(0666,root,root)", "/usr/share/note")),
    case("rpm-modes", "payload has a folder that everybody may write", |t| {
        file(&mut t.recipe, Payload, "%attr(0644,root,root)", "/usr/share/drop/note");
        spec(&mut t.recipe, Payload, "%files\n", "%files\n%attr(1777,root,root) %dir /usr/share/drop\n");
    }),
    case("rpm-places", "payload has a kernel", |t| file(&mut t.recipe, Payload, "%attr(0644,root,root)", "/boot/vmlinuz-9")),
    case("rpm-places", "payload has a repository", |t| file(&mut t.recipe, Payload, "%attr(0644,root,root) %config(noreplace)", "/etc/yum.repos.d/other.repo")),
    case("rpm-places", "payload has a file of root's", |t| file(&mut t.recipe, Payload, "%attr(0600,root,root)", "/root/.ssh/authorized_keys")),
    case("rpm-places", "payload has a temporary file", |t| file(&mut t.recipe, Payload, "%attr(0644,root,root)", "/tmp/note")),
    case("rpm-interpreters", "scriptlet is run by Python 3", |t| section(&mut t.recipe, Payload, "%pretrans -p /usr/bin/python3\npass")),
    case("rpm-interpreters", "trigger is run by zsh", |t| section(&mut t.recipe, Payload, "%triggerin -p /usr/bin/zsh -- bash\n:")),
    case("rpm-interpreters", "update package's scriptlet is run by Ruby", |t| section(&mut t.recipe, Update, "%posttrans -p /usr/bin/ruby\n1")),
    case("rpm-no-modules", "payload has a kernel module", |t| file(&mut t.recipe, Payload, "%attr(0644,root,root)", "/lib/modules/4.19.0+1/updates/x.ko")),
    case("rpm-owners", "payload has a file of daemon's", |t| file(&mut t.recipe, Payload, "%attr(0644,daemon,root)", "/usr/share/note")),
    case("rpm-owners", "payload has a file of the group wheel", |t| file(&mut t.recipe, Payload, "%attr(0644,root,wheel)", "/usr/share/note")),
    case("rpm-owners", "plugin cannot be executed", |t| spec(&mut t.recipe, Payload, "%attr(0755,root,root) /etc/xapi.d", "%attr(0644,root,root) /etc/xapi.d")),
    case("rpm-owners", "unit can be executed", |t| spec(&mut t.recipe, Payload, "%attr(0644,root,root) /usr/lib/systemd", "%attr(0755,root,root) /usr/lib/systemd")),
    case("rpm-config", "configuration is no configuration", |t| spec(&mut t.recipe, Payload, "%config(noreplace) ", "")),
    case("rpm-config", "configuration is replaced", |t| spec(&mut t.recipe, Payload, "%config(noreplace)", "%config")),
];

/// Where the entry of a tag is in the index of a package's signature header.
fn entry(package: &[u8], tag: u32) -> usize {
    let count = u32::from_be_bytes(package[104..108].try_into().unwrap()) as usize;
    let found = (0..count).map(|index| 112 + index * 16).find(|at| package[*at..at + 4] == tag.to_be_bytes());
    found.unwrap_or_else(|| panic!("no tag {tag}"))
}

/// Renames a tag of the signature header to one that nobody knows.
fn hide(package: &mut [u8], tag: u32) {
    let at = entry(package, tag);
    package[at..at + 4].copy_from_slice(&1999_u32.to_be_bytes());
}

/// Where the RSA signature over the header is.
fn signature(package: &[u8]) -> std::ops::Range<usize> {
    let word = |at: usize| u32::from_be_bytes(package[at..at + 4].try_into().unwrap()) as usize;
    let at = entry(package, 268);
    let start = 112 + word(104) * 16 + word(at + 8);
    start..start + word(at + 12)
}

#[test]
fn every_compression_and_scriptlet_that_rpm_4_11_knows_is_accepted() {
    let mut trial = super::Trial::general();
    for (package, payload) in trial.recipe.packages.iter_mut().zip(["w9.xzdio", "w9.bzdio", "w9.lzdio", "w.ufdio"]) {
        package.macros.push(("_binary_payload".into(), payload.into()));
    }
    section(
        &mut trial.recipe,
        Payload,
        "%pretrans -p <lua>\nx = 1\n%posttrans -p /sbin/ldconfig\n%triggerin -p /usr/bin/perl -- bash\n1;",
    );
    assert_eq!(super::surprises(&[], &trial.verify()), [] as [&str; 0]);
}

#[test]
fn packages_that_were_signed_twice_are_accepted() {
    let mut trial = super::Trial::general();
    trial.recipe.when_signed(|tree| {
        let package = payload(tree);
        succeed(command("rpmsign", ["--delsign"]).arg(&package));
        sign_package("rsa4096", &package);
    });
    assert_eq!(super::surprises(&[], &trial.verify()), [] as [&str; 0]);
}

#[test]
fn without_a_key_packages_must_be_signed_by_one_and_the_same() {
    let mut trial = super::Trial::general();
    trial.key = None;
    trial.recipe.package(Payload).signer = Some("encryption-subkey".into());
    let verification = trial.verify();
    let failed: Vec<&str> = verification.failed().map(|verdict| verdict.check.id).collect();
    assert_eq!(failed, ["rpm-signed"]);
}
