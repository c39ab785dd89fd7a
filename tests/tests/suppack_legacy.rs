//! Packs of the older format: built by the program, read by other people's, installed by their own script on a simulated
//! host of XenServer 7.0 with a real rpm, in every shell that hosts have.
#![expect(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it should be")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lab::programs;
use lab::tools::{Said, command, fail, outcome, stdout_of, succeed};
use rpm::{BuildConfig, CompressionType, Dependency, FileMode, FileOptions, PackageBuilder};

const SHELLS: [&[&str]; 3] = [&["dash"], &["bash", "--posix"], &["busybox", "sh"]];

/// A package; a licence in it must be accepted.
fn package(folder: &Path, name: &str, version: &str, requires: &[&str], eula: Option<&str>) -> PathBuf {
    let mut builder = PackageBuilder::new(name, version, "MIT", "noarch", "A package");
    builder.using_config(BuildConfig::v4().compression(CompressionType::Gzip).source_date(1_700_000_000_u32));
    builder.release("1");
    requires.iter().for_each(|name| _ = builder.requires(Dependency::any(*name)));
    let options = FileOptions::new(format!("/usr/share/{name}")).mode(FileMode::regular(0o644));
    builder.with_file_contents(version, options).unwrap();
    if let Some(text) = eula {
        let options = FileOptions::new(format!("/usr/share/doc/{name}/EULA")).mode(FileMode::regular(0o644));
        builder.with_file_contents(text, options).unwrap();
    }
    let path = folder.join(format!("{name}-{version}-1.noarch.rpm"));
    builder.build().unwrap().write_file(&path).unwrap();
    path
}

/// `build-supplemental-pack` of a tool and what it requires, signed, in every form.
fn build(folder: &Path, version: &str, eula: Option<&str>, more: &[&str]) -> PathBuf {
    let output = folder.join(format!("out-{version}"));
    let mut build = Command::new(programs::suppack());
    build.args(["build-supplemental-pack", "--vendor-code", "acme", "--vendor-name", "Acme Corporation"]);
    build.args(["--label", "tool", "--text", "Tools by Acme", "--version", version, "--build", "17c"]);
    build.args(["--homogeneous", "--mem", "64", "--tarball", "--folder", "--replaces", "xs:tool", "--quiet"]);
    build.arg("--key").arg(lab::packs::key_file("rsa4096")).args(more).arg("--output").arg(&output);
    build.arg(package(folder, "tool", version, &["tool-base"], None));
    build.arg(package(folder, "tool-base", version, &[], eula));
    succeed(&mut build);
    output
}

/// A host of XenServer 7.0 in a folder.
struct Host {
    root: tempfile::TempDir,
}

impl Host {
    fn new() -> Host {
        let host = Host { root: tempfile::tempdir().unwrap() };
        for folder in ["etc/xensource/installed-repos/xs:main", "opt/xensource/bin", "var/run", "var/lib/rpm", "tmp"] {
            fs::create_dir_all(host.path(folder)).unwrap();
        }
        host.product("XenServer");
        host.write(
            "etc/xensource/installed-repos/xs:main/XS-REPOSITORY",
            "<repository originator=\"xs\" name=\"main\" product=\"XenServer\" version=\"7.0.0\" build=\"125380c\">\n\
             \x20 <description>Base Pack</description>\n</repository>\n",
        );
        host.write("etc/xensource/installed-repos/xs:main/XS-PACKAGES", "<packages>\n</packages>\n");
        host.write("opt/xensource/bin/xe", "#!/bin/sh\necho \"$*\" >> \"${0%/*}/xe.log\"\n");
        fs::set_permissions(host.path("opt/xensource/bin/xe"), fs::Permissions::from_mode(0o755)).unwrap();
        host.write("var/run/xapi_init_complete.cookie", "");
        succeed(host.rpm().arg("--initdb"));
        host
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.path(path), text).unwrap();
    }

    fn product(&self, brand: &str) {
        let inventory = format!("PRODUCT_BRAND='{brand}'\nPLATFORM_NAME='{brand}'\nINSTALLATION_UUID='u-1'\n");
        self.write("etc/xensource-inventory", &inventory);
    }

    fn rpm(&self) -> Command {
        let mut rpm = command("rpm", ["--root"]);
        rpm.arg(self.root.path());
        rpm
    }

    fn installed(&self) -> Vec<String> {
        let all = stdout_of(self.rpm().args(["-qa", "--qf", "%{NAME}-%{VERSION}\\n"]));
        let mut all: Vec<String> = all.lines().map(str::to_owned).collect();
        all.sort();
        all
    }

    fn packs(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.path("etc/xensource/installed-repos"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// What XAPI was told since the last look.
    fn told(&self) -> String {
        let log = self.path("opt/xensource/bin/xe.log");
        let text = fs::read_to_string(&log).unwrap_or_default();
        let _ = fs::remove_file(log);
        text
    }

    /// Runs a script of a pack in a shell, with what a person types.
    fn run(&self, shell: &[&str], pack: &Path, script: &str, arguments: &[&str], typed: &str) -> Said {
        let mut child = Command::new(shell[0])
            .args(&shell[1..])
            .arg(pack.join(script))
            .args(arguments)
            .env("SUPPACK_ROOT", self.root.path())
            .env("LC_ALL", "C")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A script that ends early reads none of it.
        let _ = child.stdin.take().unwrap().write_all(typed.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        Said { success: output.status.success(), code: output.status.code(), text, stdout: output.stdout }
    }

    fn untouched(&self, said: &Said, code: i32) {
        assert_eq!(said.code, Some(code), "{}", said.text);
        assert_eq!(self.installed(), Vec::<String>::new(), "{}", said.text);
        assert_eq!(self.packs(), ["xs:main"]);
        assert_eq!(self.told(), "");
        let left = fs::read_dir(self.path("etc/xensource")).unwrap().count();
        assert_eq!(left, 1, "only installed-repos is there");
    }
}

#[test]
fn every_shell_installs_upgrades_and_removes() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["1.0", "1.1"].map(|version| build(folder.path(), version, None, &[]).join("tool"));
    for shell in SHELLS {
        let host = Host::new();
        // An older pack whose package this one brings.
        fs::create_dir(host.path("etc/xensource/installed-repos/xs:tool")).unwrap();
        host.write(
            "etc/xensource/installed-repos/xs:tool/XS-PACKAGES",
            "<packages>\n  <package label=\"tool\" type=\"rpm\" size=\"1\" md5=\"0\">t.rpm</package>\n</packages>\n",
        );
        let said = host.run(shell, &first, "install", &["-b"], "");
        assert!(said.success && said.text.contains("Pack installation successful."), "{shell:?}: {}", said.text);
        assert_eq!(host.installed(), ["tool-1.0", "tool-base-1.0"], "{shell:?}");
        assert_eq!(host.packs(), ["acme:tool", "xs:main"]);
        assert_eq!(host.told(), "host-refresh-pack-info host-uuid=u-1\n");

        let again = host.run(shell, &first, "install", &[], "n\n");
        assert_eq!(again.code, Some(3), "{}", again.text);
        let again = host.run(shell, &first, "install", &[], "maybe\ny\n");
        assert!(again.success && again.text.contains("is installed in this version already"), "{}", again.text);

        host.told();
        let said = host.run(shell, &second, "install", &["--batch"], "");
        assert!(said.success, "{}", said.text);
        assert_eq!(host.installed(), ["tool-1.1", "tool-base-1.1"]);
        let metadata = fs::read_to_string(host.path("etc/xensource/installed-repos/acme:tool/XS-REPOSITORY")).unwrap();
        assert!(metadata.contains("version=\"1.1\""), "{metadata}");

        // Another pack needs it.
        fs::create_dir(host.path("etc/xensource/installed-repos/x:y")).unwrap();
        host.write("etc/xensource/installed-repos/x:y/XS-REPOSITORY", "<repository originator=\"x\" name=\"y\"><requires originator=\"acme\" name=\"tool\" test=\"ge\" version=\"1\"/></repository>\n");
        let refused = host.run(shell, &second, "uninstall", &["-b", "acme:tool"], "");
        assert!(refused.code == Some(1) && refused.text.contains("required by x:y"), "{}", refused.text);
        fs::remove_dir_all(host.path("etc/xensource/installed-repos/x:y")).unwrap();
        assert_eq!(host.run(shell, &second, "uninstall", &["acme:tool"], "n\n").code, Some(2));
        assert_eq!(host.installed(), ["tool-1.1", "tool-base-1.1"]);
        for wrong in ["acme", "../..:x", "acme:other", ""] {
            assert_eq!(host.run(shell, &second, "uninstall", &["-b", wrong], "").code, Some(1), "{wrong}");
        }
        host.told();
        let gone = host.run(shell, &second, "uninstall", &["acme:tool"], "y\n");
        assert!(gone.success, "{}", gone.text);
        assert_eq!((host.installed(), host.packs()), (Vec::new(), vec!["xs:main".to_owned()]));
        assert_eq!(host.told(), "host-refresh-pack-info host-uuid=u-1\n");
    }
}

#[test]
fn what_is_not_for_a_host_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let pack = build(folder.path(), "1.0", None, &[]).join("tool");
    let later = build(folder.path(), "1.2", None, &["--requires", "xs:main ge 7.0.0-200000"]).join("tool");
    let missing =
        build(folder.path(), "1.3", None, &["--requires", "xs:main ge 7.0.0", "--requires", "acme:base ge 1.0"])
            .join("tool");
    let damaged = build(folder.path(), "1.4", None, &[]).join("tool");
    let file = damaged.join("tool-base-1.4-1.noarch.rpm");
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();
    for shell in SHELLS {
        let host = Host::new();
        host.product("XCP-ng");
        host.untouched(&host.run(shell, &pack, "install", &["-b"], ""), 2);
        host.untouched(&host.run(shell, &pack, "install", &[], "n\n"), 2);
        host.untouched(&host.run(shell, &pack, "install", &[], ""), 2);
        host.product("XenServer");
        let said = host.run(shell, &later, "install", &["-b"], "");
        assert!(said.text.contains("xs:main ge 7.0.0-200000 is required"), "{}", said.text);
        host.untouched(&said, 2);
        let said = host.run(shell, &missing, "install", &["-b"], "");
        assert!(said.text.contains("acme:base is required"), "{}", said.text);
        host.untouched(&said, 1);
        let said = host.run(shell, &damaged, "install", &["-b"], "");
        assert!(said.text.contains("tool-base-1.4-1.noarch.rpm is damaged"), "{}", said.text);
        host.untouched(&said, 1);
        host.untouched(&host.run(shell, &pack, "install", &["--bad"], ""), 1);
    }
    // A host of 7.1 or later.
    let host = Host::new();
    fs::remove_dir_all(host.path("etc/xensource/installed-repos")).unwrap();
    let said = host.run(SHELLS[0], &pack, "install", &["-b"], "");
    assert!(said.code == Some(2) && said.text.contains("7.1"), "{}", said.text);
}

#[test]
fn a_licence_is_shown_without_what_commands_a_terminal_and_must_be_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let eula = "Use it \u{a9} well.\n\u{1b}]0;mine\u{7}\u{9b}31m\n";
    let mut build = Command::new(programs::suppack());
    build.args(["build-supplemental-pack", "--vendor-code", "acme", "--vendor-name", "Acme", "--label", "tool"]);
    build.args(["--text", "Tools", "--version", "1.0", "--folder", "--no-iso", "--quiet"]);
    build.arg("--key").arg(lab::packs::key_file("rsa4096")).arg("--output").arg(folder.path().join("out"));
    build.arg(package(folder.path(), "tool", "1.0", &[], Some(eula)));
    // The builder knows the rule.
    assert!(fail(&mut build).contains("legacy-eula"));
    let pack = self::build(folder.path(), "1.1", Some("Use it \u{a9} well.\n"), &[]).join("tool");
    let hostile = package(folder.path(), "tool-base", "1.1", &[], Some(eula));
    replace(&pack, "tool-base-1.1-1.noarch.rpm", &hostile);
    for shell in SHELLS {
        let host = Host::new();
        for (arguments, typed) in [(&["-b"][..], "n\n"), (&["-b"], ""), (&[], "N\n")] {
            let said = host.run(shell, &pack, "install", arguments, typed);
            assert!(said.text.contains("Use it \u{a9} well."), "{shell:?}: {}", said.text);
            assert!(!said.text.contains('\u{1b}') && !said.text.contains('\u{9b}') && !said.text.contains('\u{7}'));
            host.untouched(&said, 4);
        }
        let said = host.run(shell, &pack, "install", &["-b"], "y\n");
        assert!(said.success, "{}", said.text);
        assert_eq!(host.installed(), ["tool-1.1", "tool-base-1.1"]);
    }
}

/// Another package in the place of one, with its MD5 in the metadata.
fn replace(pack: &Path, file: &str, new: &Path) {
    let sum = |path: &Path| stdout_of(command("md5sum", [path]).env("LC_ALL", "C"))[..32].to_owned();
    let (old_sum, new_sum) = (sum(&pack.join(file)), sum(new));
    fs::copy(new, pack.join(file)).unwrap();
    let listed = fs::read_to_string(pack.join("XS-PACKAGES")).unwrap();
    fs::write(pack.join("XS-PACKAGES"), listed.replace(&old_sum, &new_sum)).unwrap();
}

#[test]
fn hostile_metadata_runs_nothing_and_leads_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let whole = build(folder.path(), "1.0", None, &[]).join("tool");
    let canary = folder.path().join("canary");
    let run = format!("$(touch {0})`touch {0}`; touch {0};", canary.display());
    for (file, old, new) in [
        ("XS-REPOSITORY", "originator=\"acme\"", format!("originator=\"{run}\"")),
        ("XS-REPOSITORY", "originator=\"acme\"", "originator=\"..\"".to_owned()),
        ("XS-REPOSITORY", "name=\"tool\"", "name=\"/../../tool\"".to_owned()),
        ("XS-REPOSITORY", "version=\"7.0.0\"", format!("version=\"{run}\"")),
        ("XS-REPOSITORY", "version=\"7.0.0\"", "version=\"a[$(id)]\"".to_owned()),
        ("XS-PACKAGES", ">tool-1.0", format!(">{run}tool-1.0")),
        ("XS-PACKAGES", ">tool-1.0", ">../tool-1.0".to_owned()),
        ("XS-PACKAGES", ">tool-1.0", ">--eval=x".to_owned()),
        ("XS-PACKAGES", "label=\"tool\"", format!("label=\"{run}\"")),
        ("XS-PACKAGES", "type=\"rpm\"", "type=\"tbz2\"".to_owned()),
    ] {
        let pack = folder.path().join("hostile");
        succeed(command("cp", ["-r"]).arg(&whole).arg(&pack));
        let text = fs::read_to_string(pack.join(file)).unwrap();
        assert!(text.contains(old), "{old}");
        fs::write(pack.join(file), text.replacen(old, &new, 1)).unwrap();
        for shell in SHELLS {
            let host = Host::new();
            let said = host.run(shell, &pack, "install", &["-b"], "");
            host.untouched(&said, 1);
            assert!(!canary.exists(), "{shell:?} {new}");
        }
        fs::remove_dir_all(&pack).unwrap();
    }
    // A description is shown, and nothing else is done with it.
    let pack = folder.path().join("described");
    succeed(command("cp", ["-r"]).arg(&whole).arg(&pack));
    let text = fs::read_to_string(pack.join("XS-REPOSITORY")).unwrap();
    fs::write(pack.join("XS-REPOSITORY"), text.replace("Tools by Acme", &format!("{run}\u{1b}[2J%s%n"))).unwrap();
    for shell in SHELLS {
        let host = Host::new();
        let said = host.run(shell, &pack, "install", &["-b"], "");
        assert!(said.success && said.text.contains("%s%n") && !said.text.contains('\u{1b}'), "{}", said.text);
        assert!(!canary.exists());
    }
}

#[test]
fn other_peoples_programs_read_every_form() {
    let folder = tempfile::tempdir().unwrap();
    let output = build(folder.path(), "1.0", None, &[]);
    succeed(command("md5sum", ["--check", "tool.iso.md5", "tool.tar.gz.md5"]).current_dir(&output));
    let metadata =
        succeed(command("sh", ["-c", "cat tool/XS-REPOSITORY tool/XS-PACKAGES | md5sum"]).current_dir(&output));
    assert_eq!(fs::read_to_string(output.join("tool.metadata.md5")).unwrap().trim(), &metadata[..32]);
    let wanted = lab::tools::content_of(&output.join("tool"));
    assert_eq!(wanted.len(), 6);
    let (iso, tar) = (output.join("tool.iso"), output.join("tool.tar.gz"));
    let into = |name: &str| {
        let path = folder.path().join(name);
        fs::create_dir(&path).unwrap();
        path
    };
    let by_bsdtar = into("bsdtar");
    succeed(command("bsdtar", ["-xf"]).arg(&iso).arg("-C").arg(&by_bsdtar));
    succeed(command("chmod", ["-R", "u+w"]).arg(&by_bsdtar));
    assert_eq!(lab::tools::content_of(&by_bsdtar), wanted);
    let by_xorriso = folder.path().join("xorriso");
    lab::packs::extract(&iso, &by_xorriso);
    assert_eq!(lab::tools::content_of(&by_xorriso), wanted);
    let by_tar = into("tar");
    succeed(command("tar", ["-xzf"]).arg(&tar).arg("-C").arg(&by_tar));
    assert_eq!(lab::tools::content_of(&by_tar), wanted);
    let listed = stdout_of(command("tar", ["-tvzf"]).arg(&tar));
    assert!(listed.lines().all(|line| line.contains("root/root")), "{listed}");
    assert!(listed.lines().any(|line| line.starts_with("-rwxr-xr-x") && line.ends_with(" install")), "{listed}");
    for path in [&iso, &tar, &output.join("tool")] {
        let mut verify = Command::new(programs::suppack());
        succeed(verify.args(["verify", "--quiet"]).arg(path));
    }
    // The historical name of the program.
    let named = folder.path().join("build-supplemental-pack");
    std::os::unix::fs::symlink(fs::canonicalize(programs::suppack()).unwrap(), &named).unwrap();
    let help = succeed(Command::new(named).arg("--help"));
    assert!(help.contains("--vendor-code"), "{help}");
}

/// A pack as the tool of the DDK made them: attributes in the order of their names, packages in a flat folder.
#[test]
fn packs_made_by_hand_are_read_and_judged() {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    fs::create_dir(&tree).unwrap();
    let spec = folder.path().join("old.spec");
    fs::write(
        &spec,
        "Name: old\nVersion: 2.0\nRelease: 3\nSummary: s\nLicense: MIT\nBuildArch: noarch\n%description\nd\n%files\n",
    )
    .unwrap();
    let mut build = command("rpmbuild", ["-bb", "--define", "_binary_payload w9.gzdio", "--define"]);
    build.arg(format!("_topdir {}", folder.path().join("rpm").display()));
    succeed(build.arg(&spec));
    let rpm = tree.join("old-2.0-3.noarch.rpm");
    fs::copy(folder.path().join("rpm/RPMS/noarch/old-2.0-3.noarch.rpm"), &rpm).unwrap();
    let md5 = stdout_of(command("md5sum", [&rpm]).env("LC_ALL", "C"))[..32].to_owned();
    let size = fs::metadata(&rpm).unwrap().len();
    fs::write(tree.join("XS-REPOSITORY"), "<repository build=\"5\" name=\"old\" originator=\"acme\" product=\"XenServer\" version=\"2.0\">\n  <description>Old pack</description>\n  <requires name=\"main\" originator=\"xs\" product=\"XenServer\" test=\"eq\" version=\"7.0.0\"/>\n</repository>\n").unwrap();
    fs::write(tree.join("XS-PACKAGES"), format!("<packages>\n  <package label=\"old\" md5=\"{md5}\" size=\"{size}\" type=\"rpm\">old-2.0-3.noarch.rpm</package>\n</packages>\n")).unwrap();
    fs::write(tree.join("install"), "#!/usr/bin/env python\n").unwrap();
    fs::set_permissions(tree.join("install"), fs::Permissions::from_mode(0o755)).unwrap();
    let iso = folder.path().join("old.iso");
    let mut make = command("genisoimage", ["-quiet", "-A", "Acme", "-V", "Old pack", "-J", "-joliet-long", "-r", "-o"]);
    succeed(make.arg(&iso).arg(&tree));
    let said = outcome(Command::new(programs::suppack()).arg("verify").arg(&iso));
    assert!(said.success, "{}", said.text);
    let tar = folder.path().join("old.tar.gz");
    succeed(command("tar", ["-czf"]).arg(&tar).arg("-C").arg(&tree).arg("."));
    succeed(Command::new(programs::suppack()).arg("verify").arg(&tar));
    fs::write(tree.join("update.xml"), "<update/>").unwrap();
    let said = outcome(Command::new(programs::suppack()).arg("verify").arg(&tree));
    assert!(said.code == Some(9) && said.text.contains("legacy-no-update-xml"), "{}", said.text);
}
