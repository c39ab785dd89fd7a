//! One thing broken at a time: exactly the check that is for it fails.

use ::rpm::{Dependency, FileMode, FileOptions, Scriptlet};

use super::plan::*;
use super::*;
use crate::generation::Generation;

type Break = fn(&mut Plan);

/// Id of the check, what is broken, and how.
#[rustfmt::skip]
const CASES: &[(&str, &str, Break)] = &[
    ("xapi-image", "cut off", |p| p.image = Box::new(|image| image.truncate(60_000))),
    ("xapi-image", "not an image", |p| p.image = Box::new(|image| image.fill(0))),
    ("xapi-names", "no update.xml", |p| p.files = Box::new(|files| _ = files.remove("update.xml"))),
    ("xapi-names", "another case", |p| p.files = Box::new(|files| rename(files, "update.xml.asc", "Update.xml.asc"))),
    ("xapi-names", "no signature", |p| p.files = Box::new(|files| _ = files.remove("repodata/repomd.xml.asc"))),
    ("xapi-document", "cut off", |p| p.document.truncate(80)),
    ("xapi-document", "another root", |p| p.document = p.document.replace("update ", "pack ").replace("</update", "</pack")),
    ("xapi-document", "a document type", |p| p.document.insert_str(0, "<!DOCTYPE update>")),
    ("xapi-document", "a namespace", |p| p.document = p.document.replace("<update", "<update xmlns=\"urn:x\"")),
    ("xapi-document", "an entity", |p| p.document = p.document.replace("Shows", "&shows;")),
    ("xapi-uuid", "upper case", |p| p.document = p.document.replace(UUID, &UUID.to_uppercase())),
    ("xapi-uuid", "absent", |p| p.document = p.document.replace("uuid=", "id=")),
    ("xapi-label", "a blank", |p| p.document = p.document.replace("\"xscontainer\"", "\"xs container\"")),
    ("xapi-label", "a hotfix", |p| p.document = p.document.replace("\"xscontainer\"", "\"XS82E001\"")),
    ("xapi-version", "a dash", |p| p.document = p.document.replace(VERSION, "11.0-0")),
    ("xapi-description", "blank", |p| p.document = p.document.replace("Shows containers", " ")),
    ("xapi-description", "two", |p| p.document = p.document.replace("</update>", "<name-description>x</name-description></update>")),
    ("xapi-description", "an element", |p| p.document = p.document.replace("Shows", "<b>Shows</b>")),
    ("xapi-key", "empty", |p| { p.document = p.document.replace(KEY_FILE, ""); p.beside = None; }),
    ("xapi-key", "a path", |p| { p.document = p.document.replace(KEY_FILE, "/etc/passwd"); p.beside = None; }),
    ("xapi-key", "another file", |p| p.key.as_mut().unwrap().0 = "key.asc".into()),
    ("xapi-size", "another", |p| p.document = p.document.replace("{size}", "1{size}")),
    ("xapi-size", "absent", |p| p.document = p.document.replace("installation-size", "size")),
    ("xapi-guidance", "a blank", |p| attribute(p, "after-apply-guidance=\"restartXAPI, restartHost\"")),
    ("xapi-homogeneity", "a word", |p| attribute(p, "enforce-homogeneity=\"yes\"")),
    ("xapi-control", "absent", |p| p.document = p.document.replace("control=", "ctl=")),
    ("xapi-control", "another", |p| p.document = p.document.replace("control-xscontainer", "control-other")),
    ("xapi-stamp", "another content", |p| p.stamp = Some(p.document.replace("Shows", "Hides"))),
    ("xapi-stamp", "another name", |p| p.stamp_path = format!("/var/update/applied/{OTHER_UUID}")),
    ("xapi-precheck", "no interpreter", |p| p.control = control_with("precheck", "exit 0\n", 0o755)),
    ("xapi-precheck", "a foreign interpreter", |p| p.control = control_with("remove", "#!/usr/bin/python3\n", 0o755)),
    ("xapi-precheck", "line ends of Windows", |p| p.control = control_with("precheck", "#!/bin/sh\r\n", 0o755)),
    ("xapi-precheck", "not executable", |p| p.control = control_with("precheck", "#!/bin/sh\n", 0o644)),
    ("xapi-control-files", "elsewhere", |p| add(&mut p.control, "/usr/bin/control", "x", 0o755)),
    ("xscontainer-homogeneity", "enforced", |p| attribute(p, "enforce-homogeneity=\"true\"")),
    ("xscontainer-uuid", "of another version", |p| p.released = release("11.1.0", UUID)),
    ("xscontainer-version", "released", |p| p.released = release("11.1.0", OTHER_UUID)),
    ("xscontainer-version", "released as well", |p| p.released = release(VERSION, OTHER_UUID)),
    ("yum-repomd", "another checksum", |p| p.stored_later("filelists.xml.gz")),
    ("yum-repomd", "a missing file", |p| p.files = Box::new(|files| _ = files.remove("repodata/other.xml.gz"))),
    ("yum-repomd", "no other", |p| p.repomd = Box::new(|text| text.replace("\"other\"", "\"another\""))),
    ("yum-repomd", "no primary", |p| p.repomd = Box::new(|text| text.replace("\"primary\"", "\"first\""))),
    ("yum-repomd", "no group", |p| p.repomd = Box::new(|text| text.replace("\"group", "\"crowd"))),
    ("yum-repomd", "another size", |p| p.repomd = Box::new(|text| text.replacen("<size>", "<size>1", 1))),
    ("yum-repomd", "another open checksum", |p| p.repomd = Box::new(|text| {
        text.replacen("<location", "<open-checksum type=\"sha256\">00</open-checksum><location", 1)
    })),
    ("yum-repomd", "malformed", |p| p.repomd = Box::new(|text| text.replace("</repomd>", ""))),
    ("yum-compression", "zstd", |p| p.stored = store("filelists.xml.gz", b"\x28\xb5\x2f\xfdrest")),
    ("yum-compression", "zstd primary", |p| p.stored = store("primary.xml.gz", b"\x28\xb5\x2f\xfdrest")),
    ("yum-compression", "zchunk", |p| p.stored = store("other.xml.gz", b"\0ZCK1rest")),
    ("yum-packages", "one too many", |p| p.files = Box::new(|files| copy(files, PAYLOAD, "Packages/more.rpm"))),
    ("yum-packages", "one missing", |p| p.files = Box::new(|files| _ = files.remove(PAYLOAD))),
    ("yum-packages", "a companion missing", |p| p.files = Box::new(|files| _ = files.remove(UPDATE))),
    ("yum-packages", "a changed signature", |p| p.files = Box::new(|files| files.get_mut(PAYLOAD).unwrap()[300] ^= 1)),
    ("yum-packages", "another size", |p| p.primary = Box::new(|text| text.replacen("size package=\"", "size package=\"1", 1))),
    ("yum-packages", "another checksum", |p| p.primary = Box::new(|text| text.replacen("pkgid=\"YES\">", "pkgid=\"YES\">0", 1))),
    ("yum-packages", "a bomb", |p| p.stored = Box::new(|name, stored| {
        if name == "primary.xml.gz" { *stored = gzip(&vec![b' '; 17 << 20]); }
    })),
    ("yum-packages", "malformed", |p| p.primary = Box::new(|text| text.replace("</metadata>", ""))),
    ("yum-packages", "not in Packages", |p| {
        p.files = Box::new(|files| rename(files, PAYLOAD, "payload.rpm"));
        p.primary = Box::new(|text| text.replace(PAYLOAD, "payload.rpm"));
    }),
    ("yum-capabilities", "no self-provide", |p| p.primary = Box::new(|text| {
        text.replace("<rpm:entry name=\"xscontainer\" flags=\"EQ\" epoch=\"0\" ver=\"11.0.0\" rel=\"1\"/>", "")
    })),
    ("yum-capabilities", "another requirement", |p| p.primary = Box::new(|text| text.replace("ver=\"8.2.0\"", "ver=\"8.1.0\""))),
    ("yum-capabilities", "another version", |p| p.primary = Box::new(|text| text.replacen("<version epoch=\"0\"", "<version epoch=\"1\"", 1))),
    ("yum-capabilities", "another name", |p| p.primary = Box::new(|text| text.replace("<name>update-", "<name>upgrade-"))),
    ("yum-group", "another id", |p| p.comps = Box::new(|comps| comps.replace("<id>update<", "<id>updates<"))),
    ("yum-group", "optional", |p| p.comps = Box::new(|comps| comps.replace("mandatory", "optional"))),
    ("yum-group", "a malformed document type", |p| p.comps = Box::new(|comps| comps.replace("\"-//", "&quot;-//"))),
    ("yum-group", "another member", |p| p.comps = Box::new(|comps| comps.replace("update-xscontainer", "xscontainer"))),
    ("yum-group", "forms that differ", |p| p.stored = Box::new(|name, stored| if name == "comps.xml" { stored.push(b'\n'); })),
    ("yum-drivers-group", "no drivers", |p| p.comps = Box::new(|comps| comps.replace("</comps>", "<group><id>drivers</id></group></comps>"))),
    ("yum-control-unpinned", "exact", |p| _ = p.update.requires(Dependency::eq("control-xscontainer", "11.0.0-1"))),
    ("yum-host-range", "exact", |p| _ = p.control.requires(Dependency::eq("product-version", "8.2.0"))),
    ("yum-one-host-capability", "two", |p| _ = p.control.requires(Dependency::greater_eq("platform-version", "3.2.0"))),
    ("yum-foreign-names", "obsoletes", |p| _ = p.payload[0].obsoletes(Dependency::less("xapi-core", "2"))),
    ("yum-foreign-names", "provides", |p| _ = p.payload[0].provides(Dependency::eq("product-version", "9"))),
    ("yum-foreign-names", "conflicts", |p| _ = p.payload[0].conflicts(Dependency::any("systemd"))),
    ("rpm-headers", "no package", |p| p.files = Box::new(|files| files.get_mut(PAYLOAD).unwrap()[0] ^= 1)),
    ("rpm-features", "a rich dependency", |p| _ = p.payload[0].requires(Dependency::any("(a or b)"))),
    ("rpm-features", "a caret", |p| _ = p.payload[0].requires(Dependency::greater_eq("other", "1^2"))),
    ("rpm-signed", "another key", |p| p.package_key = &OTHER_KEY),
    ("rpm-signed", "no signature", |p| p.package = package(PAYLOAD, |bytes| hide_signature_tag(bytes, 268))),
    ("rpm-digests", "payload", |p| p.files = Box::new(|files| *files.get_mut(PAYLOAD).unwrap().last_mut().unwrap() ^= 1)),
    ("rpm-digests", "a companion's payload", |p| p.files = Box::new(|files| *files.get_mut(UPDATE).unwrap().last_mut().unwrap() ^= 1)),
    ("rpm-digests", "header", |p| p.files = Box::new(|files| {
        let package = files.get_mut(PAYLOAD).unwrap();
        let at = package.windows(9).position(|window| window == b"A package").unwrap();
        package[at] ^= 1;
    })),
    ("rpm-digests", "cut off", |p| p.files = Box::new(|files| _ = files.get_mut(PAYLOAD).unwrap().pop())),
    ("rpm-archive-size", "no size", |p| p.package = package(PAYLOAD, |bytes| hide_signature_tag(bytes, 1007))),
    ("rpm-archive-size", "no MD5", |p| p.package = package(PAYLOAD, |bytes| hide_signature_tag(bytes, 1004))),
    ("rpm-update-requires", "nothing", |p| p.update = builder("update-xscontainer", VERSION, "noarch")),
    ("rpm-update-requires", "too little", |p| {
        p.update = builder("update-xscontainer", VERSION, "noarch");
        p.update.requires(Dependency::greater_eq("xscontainer", "10.0.0-1"));
    }),
    ("rpm-companions", "another label", |p| p.document = p.document.replace("\"xscontainer\"", "\"xscontainers\"")),
    ("rpm-companions", "another version", |p| p.document = p.document.replace(VERSION, "11.0.1")),
    ("rpm-companions", "another architecture", |p| {
        p.control = builder("control-xscontainer", VERSION, "x86_64");
    }),
    ("rpm-modes", "setuid", |p| add(&mut p.payload[0], "/usr/bin/su", "x", 0o4755)),
    ("rpm-modes", "for everyone", |p| add(&mut p.payload[0], "/usr/share/note", "x", 0o666)),
    ("rpm-places", "boot", |p| add(&mut p.payload[0], "/boot/vmlinuz", "x", 0o644)),
    ("rpm-places", "a repository", |p| {
        let options = FileOptions::new("/etc/yum.repos.d/x.repo").mode(FileMode::regular(0o644)).config().noreplace();
        p.payload[0].with_file_contents("x", options).unwrap();
    }),
    ("rpm-interpreters", "python3", |p| {
        p.payload[0].post_install_script(Scriptlet::new("pass").prog(vec!["/usr/bin/python3"]));
    }),
    ("rpm-no-modules", "a module", |p| add(&mut p.payload[0], "/lib/modules/4.19.0+1/updates/x.ko", "x", 0o644)),
    ("rpm-owners", "another user", |p| {
        let options = FileOptions::new("/usr/share/x").mode(FileMode::regular(0o644)).user("nobody");
        p.payload[0].with_file_contents("x", options).unwrap();
    }),
    ("rpm-owners", "a plugin", |p| add(&mut p.payload[0], "/etc/xapi.d/plugins/xscontainer", "x", 0o644)),
    ("rpm-owners", "a unit", |p| add(&mut p.payload[0], "/usr/lib/systemd/system/x.service", "x", 0o755)),
    ("rpm-config", "replaced", |p| add(&mut p.payload[0], "/etc/x.conf", "x", 0o644)),
    ("dom0-generations", "an older host", |p| p.generations = vec![Generation::find("7.0").unwrap()]),
    ("gpg-key", "corrupt", |p| p.key.as_mut().unwrap().1.truncate(500)),
    ("gpg-key", "two in one file", |p| p.key.as_mut().unwrap().1.extend(OTHER_KEY.certificate().armored().into_bytes())),
    ("gpg-key", "unfit", |p| p.key.as_mut().unwrap().1 = b"\xffnot text".to_vec()),
    ("gpg-update-xml", "changed", |p| p.files = Box::new(|files| {
        let document = files.get_mut("update.xml").unwrap();
        *document = String::from_utf8(document.clone()).unwrap().replace("Shows", "Hides").into_bytes();
    })),
    ("gpg-update-xml", "bare", |p| p.files = Box::new(|files| _ = files.insert("update.xml.asc".into(), b"\x89\x02".to_vec()))),
    ("gpg-update-xml", "two", |p| p.files = Box::new(|files| {
        let twice = files["update.xml.asc"].repeat(2);
        files.insert("update.xml.asc".into(), twice);
    })),
    ("gpg-update-xml", "the future", |p| p.files = sign("update.xml", &KEY, NOW as u32 + 1)),
    ("gpg-update-xml", "older than the key", |p| p.files = sign("update.xml", &KEY, 1_600_000_000)),
    ("gpg-repomd", "another key", |p| p.files = sign("repodata/repomd.xml", &OTHER_KEY, EPOCH)),
    ("gpg-repomd", "a changed list", |p| p.files = Box::new(|files| {
        let repomd = files.get_mut("repodata/repomd.xml").unwrap();
        *repomd = String::from_utf8(repomd.clone()).unwrap().replacen("<size>", "<size>1", 1).into_bytes();
    })),
    ("gpg-key-file", "another key", |p| p.beside.as_mut().unwrap().1 = OTHER_KEY.certificate().armored().into_bytes()),
    ("gpg-key-file", "not there", |p| p.beside.as_mut().unwrap().0 = "other".into()),
    ("gpg-key-file", "another key than signed", |p| {
        p.key = None;
        p.beside.as_mut().unwrap().1 = OTHER_KEY.certificate().armored().into_bytes();
    }),
    ("xencenter-file-name", "no .iso", |p| p.file_name = "xscontainer.img".into()),
    ("xencenter-file-name", "a hotfix", |p| p.file_name = "XS82E001.iso".into()),
    ("xencenter-joliet", "another name", |p| p.image = Box::new(|image| {
        let name: Vec<u8> = "update.xml".encode_utf16().flat_map(u16::to_be_bytes).collect();
        let at = image.windows(name.len()).position(|window| window == name).unwrap();
        image[at + 1] = b'x';
    })),
    ("xencenter-not-media", ".treeinfo", |p| p.files = Box::new(|files| _ = files.insert(".treeinfo".into(), b"x".to_vec()))),
    ("xencenter-one-format", "both", |p| p.files = Box::new(|files| _ = files.insert("XS-REPOSITORY".into(), b"x".to_vec()))),
    ("xencenter-text", "too long", |p| p.document = p.document.replace("Shows", &"long ".repeat(60))),
    ("xencenter-text", "two lines", |p| p.document = p.document.replace("Shows", "Shows\n")),
    ("xencenter-text", "backwards", |p| p.document = p.document.replace("Shows", "\u{202e}Shows")),
    ("xencenter-label", "another", |p| relabel(p, "containers")),
    ("xen-orchestra-label", "upper case", |p| relabel(p, "XScontainer")),
    ("xen-orchestra-author", "three parts", |p| {
        p.document = p.document.replace(KEY_FILE, "RPM-GPG-KEY");
        p.key.as_mut().unwrap().0 = "RPM-GPG-KEY".into();
        p.beside.as_mut().unwrap().0 = "RPM-GPG-KEY".into();
    }),
    ("installer-repository", "bzip2", |p| p.stored = Box::new(|name, stored| if name == "primary.xml.gz" { *stored = bzip2(stored); })),
    ("installer-repository", "another sum", |p| p.primary = Box::new(|text| text.replacen("type=\"sha256\"", "type=\"sha\"", 1))),
    ("installer-repository", "two places", |p| p.primary = Box::new(|text| {
        let place = format!("<location href=\"{PAYLOAD}\"/>");
        text.replace(&place, &place.repeat(2))
    })),
];

#[test]
fn one_broken_thing_fails_exactly_the_check_that_is_for_it() {
    let mut wrong = Vec::new();
    let results = crate::digest::in_parallel(CASES, |(id, what, change)| {
        let mut plan = Plan::default();
        change(&mut plan);
        let failures = failures(&plan.verify());
        let ids: Vec<&str> = failures.iter().map(|(id, _)| *id).collect();
        (ids != [*id]).then(|| format!("{id}, {what}: {failures:#?}"))
    });
    wrong.extend(results.into_iter().flatten());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_check_is_seen_to_fail() {
    let broken: BTreeSet<&str> = CASES.iter().map(|(id, ..)| *id).collect();
    let never: Vec<&str> = checks().map(|check| check.id).filter(|id| !broken.contains(id)).collect();
    assert_eq!(never, [] as [&str; 0]);
}

impl Plan {
    /// Damages a file of metadata after it was listed.
    fn stored_later(&mut self, name: &'static str) {
        self.files =
            Box::new(move |files| *files.get_mut(&format!("repodata/{name}")).unwrap().last_mut().unwrap() ^= 1);
    }
}

fn attribute(plan: &mut Plan, attribute: &str) {
    plan.document = plan.document.replace("<update ", &format!("<update {attribute} "));
}

fn rename(files: &mut Files, from: &str, to: &str) {
    let content = files.remove(from).unwrap();
    files.insert(to.into(), content);
}

fn copy(files: &mut Files, from: &str, to: &str) {
    files.insert(to.into(), files[from].clone());
}

pub(super) fn store(wanted: &'static str, content: &'static [u8]) -> EditFile {
    Box::new(move |name, stored| {
        if name == wanted {
            *stored = content.to_vec();
        }
    })
}

pub(super) fn package(wanted: &'static str, change: fn(&mut [u8])) -> EditFile {
    Box::new(move |path, bytes| {
        if path == wanted {
            change(bytes);
        }
    })
}

pub(super) fn control_with(script: &str, text: &str, mode: u16) -> ::rpm::PackageBuilder {
    let mut control = control_builder();
    add(&mut control, &format!("/var/update/{UUID}/{script}"), text, mode);
    control
}

fn release(version: &str, uuid: &str) -> String {
    format!("[[release]]\nversion = \"{version}\"\nuuid = \"{uuid}\"\ndate = \"2025-01-01\"\n")
}

fn sign(path: &'static str, key: &'static SoftwareKey, time: u32) -> EditAll<Files> {
    Box::new(move |files| {
        let signature = key.sign(&[&files[path]], time).unwrap().remove(0);
        files.insert(format!("{path}.asc"), signature.armored().into_bytes());
    })
}

fn bzip2(gzipped: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let open = flate2::read::GzDecoder::new(gzipped);
    std::io::copy(&mut ::bzip2::read::BzEncoder::new(open, ::bzip2::Compression::best()), &mut bytes).unwrap();
    bytes
}

/// Another label everywhere.
fn relabel(plan: &mut Plan, label: &'static str) {
    plan.document =
        plan.document.replace("\"xscontainer\"", &format!("\"{label}\"")).replace("control-xs", "control-XS-");
    plan.document = plan.document.replace("control-XS-container", &format!("control-{label}"));
    plan.update = builder(&format!("update-{label}"), VERSION, "noarch");
    plan.update.requires(Dependency::greater_eq("xscontainer", "11.0.0-1"));
    plan.control = builder(&format!("control-{label}"), VERSION, "noarch");
    plan.comps = Box::new(move |comps| comps.replace("update-xscontainer", &format!("update-{label}")));
}
