//! `suppack build` and its historical command line: packs from RPMs that real rpmbuild and rpmsign made, read back by the
//! programs that hosts have.
#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it should be")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lab::root::{Repository, Root};
use lab::tools::{command, fail, stdout_of, succeed};
use lab::{packs, programs};
use serde_json::Value;

/// A folder in which somebody makes a pack.
struct Bench {
    folder: tempfile::TempDir,
}

const OLD: &str = "0ce0c2b3-4f11-5c53-9dda-674c694980e1";

impl Bench {
    fn new() -> Bench {
        Bench { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// An RPM with one file, by rpmbuild.
    fn rpm(&self, name: &str, file: &str, payload: &str) -> PathBuf {
        let spec = self.path(&format!("{name}.spec"));
        let text = format!(
            "Name: {name}\nVersion: 1.2\nRelease: 3\nSummary: {name}\nLicense: MIT\nVendor: Somebody\nBuildArch: noarch\n\
             %description\n{name}\n%install\nmkdir -p %{{buildroot}}/$(dirname {file})\necho {name} >%{{buildroot}}{file}\n\
             %files\n{file}\n%changelog\n* Wed Jan 01 2025 Somebody <a@b.c> - 1.2-3\n- Made\n"
        );
        fs::write(&spec, text).unwrap();
        let topdir = format!("_topdir {}", self.folder.path().display());
        let payload = format!("_binary_payload {payload}");
        succeed(command("rpmbuild", ["-bb", "--quiet", "--define", &topdir, "--define", &payload]).arg(&spec));
        self.path(&format!("RPMS/noarch/{name}-1.2-3.noarch.rpm"))
    }

    /// Writes `pack.toml` with these lines in `[pack]` and these after `[host]`.
    fn pack_toml(&self, pack: &str, rest: &str) {
        let text = format!(
            "[pack]\nlabel = \"sample\"\nversion = \"1.0\"\ndescription = \"It's \\\"two\\\" agents & more\"\n{pack}\n{rest}\n"
        );
        fs::write(self.path("pack.toml"), text).unwrap();
    }

    fn build(&self, output: &str) -> Command {
        let mut build = Command::new(programs::suppack());
        build.current_dir(self.folder.path()).env_remove("SOURCE_DATE_EPOCH");
        build.args(["build", "--quiet", "--no-rehearsal", "--output", output, "--key"]).arg(packs::key_file("rsa4096"));
        build
    }

    /// Builds, and extracts the image.
    fn tree(&self, build: &mut Command, output: &str) -> PathBuf {
        succeed(build);
        let tree = self.path(&format!("{output}-tree"));
        packs::extract(&self.path(&format!("{output}/sample-1.0.iso")), &tree);
        tree
    }

    /// A key of somebody else, in a home of GnuPG; its public half.
    fn other_key(&self) -> (PathBuf, PathBuf) {
        let (home, file) = (self.path("gnupg"), self.path("RPM-GPG-KEY-other"));
        succeed(command("mkdir", ["-m", "700"]).arg(&home));
        let gpg = || {
            let mut gpg = command("gpg", ["--batch", "--quiet"]);
            gpg.env("GNUPGHOME", &home);
            gpg
        };
        succeed(gpg().args(["--passphrase", "", "--quick-generate-key", "Somebody else", "rsa2048", "sign", "never"]));
        fs::write(&file, stdout_of(gpg().args(["--armor", "--export"]))).unwrap();
        (home, file)
    }
}

const HOST: &str = "[host]\nproduct-version = \">= 8.2.0, < 9\"";

/// Precheck and apply, as XAPI has yum do them.
fn install(root: &Root, tree: &Path, key: &Path) -> String {
    // The lab's dnf looks for the key by this name.
    let folder = tempfile::tempdir().unwrap();
    let named = folder.path().join("RPM-GPG-KEY-xscontainer");
    fs::copy(key, &named).unwrap();
    root.trust(&named);
    let repository = Repository::serve(tree);
    root.dnf(&repository, &["install", "control-sample"]).succeed();
    let uuid = uuid_of(tree);
    let said = succeed(&mut root.chroot(&[&format!("/var/update/{uuid}/precheck")]));
    root.dnf(&repository, &["install", "@update"]).succeed();
    assert!(root.path().join(format!("var/update/applied/{uuid}")).exists());
    said
}

/// Every package but the stand-in of the release, as name and version.
fn installed(root: &Root) -> Vec<String> {
    let said = stdout_of(root.rpm().args(["-qa", "--queryformat", "%{NAME}-%{VERSION}\\n"]));
    let mut names: Vec<String> = said
        .lines()
        .filter(|name| !name.starts_with("xcp-ng-release") && !name.starts_with("gpg-"))
        .map(str::to_owned)
        .collect();
    names.sort();
    names
}

fn uuid_of(tree: &Path) -> String {
    let document = fs::read_to_string(tree.join("update.xml")).unwrap();
    document.split_once(" uuid=\"").unwrap().1[..36].to_owned()
}

fn checksums(primary: &Path) -> Vec<String> {
    let text = stdout_of(command("zcat", [""; 0]).arg(primary));
    let mut lines: Vec<String> =
        text.lines().map(str::trim).filter(|line| line.starts_with("<checksum")).map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn packages_of_any_compression_become_a_pack_that_dnf_installs_and_that_builds_again_to_the_same_bytes() {
    let bench = Bench::new();
    let rpms = [bench.rpm("one", "/usr/bin/one", "w2.xzdio"), bench.rpm("two", "/usr/bin/two", "w9.gzdio")];
    bench.pack_toml("rpms = [\"RPMS/noarch/one-1.2-3.noarch.rpm\", \"RPMS/noarch/two-1.2-3.noarch.rpm\"]", HOST);
    let tree = bench.tree(&mut bench.build("out"), "out");

    let root = Root::of_release("8.2.1");
    let key = bench.path("out/RPM-GPG-KEY-sample");
    assert_eq!(install(&root, &tree, &key), "ready\n");
    let names: Vec<String> = ["control-sample-1.0", "one-1.2", "two-1.2", "update-sample-1.0"].map(String::from).into();
    assert_eq!(installed(&root), names);
    succeed(root.rpm().args(["-V", "one", "two", "update-sample", "control-sample"]));

    let ours = checksums(&tree.join("repodata/primary.xml.gz"));
    assert_eq!(ours.len(), 4);
    let theirs = bench.path("theirs");
    succeed(command("cp", ["-r"]).arg(tree.join("Packages")).arg(&theirs));
    succeed(
        command("createrepo_c", ["--quiet", "--simple-md-filenames", "--no-database", "--general-compress-type=gz"])
            .arg(&theirs),
    );
    assert_eq!(ours, checksums(&theirs.join("repodata/primary.xml.gz")));

    // From its own packages, by way of the command line, in another folder.
    let packages = rpms.map(|rpm| tree.join("Packages").join(rpm.file_name().unwrap()));
    let again = bench.tree(bench.build("again").arg("--rpm").args(packages), "again");
    assert_eq!(uuid_of(&again), uuid_of(&tree));
    succeed(Command::new("cmp").arg(bench.path("out/sample-1.0.iso")).arg(bench.path("again/sample-1.0.iso")));
}

#[test]
fn a_package_that_is_signed_keeps_its_signature_if_asked_and_it_is_told_whose_key_hosts_need() {
    let bench = Bench::new();
    let (rpm, plain) = (bench.rpm("one", "/usr/bin/one", "w9.gzdio"), bench.rpm("two", "/usr/bin/two", "w9.gzdio"));
    let (home, other) = bench.other_key();
    let name = ["--define", "_gpg_name Somebody else", "--define", "__gpg /usr/bin/gpg"];
    succeed(command("rpmsign", name).env("GNUPGHOME", &home).arg("--addsign").arg(&rpm));
    let rpms = "rpms = [\"RPMS/noarch/one-1.2-3.noarch.rpm\", \"RPMS/noarch/two-1.2-3.noarch.rpm\"]";

    bench.pack_toml(&format!("{rpms}\nrpm-signatures = \"keep\""), HOST);
    let tree = bench.tree(&mut bench.build("keep"), "keep");
    let kept = tree.join("Packages/one-1.2-3.noarch.rpm");
    assert_eq!(fs::read(&kept).unwrap(), fs::read(&rpm).unwrap());
    assert_ne!(fs::read(tree.join("Packages/two-1.2-3.noarch.rpm")).unwrap(), fs::read(&plain).unwrap());
    let signed_by = |report: &str| -> (String, String) {
        let report: Value = serde_json::from_str(report).unwrap();
        let checks = report["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["id"] == "rpm-signed").unwrap();
        (check["outcome"].as_str().unwrap().to_owned(), check["found"].to_string())
    };
    let (outcome, found) = signed_by(&fs::read_to_string(bench.path("keep/report.json")).unwrap());
    assert!(outcome == "not-checked" && found.contains("hosts must trust it too"), "{outcome}: {found}");
    let said = stdout_of(bench.build("known").arg("--json").arg("--rpm-key").arg(&other));
    let said: Value = serde_json::from_str(&said).unwrap();
    let id = said["other_keys"][0].as_str().unwrap();
    let (outcome, found) = signed_by(&said["report"].to_string());
    assert!(outcome == "passed" && found.contains(id), "{outcome}: {found}");

    // A host with the pack's key alone refuses it, one that has both takes it.
    let key = bench.path("keep/RPM-GPG-KEY-sample");
    let database = |keys: &[&Path], package: &Path| {
        let folder = tempfile::tempdir().unwrap();
        let rpmkeys = || {
            let mut rpmkeys = Command::new("rpmkeys");
            rpmkeys.arg("--dbpath").arg(folder.path());
            rpmkeys
        };
        keys.iter().for_each(|key| _ = succeed(rpmkeys().arg("--import").arg(key)));
        let mut check = rpmkeys();
        check.arg("-K").arg(package);
        (folder, check)
    };
    let (_folder, mut alone) = database(&[&key], &kept);
    fail(&mut alone);
    let (_folder, mut both) = database(&[&key, &other], &kept);
    succeed(&mut both);

    bench.pack_toml(rpms, HOST);
    let tree = bench.tree(&mut bench.build("replace"), "replace");
    let replaced = tree.join("Packages/one-1.2-3.noarch.rpm");
    let (_folder, mut alone) = database(&[&key], &replaced);
    succeed(&mut alone);
    assert_ne!(fs::read(replaced).unwrap(), fs::read(&rpm).unwrap());
}

#[test]
fn a_driver_disk_has_the_group_and_the_kernel_of_its_modules() {
    let bench = Bench::new();
    let module = bench.rpm("driver-4.19.0-1-modules", "/lib/modules/4.19.0+1/updates/driver.ko", "w9.gzdio");
    let rpms = "rpms = [\"RPMS/noarch/driver-4.19.0-1-modules-1.2-3.noarch.rpm\"]\ndrivers = true";
    bench.pack_toml(rpms, "");
    let tree = bench.tree(&mut bench.build("out"), "out");
    let comps = fs::read_to_string(tree.join("repodata/comps.xml")).unwrap();
    assert!(comps.contains("<id>drivers</id>") && comps.contains(">driver-4.19.0-1-modules</packagereq>"), "{comps}");
    let control = tree.join("Packages/control-sample-1.0-1.noarch.rpm");
    let requires = stdout_of(command("rpm", ["-qpR"]).arg(&control));
    assert!(requires.lines().any(|line| line == "kernel-uname-r = 4.19.0+1"), "{requires}");
    // No script can take a module out of a running kernel.
    assert!(!stdout_of(command("rpm", ["-qpl"]).arg(&control)).contains("/remove"));
    let mut group_file = Command::new(programs::suppack());
    assert_eq!(stdout_of(group_file.args(["group-file", "--label", "sample", "--drivers"]).arg(module)), comps);

    bench.rpm("driver-4.19.0-1-modules", "/lib/modules/4.19.0+1/kernel/driver.ko", "w9.gzdio");
    let said = fail(&mut bench.build("bad"));
    assert!(said.contains("not below /lib/modules/4.19.0+1/updates or extra"), "{said}");
    bench.rpm("driver-4.19.0-1-modules", "/usr/bin/driver", "w9.gzdio");
    assert!(fail(&mut bench.build("bad")).contains("no such package has a kernel module"));
}

#[test]
fn earlier_updates_count_as_replaced_and_their_packages_go() {
    let bench = Bench::new();
    bench.rpm("one", "/usr/bin/one", "w9.gzdio");
    let rpms = "rpms = [\"RPMS/noarch/one-1.2-3.noarch.rpm\"]";
    // What the earlier update left on a host, as far as it matters here.
    let old = bench.rpm("update-elder", &format!("/var/update/applied/{OLD}"), "w9.gzdio");
    bench.pack_toml(rpms, &format!("{HOST}\n[[rollup]]\nlabel = \"elder\"\nuuid = \"{OLD}\""));
    let tree = bench.tree(&mut bench.build("out"), "out");
    let root = Root::of_release("8.2.1");
    fs::copy(old, root.path().join("tmp/old.rpm")).unwrap();
    succeed(root.rpm().args(["-i", "--nodeps", "--nosignature"]).arg(root.path().join("tmp/old.rpm")));
    let elder = |root: &Root| installed(root).iter().any(|name| name.starts_with("update-elder"));
    assert!(elder(&root));
    install(&root, &tree, &bench.path("out/RPM-GPG-KEY-sample"));
    assert!(!elder(&root), "{:?}", installed(&root));
    let stamp = root.path().join(format!("var/update/applied/{OLD}"));
    let said = fs::read_to_string(&stamp).unwrap();
    assert!(said.contains(&format!("<rolled-up-by name-label=\"sample\" uuid=\"{}\"/>", uuid_of(&tree))), "{said}");
    assert!(said.contains("It&apos;s &quot;two&quot; agents &amp; more"), "{said}");
    succeed(root.rpm().args(["-e", "update-sample"]));
    assert!(!stamp.exists());
}

#[test]
fn several_prechecks_run_in_order_up_to_the_first_that_fails() {
    let bench = Bench::new();
    bench.rpm("one", "/usr/bin/one", "w9.gzdio");
    for (name, script) in [
        ("first", "#!/bin/sh\n# group_member is not for this one\necho first >>/tmp/ran\n"),
        ("second", "#!/bin/sh\necho second >>/tmp/ran\n[ ! -e /tmp/refuse ] || { echo no; exit 3; }\n"),
        ("third", "#!/bin/sh\necho third >>/tmp/ran\necho fine\n"),
    ] {
        fs::write(bench.path(name), script).unwrap();
    }
    bench.pack_toml(
        "rpms = [\"RPMS/noarch/one-1.2-3.noarch.rpm\"]\nprecheck = [\"first\", \"second\", \"third\"]",
        HOST,
    );
    let tree = bench.tree(&mut bench.build("out"), "out");
    let root = Root::of_release("8.2.1");
    assert_eq!(install(&root, &tree, &bench.path("out/RPM-GPG-KEY-sample")), "fine\n");
    let ran = root.path().join("tmp/ran");
    assert_eq!(fs::read_to_string(&ran).unwrap(), "first\nsecond\nthird\n");
    fs::write(root.path().join("tmp/refuse"), "").unwrap();
    fs::remove_file(&ran).unwrap();
    let said = fail(&mut root.chroot(&[&format!("/var/update/{}/precheck", uuid_of(&tree))]));
    assert!(said.contains("no") && !said.contains("fine"), "{said}");
    assert_eq!(fs::read_to_string(&ran).unwrap(), "first\nsecond\n");
}

#[test]
fn what_the_oldest_host_cannot_read_is_refused_with_the_reason() {
    let bench = Bench::new();
    bench.rpm("one", "/usr/bin/one", "w19.zstdio");
    bench.pack_toml("rpms = [\"RPMS/noarch/one-1.2-3.noarch.rpm\"]", HOST);
    let said = fail(&mut bench.build("out"));
    assert!(said.contains("zstd") && said.contains("gzip"), "{said}");
    assert!(!bench.path("out/sample-1.0.iso").exists());
}

#[test]
fn the_historical_command_line_builds_the_same_kind_of_pack_without_its_defects() {
    let bench = Bench::new();
    let rpm = bench.rpm("one", "/usr/bin/one", "w9.gzdio");
    let (home, other) = bench.other_key();
    let program = bench.path("build-update");
    std::os::unix::fs::symlink(fs::canonicalize(programs::suppack()).unwrap(), &program).unwrap();
    let build = |uuid: &str, label: &str, more: &[&str]| {
        let mut build = Command::new(&program);
        build.current_dir(bench.folder.path()).env("GNUPGHOME", &home).env_remove("SOURCE_DATE_EPOCH");
        build.args(["--uuid", uuid, "-l", label, "-v", "1.0", "--text", "Made as before", "-k", "Somebody else"]);
        build.arg("--keyfile").arg(&other).args(["--no-passphrase", "--no-rehearsal", "-o", "made.iso"]);
        build.args(more).arg(&rpm);
        build
    };
    let exact = ["--base-requires", "product-version = 8.2.1", "--after-apply", "restartXAPI,restartHost"];
    let said = succeed(&mut build(OLD, "sample", &exact));
    assert!(said.contains(OLD) && said.contains("product-version = 8.2.1"), "{said}");
    let warned = lab::tools::outcome(&mut build(OLD, "sample", &exact)).text;
    assert!(warned.contains("yum-host-range"), "{warned}");
    let tree = bench.path("tree");
    packs::extract(&bench.path("made.iso"), &tree);
    let document = fs::read_to_string(tree.join("update.xml")).unwrap();
    for part in [OLD, "key=\"RPM-GPG-KEY-other\"", "restartXAPI,restartHost", ">Made as before<"] {
        assert!(document.contains(part), "{part}: {document}");
    }
    install(&Root::of_release("8.2.1"), &tree, &other);

    for (uuid, label, more, named) in [
        (&*format!("{OLD}\n"), "sample", &[][..], "--uuid"),
        (&*format!("x{OLD}"), "sample", &[], "--uuid"),
        (OLD, "sample\n", &[], "--label"),
        (OLD, "sample", &["--rollups", "none"], "--rollups"),
        (OLD, "sample", &["--after-apply", "restartAll"], "--after-apply"),
        (OLD, "sample", &["--base-requires", "product-version"], "--base-requires"),
    ] {
        let said = fail(&mut build(uuid, label, more));
        assert!(said.contains(named), "{named}: {said}");
    }
}
