//! What XAPI would refuse or misread.

use std::fs;
use std::os::unix::fs::symlink;

use lab::foreign::Role::{Control, Payload, Update};

use super::change::{bytes, file, replace, spec};
use super::{Case, case};

#[rustfmt::skip]
pub(crate) const CASES: &[Case] = &[
    case("xapi-image", "image is cut off in a package", |t| t.recipe.when_imaged(|image| bytes(image, |b| b.truncate(100_000)))),
    case("xapi-image", "image is empty", |t| t.recipe.when_imaged(|image| bytes(image, Vec::clear))),
    case("xapi-image", "image is zeros", |t| t.recipe.when_imaged(|image| bytes(image, |b| b.fill(0)))),
    case("xapi-image", "image has no Rock Ridge names", |t| t.recipe.genisoimage.retain(|option| option != "-r")),
    case("xapi-names", "update.xml is named Update.xml", |t| t.recipe.when_staged(|tree| fs::rename(tree.join("update.xml"), tree.join("Update.xml")).unwrap())),
    case("xapi-names", "update.xml is a link", |t| t.recipe.when_staged(|tree| {
        fs::rename(tree.join("update.xml"), tree.join("docs/update.xml")).unwrap();
        symlink("docs/update.xml", tree.join("update.xml")).unwrap();
    })),
    case("xapi-names", "signature of repomd.xml is missing", |t| t.recipe.when_staged(|tree| fs::remove_file(tree.join("repodata/repomd.xml.asc")).unwrap())),
    case("xapi-names", "signature of update.xml is a folder", |t| t.recipe.when_staged(|tree| {
        fs::remove_file(tree.join("update.xml.asc")).unwrap();
        fs::create_dir(tree.join("update.xml.asc")).unwrap();
    })),
    case("xapi-document", "update.xml has a document type", |t| t.recipe.document.prolog = "<!DOCTYPE update>\n".into()),
    case("xapi-document", "update.xml has another root", |t| t.recipe.document.root = "updates".into()),
    case("xapi-document", "update.xml has a namespace", |t| t.recipe.set("xmlns", "http://example.org/update")),
    case("xapi-document", "update.xml has a prefixed element", |t| t.recipe.document.content += "<x:rollsup xmlns:x=\"urn:x\"/>"),
    case("xapi-document", "update.xml is not closed", |t| t.recipe.document.content += "<rollsup>"),
    case("xapi-document", "update.xml refers to an entity of HTML", |t| t.recipe.document.content += "&nbsp;"),
    case("xapi-document", "update.xml is in another encoding", |t| t.recipe.document.prolog = "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n".into()),
    case("xapi-document", "update.xml has an attribute twice", |t| t.recipe.document.attributes.push(("version".into(), "@VERSION@".into()))),
    case("xapi-uuid", "uuid is in upper case", |t| t.recipe.uuid = t.recipe.uuid.to_uppercase()),
    case("xapi-uuid", "uuid lacks a digit", |t| _ = t.recipe.uuid.pop()),
    case("xapi-uuid", "uuid is not stated", |t| t.recipe.unset("uuid")),
    case("xapi-label", "label has a dot", |t| t.recipe.label = "xscontainer.pack".into()),
    case("xapi-label", "label is a hotfix's", |t| t.recipe.label = "XS82E001".into()),
    case("xapi-label", "label is a release's", |t| t.recipe.label = "XS82".into()),
    case("xapi-label", "label ends with a blank", |t| t.recipe.set("name-label", "@LABEL@ ")),
    case("xapi-label", "label is not stated", |t| t.recipe.unset("name-label")),
    case("xapi-version", "version has a release", |t| t.recipe.set("version", "@VERSION@-1")),
    case("xapi-version", "version is empty", |t| t.recipe.set("version", "")),
    case("xapi-version", "version is not stated", |t| t.recipe.unset("version")),
    case("xapi-description", "description is blank", |t| t.recipe.document.content = "<name-description> \n</name-description>".into()),
    case("xapi-description", "description is missing", |t| t.recipe.document.content.clear()),
    case("xapi-description", "description is there twice", |t| t.recipe.document.content = t.recipe.document.content.repeat(2)),
    case("xapi-description", "description has an element", |t| replace(&mut t.recipe.document.content, "hello", "<b>hello</b>")),
    case("xapi-key", "key is empty", |t| t.recipe.set("key", "")),
    case("xapi-key", "key is the folder", |t| t.recipe.set("key", ".")),
    case("xapi-key", "key is a path", |t| t.recipe.set("key", "/etc/pki/rpm-gpg/@KEY@")),
    case("xapi-key", "key is not stated", |t| t.recipe.unset("key")),
    case("xapi-key", "key has another name than the one given", |t| t.key_file = "RPM-GPG-KEY-other-name".into()),
    case("xapi-size", "size is ten times too large", |t| t.recipe.set("installation-size", "@SIZE@0")),
    case("xapi-size", "size is zero", |t| t.recipe.set("installation-size", "0")),
    case("xapi-size", "size has a unit", |t| t.recipe.set("installation-size", "@SIZE@B")),
    case("xapi-size", "size is not stated", |t| t.recipe.unset("installation-size")),
    case("xapi-guidance", "guidance has a blank", |t| t.recipe.set("after-apply-guidance", "restartXAPI, restartHost")),
    case("xapi-guidance", "guidance has an unknown word", |t| t.recipe.set("after-apply-guidance", "restartHost,restartToolstack")),
    case("xapi-homogeneity", "homogeneity is yes", |t| t.recipe.set("enforce-homogeneity", "yes")),
    case("xapi-control", "control is not stated", |t| t.recipe.unset("control")),
    case("xapi-control", "control is empty", |t| t.recipe.set("control", "")),
    case("xapi-control", "control is another package", |t| t.recipe.set("control", "update-@LABEL@")),
    case("xapi-stamp", "stamp differs", |t| spec(&mut t.recipe, Update, "\n%files\n", "echo >> %{buildroot}/var/update/applied/@UUID@\n\n%files\n")),
    case("xapi-stamp", "stamp has another name", |t| spec(&mut t.recipe, Update, "applied/@UUID@", "applied/@LABEL@")),
    case("xapi-stamp", "stamp is a link", |t| {
        spec(&mut t.recipe, Update, "\n%files\n", "cd %{buildroot}/var/update/applied\nmv @UUID@ xml\nln -s xml @UUID@\n\n%files\n/var/update/applied/xml\n");
        spec(&mut t.recipe, Update, "%attr(0644,root,root) /var/update/applied/@UUID@", "/var/update/applied/@UUID@");
    }),
    case("xapi-precheck", "precheck has no interpreter", |t| spec(&mut t.recipe, Control, "#!/bin/sh\\necho ready", "echo ready")),
    case("xapi-precheck", "precheck wants Python 3", |t| spec(&mut t.recipe, Control, "#!/bin/sh", "#!/usr/bin/python3")),
    case("xapi-precheck", "precheck has line ends of Windows", |t| spec(&mut t.recipe, Control, "#!/bin/sh\\n", "#!/bin/sh\\r\\n")),
    case("xapi-precheck", "precheck is not executable", |t| spec(&mut t.recipe, Control, "%attr(0755,root,root) /var/update/@UUID@/precheck", "%attr(0644,root,root) /var/update/@UUID@/precheck")),
    case("xapi-precheck", "removal script wants zsh", |t| spec(&mut t.recipe, Control, "#!/bin/bash", "#!/usr/bin/zsh")),
    case("xapi-control-files", "control package has a program", |t| file(&mut t.recipe, Control, "%attr(0755,root,root)", "/usr/bin/control")),
    case("xapi-control-files", "control package has scripts of another uuid", |t| file(&mut t.recipe, Control, "%attr(0755,root,root)", "/var/update/@UUID@0/precheck")),
    case("xscontainer-homogeneity", "homogeneity is enforced", |t| t.recipe.set("enforce-homogeneity", "true")),
    case("xscontainer-uuid", "uuid is that of an earlier release", |t| t.released.push(("11.3.0".into(), t.recipe.uuid.clone()))),
    case("xscontainer-version", "version is below a release", |t| t.released.push(("12.0.0".into(), "5b0d3e0c-1d3c-17b4-9a77-5be2f1c0d346".into()))),
    case("xscontainer-version", "version is released already", |t| t.released.push(("11.4.0".into(), "5b0d3e0c-1d3c-17b4-9a77-5be2f1c0d346".into()))),
    case("xscontainer-version", "version is the original's", |t| {
        t.released.clear();
        t.recipe.version = "10.0.4".into();
    }),
    case("xscontainer-version", "version is the first pack's", |t| {
        t.released.clear();
        t.recipe.version = "1.0".into();
    }),
];

#[test]
fn guidance_homogeneity_and_requirements_of_other_packs_are_accepted() {
    let mut trial = super::Trial::general();
    trial.recipe.set("after-apply-guidance", "restartXAPI,restartHost,restartPV,restartHVM");
    trial.recipe.set("enforce-homogeneity", "true");
    trial.recipe.document.prolog = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<!-- a pack -->\n".into();
    trial.recipe.document.content +=
        "\n<rollsup name-label=\"hello-agent\" uuid=\"0b6a3f52-4d8e-1c4b-779a-e2f15bc0d346\"/>";
    spec(&mut trial.recipe, Payload, "Release: 1", "Release: 1.el7");
    spec(&mut trial.recipe, Update, "@VERSION@-1\nRequires: @LABEL@-data", "@VERSION@-1.el7\nRequires: @LABEL@-data");
    assert_eq!(super::surprises(&[], &trial.verify()), [] as [&str; 0]);
}
