//! Everything that can be wrong with a host, each on a host on which nothing else is.

use std::fs::{self, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::process::Command;

use lab::guests::{Certificates, Flaw};
use lab::monitor::Monitor;
use lab::tools::succeed;
use lab::xapi::{Failure, Fault};

use crate::lab::{Lab, PLUGIN, another_xapi, wait, wrong};

/// Changes a host, holds if doctor then says exactly this, and gives it.
#[track_caller]
fn finds(change: impl FnOnce(&mut Lab), expected: &[&str], failure: bool) {
    let mut lab = Lab::new();
    change(&mut lab);
    holds(&lab, expected, failure);
}

#[track_caller]
fn holds(lab: &Lab, expected: &[&str], failure: bool) {
    let (value, code) = lab.examined(&[]);
    assert_eq!(wrong(&value["checks"]), expected, "{value:#}");
    assert_eq!(code, if failure { 6 } else { 0 }, "{value:#}");
    let found = value["checks"].as_array().unwrap().iter().find(|check| check["id"] == expected[0]).unwrap();
    for member in ["reason", "remedy", "tested_by"] {
        assert!(!found[member].as_str().unwrap().is_empty(), "{found}");
    }
}

/// Defines a test for each name, and the list of them.
macro_rules! scenarios {
    ($($id:literal $name:ident $severity:ident [$($also:literal),*] $change:expr;)*) => {
        /// What is produced here.
        pub(crate) const IDS: &[&str] = &[$($id),*];

        $(
            #[test]
            fn $name() {
                finds($change, &scenarios!(@all $id $($also)*), stringify!($severity) == "FAIL");
            }
        )*
    };
    // In the order of the checks, which is that in which they are written.
    (@all $id:literal $($also:literal)*) => { [$id, $($also),*] };
}

scenarios! {
    "xsc-inventory-unusable" inventory FAIL [] |lab| lab.write("inventory", "PRODUCT_BRAND='XCP-ng'\n");
    "xsc-settings-wrong" settings_wrong warn [] |lab| lab.write("config.toml", "[monitor]\ntlss = true\n");
    "xsc-rpm-unusable" rpm_database warn [] |lab| {
        // Debian's rpm has root's database in its home.
        let script = "for file in $(find var/lib/rpm root/.rpmdb -type f); do echo no database > $file; done";
        succeed(Command::new("sh").args(["-c", script]).current_dir(lab.root.path()));
    };
    "xsc-package-missing" package_missing FAIL ["xsc-plugin-missing"] |lab| {
        succeed(lab.root.rpm().args(["-e", "xscontainer"]));
    };
    "xsc-program-version" program_version FAIL [] |lab| lab.install("10.0.4");
    "xsc-files-changed" files_changed warn [] |lab| {
        let mut file = fs::OpenOptions::new().append(true).open(lab.root.path().join(PLUGIN)).unwrap();
        file.write_all(b"# mine\n").unwrap();
    };
    "xsc-xapi-silent" xapi_silent FAIL ["xsc-monitor-xapi-silent"] |lab| {
        lab.pool.xapi.stop();
        lab.wait_for_status("it is silent", |status| !status["xapi_silent_since"].is_null());
    };
    "xsc-host-unknown" host_unknown FAIL [] |lab| {
        lab.write("inventory", "INSTALLATION_UUID='0a1b2c3d-1111-2222-3333-444455556666'\n");
    };
    "xsc-pack-missing" pack_missing warn [] |lab| {
        let pack = lab.xapi.look(|state| state.database.refs("pool_update"))[0].clone();
        lab.xapi.remove(&pack).unwrap();
    };
    "xsc-pack-version" pack_version warn [] |lab| {
        let pack = lab.xapi.look(|state| state.database.refs("pool_update"))[0].clone();
        lab.xapi.set(&pack, "version", "1.0").unwrap();
    };
    "xsc-service-unknown" service_unknown warn [] |lab| lab.add_program("systemctl", "exec sleep 1000");
    "xsc-service-stopped" service_stopped FAIL ["xsc-monitor-absent"] |lab| {
        lab.monitor = None;
        fs::remove_file(&lab.agent_socket).unwrap_or_default();
        lab.unit(&[("ActiveState", "failed"), ("SubState", "failed"), ("Result", "exit-code"), ("MainPID", "0")]);
    };
    "xsc-service-disabled" service_disabled warn [] |lab| lab.unit(&[("UnitFileState", "disabled")]);
    "xsc-service-restarted" service_restarted warn [] |lab| lab.unit(&[("NRestarts", "3")]);
    // Killed, it leaves its socket, on which nobody listens.
    "xsc-monitor-absent" monitor_absent FAIL [] |lab| {
        let monitor = lab.monitor.take().unwrap();
        lab.unit(&[]);
        drop(monitor);
    };
    "xsc-plugin-silent" plugin_silent FAIL [] |lab| {
        lab.write("bin/plugin", "#!/bin/sh\necho broken >&2\nexit 1\n");
        install_plugin(lab);
    };
    "xsc-plugin-old" plugin_old FAIL [] |lab| {
        lab.write("bin/plugin", OLD_PLUGIN);
        install_plugin(lab);
    };
    "xsc-no-pool-key" no_pool_key warn [] |lab| {
        for half in ["private", "public"] {
            let key = format!("xscontainer-{half}-secret-uuid");
            lab.xapi.remove_entry(&lab.xapi.pool(), "other_config", &key).unwrap();
        }
    };
    "xsc-pool-key-lost" pool_key_lost FAIL [] |lab| {
        let uuid = "0a1b2c3d-1111-2222-3333-444455556666";
        lab.set_entry(&lab.xapi.pool(), "xscontainer-private-secret-uuid", uuid);
    };
    "xsc-pool-key-unnamed" pool_key_unnamed FAIL [] |lab| {
        lab.set_entry(&lab.xapi.pool(), "xscontainer-private-secret-uuid", "somewhere");
    };
    "xsc-pool-key-unusable" pool_key_unusable FAIL [] |lab| {
        let secret = lab.secret("no key at all");
        lab.set_entry(&lab.xapi.pool(), "xscontainer-private-secret-uuid", &secret);
    };
    "xsc-xapi-refuses" xapi_refuses FAIL [] |lab| {
        lab.xapi.fail_next_call("secret.get_value", Fault::Fails(Failure::new("INTERNAL_ERROR", &["Not_found"])));
    };
    "xsc-disk-short" disk_short warn [] |lab| mount(lab, "mount -t tmpfs -o size=32m,mode=755 log $ROOT/var/log");
    "xsc-disk-full" disk_full FAIL [] |lab| {
        mount(
            lab,
            "mount -t tmpfs -o size=8m,mode=755 log $ROOT/var/log
             ! cat /dev/zero 2>/dev/null > $ROOT/var/log/other.log",
        );
    };
    "xsc-log-unwritable" log_unwritable FAIL [] |lab| {
        fs::write(lab.root.path().join("var/log/xscontainer.log"), "").unwrap();
        mount(lab, "cd $ROOT/var; mount --bind log log; mount -o remount,bind,ro log");
    };
    "xsc-monitor-memory" monitor_memory warn [] |lab| lab.unit(&[("MemoryLimit", "1048576")]);
    "xsc-dom0-memory" dom0_memory warn [] |lab| {
        let file = lab.agent_socket.with_file_name("meminfo");
        fs::write(&file, "MemTotal: 2097152 kB\nMemFree: 20480 kB\nMemAvailable: 40960 kB\n").unwrap();
        mount(lab, &format!("mount --bind {} /proc/meminfo", file.display()));
    };
    "xsc-clock-before-program" clock_before_program FAIL [] |lab| {
        // The same as a clock that is two days behind, for a program that was made now.
        let copy = lab.root.path().join("usr/bin/xscontainer");
        fs::copy(&lab.program, &copy).unwrap();
        succeed(Command::new("touch").args(["-d", "2 days"]).arg(&copy));
        lab.program = copy;
    };
    "xsc-clock-differs" clock_differs warn [] |lab| lab.xapi.set_clock(&lab.xapi.host(), 60);
    "xsc-clock-wrong" clock_wrong FAIL [] |lab| lab.xapi.set_clock(&lab.xapi.host(), -3600);
    "xsc-debug-left-on" debug_left_on warn [] |lab| {
        let folder = lab.root.path().join("opt/xensource/packages/files/xscontainer");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("devlogging_enabled"), "").unwrap();
    };
    "xsc-vms-not-reached" vms_not_reached warn [] |lab| {
        let address = lab.network.unused_address().to_string();
        lab.add_vm("web", &[("0/ip", &address)], &[]);
        lab.wait_for_status("it is not reached", |status| status["vms"][0]["state"] == "not-reached");
    };
    "xsc-certificates-end" certificates_end warn [] |lab| {
        let address = lab.network.unused_address().into();
        let certificates = Certificates::lasting(address, Flaw::None, 730, 20);
        let client = lab.secret(&certificates.client_certificate);
        let vm = lab.add_vm("win", &[], &[("xscontainer-mode", "tls"), ("xscontainer-tls-client-cert", &client)]);
        lab.xapi.set(&vm, "power_state", "Halted").unwrap();
        lab.wait_for_status("it is not watched", |status| status["vms"][0]["state"] == "not-watched");
    };
}

/// What has a shape of its own.
pub(crate) const OTHER_IDS: &[&str] = &[
    "xsc-monitor-hung",
    "xsc-monitor-version",
    "xsc-monitor-xapi-silent",
    "xsc-plugin-missing",
    "xsc-plugin-not-executable",
    "xsc-plugin-foreign",
];

/// Says of every function that it does not know it, as XAPI's helper for plugins does.
const OLD_PLUGIN: &str = "#!/bin/sh
echo '<?xml version=\"1.0\"?><methodResponse><params><param><value><struct>\
<member><name>Status</name><value>Failure</value></member>\
<member><name>ErrorDescription</name><value><array><data><value>UNKNOWN_XENAPI_PLUGIN_FUNCTION</value>\
<value>get_status</value></data></array></value></member></struct></value></param></params></methodResponse>'
";

fn install_plugin(lab: &Lab) {
    let file = lab.program_file("plugin");
    fs::set_permissions(&file, Permissions::from_mode(0o755)).unwrap();
    lab.xapi.install_plugin(&lab.xapi.host(), "xscontainer", &file);
}

/// Lets the command run where this was done to its root before.
fn mount(lab: &mut Lab, script: &str) {
    let script = script.replace("$ROOT", &lab.root.path().to_string_lossy());
    let script = format!("set -e\n{script}\nexec \"$@\"");
    lab.inside =
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", &script, "sh"].map(str::to_owned).into();
}

#[test]
fn on_a_host_that_is_well_every_line_is_ok() {
    let lab = Lab::new();
    let said = lab.doctor(&[]);
    assert_eq!(said.code, Some(0), "{}", said.text);
    assert!(said.text.lines().all(|line| line.starts_with("ok    ")), "{}", said.text);
    assert_eq!(said.text.lines().count(), 17, "{}", said.text);
}

#[test]
fn a_monitor_that_hangs_is_told_apart_from_none() {
    let lab = Lab::new();
    let id = lab.monitor.as_ref().unwrap().id().to_string();
    succeed(Command::new("kill").args(["-STOP", &id]));
    holds(&lab, &["xsc-monitor-hung"], true);
    succeed(Command::new("kill").args(["-CONT", &id]));
}

#[test]
fn a_monitor_of_another_version_is_told() {
    let mut lab = Lab::new();
    let folder = tempfile::tempdir().unwrap();
    lab.agent_socket = folder.path().join("old.sock");
    let listener = UnixListener::bind(&lab.agent_socket).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut length = [0; 4];
            stream.read_exact(&mut length).unwrap();
            let mut question = vec![0; u32::from_be_bytes(length) as usize];
            stream.read_exact(&mut question).unwrap();
            let answer = br#"{"not-lent":"the monitor is of version 10.99.1"}"#;
            stream.write_all(&u32::try_from(answer.len()).unwrap().to_be_bytes()).unwrap();
            stream.write_all(answer).unwrap();
        }
    });
    holds(&lab, &["xsc-monitor-version"], true);
}

#[test]
fn a_monitor_that_xapi_does_not_answer_is_told_although_it_answers_us() {
    let mut lab = Lab::new();
    let folder = tempfile::tempdir().unwrap();
    let mut other = another_xapi(folder.path());
    let monitor = Monitor::start(&other);
    lab.agent_socket = monitor.agent_socket();
    wait("it listens", || lab.agent_socket.exists());
    other.stop();
    lab.wait_for_status("it is silent", |status| !status["xapi_silent_since"].is_null());
    holds(&lab, &["xsc-monitor-xapi-silent"], true);
}

#[test]
fn a_plugin_that_was_changed_is_told_with_the_package_that_it_is_from() {
    let lab = Lab::new();
    let file = lab.root.path().join(PLUGIN);
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let (value, _) = lab.examined(&[]);
    assert_eq!(wrong(&value["checks"]), ["xsc-files-changed", "xsc-plugin-not-executable"], "{value:#}");
    fs::write(&file, "#!/usr/bin/python\nprint('mine')\n").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o755)).unwrap();
    let (value, _) = lab.examined(&[]);
    assert_eq!(wrong(&value["checks"]), ["xsc-files-changed", "xsc-plugin-foreign"], "{value:#}");
    fs::remove_file(&file).unwrap();
    let (value, _) = lab.examined(&[]);
    assert_eq!(wrong(&value["checks"]), ["xsc-files-changed", "xsc-plugin-missing"], "{value:#}");
}

#[test]
fn where_everything_hangs_it_ends_all_the_same() {
    let mut lab = Lab::new();
    let folder = tempfile::tempdir().unwrap();
    let _xapi = UnixListener::bind(folder.path().join("xapi")).unwrap();
    lab.socket = folder.path().join("xapi");
    let _monitor = UnixListener::bind(folder.path().join("monitor")).unwrap();
    lab.agent_socket = folder.path().join("monitor");
    for program in ["systemctl", "rpm", "journalctl"] {
        lab.add_program(program, "exec sleep 1000");
    }
    let begun = std::time::Instant::now();
    let said = lab.doctor(&["--report", "-"]);
    let took = begun.elapsed().as_secs();
    assert_eq!(said.code, Some(0), "{}", said.text);
    // What the bugtool gives it: max_time in spec/dom0/etc/xensource/bugtool/xscontainer.xml.
    assert!(took < 60, "{took} s\n{}", said.text);
    for word in ["xsc-xapi-silent", "xsc-monitor-hung", "xsc-rpm-unusable", "xsc-service-unknown"] {
        assert!(said.text.contains(word), "no {word} in\n{}", said.text);
    }
}
