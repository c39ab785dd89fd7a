//! Config drives before the programs that read them in guests: the real cloud-init, as it starts and as it reads and
//! checks, blkid, systemd's check of units, and other people's readers of images.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed, in its helper functions too")]

mod debian;
mod flatcar;
mod interrupted;
mod through_xapi;
mod units;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use agent::config_drive::family::Family;
use agent::config_drive::image::{self, AgentFile, Contents};
use agent::config_drive::{default, template};
use agent::xapi::VmUuid;
use lab::tools::{outcome, stdout_of, succeed};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

const VM: &str = "0f00ba11-0000-0000-0000-000000000001";

/// Prints what cloud-init's data source for config drives makes of an unpacked one.
const READ: &str = "
import base64, json, sys
from cloudinit.sources import DataSourceConfigDrive
found = DataSourceConfigDrive.read_config_drive(sys.argv[1])
found['userdata'] = found['userdata'].decode()
json.dump(found, sys.stdout)
";

/// Prints what cloud-init understands of users, and the files that it would write.
const UNDERSTAND: &str = "
import json, sys, yaml
from cloudinit.distros import ug_util, fetch
config = yaml.safe_load(open(sys.argv[1]))
distro = fetch('debian')('debian', {}, None)
users, groups = ug_util.normalize_users_groups(config, distro)
json.dump({'users': users, 'files': config['write_files'], 'run': config['runcmd'],
  'packages': config.get('packages')}, sys.stdout)
";

/// cloud-init is a package of the system's own Python.
fn python(script: &str, path: &Path) -> Json {
    let said = stdout_of(Command::new("/usr/bin/python3").args(["-c", script]).arg(path));
    serde_json::from_str(&said).unwrap()
}

/// A family's text for a VM, with or without a connection to the host-internal network.
fn rendered(family: Family, device: Option<&str>) -> String {
    let text = default::text(Path::new("/nowhere"), family, device.is_some()).unwrap();
    let values = template::Values {
        host_name: template::host_name("Web Server 1", VM),
        public_key: Some("AAAAB3NzaC1yc2EAAAADAQABAAAAgQ==".into()),
        device: device.map(str::to_owned),
    };
    template::rendered(&text, &values)
}

/// A drive with the default text, as a file in a folder of its own.
fn drive() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("drive.iso");
    let agent = [AgentFile { name: "xe-daemon", executable: true, content: b"#!/bin/sh\n".into() }];
    let contents = Contents {
        vm: &VmUuid::parse(VM).unwrap(),
        name: "Web Server 1 \u{1F433}",
        host_name: "webserver1",
        template: &default::text(Path::new("/nowhere"), Family::General, false).unwrap(),
        user_data: &rendered(Family::General, None),
        agent: &agent,
    };
    fs::write(&path, image::build(&contents).unwrap()).unwrap();
    (folder, path)
}

/// The folder that a drive's files were unpacked into, by each of two readers of others.
fn unpacked(folder: &Path, drive: &Path) -> [PathBuf; 2] {
    let by = |name: &str| {
        let into = folder.join(name);
        fs::create_dir(&into).unwrap();
        into
    };
    let (libarchive, libisofs) = (by("libarchive"), by("libisofs"));
    succeed(Command::new("bsdtar").arg("-xf").arg(drive).arg("-C").arg(&libarchive));
    let mut xorriso = Command::new("xorriso");
    succeed(xorriso.args(["-osirrox", "on", "-indev"]).arg(drive).args(["-extract", "/"]).arg(&libisofs));
    [libarchive, libisofs]
}

#[test]
fn guests_find_the_drive_by_its_label() {
    let (_folder, path) = drive();
    let mut blkid = Command::new("blkid");
    let said = stdout_of(blkid.args(["-p", "-o", "export"]).arg(&path));
    for line in ["LABEL=config-2", "TYPE=iso9660"] {
        assert!(said.lines().any(|said| said == line), "{said}");
    }
}

#[test]
fn cloud_init_reads_the_drive() {
    let (folder, path) = drive();
    for files in unpacked(folder.path(), &path) {
        let found = python(READ, &files);
        assert_eq!(found["version"], 2);
        assert_eq!(found["userdata"], format!("{}\n", rendered(Family::General, None)));
        let metadata = &found["metadata"];
        assert_eq!((&metadata["instance-id"], &metadata["local-hostname"]), (&json!(VM), &json!("webserver1")));
        assert_eq!(metadata["name"], "Web Server 1 \u{1F433}");
        let mode = fs::metadata(files.join("agent/xe-daemon")).unwrap().permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o755, "{}", files.display());
    }
}

/// Every family's text, with and without a connection to the host-internal network.
fn all() -> impl Iterator<Item = (Family, String)> {
    let both = |family| [None, Some("1")].map(|device| (family, rendered(family, device)));
    Family::ALL.into_iter().flat_map(both)
}

#[test]
fn the_default_texts_are_valid_under_cloud_inits_schema() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("user_data");
    let schema = || outcome(Command::new("cloud-init").args(["schema", "--config-file"]).arg(&path));
    for (family, text) in all() {
        fs::write(&path, text).unwrap();
        let said = schema();
        assert!(said.success && said.text.contains("Valid cloud-config"), "{family}: {}", said.text);
    }
    fs::write(&path, "#cloud-config\nusers: 1\n").unwrap();
    assert!(!schema().success, "the schema is checked");
}

#[test]
fn cloud_init_makes_the_account_and_the_guest_agent_of_the_default_texts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("user_data");
    // Flatcar has no cloud-init.
    for (family, text) in all().filter(|(family, _)| *family != Family::Flatcar) {
        fs::write(&path, text).unwrap();
        let found = python(UNDERSTAND, &path);
        let core = &found["users"]["core"];
        assert_eq!(core["groups"], json!(["docker"]), "{family}");
        assert_eq!(core["ssh_authorized_keys"], json!(["ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ=="]), "{family}");
        for file in found["files"].as_array().unwrap() {
            let content = file["content"].as_str().unwrap();
            if content.starts_with("#!") {
                let script = folder.path().join("script");
                fs::write(&script, content).unwrap();
                succeed(Command::new("sh").arg("-n").arg(&script));
            }
        }
        for command in found["run"].as_array().unwrap() {
            succeed(Command::new("sh").args(["-n", "-c", command.as_str().unwrap()]));
        }
    }
}

#[test]
fn each_distribution_gets_an_engine_by_its_own_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("user_data");
    for (family, packages) in [
        (Family::General, json!(null)),
        (Family::Debian, json!(["docker.io", "openssh-server"])),
        (Family::Ubuntu, json!(["docker.io", "openssh-server"])),
        (Family::RedHat, json!(["openssh-server", "podman"])),
        (Family::Suse, json!(["docker", "openssh"])),
    ] {
        fs::write(&path, rendered(family, None)).unwrap();
        assert_eq!(python(UNDERSTAND, &path)["packages"], packages, "{family}");
    }
}
