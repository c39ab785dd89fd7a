//! The simulated XAPI on the wire: HTTP, encodings, envelope, names, failures. Requests are literal text.

use super::raw::{Lab, failure, post, text, value};
use lab::xapi::{LONGEST_BODY, NULL_REF, Value};

#[test]
fn the_reply_has_the_headers_of_xapi() {
    let lab = Lab::start();
    let reply = lab.exchange(post("/RPC2", "<methodCall><methodName>x</methodName></methodCall>").as_bytes());
    let body = failure(&["MESSAGE_METHOD_UNKNOWN", "x"]);
    let expected = format!(
        "HTTP/1.0 200 OK\r\ncontent-length: {}\r\nconnection: close\r\ncache-control: no-cache, no-store\r\n\
         content-type: text/xml\r\nAccess-Control-Allow-Origin: *\r\n\
         Access-Control-Allow-Headers: X-Requested-With\r\n\r\n{body}",
        body.len()
    );
    assert_eq!(String::from_utf8(reply).unwrap(), expected);
}

#[test]
fn a_connection_is_kept_for_the_next_request() {
    let lab = Lab::start();
    let body = "<methodCall><methodName>x</methodName></methodCall>";
    let request = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let last = request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    let reply = String::from_utf8(lab.exchange(format!("{request}{last}").as_bytes())).unwrap();
    assert_eq!(reply.matches("HTTP/1.1 200 OK").count(), 2);
    assert_eq!(lab.xapi.look(|state| state.counters.connections), 1);
}

#[test]
fn a_post_without_content_length_gets_500() {
    let lab = Lab::start();
    let reply = String::from_utf8(lab.exchange(b"POST / HTTP/1.1\r\n\r\n")).unwrap();
    assert!(reply.starts_with("HTTP/1.1 500 Internal Error\r\n"), "{reply}");
    assert!(reply.contains("\r\nconnection: close\r\n") && reply.contains("content-type: text/html"), "{reply}");
}

#[test]
fn the_longest_body_passes_and_one_byte_more_gets_500() {
    let lab = Lab::start();
    let frame = "<methodCall><methodName></methodName></methodCall>";
    let fill = "x".repeat(LONGEST_BODY - frame.len());
    let longest = frame.replace("></methodName", &format!(">{fill}</methodName"));
    assert!(lab.post("/", &longest).contains("MESSAGE_METHOD_UNKNOWN"));
    let reply = lab.exchange(post("/", &format!("{longest} ")).as_bytes());
    assert!(reply.starts_with(b"HTTP/1.0 500 "));
}

#[test]
fn a_body_that_is_no_call_gets_500() {
    let lab = Lab::start();
    for (path, body) in [("/", "<methodCall>"), ("/", "{}"), ("/jsonrpc", "<methodCall/>"), ("/jsonrpc", "{}")] {
        let reply = lab.exchange(post(path, body).as_bytes());
        assert!(reply.starts_with(b"HTTP/1.0 500 "), "{path} {body}");
    }
}

#[test]
fn a_long_head_is_refused_over_tcp() {
    use std::io::{Read, Write};
    let lab = Lab::start_with(lab::xapi::Config::with_tcp);
    let mut stream = std::net::TcpStream::connect(lab.xapi.address().unwrap()).unwrap();
    stream.set_read_timeout(Some(super::raw::DEADLINE)).unwrap();
    stream.write_all(format!("POST / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(1024)).as_bytes()).unwrap();
    let mut reply = [0; 12];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"HTTP/1.1 431");
}

#[test]
fn every_kind_of_value_has_its_form() {
    let lab = Lab::start();
    let session = text(&lab.login("test"));
    let vm = lab.xapi.add_vm("a<b>&\"c'", [("snapshot_time", Value::DateTime("20200601T10:00:00Z".into()))]).unwrap();
    let get = |field: &str| {
        let body = lab.call(&format!("VM.get_{field}"), &format!("{session}{}", text(vm.as_str())));
        value(&body).to_owned()
    };
    assert_eq!(get("name_label"), "a&lt;b&gt;&amp;&quot;c'");
    assert_eq!(get("name_description"), "");
    assert_eq!(get("memory_target"), "1073741824");
    assert_eq!(get("is_a_template"), "<boolean>0</boolean>");
    assert_eq!(get("HVM_shadow_multiplier"), "<double>1</double>");
    assert_eq!(get("snapshot_time"), "<dateTime.iso8601>20200601T10:00:00Z</dateTime.iso8601>");
    assert_eq!(get("guest_metrics"), NULL_REF);
    assert_eq!(get("VIFs"), "<array><data></data></array>");
    assert_eq!(get("other_config"), "<struct></struct>");
}

#[test]
fn a_call_without_a_result_answers_an_empty_string() {
    let lab = Lab::start();
    let (session, vm) = (lab.login("test"), lab.xapi.add_vm("web", []).unwrap());
    let body = lab.call("VM_set_name_label", &format!("{}{}{}", text(&session), text(vm.as_str()), text("new")));
    assert_eq!(value(&body), "");
    assert_eq!(lab.xapi.get(&vm, "name_label"), Ok("new".into()));
}

#[test]
fn an_integer_may_be_sent_as_text_or_as_int() {
    let lab = Lab::start();
    let (session, vm) = (text(&lab.login("test")), lab.xapi.add_vm("web", []).unwrap());
    for (sent, number) in [("<value>7</value>", 7), ("<value><int>8</int></value>", 8)] {
        let params = format!("{session}{}<param>{sent}</param>", text(vm.as_str()));
        assert_eq!(value(&lab.call("VM.set_user_version", &params)), "");
        assert_eq!(lab.xapi.get(&vm, "user_version"), Ok(number.into()));
    }
}

#[test]
fn list_methods_needs_no_session_and_has_no_envelope() {
    let body = Lab::start().call("system.listMethods", "");
    assert!(body.starts_with("<?xml version=\"1.0\"?><methodResponse><params><param><value><array><data><value>"));
    assert!(body.contains("<value>VM_guest_metrics.get_all_records</value>"));
    assert!(!body.contains("<value>session.get_all_records</value>"));
}

#[test]
fn failures_have_their_exact_description() {
    let lab = Lab::start();
    let (session, vm) = (lab.login("test"), lab.xapi.add_vm("web", []).unwrap());
    lab.xapi.set_entry(&vm, "other_config", "k", "v").unwrap();
    let (s, vm) = (text(&session), text(vm.as_str()));
    let vm_ref = vm.split("string>").nth(1).unwrap().trim_end_matches("</");
    let dead = "OpaqueRef:11111111-2222-3333-4444-555555555555";
    let cases: &[(&str, String, &[&str])] = &[
        ("VM.no_such", s.clone(), &["MESSAGE_METHOD_UNKNOWN", "VM.no_such"]),
        ("VM.no_such", text("x"), &["SESSION_INVALID", "x"]),
        ("VM.get_all", String::new(), &["MESSAGE_PARAMETER_COUNT_MISMATCH", "VM.get_all", "0", "-1"]),
        ("VM_get_all", format!("{s}{s}"), &["MESSAGE_PARAMETER_COUNT_MISMATCH", "VM_get_all", "0", "1"]),
        (
            "session.login_with_password",
            s.clone(),
            &["MESSAGE_PARAMETER_COUNT_MISMATCH", "session.login_with_password", "2", "1"],
        ),
        ("VM.get_all", text(dead), &["SESSION_INVALID", dead]),
        ("VM.get_record", format!("{s}{}", text(dead)), &["HANDLE_INVALID", "VM", dead]),
        ("host.get_uuid", format!("{s}{vm}"), &["HANDLE_INVALID", "host", vm_ref]),
        ("VM.get_by_uuid", format!("{s}{}", text("u")), &["UUID_INVALID", "VM", "u"]),
        (
            "VM.add_to_other_config",
            format!("{s}{vm}{}{}", text("k"), text("v")),
            &["MAP_DUPLICATE_KEY", "VM", "other_config", vm_ref, "k"],
        ),
        (
            "VM.add_to_other_config",
            format!("{s}{vm}{}{}", text(""), text("v")),
            &["INTERNAL_ERROR", "Db_cache_types.Empty_key_in_map"],
        ),
        ("message.destroy", format!("{s}{}", text(dead)), &["HANDLE_INVALID", "message", dead]),
        (
            "message.create",
            format!("{s}{}{}{}{}{}", text("N"), text("3"), text("VM"), text("u"), text("b")),
            &["UUID_INVALID", "VM", "u"],
        ),
        ("event.inject", format!("{s}{}{vm}", text("vm")), &["HANDLE_INVALID", "vm", vm_ref]),
        (
            "host.call_plugin",
            format!(
                "{s}{}{}{}<param><value><struct/></value></param>",
                text(lab.xapi.host().as_str()),
                text("nix"),
                text("f")
            ),
            &["XENAPI_MISSING_PLUGIN", "nix"],
        ),
        ("Async.VM.get_all", s.clone(), &["Fault", "No async mode for this operation (rpc: VM.get_all)"]),
        ("Async.host_call_plugin", s.clone(), &["MESSAGE_METHOD_UNKNOWN", "host_call_plugin"]),
    ];
    for (method, params, description) in cases {
        assert_eq!(lab.call(method, params), failure(description), "{method} {params}");
    }
}

#[test]
fn removing_a_key_that_is_not_there_succeeds() {
    let lab = Lab::start();
    let (session, vm) = (lab.login("test"), lab.xapi.add_vm("web", []).unwrap());
    let params = format!("{}{}{}", text(&session), text(vm.as_str()), text("absent"));
    assert_eq!(value(&lab.call("VM.remove_from_other_config", &params)), "");
}

#[test]
fn json_calls_are_answered_in_json() {
    let lab = Lab::start();
    let login = r#"{"jsonrpc":"2.0","id":1,"method":"session.login_with_password","params":["root",""]}"#;
    let reply: serde_json::Value = serde_json::from_str(&lab.post("/jsonrpc", login)).unwrap();
    let session = reply["result"].as_str().unwrap();
    let vm = lab.xapi.add_vm("web", []).unwrap();
    let get = format!(r#"{{"id":2,"method":"VM.get_memory_target","params":["{session}","{vm}"]}}"#);
    assert_eq!(lab.post("/jsonrpc", &get), r#"{"error":null,"id":2,"result":1073741824}"#);
}

#[test]
fn a_string_is_cut_at_the_first_character_that_xml_cannot_carry() {
    let lab = Lab::start();
    let (session, vm) = (lab.login("test"), lab.xapi.add_vm("web", []).unwrap());
    let set = format!(r#"{{"id":2,"method":"VM.add_to_other_config","params":["{session}","{vm}","k","ok\u001bno"]}}"#);
    lab.post("/jsonrpc", &set);
    assert_eq!(lab.xapi.look(|state| state.entry(&vm, "other_config", "k")), Some("ok".to_owned()));
}

#[test]
fn control_bytes_in_a_result_are_dropped() {
    let lab = Lab::start();
    lab.xapi.set_plugin("noisy", |_, _| Ok("a\u{1}\u{1b}\tb\nc".to_owned()));
    let params = [&lab.login("test"), lab.xapi.host().as_str(), "noisy", "f"].map(text).concat();
    let body = lab.call("host.call_plugin", &format!("{params}<param><value><struct/></value></param>"));
    assert_eq!(value(&body), "a\tb\nc");
}

#[test]
fn a_message_can_be_made_read_and_destroyed() {
    let lab = Lab::start();
    let (session, vm) = (text(&lab.login("test")), lab.xapi.add_vm("web", []).unwrap());
    let uuid = lab.xapi.get(&vm, "uuid").unwrap();
    let params = [text("N"), text("3"), text("vm"), text(uuid.text().unwrap()), text("body")].concat();
    let message = value(&lab.call("message.create", &format!("{session}{params}"))).to_owned();
    let record = lab.call("message.get_record", &format!("{session}{}", text(&message)));
    assert!(record.contains("<name>cls</name><value>VM</value>"), "{record}");
    assert!(record.contains("<name>priority</name><value>3</value>"), "{record}");
    let all = lab.call(
        "message.get_since",
        &format!("{session}<param><value><dateTime.iso8601>20200101T00:00:00Z</dateTime.iso8601></value></param>"),
    );
    assert!(all.contains(&format!("<name>{message}</name>")), "{all}");
    assert_eq!(value(&lab.call("message.destroy", &format!("{session}{}", text(&message)))), "");
    assert_eq!(value(&lab.call("message.get_all", &session)), "<array><data></data></array>");
}

#[test]
fn an_asynchronous_call_leaves_a_task_with_the_encoded_result() {
    let lab = Lab::start();
    lab.xapi.set_plugin("echo", |function, arguments| Ok(format!("{function}<{}", arguments[0].1)));
    let (session, host) = (text(&lab.login("test")), text(lab.xapi.host().as_str()));
    let map = "<param><value><struct><member><name>a</name><value>b</value></member></struct></value></param>";
    let params = format!("{session}{host}{}{}{map}", text("echo"), text("say"));
    assert_eq!(value(&lab.call("host.call_plugin", &params)), "say&lt;b");
    let task = value(&lab.call("Async.host.call_plugin", &params)).to_owned();
    let result = lab.call("task.get_result", &format!("{session}{}", text(&task)));
    assert_eq!(value(&result), "&lt;value&gt;say&amp;lt;b&lt;/value&gt;");
}

#[test]
fn a_vif_gets_a_mac_address_and_keeps_its_device_for_itself() {
    let lab = Lab::start();
    let (session, vm) = (text(&lab.login("test")), lab.xapi.add_vm("web", []).unwrap());
    let network = lab.xapi.look(|state| state.database.refs("network")[0].clone());
    let member = |name: &str, value: &str| format!("<member><name>{name}</name><value>{value}</value></member>");
    let record: String = [
        ("device", "3"),
        ("VM", vm.as_str()),
        ("network", network.as_str()),
        ("MAC", ""),
        ("MTU", "1500"),
        ("other_config", "<struct/>"),
        ("qos_algorithm_type", ""),
        ("qos_algorithm_params", "<struct/>"),
    ]
    .map(|(name, value)| member(name, value))
    .concat();
    let params = format!("{session}<param><value><struct>{record}</struct></value></param>");
    let vif = value(&lab.call("VIF.create", &params)).to_owned();
    let mac = lab.call("VIF.get_MAC", &format!("{session}{}", text(&vif)));
    assert!(value(&mac).starts_with("02:") && value(&mac).len() == 17, "{mac}");
    assert_eq!(lab.call("VIF.create", &params), failure(&["DEVICE_ALREADY_EXISTS", "3"]));
    assert_eq!(lab.xapi.get(&vm, "VIFs"), Ok(Value::set([vif.as_str()])));
}

#[test]
fn vms_are_found_by_name_whatever_they_are_and_by_uuid() {
    let lab = Lab::start();
    let session = text(&lab.login("test"));
    let halted = [("power_state", Value::from("Halted")), ("resident_on", NULL_REF.into())];
    let kinds = [vec![], halted.to_vec(), vec![("is_a_template", true.into())], vec![("is_a_snapshot", true.into())]];
    let vms: Vec<_> = kinds.into_iter().map(|fields| lab.xapi.add_vm("web", fields).unwrap()).collect();
    let by_name = |name: &str| lab.call("VM.get_by_name_label", &format!("{session}{}", text(name)));
    let found = by_name("web");
    assert!(vms.iter().all(|vm| found.contains(&format!("<value>{vm}</value>"))), "{found}");
    assert_eq!(found.matches("OpaqueRef:").count(), vms.len(), "{found}");
    for other in ["Web", "we", "web ", ""] {
        assert_eq!(value(&by_name(other)), "<array><data></data></array>", "{other:?}");
    }
    for vm in &vms {
        let uuid = lab.xapi.get(vm, "uuid").unwrap();
        let by_uuid = lab.call("VM.get_by_uuid", &format!("{session}{}", text(uuid.text().unwrap())));
        assert_eq!(value(&by_uuid), vm.as_str());
    }
}
