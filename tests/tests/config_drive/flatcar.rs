//! The text for Flatcar, before an oracle: what coreos-cloudinit makes of it, written down from its documentation
//! (flatcar/coreos-cloudinit Documentation/cloud-config.md) and told by looking at nothing else. Flatcar itself was not run.
//!
//! Must not know the text: it is read as Flatcar would read any.

use std::collections::BTreeMap;

use agent::config_drive::family::Family;
use serde_json::{Map, Value as Json};

use crate::{python, rendered};

/// Reads YAML into JSON, as both have the same values here.
const READ: &str = "
import json, sys, yaml
json.dump(yaml.safe_load(open(sys.argv[1])), sys.stdout)
";

/// A Flatcar after its start.
#[derive(Debug, Default, PartialEq, Eq)]
struct Machine {
    host_name: String,
    /// Keys of `core`, which is there already, in groups that the text cannot change.
    keys: Vec<String>,
    /// Accounts that were made, with their groups.
    made: BTreeMap<String, Vec<String>>,
    /// Modes and contents of files.
    files: BTreeMap<String, (u32, String)>,
    /// What the service manager was asked for, in order.
    asked: Vec<String>,
    /// Keys of the text that mean nothing to it; each is told in its log.
    ignored: Vec<String>,
}

fn text_of(object: &Json, key: &str) -> String {
    match object.get(key) {
        None => String::new(),
        Some(value) => value.as_str().unwrap_or_else(|| panic!("{key} is no text: {object}")).to_owned(),
    }
}

fn list_of<'a>(object: &'a Json, key: &str) -> &'a [Json] {
    object.get(key).map_or(&[], |list| list.as_array().unwrap_or_else(|| panic!("{key} is no list: {object}")))
}

fn texts_of(object: &Json, key: &str) -> Vec<String> {
    list_of(object, key).iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

impl Machine {
    /// Starts with a text.
    fn start(user_data: &str) -> Self {
        assert_eq!(user_data.lines().next(), Some("#cloud-config"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("user_data");
        std::fs::write(&path, user_data).unwrap();
        let config = python(READ, &path);
        let mut machine = Self { host_name: text_of(&config, "hostname"), ..Self::default() };
        let known = ["hostname", "ssh_authorized_keys", "users", "write_files", "coreos", "manage_etc_hosts"];
        machine.ignore(config.as_object().unwrap(), "", &known);
        machine.keys = texts_of(&config, "ssh_authorized_keys");
        for user in list_of(&config, "users") {
            machine.user(user);
        }
        for file in list_of(&config, "write_files") {
            machine.file(file);
        }
        let coreos = config.get("coreos").cloned().unwrap_or(Json::Object(Map::new()));
        machine.ignore(coreos.as_object().unwrap(), "coreos.", &["units", "update", "locksmith", "flannel", "oem"]);
        machine.units(list_of(&coreos, "units"));
        machine
    }

    fn ignore(&mut self, object: &Map<String, Json>, within: &str, known: &[&str]) {
        let unknown = object.keys().filter(|key| !known.contains(&key.as_str()));
        self.ignored.extend(unknown.map(|key| format!("{within}{key}")));
    }

    /// "If the user already exists, all fields but the password and ssh-authorized-keys are ignored."
    fn user(&mut self, user: &Json) {
        let known = ["name", "gecos", "passwd", "homedir", "no_create_home", "primary_group", "groups", "shell"];
        let known = [&known[..], &["no_user_group", "ssh_authorized_keys", "system", "no_log_init"]].concat();
        self.ignore(user.as_object().unwrap(), "users.", &known);
        let keys = texts_of(user, "ssh_authorized_keys");
        match text_of(user, "name").as_str() {
            "core" => self.keys.extend(keys),
            name => _ = self.made.insert(name.to_owned(), texts_of(user, "groups")),
        }
    }

    /// "Directories that do not exist are made"; the mode is 0644 unless it is told.
    fn file(&mut self, file: &Json) {
        self.ignore(
            file.as_object().unwrap(),
            "write_files.",
            &["path", "content", "permissions", "owner", "encoding"],
        );
        let mode = match text_of(file, "permissions").as_str() {
            "" => 0o644,
            octal => u32::from_str_radix(octal, 8).unwrap(),
        };
        assert!(file.get("encoding").is_none(), "the oracle decodes nothing");
        self.files.insert(text_of(file, "path"), (mode, text_of(file, "content")));
    }

    /// Units are written first; then networks are configured anew if there are any of theirs, and commands are given.
    fn units(&mut self, units: &[Json]) {
        let mut commands = Vec::new();
        let mut network = false;
        for unit in units {
            let known = ["name", "runtime", "enable", "content", "command", "mask", "drop_ins"];
            self.ignore(unit.as_object().unwrap(), "coreos.units.", &known);
            let name = text_of(unit, "name");
            let of_network = [".network", ".netdev", ".link"].iter().any(|ending| name.ends_with(ending));
            let (content, command) = (text_of(unit, "content"), text_of(unit, "command"));
            if !content.is_empty() {
                let below = if unit.get("runtime") == Some(&Json::Bool(true)) { "run" } else { "etc" };
                let kind = if of_network { "network" } else { "system" };
                self.files.insert(format!("/{below}/systemd/{kind}/{name}"), (0o644, content));
            }
            network |= of_network;
            if !command.is_empty() && !of_network {
                commands.push(format!("{command} {name}"));
            }
        }
        self.asked.extend(network.then(|| "restart systemd-networkd.service".to_owned()));
        self.asked.extend(commands);
    }

    /// The value of a key in a file of the service manager's form.
    fn setting(&self, path: &str, key: &str) -> &str {
        let (_, content) = self.files.get(path).unwrap_or_else(|| panic!("there is no {path}: {self:?}"));
        content.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap()
    }
}

const KEY: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ==";
const UNIT: &str = "/etc/systemd/system/xscontainer-guest-agent.service";

#[test]
fn flatcar_lets_the_pool_in_and_starts_docker_and_the_guest_agent() {
    let machine = Machine::start(&rendered(Family::Flatcar, None));
    assert_eq!((machine.host_name.as_str(), machine.keys.as_slice()), ("webserver1", &[KEY.to_owned()][..]));
    assert_eq!(machine.made, BTreeMap::new(), "core is there already");
    assert_eq!(machine.asked, ["start docker.service", "start xscontainer-guest-agent.service"]);
    assert_eq!(machine.ignored, [""; 0]);
    let paths: Vec<&String> = machine.files.keys().collect();
    assert_eq!(paths, ["/etc/sysctl.d/10-arp-notify.conf", UNIT, "/opt/xscontainer/guest-agent"]);
    assert_eq!(machine.files["/opt/xscontainer/guest-agent"].0, 0o755);
    assert_eq!(machine.setting(UNIT, "ExecStart"), "/bin/sh /opt/xscontainer/guest-agent");
}

#[test]
fn flatcar_routes_nothing_through_the_host_internal_network() {
    let machine = Machine::start(&rendered(Family::Flatcar, Some("1")));
    let network = "/run/systemd/network/00-xscontainer-eth1.network";
    assert_eq!((machine.setting(network, "Name"), machine.setting(network, "UseRoutes")), ("eth1 enX1", "false"));
    assert_eq!(machine.asked[0], "restart systemd-networkd.service");
}

#[test]
fn the_text_for_any_distribution_does_the_same_on_flatcar() {
    for device in [None, Some("1")] {
        let [general, flatcar] =
            [Family::General, Family::Flatcar].map(|family| Machine::start(&rendered(family, device)));
        assert_eq!((&general.keys, &general.made, &general.files), (&flatcar.keys, &flatcar.made, &flatcar.files));
        let guest_agent = flatcar.asked.iter().filter(|asked| !asked.contains("docker"));
        assert!(general.asked.iter().eq(guest_agent), "{general:?}");
        assert_eq!(general.ignored, ["runcmd", "users.sudo"]);
    }
}
