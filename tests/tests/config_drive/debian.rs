//! The text for Debian, before the real cloud-init: a VM from a cloud image that has the drive is ready to be managed.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use lab::cloud_image::Machine;
use lab::tools::succeed;
use tempfile::TempDir;

use crate::through_xapi::Lab;

/// What the guest agent's script does until it would wait, which ends it here.
const REPORT: &str = "printf '#!/bin/sh\nkill $PPID\n' >/usr/local/bin/sleep
    chmod 0755 /usr/local/bin/sleep
    sh /opt/xscontainer/guest-agent 2>&1";

#[test]
fn a_vm_from_a_cloud_image_is_ready_to_be_managed() {
    let lab = Lab::new();
    let folder = tempfile::tempdir().unwrap();
    let text = default_text(&lab);
    let without_agent = drive(&lab, &text, &folder, "without-agent");
    add_guest_tools(&lab);
    let with_agent = drive(&lab, &text, &folder, "with-agent");

    let machine = Machine::new();
    let said = machine.start(&without_agent);
    assert_eq!(errors(&machine), [""; 0], "{said}");
    assert_eq!(machine.read("/etc/hostname"), "webserver1\n");
    the_pool_gets_in(&lab, &machine, &without_agent);
    docker_is_installed_for_the_account(&machine, &without_agent);
    a_guest_agent_is_found(&machine, &with_agent, &without_agent);
}

/// The text that clients show for a new VM of Debian's template.
fn default_text(lab: &Lab) -> String {
    let template = lab.pool.xapi.add_vm("Debian Bookworm 12", [("is_a_template", true.into())]).unwrap();
    let arguments = [("templateuuid", &*lab.uuid(&template))];
    let text = lab.plugin.call(&lab.pool.xapi, "get_config_drive_default", &arguments).unwrap();
    assert!(text.ends_with("\n# Template: built into xscontainer, for Debian"), "{text}");
    text.strip_prefix("True").unwrap().to_owned()
}

/// A drive that the plugin makes of a text, as a file.
fn drive(lab: &Lab, text: &str, folder: &TempDir, name: &str) -> PathBuf {
    let path = folder.path().join(name);
    let vdi = lab.created(text);
    fs::write(&path, lab.pool.xapi.disk(&vdi)).unwrap();
    path
}

/// Puts an image of guest tools on the host, whose agent says what it has and ends.
fn add_guest_tools(lab: &Lab) {
    let folder = tempfile::tempdir().unwrap();
    let linux = folder.path().join("Linux");
    fs::create_dir(&linux).unwrap();
    fs::write(
        linux.join("xe-daemon"),
        "#!/bin/sh\necho \"the agent runs on $(cat /var/cache/xe-linux-distribution)\"\n",
    )
    .unwrap();
    fs::write(linux.join("xe-linux-distribution"), "#!/bin/sh\necho Debian >\"$1\"\n").unwrap();
    let image = lab.plugin.tools_folder().join("guest-tools-8.4.0.iso");
    succeed(Command::new("genisoimage").args(["-quiet", "-r", "-o"]).arg(image).arg(folder.path()));
}

/// What went wrong, as cloud-init sums it up.
fn errors(machine: &Machine) -> Vec<String> {
    let result: serde_json::Value = serde_json::from_str(&machine.read("/var/lib/cloud/data/result.json")).unwrap();
    let source = result["v1"]["datasource"].as_str().unwrap();
    assert!(source.starts_with("DataSourceConfigDrive") && source.contains("source=/dev/"), "{source}");
    result["v1"]["errors"].as_array().unwrap().iter().map(ToString::to_string).collect()
}

/// The account has the pool's key, and nothing else; Debian's own sshd takes it.
fn the_pool_gets_in(lab: &Lab, machine: &Machine, drive: &Path) {
    let (keys, private) = ("/home/core/.ssh/authorized_keys", "/root/key");
    let public: Vec<&str> = lab.pool.public_key().split(' ').take(2).collect();
    assert_eq!(machine.read(keys), format!("{}\n", public.join(" ")));
    let passwd = machine.read("/etc/passwd");
    let entry = passwd.lines().find(|line| line.starts_with("core:")).unwrap();
    let fields: Vec<&str> = entry.split(':').collect();
    assert_eq!((fields[4], fields[5], fields[6]), ("Container management", "/home/core", "/bin/bash"), "{entry}");
    for (path, mode) in [("/home/core/.ssh", 0o700), (keys, 0o600)] {
        let found = fs::metadata(machine.path(path)).unwrap();
        assert_eq!((found.mode() & 0o777, found.uid().to_string().as_str()), (mode, fields[2]), "{path}");
    }

    fs::write(machine.path(private), lab.pool.private_key()).unwrap();
    fs::set_permissions(machine.path(private), fs::Permissions::from_mode(0o600)).unwrap();
    let login = format!(
        "mkdir -p /run/sshd; /usr/sbin/sshd; ssh -q -i {private} -o StrictHostKeyChecking=no core@10.0.0.7 \
         'id -un; id -Gn; sudo -n id -un 2>/dev/null'"
    );
    let said = machine.run(drive, &login);
    assert_eq!((said.success, said.text.as_str()), (true, "core\ncore docker\nroot\n"));
}

/// Debian's Docker, which listens on a socket for the account's group.
fn docker_is_installed_for_the_account(machine: &Machine, drive: &Path) {
    let packages = "dpkg-query -W -f '${db:Status-Status} ${Package}\\n' docker.io openssh-server";
    assert_eq!(machine.run(drive, packages).text, "installed docker.io\ninstalled openssh-server\n");
    for service in ["docker.service", "ssh.service", "xscontainer-guest-agent.service"] {
        let said = machine.run(drive, &format!("systemctl is-enabled {service}"));
        assert_eq!(said.text, "enabled\n", "{service}");
    }
    let socket = machine.read("/lib/systemd/system/docker.socket");
    assert!(socket.contains("ListenStream=/run/docker.sock") && socket.contains("SocketGroup=docker"), "{socket}");
    let faults = machine.run(drive, "systemd-analyze verify /etc/systemd/system/xscontainer-guest-agent.service 2>&1");
    assert_eq!((faults.success, faults.text.as_str()), (true, ""));
}

/// The VM's own, else the drive's, else what Debian has: no agent, but a program by which the addresses are told.
fn a_guest_agent_is_found(machine: &Machine, with_agent: &Path, without_agent: &Path) {
    let told = |drive: &Path, before: &str| machine.run(drive, &format!("{before}{REPORT}")).text;

    let from_drive = told(with_agent, "");
    let wanted = "the guest agent is the config drive's\nthe agent runs on Debian\n";
    assert!(from_drive.ends_with(wanted), "{from_drive}");
    succeed(Command::new("sh").args(["-c", "rm \"$1\"/xe-*", "sh"]).arg(machine.path("/opt/xscontainer")));

    // Packages are really tried; here is no Xen whose store the last of them could reach.
    let from_debian = told(without_agent, "");
    for line in [
        "the config drive has no guest agent",
        "trying to install xe-guest-utilities",
        "E: Unable to locate package xe-guest-utilities",
        "Setting up xenstore-utils",
        "there is no guest agent to be had: reporting the addresses with xenstore-write",
    ] {
        assert!(from_debian.contains(line), "{line}: {from_debian}");
    }
    // With a store, and a network device of Xen's, in their places.
    let xen = "printf '#!/bin/sh\\necho \"store: $*\"\\n' >/usr/local/bin/xenstore-write
        chmod 0755 /usr/local/bin/xenstore-write
        mount -t tmpfs net /sys/class/net
        mkdir -p /sys/class/net/lo /sys/class/net/eth0/device
        echo device/vif/3 >/sys/class/net/eth0/device/nodename
        ";
    let addresses = told(without_agent, xen);
    let store: Vec<&str> = addresses.lines().filter_map(|line| line.strip_prefix("store: ")).collect();
    assert!(
        matches!(store[..], ["attr/vif/3/ipv4/0 10.0.0.7", last] if last.starts_with("data/updated ")),
        "{store:?}"
    );

    let unit = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n";
    fs::write(machine.path("/etc/systemd/system/xe-daemon.service"), unit).unwrap();
    let own = told(with_agent, "");
    assert!(own.ends_with("the VM has xe-daemon.service\n") && !own.contains("drive"), "{own}");
}
