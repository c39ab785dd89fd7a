use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use rpm::{BuildConfig, CompressionType, Dependency, FileMode, FileOptions, PackageBuilder};

use super::*;
use crate::legacy::{Request, build, packages};
use crate::openpgp::SoftwareKey;
use crate::spec::legacy::{Defaults, LegacyTable};
use crate::spec::{LegacySpec, OutputKind, PackVersion, RpmSignatures};
use crate::verify::verify;

struct Unwatched;

impl Progress for Unwatched {
    fn step(&self, _: &str) {}
    fn made(&self, _: &str) {}
    fn advance(&self, _: u64, _: u64) {}
    fn interrupted(&self) -> bool {
        false
    }
}

const TABLE: &str = "originator = \"acme\"\nname = \"xscontainer-tool\"\nreplaces = [\"xs:xscontainer\"]\n\
                     [[requires]]\noriginator = \"xs\"\nname = \"main\"\ntest = \"ge\"\nversion = \"7.0.0\"\n";

fn spec() -> LegacySpec {
    let defaults = Defaults { name: "", vendor: "Acme", description: "Tools by Acme" };
    toml::from_str::<LegacyTable>(TABLE).unwrap().check(defaults, Path::new("/")).unwrap()
}

fn package(folder: &Path, name: &str, requires: &[&str], file: &str, content: &[u8]) -> PathBuf {
    let mut builder = PackageBuilder::new(name, "1.0", "MIT", "noarch", "A package");
    builder.using_config(BuildConfig::v4().compression(CompressionType::Gzip).source_date(1_700_000_000_u32));
    builder.release("1");
    requires.iter().for_each(|name| _ = builder.requires(Dependency::any(*name)));
    builder.with_file_contents(content, FileOptions::new(file).mode(FileMode::regular(0o644))).unwrap();
    let path = folder.join(format!("{name}-1.0-1.noarch.rpm"));
    builder.build().unwrap().write_file(&path).unwrap();
    path
}

/// A pack in every form, in a folder.
fn packs(folder: &Path) -> Vec<PathBuf> {
    let payloads = [
        package(folder, "xscontainer", &["base"], "/usr/bin/tool", b"tool\n"),
        package(folder, "base", &[], "/usr/share/doc/base/EULA", b"Do what you like.\n"),
    ];
    let armored = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/keys/rsa4096.asc")).unwrap();
    let key = SoftwareKey::parse(&armored, "key", 1_735_689_600, &mut || unreachable!()).unwrap();
    let request = Request {
        spec: &spec(),
        version: &PackVersion::new("11.0.0").unwrap(),
        payloads: &payloads,
        signer: Some(&key),
        signatures: RpmSignatures::Replace,
        reorder: true,
        epoch: 1_735_689_600,
        name: "pack",
        outputs: &[OutputKind::Iso, OutputKind::LegacyIso, OutputKind::LegacyTar, OutputKind::LegacyFolder],
        output: &folder.join("out"),
    };
    let written = build(&request, &Unwatched).unwrap();
    written.into_iter().map(|file| file.path).collect()
}

fn look(path: &Path) -> Verification {
    verify(path, &Policy { xscontainer: true, ..Policy::default() }, &Unwatched)
}

fn failed(verification: &Verification) -> Vec<&'static str> {
    verification.failed().map(|verdict| verdict.check.id).collect()
}

#[test]
fn a_pack_by_the_builder_passes_every_check_in_every_form() {
    let folder = tempfile::tempdir().unwrap();
    let written = packs(folder.path());
    let names: BTreeSet<String> =
        written.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    assert_eq!(
        names.into_iter().collect::<Vec<_>>(),
        ["pack", "pack.iso", "pack.iso.md5", "pack.metadata.md5", "pack.tar.gz", "pack.tar.gz.md5"]
    );
    for path in written.iter().filter(|path| path.extension().is_none_or(|end| end != "md5")) {
        let verification = look(path);
        assert_eq!(failed(&verification), Vec::<&str>::new(), "{}: {:#?}", path.display(), verification.verdicts);
        assert_eq!(verification.not_checked().count(), 0);
        assert_eq!(verification.verdicts.len(), checks().count());
        assert_eq!(verification.label.as_deref(), Some("acme:xscontainer-tool"));
        assert_eq!(verification.version.as_deref(), Some("11.0.0"));
    }
}

/// Replaces text in a file of a pack.
fn replace(folder: &Path, file: &str, old: &str, new: &str) {
    let text = fs::read_to_string(folder.join(file)).unwrap();
    assert!(text.contains(old), "{text}");
    fs::write(folder.join(file), text.replacen(old, new, 1)).unwrap();
}

/// Replaces a package, and what is listed of it.
fn replace_package(folder: &Path, file: &str, new: &Path) {
    let bytes = fs::read(new).unwrap();
    fs::write(folder.join(file), &bytes).unwrap();
    let mut listed = packages::read(&fs::read(folder.join(packages::FILE)).unwrap()).unwrap();
    let package = listed.iter_mut().find(|package| package.file == file).unwrap();
    package.size = bytes.len().to_string();
    package.md5 = digest_of(&bytes);
    fs::write(folder.join(packages::FILE), packages::to_text(&listed)).unwrap();
}

fn digest_of(bytes: &[u8]) -> String {
    use md5::{Digest, Md5};
    crate::digest::hex(&Md5::digest(bytes))
}

type Break = (&'static str, fn(&Path));

const BASE: &str = "base-1.0-1.noarch.rpm";
const TOOL: &str = "xscontainer-1.0-1.noarch.rpm";

/// For every check one thing that breaks it alone.
const BROKEN: &[Break] = &[
    ("legacy-repository", |folder| replace(folder, "XS-REPOSITORY", "test=\"ge\"", "test=\"gte\"")),
    ("legacy-repository", |folder| replace(folder, "XS-REPOSITORY", "</repository>", "")),
    ("legacy-repository", |folder| replace(folder, "XS-REPOSITORY", " product=\"XenServer\"", "")),
    ("legacy-packages", |folder| replace(folder, "XS-PACKAGES", "type=\"rpm\"", "type=\"deb\"")),
    ("legacy-packages", |folder| fs::remove_file(folder.join("XS-PACKAGES")).unwrap()),
    ("legacy-packages", |folder| replace(folder, "XS-PACKAGES", "size=", "length=")),
    ("legacy-lines", |folder| replace(folder, "XS-REPOSITORY", "\"acme\"", "'acme'")),
    ("legacy-lines", |folder| replace(folder, "XS-REPOSITORY", "Tools by", "Tools &#98;y")),
    ("legacy-lines", |folder| replace(folder, "XS-PACKAGES", "<package ", "<package\n ")),
    ("legacy-identity", |folder| replace(folder, "XS-REPOSITORY", "\"acme\"", "\"../acme\"")),
    ("legacy-identity", |folder| replace(folder, "XS-REPOSITORY", "version=\"11.0.0\"", "version=\"11.0b\"")),
    ("legacy-requires", |folder| {
        let twice = "<requires originator=\"xs\" name=\"main\" test=\"lt\" product=\"XenServer\" version=\"7.0.0\"/>\n";
        replace(folder, "XS-REPOSITORY", "  <requires", &format!("  {twice}  <requires"));
    }),
    ("legacy-requires", |folder| replace(folder, "XS-REPOSITORY", "\"7.0.0\"", "\"seven\"")),
    ("legacy-files", |folder| replace(folder, "XS-PACKAGES", "md5=\"", "md5=\"0")),
    ("legacy-files", |folder| replace(folder, "XS-PACKAGES", "size=\"", "size=\"1")),
    ("legacy-files", |folder| fs::write(folder.join("stray.rpm"), "x").unwrap()),
    ("legacy-files", |folder| fs::remove_file(folder.join(BASE)).unwrap()),
    ("legacy-install", |folder| {
        fs::set_permissions(folder.join("install"), fs::Permissions::from_mode(0o644)).unwrap();
    }),
    ("legacy-install", |folder| fs::write(folder.join("install"), "#!/usr/bin/node\n").unwrap()),
    ("legacy-install", |folder| fs::remove_file(folder.join("install")).unwrap()),
    ("legacy-no-update-xml", |folder| fs::write(folder.join("Update.xml"), "<update/>").unwrap()),
    ("legacy-sums", |folder| fs::write(folder.with_file_name("pack.metadata.md5"), "0\n").unwrap()),
    ("legacy-types", |folder| replace(folder, "XS-PACKAGES", "label=\"base\"", "label=\"basis\"")),
    ("legacy-types", |folder| {
        replace(folder, "XS-PACKAGES", "type=\"rpm\"", "type=\"driver-rpm\" kernel=\"any\"");
    }),
    ("legacy-order", |folder| {
        let mut listed = packages::read(&fs::read(folder.join("XS-PACKAGES")).unwrap()).unwrap();
        listed.reverse();
        fs::write(folder.join("XS-PACKAGES"), packages::to_text(&listed)).unwrap();
    }),
    ("legacy-eula", |folder| {
        let scratch = tempfile::tempdir().unwrap();
        let eula = package(scratch.path(), "base", &[], "/usr/share/doc/base/EULA", b"\x1b]0;mine\x07");
        replace_package(folder, BASE, &completed(&eula));
    }),
    ("legacy-digests", |folder| {
        let scratch = tempfile::tempdir().unwrap();
        let plain = package(scratch.path(), "base", &[], "/usr/share/doc/base/readme", b"x");
        replace_package(folder, BASE, &plain);
    }),
    ("legacy-rpm", |folder| {
        let scratch = tempfile::tempdir().unwrap();
        let rich = package(scratch.path(), "xscontainer", &["(base or other)"], "/usr/bin/tool", b"x");
        replace_package(folder, TOOL, &completed(&rich));
    }),
    ("legacy-rpm-el5", |folder| replace(folder, "XS-REPOSITORY", "\"7.0.0\"", "\"6.5.0\"")),
    ("xapi-pack-entry", |folder| {
        replace(
            folder,
            "XS-REPOSITORY",
            "  <description>",
            "  <replaces originator=\"a\" name=\"b\"/>\n  <description>",
        );
    }),
    ("xencenter-pack-entry", |folder| {
        let text = fs::read_to_string(folder.join("XS-REPOSITORY")).unwrap();
        let (before, after) = text.split_once(" build=\"").unwrap();
        let (_, after) = after.split_once('"').unwrap();
        fs::write(folder.join("XS-REPOSITORY"), format!("{before}{after}")).unwrap();
    }),
    ("xen-orchestra-pack-entry", |folder| replace(folder, "XS-REPOSITORY", "Tools by", "Tools, by")),
    ("xencenter-pack-name", |folder| replace(folder, "XS-REPOSITORY", "\"xscontainer-tool\"", "\"tool\"")),
];

/// The same package with a signature header that rpm 4.11 likes, as the builder makes it.
fn completed(path: &Path) -> PathBuf {
    use crate::rpm::{Rpm, Signed, Source, fixture};
    let rpm = Rpm::read(Source::open(path).unwrap()).unwrap();
    let signed = Signed::new(&rpm, &fixture::digests(&rpm), vec![0; 8]).unwrap();
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut signed.reader(), &mut bytes).unwrap();
    fs::write(path, bytes).unwrap();
    path.to_path_buf()
}

#[test]
fn every_check_is_seen_to_fail_alone() {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let whole = tempfile::tempdir().unwrap();
    packs(whole.path());
    for (index, (id, damage)) in BROKEN.iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let pack = folder.path().join("pack");
        copy(&whole.path().join("out/pack"), &pack);
        damage(&pack);
        let verification = look(&pack);
        assert_eq!(failed(&verification), [*id], "{index}: {:#?}", verification.verdicts);
        seen.insert(id);
    }
    // Names are the image's alone.
    let iso = whole.path().join("out/pack.iso");
    let mut bytes = fs::read(&iso).unwrap();
    let joliet: Vec<u8> = "uninstall".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let at = bytes.windows(joliet.len()).position(|window| window == joliet).unwrap();
    bytes[at + joliet.len() - 1] = b'k';
    fs::write(&iso, bytes).unwrap();
    fs::remove_file(whole.path().join("out/pack.iso.md5")).unwrap();
    assert_eq!(failed(&look(&iso)), ["legacy-names"]);
    seen.insert("legacy-names");
    let all: BTreeSet<&str> = checks().map(|check| check.id).collect();
    assert_eq!(seen, all);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn what_cannot_be_installed_is_refused_by_name_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out");
    let payload = package(folder.path(), "tool", &[], "/usr/bin/tool", b"x");
    // Without a signer the package stays as it is, which rpm 4.11 does not like.
    let request = Request {
        spec: &spec(),
        version: &PackVersion::new("11.0.0").unwrap(),
        payloads: &[payload],
        signer: None,
        signatures: RpmSignatures::Keep,
        reorder: true,
        epoch: 1_735_689_600,
        name: "pack",
        outputs: &[OutputKind::LegacyIso],
        output: &output,
    };
    let error = build(&request, &Unwatched).unwrap_err().to_string();
    assert!(error.contains("legacy-digests") && error.contains("tool-1.0-1.noarch.rpm"), "{error}");
    assert_eq!(fs::read_dir(output).unwrap().count(), 0);
}

#[test]
fn two_builds_give_the_same_bytes() {
    let bytes = || {
        let folder = tempfile::tempdir().unwrap();
        let out = packs(folder.path());
        let files = out.iter().filter(|path| path.is_file());
        files.map(|path| (path.file_name().unwrap().to_owned(), fs::read(path).unwrap())).collect::<Vec<_>>()
    };
    assert!(bytes() == bytes());
}
