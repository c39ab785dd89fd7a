//! Registering and deregistering through the plugin, and calls that make no sense.

use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;

use lab::plugin::Plugin;
use lab::xapi::{Failure, Ref};

use crate::lab::{Lab, SOON};

fn call(lab: &Lab, plugin: &Plugin, vm: &Ref, function: &str) -> Result<String, Failure> {
    plugin.call(&lab.xapi, function, &[("vmuuid", &lab.uuid(vm))])
}

#[test]
fn a_vm_is_registered_and_deregistered() {
    let lab = Lab::new();
    let guest = lab.guest("web");
    let vm = lab.add_vm("web", &[("0/ip", &guest.address().to_string())], &[("xscontainer-monitor", "False")]);
    let monitor = lab.monitor();
    let plugin = Plugin::install(&lab.xapi, Some(&monitor));
    for _ in 0..2 {
        assert_eq!(call(&lab, &plugin, &vm, "register"), Ok("True".to_owned()));
        assert_eq!(lab.entry(&vm, "xscontainer-monitor").as_deref(), Some("True"));
    }
    lab.shows(&monitor, &vm, &[]);
    for _ in 0..2 {
        assert_eq!(call(&lab, &plugin, &vm, "deregister"), Ok("True".to_owned()));
        // The entry itself stays, or XenCenter would offer nothing.
        assert_eq!(lab.entry(&vm, "xscontainer-monitor").as_deref(), Some("False"));
        assert_eq!(lab.entry(&vm, "docker_ps"), None);
    }
    lab.shows_nothing(SOON, &monitor, &vm);
    assert_eq!(lab.entry(&vm, "mac_seed").as_deref(), Some("1"));
}

#[test]
fn a_halted_vm_is_registered_for_when_it_runs() {
    let lab = Lab::new();
    let vm = lab.xapi.add_vm("new", [("power_state", "Halted".into()), ("resident_on", Ref::null().into())]).unwrap();
    let plugin = Plugin::install(&lab.xapi, None);
    assert_eq!(call(&lab, &plugin, &vm, "register"), Ok("True".to_owned()));
    assert_eq!(lab.entry(&vm, "xscontainer-monitor").as_deref(), Some("True"));
    assert_eq!(lab.xapi.look(|state| state.sessions("lab").len()), 0, "the caller's session is his to end");
}

fn description(failure: &Failure) -> Vec<&str> {
    std::iter::once(&failure.code).chain(&failure.params).map(String::as_str).collect()
}

#[test]
fn calls_that_make_no_sense_are_refused_with_what_clients_know() {
    let lab = Lab::new();
    let vm = lab.add_vm("web", &[], &[]);
    let uuid = lab.uuid(&vm);
    let plugin = Plugin::install(&lab.xapi, None);
    let refused = |function: &str, arguments: &[(&str, &str)]| plugin.call(&lab.xapi, function, arguments).unwrap_err();
    let unknown = refused("passthrough", &[("vmuuid", &uuid), ("command", "id")]);
    assert_eq!(description(&unknown), ["UNKNOWN_XENAPI_PLUGIN_FUNCTION", "passthrough"]);
    let missing = refused("start", &[("vmuuid", &uuid)]);
    assert_eq!(description(&missing)[..4], ["XENAPI_PLUGIN_FAILURE", "start", "Exception", "INVALID_ARGUMENTS"]);
    for text in ["", "../../etc/passwd", "x\r\ny", "<b>&amp;"] {
        let failure = refused("register", &[("vmuuid", text)]);
        // XML makes one line feed of both.
        assert_eq!(description(&failure), ["UUID_INVALID", "VM", &text.replace("\r\n", "\n")]);
    }
    let nobodys = "00000000-0000-0000-0000-00000000abcd";
    assert_eq!(description(&refused("register", &[("vmuuid", nobodys)])), ["UUID_INVALID", "VM", nobodys]);
    for name in ["..", "a/../b", "one\n", "one\r\nHost: x", "<one>", "%2e", ""] {
        let failure = refused("stop", &[("vmuuid", &uuid), ("container", name)]);
        assert_eq!(description(&failure)[..3], ["XENAPI_PLUGIN_FAILURE", "stop", "XSContainerException"]);
        assert!(failure.params[2].starts_with("Invalid container"), "{failure}");
    }
    assert!(plugin.lines().iter().all(|line| !line.contains("OpaqueRef")), "sessions are credentials");
}

/// The program by itself, as XAPI would run it.
fn run(plugin: &Plugin, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(plugin.program()).args(arguments).env_clear().output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn an_argument_that_is_no_call_is_answered_all_the_same() {
    let lab = Lab::new();
    let plugin = Plugin::install(&lab.xapi, None);
    for nonsense in ["", "x", "<methodCall/>", "<methodResponse/>", "--help", &"<a>".repeat(10_000)] {
        let (code, said) = run(&plugin, &[nonsense]);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("<value>Failure</value>") && said.contains("INVALID_ARGUMENTS"), "{said}");
    }
    let no_text = std::ffi::OsStr::from_bytes(b"<methodCall>\xff</methodCall>");
    let output = Command::new(plugin.program()).arg(no_text).env_clear().output().unwrap();
    assert!(output.status.success() && String::from_utf8(output.stdout).unwrap().contains("the call is not UTF-8"));
    for arguments in [&[][..], &["a", "b"]] {
        let (code, said) = run(&plugin, arguments);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("the plugin takes one argument"), "{said}");
    }
    assert_eq!(plugin.lines().iter().filter(|line| line.contains("cannot be understood")).count(), 9);
}

/// Python's own library, which the original's callers used, writes the call and reads the answer.
#[test]
fn pythons_library_understands_it() {
    let lab = Lab::new();
    let vm = lab.add_vm("web", &[], &[("xscontainer-monitor", "False")]);
    let plugin = Plugin::install(&lab.xapi, None);
    let script = r#"
import subprocess, sys, xmlrpc.client
def call(function, **arguments):
    text = xmlrpc.client.dumps(("OpaqueRef:nobody", arguments), function)
    said = subprocess.run([sys.argv[1], text], stdin=subprocess.DEVNULL, capture_output=True, env={}, check=True).stdout
    return xmlrpc.client.loads(said)[0][0]
print(call("register", vmuuid=sys.argv[2]))
print(call("no_such", vmuuid="a & <b>"))
"#;
    let output =
        Command::new("python3").args(["-c", script]).arg(plugin.program()).arg(lab.uuid(&vm)).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    // The session is nobody's, which XAPI says, and which is passed on as it is.
    assert_eq!(
        said,
        "{'Status': 'Failure', 'ErrorDescription': ['SESSION_INVALID', 'OpaqueRef:nobody']}\n\
         {'Status': 'Failure', 'ErrorDescription': ['UNKNOWN_XENAPI_PLUGIN_FUNCTION', 'no_such']}\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
