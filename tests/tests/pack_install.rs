//! A host takes the pack: dnf does what XAPI has yum do (xen-api, `pool_update.precheck` and `pool_update.apply`), with
//! packages and repository checked against the key, over HTTP.
#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it should be")]

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use lab::packs::{self, BuiltPack};
use lab::root::{Repository, Root};
use lab::tools::{command, succeed};

static FIRST: LazyLock<BuiltPack> = LazyLock::new(|| packs::build_version("11.0.0", &packs::key("rsa4096")));
static SECOND: LazyLock<BuiltPack> = LazyLock::new(|| packs::build_version("11.0.1", &packs::key("rsa4096")));

fn stamp(root: &Root, pack: &BuiltPack) -> bool {
    root.path().join(format!("var/update/applied/{}", pack.pack.uuid)).exists()
}

/// Control package, then the script that it brought, then the group: precheck and apply of 8.2 and 8.3, whose yum takes
/// `install` of an older package for an upgrade; dnf has a word of its own for that.
fn install(root: &Root, pack: &BuiltPack) {
    let verb = if root.installed().iter().any(|name| name.starts_with("control-")) { "upgrade" } else { "install" };
    let repository = Repository::serve(&pack.tree);
    root.trust(&pack.pack.key.path);
    root.dnf(&repository, &[verb, "control-xscontainer"]).succeed();
    assert!(!stamp(root, pack), "the precheck alone must not install the pack");
    let precheck = format!("/var/update/{}/precheck", pack.pack.uuid);
    assert_eq!(succeed(&mut root.chroot(&[&precheck])), "ready\n");
    root.dnf(&repository, &[verb, "@update"]).succeed();
    assert!(stamp(root, pack));
}

/// The same with the very calls of hosts that have dnf (xen-api master), where `install` of an older package does nothing.
fn install_on_a_dnf_host(root: &Root, pack: &BuiltPack) {
    let repository = Repository::serve(&pack.tree);
    root.trust(&pack.pack.key.path);
    root.dnf(&repository, &["install", "control-xscontainer"]).succeed();
    root.dnf(&repository, &["install", "@update"]).succeed();
    assert!(stamp(root, pack));
}

fn versions(version: &str) -> Vec<String> {
    ["control-xscontainer", "update-xscontainer", "xscontainer"].map(|name| format!("{name}-{version}")).to_vec()
}

#[test]
fn every_supported_release_installs_it_and_upgrades_to_the_next() {
    for release in ["8.2.0", "8.2.1", "8.3.0"] {
        let root = Root::of_release(release);
        install(&root, &FIRST);
        assert_eq!(root.installed(), versions("11.0.0"), "{release}");
        assert!(root.path().join("usr/bin/xscontainer").exists());

        install(&root, &SECOND);
        assert_eq!(root.installed(), versions("11.0.1"), "{release}");
        assert!(!stamp(&root, &FIRST), "the old stamp goes with its package");
        assert!(!root.path().join(format!("var/update/{}", FIRST.pack.uuid)).exists());
        succeed(root.rpm().args(["-V", "xscontainer", "update-xscontainer", "control-xscontainer"]));
    }
}

#[test]
fn a_host_with_dnf_installs_it_and_takes_the_next_one_after_removal() {
    let root = Root::of_release("8.99.0");
    install_on_a_dnf_host(&root, &FIRST);
    assert_eq!(root.installed(), versions("11.0.0"));
    erase(&root);
    install_on_a_dnf_host(&root, &SECOND);
    assert_eq!(root.installed(), versions("11.0.1"));
}

#[test]
fn the_program_that_was_installed_runs_there() {
    let root = Root::of_release("8.2.1");
    install(&root, &FIRST);
    // No loader and no library in that root: only a static program runs.
    let said = succeed(&mut root.chroot(&["/usr/bin/xscontainer", "--version"]));
    assert!(said.starts_with("xscontainer "), "{said}");
    succeed(&mut root.chroot(&["/usr/bin/xscontainer-monitor", "--help"]));
}

#[test]
fn a_host_that_is_too_old_refuses_with_the_version_it_lacks() {
    let root = Root::of_release("8.1.0");
    root.trust(&FIRST.pack.key.path);
    let repository = Repository::serve(&FIRST.tree);
    let said = root.dnf(&repository, &["install", "control-xscontainer"]).fail();
    assert!(
        said.contains("nothing provides product-version >= 8.2.0 needed by control-xscontainer-11.0.0-1.noarch"),
        "{said}"
    );
    assert_eq!(root.installed(), Vec::<String>::new());
}

/// A copy of the pack's content in which something is changed.
fn tampered(change: impl FnOnce(&Path)) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    succeed(command("cp", ["-r"]).arg(FIRST.tree.join(".")).arg(folder.path()));
    change(folder.path());
    folder
}

fn refused(folder: &Path, target: &str) -> String {
    let root = Root::of_release("8.2.1");
    root.trust(&FIRST.pack.key.path);
    let said = root.dnf(&Repository::serve(folder), &["install", target]).fail();
    assert_eq!(root.installed(), Vec::<String>::new());
    said
}

#[test]
fn an_edited_repomd_is_refused() {
    let folder = tampered(|tree| {
        let repomd = tree.join("repodata/repomd.xml");
        fs::write(&repomd, fs::read_to_string(&repomd).unwrap().replace("<revision>", "<revision>1")).unwrap();
    });
    let said = refused(folder.path(), "control-xscontainer");
    assert!(said.contains("repomd.xml GPG signature verification error: Bad GPG signature"), "{said}");
}

#[test]
fn a_package_with_a_flipped_byte_is_refused() {
    let folder = tampered(|tree| {
        let package = tree.join("Packages/control-xscontainer-11.0.0-1.noarch.rpm");
        let mut bytes = fs::read(&package).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(package, bytes).unwrap();
    });
    let said = refused(folder.path(), "control-xscontainer");
    assert!(said.contains("checksum") || said.contains("Downloading successful, but"), "{said}");
}

#[test]
fn a_pack_signed_by_a_key_that_the_host_does_not_trust_is_refused() {
    let other = packs::build_version("11.0.0", &packs::key("encryption-subkey"));
    let said = refused(&other.tree, "control-xscontainer");
    assert!(said.contains("GPG"), "{said}");
}

#[test]
fn an_unsigned_package_is_refused() {
    let folder = tampered(|tree| {
        // Signed by nobody, in a repository that is signed and right in every other way.
        let package = tree.join("Packages/control-xscontainer-11.0.0-1.noarch.rpm");
        succeed(command("rpmsign", ["--delsign"]).arg(package));
        fs::remove_dir_all(tree.join("repodata")).unwrap();
        fs::copy(FIRST.tree.join("repodata/comps.xml"), tree.join("comps.xml")).unwrap();
        succeed(
            command("createrepo_c", ["-q", "--general-compress-type=gz", "--no-database", "-g", "comps.xml"]).arg(tree),
        );
        sign(&tree.join("repodata/repomd.xml"));
    });
    let said = refused(folder.path(), "control-xscontainer");
    assert!(said.contains("is not signed"), "{said}");
}

/// Signs a file with the test key through gpg.
fn sign(file: &Path) {
    let home = tempfile::tempdir().unwrap();
    let gpg = |arguments: &[&str]| {
        let mut gpg = command("gpg", ["--batch", "--quiet", "--homedir"]);
        gpg.arg(home.path()).args(arguments);
        gpg
    };
    succeed(gpg(&["--import"]).arg(packs::key_file("rsa4096")));
    succeed(gpg(&["--armor", "--detach-sign"]).arg(file));
    succeed(command("gpgconf", ["--homedir"]).arg(home.path()).args(["--kill", "all"]));
}

fn erase(root: &Root) {
    succeed(root.rpm().args(["-e", "xscontainer", "update-xscontainer", "control-xscontainer"]));
}

#[test]
fn removal_leaves_nothing() {
    let root = Root::of_release("8.2.1");
    let before = root.files();
    install(&root, &FIRST);
    fs::write(root.path().join("var/log/xscontainer.log"), "a line\n").unwrap();
    fs::write(root.path().join("var/log/xscontainer.log.1"), "a line\n").unwrap();
    erase(&root);
    let left: Vec<String> = root.files().into_iter().filter(|file| !before.contains(file)).collect();
    let expected = ["./etc/pki/rpm-gpg/RPM-GPG-KEY-xscontainer"];
    assert_eq!(left, expected);
}

/// A host whose `rpm` and `xe` write down their calls: the script calls the host's own, which are outside of the root.
/// `xe` answers with these words, and fails where they are `fail`.
fn run_removal(xe: &str) -> (Option<i32>, String, Vec<String>) {
    let root = Root::of_release("8.2.1");
    install(&root, &FIRST);
    root.add_program(
        "rpm",
        "echo \"rpm $*\" >> /calls\ncase \"$*\" in\n*-qf*) echo control-xscontainer ;;\n\
         *REQUIRENAME*) printf 'control-xscontainer\\nrpmlib(FileDigests)\\nxscontainer\\n' ;;\nesac\n",
    );
    root.add_program("xe", &format!("echo \"xe $*\" >> /calls\n{xe}\n"));
    fs::write(root.path().join("etc/xensource-inventory"), "INSTALLATION_UUID='host-uuid'\n").unwrap();
    let said = lab::tools::outcome(&mut root.chroot(&[&format!("/var/update/{}/remove", FIRST.pack.uuid)]));
    assert!(!stamp(&root, &FIRST), "the stamp is gone whatever XAPI says");
    let calls = fs::read_to_string(root.path().join("calls")).unwrap();
    (said.code, said.text, calls.lines().map(str::to_owned).collect())
}

#[test]
fn the_removal_script_removes_the_packages_and_makes_xapi_forget_the_update() {
    let uuid = FIRST.pack.uuid;
    let (code, said, calls) = run_removal(&format!("case \"$*\" in *params=uuid*) echo {uuid} ;; esac"));
    assert_eq!(code, Some(0), "{said}");
    assert!(calls.contains(&"rpm -e xscontainer update-xscontainer control-xscontainer".into()), "{calls:?}");
    assert!(calls.contains(&"xe update-resync-host host-uuid=host-uuid".into()), "{calls:?}");
    assert_eq!(calls.last().unwrap(), &format!("xe update-destroy uuid={uuid}"));
}

#[test]
fn the_removal_script_keeps_the_update_while_other_hosts_have_it() {
    let (code, said, calls) = run_removal("case \"$*\" in *update-list*) echo something ;; esac");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("Other hosts of the pool"), "{said}");
    assert!(!calls.iter().any(|call| call.contains("update-destroy")), "{calls:?}");
}

#[test]
fn the_removal_script_says_what_remains_to_be_done_when_xapi_does_not_answer() {
    let uuid = FIRST.pack.uuid;
    for xe in ["exit 1", "case \"$*\" in *update-list*) exit 1 ;; esac"] {
        let (code, said, _) = run_removal(xe);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(&format!("xe update-destroy uuid={uuid}")), "{said}");
    }
}

#[test]
fn in_the_chroot_of_the_host_installer_nothing_is_started_and_nothing_fails() {
    let root = Root::of_release("8.2.1");
    let packages: Vec<_> =
        ["control-xscontainer-11.0.0-1.noarch", "update-xscontainer-11.0.0-1.noarch", "xscontainer-11.0.0-1.x86_64"]
            .iter()
            .map(|name| FIRST.tree.join(format!("Packages/{name}.rpm")))
            .collect();
    let said = succeed(root.rpm().arg("-ivh").args(&packages));
    assert!(!said.contains("fail") && !said.contains("systemctl"), "{said}");
    assert!(stamp(&root, &FIRST));
    erase(&root);
}

#[test]
fn on_a_running_host_the_service_is_started_once_restarted_once_and_stopped_at_the_end() {
    let root = Root::of_release("8.2.1");
    root.run_systemd();
    install(&root, &FIRST);
    let service = "xscontainer-monitor.service";
    assert_eq!(
        root.systemctl_calls(),
        [
            format!("preset {service}"),
            "is-active --quiet xapi.service".into(),
            "daemon-reload".into(),
            format!("is-enabled --quiet {service}"),
            format!("start {service}"),
        ]
    );
    install(&root, &SECOND);
    // No preset: whether it is enabled is the administrator's choice.
    assert_eq!(root.systemctl_calls(), ["daemon-reload".into(), format!("try-restart {service}")]);
    erase(&root);
    assert_eq!(
        root.systemctl_calls(),
        [format!("--no-reload disable {service}"), format!("stop {service}"), "daemon-reload".into()]
    );
}

#[test]
fn the_precheck_marks_a_pack_that_rpm_installed_so_that_yum_upgrades_it() {
    let root = Root::of_release("8.2.1");
    install(&root, &FIRST);
    fs::create_dir_all(root.path().join("var/lib/yum")).unwrap();
    root.add_program(
        "rpm",
        "case \"$*\" in\n*-qf*) echo control-xscontainer ;;\n\
         *SHA1HEADER*update-xscontainer) echo 0123abc-update-xscontainer-11.0.0-1-noarch ;;\nesac\n",
    );
    succeed(&mut root.chroot(&[&format!("/var/update/{}/precheck", FIRST.pack.uuid)]));
    let mark = root.path().join("var/lib/yum/yumdb/u/0123abc-update-xscontainer-11.0.0-1-noarch/group_member");
    assert_eq!(fs::read_to_string(mark).unwrap(), "update");
}

#[test]
fn a_configuration_file_that_the_administrator_changed_survives_the_upgrade() {
    let root = Root::of_release("8.2.1");
    install(&root, &FIRST);
    let files = ["etc/logrotate.d/xscontainer", "etc/xscontainer/config.toml"].map(|path| root.path().join(path));
    for file in &files {
        fs::write(file, "# mine\n").unwrap();
    }
    install(&root, &SECOND);
    for file in &files {
        assert_eq!(fs::read_to_string(file).unwrap(), "# mine\n", "{}", file.display());
    }
}

#[test]
fn it_replaces_the_original_in_place_and_restarts_its_service() {
    let root = Root::of_release("8.2.1");
    let original = root.path().join("tmp/original.rpm");
    fs::write(&original, original_package()).unwrap();
    root.run_systemd();
    succeed(root.rpm().arg("-i").arg(&original));
    root.systemctl_calls();
    install(&root, &FIRST);
    assert_eq!(root.installed(), versions("11.0.0"));
    assert!(!root.path().join("usr/lib/python2.7").join("xscontainer.py").exists());
    assert_eq!(root.systemctl_calls(), ["daemon-reload", "try-restart xscontainer-monitor.service"]);
}

/// The original agent's package as its public spec describes it (xcp-ng-rpms/xscontainer): noarch, same name, with the
/// scriptlets of systemd's macros.
fn original_package() -> Vec<u8> {
    use rpm::{BuildConfig, CompressionType, FileMode, FileOptions, PackageBuilder};
    let mut builder = PackageBuilder::new("xscontainer", "10.0.4", "BSD", "noarch", "The original");
    builder
        .using_config(BuildConfig::v4().compression(CompressionType::Gzip).source_date(1_600_000_000_u32))
        .release("1");
    for (path, mode) in [
        ("/usr/bin/xscontainer-monitor", 0o755),
        ("/usr/bin/xscontainer-prepare-vm", 0o755),
        ("/etc/xapi.d/plugins/xscontainer", 0o755),
        ("/etc/xensource/bugtool/xscontainer.xml", 0o644),
        ("/usr/lib/systemd/system/xscontainer-monitor.service", 0o644),
        ("/usr/lib/systemd/system-preset/80-xscontainer.preset", 0o644),
        ("/usr/lib/python2.7/xscontainer.py", 0o644),
    ] {
        builder.with_file_contents("original\n", FileOptions::new(path).mode(FileMode::regular(mode))).unwrap();
    }
    builder.post_uninstall_script(
        "systemctl daemon-reload >/dev/null 2>&1 || :\n\
         if [ $1 -ge 1 ]; then systemctl try-restart xscontainer-monitor.service >/dev/null 2>&1 || :; fi\n"
            .to_owned(),
    );
    let mut bytes = Vec::new();
    builder.build().unwrap().write(&mut bytes).unwrap();
    bytes
}
