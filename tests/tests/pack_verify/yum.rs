//! What yum would refuse, or silently not install.

use std::fs;
use std::path::Path;

use lab::foreign::Role::{Control, Payload, Update};
use lab::foreign::{edit_metadata, replace_metadata, store_metadata};
use lab::tools::{command, outcome, succeed};

use super::change::{bytes, file, in_file, package, payload, replace, spec, tag};
use super::{Case, case};

#[rustfmt::skip]
pub(crate) const CASES: &[Case] = &[
    case("yum-repomd", "filelists were damaged after they were listed", |t| t.recipe.when_indexed(|tree| bytes(&tree.join("repodata/filelists.xml.gz"), |b| *b.last_mut().unwrap() ^= 1))),
    case("yum-repomd", "primary was cut off after it was listed", |t| t.recipe.when_indexed(|tree| bytes(&tree.join("repodata/primary.xml.gz"), |b| b.truncate(200)))),
    case("yum-repomd", "comps were changed after they were listed", |t| t.recipe.when_indexed(|tree| in_file(&tree.join("repodata/comps.xml"), "</comps>", "</comps>\n"))),
    case("yum-repomd", "other is not listed", |t| t.recipe.when_indexed(|tree| unlist(tree, "other"))),
    case("yum-repomd", "primary is not listed", |t| t.recipe.when_indexed(|tree| unlist(tree, "primary"))),
    case("yum-repomd", "group is listed in no form", |t| t.recipe.when_indexed(|tree| {
        unlist(tree, "group");
        unlist(tree, "group_gz");
    })),
    case("yum-repomd", "filelists are not there", |t| t.recipe.when_indexed(|tree| fs::remove_file(tree.join("repodata/filelists.xml.gz")).unwrap())),
    case("yum-repomd", "metadata has another size", |t| t.recipe.when_indexed(|tree| in_file(&tree.join("repodata/repomd.xml"), "<size>", "<size>1"))),
    case("yum-repomd", "metadata unpacks to another size", |t| t.recipe.when_indexed(|tree| in_file(&tree.join("repodata/repomd.xml"), "<open-size>", "<open-size>1"))),
    case("yum-repomd", "checksums are of an unknown type", |t| t.recipe.when_indexed(|tree| in_file(&tree.join("repodata/repomd.xml"), "<checksum type=\"sha256\">", "<checksum type=\"crc32\">"))),
    case("yum-repomd", "metadata lies outside of the image", |t| t.recipe.when_indexed(|tree| in_file(&tree.join("repodata/repomd.xml"), "href=\"repodata/other", "href=\"../repodata/other"))),
    case("yum-repomd", "repomd.xml is cut off", |t| t.recipe.when_indexed(|tree| bytes(&tree.join("repodata/repomd.xml"), |b| b.truncate(b.len() - 12)))),
    case("yum-repomd", "repomd.xml is another document", |t| t.recipe.when_indexed(|tree| _ = fs::copy(tree.join("update.xml"), tree.join("repodata/repomd.xml")).unwrap())),
    case("yum-compression", "primary is compressed with zstd", |t| t.recipe.when_indexed(|tree| zstd(tree, "primary"))),
    case("yum-compression", "filelists are compressed with zstd", |t| t.recipe.when_indexed(|tree| zstd(tree, "filelists"))),
    case("yum-compression", "compressed comps are so with zstd", |t| t.recipe.when_indexed(|tree| {
        zstd(tree, "group");
        unlist(tree, "group_gz");
    })),
    case("yum-packages", "folder has a package that is not listed", |t| t.recipe.when_indexed(|tree| _ = fs::copy(payload(tree), tree.join("Packages/more.rpm")).unwrap())),
    case("yum-packages", "root has a package that is not listed", |t| t.recipe.when_indexed(|tree| _ = fs::copy(payload(tree), tree.join("more.rpm")).unwrap())),
    case("yum-packages", "package lies in another folder", |t| t.recipe.when_signed(|tree| {
        fs::create_dir(tree.join("RPMS")).unwrap();
        fs::rename(payload(tree), tree.join("RPMS/payload.rpm")).unwrap();
    })),
    case("yum-packages", "payload is missing", |t| t.recipe.when_indexed(|tree| fs::remove_file(payload(tree)).unwrap())),
    case("yum-packages", "update package is missing", |t| t.recipe.when_indexed(|tree| fs::remove_file(package(tree, "update-")).unwrap())),
    case("yum-packages", "package was signed again after it was listed", |t| t.recipe.when_indexed(|tree| lab::foreign::sign_package("encryption-subkey", &payload(tree)))),
    case("yum-packages", "package lost its signature after it was listed", |t| t.recipe.when_indexed(|tree| _ = succeed(command("rpmsign", ["--delsign"]).arg(payload(tree))))),
    case("yum-packages", "package is listed with another size", |t| t.recipe.when_indexed(|tree| edit_metadata(tree, "primary", |xml| xml.replacen("<size package=\"", "<size package=\"1", 1)))),
    case("yum-packages", "package is listed with another checksum", |t| t.recipe.when_indexed(|tree| edit_metadata(tree, "primary", |xml| xml.replacen("pkgid=\"YES\">", "pkgid=\"YES\">0", 1)))),
    case("yum-packages", "packages are listed twice", |t| t.recipe.when_indexed(|tree| edit_metadata(tree, "primary", twice))),
    case("yum-packages", "primary is not closed", |t| t.recipe.when_indexed(|tree| edit_metadata(tree, "primary", |xml| xml.replace("</metadata>", "")))),
    case("yum-packages", "package is listed outside of the image", |t| t.recipe.when_indexed(|tree| edit_metadata(tree, "primary", |xml| xml.replacen("href=\"Packages/", "href=\"../Packages/", 1)))),
    case("yum-capabilities", "package is listed without its own name", |t| t.recipe.when_indexed(|tree| edit_metadata(tree, "primary", |xml| without(xml, "      <rpm:entry name=\"update-")))),
    case("yum-capabilities", "requirement is listed with another version", |t| t.recipe.when_indexed(|tree| edit_metadata(tree, "primary", |xml| xml.replace("ver=\"8.2.0\"", "ver=\"8.1.0\"")))),
    case("yum-capabilities", "requirement is not listed", |t| t.recipe.when_indexed(|tree| edit_metadata(tree, "primary", |xml| without(xml, "      <rpm:entry name=\"control-")))),
    case("yum-capabilities", "requirement was added to the list", |t| t.recipe.when_indexed(|tree| edit_metadata(tree, "primary", |xml| xml.replacen("<rpm:requires>", "<rpm:requires><rpm:entry name=\"other\"/>", 1)))),
    case("yum-capabilities", "package is listed with another version", |t| t.recipe.when_indexed(|tree| edit_metadata(tree, "primary", |xml| xml.replacen(" ver=\"", " ver=\"9", 1)))),
    case("yum-capabilities", "package is listed with another name", |t| t.recipe.when_indexed(|tree| edit_metadata(tree, "primary", |xml| xml.replace("<name>update-", "<name>upgrade-")))),
    case("yum-capabilities", "package is listed with another architecture", |t| t.recipe.when_indexed(|tree| edit_metadata(tree, "primary", |xml| xml.replacen("<arch>noarch<", "<arch>x86_64<", 1)))),
    case("yum-group", "group has another id", |t| replace(&mut t.recipe.comps, "<id>update<", "<id>updates<")),
    case("yum-group", "group has no members", |t| replace(&mut t.recipe.comps, "<packagereq type=\"mandatory\">update-@LABEL@</packagereq>", "")),
    case("yum-group", "group has the payload only", |t| replace(&mut t.recipe.comps, "update-@LABEL@", "@LABEL@")),
    case("yum-group", "member is optional", |t| replace(&mut t.recipe.comps, "mandatory", "optional")),
    case("yum-group", "comps have a malformed document type", |t| replace(&mut t.recipe.comps, "\"", "&quot;")),
    case("yum-group", "comps are empty", |t| t.recipe.comps.clear()),
    case("yum-group", "forms of comps differ", |t| t.recipe.when_indexed(|tree| edit_metadata(tree, "group_gz", |xml| xml.replace("<id>update<", "<id>updates<")))),
    case("yum-drivers-group", "comps have a group for drivers", |t| replace(&mut t.recipe.comps, "</comps>", "<group><id>drivers</id><name>d</name><packagelist/></group></comps>")),
    case("yum-control-unpinned", "update package pins the control package", |t| spec(&mut t.recipe, Update, "Requires: control-@LABEL@", "Requires: control-@LABEL@ = @VERSION@-1")),
    case("yum-control-unpinned", "update package pins the control package by its version alone", |t| spec(&mut t.recipe, Update, "Requires: control-@LABEL@", "Requires: control-@LABEL@ = @VERSION@")),
    case("yum-host-range", "product version is pinned", |t| spec(&mut t.recipe, Control, "product-version >= 8.2.0", "product-version = 8.2.0")),
    case("yum-host-range", "platform version is pinned", |t| {
        spec(&mut t.recipe, Control, "product-version >= 8.2.0", "platform-version = 3.2.0");
        spec(&mut t.recipe, Control, "Requires: product-version < 8.4.0\n", "");
    }),
    case("yum-one-host-capability", "control package asks for two versions", |t| tag(&mut t.recipe, Control, "Requires: platform-version >= 3.2.0")),
    case("yum-one-host-capability", "control package asks for a package of the host", |t| tag(&mut t.recipe, Control, "Requires: xapi-core")),
    case("yum-foreign-names", "payload obsoletes XAPI", |t| tag(&mut t.recipe, Payload, "Obsoletes: xapi-core < 99")),
    case("yum-foreign-names", "payload provides the kernel", |t| tag(&mut t.recipe, Payload, "Provides: kernel = 5.0")),
    case("yum-foreign-names", "payload conflicts with presets", |t| tag(&mut t.recipe, Payload, "Conflicts: xs-presets < 9")),
    case("yum-foreign-names", "control package provides a product version", |t| tag(&mut t.recipe, Control, "Provides: product-version = 8.2.0")),
];

/// Takes one kind of metadata out of `repomd.xml`; its file stays.
fn unlist(tree: &Path, kind: &str) {
    let repomd = tree.join("repodata/repomd.xml");
    let text = fs::read_to_string(&repomd).unwrap();
    let start = text.find(&format!("<data type=\"{kind}\">")).unwrap();
    let end = start + text[start..].find("</data>").unwrap() + "</data>".len();
    fs::write(repomd, format!("{}{}", &text[..start], &text[end..])).unwrap();
}

fn zstd(tree: &Path, kind: &str) {
    let stored = if kind == "group" { "comps.xml".to_owned() } else { format!("{kind}.xml.gz") };
    let pack = "zcat --force \"$0\" | zstd -q";
    let packed = outcome(command("sh", ["-c", pack]).arg(tree.join("repodata").join(&stored)));
    assert!(packed.success && packed.stdout.starts_with(b"\x28\xb5\x2f\xfd"), "{}", packed.text);
    store_metadata(tree, kind, &format!("{}.zst", stored.trim_end_matches(".gz")), &packed.stdout);
}

/// The same packages again.
fn twice(xml: &str) -> String {
    let (start, end) = (xml.find("<package ").unwrap(), xml.find("</metadata>").unwrap());
    format!("{}{}{}", &xml[..start], xml[start..end].repeat(2), &xml[end..])
}

/// Without the lines that begin so.
fn without(xml: &str, start: &str) -> String {
    xml.lines().filter(|line| !line.starts_with(start)).map(|line| format!("{line}\n")).collect()
}

#[test]
fn other_forms_that_yum_reads_are_accepted() {
    let mut trial = super::Trial::general();
    // A member without a type, no document type, and comps in one form.
    replace(&mut trial.recipe.comps, " type=\"mandatory\"", "");
    replace(
        &mut trial.recipe.comps,
        "<!DOCTYPE comps PUBLIC \"-//Red Hat, Inc.//DTD Comps info//EN\" \"comps.dtd\">",
        "",
    );
    trial.recipe.when_indexed(|tree| {
        unlist(tree, "group");
        for (kind, compression) in [("filelists", "xz"), ("other", "bz2")] {
            let folder = tempfile::tempdir().unwrap();
            let plain = folder.path().join(format!("{kind}.xml"));
            let stored = tree.join(format!("repodata/{kind}.xml.gz"));
            fs::write(&plain, succeed(command("zcat", ["--force"]).arg(stored))).unwrap();
            replace_metadata(tree, kind, &plain, &[&format!("--compress-type={compression}")]);
        }
    });
    assert_eq!(super::surprises(&[], &trial.verify()), [] as [&str; 0]);
}

#[test]
fn metadata_with_databases_and_hashed_names_is_accepted() {
    let mut trial = super::Trial::general();
    trial.recipe.createrepo.retain(|option| !["--simple-md-filenames", "--no-database"].contains(&option.as_str()));
    trial.recipe.createrepo.push("--database".into());
    assert_eq!(super::surprises(&[], &trial.verify()), [] as [&str; 0]);
}

#[test]
fn a_driver_disk_may_have_a_group_for_drivers() {
    let mut trial = super::Trial::general();
    file(&mut trial.recipe, Payload, "%attr(0644,root,root)", "/lib/modules/4.19.0+1/updates/x.ko");
    replace(&mut trial.recipe.comps, "</comps>", "<group><id>drivers</id><name>d</name><packagelist/></group></comps>");
    assert_eq!(super::surprises(&[], &trial.verify()), [] as [&str; 0]);
}

#[test]
fn dependencies_as_rpmbuild_finds_and_authors_write_them_are_accepted() {
    let mut trial = super::Trial::general();
    // A program with libraries and a script, both looked into; and what createrepo leaves out, merges or reorders.
    file(&mut trial.recipe, Payload, "%attr(0755,root,root)", "/usr/bin/program");
    spec(&mut trial.recipe, Payload, "AutoReqProv: no\n", "");
    spec(&mut trial.recipe, Payload, "BuildArch: noarch", "BuildArch: x86_64");
    spec(&mut trial.recipe, Payload, "\n%post\n", "\ncp /usr/bin/env %{buildroot}/usr/bin/program\n\n%post\n");
    for line in [
        "Requires: /usr/bin/hello, hello-server, hello-server = @VERSION@",
        "Requires: libc.so.6()(64bit), libc.so.6(GLIBC_2.4)(64bit), libc.so.6(GLIBC_2.14)(64bit)",
        "Requires: other >= 3:1.0-2, other >= 3:1.0-2, other < 4:0",
        "Requires(pre): shadow-utils",
        "Requires(post): bash >= 4.0",
        "Provides: libhello.so.1()(64bit), virtual(hello) = 2:1-1, /usr/bin/hello-alias",
        "Conflicts: hello-enemy, hello-rival > 9",
        "Recommends: advisable",
        "Supplements: base",
    ] {
        tag(&mut trial.recipe, Payload, line);
    }
    assert_eq!(super::surprises(&[], &trial.verify()), [] as [&str; 0]);
}
