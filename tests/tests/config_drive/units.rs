//! Units on drives for Red Hat's distributions and Flatcar, before systemd's own check; Podman's units are Debian's, whose
//! text is the same. Neither distribution was run.

use std::fs;
use std::path::Path;
use std::process::Command;

use agent::config_drive::family::Family;
use lab::tools::{Said, outcome};
use serde_json::Value as Json;

use crate::{python, rendered};

/// Prints the files that a text has.
const FILES: &str = "
import json, sys, yaml
json.dump(yaml.safe_load(open(sys.argv[1]))['write_files'], sys.stdout)
";

/// Where the service manager's files are on a VM.
const UNITS: &str = "/etc/systemd/system/";

/// Writes a family's units into a folder.
fn write_units(family: Family, folder: &Path) {
    let text = folder.join("user_data");
    fs::write(&text, rendered(family, None)).unwrap();
    let Json::Array(files) = python(FILES, &text) else { panic!("no list of files") };
    for file in &files {
        let Some(unit) = file["path"].as_str().unwrap().strip_prefix(UNITS) else { continue };
        let path = folder.join(unit);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // The script is not here.
        let content = file["content"].as_str().unwrap().replace("/opt/xscontainer/guest-agent", "/dev/null");
        fs::write(path, content).unwrap();
    }
}

/// What systemd says of a unit in a folder; the system's own units are known, too.
fn checked(folder: &Path, unit: &str) -> Said {
    let mut path = folder.as_os_str().to_owned();
    path.push(":");
    outcome(Command::new("systemd-analyze").args(["verify", unit]).env("SYSTEMD_UNIT_PATH", path))
}

#[test]
fn podman_listens_for_the_accounts_group() {
    let folder = tempfile::tempdir().unwrap();
    write_units(Family::RedHat, folder.path());
    let said = checked(folder.path(), "podman.socket");
    assert_eq!((said.success, said.text.as_str()), (true, ""));
    let drop_in = folder.path().join("podman.socket.d/xscontainer.conf");
    let settings = fs::read_to_string(&drop_in).unwrap();
    for setting in ["SocketGroup=docker", "SocketMode=0660", "ExecStartPost=/usr/bin/chmod 0711 /run/podman"] {
        assert!(settings.lines().any(|line| line == setting), "{settings}");
    }
    fs::write(drop_in, settings.replace("SocketGroup", "SocketGruop")).unwrap();
    let said = checked(folder.path(), "podman.socket");
    assert!(said.text.contains("Unknown key"), "the drop-in is checked: {}", said.text);
}

#[test]
fn the_guest_agents_unit_is_right() {
    let folder = tempfile::tempdir().unwrap();
    write_units(Family::Flatcar, folder.path());
    let said = checked(folder.path(), "xscontainer-guest-agent.service");
    assert_eq!((said.success, said.text.as_str()), (true, ""));
}
