//! Plans of small packs: sound by default, each part open to a change before the parts that depend on it are made.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Write};
use std::path::PathBuf;
use std::sync::LazyLock;

use ::rpm::{BuildConfig, CompressionType, Dependency, FileMode, FileOptions, PackageBuilder};
use flate2::write::GzEncoder;
use medium::iso9660::{Tree, UnixSeconds, Volume, Writer};
use zeroize::Zeroizing;

use crate::build::Progress;
use crate::digest::sha256_hex;
use crate::generation::Generation;
use crate::openpgp::{Signer, SoftwareKey};
use crate::rpm::{Rpm, Signed, Source, fixture};
use crate::spec::Released;
use crate::update::{Entry, comps, repodata};
use crate::verify::{GivenKey, Policy, ShippedKey, Verification, verify};

pub(super) const UUID: &str = "0ce0c2b3-4f11-5c53-9dda-674c694980e1";
pub(super) const OTHER_UUID: &str = "1ce0c2b3-4f11-5c53-9dda-674c694980e1";
pub(super) const VERSION: &str = "11.0.0";
pub(super) const KEY_FILE: &str = "RPM-GPG-KEY-xscontainer";
/// 2025-01-01, and a year later.
pub(super) const EPOCH: u32 = 1_735_689_600;
pub(super) const NOW: u64 = 1_767_225_600;

/// The payload, and the two packages of the pack's own.
pub(super) const PAYLOAD: &str = "Packages/xscontainer-11.0.0-1.x86_64.rpm";
pub(super) const UPDATE: &str = "Packages/update-xscontainer-11.0.0-1.noarch.rpm";

/// The key that signs: a small one, which signs quickly.
pub(super) static KEY: LazyLock<SoftwareKey> = LazyLock::new(|| key("rsa2048-locked"));
pub(super) static OTHER_KEY: LazyLock<SoftwareKey> = LazyLock::new(|| key("encryption-subkey"));

fn key(name: &str) -> SoftwareKey {
    let armored = fs::read_to_string(format!("{}/testdata/keys/{name}.asc", env!("CARGO_MANIFEST_DIR"))).unwrap();
    SoftwareKey::parse(&armored, name, NOW, &mut || Ok(Zeroizing::new("correct horse".into()))).unwrap()
}

/// The files of an image, by path.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// A change of text, of a named file's content, and of everything.
type Edit = Box<dyn Fn(String) -> String>;
pub(super) type EditFile = Box<dyn Fn(&str, &mut Vec<u8>)>;
pub(super) type EditAll<T> = Box<dyn Fn(&mut T)>;

/// A pack to be made.
pub(super) struct Plan {
    /// `{size}` stands for the payload's size.
    pub(super) document: String,
    /// What update-<label> installs; the document if none is given.
    pub(super) stamp: Option<String>,
    pub(super) stamp_path: String,
    pub(super) payload: Vec<PackageBuilder>,
    pub(super) update: PackageBuilder,
    pub(super) control: PackageBuilder,
    pub(super) package_key: &'static SoftwareKey,
    /// Of every signed package, before it is listed.
    pub(super) package: EditFile,
    pub(super) comps: Edit,
    pub(super) primary: Edit,
    /// Of every file of metadata as it is stored, before `repomd.xml` lists it.
    pub(super) stored: EditFile,
    pub(super) repomd: Edit,
    /// Of all files, when everything is signed.
    pub(super) files: EditAll<Files>,
    pub(super) image: EditAll<Vec<u8>>,
    pub(super) file_name: String,
    pub(super) key: Option<(String, Vec<u8>)>,
    /// A file that lies beside the image.
    pub(super) beside: Option<(String, Vec<u8>)>,
    pub(super) released: String,
    /// The host generations that are asked for.
    pub(super) generations: Vec<&'static Generation>,
}

pub(super) fn builder(name: &str, version: &str, arch: &str) -> PackageBuilder {
    let mut builder = PackageBuilder::new(name, version, "BSD-2-Clause", arch, "A package");
    let config = BuildConfig::v4().compression(CompressionType::Gzip).source_date(EPOCH).reserved_space(None);
    builder.using_config(config).release("1");
    builder
}

pub(super) fn add(builder: &mut PackageBuilder, path: &str, content: &str, mode: u16) {
    builder.with_file_contents(content, FileOptions::new(path).mode(FileMode::regular(mode))).unwrap();
}

/// `update-xscontainer` without its stamp.
pub(super) fn update_builder() -> PackageBuilder {
    let mut update = builder("update-xscontainer", VERSION, "noarch");
    update.requires(Dependency::greater_eq("xscontainer", "11.0.0-1"));
    update.requires(Dependency::any("control-xscontainer"));
    update
}

/// `control-xscontainer` without scripts.
pub(super) fn control_builder() -> PackageBuilder {
    let mut control = builder("control-xscontainer", VERSION, "noarch");
    control.requires(Dependency::greater_eq("product-version", "8.2.0"));
    control
}

pub(super) fn payload_builder() -> PackageBuilder {
    let mut payload = builder("xscontainer", VERSION, "x86_64");
    add(&mut payload, "/usr/bin/xscontainer", "program", 0o755);
    let config = FileOptions::new("/etc/logrotate.d/xscontainer").mode(FileMode::regular(0o644)).config().noreplace();
    payload.with_file_contents("rotate", config).unwrap();
    payload
}

impl Default for Plan {
    fn default() -> Plan {
        let document = format!(
            "<update name-label=\"xscontainer\" version=\"{VERSION}\" uuid=\"{UUID}\" installation-size=\"{{size}}\" \
             key=\"{KEY_FILE}\" control=\"control-xscontainer\">\n  \
             <name-description>Shows containers</name-description>\n</update>\n"
        );
        let mut control = control_builder();
        for script in ["precheck", "remove"] {
            add(&mut control, &format!("/var/update/{UUID}/{script}"), "#!/bin/sh\nexit 0\n", 0o755);
        }
        Plan {
            document,
            stamp: None,
            stamp_path: format!("/var/update/applied/{UUID}"),
            payload: vec![payload_builder()],
            update: update_builder(),
            control,
            package_key: &KEY,
            package: Box::new(|_, _| ()),
            comps: Box::new(|comps| comps),
            primary: Box::new(|primary| primary),
            stored: Box::new(|_, _| ()),
            repomd: Box::new(|repomd| repomd),
            files: Box::new(|_| ()),
            image: Box::new(|_| ()),
            file_name: "xscontainer-11.0.0.iso".into(),
            key: Some((KEY_FILE.into(), KEY.certificate().armored().into_bytes())),
            beside: Some((KEY_FILE.into(), KEY.certificate().armored().into_bytes())),
            released: String::new(),
            generations: Vec::new(),
        }
    }
}

impl Plan {
    /// Makes the pack.
    pub(super) fn files(mut self) -> (Files, Plan) {
        let unsigned = |builder: PackageBuilder| {
            let rpm = fixture::read(builder);
            let name = rpm.file_name();
            (rpm, name)
        };
        let payload: Vec<_> = std::mem::take(&mut self.payload).into_iter().map(unsigned).collect();
        let size: u64 = payload.iter().map(|(rpm, _)| rpm.installed_size()).sum();
        let document = self.document.replace("{size}", &size.to_string());
        let stamp = self.stamp.as_deref().map_or(document.clone(), |stamp| stamp.replace("{size}", &size.to_string()));
        let mut update = std::mem::replace(&mut self.update, update_builder());
        add(&mut update, &self.stamp_path, &stamp, 0o644);
        let control = std::mem::replace(&mut self.control, control_builder());

        let mut files = Files::new();
        let mut signed = Vec::new();
        for (rpm, name) in payload.into_iter().chain([unsigned(update), unsigned(control)]) {
            let digests = fixture::digests(&rpm);
            let signature = self.package_key.sign(&[rpm.header()], EPOCH).unwrap().remove(0);
            let package = Signed::new(&rpm, &digests, signature.packet()).unwrap();
            let mut bytes = Vec::new();
            std::io::copy(&mut package.reader(), &mut bytes).unwrap();
            let path = format!("Packages/{name}");
            (self.package)(&path, &mut bytes);
            let sha256 = sha256_hex(bytes.as_slice()).unwrap();
            files.insert(path.clone(), bytes);
            signed.push((package, path, sha256));
        }
        let entries: Vec<Entry<'_>> = signed
            .iter()
            .map(|(package, path, sha256)| Entry { package, path: path.clone(), sha256: sha256.clone() })
            .collect();
        let comps = (self.comps)(String::from_utf8(comps("xscontainer", &[])).unwrap());
        let made = repodata(&entries, comps.as_bytes(), EPOCH);
        let mut listed = Vec::new();
        for (name, mut stored) in made.files.into_iter().skip(1) {
            if name == "primary.xml.gz" {
                let open = std::io::read_to_string(flate2::read::GzDecoder::new(stored.as_slice())).unwrap();
                stored = gzip((self.primary)(open).as_bytes());
            }
            (self.stored)(name, &mut stored);
            listed.push((name, stored));
        }
        let repomd = (self.repomd)(repomd(&listed)).into_bytes();
        let signatures = KEY.sign(&[document.as_bytes(), &repomd], EPOCH).unwrap();
        files.insert("update.xml".into(), document.into_bytes());
        files.insert("update.xml.asc".into(), signatures[0].armored().into_bytes());
        files.insert("repodata/repomd.xml".into(), repomd);
        files.insert("repodata/repomd.xml.asc".into(), signatures[1].armored().into_bytes());
        files.extend(listed.into_iter().map(|(name, stored)| (format!("repodata/{name}"), stored)));
        (self.files)(&mut files);
        (files, self)
    }

    /// Makes the pack and its image.
    pub(super) fn image(self) -> (Vec<u8>, Plan) {
        let (files, plan) = self.files();
        let mut image = image(&files);
        (plan.image)(&mut image);
        (image, plan)
    }

    /// Makes the pack and holds it to every rule.
    pub(super) fn verify(self) -> Verification {
        let (image, plan) = self.image();
        let folder = tempfile::tempdir().unwrap();
        let iso: PathBuf = folder.path().join(&plan.file_name);
        fs::write(&iso, image).unwrap();
        if let Some((name, content)) = &plan.beside {
            fs::write(folder.path().join(name), content).unwrap();
        }
        let released: Released = toml::from_str(&plan.released).unwrap();
        let policy = Policy {
            xscontainer: true,
            key: plan.key.as_ref().map(|(file_name, armored)| GivenKey { file_name, armored }),
            released: Some(&released),
            generations: &plan.generations,
            shipped_key: if plan.beside.is_some() { ShippedKey::Beside } else { ShippedKey::Unknown },
            now: NOW,
            ..Policy::default()
        };
        verify(&iso, &policy, &Unwatched)
    }
}

/// An image with these files.
pub(super) fn image(files: &Files) -> Vec<u8> {
    let tree = Tree::new(files.keys().map(|path| (path.as_str(), 0o644))).unwrap();
    let modified = UnixSeconds::new(EPOCH.into()).unwrap();
    let volume = Volume { id: "XSCONTAINER", application: "", publisher: "", modified };
    let mut writer = Writer::new(Cursor::new(Vec::new()), &volume, tree).unwrap();
    for (path, content) in files {
        writer.write(path, content.as_slice()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn repomd(files: &[(&str, Vec<u8>)]) -> String {
    let mut text = String::from("<repomd xmlns=\"http://linux.duke.edu/metadata/repo\">\n");
    for (name, stored) in files {
        let kind = match *name {
            "comps.xml" => "group",
            "comps.xml.gz" => "group_gz",
            other => other.split_once('.').unwrap().0,
        };
        let (sha256, size) = (sha256_hex(stored.as_slice()).unwrap(), stored.len());
        text += &format!(
            "<data type=\"{kind}\"><checksum type=\"sha256\">{sha256}</checksum>\
             <location href=\"repodata/{name}\"/><size>{size}</size></data>\n"
        );
    }
    text + "</repomd>\n"
}

/// Changes the number of a tag in a package's signature header, so that readers do not find it.
pub(super) fn hide_signature_tag(package: &mut [u8], tag: u32) {
    let rpm = Rpm::read(Source::memory("package", package.to_vec())).unwrap();
    let end = usize::try_from(rpm.header_offset()).unwrap();
    let entry = (112..end).step_by(16).find(|at| package[*at..*at + 4] == tag.to_be_bytes()).unwrap();
    package[entry..entry + 4].copy_from_slice(&(tag + 500_000).to_be_bytes());
}

/// Someone who lets it run.
pub(super) struct Unwatched;

impl Progress for Unwatched {
    fn step(&self, _: &str) {}
    fn made(&self, _: &str) {}
    fn advance(&self, _: u64, _: u64) {}
    fn interrupted(&self) -> bool {
        false
    }
}
