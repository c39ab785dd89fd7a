//! The finished pack, read by the programs that hosts and clients read it with.
#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it should be")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use lab::packs::{self, BuiltPack};
use lab::root::Keyring;
use lab::tools::{command, content_of, fail, stdout_of, succeed};
use pack::openpgp::Signer;

static PACK: LazyLock<BuiltPack> = LazyLock::new(|| packs::build_version("11.0.0", &packs::key("rsa4096")));

fn fingerprint() -> String {
    packs::key("rsa4096").certificate().fingerprint()
}

fn iso() -> String {
    PACK.pack.iso.path.display().to_string()
}

const FILES: [&str; 12] = [
    "Packages/control-xscontainer-11.0.0-1.noarch.rpm",
    "Packages/update-xscontainer-11.0.0-1.noarch.rpm",
    "Packages/xscontainer-11.0.0-1.x86_64.rpm",
    "repodata/comps.xml",
    "repodata/comps.xml.gz",
    "repodata/filelists.xml.gz",
    "repodata/other.xml.gz",
    "repodata/primary.xml.gz",
    "repodata/repomd.xml",
    "repodata/repomd.xml.asc",
    "update.xml",
    "update.xml.asc",
];

#[test]
fn gpg_verifies_both_signatures_with_ultimate_trust_in_a_home_prepared_as_documented() {
    let keyring = Keyring::new(&PACK.pack.key.path, &fingerprint(), true);
    for name in ["update.xml", "repodata/repomd.xml"] {
        let (good, status) = keyring.verify(&PACK.tree.join(format!("{name}.asc")), &PACK.tree.join(name));
        assert!(good && status.contains("[GNUPG:] GOODSIG") && status.contains("[GNUPG:] TRUST_ULTIMATE"), "{status}");
        assert!(status.contains(&format!("VALIDSIG {}", fingerprint())), "{status}");
    }
}

#[test]
fn gpg_does_not_trust_a_key_that_was_only_imported() {
    let keyring = Keyring::new(&PACK.pack.key.path, &fingerprint(), false);
    let (_, status) = keyring.verify(&PACK.tree.join("update.xml.asc"), &PACK.tree.join("update.xml"));
    assert!(status.contains("GOODSIG") && status.contains("TRUST_UNDEFINED"), "{status}");
}

#[test]
fn gpg_refuses_an_update_xml_that_was_changed() {
    let keyring = Keyring::new(&PACK.pack.key.path, &fingerprint(), true);
    let folder = tempfile::tempdir().unwrap();
    let changed = folder.path().join("update.xml");
    fs::write(&changed, fs::read_to_string(PACK.tree.join("update.xml")).unwrap().replace("11.0.0", "11.0.1")).unwrap();
    let (good, status) = keyring.verify(&PACK.tree.join("update.xml.asc"), &changed);
    assert!(!good && status.contains("BADSIG"), "{status}");
}

fn packages() -> Vec<String> {
    FILES[..3].iter().map(|file| PACK.tree.join(file).display().to_string()).collect()
}

#[test]
fn rpm_verifies_every_digest_and_signature() {
    let database = tempfile::tempdir().unwrap();
    let dbpath = format!("--dbpath={}", database.path().display());
    succeed(&mut command("rpmkeys", [&dbpath, "--import", &PACK.pack.key.path.display().to_string()]));
    for package in packages() {
        let said = succeed(&mut command("rpmkeys", [&dbpath, "-Kv", &package]));
        for part in ["RSA/SHA256 Signature", "Header SHA1 digest: OK", "Header SHA256 digest: OK", "MD5 digest: OK"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(!said.contains("NOKEY") && !said.contains("BAD"), "{said}");
    }
}

#[test]
fn rpm_refuses_a_package_with_one_flipped_byte() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = fs::read(PACK.tree.join(FILES[2])).unwrap();
    let last = bytes.len() - 100;
    bytes[last] ^= 1;
    let flipped = folder.path().join("flipped.rpm");
    fs::write(&flipped, bytes).unwrap();
    assert!(fail(command("rpmkeys", ["-Kv"]).arg(&flipped)).contains("BAD"));
}

#[test]
fn rpm_reads_what_the_packages_are() {
    let query = |package: &str, format: &str| stdout_of(&mut command("rpm", ["-qp", "--qf", format, package]));
    for package in packages() {
        succeed(&mut command("rpm", ["-qip", &package]));
        assert_eq!(query(&package, "%{PAYLOADCOMPRESSOR} %{OS} %{FILEDIGESTALGO}"), "gzip linux 8");
        // rpm 4.11 divides by this tag when it prints its progress.
        let archive: u64 = query(&package, "%{ARCHIVESIZE}").parse().unwrap();
        let unpacked = Command::new("sh").args(["-c", "rpm2cpio \"$0\" | wc -c", &package]).output().unwrap();
        assert_eq!(archive.to_string(), String::from_utf8(unpacked.stdout).unwrap().trim());
    }
    let requires = stdout_of(&mut command("rpm", ["-qpR", &packages()[1]]));
    assert!(requires.contains("xscontainer >= 11.0.0-1"), "{requires}");
    assert!(requires.lines().any(|line| line == "control-xscontainer"), "unversioned: {requires}");
    let requires = stdout_of(&mut command("rpm", ["-qpR", &packages()[0]]));
    assert!(requires.contains("product-version >= 8.2.0"), "{requires}");
}

#[test]
fn rpm_lists_the_files_with_owner_and_mode() {
    let list = |package: usize| {
        stdout_of(&mut command(
            "rpm",
            [
                "-qp",
                "--qf",
                "[%{FILEMODES:perms} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILENAMES}\\n]",
                &packages()[package],
            ],
        ))
    };
    let uuid = PACK.pack.uuid;
    assert_eq!(
        list(0),
        format!(
            "drwxr-xr-x root:root /var/update/{uuid}\n-rwxr-xr-x root:root /var/update/{uuid}/precheck\n\
             -rwxr-xr-x root:root /var/update/{uuid}/remove\n"
        )
    );
    assert_eq!(list(1), format!("-rw-r--r-- root:root /var/update/applied/{uuid}\n"));
    let agent = list(2);
    for file in packs::spec().payload.unwrap().files {
        assert!(agent.contains(&format!(" root:root {}\n", file.path)), "{}: {agent}", file.path);
    }
    assert!(agent.contains("-rwxr-xr-x root:root /usr/bin/xscontainer\n"), "{agent}");
    assert!(agent.contains("-rw-r--r-- root:root /usr/lib/systemd/system/xscontainer-monitor.service\n"), "{agent}");
}

#[test]
fn every_package_needs_only_what_rpm_4_11_has() {
    for package in packages() {
        let requires = stdout_of(&mut command("rpm", ["-qpR", &package]));
        for feature in requires.lines().filter(|line| line.starts_with("rpmlib(")) {
            let name = feature.split([' ', ')']).next().unwrap();
            assert!(
                ["rpmlib(CompressedFileNames", "rpmlib(FileDigests", "rpmlib(PayloadFilesHavePrefix"].contains(&name),
                "{feature}"
            );
        }
        // The agent is static: nothing of the build machine's C library.
        assert!(!requires.contains("libc.so"), "{requires}");
    }
}

#[test]
fn the_stamp_is_update_xml() {
    let unpack = format!("rpm2cpio {} | cpio --quiet -i --to-stdout './var/update/applied/*'", packages()[1]);
    let stamp = succeed(&mut command("sh", ["-c", &unpack]));
    assert_eq!(stamp, fs::read_to_string(PACK.tree.join("update.xml")).unwrap());
}

/// XML by which two documents can be compared: canonical, without layout.
fn canonical(file: &Path) -> String {
    let script = "import sys, gzip, xml.etree.ElementTree as e\n\
        d = open(sys.argv[1], 'rb').read()\n\
        d = gzip.decompress(d) if d[:2] == b'\\x1f\\x8b' else d\n\
        print(e.canonicalize(d.decode(), strip_text=True).replace('<', '\\n<'))";
    succeed(command("python3", ["-c", script]).arg(file))
}

fn createrepo(folder: &Path, comps: &Path) {
    let epoch = packs::EPOCH.to_string();
    let touch = format!("find '{}' -name '*.rpm' -exec touch -d @{epoch} {{}} +", folder.display());
    succeed(&mut command("sh", ["-c", &touch]));
    let mut create = command(
        "createrepo_c",
        ["-s", "sha256", "--simple-md-filenames", "--no-database", "--general-compress-type=gz"],
    );
    succeed(create.args(["--revision", &epoch, "--set-timestamp-to-revision", "-g"]).arg(comps).arg(folder));
}

/// Compares our repodata with what createrepo_c writes of the same packages.
fn assert_same_repodata(tree: &Path) {
    let folder = tempfile::tempdir().unwrap();
    succeed(command("cp", ["-r"]).arg(tree.join("Packages")).arg(folder.path()));
    createrepo(folder.path(), &tree.join("repodata/comps.xml"));
    for name in ["primary.xml.gz", "filelists.xml.gz", "other.xml.gz", "comps.xml"] {
        let (ours, theirs) =
            (canonical(&tree.join("repodata").join(name)), canonical(&folder.path().join("repodata").join(name)));
        assert!(ours == theirs, "{name} differs:\n{}", difference(&ours, &theirs));
    }
    let kinds = |file: &Path| {
        let text = canonical(file);
        text.lines().filter(|line| line.starts_with("<data ")).map(str::to_owned).collect::<Vec<_>>()
    };
    let repomd = "repodata/repomd.xml";
    assert_eq!(kinds(&tree.join(repomd)), kinds(&folder.path().join(repomd)));
}

fn difference(ours: &str, theirs: &str) -> String {
    let lines = ours.lines().zip(theirs.lines()).filter(|(a, b)| a != b).take(10);
    lines.map(|(a, b)| format!("- {b}\n+ {a}\n")).collect()
}

#[test]
fn repodata_is_what_createrepo_c_writes() {
    assert_same_repodata(&PACK.tree);
}

#[test]
fn repodata_of_packages_by_rpmbuild_is_what_createrepo_c_writes() {
    let folder = tempfile::tempdir().unwrap();
    let specfile = folder.path().join("foreign.spec");
    fs::write(&specfile, include_str!("foreign.spec")).unwrap();
    let topdir = format!("_topdir {}", folder.path().display());
    succeed(command("rpmbuild", ["-bb", "--define", &topdir, "--define", "_binary_payload w9.gzdio"]).arg(&specfile));
    let payload = folder.path().join("RPMS/noarch/foreign-2.1-3.noarch.rpm");
    let pack = packs::build_from("11.0.0", &[payload], &packs::key("rsa4096"), folder);
    assert_same_repodata(&pack.tree);
    // Signed anew, and still whole.
    let said = succeed(command("rpm", ["-qip"]).arg(pack.tree.join("Packages/foreign-2.1-3.noarch.rpm")));
    assert!(said.contains("RSA/SHA256"), "{said}");
}

#[test]
fn every_reader_sees_the_same_files_by_rock_ridge_and_joliet_names() {
    let sorted = |text: String| {
        let mut lines: Vec<String> = text.lines().map(|line| line.trim_start_matches(['.', '/']).to_owned()).collect();
        lines.retain(|line| FILES.iter().any(|file| file == line));
        lines.sort();
        lines
    };
    for (program, arguments) in [
        ("isoinfo", vec!["-R", "-f", "-i"]),
        ("isoinfo", vec!["-J", "-f", "-i"]),
        ("bsdtar", vec!["-tf"]),
        ("bsdtar", vec!["--options", "iso9660:!rockridge", "-tf"]),
        ("bsdtar", vec!["--options", "iso9660:!joliet", "-tf"]),
    ] {
        let listed = sorted(succeed(command(program, &arguments).arg(iso())));
        assert_eq!(listed, FILES, "{program} {arguments:?}");
    }
    let check = succeed(&mut command("xorriso", ["-indev", &iso(), "-check_media", "--"]));
    assert!(check.contains("+ good") && !check.contains("FAILURE"), "{check}");
}

#[test]
fn contents_are_equal_by_rock_ridge_and_joliet_names() {
    let wanted = content_of(&PACK.tree);
    assert_eq!(wanted.len(), FILES.len());
    for options in ["iso9660:!joliet", "iso9660:!rockridge"] {
        let folder = tempfile::tempdir().unwrap();
        succeed(command("bsdtar", ["--options", options, "-xf", &iso(), "-C"]).arg(folder.path()));
        assert_eq!(content_of(folder.path()), wanted, "{options}");
    }
}

#[test]
fn the_image_is_no_installation_disc() {
    // XenCenter and the host installer take repodata with a .treeinfo for one.
    assert!(!PACK.tree.join(".treeinfo").exists());
}

#[test]
fn the_checksum_file_is_one_that_sha256sum_checks() {
    let checksum = &PACK.pack.checksum.path;
    succeed(command("sha256sum", ["--check", "--strict"]).arg(checksum).current_dir(checksum.parent().unwrap()));
}

#[test]
fn building_again_gives_the_same_bytes() {
    let again = packs::build_version("11.0.0", &packs::key("rsa4096"));
    assert_eq!(again.pack.uuid, PACK.pack.uuid);
    assert!(fs::read(&again.pack.iso.path).unwrap() == fs::read(&PACK.pack.iso.path).unwrap(), "the images differ");
}

#[test]
fn another_version_key_or_payload_has_another_uuid() {
    let other_version = packs::build_version("11.0.1", &packs::key("rsa4096"));
    let other_key = packs::build_version("11.0.0", &packs::key("encryption-subkey"));
    assert_ne!(other_version.pack.uuid, PACK.pack.uuid);
    assert_ne!(other_key.pack.uuid, PACK.pack.uuid);
}
