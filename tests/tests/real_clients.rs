//! Real clients against the simulated XAPI: PyPI's XenAPI and npm's xen-api must find it indistinguishable from xapi.
//!
//! The scripts in `tests/clients` print one JSON value a step; this side expects the steps in order and makes the
//! changes that they are to see.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed, in its helper functions too")]

use std::{
    env, fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use lab::xapi::{Config, Failure, Fault, Ref, State, Xapi};
use serde_json::{Value as Json, json};

/// Longer than any step takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// A path from the environment, or where `cargo xtask test` puts it in the workspace.
fn tool(variable: &str, usual: &str) -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let path = env::var_os(variable).map_or_else(|| workspace.join(usual), PathBuf::from);
    assert!(path.exists(), "{} is missing; run `cargo xtask test` or set {variable}", path.display());
    path
}

/// A running script and its output.
struct Script {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Script {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    /// The next step must be this one, with this outcome.
    fn expect(&self, step: &str, outcome: &Json) {
        let line = self.lines.recv_timeout(DEADLINE).unwrap_or_else(|error| panic!("before {step:?}: {error}"));
        assert_eq!(serde_json::from_str::<Json>(&line).unwrap(), json!({ step: outcome }));
    }

    /// The script must have said all and ended well.
    fn end(mut self) {
        assert_eq!(self.lines.recv_timeout(DEADLINE), Err(mpsc::RecvTimeoutError::Disconnected));
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A plugin that answers in the form of XenAPIPlugin.py: with `True` and the document that it was given, or it fails.
const MIRROR: &str = r#"#!/bin/sh
case "$1" in
*"<methodName>fail</methodName>"*)
  status=Failure member=ErrorDescription
  value='<array><data><value><string>LAB</string></value><value/></data></array>' ;;
*)
  status=Success member=Value value="<string><![CDATA[True$1]]></string>" ;;
esac
echo "<?xml version='1.0'?>
<methodResponse><params><param><value><struct>
<member><name>Status</name><value><string>$status</string></value></member>
<member><name>$member</name><value>$value</value></member>
</struct></value></param></params></methodResponse>"
"#;

/// The end of what `mirror` answers to the arguments `a` and `b`.
const MIRRORED: &str = "<struct><member><name>a</name><value>&lt;&amp;&gt; é\n</value></member><member><name>b</name>\
                        <value/></member></struct></value></param></params></methodCall>";

/// A simulator with one VM, `web`, that has guest metrics and a VIF, an SR, and the plugin `mirror`.
struct Lab {
    xapi: Xapi,
    vm: Ref,
    uuid: String,
    sr_uuid: String,
    _directory: tempfile::TempDir,
}

impl Lab {
    fn start() -> Self {
        // The Python library turns every underscore of a socket's path into a slash.
        let directory = tempfile::Builder::new().prefix("lab").tempdir().unwrap();
        let config = Config { password: Some("secret".to_owned()), ..Config::at(&directory.path().join("xapi")) };
        let xapi = Xapi::start(config.with_tcp()).unwrap();
        let vm = xapi.add_vm("web", []).unwrap();
        xapi.add_guest_metrics(&vm, &[("0/ip", "10.0.0.7"), ("0/ipv6/0", "")]).unwrap();
        xapi.add("VIF", [("VM", (&vm).into()), ("device", "0".into())]).unwrap();
        let uuid = xapi.get(&vm, "uuid").unwrap().text().unwrap().to_owned();
        let sr = xapi.add_sr("disks", &[&xapi.host()]);
        let sr_uuid = xapi.get(&sr, "uuid").unwrap().text().unwrap().to_owned();
        let program = directory.path().join("mirror");
        fs::write(&program, MIRROR).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        xapi.install_plugin(&xapi.host(), "mirror", &program);
        Self { xapi, vm, uuid, sr_uuid, _directory: directory }
    }

    fn url(&self) -> String {
        format!("http://{}/", self.xapi.address().unwrap())
    }

    /// Waits until a call of `event.from` waits for changes.
    fn until_watched(&self) {
        let waits = |state: &State| (state.waiting == 1).then_some(());
        self.xapi.block_until("a client waits for events", DEADLINE, waits).unwrap();
    }
}

fn python(lab: &Lab, uri: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/session.py");
    let python = tool("LAB_PYTHON", "target/lab/venv/bin/python");
    let lost = Failure::new("SESSION_INVALID", &["lost"]);
    lab.xapi.fail_next_call("host.get_by_uuid", Fault::Fails(lost));
    let script = Script::start(Command::new(python).arg(script).args([uri, &lab.uuid, &lab.sr_uuid]));

    script.expect("api version", &json!("2.15"));
    script.expect("methods", &json!(true));
    let record = json!({
        "uuid": lab.uuid, "name_label": "web", "power_state": "Running", "is_a_template": false,
        "memory_target": "1073741824"
    });
    script.expect("record", &record);
    script.expect("record alone", &json!(true));
    script.expect("snapshot time", &json!("19700101T00:00:00Z"));
    script.expect("networks", &json!({"0/ip": "10.0.0.7", "0/ipv6/0": ""}));
    script.expect("by name", &json!(true));
    script.expect("map", &json!(true));
    script.expect("duplicate key", &json!(["MAP_DUPLICATE_KEY", "VM", "other_config"]));
    script.expect("map", &json!({}));
    script.expect("map", &json!({"a": "1", "b": ""}));
    script.expect("secret", &json!(true));
    script.expect("message", &json!("body"));
    script.expect("hosts of the SR", &json!([true]));
    script.expect("size", &json!("4194304"));
    script.expect("import", &json!(["success", true]));
    script.expect("export", &json!([4_194_304, true, 4_194_304 - 1_280_000]));
    script.expect("destroyed", &json!("HANDLE_INVALID"));
    script.expect("plugin", &json!(["True<methodCall>", MIRRORED]));
    script.expect("plugin fails", &json!(["LAB", ""]));
    script.expect("plugin missing", &json!(["XENAPI_MISSING_PLUGIN", "missing"]));
    script.expect("wrong handle", &json!(["HANDLE_INVALID", "VM", "OpaqueRef:gone"]));
    script.expect("wrong uuid", &json!(["UUID_INVALID", "network", "gone"]));
    script.expect("unknown method", &json!(["MESSAGE_METHOD_UNKNOWN", "VM.dance"]));
    script.expect("parameter count", &json!(["MESSAGE_PARAMETER_COUNT_MISMATCH", "VM.get_record", "1", "0"]));
    script.expect("after a lost session", &json!(true));
    assert_eq!(lab.xapi.look(|state| state.calls("session.login_with_password")), 2);

    lab.until_watched();
    let second = lab.xapi.add_vm("second", []).unwrap();
    script.expect("event", &json!(["vm", "add", "second"]));
    script.expect("count", &json!(3));
    lab.until_watched();
    lab.xapi.set(&second, "name_label", "renamed").unwrap();
    script.expect("event", &json!(["vm", "mod", "renamed"]));
    script.expect("count", &json!(3));
    lab.until_watched();
    lab.xapi.remove(&second).unwrap();
    script.expect("event", &json!(["vm", "del", null]));
    script.expect("count", &json!(2));
    script.expect("logged out", &Json::Null);
    script.end();
    // The session that the library believed lost was not closed by it.
    assert_eq!(lab.xapi.look(|state| state.sessions("lab-python").len()), 1);
}

#[test]
fn the_python_library_works_over_tcp() {
    let lab = Lab::start();
    python(&lab, &lab.url());
}

#[test]
fn the_python_library_works_over_the_unix_socket() {
    let lab = Lab::start();
    let uri = format!("http://{}/", lab.xapi.socket().to_str().unwrap().replace('/', "_"));
    python(&lab, &uri);
}

/// Xen Orchestra's library over one of its transports. `LAB_NODE` names another node than the one in PATH.
fn node(transport: &str) {
    let lab = Lab::start();
    lab.xapi.set_plugin("echo", |function, arguments| {
        let (key, value) = &arguments[0];
        Ok(format!("True{function} {key}={value}"))
    });
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/watch.mjs");
    let node = env::var_os("LAB_NODE").unwrap_or_else(|| "node".into());
    let script = Script::start(
        Command::new(node)
            .arg(script)
            .args([&lab.url(), transport, &lab.uuid, &lab.sr_uuid])
            .env("LAB_NODE_MODULES", tool("LAB_NODE_MODULES", "target/lab/node_modules")),
    );

    script.expect("pool", &json!("lab"));
    script.expect("vm", &json!(["VM", "web", "Running", false, 1_073_741_824]));
    script.expect("links", &json!(["host", "10.0.0.7", 1]));
    script.expect("dom0", &json!(1));
    script.expect("record", &json!(true));
    script.expect("map", &json!({"lab": "a<b>&\"c\" é 🐳\n "}));
    script.expect("map", &json!({}));
    script.expect("tags", &json!(["lab"]));
    script.expect("plugin", &json!("Truesay a=b"));
    script.expect("task", &json!("Truesay a=<&>"));
    script.expect("program", &json!(MIRRORED));
    script.expect("import", &json!(true));
    script.expect("export", &json!([4_194_304, true]));
    script.expect("failure", &json!(["HANDLE_INVALID", "VM", "OpaqueRef:gone"]));
    script.expect("failure", &json!(["UUID_INVALID", "VM", "gone"]));
    script.expect("failure", &json!(["MESSAGE_METHOD_UNKNOWN", "VM.dance"]));
    script.expect("watching", &json!(true));
    let second = lab.xapi.add_vm("second", []).unwrap();
    script.expect("appeared", &json!("second"));
    lab.xapi.set(&second, "name_label", "second, renamed").unwrap();
    script.expect("renamed", &json!("second, renamed"));
    lab.xapi.remove(&second).unwrap();
    script.expect("removed", &json!(false));
    script.expect("disconnected", &json!("disconnected"));
    script.end();
    let logged_out = |state: &State| state.sessions("").is_empty().then_some(());
    lab.xapi.block_until("the library logs out", DEADLINE, logged_out).unwrap();
    assert_eq!(lab.xapi.get(&lab.vm, "tags").unwrap().items().len(), 1);
}

#[test]
fn xen_orchestras_library_works_by_json_rpc() {
    node("json-rpc");
}

#[test]
fn xen_orchestras_library_works_by_xml_rpc() {
    node("xml-rpc");
}

#[test]
fn xen_orchestras_library_works_with_the_transport_that_it_chooses() {
    node("auto");
}
